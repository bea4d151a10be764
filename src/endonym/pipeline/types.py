"""What stages share: what a stage's function takes, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.data.config import PackConfig
from endonym.log import Log
from endonym.model.foreign.folder import AnyModelConfig
from endonym.store import Artifact, StageContext
from endonym.train.config import TrainConfig

Numbers = dict[str, Any]
"""What a stage counted; it stands in the manifest."""
Inputs = Mapping[str, Artifact]
"""The artefacts that a stage reads, by the name of the input."""
StageFunction = Callable[[StageContext, Inputs, Log], Numbers]
"""From a stage's inputs to files in `making.out`."""


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
