"""The raw files of a source: one file, all files below a folder, or those that match a glob.

They are sorted by name, so that the order does not depend on the file system. Hidden files and
folders (a leading dot) and what `exclude` names are ignored. Nothing here opens a file.
"""

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from endonym.config import NOT_IDENTITY, Config
from endonym.errors import MissingSource, SourceError
from endonym.text.config import Source

GLOB_SIGNS = "*?["


class RawFile(Config):
    """A raw file and its name in document ids.

    name: the path below the source's root with forward slashes; for a single file its own name.
    Bytes in a file's name that are not UTF-8 are written as `\\xNN`.
    """

    path: Path = Field(json_schema_extra=NOT_IDENTITY)
    name: str


class RawSet(Config):
    """A source with its files and their hashes, in the same order; not yet hashed, it has none."""

    source: Source
    files: tuple[RawFile, ...]
    hashes: tuple[str, ...] = ()

    def listing(self) -> list[dict[str, Any]]:
        """Names within the source and hashes; not the folder."""
        return [
            {"name": file.name, "sha256": digest}
            for file, digest in zip(self.files, self.hashes, strict=True)
        ]

    def bytes(self) -> int:
        """Size of the raw files on disk."""
        return sum(file.path.stat().st_size for file in self.files)


def source_files(source: Source, folder: Path) -> list[RawFile]:
    """The raw files of a source, sorted by name; a relative path starts at `folder`.

    Raises MissingSource if the path does not exist or holds no file.
    """
    path = Path(os.path.abspath(folder / Path(source.path).expanduser()))  # noqa: PTH100
    try:
        return found_files(source, path)
    except OSError as error:
        raise SourceError(
            f'source "{source.name}": the folder cannot be read: {error.strerror or error}',
            where=printable(str(error.filename or path)),
            do="Check the disk and the folder's permissions.",
        ) from error


def found_files(source: Source, path: Path) -> list[RawFile]:
    """The raw files at an absolute path."""
    if path.is_file():
        found = [RawFile(path=path, name=printable(path.name))]
    elif path.is_dir():
        found = named(path, files_below(path))
    elif any(sign in source.path for sign in GLOB_SIGNS):
        root = glob_root(path)
        found = named(root, files_matching(root, path.relative_to(root).as_posix()))
    elif path.exists():
        raise missing(source, path, "this is neither a file nor a folder")
    else:
        raise missing(source, path, "there is no such file or folder")
    if not found:
        raise missing(source, path, "there is no file here")
    left = [file for file in found if not is_excluded(file.name, source.exclude)]
    if not left:
        raise missing(source, path, "`exclude` leaves no file here")
    return left


def is_excluded(name: str, patterns: Sequence[str]) -> bool:
    """Whether a glob matches a file's name, its path below the source's, or a folder above it."""
    path = PurePosixPath(name)
    meant = [name, path.name, *(folder.as_posix() for folder in path.parents[:-1])]
    return any(fnmatchcase(each, pattern.rstrip("/")) for pattern in patterns for each in meant)


def missing(source: Source, path: Path, found: str) -> MissingSource:
    """The error for a path without files."""
    return MissingSource(
        f'source "{source.name}": {found}',
        where=printable(str(path)),
        do="Put the texts there, or correct `path` of this [[source]]; "
        "a relative path starts at the recipe's folder.",
    )


def printable(name: str) -> str:
    """A file's name as valid UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def named(root: Path, paths: Iterator[Path]) -> list[RawFile]:
    """Files with their names below the root, sorted by name."""
    files = [
        RawFile(path=path, name=printable(path.relative_to(root).as_posix())) for path in paths
    ]
    return sorted(files, key=lambda file: (file.name, os.fsencode(file.path)))


def glob_root(path: Path) -> Path:
    """The part of a glob before its first wildcard."""
    for index, part in enumerate(path.parts):
        if any(sign in part for sign in GLOB_SIGNS):
            return Path(*path.parts[:index])
    return path.parent


def files_matching(root: Path, pattern: str) -> Iterator[Path]:
    """Files that match a glob; hidden ones only if the glob itself has a leading dot."""
    hidden_wanted = any(part.startswith(".") for part in pattern.split("/"))
    for path in root.glob(pattern):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.is_file() and (hidden_wanted or not hidden):
            yield path


def files_below(root: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """All files below a folder; links are followed, but not in a circle."""
    status = root.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with os.scandir(root) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in visible:
        if entry.is_dir():
            yield from files_below(Path(entry.path), above | {here})
        elif entry.is_file():
            yield Path(entry.path)
