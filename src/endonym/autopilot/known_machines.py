"""Machines that are not here: what `check --machine` plans with. Imports no torch.

Nothing of them is measured: the time is the operations of training over the share of the peak that
others publish.
"""

from dataclasses import dataclass
from typing import Any

from endonym.autopilot.model_size import Choice
from endonym.disk import packaged_tables
from endonym.errors import RecipeError
from endonym.model.count import flops_per_token
from endonym.model.foreign.folder import AnyModelConfig
from endonym.train.config import TrainConfig

MACHINES: dict[str, dict[str, Any]] = packaged_tables("endonym.autopilot", "machines.toml")
NEVER_TRIED = "endonym was never tried on such a machine."
USED_MEMORY = 0.95
"""The rest is taken by the driver and its kernels."""


@dataclass(frozen=True, slots=True)
class KnownMachine:
    """A row of machines.toml. tried: what was tried on such a machine, in words."""

    words: str
    memory_gb: float
    peak_tflops: float
    peak_source: str
    share: float
    share_source: str
    tried: str = NEVER_TRIED

    @classmethod
    def named(cls, name: str) -> "KnownMachine":
        """The machine of this name. Raises RecipeError if there is none."""
        if (row := MACHINES.get(name.lower())) is None:
            do = f"Known are {', '.join(MACHINES)}. Without --machine, check plans for this one."
            raise RecipeError(f'no machine is called "{name}"', where="--machine", do=do)
        return cls(**row)

    @property
    def free_bytes(self) -> int:
        """Memory for training."""
        return int(USED_MEMORY * self.memory_gb * 1e9)

    @property
    def number_format(self) -> Choice:
        """What a phase computes in that says "auto"."""
        return Choice("bf16", f"{self.words} has units for it")

    @property
    def basis(self) -> str:
        """What the time was computed from, with its sources."""
        return (
            f"{100 * self.share:.0f} % ({self.share_source}) of {self.peak_tflops:g} TFLOP/s "
            f"({self.peak_source})"
        )

    def seconds_a_token(self, shape: AnyModelConfig, config: TrainConfig) -> float:
        """Training time per token."""
        operations = flops_per_token(shape, config.context, config.adapt)
        return operations / (self.share * self.peak_tflops * 1e12)
