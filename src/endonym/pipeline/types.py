"""What stages share: what a stage's function takes, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.data.config import PackConfig
from endonym.log import Log
from endonym.model.foreign.folder import AnyModelConfig
from endonym.store import Artifact
from endonym.train.config import TrainConfig

Numbers = dict[str, Any]
"""What a stage counted; it stands in the manifest."""
Inputs = Mapping[str, Artifact]
"""The artefacts that a stage reads, by the name of the input."""


@dataclass(frozen=True, slots=True)
class StageContext:
    """Where a stage works, beside its own config.

    out: the folder that becomes the artefact. work: what outlives a kill. device: the one asked
    for, if any; never part of an identity.
    """

    out: Path
    work: Path
    journal: Path
    inputs: Inputs
    log: Log
    device: str | None = None


StageFunction = Callable[[StageContext], Numbers]
"""From a stage's inputs to files in `ctx.out`."""


@dataclass(frozen=True, slots=True)
class PhaseTraining:
    """All that one phase of training is told.

    folder: of the model that the first phase goes on from. prompts: a file whose first lines are
    continued while it trains, if there is one. is_exported: whether the model must have a form in
    transformers.
    """

    model: AnyModelConfig
    folder: Path | None
    pack: PackConfig
    config: TrainConfig
    seed: int
    prompts: tuple[Path, ...] = ()
    is_exported: bool = False
