"""The tables and keys of recipes, from the configs, and suggestions for unknown keys."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from endonym.config import Config

OTHER_NAMES = {
    "batch_size": "batch_tokens",
    "block_size": "context",
    "context_length": "context",
    "d_model": "dim",
    "embedding_size": "dim",
    "file": "path",
    "hidden_size": "dim",
    "intermediate_size": "hidden",
    "learning_rate": "lr",
    "max_lr": "lr",
    "max_steps": "steps",
    "min_frequency": "min_count",
    "n_embd": "dim",
    "n_head": "heads",
    "n_layer": "layers",
    "num_attention_heads": "heads",
    "num_epochs": "epochs",
    "num_hidden_layers": "layers",
    "num_key_value_heads": "kv_heads",
    "rope_theta": "rope_base",
    "seq_len": "context",
    "sequence_length": "context",
    "tie_word_embeddings": "tied",
    "train_steps": "steps",
    "vocab_size": "vocab",
    "warmup": "warmup_steps",
}
"""What other programs call our keys."""


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

    @property
    def location(self) -> str:
        """The table in a message, after a key's name."""
        return f"in {self.header}" if self.name else f"at {self.header}"

    @property
    def keys(self) -> dict[str, FieldInfo]:
        """Its keys, sub-tables included, in their order."""
        return self.config.model_fields


def inner(annotation: Any) -> tuple[type[Config] | None, bool]:
    """The config that a field's type holds, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation, False
    for part in get_args(annotation):
        config, _ = inner(part)
        if config is not None:
            return config, Ellipsis in get_args(annotation)
    return None, False


def tables(root: type[Config], name: str = "", title: str = "a recipe") -> Iterator[Table]:
    """The recipe and every table in it, each before its own tables."""
    yield Table(name, root, title, False, (root.__doc__ or "").partition("\n")[0])
    for key, field in root.model_fields.items():
        config, is_list = inner(field.annotation)
        if config is None:
            continue
        below = f"{name}.{key}" if name else key
        description = field.description or ""
        first, *rest = tables(config, below, field.title or description)
        yield Table(below, first.config, first.title, is_list, description)
        yield from rest


def table_named(root: type[Config], name: str) -> Table | None:
    """The table with this dotted name; the empty name is the recipe itself."""
    return next((table for table in tables(root) if table.name == name), None)


def nearest(word: str, choices: list[str], *, cutoff: float = 0.6) -> str | None:
    """The choice that is spelled most like the word, if one is near."""
    found = difflib.get_close_matches(plain_word(word), choices, n=1, cutoff=cutoff)
    return found[0] if found else None


def plain_word(word: str) -> str:
    """The word in lower case with underscores, as keys are written."""
    return word.lower().replace("-", "_").replace(" ", "_")


def nearest_key(root: type[Config], table: Table, wrong: str) -> str | None:
    """A key to suggest for an unknown one: of this table, of one inside it, or of another."""
    name = OTHER_NAMES.get(plain_word(wrong), plain_word(wrong))
    own, start = list(table.keys), f"{table.name}."
    inside = {
        key: f"{other.name.removeprefix(start)}.{key}"
        for other in tables(root)
        if table.name and other.name.startswith(start)
        for key in other.keys
    }
    if name in inside and name not in own:
        return f"`{inside[name]}`"
    close = nearest(name, own, cutoff=0.7)
    if close is not None:
        return f"`{close}`"
    home = next((other for other in tables(root) if name in other.keys), None)
    if home is not None:
        return f"`{name}` {home.location}"
    leaf = nearest(name, list(inside), cutoff=0.7)
    loose = inside[leaf] if leaf else nearest(name, own)
    return f"`{loose}`" if loose else None
