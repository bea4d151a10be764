"""What this machine can do: training speed, measured once by a few real steps and then saved.

Measurements stand in the store's `machine.json`. From them follows whether compiling pays. Imports
no torch, but for a measurement.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from endonym import device
from endonym.autopilot.model_size import DOCUMENT_TOKENS, HEAD_WIDTH, Choice
from endonym.autopilot.phase import usual_batch
from endonym.autopilot.workload import Workload
from endonym.cpu_contention import TOO_MANY
from endonym.errors import OutOfMemory
from endonym.log import duration, number
from endonym.model.adapt_config import AdaptConfig
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import flops_per_token
from endonym.model.families import resolve
from endonym.model.foreign.folder import AnyModelConfig
from endonym.store import read_if_whole, write_sealed
from endonym.train.config import Execution, TrainConfig

EFFICIENCY = 0.3
"""Share of the measured matrix speed that training reaches, if nothing more is known."""
PRODUCTS = 0.8
"""Share of it that the matrix products alone reach."""
SMALL_DIM = 128
SMALL_LAYERS = 4
SMALL_VOCAB = 2048
SMALL_CONTEXT = 256
"""A small shape, measured to learn how long a step takes besides its matrix products."""
RATES = ("matmul_per_second", "matmul_per_second again", "matmul_per_second once more")
"""Keys of the speed of matrix products; the last two are of measurements that looked odd."""
WORTH_MEASURING_SECONDS = 120.0
"""Compiling cannot pay off in shorter trainings."""


def remembered(file: Path, key: str, measure: Callable[[], Any]) -> Any:
    """A measurement of this machine: the saved one, or a new one that is then saved.

    The key includes the processor, its instruction sets and the number of threads, so that a store
    on another machine is measured again.
    """
    machine = _machine_key()
    measurements = read_if_whole(file)
    if key not in measurements.get(machine, {}):
        value = measure()
        # Another run may have measured something else meanwhile.
        measurements = read_if_whole(file)
        measurements.setdefault(machine, {})[key] = value
        write_sealed(file, measurements)
    return measurements[machine][key]


def forget(file: Path) -> None:
    """Delete all measurements of this machine, so that they are made again when needed."""
    measurements = read_if_whole(file)
    if measurements.pop(_machine_key(), None) is not None:
        write_sealed(file, measurements)


def saved_measurement(file: Path, key: str) -> Any:
    """The saved measurement of this machine, or None; measures nothing itself."""
    return read_if_whole(file).get(_machine_key(), {}).get(key)


def _machine_key() -> str:
    """The key of this machine: rented ones may differ in instruction sets, not in name."""
    flags = hashlib.sha256(device.instruction_sets().encode()).hexdigest()[:6]
    return f"{device.processor()} {flags} x {device.threads()}"


class Pace(NamedTuple):
    """Tokens a second without compilation, and with it (None: not possible); compile time.

    others: CPU cores that other programs used meanwhile. failure: the compiler's error.
    """

    plain: float
    compiled: float | None = None
    compile_seconds: float = 0.0
    others: float = 0.0
    failure: str = ""

    def pays(self, tokens: int) -> bool:
        """Whether compiling shortens training on so many tokens."""
        if self.compiled is None:
            return False
        return self.compile_seconds + tokens / self.compiled < tokens / self.plain

    def tokens_in(self, seconds: float) -> int:
        """Training tokens in so many seconds, with compilation if that gives more."""
        plain = seconds * self.plain
        compiled = (seconds - self.compile_seconds) * (self.compiled or 0.0)
        return int(max(plain, compiled))

    @property
    def best(self) -> float:
        """Tokens a second, with compilation if that is faster."""
        return max(self.plain, self.compiled or 0.0)

    @property
    def doubt(self) -> str:
        """A note that other programs slowed the measurement down; empty if none did."""
        if self.others <= TOO_MANY:
            return ""
        return f", while other programs took {self.others:.1f} cores from it"


def matrix_rates(machine_file: Path) -> dict[str, float]:
    """Speed of matrix products on this processor by number format, in FLOP/s.

    Saved rates that look odd are measured again, up to twice: other programs may have disturbed
    the first measurement.
    """
    rates = saved_rates(machine_file)
    missing = [key for key in RATES if saved_measurement(machine_file, key) is None]
    if missing and (not rates or device.looks_odd(rates)):
        remembered(machine_file, missing[0], device.probe_number_formats)
        rates = saved_rates(machine_file)
    return rates


def saved_rates(machine_file: Path) -> dict[str, float]:
    """The saved speed of matrix products by number format, the best of all measurements, as other
    programs only slow them down; empty if there is none."""
    saved = [rates for key in RATES if (rates := saved_measurement(machine_file, key))]
    return {name: max(rates[name] for rates in saved) for name in saved[0]} if saved else {}


def promised_seconds(
    shape: AnyModelConfig,
    rate: float,
    small: Pace | None = None,
    *,
    adapt: AdaptConfig | None = None,
    reference: AnyModelConfig | None = None,
    row: int | None = None,
) -> float:
    """Training time per token by formula, in seconds.

    rate: FLOP/s in the number format of training. small: the pace here of a shape that was
    measured, the small one if `reference` says no other. Its time besides matrix products is scaled
    by dim × layers. adapt: the adapters that are trained instead of the weights, if any. row:
    tokens of a row; the model's context if None.
    """
    if small is None:
        return flops_per_token(shape, row, adapt) / (rate * EFFICIENCY)
    reference_row = row if reference is shape else None
    reference = reference or small_shape()
    product_rate = rate * PRODUCTS
    products = flops_per_token(reference, reference_row) / product_rate
    other_seconds = max(0.0, 1.0 / small.best - products)
    times = shape.dim * shape.layers / (reference.dim * reference.layers)
    return flops_per_token(shape, row, adapt) / product_rate + other_seconds * times


def usual_shape(
    dim: int, layers: int, vocab: int, context: int, *, dropout: float = 0.0
) -> ModelConfig:
    """The full config of one of the shapes that the autopilot chooses from."""
    mixer = {"heads": max(1, dim // HEAD_WIDTH)}
    keys = {"dim": dim, "layers": layers, "mixer": mixer, "dropout": dropout}
    return resolve(ModelKeys.model_validate(keys), vocab=vocab, context=context)


def small_shape() -> ModelConfig:
    """The small shape that is measured on every machine."""
    return usual_shape(SMALL_DIM, SMALL_LAYERS, SMALL_VOCAB, SMALL_CONTEXT)


def usual_training(
    rates: dict[str, float],
    number_format: str | None = None,
    optimizer: Literal["adamw", "muon"] = "adamw",
) -> TrainConfig:
    """A phase as `new` writes it, in the faster number format unless another is given.

    The learning rates and the number of steps are placeholders, as they do not change the speed.
    """
    batch_tokens, _ = usual_batch(optimizer, "cpu")
    placeholders = {"steps": 1, "lr": 0.0, "embedding_lr": 0.0, "eval_every_steps": 1}
    number_format = number_format or device.faster_format(rates)
    keys = {"number_format": number_format, "optimizer": optimizer, "batch_tokens": batch_tokens}
    execution = Execution(save_every_steps=1)
    return TrainConfig.model_validate({**placeholders, **keys, "execution": execution})


def promised_here(work: Workload, rates: dict[str, float], machine_file: Path) -> float:
    """Training time per token by formula, from saved measurements; measures nothing."""
    number_format = work.config.number_format
    adapt = work.config.adapt
    # The same shape may be measured with another batch; else the small one was.
    usual = usual_training(rates, number_format)
    same_rows = usual.but(context=work.config.context)
    for shape, config, document in (
        (work.shape, same_rows, work.document),
        (small_shape(), usual, DOCUMENT_TOKENS),
    ):
        key = Workload(shape, config, document=document).key
        if (saved := saved_measurement(machine_file, key)) is not None:
            pace = Pace(**saved)
            pace = pace if pace.pays(work.tokens) else pace._replace(compiled=None)
            return promised_seconds(
                work.shape, rates[number_format], pace, adapt=adapt, reference=shape, row=work.row
            )
    return promised_seconds(work.shape, rates[number_format], adapt=adapt, row=work.row)


def expected_here(work: Workload, machine_file: Path) -> float | None:
    """Training time per token: of this very training if it was measured, or else by formula.

    None if this machine was never measured.
    """
    rates = saved_rates(machine_file)
    if not rates:
        return None
    if (saved := saved_measurement(machine_file, work.key)) is None:
        return promised_here(work, rates, machine_file)
    pace = Pace(**saved)
    return 1 / (pace.best if pace.pays(work.tokens) else pace.plain)


def measured_pace(work: Workload, machine_file: Path, *, compiles: bool = True) -> Pace:
    """The pace of a shape with a phase's batch size and number format on this device.

    compiles: also with compilation, which takes longest to try. Raises OutOfMemory if a step does
    not fit.
    """
    from endonym.autopilot import probe

    key = work.key + ("" if compiles else " uncompiled")
    return Pace(**remembered(machine_file, key, lambda: probe.pace(work, compiles=compiles)))


def choose_compile(work: Workload, machine_file: Path) -> Choice:
    """Whether a phase's blocks are compiled: only if a measurement shows a gain.

    A short training is not worth a measurement; one that exists already, as `new` makes it, counts.
    """
    from endonym.train.compile import phase_unsupported_reason

    execution = work.config.execution
    processes = device.process_info().size
    reason = phase_unsupported_reason(work.shape, execution, work.target, processes)
    if reason is not None:
        return Choice("off", reason)
    try:
        seconds = work.tokens * seconds_a_token(work, machine_file)
        if seconds < WORTH_MEASURING_SECONDS and saved_measurement(machine_file, work.key) is None:
            return Choice("off", f"about {duration(seconds)} of training: too short to pay")
        pace = measured_pace(work, machine_file)
    except OutOfMemory:
        return Choice("off", "there was no memory to measure whether it pays")
    if pace.compiled is None:
        return Choice("off", f"the compiler here fails: {pace.failure}")
    speeds = f"{number(pace.plain)} tokens/s without, {number(pace.compiled)} with it{pace.doubt}"
    return Choice("on" if pace.pays(work.tokens) else "off", f"measured here: {speeds}")


def seconds_a_token(work: Workload, machine_file: Path) -> float:
    """Training time per token: by formula on the CPU, measured on other devices.

    Only our own shapes can be measured. Raises OutOfMemory if a step does not fit.
    """
    if work.target == "cpu":
        return promised_here(work, matrix_rates(machine_file), machine_file)
    from endonym.autopilot import probe

    def measure() -> float:
        return probe.plain(probe.fresh(work.shape), work.config, work.target, work.length)

    return 1.0 / remembered(machine_file, f"{work.key} as written", measure)
