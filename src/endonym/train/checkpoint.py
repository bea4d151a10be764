"""Checkpoints that survive a kill at any instant.

A checkpoint is a folder `step-000500/`. It is written under a temporary name, then its manifest of
hashes, then flushed and renamed. Nothing is pickled: weights and optimizer state are safetensors,
the rest is JSON. Random generators need no state, since each is derived from the seed and the step.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor

from endonym.disk import Json, flush_files, flush_folder, free_bytes, list_files, write_json
from endonym.errors import Damaged, StoreError
from endonym.log import size
from endonym.model.weights import load_tensors, save_tensors
from endonym.train.distributed import Group, Tensors

KEEP_RECENT = 2
WEIGHTS = "weights.safetensors"
OPTIMIZER_STATE = "optimizer.safetensors"
KEPT = "steps"
"""The folder of the weights of single steps, in that of a training and of the model it makes."""


@dataclass(slots=True)
class TrainState:
    """The state of a phase besides weights and optimizer state.

    For the loss guard: losses and log gradient norms of the last good steps, steps skipped in all
    and in a row, rollbacks, and the step of the last checkpoint saved while nothing was wrong.
    micro_rows: rows that fit in memory, if fewer than planned. read: tokens read of each source.
    lines: those of the step in the journal, which a kill after the checkpoint may leave unwritten.
    """

    step: int = 0
    best_step: int = 0
    best_nats: float | None = None
    validations_since_best: int = 0
    validations: list[Json] = field(default_factory=list)
    is_finished: bool = False
    recent_nats: list[float] = field(default_factory=list)
    recent_log_norms: list[float] = field(default_factory=list)
    skipped: int = 0
    skipped_in_row: int = 0
    rollbacks: int = 0
    good_step: int = 0
    micro_rows: int | None = None
    read: dict[str, int] = field(default_factory=dict)
    lines: list[Json] = field(default_factory=list)

    @property
    def updates(self) -> int:
        """Steps that changed the weights."""
        return self.step - self.skipped

    @property
    def needed_steps(self) -> set[int]:
        """Steps whose weights may be needed: the best, the good one, and the best until then.

        After a rollback to the good step, later validations are forgotten.
        """
        earlier = [each for each in self.validations if each["step"] <= self.good_step]
        best = min(earlier, key=lambda each: each["nats"], default={"step": self.good_step})
        return {self.best_step, self.good_step, best["step"]}

    def note_validation(self, nats: float, bits: float) -> bool:
        """Add a validation; returns whether it is the best one so far."""
        self.validations.append({"step": self.step, "nats": nats, "bits": bits})
        is_best = self.best_nats is None or nats < self.best_nats
        if is_best:
            self.best_nats = nats
            self.best_step = self.step
            self.validations_since_best = 0
        else:
            self.validations_since_best += 1
        return is_best


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint on disk."""

    folder: Path
    state: TrainState

    def weights(self) -> Tensors:
        """The fp32 weights by name."""
        return _read(self.folder / WEIGHTS)

    def optimizer_state(self) -> Tensors:
        """The optimizer state by name."""
        return _read(self.folder / OPTIMIZER_STATE)


def save(
    work: Path,
    state: TrainState,
    weights: Tensors,
    optimizer_state: Tensors,
    *,
    shards_of: Group | None = None,
) -> None:
    """Write a checkpoint, then remove those that are neither recent nor needed.

    shards_of: the group whose processes each write a file of their shards; all of them must call
    this. Any number of processes can read it.
    """
    fresh = work / f"step-{state.step:06d}.new"
    if shards_of is None or shards_of.is_first:
        for unfinished in work.glob("step-*.new"):  # a kill leaves one behind
            shutil.rmtree(unfinished)
        fresh.mkdir(parents=True)
    if shards_of is None:
        save_tensors(weights, fresh / WEIGHTS)
        save_tensors(optimizer_state, fresh / OPTIMIZER_STATE)
        _finish(fresh, state)
        return
    from endonym.train.sharding import save_shards  # takes a second to import

    shards_of.wait()
    save_shards(weights, _shards(fresh / WEIGHTS))
    save_shards(optimizer_state, _shards(fresh / OPTIMIZER_STATE))
    if shards_of.is_first:
        _finish(fresh, state)
    shards_of.wait()


def _shards(file: Path) -> Path:
    """The folder of shards that replaces a file."""
    return file.with_suffix("")


def _read(file: Path) -> Tensors:
    """Whole tensors from a file or from shards."""
    if not _shards(file).is_dir():
        return load_tensors(file)
    from endonym.train.sharding import load_shards

    return load_shards(_shards(file))


def _finish(fresh: Path, state: TrainState) -> None:
    """Write state and manifest, flush, and rename; then remove old checkpoints."""
    work = fresh.parent
    folder = fresh.with_suffix("")
    write_json(fresh / "state.json", asdict(state))
    flush_files(fresh)
    write_json(fresh / "manifest.json", list_files(fresh))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    flush_folder(work)
    needed = {work / f"step-{step:06d}" for step in state.needed_steps}
    for old in _folders(work)[:-KEEP_RECENT]:
        if old not in needed:
            shutil.rmtree(old)


def last(work: Path, tell: Callable[[Path], None] = lambda damaged: None) -> Checkpoint | None:
    """The newest checkpoint whose files match its manifest; None if there is none.

    Damaged ones are renamed. tell: called with the new name of each.
    """
    for folder in reversed(_folders(work)):
        try:
            return _open(folder)
        except Damaged:
            aside = folder.with_suffix(".damaged")
            shutil.rmtree(aside, ignore_errors=True)
            tell(folder.rename(aside))
    return None


def at(work: Path, step: int) -> Checkpoint:
    """The checkpoint of a step. Raises Damaged."""
    return _open(work / f"step-{step:06d}")


def back_to(work: Path, step: int) -> Checkpoint:
    """The checkpoint of a step; later ones are removed. Raises Damaged."""
    checkpoint = at(work, step)
    for folder in _folders(work):
        if _step_of(folder) > step:
            shutil.rmtree(folder)
    return checkpoint


def keep_weights(work: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the weights of a step that the finished model will have beside its own."""
    folder = work / KEPT
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / "unfinished"
    save_tensors({name: weight.cpu() for name, weight in weights.items()}, fresh)
    flush_files(folder)
    fresh.rename(folder / f"{step:06d}.safetensors")
    flush_folder(folder)


def kept_weights(folder: Path) -> dict[int, Path]:
    """The weights of single steps in the folder of a training or of a model, by step."""
    files = {int(file.stem): file for file in (folder / KEPT).glob("*.safetensors")}
    return dict(sorted(files.items()))


def check_disk_space(
    work: Path, n_parameters: int, save_count: int, numbers: int = 3, *, kept_bytes: int = 0
) -> None:
    """Raise StoreError if the disk is too small for the checkpoints of a phase.

    numbers: fp32 numbers per parameter in a checkpoint: the weight and its optimizer state.
    kept_bytes: of the steps whose weights are kept.
    """
    # The recent, the needed, and one being written; one is saved because time has passed.
    n_kept = min(save_count + 1, KEEP_RECENT + 3) + 1
    needed = 4 * numbers * n_parameters * n_kept + kept_bytes
    free = free_bytes(work)
    if free < needed:
        raise StoreError(
            f"checkpoints need {size(needed)}, but {size(free)} are free",
            where=work,
            do="Free some space, choose another folder with --store DIR, or a smaller model.",
        )


def _folders(work: Path) -> list[Path]:
    """Checkpoint folders, sorted by step."""
    folders = [path for path in work.glob("step-*") if path.suffix == "" and path.is_dir()]
    return sorted(folders, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _open(folder: Path) -> Checkpoint:
    """The checkpoint in a folder. Raises Damaged if its files differ from the manifest."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest != list_files(folder):
            raise _damaged(folder, "a file differs from the manifest")
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return Checkpoint(folder, TrainState(**state))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder, f"not a complete checkpoint ({error})") from error


def _damaged(folder: Path, message: str) -> Damaged:
    return Damaged(
        message,
        where=folder,
        do=f"Remove the folder {folder.parent} and run again: this phase is trained again, earlier "
        "phases are kept.",
    )
