"""The package's own code as it is on the disk: which of its files differ from those noted before.

A file counts as the same if its syntax tree is, without comments, docstrings, layout and the
annotations of functions; a table in TOML if its values are.
"""

import ast
import base64
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = "endonym"
ROOT = Path(__file__).parent
DIGITS = 16
LEFT_OUT = {"ctx", "kind", "type_comment", "type_params", "returns"}
"""Fields of syntax trees that change no result, or differ between versions of Python."""

Noted = dict[str, list[str]]
"""By a file's path in the package, the hashes of its bytes and of what counts in it."""


class SourceCode:
    """The files of a folder as they are now; what is written later is other code."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contents: dict[str, bytes] = {}
        self.written: dict[str, float] = {}
        for path in root.rglob("*"):
            if path.suffix != ".pyc" and path.is_file():
                name = path.relative_to(root).as_posix()
                self.written[name] = self._time(name)
                self.contents[name] = path.read_bytes()

    def noted(self, names: Iterable[str]) -> Noted:
        """What is to be noted of files."""
        return {name: [_hash(self._content(name)), self.hash_of(name)] for name in names}

    def differing(self, noted: Mapping[str, list[str]]) -> list[str]:
        """The files that differ from what was noted of them."""
        return [
            name
            for name, (exact, counting) in noted.items()
            if _hash(self._content(name)) != exact and self.hash_of(name) != counting
        ]

    def hash_of(self, name: str) -> str:
        """The hash of what counts in a file."""
        return _hash_of_counting(name, self._content(name))

    def has_changed(self, names: Iterable[str]) -> bool:
        """Whether any of these files was written since it was read here."""
        return any(self.written.get(name, 0.0) != self._time(name) for name in names)

    def are_released(self, names: Iterable[str]) -> bool:
        """Whether files are as the installed release has them; False of a checkout."""
        hashes = _released_files(self.root)
        return bool(hashes) and all(
            hashes.get(name) == hashlib.sha256(self._content(name)).hexdigest() for name in names
        )

    def _content(self, name: str) -> bytes:
        """The bytes of a file; none if it is not there."""
        return self.contents.get(name, b"")

    def _time(self, name: str) -> float:
        """When a file was written; 0 if it is not there."""
        with suppress(OSError):
            return (self.root / name).stat().st_mtime
        return 0.0


@cache
def source_code(root: Path) -> SourceCode:
    """The code of a folder that this process runs, as it was when this was first called."""
    return SourceCode(root)


@cache
def _released_files(root: Path) -> dict[str, str]:
    """SHA-256 of the package's files by path, as its installer has written them down."""
    hashes: dict[str, str] = {}
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.distribution(PACKAGE).files or ():
            path = Path(str(file.locate()))
            if file.hash is not None and path.is_relative_to(root):
                padded = file.hash.value + "=" * (-len(file.hash.value) % 4)
                name = path.relative_to(root).as_posix()
                hashes[name] = base64.urlsafe_b64decode(padded).hex()
    return hashes


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


@cache
def _hash_of_counting(name: str, content: bytes) -> str:
    """The hash of what counts in a file; of all of it if it cannot be parsed."""
    with suppress(SyntaxError, ValueError):
        if name.endswith(".py"):
            content = json.dumps(counting(ast.parse(content)), default=repr).encode()
        elif name.endswith(".toml"):
            table = tomllib.loads(content.decode("utf-8"))
            content = json.dumps(table, default=str).encode()
    return _hash(content)


def counting(node: Any, *, is_field: bool = False) -> Any:
    """A syntax tree as lists, without what changes no result.

    is_field: whether the statement is one of a class, whose annotations pydantic and dataclasses
    read.
    """
    if isinstance(node, list):
        return [counting(each, is_field=is_field) for each in node if not is_string(each)]
    if not isinstance(node, ast.AST):
        return node
    left_out = set(LEFT_OUT)
    if isinstance(node, ast.arg) or (isinstance(node, ast.AnnAssign) and not is_field):
        left_out.add("annotation")
    content: list[Any] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name not in left_out and value is not None and value != []:
            inside = isinstance(node, ast.ClassDef) and name == "body"
            content.append([name, counting(value, is_field=inside)])
    return content


def is_string(node: Any) -> bool:
    """Whether a statement is a string alone: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
