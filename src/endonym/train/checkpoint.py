"""Checkpoints that survive a kill at any instant.

A checkpoint is a folder `step-000500/`: written under another name, hashed, its manifest last,
flushed, renamed. The last one is found by looking, never by a stored pointer. Nothing is pickled:
weights and moments are safetensors, the rest JSON. Random streams need no state, because each is
derived from the seed and the step.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from endonym.disk import existing, flush_files, flush_folder, list_files, write_json
from endonym.errors import Damaged, StoreError
from endonym.log import size
from endonym.model.weights import load_tensors, save_tensors

KEEP_RECENT = 2


@dataclass(slots=True)
class TrainState:
    """All that a phase knows beyond its weights and moments.

    What the guard needs: losses and logarithms of the gradient's norm of the last good steps;
    steps skipped in all and without a good one since; returns to a checkpoint; the step of the
    last checkpoint that was written when nothing was wrong. micro_rows: the rows that were found
    to fit in memory, if they are fewer than planned.
    """

    step: int = 0
    best_step: int = 0
    best_nats: float | None = None
    looks_since_best: int = 0
    looks: list[dict[str, Any]] = field(default_factory=list)
    is_finished: bool = False
    recent_nats: list[float] = field(default_factory=list)
    recent_log_norms: list[float] = field(default_factory=list)
    skipped: int = 0
    skipped_in_row: int = 0
    rollbacks: int = 0
    good_step: int = 0
    micro_rows: int | None = None

    @property
    def updates(self) -> int:
        """Steps that changed the weights: all but the skipped ones."""
        return self.step - self.skipped


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    folder: Path
    state: TrainState

    def weights(self) -> dict[str, Tensor]:
        """The fp32 weights by name."""
        return load_tensors(self.folder / "weights.safetensors")

    def moments(self) -> dict[str, Tensor]:
        """The optimiser's memories by name."""
        return load_tensors(self.folder / "optimizer.safetensors")


def save(
    work: Path, state: TrainState, weights: dict[str, Tensor], moments: dict[str, Tensor]
) -> Checkpoint:
    """Write a checkpoint, then remove those that are neither recent, last, best nor good."""
    folder = work / f"step-{state.step:06d}"
    fresh = work / f"{folder.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_tensors(weights, fresh / "weights.safetensors")
    save_tensors(moments, fresh / "optimizer.safetensors")
    write_json(fresh / "state.json", asdict(state))
    flush_files(fresh)
    write_json(fresh / "manifest.json", list_files(fresh))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    flush_folder(work)
    saved = Checkpoint(folder, state)
    kept = {work / f"step-{step:06d}" for step in (state.best_step, state.good_step)}
    for old in _folders(work)[:-KEEP_RECENT]:
        if old not in kept:
            shutil.rmtree(old)
    return saved


def last(work: Path) -> Checkpoint | None:
    """The newest checkpoint whose files are what its manifest says; damaged ones are set aside."""
    for folder in reversed(_folders(work)):
        try:
            return _open(folder)
        except Damaged:
            aside = folder.with_suffix(".damaged")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
    return None


def at(work: Path, step: int) -> Checkpoint:
    """The checkpoint of a step. Raises Damaged if it is not whole."""
    return _open(work / f"step-{step:06d}")


def back_to(work: Path, step: int) -> Checkpoint:
    """The checkpoint of a step, from which training goes on; later ones are removed.

    Raises Damaged if it is not whole.
    """
    found = at(work, step)
    for folder in _folders(work):
        if _step_of(folder) > step:
            shutil.rmtree(folder)
    return found


def check_room(work: Path, n_parameters: int, save_count: int, numbers: int = 3) -> None:
    """Refuse to start if the checkpoints to come would not fit.

    numbers: fp32 ones that a checkpoint holds of each parameter: itself and two memories, or more.
    """
    kept = min(save_count, KEEP_RECENT + 2) + 1
    needed = 4 * numbers * n_parameters * kept
    free = shutil.disk_usage(existing(work)).free
    if free < needed:
        raise StoreError(
            f"checkpoints need {size(needed)}, but {size(free)} are free",
            where=str(work),
            do="Free some space, choose another place with --store DIR, or a smaller model.",
        )


def _folders(work: Path) -> list[Path]:
    """Checkpoints by step."""
    found = [path for path in work.glob("step-*") if path.suffix == "" and path.is_dir()]
    return sorted(found, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _open(folder: Path) -> Checkpoint:
    """A checkpoint whose files are what its manifest says. Raises Damaged otherwise."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest != list_files(folder):
            raise _damaged(folder, "a file differs from the manifest")
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return Checkpoint(folder, TrainState(**state))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder, f"not a whole checkpoint ({error})") from error


def _damaged(folder: Path, found: str) -> Damaged:
    return Damaged(
        found,
        where=str(folder),
        do=f"Remove the folder {folder.parent} and run again: this phase is trained anew, what was "
        "finished before it is kept.",
    )
