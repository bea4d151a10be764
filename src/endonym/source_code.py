"""Which code of this package can influence what a function returns, as a hash.

The code is found without running it: from a function to the definitions that it names, to those
that these name, and so on, with the data files (tables, templates) whose names stand in them. Each
definition is hashed as a syntax tree without comments, docstrings, layout and the annotations of
functions, so an edit that changes none of its results does not count. What is reached only by a
name that is put together while the program runs is not seen.
"""

import ast
import base64
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from endonym import disk
from endonym.store import fingerprint

ROOT = Path(__file__).parent
PACKAGE = "endonym"
NO_DATA = (".py", ".pyc", ".typed")
"""Ends of the names of files that are no data."""
TOP = ""
"""The name under which the statements of a module stand that define nothing."""
KEPT_FILE = "source_code.json"
"""In a store's cache: what was found in each file of code, by the file's hash."""
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


@dataclass(frozen=True, slots=True)
class Code:
    """The code that a function depends on.

    files: a hash of what counts in each, by its path within the package. libraries: versions of the
    other packages that it imports. is_release: whether all of these files are those of an installed
    release.
    """

    files: dict[str, str]
    libraries: dict[str, str]
    is_release: bool

    @property
    def sha256(self) -> str:
        """One hash of all files."""
        return fingerprint(self.files)


class Named(NamedTuple):
    """What a definition names: others as module and name, libraries, words that may be the names of
    data files, and folders of packages."""

    definitions: list[tuple[str, str]]
    libraries: set[str]
    words: set[str]
    folders: set[Path]


class SourceCode:
    """The package's code as it is on the disk now, read where it is needed.

    kept: a file in which what was found in files of code is kept for the next time, if any. root:
    the folder of the package, if another one than that of this process.
    """

    def __init__(self, kept: Path | None = None, root: Path | None = None) -> None:
        root = root or ROOT
        self.root, self.kept = root, kept
        self.found: dict[str, Any] = disk.read_if_good(kept) if kept is not None else {}
        self.modules = dict(_modules(root))
        self.data = dict(_data_files(root))
        self.named: dict[tuple[str, str], Named] = {}
        paths = [*self.modules.values(), *self.data]
        self.stats = {path: _stat(path) for path in paths}
        self.raw = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
        self.read: dict[str, dict[str, Any]] = {}
        self.is_new = False
        self.codes: dict[str, Code] = {}

    def of(self, function: str) -> Code | None:
        """The code that a function depends on; None if there is no such function.

        function: as "endonym.pipeline.stages:corpus".
        """
        if function not in self.codes:
            module, _, name = function.partition(":")
            if module not in self.modules or name not in self._module(module)["parts"]:
                return None
            self.codes[function] = self._code_of(module, name)
            if self.is_new and self.kept is not None:
                with suppress(OSError):  # It only saves time.
                    self.kept.parent.mkdir(parents=True, exist_ok=True)
                    disk.write_json(self.kept, self.found)
                self.is_new = False
        return self.codes[function]

    def has_changed(self, files: Iterable[str]) -> bool:
        """Whether any of these files was written since they were read here."""
        paths = [self.root / each for each in files]
        return any(_stat(path) != self.stats.get(path) for path in paths)

    def _code_of(self, module: str, name: str) -> Code:
        reached: dict[str, set[str]] = {}
        libraries, words, folders = set[str](), set[str](), set[Path]()
        data = set[Path]()
        config = self._module(module)["parts"][name]["takes"]
        todo = [(module, name), *self._targets(module, config, {})[0]]
        while todo:
            module, name = todo.pop()
            names = reached.setdefault(module, set())
            if name not in names and NO_RESULT.isdisjoint((module, f"{module}:{name}")):
                names.add(name)
                named = self._named_by(module, name)
                todo += named.definitions
                libraries |= named.libraries
                words |= named.words
                folders |= named.folders
                data.update(self._data_of(module, named.words))
        # A function may be given the package in which a file of this name lies.
        for path, (package, _) in self.data.items():
            data |= {path} if package in folders and path.name in words else set()
        counted = {module: names for module, names in reached.items() if names}
        files = {self._path_of(each): self._hash_of(each, names) for each, names in counted.items()}
        files |= {path.relative_to(self.root).as_posix(): self._data_hash(path) for path in data}
        versions = {each: version for each in sorted(libraries) if (version := _version(each))}
        paths = [self.root / each for each in files]
        return Code(dict(sorted(files.items())), versions, self._are_released(paths))

    def _named_by(self, module: str, name: str) -> "Named":
        """What a definition names; what a module does when it is imported always counts."""
        if (module, name) not in self.named:
            part = self._module(module)["parts"].get(name)
            if part is None:
                return Named([], set(), set(), set())
            places = [each for each in part["strings"] if each.startswith(f"{PACKAGE}.")]
            chains = [*part["names"], *places]
            definitions, libraries = self._targets(module, chains, part["imports"])
            words = {word for each in part["strings"] for word in (each, *each.split("/"))}
            packages = [self.modules[each] for each in part["strings"] if each in self.modules]
            folders = {each.parent for each in packages if each.name == "__init__.py"}
            definitions.append((module, TOP))
            self.named[module, name] = Named(definitions, libraries, words, folders)
        return self.named[module, name]

    def _targets(
        self, module: str, chains: Iterable[str], imports: dict[str, str]
    ) -> tuple[list[tuple[str, str]], set[str]]:
        """The definitions, and the libraries, that dotted names in a part of a module mean.

        imports: those within the part.
        """
        found = self._module(module)
        definitions, libraries = list[tuple[str, str]](), set[str]()
        for chain in chains:
            first, *rest = chain.replace(":", ".").split(".")
            target = imports.get(first) or found["imports"].get(first, "")
            if first in found["parts"] and not target:
                definitions.append((module, first))
            elif first == PACKAGE and rest:
                definitions += self._definitions([first, *rest])
            elif target.split(".")[0] == PACKAGE:
                definitions += self._definitions([*target.split("."), *rest])
            elif target and target.split(".")[0] not in sys.stdlib_module_names:
                libraries.add(target.split(".")[0])
        return definitions, libraries

    def _definitions(self, names: list[str]) -> Iterator[tuple[str, str]]:
        """The definition that dotted names lead to; all of a module that is named itself."""
        end = next((n for n in range(len(names), 0, -1) if ".".join(names[:n]) in self.modules), 0)
        module, rest = ".".join(names[:end]), names[end:]
        if not module or module == PACKAGE:
            return
        found = self._module(module)
        if not rest:
            yield from ((module, name) for name in found["parts"])
        elif rest[0] in found["parts"]:
            yield module, rest[0]
        elif rest[0] in found["imports"]:
            yield from self._definitions([*found["imports"][rest[0]].split("."), *rest[1:]])

    def _data_of(self, module: str, words: set[str]) -> Iterator[Path]:
        """The data files beside a module that words in it name: alone, by their folder or end."""
        own = self.modules[module]
        for path, (package, names) in self.data.items() if words else ():
            is_own = path.stem == own.stem and path.suffix in words
            if package == own.parent and (is_own or not words.isdisjoint(names)):
                yield path

    def _path_of(self, module: str) -> str:
        return self.modules[module].relative_to(self.root).as_posix()

    def _hash_of(self, module: str, names: set[str]) -> str:
        """The hash of some definitions of a module."""
        parts = self._module(module)["parts"]
        return fingerprint({name: parts[name]["hash"] for name in names if name in parts})[:16]

    def _data_hash(self, path: Path) -> str:
        """The hash of a data file; comments and layout of TOML do not count."""
        content = path.read_bytes()
        if path.suffix == ".toml":
            with suppress(ValueError):
                table = tomllib.loads(content.decode("utf-8"))
                content = json.dumps(table, default=str).encode()
        return hashlib.sha256(content).hexdigest()[:16]

    def _module(self, module: str) -> dict[str, Any]:
        """What is defined and imported in a module."""
        if module not in self.read:
            path = self.modules[module]
            key = fingerprint([_own_code(), self.raw[path]])
            kept = self.found.get(module)
            if not (isinstance(kept, dict) and kept.get("key") == key):
                self.found[module] = {"key": key, **_read_module(path.read_text("utf-8"))}
                self.is_new = True
            self.read[module] = self.found[module]
        return self.read[module]

    def _are_released(self, paths: Iterable[Path]) -> bool:
        """Whether files are as the installed release has them; False of a checkout."""
        hashes = _released_files(self.root)
        return bool(hashes) and all(hashes.get(path) == self.raw[path] for path in paths)


@cache
def _own_code() -> str:
    """The hash of this file, which decides what is found in others."""
    return disk.file_hash(Path(__file__))


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    """The dotted name and the file of every module."""
    for path in sorted(root.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _stat(path: Path) -> tuple[int, int]:
    """When a file was written, and its size; zeros if it is gone."""
    with suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size
    return 0, 0


def _data_files(root: Path) -> Iterator[tuple[Path, tuple[Path, set[str]]]]:
    """Each data file with the folder of its package, and the names by which code may mean it: its
    own and those of the folders between.
    """
    for path in sorted(root.rglob("*")):
        if path.suffix in NO_DATA or "__pycache__" in path.parts or not path.is_file():
            continue
        names, folder = {path.name}, path.parent
        while folder != root and not (folder / "__init__.py").is_file():
            names.add(folder.name)
            folder = folder.parent
        yield path, (folder, names)


@cache
def _version(library: str) -> str:
    """The version of an installed library; empty if its package has another name."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(library)
    return ""


@cache
def _released_files(root: Path) -> dict[Path, str]:
    """SHA-256 of the package's files by path, as its installer has written them down."""
    hashes: dict[Path, str] = {}
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.distribution(PACKAGE).files or ():
            path = Path(str(file.locate()))
            if file.hash is not None and path.is_relative_to(root):
                padded = file.hash.value + "=" * (-len(file.hash.value) % 4)
                hashes[path] = base64.urlsafe_b64decode(padded).hex()
    return hashes


@cache
def _read_module(text: str) -> dict[str, Any]:
    """The definitions at the top of a module, each with its hash and what it names.

    "parts": by name the hash, the dotted names, the strings that may name a file or a module, the
    imports within it, and the types of a function's first argument. "imports": by name what is
    imported at the top.
    """
    parts: dict[str, dict[str, Any]] = {}
    imports: dict[str, str] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= _imported(statement)
        elif _is_for_types(statement) or _is_string(statement):
            continue
        else:
            part = _part(statement)
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                imports |= part["imports"]
            for name in _defined(statement):
                parts[name] = _joined(parts[name], part) if name in parts else part
    return {"parts": parts, "imports": imports}


def _joined(part: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A name that is defined in several statements."""
    return {
        "hash": fingerprint([part["hash"], more["hash"]])[:16],
        "names": sorted({*part["names"], *more["names"]}),
        "strings": sorted({*part["strings"], *more["strings"]}),
        "imports": part["imports"] | more["imports"],
        "takes": [],
    }


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines; TOP if it does anything else."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [statement.name]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    names = [node for target in targets for node in ast.walk(target)]
    plain = ast.Name | ast.Tuple | ast.Starred | ast.expr_context
    if targets and all(isinstance(node, plain) for node in names):
        return [node.id for node in names if isinstance(node, ast.Name)]
    inner = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)]
    return [TOP, *(node.name for node in inner)]


def _part(statement: ast.stmt) -> dict[str, Any]:
    """The hash of a statement, and what it names."""
    names, strings, takes = set[str](), set[str](), set[str]()
    imports: dict[str, str] = {}
    if isinstance(statement, ast.FunctionDef):
        annotations = [each.annotation for each in statement.args.args[:1] if each.annotation]
        takes = {n.id for each in annotations for n in ast.walk(each) if isinstance(n, ast.Name)}
    todo: list[tuple[ast.AST, frozenset[str]]] = [(statement, frozenset())]
    while todo:
        node, local = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _imported(node)
            continue
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and DOTTED.fullmatch(node.value):
                strings.add(node.value)
            continue
        if chain := _dotted(node):
            names |= {chain} if chain.split(".")[0] not in local else set()
            continue
        inner = [] if isinstance(node, ast.arg) else [*ast.iter_child_nodes(node)]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            local |= _local_names(node)
            inner = [each for each in inner if each is not getattr(node, "returns", None)]
        if not _is_for_types(node):
            todo += [(each, local) for each in inner if not _is_string(each)]
    tree = json.dumps(_content(statement), default=repr).encode()
    return {
        "hash": hashlib.sha256(tree).hexdigest()[:16],
        "names": sorted(names),
        "strings": sorted(strings),
        "imports": imports,
        "takes": sorted(takes),
    }


def _dotted(node: ast.AST) -> str:
    """A name, or names with dots between them, as `stages.corpus`; empty of other expressions."""
    names = list[str]()
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def _local_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
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


def _imported(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
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


def _is_for_types(node: ast.AST) -> bool:
    """Whether a statement runs for a type checker alone."""
    return isinstance(node, ast.If) and _dotted(node.test).endswith("TYPE_CHECKING")


def _is_string(node: ast.AST) -> bool:
    """Whether a statement is a string alone: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


LEFT_OUT = {"ctx", "kind", "type_comment", "type_params", "returns"}
"""Fields of syntax trees that change no result, or differ between versions of Python."""


def _content(node: Any, *, is_field: bool = False) -> Any:
    """A syntax tree as lists, without what changes no result.

    is_field: whether the statement is one of a class, whose annotations pydantic and dataclasses
    read.
    """
    if isinstance(node, list):
        return [_content(each, is_field=is_field) for each in node if not _is_string(each)]
    if not isinstance(node, ast.AST):
        return node
    left_out = set(LEFT_OUT)
    if isinstance(node, ast.arg) or (isinstance(node, ast.AnnAssign) and not is_field):
        left_out.add("annotation")
    content: list[Any] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name not in left_out and value is not None and value != []:
            inside = isinstance(node, ast.ClassDef) and name == "body"
            content.append([name, _content(value, is_field=inside)])
    return content
