"""What is said and tried before training: disk space, memory, the device, overfitting one row."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from endonym import device
from endonym.autopilot.phase import FORMULA_MARGIN
from endonym.data.batches import Batch, Batches
from endonym.data.example_tokens import ExampleTokens
from endonym.device import free_memory_bytes
from endonym.errors import TrainingError
from endonym.export.markdown import templates_in
from endonym.generate.reading import read_nats
from endonym.log import Log, size
from endonym.model.attention import Attention
from endonym.model.count import parameters, trained_parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
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
ADAPTED_LR = 2e-2
ADAPTED_ENOUGH = 0.999
"""The same for adapters: a small rank on few matrices learns no row by heart, but it learns. Where
no gradient arrives, each step computes the same loss."""
END_EXAMPLES = 8
UNLIKELY = 0.5
"""Examples that are read to find out whether a model knows how an answer ends, and the share of a
blind guess (1 / vocabulary) below which it does not. Random weights give it a whole one, and a row
that no text has a fifth after ten thousand tokens of text (400 ids), and less than a hundredth
after eighty thousand."""


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
    shape = decoder.config
    adapt = config.adapt
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
            shape,
            ROW_TOKENS,
            config.number_format,
            row=config.context,
            optimizer=config.optimizer,
            adapt=adapt,
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


def unlearnt_ends(
    decoder: AnyDecoder, tokenizer: Tokenizer, examples: ExampleTokens
) -> dict[int, float]:
    """The ids that end answers and that the model never expects where an answer ends, each with the
    highest probability that it gives it there.

    The shortest examples are read as the chat template fills them in. A row of the head that no
    text has trained is as unlikely behind an answer as everywhere; even a model that never saw this
    template, in a language that it hardly knows, expects a trained end more than UNLIKELY.
    """
    was_training = decoder.training
    decoder.eval()
    likeliest = dict[int, float]()
    for number in np.argsort(examples.lengths, kind="stable")[:END_EXAMPLES]:
        stored = slice(examples.starts[number], examples.starts[number] + examples.lengths[number])
        ids = examples.ids[stored].astype(np.int64)
        (nats,) = read_nats(decoder, [ids], [int(examples.openings[number])])
        is_end = np.isin(ids, tokenizer.stop_ids) & (examples.learnt[stored] > 0)
        for end, chance in zip(ids[is_end].tolist(), np.exp(-nats[is_end]).tolist(), strict=True):
            likeliest[end] = max(likeliest.get(end, 0.0), chance)
    decoder.train(was_training)
    return {
        end: chance for end, chance in likeliest.items() if chance < UNLIKELY / decoder.config.vocab
    }


def warn_of_unlearnt_ends(
    decoder: AnyDecoder,
    tokenizer: Tokenizer,
    config: TrainConfig,
    examples: ExampleTokens,
    *,
    log: Log,
) -> None:
    """Warn if adapters are to learn an end of answers whose row of the head was never trained."""
    if config.adapt is None:
        return
    for end, chance in unlearnt_ends(decoder, tokenizer, examples).items():
        log.warn(
            f"{tokenizer.token(end)} ends an answer, but no text that trained the head had it: "
            f"after an answer the model gives it a probability of {chance:.1g} at most, and "
            "adapters do not train its row. In narrow models greedy answers end, but sampled ones "
            "run on. Train a phase of conversations without adapt, or go on from a model that has "
            "learnt the template"
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
    enough = ENOUGH
    least_lr = LEAST_LR
    if config.adapt is not None:
        enough = ADAPTED_ENOUGH
        least_lr = ADAPTED_LR
    fast = config.but(lr=max(config.lr, least_lr), embedding_lr=max(config.embedding_lr, least_lr))
    optimizer = Optimizer(decoder, fast)
    refuses = require_finite("first check")
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
    weights_BT = batch.weights_BT
    has_pairs = batch.reference_BT is not None
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
