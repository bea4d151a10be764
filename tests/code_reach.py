"""Which files of the package can influence what a stage makes, and what the autopilot chooses.

They are found without running the code: from a function to the definitions that it names, to those
that these name, and so on, with the data files (tables, templates) whose names stand in them, and
the functions that these tables name. What is reached only by a name that is put together while the
program runs is not seen.

`python tests/code_reach.py` writes them to `src/endonym/pipeline/code.toml`.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import endonym
from endonym.source_code import is_string

PACKAGE = "endonym"
SOURCE = Path(endonym.__file__).parent
TABLE = SOURCE / "pipeline" / "code.toml"
NO_DATA = (".py", ".pyc", ".typed")
"""Ends of the names of files that are no data."""
TOP = ""
"""The name under which the statements of a module stand that define nothing."""
STAGES = "endonym.pipeline.stages"
FUNCTIONS = {
    **{
        name: (f"{STAGES}:{name}",)
        for name in (
            *("corpus", "tokenizer", "changed_tokenizer", "pretrained_tokenizer", "shards"),
            *("examples", "model", "teacher", "evaluation"),
            *("export_corpus", "export_adapter", "export"),
        )
    },
    "choices": (
        "endonym.pipeline.settle:settle",
        "endonym.autopilot.resolve:vocab_choice",
        "endonym.autopilot.resolve:context_choice",
    ),
}
"""The functions whose code is noted, by their names in the table."""
NOTHING = "nothing"
"""The name in the table of the files that count for no function. A file that the table does not
have at all was added later."""
NO_RESULT = frozenset(
    {
        f"{PACKAGE}.errors",
        f"{PACKAGE}.export.formats:require_adapter_formats",
        f"{PACKAGE}.export.formats:require_formats",
        f"{PACKAGE}.log",
        f"{PACKAGE}.pipeline.metrics",
        f"{PACKAGE}.pipeline.preflight",
        f"{PACKAGE}.pipeline.training:first_prompts",
    }
)
"""Modules and functions of which no result holds anything: they refuse, warn, or show progress."""
DOTTED = re.compile(r"[\w./:-]{2,80}")
"""Strings that may name a data file, a folder of them, a module or a function of one."""
HEAD = """\
# The files of the package that can influence what a stage makes, by the stage's function, and what
# is chosen for a recipe (choices). Runs note their hashes for each artefact (pipeline/made_by.py).
# The files that count for nothing come last; one that is not here at all may count for all.
# Written by `python tests/code_reach.py`; a law fails when it is not current.
"""


class Part(NamedTuple):
    """A definition at the top of a module.

    names: with dots, that it names. strings: that may name a file or a module. imports: within it,
    by name. takes: the types of a function's first argument.
    """

    names: frozenset[str]
    strings: frozenset[str]
    imports: dict[str, str]
    takes: frozenset[str]


class Module(NamedTuple):
    """The definitions of a module by name, and what it imports, as dotted names."""

    parts: dict[str, Part]
    imports: dict[str, str]


def reach(functions: Iterable[str]) -> set[str]:
    """The files that count for functions, such as "endonym.pipeline.stages:corpus"."""
    found = [definition.split(":") for definition in functions]
    todo = [(module, name) for module, name in found]
    # A config is made elsewhere, and given to the stage.
    for module, name in [*todo]:
        todo += targets(module, parsed(module).parts[name].takes, {})
    reached: dict[str, set[str]] = {}
    words = set[str]()
    tables = set[Path]()
    while True:
        if not todo:
            new = data_reached(reached, words) - tables
            if not new:
                break
            tables |= new
            todo += [place for table in new for place in named_functions(table)]
            continue
        module, name = todo.pop()
        names = reached.setdefault(module, set())
        if name in names or not NO_RESULT.isdisjoint((module, f"{module}:{name}")):
            continue
        names.add(name)
        part = parsed(module).parts.get(name)
        if part is not None:
            places = [each for each in part.strings if each.startswith(f"{PACKAGE}.")]
            todo += [(module, TOP), *targets(module, [*part.names, *places], part.imports)]
            words.update(word for each in part.strings for word in (each, *each.split("/")))
    paths = {modules()[module] for module, names in reached.items() if names}
    return {path.relative_to(SOURCE).as_posix() for path in paths | tables}


def data_reached(reached: Mapping[str, set[str]], words: set[str]) -> set[Path]:
    """The data files that count for these definitions of modules, in which these words stand."""
    paths = {modules()[module] for module, names in reached.items() if names}
    folders = {path.parent for path in paths}
    return {
        path
        for path, (package, means) in data_files().items()
        if package in folders
        if path.with_suffix(".py") in paths or not words.isdisjoint(means)
    }


def named_functions(table: Path) -> list[tuple[str, str]]:
    """The definitions that a table names as "endonym.module:function"."""
    text = table.read_text(encoding="utf-8") if table.suffix == ".toml" else ""
    found = (place.split(":") for place in re.findall(rf'"({PACKAGE}[.][\w.]+:\w+)"', text))
    return [(module, name) for module, name in found if module in modules()]


def targets(
    module: str, chains: Iterable[str], imports: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """The definitions, as module and name, that dotted names in a part of a module mean."""
    here = parsed(module)
    for chain in chains:
        first, *rest = chain.replace(":", ".").split(".")
        target = imports.get(first) or here.imports.get(first, "")
        if first in here.parts and not target:
            yield module, first
        elif first == PACKAGE and rest:
            yield from definitions([first, *rest])
        elif target.split(".")[0] == PACKAGE:
            yield from definitions([*target.split("."), *rest])


def definitions(names: list[str]) -> Iterator[tuple[str, str]]:
    """The definition that dotted names lead to; all of a module that is named itself."""
    end = next((n for n in range(len(names), 0, -1) if ".".join(names[:n]) in modules()), 0)
    module, rest = ".".join(names[:end]), names[end:]
    if not module or module == PACKAGE:
        return
    found = parsed(module)
    if not rest:
        yield from ((module, name) for name in found.parts)
    elif rest[0] in found.parts:
        yield module, rest[0]
    elif rest[0] in found.imports:
        yield from definitions([*found.imports[rest[0]].split("."), *rest[1:]])


@cache
def modules() -> dict[str, Path]:
    """The file of every module, by its dotted name."""
    found: dict[str, Path] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def data_files() -> dict[Path, tuple[Path, set[str]]]:
    """Each data file with the folder of its package, and the names by which code may mean it: its
    own and those of the folders between.
    """
    found: dict[Path, tuple[Path, set[str]]] = {}
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix in NO_DATA or "__pycache__" in path.parts or not path.is_file():
            continue
        names, folder = {path.name}, path.parent
        while folder != SOURCE and not (folder / "__init__.py").is_file():
            names.add(folder.name)
            folder = folder.parent
        found[path] = folder, names
    return found


@cache
def parsed(module: str) -> Module:
    """What is defined and imported at the top of a module."""
    parts: dict[str, Part] = {}
    imports: dict[str, str] = {}
    for statement in ast.parse(modules()[module].read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= imported(statement)
        elif not is_for_types(statement) and not is_string(statement):
            part = part_of(statement)
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                imports |= part.imports
            for name in defined(statement):
                parts[name] = joined(parts[name], part) if name in parts else part
    return Module(parts, imports)


def joined(part: Part, more: Part) -> Part:
    """A name that is defined in several statements."""
    named = part.names | more.names, part.strings | more.strings
    return Part(*named, part.imports | more.imports, frozenset())


def defined(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines; TOP if it does anything else."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    places: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        places = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        places = [statement.target]
    nodes = [node for place in places for node in ast.walk(place)]
    plain = ast.Name | ast.Tuple | ast.Starred | ast.expr_context
    if places and all(isinstance(node, plain) for node in nodes):
        return [node.id for node in nodes if isinstance(node, ast.Name)]
    inner = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)]
    return [TOP, *(node.name for node in inner)]


def part_of(statement: ast.stmt) -> Part:
    """What a statement names."""
    names, strings = set[str](), set[str]()
    imports: dict[str, str] = {}
    takes = set[str]()
    if isinstance(statement, ast.FunctionDef):
        annotations = [each.annotation for each in statement.args.args[:1] if each.annotation]
        takes = {n.id for each in annotations for n in ast.walk(each) if isinstance(n, ast.Name)}
    todo: list[tuple[ast.AST, frozenset[str]]] = [(statement, frozenset())]
    while todo:
        node, local = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= imported(node)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and DOTTED.fullmatch(node.value):
                strings.add(node.value)
        elif chain := dotted(node):
            names |= {chain} if chain.split(".")[0] not in local else set()
        elif not is_for_types(node):
            inner = [] if isinstance(node, ast.arg) else [*ast.iter_child_nodes(node)]
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                local |= local_names(node)
                inner = [each for each in inner if each is not getattr(node, "returns", None)]
            todo += [(each, local) for each in inner if not is_string(each)]
    return Part(frozenset(names), frozenset(strings), imports, frozenset(takes))


def dotted(node: ast.AST) -> str:
    """A name, or names with dots between them, as `stages.corpus`; empty of other expressions."""
    names = list[str]()
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def local_names(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """The names that a function binds itself, which mean nothing of its module's."""
    names, outer = set[str](), set[str]()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Global):
            outer.update(node.names)
    return names - outer


def imported(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """What each name of an import statement means, as dotted names."""
    imports: dict[str, str] = {}
    for each in statement.names:
        if isinstance(statement, ast.ImportFrom):
            imports[each.asname or each.name] = f"{statement.module}.{each.name}"
        elif each.asname:
            imports[each.asname] = each.name
        else:
            first = each.name.split(".")[0]
            imports[first] = first
    return imports


def is_for_types(node: ast.AST) -> bool:
    """Whether a statement runs for a type checker alone."""
    return isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")


def table() -> str:
    """The table as it should be: for each function a line of names for every folder."""
    tables = [HEAD]
    counting = {function: reach(places) for function, places in FUNCTIONS.items()}
    known = {path.relative_to(SOURCE).as_posix() for path in (*modules().values(), *data_files())}
    counting[NOTHING] = known.difference(*counting.values())
    for function, files in counting.items():
        by_folder: dict[str, list[str]] = {}
        for name in sorted(files):
            folder, _, file = name.rpartition("/")
            by_folder.setdefault(folder, []).append(file)
        lines = [f'"{folder}" = "{" ".join(names)}"' for folder, names in by_folder.items()]
        tables.append("\n".join([f"[{function}]", *lines, ""]))
    return "\n".join(tables)


def write() -> None:
    """Write the table."""
    TABLE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    write()
