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
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym import disk
from endonym.errors import Busy, Damaged, RecipeError, printable, quoted
from endonym.limited.opened import Opened

MANIFEST = "manifest.json"
"""Of an artefact: what made it, what was counted, and the hashes of its files."""
MANIFEST_TYPES = {
    "id": str, "stage": str, "version": int, "config": dict, "inputs": dict, "numbers": dict,
    "files": dict,
}  # fmt: skip
"""Its keys with the types of their values."""

TRAINED = ("model", "member")
"""Kinds of artefacts that hold a trained model."""
PLAN = "plan.json"
"""In a run's folder: its choices, its stages, and where its recipe and its store are."""
USUAL_STORE = Path("store")
"""The store if none is named. Only then are runs looked for in other folders, too."""
RUNS = "runs"
"""The folder of runs, beside a store."""
REFERENCES = "references"
"""In a store: for each run a file of the artefacts that it needs."""
UNKNOWN_NEED = (
    "It says which artefacts a run needs. Remove it and run the recipes of this store again, which "
    "writes it anew from the plan of the run. Do not prune before: until then what the run needs "
    "counts as not needed."
)
AGAIN = "Remove the file: the next run writes it again."
IDENTIFIER = re.compile("[0-9a-f]{12}")
WHOLE_IDENTIFIER = re.compile("[0-9a-f]{12,64}")


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

    def verify(self, hash_of: Callable[[Path], str] = disk.file_hash) -> "Artifact":
        """Compare every file with the manifest. Raises Damaged, naming the first that differs.

        hash_of: the SHA-256 of a file, if it may be known already.
        """
        for name in self.manifest["files"]:
            self._verify_file(name, hash_of)
        return self

    def json(self, name: str) -> Any:
        """The value in one of its JSON files, which is compared first. Raises Damaged."""
        self._verify_file(name, disk.file_hash)
        return disk.read_json(self.folder / name)

    def rows(self, name: str) -> list[Any]:
        """The rows in one of its JSON files; none if it was made without it. Raises Damaged."""
        return self.json(name) if name in self.manifest["files"] else []

    @contextmanager
    def read_with_care(self) -> Generator[None]:
        """Raise Damaged for what fails while its contents are read: a stranger may have written
        other values than a stage does, with right hashes.
        """
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            message = f"this {self.stage} does not hold what endonym writes: {error!r}"[:300]
            do = "If this version of endonym made it, report that. If not, do not use it."
            raise Damaged(message, where=self.folder, do=do) from error

    def _verify_file(self, name: str, hash_of: Callable[[Path], str]) -> None:
        entry = self.manifest["files"].get(name)
        if entry is None:
            raise _damaged(self.folder, name, "is missing")
        path = disk.own_file(self.folder, name, do=_how_to_remake(self.folder))
        if path.stat().st_size != entry["bytes"]:
            fault = f"has {path.stat().st_size} bytes instead of {entry['bytes']}"
            raise _damaged(self.folder, name, fault)
        if hash_of(path) != entry["sha256"]:
            fault = "is not what was written: its SHA-256 differs"
            raise _damaged(self.folder, name, fault)


def _damaged(folder: Path, name: str, fault: str) -> Damaged:
    """The error for a file of an artefact. fault: what it is or does, such as "is missing"."""
    return Damaged(f"{name} {fault}", where=folder / name, do=_how_to_remake(folder))


def _how_to_remake(folder: Path) -> str:
    """What to do about a damaged artefact."""
    return f"Remove the folder {folder} and run again what made it, or take a whole copy."


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with a hash of its content, which shows any later change."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    return {**content, "seal": fingerprint(content)}


def open_artifact(folder: Path) -> Artifact:
    """The artefact in a folder, by its manifest; a stranger may have made it, with a right seal.

    Raises Damaged if there is no readable manifest, and if the folder has the name of another
    artefact, as after two folders have changed places.
    """
    manifest = read_sealed(folder / MANIFEST, do=_how_to_remake(folder))
    if manifest is None:
        raise _damaged(folder, MANIFEST, "is missing")
    if not _is_manifest(manifest):
        raise _damaged(folder, MANIFEST, "does not say what made which files")
    if IDENTIFIER.fullmatch(folder.name) and folder.name != manifest["id"][:12]:
        fault = f"is that of {manifest['stage']} {manifest['id'][:12]}, not of this folder"
        raise _damaged(folder, MANIFEST, fault)
    return Artifact(folder, manifest)


def _is_manifest(fields: dict[str, Any]) -> bool:
    """Whether an object has the keys of a manifest with values of their kinds.

    What stands in `config` and `numbers` depends on the stage. Stages and identifiers become parts
    of paths.
    """
    if not all(type(fields.get(key)) is kind for key, kind in MANIFEST_TYPES.items()):
        return False
    identifiers = [fields["id"], *fields["inputs"].values()]
    return (
        fields["stage"].isidentifier()
        and all(isinstance(each, str) and WHOLE_IDENTIFIER.fullmatch(each) for each in identifiers)
        and all(
            isinstance(entry, dict)
            and type(entry.get("bytes")) is int
            and isinstance(entry.get("sha256"), str)
            for entry in fields["files"].values()
        )
    )


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """A readable JSON file with a hash of its content, written atomically."""
    disk.write_json(path, sealed(value))


def read_sealed(path: Path, do: str) -> dict[str, Any] | None:
    """The object that was given to `write_sealed`; None if there is no file.

    Raises Damaged for anything else, with what to do. So no reader of a file that endonym wrote
    here checks types; a seal says nothing of what a stranger wrote.
    """
    disk.require_regular(path)
    try:
        data = path.read_bytes()
        value = json.loads(data)
        if data == disk.json_bytes(sealed(value)):
            return {key: each for key, each in value.items() if key != "seal"}
        fault = "its seal differs"
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        fault = printable(error)[:200]
    raise Damaged(
        f"the file is not what was written ({fault}): it was changed or damaged, or is of an older "
        "endonym",
        where=path,
        do=do,
    )


def read_if_whole(path: Path) -> dict[str, Any]:
    """As `read_sealed`, but empty if the file is missing or damaged: it is made again then."""
    with suppress(Damaged):
        return read_sealed(path, AGAIN) or {}
    return {}


def read_plan(run: Path) -> dict[str, Any]:
    """The plan of a run; empty if it has none yet. Raises Damaged."""
    do = f"{AGAIN} It makes its choices again; what --tune found is lost with it."
    return read_sealed(run / PLAN, do) or {}


def is_store(folder: Path) -> bool:
    """Whether a folder is a store, by the references in it."""
    return any(IDENTIFIER.fullmatch(each.stem) for each in (folder / REFERENCES).glob("*.json"))


def is_run_of_store(folder: Path) -> bool:
    """Whether a store refers to a folder as a run."""
    if folder.parent.name != RUNS:
        return False
    siblings = folder.parent.parent.iterdir()
    stores = (each for each in siblings if (each / REFERENCES).is_dir())
    return any(_reference_file(each, _from_store(each, folder)).is_file() for each in stores)


def run_argument(run: Path, store: "Store") -> str:
    """What commands call a run here: its name if that is enough, else its folder; quoted."""
    is_near = store.root == USUAL_STORE and run == store.root.parent / RUNS / run.name
    return quoted(run.name if is_near else str(run))


def _from_store(root: Path, path: Path) -> str:
    """A path as it is written in a store: relative to it."""
    return os.path.relpath(path.resolve(), root.resolve())


def _reference_file(root: Path, run_path: str) -> Path:
    """The file of a store that says what a run needs. run_path: of `_from_store`."""
    return root / REFERENCES / f"{fingerprint(run_path)[:12]}.json"


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

    @property
    def opened(self) -> Opened:
        """Notes of strangers' files that were opened without harm; none without a store."""
        return Opened(self.cache / "opened" if self.root.is_dir() else None)

    def folder(self, stage: str, identifier: str) -> Path:
        """The folder of an artefact of this stage and identifier, whether it exists or not."""
        return self.root / stage / identifier[:12]

    def work_folder(self, stage: str, identifier: str) -> Path:
        """The folder in which such an artefact is made, beside its own."""
        return self.root / stage / f"{identifier[:12]}.part"

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
            work = self.work_folder(stage, identifier)
            if folder.is_dir():
                shutil.rmtree(work, ignore_errors=True)
                yield None
                return
            out = work / "out"
            with disk.translated_disk_errors(self.root):
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir(parents=True)
                yield Workspace(out, work, self.journal(stage, identifier))

    def tidy(self, artifact: Artifact) -> None:
        """Delete the work folder of a finished artefact, which a kill may have left behind.

        Waits for a process that has just published the artefact and deletes the folder itself.
        """
        work = self.work_folder(artifact.stage, artifact.id)
        if work.is_dir():
            with self.lock(artifact.stage, artifact.manifest["id"], lambda owner: None):
                shutil.rmtree(work, ignore_errors=True)

    def publish(self, workspace: Workspace, manifest: Mapping[str, Any]) -> Artifact:
        """Flush the files, write the manifest last, and rename the folder."""
        disk.flush_files(workspace.out)
        complete = {**manifest, "files": disk.list_files(workspace.out)}
        disk.write_json(workspace.out / MANIFEST, sealed(complete))
        folder = workspace.work.with_name(workspace.work.name.removesuffix(".part"))
        workspace.out.rename(folder)
        disk.flush_folder(folder.parent)
        shutil.rmtree(workspace.work, ignore_errors=True)
        return open_artifact(folder)

    @contextmanager
    def lock(self, stage: str, identifier: str, waiting: Callable[[str], None]) -> Generator[None]:
        """Hold an artefact's lock; calls `waiting` once with the owner if it is not free."""
        path = self._lock_file(stage, identifier)
        with disk.translated_disk_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a+", encoding="utf-8", errors="backslashreplace")
        made = f"{stage} {identifier[:12]} is being made"
        with handle, disk.locked(handle, lambda owner: waiting(f"{made} by {owner}")):
            yield

    def _lock_file(self, stage: str, identifier: str) -> Path:
        path = self.root / "locks" / f"{stage}-{identifier[:12]}"
        disk.require_regular(path)
        return path

    def maker(self, stage: str, identifier: str) -> str:
        """The process that makes an artefact right now; empty if none does."""
        path = self._lock_file(stage, identifier)
        with (
            suppress(FileNotFoundError),
            path.open(encoding="utf-8", errors="backslashreplace") as handle,
        ):
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
        path, reference = self._reference(run)
        own = _from_store(self.root, recipe)
        other = str(reference.get("recipe", own))
        if other != own and (self.root / other).is_file() and run.is_dir():
            message = f"the run {run.name} here was made by another recipe"
            do = "Give this recipe another name, or use another folder: --store DIR."
            raise RecipeError(message, where=(self.root / other).resolve(), do=do)
        write_sealed(path, {**reference, "recipe": own})

    def refer(self, run: Path, identifiers: Mapping[str, str], *, is_whole: bool = True) -> None:
        """Write down which artefacts (identifier -> stage) a run needs, so that prune keeps them.

        is_whole: these are all; otherwise those written down before stay. The run's path is
        relative to the store, so that both may move together.
        """
        path, reference = self._reference(run)
        before = {} if is_whole else reference["artefacts"]
        write_sealed(path, {**reference, "artefacts": {**before, **identifiers}})

    def _reference(self, run: Path) -> tuple[Path, dict[str, Any]]:
        """The file that says what a run needs, and its content; of the run's plan if it is gone.

        Raises Damaged: with a guess in its place, prune would remove what the run needs.
        """
        run_path = _from_store(self.root, run)
        path = _reference_file(self.root, run_path)
        reference = read_sealed(path, UNKNOWN_NEED)
        if reference is None:
            plan = read_plan(run)
            planned = {stage["id"]: stage["stage"] for stage in plan.get("stages", [])}
            reference = {"run": run_path, "artefacts": planned}
            if "recipe" in plan:
                reference["recipe"] = _from_store(self.root, run / plan["recipe"])
        return path, reference

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
        return [folder for folder in folders if folder.name[:12] not in needed]

    def _needed(self) -> set[str]:
        """The short identifiers of all artefacts that runs refer to."""
        needed: set[str] = set()
        for path in sorted((self.root / REFERENCES).glob("*.json")):
            reference = read_sealed(path, UNKNOWN_NEED)
            if reference and (self.root / reference["run"]).is_dir():
                needed |= {identifier[:12] for identifier in reference["artefacts"]}
        return needed

    def remove(self, folder: Path) -> None:
        """Delete an artefact, a work folder, or a folder of GGUF files.

        It is renamed first, so that no half of it is taken for complete. Raises Busy if a process
        is making it.
        """
        name = folder.name.strip(".").split(".")[0]
        gone = folder.with_name(f"{name}.gone.part")
        with self.lock(folder.parent.name, name, _refuse(folder)):
            if gone != folder and folder.is_dir():
                shutil.rmtree(gone, ignore_errors=True)
                folder.rename(gone)
            if gone.is_dir():  # it may have gone with another one of its name
                shutil.rmtree(gone)


def _refuse(folder: Path) -> Callable[[str], None]:
    """A `waiting` function that raises Busy: deletion does not wait for other processes."""

    def refuse(owner: str) -> None:
        raise Busy(owner, where=folder, do="Try again when it has finished.")

    return refuse
