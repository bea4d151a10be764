"""Artefacts on disk: immutable folders named by the hash of what made them.

A stage writes into `<id>.part/out/`, every file is flushed, `manifest.json` is written last, and
the folder is renamed to `<id>`: a folder without `.part` is whole. What a stage keeps beside `out/`
(checkpoints) survives a kill. One `flock` an artefact: a dead owner's lock is free by itself.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.errors import Busy, Damaged, StoreError

CHUNK_BYTES = 1 << 22


def canonical_json(value: Any) -> bytes:
    """The one way to write a JSON value: sorted keys, no blanks, UTF-8, no NaN."""
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return text.encode("utf-8")


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def file_hash(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's bytes; `advance` is told how many were read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if advance:
                advance(len(chunk))
    return digest.hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file as a whole or not at all, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    flush_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """A readable JSON file, sorted and ended by a newline, written atomically."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    write_atomic(path, (text + "\n").encode("utf-8"))


def flush_folder(folder: Path) -> None:
    """Make renames in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_files(folder: Path) -> None:
    """Make every file below this folder survive a power cut."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            flush_folder(path)


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below a folder, the manifest aside."""
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_hash(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@dataclass(frozen=True, slots=True)
class Artifact:
    """A whole artefact: its folder and what its manifest says."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def id(self) -> str:
        """Twelve hex digits; the folder's name."""
        return self.manifest["id"][:12]

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return self.manifest["stage"]

    @property
    def numbers(self) -> dict[str, Any]:
        """What the stage counted."""
        return self.manifest["numbers"]

    def bytes(self) -> int:
        """Size of its files."""
        return sum(entry["bytes"] for entry in self.manifest["files"].values())

    def verify(self) -> "Artifact":
        """Compare every file with the manifest. Raises Damaged, naming the first that differs."""
        for name, entry in self.manifest["files"].items():
            path = self.folder / name
            if not path.is_file():
                raise _damaged(path, "is missing")
            if path.stat().st_size != entry["bytes"]:
                found = f"has {path.stat().st_size} bytes instead of {entry['bytes']}"
                raise _damaged(path, found)
            if file_hash(path) != entry["sha256"]:
                raise _damaged(path, "is not what was written: its SHA-256 differs")
        return self


def _damaged(path: Path, found: str) -> Damaged:
    return Damaged(
        f"{path.name} {found}",
        where=str(path),
        do=f"Remove the folder {path.parent} and run again: it will be made anew.",
    )


def open_artifact(folder: Path) -> Artifact:
    """Read a folder's manifest. Raises Damaged if it has none or an unreadable one."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        known = {"id", "stage", "version", "config", "inputs", "files", "numbers"}
        if not known <= set(manifest):
            raise _damaged(folder / "manifest.json", f"lacks {sorted(known - set(manifest))}")
        return Artifact(folder, manifest)
    except FileNotFoundError as error:
        raise _damaged(folder / "manifest.json", "is missing") from error
    except (ValueError, TypeError) as error:
        raise _damaged(folder / "manifest.json", f"cannot be read ({error})") from error


@dataclass(frozen=True, slots=True)
class Making:
    """A place to make one artefact: `out` becomes the artefact, `work` outlives a kill.

    device: the one asked for, if any; never part of an identity.
    """

    out: Path
    work: Path
    journal: Path
    device: str | None = None


class Store:
    """The folder of all artefacts, shared by runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, identifier: str) -> Path:
        """Where an artefact of this stage and full identifier stands or will stand."""
        return self.root / stage / identifier[:12]

    def journal(self, stage: str, identifier: str) -> Path:
        """Times, speeds and metrics of an artefact's making: all that is not its identity."""
        return self.root / "journal" / f"{stage}-{identifier[:12]}.jsonl"

    def find(self, stage: str, identifier: str) -> Artifact | None:
        """The artefact if it is whole."""
        folder = self.folder(stage, identifier)
        return open_artifact(folder) if folder.is_dir() else None

    def artifacts(self) -> Iterator[Artifact]:
        """Every whole artefact."""
        for manifest in sorted(self.root.glob("*/*/manifest.json")):
            if not manifest.parent.name.endswith(".part"):
                yield open_artifact(manifest.parent)

    @contextmanager
    def making(
        self,
        stage: str,
        identifier: str,
        *,
        waiting: Callable[[str], None],
        device: str | None = None,
    ) -> Iterator[Making | None]:
        """Lock an artefact and yield the place to make it, or None if another process made it.

        `waiting` is told who is being waited for. Nothing is published here: see `publish`.
        """
        with self._lock(stage, identifier, waiting):
            folder = self.folder(stage, identifier)
            work = folder.with_name(folder.name + ".part")
            if folder.is_dir():
                shutil.rmtree(work, ignore_errors=True)
                yield None
                return
            out = work / "out"
            with translated_disk_errors(self.root):
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir(parents=True)
                yield Making(out, work, self.journal(stage, identifier), device)

    def publish(self, making: Making, manifest: Mapping[str, Any]) -> Artifact:
        """Flush what was made, write its manifest last, and give it its name."""
        flush_files(making.out)
        complete = {**manifest, "files": list_files(making.out)}
        write_json(making.out / "manifest.json", complete)
        folder = making.work.with_name(making.work.name.removesuffix(".part"))
        making.out.rename(folder)
        flush_folder(folder.parent)
        shutil.rmtree(making.work, ignore_errors=True)
        return open_artifact(folder)

    @contextmanager
    def _lock(
        self, stage: str, identifier: str, waiting: Callable[[str], None]
    ) -> Iterator[None]:
        """Hold an artefact's lock; says once who holds it if it is not free."""
        path = self.root / "locks" / f"{stage}-{identifier[:12]}"
        with translated_disk_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a+", encoding="utf-8")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                waiting(f"{stage} {identifier[:12]} is being made by {handle.read().strip()}")
                fcntl.flock(handle, fcntl.LOCK_EX)
            handle.truncate(0)
            handle.write(f"process {os.getpid()}\n")
            handle.flush()
            yield

    def refer(self, run: Path, identifiers: Mapping[str, str]) -> None:
        """Note which artefacts (identifier -> stage) a run needs, so that prune keeps them."""
        name = fingerprint(str(run.resolve()))[:12]
        write_json(
            self.root / "references" / f"{name}.json",
            {"run": str(run.resolve()), "artefacts": dict(identifiers)},
        )

    def unreferred(self) -> list[Artifact]:
        """Artefacts that no run refers to. A run counts for as long as its folder exists."""
        needed: set[str] = set()
        for path in sorted((self.root / "references").glob("*.json")):
            reference = json.loads(path.read_text(encoding="utf-8"))
            if Path(reference["run"]).is_dir():
                needed |= {identifier[:12] for identifier in reference["artefacts"]}
        return [artifact for artifact in self.artifacts() if artifact.id not in needed]

    def remove(self, artifact: Artifact) -> None:
        """Delete an artefact: first its name, so that no half of it is ever taken for whole."""
        gone = artifact.folder.with_name(artifact.folder.name + ".part")
        with self._lock(artifact.stage, artifact.manifest["id"], _refuse(artifact)):
            artifact.folder.rename(gone)
            shutil.rmtree(gone)


def _refuse(artifact: Artifact) -> Callable[[str], None]:
    """Deleting does not wait for another process's work."""

    def refuse(owner: str) -> None:
        raise Busy(owner, where=str(artifact.folder), do="Try again when it has finished.")

    return refuse


@contextmanager
def translated_disk_errors(place: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(existing(place)).free
            raise StoreError(
                f"the disk is full ({free / 1e6:.0f} MB free)",
                where=str(place),
                do="Free some space (`endonym prune` lists what no run needs) and run again: "
                "what was finished is kept.",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreError(
                f"cannot write here ({error.strerror})",
                where=str(place),
                do="Choose another place with --store DIR.",
            ) from error
        raise


def existing(path: Path) -> Path:
    """The nearest folder above a path that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
