"""What is said and tried before training: disk space, memory, the device, overfitting one row."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from endonym import device
from endonym.autopilot.phase import FORMULA_MARGIN
from endonym.data.batches import Batch, Batches
from endonym.device import free_memory_bytes
from endonym.errors import TrainingError
from endonym.export.markdown import templates_in
from endonym.log import Log, size
from endonym.model.attention import Attention
from endonym.model.count import parameters, trained_parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.layers import precise
from endonym.model.memory import training_bytes
from endonym.model.span import Span
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train import checkpoint
from endonym.train.checkpoint import Checkpoint
from endonym.train.compile import phase_unsupported_reason
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group
from endonym.train.inputs import PhaseInputs
from endonym.train.memory_budget import ALLOCATOR_OVERHEAD, kept_steps_bytes, phase_bytes
from endonym.train.optimizer import Optimizer
from endonym.train.schedule import kept_steps
from endonym.train.step import require_finite, take_step

COMPARED_TOKENS = 64
TOLERANCE = 0.01
"""Share of the logits' standard deviation; rounding alone gives 1e-5 in fp32 and 5e-2 in bf16."""
STEPS = 60
ROW_TOKENS = 256
ENOUGH = 0.5
"""Share of the first loss to which the loss must fall."""
LEAST_LR = 2e-3
"""A phase may have a low learning rate on purpose; this check is only of the gradients."""
ADAPTED_LR, ADAPTED_ENOUGH = 2e-2, 0.999
"""The same for adapters: a small rank on few matrices learns no row by heart, but it learns. Where
no gradient arrives, each step computes the same loss."""
ALIKE = 0.95
"""Cosine between two rows of the head. Those of ids that no text has are all pushed one way: they
reach 0.99 in a model of two million weights, where half of the others stay below 0.42."""


def newest(folder: Path, log: Log) -> Checkpoint | None:
    """The checkpoint to resume from, if any; warns about newly found damaged ones."""
    return checkpoint.last(
        folder, lambda damaged: log.warn(f"a damaged checkpoint was set aside: {damaged}")
    )


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
    shape, adapt = decoder.config, config.adapt
    total = trained_parameters(shape, adapt)
    every = min(config.execution.save_every_steps, config.eval_every_steps)
    saves = max(1, config.steps // every)
    numbers = 4 if config.is_averaged else 3  # a parameter: the weight, two of AdamW, the average
    kept = kept_steps_bytes(shape, config)
    checkpoint.check_disk_space(inputs.folder, total, saves, numbers, kept_bytes=kept)
    decoder = decoder.to(inputs.device)
    if inputs.device != "cpu":
        gap = require_agreement(decoder, make_decoder(), batches[0])
        log.detail(
            f"  first check: logits on {inputs.device} are those of the CPU to {gap:.1g} of their "
            "spread"
        )
        decoder = make_decoder().to(inputs.device)
    if config.execution.shard != "none" and group.size > 1:
        needed = training_bytes(
            shape, ROW_TOKENS, config.number_format, optimizer=config.optimizer, adapt=adapt
        )
        if needed * FORMULA_MARGIN > free_memory_bytes(inputs.device):
            log.detail(
                f"  first check: overfitting one row is left out: the whole model would need "
                f"≈ {size(needed)} here"
            )
            return
    loss_before, loss_after = overfit_one_row(decoder, batches[0], config)
    learns = "overfits one row" if adapt is None else "adapters learn from one row"
    log.detail(f"  first check: {learns}, as it should: loss {loss_before:.3f} → {loss_after:.3f}")


@torch.no_grad()
def unlearnt_ends(decoder: AnyDecoder, tokenizer: Tokenizer) -> dict[int, int]:
    """The ids that end an answer whose rows of the head were never trained, and how many other ids,
    which end none, have the same row.

    Such ids share their probability, whatever the layers before the head do.
    """
    weight_VD = decoder.readout.weight_VD.detach()
    norms_V = torch.linalg.vector_norm(weight_VD, dim=-1, dtype=torch.float32)
    alike = dict[int, int]()
    for end in tokenizer.stop_ids:
        cosines_V = precise(weight_VD @ weight_VD[end]) / (norms_V * norms_V[end])
        cosines_V[list(tokenizer.stop_ids)] = 0.0  # they begin as one row, see started_decoder
        alike[end] = int((cosines_V > ALIKE).sum())
    return {end: count for end, count in alike.items() if count > 0}


def warn_of_unlearnt_ends(
    decoder: AnyDecoder, tokenizer: Tokenizer, config: TrainConfig, log: Log
) -> None:
    """Warn if adapters are to learn an end of answers whose row of the head was never trained."""
    if config.adapt is None or config.reads_texts:
        return
    for end, n_alike in unlearnt_ends(decoder, tokenizer).items():
        log.warn(
            f"{tokenizer.token(end)} ends an answer, but no text that trained the head had "
            f"it: its row is that of {n_alike} other ids, and adapters do not train rows. In "
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
    baselines: Mapping[str, float],
    *,
    group: Group,
    log: Log,
) -> None:
    """Log shape, budget and baselines, and warn if compilation is not possible.

    baselines: bits per byte of the baselines on dev text; empty if no text is read.
    """
    template = templates_in(Path(__file__).parent).get_template("announced.txt")
    total = parameters(shape).total
    announced = template.render(
        shape=shape,
        total=total,
        config=config,
        batches=batches,
        baselines=baselines,
        group=group,
        kept=kept_steps_bytes(shape, config),
        kept_steps=kept_steps(config),
    )
    for line in announced.splitlines():
        log.detail(line)
    unsupported = phase_unsupported_reason(shape, config.execution, batches.device, group.size)
    if config.execution.compile and unsupported is not None:
        log.warn(f'compile = "on", but nothing is compiled: {unsupported}')


def require_agreement(on_device: AnyDecoder, on_cpu: AnyDecoder, batch: Batch) -> float:
    """Compare the fp32 logits of a device and of the CPU for a row's first 64 tokens.

    on_device, on_cpu: decoders with equal weights; both are changed to fp32 without zero weights.
    Returns the largest difference, as a share of the standard deviation of
    the CPU's logits. Raises TrainingError if that is above TOLERANCE.
    """
    # Residual branches start with output weights of zero, which would hide errors before them:
    # these get the same noise on both sides.
    noise = torch.Generator().manual_seed(0)
    pairs = zip(on_device.float().parameters(), on_cpu.float().parameters(), strict=True)
    for weight, cpu_weight in pairs:
        if not cpu_weight.any():
            drawn = torch.randn(cpu_weight.shape, generator=noise) / cpu_weight.shape[-1] ** 0.5
            weight.data += drawn.to(weight.device)
            cpu_weight.data += drawn
    tokens_BT = batch.tokens_BT[:1, :COMPARED_TOKENS].contiguous()
    documents_BT = batch.documents_BT[:1, :COMPARED_TOKENS].contiguous()
    device = str(on_device.readout.weight_VD.device)
    expected_BTV = logits(on_cpu, tokens_BT, documents_BT)
    gaps_BTV = (logits(on_device, tokens_BT, documents_BT) - expected_BTV).abs()
    gap = float(gaps_BTV.max()) / max(float(expected_BTV.std()), 1e-30)
    if gap <= TOLERANCE:
        return gap
    worst = int(gaps_BTV[0].amax(-1).argmax())  # The first NaN, if there is one.
    raise TrainingError(
        f"logits differ from those of the CPU by {gap:.3g} of their spread, most after token "
        f"{worst + 1} of {tokens_BT.shape[1]}: at most {TOLERANCE} was expected",
        where=f"first check on {device}",
        do="This torch computes something wrongly on this device: train with --device cpu, on "
        "another device, or with another version of torch.",
    )


@torch.no_grad()
def logits(decoder: AnyDecoder, tokens_BT: Tensor, documents_BT: Tensor) -> Tensor:
    """Logits without dropout, (B, T, V), on the CPU; matrix products in full fp32 precision."""
    device = decoder.readout.weight_VD.device
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        span = Span.packed(documents_BT.to(device))
        logits_BTV = decoder.eval().logits(tokens_BT.to(device), span)
    finally:
        torch.set_float32_matmul_precision(precision)
    return logits_BTV.float().cpu()


def overfit_one_row(decoder: AnyDecoder, batch: Batch, config: TrainConfig) -> tuple[float, float]:
    """Train a decoder, in place, on one short row; returns its loss in nats before and after.

    Raises TrainingError if the loss does not fall to half, or, with adapters, at all: then
    gradients, optimizer or number format are wrong.
    """
    row = _short_row(batch)
    for module in decoder.float().train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, Attention):
            module.dropout = 0.0
    enough, least_lr = ENOUGH, LEAST_LR
    if config.adapt is not None:
        enough, least_lr = ADAPTED_ENOUGH, ADAPTED_LR
    fast = config.but(lr=max(config.lr, least_lr), embedding_lr=max(config.embedding_lr, least_lr))
    optimizer, refuses = Optimizer(decoder, fast), require_finite("first check")
    nats = list[float]()
    for _ in range(STEPS):
        stepped = take_step(optimizer, row, lr_scale=0.5, rows=1, refuses=refuses)
        nats.append(stepped.nats)
        if stepped.nats < enough / 2 * nats[0]:
            break
    if min(nats) > enough * nats[0]:
        what = "model cannot overfit one row" if config.adapt is None else "adapters learn no row"
        raise TrainingError(
            f"the {what}: {nats[0]:.4f} nats became {min(nats):.4f} after {len(nats)} steps",
            where=f"phase {config.name}",
            do=_advice(config, least_lr, has_risen=nats[-1] > nats[0]),
        )
    return nats[0], nats[-1]


def _short_row(batch: Batch) -> Batch:
    """The first ROW_TOKENS of the first row; all of it if it holds pairs, or if nothing of the
    first ones is learnt."""
    width = min(ROW_TOKENS, batch.tokens_BT.shape[1])
    weights_BT, has_pairs = batch.weights_BT, batch.reference_BT is not None
    if has_pairs or (weights_BT is not None and not weights_BT[:1, :width].any()):
        width = batch.tokens_BT.shape[1]
    return batch.each(lambda tensor_BT: tensor_BT[:1, :width].contiguous())


def _advice(config: TrainConfig, least_lr: float, *, has_risen: bool) -> str:
    """What a user may change. The learning rate only if the phase's own was tried and diverged."""
    if has_risen and config.lr > least_lr:
        return f'Lower lr = {config.lr:g} (too high diverges), or set number_format = "fp32".'
    tried = f"It was tried at lr = {max(config.lr, least_lr):g}. "
    is_narrow = config.number_format == "bf16"
    if config.adapt is not None:
        tried += "Name more matrices in adapt.on, or give a larger adapt.rank"
        return tried + ('; or set number_format = "fp32".' if is_narrow else ".")
    if is_narrow:
        return tried + 'Set number_format = "fp32": bf16 may round gradients away.'
    if config.optimizer == "muon":
        return tried + 'Set optimizer = "adamw", or take another model.family.'
    return tried + "Try fewer model.layers or another model.family: gradients do not arrive."
