"""Types that stages share."""

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
"""What a stage counted, for the manifest."""
Inputs = Mapping[str, Artifact]
"""The artefacts that a stage reads, by the name of the input."""


@dataclass(frozen=True, slots=True)
class StageContext:
    """Where a stage reads and writes.

    out: the folder that becomes the artefact. work: a folder that survives a kill. device: the one
    asked for, if any; never part of an identity.
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
    """Everything that one phase of training needs to know.

    folder: of the pretrained model, if any. prompts: a file whose first lines are continued during
    training, if any. is_exported: whether the model must have a form in transformers.
    """

    model: AnyModelConfig
    folder: Path | None
    pack: PackConfig
    config: TrainConfig
    seed: int
    prompts: tuple[Path, ...] = ()
    is_exported: bool = False
