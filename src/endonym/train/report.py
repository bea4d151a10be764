"""What the loop says of each step."""

from dataclasses import dataclass

from endonym.train.loss_guard import TrainingEvent
from endonym.train.validate import ValidationResult


@dataclass(frozen=True, slots=True)
class Report:
    """One step, and what was seen if the model was validated.

    step: optimiser steps done. tokens: training tokens seen. seconds: spent on this step.
    troubles: what went wrong and was survived. A report of a return to a checkpoint has that
    checkpoint's step, and no seconds.
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

    @property
    def is_skipped(self) -> bool:
        """Whether this step left the weights as they were."""
        return any(each.event == "skipped" for each in self.events)

    @property
    def is_rolled_back(self) -> bool:
        """Whether training goes on from an earlier step now."""
        return any(each.event == "rolled_back" for each in self.events)
