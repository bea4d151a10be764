"""Checks before training: disk space, agreement with the CPU, overfitting one row."""

from collections.abc import Callable
from pathlib import Path

from endonym.autopilot.memory import FORMULA_MARGIN
from endonym.data.batches import Batches
from endonym.device import free_memory_bytes
from endonym.log import Log, size
from endonym.model.count import trained_parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.memory import training_bytes
from endonym.train import checkpoint
from endonym.train.agreement import require_agreement
from endonym.train.checkpoint import Checkpoint
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group
from endonym.train.loop import PhaseInputs
from endonym.train.overfit import ROW_TOKENS, overfit_one_row


def newest(folder: Path, log: Log) -> Checkpoint | None:
    """The checkpoint to resume from, if any; warns about newly found damaged ones."""
    before = checkpoint.set_aside(folder)
    latest = checkpoint.last(folder)
    for damaged in checkpoint.set_aside(folder):
        if damaged not in before:
            log.warn(f"a damaged checkpoint was set aside: {damaged}")
    return latest


def before_training(
    make_decoder: Callable[[], AnyDecoder],
    decoder: AnyDecoder,
    config: TrainConfig,
    batches: Batches,
    *,
    inputs: PhaseInputs,
    group: Group,
    log: Log,
) -> None:
    """Check disk space, that the device agrees with the CPU, and that one row can be learned.

    make_decoder: makes a decoder as training begins with. decoder: one of these, changed here.
    """
    total = trained_parameters(decoder.config, config.adapt)
    every = min(config.execution.save_every_steps, config.eval_every_steps)
    saves = max(1, config.steps // every)
    checkpoint.check_disk_space(inputs.folder, total, saves, 4 if config.is_averaged else 3)
    decoder = decoder.to(inputs.device)
    if inputs.device != "cpu":
        gap = require_agreement(decoder, make_decoder(), batches[0])
        log.line(
            f"  pre-flight: logits on {inputs.device} are those of the CPU to {gap:.1g} of their "
            "spread"
        )
        decoder = make_decoder().to(inputs.device)
    if config.execution.shard != "none" and group.size > 1:
        needed = training_bytes(
            decoder.config,
            ROW_TOKENS,
            config.number_format,
            optimizer=config.optimizer,
            adapt=config.adapt,
        )
        if needed * FORMULA_MARGIN > free_memory_bytes(inputs.device):
            log.line(
                f"  pre-flight: overfitting one row is left out: the whole model would need "
                f"≈ {size(needed)} here"
            )
            return
    before, after = overfit_one_row(decoder, batches[0], config)
    log.line(f"  pre-flight: overfits one row, as it should: loss {before:.2f} → {after:.2f}")
