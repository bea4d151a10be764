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

Noted = dict[str, list[str]]
"""By a file's path in the package, the hashes of its bytes and of what counts in it."""


class SourceCode:
    """The files of a folder as they are now; what is written later is other code."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contents: dict[str, bytes] = {}
        for path in root.rglob("*"):
            if path.suffix != ".pyc" and path.is_file():
                self.contents[path.relative_to(root).as_posix()] = path.read_bytes()

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

    def are_released(self, names: Iterable[str]) -> bool:
        """Whether files are as the installed release has them; False of a checkout."""
        hashes = _released_files(self.root)
        return bool(hashes) and all(
            hashes.get(name) == _as_recorded(self._content(name)) for name in names
        )

    def _content(self, name: str) -> bytes:
        """The bytes of a file; none if it is not there."""
        return self.contents.get(name, b"")


@cache
def source_code(root: Path) -> SourceCode:
    """The code of a folder that this process runs, as it was when this was first called."""
    return SourceCode(root)


@cache
def _released_files(root: Path) -> dict[str, str]:
    """The hashes of the package's files by path, as its installer has written them down."""
    hashes: dict[str, str] = {}
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.distribution(PACKAGE).files or ():
            path = Path(str(file.locate()))
            if file.hash is not None and path.is_relative_to(root):
                hashes[path.relative_to(root).as_posix()] = file.hash.value
    return hashes


def _as_recorded(content: bytes) -> str:
    """The SHA-256 of a file in the form of the record of a wheel."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


@cache
def _hash_of_counting(name: str, content: bytes) -> str:
    """The hash of what counts in a file; of all of it if it cannot be parsed."""
    with suppress(SyntaxError, ValueError):
        if name.endswith(".py"):
            content = ast.dump(counting(ast.parse(content))).encode()
        elif name.endswith(".toml"):
            table = tomllib.loads(content.decode("utf-8"))
            content = json.dumps(table, default=str).encode()
    return _hash(content)


def counting(tree: ast.Module) -> ast.Module:
    """A syntax tree without docstrings and the annotations of functions, which change no result.

    Those of a class stay: pydantic and dataclasses read them.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [each for each in body if not is_string(each)]
    return tree


def is_string(node: Any) -> bool:
    """Whether a statement is a string alone: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
