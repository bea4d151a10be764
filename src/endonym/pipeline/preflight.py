"""What is said and tried before training: disk space, memory, the device, overfitting one row."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from endonym import device
from endonym.autopilot.phase import FORMULA_MARGIN
from endonym.data.batches import Batches
from endonym.device import free_memory_bytes
from endonym.export.markdown import templates_in
from endonym.log import Log, size
from endonym.model.count import parameters, trained_parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.layers import precise
from endonym.model.memory import training_bytes
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train import checkpoint
from endonym.train.checkpoint import Checkpoint
from endonym.train.compile import phase_unsupported_reason
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group
from endonym.train.inputs import PhaseInputs
from endonym.train.memory_budget import ALLOCATOR_OVERHEAD, phase_bytes
from endonym.train.preflight import ROW_TOKENS, overfit_one_row, require_agreement

ALIKE = 0.95
"""Cosine between two rows of the head. Those of ids that no text has are all pushed one way: they
reach 0.99 in a model of two million weights, where half of the others stay below 0.42."""


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
    learns = "overfits one row" if config.adapt is None else "adapters learn from one row"
    log.line(f"  pre-flight: {learns}, as it should: loss {before:.3f} → {after:.3f}")


@torch.no_grad()
def warn_of_unlearnt_ends(
    decoder: AnyDecoder, tokenizer: Tokenizer, config: TrainConfig, log: Log
) -> None:
    """Warn if adapters are to learn how an answer ends, but the head never had its id.

    Where the head has the same row for several ids, these share their probability, whatever
    adapters do in the layers before it.
    """
    if config.adapt is None or config.reads_texts:
        return
    weight_VD = decoder.readout.weight_VD
    norms_V = torch.linalg.vector_norm(weight_VD, dim=-1, dtype=torch.float32)
    for end in tokenizer.stop_ids:
        cosines_V = precise(weight_VD @ weight_VD[end]) / (norms_V * norms_V[end])
        alike = int((cosines_V > ALIKE).sum()) - 1
        if alike > 0:
            log.warn(
                f"{tokenizer.token(end)} ends an answer, but no text that trained the head had "
                f"it: its row is that of {alike} other ids, and adapters do not train rows. In "
                "narrow models greedy answers end, but sampled ones run on. Train a phase of "
                "conversations without adapt, or go on from a model that has learnt the template"
            )


def spare_memory(
    shape: AnyModelConfig, config: TrainConfig, longest: int, *, target: str, log: Log
) -> None:
    """If free memory is short, return freed memory to the system at once: slower, but smaller.

    longest: the most tokens that attention sees together. target: the device.
    """
    needed = phase_bytes(shape, config, longest)
    free = device.free_memory_bytes()
    is_short = target == "cpu" and needed * ALLOCATOR_OVERHEAD > free
    if is_short and device.keep_freed_memory(keeps=False):
        log.line(
            f"  training needs ≈ {size(needed)} of {size(free)} free: memory is given back "
            "as soon as it is not needed, which is slower"
        )


def announce(
    shape: AnyModelConfig,
    config: TrainConfig,
    batches: Batches,
    baseline_bits: Mapping[str, float],
    *,
    group: Group,
    log: Log,
) -> None:
    """Log shape, budget and baselines, and warn if compilation is not possible.

    baseline_bits: bits per byte of the baselines on dev text; empty if no text is read.
    """
    announced = (
        templates_in(Path(__file__).parent)
        .get_template("announced.txt")
        .render(
            shape=shape,
            total=parameters(shape).total,
            config=config,
            batches=batches,
            baselines=baseline_bits,
            processes=group.size,
        )
    )
    for line in announced.splitlines():
        log.line(line)
    unsupported = phase_unsupported_reason(shape, config.execution, batches.device, group.size)
    if config.execution.compile and unsupported is not None:
        log.warn(f'compile = "on", but nothing is compiled: {unsupported}')
