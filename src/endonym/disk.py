"""Writing files atomically, flushing and hashing them; errors of full disks."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tomllib
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import IO, Any

from endonym.errors import Damaged, RecipeError, StoreError, printable

Json = dict[str, Any]
"""A JSON object, as it is read or written."""
CHUNK_BYTES = 1 << 22
NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that have no links, or too many of a file."""


def file_hash(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file; `advance` gets the number of bytes of each read.

    No more is read than its size when it is opened: some files of /proc never end.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while chunk := file.read(min(CHUNK_BYTES, left)):
            left -= len(chunk)
            digest.update(chunk)
            if advance:
                advance(len(chunk))
    return digest.hexdigest()


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below a folder, except its manifest."""
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_hash(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / "manifest.json"
    }


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """A readable JSON file, written atomically."""
    write_atomic(path, json_bytes(value))


def write_jsonl(path: Path, records: Iterable[Any]) -> None:
    """JSON lines, written atomically. Halves of characters stay as they are."""
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    write_atomic(path, "".join(lines).encode("utf-8", "surrogatepass"))


def json_bytes(value: Any) -> bytes:
    """A value as readable JSON: sorted keys, one item a line, a newline at the end, no NaN.

    A path with bytes that are not UTF-8 is written with escapes, from which it is read again.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that renames survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_files(folder: Path) -> None:
    """Flush every file below this folder to disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            flush_folder(path)


@contextmanager
def translated_disk_errors(path: Path, *, option: str = "--store") -> Generator[None]:
    """Turn a full or unwritable disk into a StoreError that says what to do.

    option: names another folder.
    """
    try:
        yield
    except OSError as error:
        # numpy's error for a full disk has no number.
        is_short_write = error.errno is None and "requested and" in str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or is_short_write:
            raise StoreError(
                f"the disk is full ({free_bytes(path) / 1e6:.0f} MB free)",
                where=path,
                do="Free some space (`endonym prune` lists what no run needs) and run again: "
                "what was finished is kept.",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            message = f"cannot write here ({error.strerror})"
            do = f"Choose another folder with {option} DIR."
            raise StoreError(message, where=path, do=do) from error
        raise


def free_bytes(path: Path) -> int:
    """The room on the disk of a path, which may not exist yet."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


@contextmanager
def locked(file: IO[str], waiting: Callable[[str], None]) -> Generator[None]:
    """Hold the lock of an open file; if it is not free, calls `waiting` once with its owner.

    The system frees it when the file is closed, or its process dies.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        waiting(file.read().strip())
        fcntl.flock(file, fcntl.LOCK_EX)
    file.truncate(0)
    file.write(f"process {os.getpid()}\n")
    file.flush()
    yield


def link_or_copy(path: Path, name: Path) -> None:
    """Give a file another name: a link to the same bytes, or a copy where there are no links."""
    name.parent.mkdir(parents=True, exist_ok=True)
    try:
        name.hardlink_to(path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copyfile(path, name)


def is_file(path: Path) -> bool:
    """Whether there is such a file; False for a name that no disk can hold."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_given(path: Path, most_bytes: int) -> bytes:
    """The bytes of a file, in a folder that a stranger may have made.

    Raises ValueError for a larger one, for a pipe, socket or device, which may never end, and for a
    link out of the folder, which would make a private file part of what is exported. In the hub's
    cache files are links to the folder of blobs beside.
    """
    real = Path(os.path.realpath(path))
    folder = Path(os.path.realpath(path.parent))
    is_blob = real.parent.name == "blobs" and real.parent.parent in folder.parents
    if path.is_symlink() and not is_blob and folder not in real.parents:
        raise ValueError(
            f"{path.name} is a link out of its folder, to {real}: if that is what you mean, put a "
            "copy of the file in place of the link"
        )
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"{path.name} has more than {most_bytes:,} bytes")
    return data


def open_regular(path: Path) -> IO[bytes]:
    """A file, opened to be read. Raises ValueError for a folder, pipe, socket or device."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{path.name} is no regular file")
    # Were it replaced by a pipe just now, opening it would not wait.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path.name} is no regular file")
    return os.fdopen(handle, "rb")


def own_file(folder: Path, name: str, *, do: str) -> Path:
    """A file that lies in the folder itself, by a plain relative name. Raises Damaged for others.

    A folder of somebody else may name files of this machine, or hold links to them. do: what to do
    about such a folder.
    """
    plain = PurePosixPath(name)
    path = folder / name
    if str(plain) != name or plain.is_absolute() or {"..", "."} & {*plain.parts} or "\\" in name:
        raise Damaged(f"{name} is no plain name in the folder", where=folder, do=do)
    try:
        links = [each for each in (plain, *plain.parents[:-1]) if (folder / each).is_symlink()]
        is_inside = path.resolve().is_relative_to(folder.resolve())
        is_here = path.is_file()
    except (OSError, ValueError) as error:
        raise Damaged(f"{name} cannot be read ({error})", where=folder, do=do) from error
    if links or not is_inside:
        raise Damaged(f"{name} is a link, no file of this folder", where=path, do=do)
    if not is_here:
        raise Damaged(f"{name} is missing", where=path, do=do)
    return path


def require_regular(path: Path) -> None:
    """Raise Damaged if a pipe, a folder or a device has the place of a file of ours.

    Opening a pipe waits for its other end, perhaps for ever.
    """
    if path.exists() and not path.is_file():
        do = "Move it away: a file of endonym has this name."
        raise Damaged(f"{path.name} is no regular file", where=path, do=do)


def require_writable(path: Path, *, where: str, do: str) -> None:
    """Raise RecipeError if a user's file, which need not exist, cannot be written.

    where, do: of the error: what names the file, and what else to name.
    """
    folder = path.parent
    place = path if path.exists() else folder
    if path.is_dir():
        message = "this is a folder"
    elif not folder.is_dir():
        message = f"there is no folder {folder}"
    elif not os.access(place, os.W_OK):
        message = f"{place} cannot be written by this user"
    else:
        return
    raise RecipeError(message, where=where, do=do)


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises Damaged if it is no regular file, or no JSON."""
    require_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damaged(
            f"{path.name} cannot be read ({printable(error)[:200]})",
            where=path,
            do="It was changed or damaged. Take a whole copy, or remove what it belongs to and "
            "make that again.",
        ) from error


def packaged_tables(package: str, name: str) -> dict[str, Any]:
    """The tables of a TOML file that lies in a package."""
    return tomllib.loads(files(package).joinpath(name).read_text(encoding="utf-8"))


def read_if_good(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if the file is missing or damaged."""
    try:
        value = read_json(path)
    except (FileNotFoundError, Damaged):
        return {}
    return value if isinstance(value, dict) else {}
