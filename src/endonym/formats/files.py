"""The raw files of a source: one file, all files below a folder, those that match a glob, those of
a data set of the hub, or one that is fetched.

They are sorted by name, so that the order does not depend on the file system. Hidden files and
folders (a leading dot), what `exclude` names, and what endonym made or fetched are ignored. Nothing
here opens a file. What is no file (a pipe, a device, a link that leads nowhere, a folder that is
closed or too deep to be named) is listed with the others: the reader refuses it by name.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from endonym.config import NOT_IDENTITY, Config
from endonym.errors import SourceError, printable
from endonym.formats.config import Source
from endonym.formats.fetched import fetched_file, is_address, is_fetched_folder
from endonym.formats.globs import Glob
from endonym.formats.hub import hub_files, is_on_hub
from endonym.formats.source_errors import source_error
from endonym.log import QUIET, Log
from endonym.store import is_run_of_store, is_store

GLOB_SIGNS = "*?["
LONGEST_PATH_BYTES = 4_000
"""The system takes 4,095; what lies deeper cannot be opened."""

WHY_NO_FILE = {
    stat.S_IFIFO: "a named pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFDIR: "a folder that cannot be entered; check its permissions",
}
NOTHING = "there is no such file or folder"
TOO_LONG = "its path is too long to be opened"
UNREACHABLE = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "a link that leads nowhere"),
    **{errno.ELOOP: "a link that leads in a circle", errno.ENAMETOOLONG: TOO_LONG},
}


class RawFile(Config):
    """A raw file and its name in document ids.

    name: the path below the source's root with forward slashes; for a single file its own name.
    Bytes that are not UTF-8, and controls of a terminal, are written as `\\xNN`.
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
        return sum(size_on_disk(file.path) for file in self.files)


def is_remote(source: Source) -> bool:
    """Whether a source lies in the network: on the hub, or at an address."""
    return is_on_hub(source) or is_address(source.path)


def source_files(
    source: Source, folder: Path, left_out: list[Path] | None = None, log: Log = QUIET
) -> list[RawFile]:
    """The raw files of a source, sorted by name; a relative path starts at `folder`.

    What lies in the network is fetched if need be, which `log` tells of. left_out: gets the stores,
    runs and fetched files below the path, which are not entered. Raises MissingSource if the path
    does not exist or holds no file.
    """
    omitted = Omitted(exclude=source.exclude, stores=[] if left_out is None else left_out)
    if is_on_hub(source):
        found = hub_files(source, omitted.has_path, log)
        return [RawFile(path=path, name=name) for name, path in found]
    # Unlike Path.expanduser, this leaves the home of an unknown user as it stands.
    pattern = Path(os.path.expanduser(source.path))  # noqa: PTH111
    if is_address(source.path):
        pattern = fetched_file(source, folder, log)
    return files_at(pattern, folder, name=source.name, omitted=omitted)


def files_named(patterns: Sequence[str], folder: Path) -> tuple[list[Path], list[str]]:
    """The files of paths and globs, each once, in their order; and the patterns without any."""
    found: dict[Path, None] = {}
    missing: list[str] = []
    for pattern in patterns:
        try:
            matching = files_at(Path(pattern), folder, name=pattern)
        except SourceError:
            missing.append(pattern)
            continue
        found |= dict.fromkeys(each.path for each in matching if not not_a_file(each.path))
    return list(found), missing


@dataclass(slots=True)
class Omitted:
    """What below a path is not read: what `exclude` names, and what is endonym's own, noted."""

    exclude: Sequence[str] = ()
    stores: list[Path] = field(default_factory=list)

    def has_file(self, name: str) -> bool:
        """Whether a glob matches a file's name, or its path below the source's.

        One with a slash in front matches paths only: it means one a.txt, and not each. A folder
        above it that a glob matches is not entered at all.
        """
        of_names = [pattern for pattern in self.exclude if not pattern.startswith("/")]
        return is_named(PurePosixPath(name).name, of_names) or is_named(name, self.exclude)

    def has_path(self, name: str) -> bool:
        """Whether a glob matches a file by its path below the source's, or a folder above it."""
        above = PurePosixPath(name).parents[:-1]
        return self.has_file(name) or any(is_named(str(each), self.exclude) for each in above)

    def has_folder(self, path: Path, root: Path) -> bool:
        """Whether a folder is not entered: by its path below the root, or as endonym's own."""
        if is_named(printable(path.relative_to(root).as_posix()), self.exclude):
            return True
        if is_mine := is_fetched_folder(path) or is_store(path) or is_run_of_store(path):
            self.stores.append(path)
        return is_mine


def is_named(name: str, patterns: Sequence[str]) -> bool:
    """Whether a glob matches just this name."""
    return any(fnmatchcase(name, pattern.strip("/")) for pattern in patterns)


def files_at(
    pattern: Path, folder: Path, *, name: str, omitted: Omitted | None = None
) -> list[RawFile]:
    """The raw files at a path or a glob, below `folder` if it is relative. name: for errors."""
    omitted = omitted or Omitted()
    path = Path(os.path.abspath(folder / pattern))  # noqa: PTH100
    files = list[RawFile]()
    why = "there is no file here" + (", or `exclude` names its folder" if omitted.exclude else "")
    try:
        if path.is_file():
            files = [RawFile(path=path, name=printable(path.name))]
        elif path.is_dir() or any(sign in str(pattern) for sign in GLOB_SIGNS):
            root, parts = (path, ("**",)) if path.is_dir() else glob_root(pattern, folder)
            if root.is_dir():
                files = sorted_files(root, files_matching(root, parts, omitted))
        else:
            why = "this is neither a file nor a folder" if path.exists() else NOTHING
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            where = os.fsdecode(error.filename or path)
            why = error.strerror or error
            raise source_error("closed_folder", where, source=name, why=why) from error
        why = UNREACHABLE[error.errno]
    if any(not not_a_file(file.path) for file in files):
        why = "`exclude` leaves no file here"
        if kept := [file for file in files if not omitted.has_file(file.name)]:
            return kept
    raise source_error("not_here", path, source=name, why=why)


def sorted_files(root: Path, paths: Iterator[Path]) -> list[RawFile]:
    """Files with their names below the root, sorted by name."""
    named = [(printable(each.relative_to(root).as_posix()), each) for each in paths]
    named.sort(key=lambda pair: (pair[0], os.fsencode(pair[1])))
    return [RawFile(path=path, name=name) for name, path in named]


def glob_root(pattern: Path, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder before a glob's first wildcard, and the parts from there on."""
    parts = Path(os.path.normpath(pattern)).parts
    first = next(n for n, part in enumerate(parts) if any(sign in part for sign in GLOB_SIGNS))
    return Path(os.path.abspath(folder.joinpath(*parts[:first]))), parts[first:]  # noqa: PTH100


def source_root(source: Source, folder: Path) -> Path:
    """The file or the folder that a source's path names; of a glob, the folder before it."""
    if any(sign in source.path for sign in GLOB_SIGNS):
        return glob_root(Path(source.path), folder)[0]
    return Path(os.path.abspath(folder / source.path))  # noqa: PTH100


def files_matching(root: Path, parts: Sequence[str], omitted: Omitted) -> Iterator[Path]:
    """The files below a folder whose paths match a glob, given in its parts.

    Hidden names match only if the glob itself has a leading dot. Links to folders are followed
    last, and no folder is read twice in the same states of the glob, as links may form cycles. No
    depth of folders is too large: this does not recurse. A folder that cannot be entered is
    yielded itself; one that is omitted is passed over.
    """
    glob = Glob(parts)
    # Folders still to read, each with the states of the glob before what is in it.
    folders = [(root, glob.start)]
    links = list[tuple[Path, frozenset[int]]]()
    read = set[tuple[int, int, frozenset[int]]]()  # device, inode and states of those that were
    while folders or links:
        folder, states = (folders or links).pop()
        try:
            status = folder.stat()
            key = status.st_dev, status.st_ino, states - {len(parts)}
            is_new = key not in read
            read.add(key)
            entries = glob.entries(folder) if is_new else []
        except PermissionError:
            if folder == root:
                raise
            yield folder
            continue
        for entry in entries:
            path = Path(entry.path)
            after = glob.after(states, entry.name)
            if not leads_to_folder(entry):
                if len(parts) in after:
                    yield path
            elif omitted.has_folder(path, root):
                continue
            elif len(os.fsencode(path)) > LONGEST_PATH_BYTES:
                yield path
            elif after:
                waiting = links if entry.is_symlink() else folders
                waiting.append((path, after))


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a circle of links, or a path that is too long
        return False


def not_a_file(path: Path) -> str:
    """Why a path that a folder lists cannot be read as a file; empty if it can be tried."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ENOENT and not path.is_symlink():
            return ""  # it was there when its folder was listed: the disk says why
        return UNREACHABLE.get(error.errno or 0, "")
    if stat.S_ISDIR(mode) and len(os.fsencode(path)) > LONGEST_PATH_BYTES:
        return TOO_LONG
    return "" if stat.S_ISREG(mode) else WHY_NO_FILE.get(stat.S_IFMT(mode), "a device, not a file")


def size_on_disk(path: Path) -> int:
    """The size of a file; 0 for what is none."""
    return 0 if not_a_file(path) else path.stat().st_size
