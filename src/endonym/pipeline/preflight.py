"""Checks before training: disk space, agreement with the CPU, learning one row by heart."""

from collections.abc import Callable
from pathlib import Path

from endonym.autopilot.memory import FORMULA_MARGIN
from endonym.data.batches import Batches
from endonym.device import free_memory_bytes
from endonym.log import Log, size
from endonym.model.count import parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.memory import training_bytes
from endonym.train import checkpoint
from endonym.train.agreement import require_agreement
from endonym.train.checkpoint import Checkpoint
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group
from endonym.train.loop import TrainingInputs
from endonym.train.preflight import ROW_TOKENS, learn_by_heart


def newest(folder: Path, log: Log) -> Checkpoint | None:
    """The checkpoint to resume from, if any; warns about newly found damaged ones."""
    before = checkpoint.set_aside(folder)
    latest = checkpoint.last(folder)
    for damaged in checkpoint.set_aside(folder):
        if damaged not in before:
            log.warn(f"a damaged checkpoint was set aside: {damaged}")
    return latest


def before_training(
    begin: Callable[[], AnyDecoder],
    decoder: AnyDecoder,
    config: TrainConfig,
    batches: Batches,
    *,
    work: TrainingInputs,
    group: Group,
    log: Log,
) -> None:
    """Check disk space, that the device agrees with the CPU, and that one row can be learned.

    begin: makes a new decoder as training begins with. decoder: one of these; it is changed here.
    """
    total = parameters(decoder.config).total
    every = min(config.execution.save_every_steps, config.eval_every_steps)
    saves = max(1, config.steps // every)
    checkpoint.check_disk_space(work.folder, total, saves, 4 if config.is_averaged else 3)
    decoder = decoder.to(work.device)
    if work.device != "cpu":
        gap = require_agreement(decoder, begin(), batches[0])
        log.line(
            f"  pre-flight: logits on {work.device} are those of the CPU to {gap:.1g} of their "
            "spread"
        )
        decoder = begin().to(work.device)
    if config.execution.shard != "none" and group.size > 1:
        needed = training_bytes(
            decoder.config, ROW_TOKENS, config.number_format, optimizer=config.optimizer
        )
        if needed * FORMULA_MARGIN > free_memory_bytes(work.device):
            log.line(
                f"  pre-flight: no row is learnt by heart, for which the whole model would need "
                f"≈ {size(needed)} here"
            )
            return
    before, after = learn_by_heart(decoder, batches[0], config)
    log.line(f"  pre-flight: one row learnt by heart, {before:.2f} → {after:.2f} nats")
