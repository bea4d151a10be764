"""How fast a shape trains here: measured once by a few real steps, then remembered."""

from pathlib import Path
from typing import NamedTuple

from endonym import device
from endonym.log import duration, number
from endonym.model.config import ModelConfig
from endonym.model.count import flops_per_token
from endonym.model.folder import Shape
from endonym.train.autopilot import Choice
from endonym.train.config import Phase

EFFICIENCY = 0.3
"""Share of the measured matrix speed that a small model's training reaches."""
WORTH_MEASURING_SECONDS = 120.0
"""Shorter trainings are over before a compiler has paid for itself."""


class Pace(NamedTuple):
    """Training tokens a second as written and compiled (None: not possible), and its seconds."""

    plain: float
    compiled: float | None = None
    compile_seconds: float = 0.0

    def seconds(self, tokens: int, *, is_compiled: bool) -> float:
        """How long so many tokens take."""
        if is_compiled and self.compiled:
            return self.compile_seconds + tokens / self.compiled
        return tokens / self.plain

    def pays(self, tokens: int) -> bool:
        """Whether compiling shortens so much training."""
        is_faster = self.seconds(tokens, is_compiled=True) < self.seconds(tokens, is_compiled=False)
        return self.compiled is not None and is_faster

    def tokens_in(self, seconds: float) -> int:
        """Training tokens of so many seconds, compiled if that is more."""
        plain = seconds * self.plain
        compiled = (seconds - self.compile_seconds) * (self.compiled or 0.0)
        return int(max(plain, compiled))


def measured_pace(shape: Shape, phase: Phase, machine_file: Path) -> Pace:
    """The pace of a shape in a phase's batches and number format, on this machine."""
    from endonym.run import probe

    key = (
        f"training {shape.family} {shape.layers}x{shape.dim} vocab {shape.vocab} context "
        f"{shape.context} batch {phase.batch_tokens} {phase.optimizer or 'adamw'} "
        f"{phase.number_format}"
    )
    return Pace(**device.machine(machine_file, key, lambda: probe.pace(shape, phase)))


def choose_compile(shape: Shape, phase: Phase, tokens: int, machine_file: Path) -> Choice:
    """Whether a phase's blocks are compiled: only where that was measured to shorten it."""
    from endonym.train.compile import obstacle

    if (reason := obstacle(shape)) is not None:
        return Choice("off", reason)
    if phase.recompute == "on":
        return Choice("off", "blocks are computed again, to need less memory")
    assert isinstance(shape, ModelConfig)
    rates = device.machine(machine_file, "matmul_per_second", device.probe_number_formats)
    guess = tokens * flops_per_token(shape) / (max(rates.values()) * EFFICIENCY)
    if guess < WORTH_MEASURING_SECONDS:
        return Choice("off", f"about {duration(guess)} of training: too short to pay")
    pace = measured_pace(shape, phase, machine_file)
    told = f"{number(pace.plain)} tokens/s without, {number(pace.compiled or 0.0)} with it"
    return Choice("on" if pace.pays(tokens) else "off", f"measured here: {told}")
