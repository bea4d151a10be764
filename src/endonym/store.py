"""Artefacts on disk: immutable folders named by the hash of what made them.

A stage writes into `<id>.part/out/`, every file is flushed, `manifest.json` is written last, and
the folder is renamed to `<id>`: a folder without `.part` is complete. Other files in `<id>.part`
(checkpoints) survive a kill. Each artefact has an `flock`, which the system frees when its process
dies.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.disk import (
    file_hash,
    flush_files,
    flush_folder,
    json_bytes,
    list_files,
    read_json,
    translated_disk_errors,
    write_json,
)
from endonym.errors import Busy, Damaged, RecipeError

MANIFEST = "manifest.json"
"""Of an artefact: what made it, what was counted, and the hashes of its files."""


def canonical_json(value: Any) -> bytes:
    """A value as JSON in one unique form: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return text.encode("utf-8", "backslashreplace")


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A complete artefact: its folder and its manifest."""

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

    def verify(self, hash_of: Callable[[Path], str] = file_hash) -> "Artifact":
        """Compare every file with the manifest. Raises Damaged, naming the first that differs.

        hash_of: the SHA-256 of a file, if it may be known already.
        """
        for name, entry in self.manifest["files"].items():
            path = self.folder / name
            if not path.is_file():
                raise _damaged(self.folder, name, "is missing")
            if path.stat().st_size != entry["bytes"]:
                found = f"has {path.stat().st_size} bytes instead of {entry['bytes']}"
                raise _damaged(self.folder, name, found)
            if hash_of(path) != entry["sha256"]:
                found = "is not what was written: its SHA-256 differs"
                raise _damaged(self.folder, name, found)
        return self


def _damaged(folder: Path, name: str, found: str) -> Damaged:
    return Damaged(
        f"{name} {found}",
        where=str(folder / name),
        do=f"Remove the folder {folder} and run again what made it, or take a whole copy.",
    )


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with a hash of its content, which shows any later change."""
    said = {key: value for key, value in manifest.items() if key != "seal"}
    return {**said, "seal": fingerprint(said)}


def open_artifact(folder: Path) -> Artifact:
    """Read a folder's manifest. Raises Damaged if it has none or an unreadable one."""
    try:
        data = (folder / MANIFEST).read_bytes()
        manifest = json.loads(data)
        if data != json_bytes(sealed(manifest)):
            raise _damaged(folder, MANIFEST, "is not what was written: its seal differs")
        return Artifact(folder, manifest)
    except FileNotFoundError as error:
        raise _damaged(folder, MANIFEST, "is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _damaged(folder, MANIFEST, f"cannot be read ({error})") from error


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one artefact is made: `out` becomes the artefact, `work` survives a kill."""

    out: Path
    work: Path
    journal: Path


class Store:
    """The folder of all artefacts, shared by runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, folder: Path) -> "Store":
        """The store that an artefact's folder lies in."""
        return cls(folder.parent.parent)

    @property
    def cache(self) -> Path:
        """Files that save time and may be deleted: what they hold is computed again."""
        return self.root / "cache"

    def folder(self, stage: str, identifier: str) -> Path:
        """The folder of an artefact of this stage and identifier, whether it exists or not."""
        return self.root / stage / identifier[:12]

    def journal(self, stage: str, identifier: str) -> Path:
        """The file of times, speeds and metrics of making an artefact; not part of its identity."""
        return self.root / "journal" / f"{stage}-{identifier[:12]}.jsonl"

    def find(self, stage: str, identifier: str) -> Artifact | None:
        """The artefact, or None if it is not made yet."""
        folder = self.folder(stage, identifier)
        return open_artifact(folder) if folder.is_dir() else None

    def artifacts(self) -> Iterator[Artifact]:
        """Every artefact with a readable manifest; damaged ones raise only when they are used."""
        for manifest in sorted(self.root.glob("*/*/manifest.json")):
            if not manifest.parent.name.endswith(".part"):
                with suppress(Damaged):
                    yield open_artifact(manifest.parent)

    @contextmanager
    def workspace(
        self, stage: str, identifier: str, *, waiting: Callable[[str], None]
    ) -> Generator[Workspace | None]:
        """Lock an artefact and yield the folders to make it, or None if another process made it.

        `waiting` is called with the owner if another process holds the lock. See `publish`, too.
        """
        with self.lock(stage, identifier, waiting):
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
                yield Workspace(out, work, self.journal(stage, identifier))

    def tidy(self, artifact: Artifact) -> None:
        """Delete the work folder of a finished artefact, which a kill may have left behind.

        Waits for a process that has just published the artefact and deletes the folder itself.
        """
        work = artifact.folder.with_name(artifact.folder.name + ".part")
        if work.is_dir():
            with self.lock(artifact.stage, artifact.manifest["id"], lambda owner: None):
                shutil.rmtree(work, ignore_errors=True)

    def publish(self, workspace: Workspace, manifest: Mapping[str, Any]) -> Artifact:
        """Flush the files, write the manifest last, and rename the folder."""
        flush_files(workspace.out)
        complete = {**manifest, "files": list_files(workspace.out)}
        write_json(workspace.out / MANIFEST, sealed(complete))
        folder = workspace.work.with_name(workspace.work.name.removesuffix(".part"))
        workspace.out.rename(folder)
        flush_folder(folder.parent)
        shutil.rmtree(workspace.work, ignore_errors=True)
        return open_artifact(folder)

    @contextmanager
    def lock(self, stage: str, identifier: str, waiting: Callable[[str], None]) -> Generator[None]:
        """Hold an artefact's lock; calls `waiting` once with the owner if it is not free."""
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

    def maker(self, stage: str, identifier: str) -> str:
        """The process that makes an artefact right now; empty if none does."""
        path = self.root / "locks" / f"{stage}-{identifier[:12]}"
        with suppress(FileNotFoundError), path.open(encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return handle.read().strip()
        return ""

    @contextmanager
    def alone(self, run: Path) -> Generator[None]:
        """Hold a lock on a run's readable files."""
        with self.lock("run", fingerprint(run.name), lambda owner: None):
            yield

    def claim(self, run: Path, recipe: Path) -> None:
        """Write down whose run a folder is. Raises RecipeError if it is another recipe's."""
        run_path = os.path.relpath(run.resolve(), self.root.resolve())
        path = self.root / "references" / f"{fingerprint(run_path)[:12]}.json"
        known: dict[str, Any] = {"run": run_path, "artefacts": {}}
        known |= read_json(path) if path.is_file() else {}
        mine = os.path.relpath(recipe.resolve(), self.root.resolve())
        other = str(known.get("recipe", mine))
        if other != mine and (self.root / other).is_file() and run.is_dir():
            raise RecipeError(
                f"the run {run.name} here was made by another recipe",
                where=str((self.root / other).resolve()),
                do="Give this recipe another name, or use another folder: --store DIR.",
            )
        write_json(path, {**known, "recipe": mine})

    def refer(self, run: Path, identifiers: Mapping[str, str], *, is_whole: bool = True) -> None:
        """Write down which artefacts (identifier -> stage) a run needs, so that prune keeps them.

        is_whole: these are all; otherwise those written down before stay. The run's path is
        relative to the store, so that both may move together.
        """
        run_path = os.path.relpath(run.resolve(), self.root.resolve())
        path = self.root / "references" / f"{fingerprint(run_path)[:12]}.json"
        known: dict[str, Any] = {"run": run_path, "artefacts": {}}
        known |= read_json(path) if path.is_file() else {}
        before = {} if is_whole else known["artefacts"]
        write_json(path, {**known, "artefacts": {**before, **identifiers}})

    def unreferred(self) -> list[Artifact]:
        """Artefacts that no run refers to. A run counts as long as its folder exists."""
        needed = self._needed()
        return [artifact for artifact in self.artifacts() if artifact.id not in needed]

    def unfinished(self) -> list[Path]:
        """Work folders that no run needs: of finished artefacts, or of changed recipes."""
        needed = self._needed()
        return [
            part
            for part in sorted(self.root.glob("*/*.part"))
            if part.with_suffix("").is_dir() or part.stem not in needed
        ]

    def unneeded_gguf(self) -> list[Path]:
        """Folders of GGUF files that `serve` made of models that no run needs, or began to make."""
        needed = self._needed()
        folders = sorted((self.cache / "gguf").glob("*"))
        return [each for each in folders if each.name[:12] not in needed]

    def _needed(self) -> set[str]:
        """The short identifiers of all artefacts that runs refer to."""
        needed: set[str] = set()
        for path in sorted((self.root / "references").glob("*.json")):
            reference = read_json(path)
            if (self.root / reference["run"]).is_dir():
                needed |= {identifier[:12] for identifier in reference["artefacts"]}
        return needed

    def remove(self, artifact: Artifact) -> None:
        """Delete an artefact. It is renamed first, so that no half of it is taken for complete."""
        gone = artifact.folder.with_name(f"{artifact.folder.name}.gone.part")
        with self.lock(artifact.stage, artifact.manifest["id"], _refuse(artifact.folder)):
            shutil.rmtree(gone, ignore_errors=True)
            artifact.folder.rename(gone)
            shutil.rmtree(gone)

    def remove_unfinished(self, part: Path) -> None:
        """Delete a work folder, or one of GGUF files. Raises Busy if a process is making it."""
        with self.lock(part.parent.name, part.name.strip(".").split(".")[0], _refuse(part)):
            shutil.rmtree(part, ignore_errors=True)


def _refuse(folder: Path) -> Callable[[str], None]:
    """A `waiting` function that raises Busy: deletion does not wait for other processes."""

    def refuse(owner: str) -> None:
        raise Busy(owner, where=str(folder), do="Try again when it has finished.")

    return refuse
