"""What the training loop reports of each step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from endonym.train.loss_guard import TrainingEvent
from endonym.train.validate import ValidationResult


@dataclass(frozen=True, slots=True)
class Report:
    """One step, and its validation if there was one.

    step: optimizer steps done. tokens: training tokens read. read: the same by source of the
    corpus. seconds: spent on this step.
    events: problems in this step. A rollback's report has the checkpoint's step and no seconds.
    """

    step: int
    steps: int
    tokens: int
    epoch: float
    nats: float
    bits_per_byte: float
    lr: float
    gradient_norm: float
    seconds: float
    validation: ValidationResult | None = None
    is_best: bool = False
    events: tuple[TrainingEvent, ...] = ()
    read: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def is_skipped(self) -> bool:
        """Whether this step did not change the weights."""
        return any(each.event == "skipped" for each in self.events)

    @property
    def is_rolled_back(self) -> bool:
        """Whether training goes back to an earlier step."""
        return any(each.event == "rolled_back" for each in self.events)
