"""The tables and keys of recipes, from the configs, and suggestions for unknown keys."""

import ast
import inspect
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic.fields import FieldInfo

from endonym.config import Config
from endonym.disk import packaged_tables
from endonym.errors import nearest, plain_word


@cache
def other_programs() -> dict[str, dict[str, str]]:
    """What other programs call our keys, by theirs: names, conversions, and keys we have not."""
    return packaged_tables("endonym.recipe", "other_programs.toml")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a recipe: its dotted name, its config, and its title in messages."""

    name: str
    config: type[Config]
    title: str
    is_list: bool
    description: str

    @property
    def header(self) -> str:
        """The table's header in a recipe."""
        if not self.name:
            return "the top of the recipe"
        return f"[[{self.name}]]" if self.is_list else f"[{self.name}]"

    def dotted(self, key: str) -> str:
        """A key of it, from the top of the recipe."""
        return f"{self.name}.{key}" if self.name else key

    @property
    def keys(self) -> dict[str, FieldInfo]:
        """Its keys, sub-tables included, in their order."""
        return self.config.model_fields

    def meaning(self, key: str) -> str:
        """What a key means: one line, and lines of details, indented by four."""
        docstring = self.keys[key].description or docstrings(self.config)[key]
        return re.sub(r"\n+- ", "\n    ", re.sub(r"\n(?!\n*- ) *", " ", docstring))


@cache
def docstrings(config: type[Config]) -> dict[str, str]:
    """The docstrings below the fields of a config and of its bases.

    They are read from the source when they are needed: pydantic's `use_attribute_docstrings` reads
    them at import, which makes every command 0.13 s slower.
    """
    descriptions: dict[str, str] = {}
    for base in config.__mro__[-3::-1]:  # but object and BaseModel
        for field, below in pairwise(_classes(base.__module__)[base.__name__].body):
            match field, below:
                case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    descriptions[name] = inspect.cleandoc(text)
                case _:
                    pass
    return descriptions


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module, as its source says them."""
    body = ast.parse(inspect.getsource(sys.modules[module])).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def inner(annotation: Any) -> tuple[type[Config] | None, bool]:
    """The config that a field's type holds, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation, False
    for part in get_args(annotation):
        config, is_list = inner(part)
        if config is not None:
            return config, is_list or Ellipsis in get_args(annotation)
    return None, False


@cache
def tables(root: type[Config]) -> dict[str, Table]:
    """Every table of a recipe by its dotted name, each before its own tables; "" is the recipe."""
    top = Table("", root, "a recipe", False, (root.__doc__ or "").partition("\n")[0])
    by_name: dict[str, Table] = {}
    waiting = [top]
    while waiting:
        table = waiting.pop()
        by_name[table.name] = table
        below: list[Table] = []
        for key, field in table.keys.items():
            config, is_list = inner(field.annotation)
            if config is not None:
                name = table.dotted(key)
                about = table.meaning(key)
                below.append(Table(name, config, field.title or about, is_list, about))
        waiting += reversed(below)
    return by_name


def meant(root: type[Config], words: Sequence[str]) -> list[tuple[Table, str]]:
    """The keys, each with its table, that a name may mean: `lr`, `phase.pretrain.lr`, `num_heads`.

    The words are those of a dotted name. Names and numbers of list items are passed over. Nothing
    is found for the name of a table.
    """
    by_name = tables(root)
    path: list[str] = []
    for word in words:
        above = by_name.get(".".join(path))
        is_item = above is not None and above.is_list and plain_word(word) not in above.keys
        if not (is_item and word != words[-1]):
            path.append(plain_word(word))
    name = ".".join(path[:-1])
    last = path[-1]
    if name in by_name and last in by_name[name].keys:
        return [(by_name[name], last)]
    key = other_programs()["names"].get(last, last)
    return [
        (table, key)
        for table in by_name.values()
        if key in table.keys and f".{name}." in f"..{table.name}."
    ]


def nearest_key(
    root: type[Config],
    table: Table,
    wrong: str,
    *,
    inner_keys: Sequence[str] = (),
    is_dotted: bool = False,
) -> str | None:
    """A key to suggest for an unknown one: of this table, of one inside it, or of another.

    inner_keys: the keys under the unknown one, which may tell what table is meant. is_dotted:
    whether a key of another table is written as `--set` takes it.
    """
    every = [*tables(root).values()]
    names = other_programs()["names"]
    name = names.get(plain_word(wrong), plain_word(wrong))
    own = list(table.keys)
    start = f"{table.name}."
    inside = {
        key: f"{other.name.removeprefix(start)}.{key}"
        for other in every
        if table.name and other.name.startswith(start)
        for key in other.keys
    }
    if name in inside and name not in own:
        return f"`{inside[name]}`"
    close = nearest(wrong if inner_keys else name, own, cutoff=0.7)
    if close is not None:
        return f"`{close}`"
    all_keys = [key for other in every for key in other.keys]
    wanted: list[str] = []
    for word in map(plain_word, inner_keys or [name]):
        near = nearest(word, [*all_keys, *names], cutoff=0.8) or word
        wanted.append(names.get(near, near))
    if not inner_keys and wanted[0] in [*own, *inside]:
        return f"`{wanted[0] if wanted[0] in own else inside[wanted[0]]}`"
    # The table with most of the wanted keys.
    homes = [other for other in every if any(each in other.keys for each in wanted)]
    if homes:
        home = max(homes, key=lambda other: sum(each in other.keys for each in wanted))
        key = next(each for each in wanted if each in home.keys)
        where = f"in {home.header}" if home.name else f"at {home.header}"
        return f"`{home.dotted(key)}`" if is_dotted else f"`{key}` {where}"
    leaf = nearest(name, list(inside), cutoff=0.7)
    loose = inside[leaf] if leaf else nearest(name, own)
    return f"`{loose}`" if loose else None
