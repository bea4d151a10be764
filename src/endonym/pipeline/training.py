"""The model stage: a phase of training with pre-flight checks, journal and samples."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor

from endonym import device
from endonym.cpu_contention import ContentionMonitor
from endonym.data.baselines import count
from endonym.data.batches import Batches
from endonym.data.example_tokens import ExampleTokens
from endonym.data.order import Order, training_order
from endonym.data.shards import TokenShards
from endonym.disk import read_json, write_json
from endonym.evaluate.bits import baseline_scores, held_out
from endonym.evaluate.score import find
from endonym.export.adapter_export import require_adapter_formats
from endonym.export.adapters.adapter_folder import FOLDER as ADAPTER
from endonym.export.adapters.adapter_folder import base_identity, write_adapter
from endonym.export.formats import require_formats
from endonym.export.pretrained import pretrained_decoder
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log, append_jsonl, number, size
from endonym.model.config import AttentionConfig, ModelConfig
from endonym.model.count import parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig, read_shape
from endonym.model.foreign.weights import load_any, weights_of
from endonym.model.init import new_decoder
from endonym.model.kernels.varlen import unsupported_reason
from endonym.model.lora import adapted, changes_with, merge_changes
from endonym.model.weights import narrow, save_tensors
from endonym.pipeline.journal import cut_journal, note_report
from endonym.pipeline.preflight import before_training, newest, warn_of_unlearnt_ends
from endonym.pipeline.stopping import stop_requests
from endonym.pipeline.types import Inputs, Numbers, PhaseTraining, StageContext
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.compile import phase_unsupported_reason
from endonym.train.config import SAMPLE_TOKENS, SAMPLES, TrainConfig
from endonym.train.distributed import ALONE, Group, is_plain
from endonym.train.inputs import ExampleInputs, TrainingInputs, reference
from endonym.train.loop import Report, Training
from endonym.train.memory_budget import ALLOCATOR_OVERHEAD, phase_bytes
from endonym.train.validate import judged_shares

WEIGHTS = "weights.safetensors"
LINES = 20
Prompt = str | list[int]
COMPARED_DOCUMENTS = 10_000
"""Dev documents that the programs of exports must read as we do."""


def train_model(config: PhaseTraining, ctx: StageContext, group: Group = ALONE) -> Numbers:
    """Train a phase from scratch, from other weights, or from a checkpoint.

    In a group, only the first process writes, checks and logs; the others only train.
    """
    device.prepare()
    phase, pack = config.phase, config.pack
    tokenizer = phase_tokenizer(ctx.inputs)
    dev = TokenShards(ctx.inputs["shards"].folder, "dev")
    make_decoder = partial(decoder_to_train, config, ctx.inputs)
    if "examples" in ctx.inputs:
        inputs, lines = example_inputs(config, ctx, make_decoder, group), dict[str, Line]()
    else:
        inputs, lines = text_inputs(config, ctx, tokenizer, group)
    decoder = make_decoder()
    shape = decoder.config
    compared = islice(held_out(dev, tokenizer).each(), COMPARED_DOCUMENTS * group.is_first)
    require_formats(config.exports, shape, tokenizer, list(compared))  # Fail now, not after hours.
    require_adapter_formats(config.exports, decoder, is_last=config.is_last)
    longest = inputs.train.longest_document
    longest = pack.longest(longest) if isinstance(inputs, TrainingInputs) else longest
    spare_memory(shape, phase, longest, target=inputs.device, log=ctx.log)
    checkpoint = newest(inputs.folder, ctx.log) if group.is_first else None
    if group.is_first:
        batches = inputs.batches(phase, shape.context, config.seed)
        _announce(shape, phase, batches, lines, group=group, log=ctx.log)
        if checkpoint is None or not checkpoint.state.step:
            warn_of_unlearnt_ends(decoder, tokenizer, phase, ctx.log)
            before_training(
                make_decoder, decoder, phase, batches, inputs=inputs, group=group, log=ctx.log
            )
            decoder = make_decoder()
    training = Training(decoder.to(inputs.device), phase, inputs, seed=config.seed, group=group)
    training.resume(checkpoint)
    masked = _masked_because(training)
    if group.is_first:
        cut_journal(ctx.journal, training)
        if not training.state.step and lines:
            guesses = {name: line.bits for name, line in lines.items()}
            append_jsonl(ctx.journal, {"event": "baselines", "step": 0, **guesses})
        for reason in masked:
            ctx.log.line(f"  attention uses a dense mask, which is slower: {reason}")
        if training.state.step:
            ctx.log.line(f"  goes on from step {number(training.state.step)}")
    prompts: Sequence[Prompt] = [""]  # Without prompts, samples start as a document does.
    if isinstance(inputs, ExampleInputs):
        prompts = [inputs.dev.prompt(number).tolist() for number in sampled_examples(inputs.dev)]
    elif config.prompts:
        given = config.prompts[0].read_text(encoding="utf-8").splitlines()
        prompts = [line for line in given if line.strip()][:2]
    _run(training, ctx, tokenizer, prompts)
    weights = training.weights()
    return _keep(training, weights, tokenizer, config=config, ctx=ctx) if group.is_first else {}


def phase_tokenizer(inputs: Inputs) -> Tokenizer:
    """The tokenizer of a phase: with the chat template of its examples, or of what it starts from.

    Both have the vocabulary of the recipe's own.
    """
    for name in ("examples", "start", "tokenizer"):
        if name in inputs:
            return Tokenizer.load(inputs[name].folder / "tokenizer.json")
    raise KeyError("a phase has a tokenizer")


def text_inputs(
    config: PhaseTraining, ctx: StageContext, tokenizer: Tokenizer, group: Group
) -> tuple[TrainingInputs, dict[str, "Line"]]:
    """Texts to read, and the baselines of the dev text."""
    folder, pack = ctx.inputs["shards"].folder, config.pack
    order, dev = training_order(folder, pack, config.seed), TokenShards(folder, "dev")
    given = {each.name: each.share for each in config.phase.sources}
    shares = judged_shares(dev, given)
    lines = baseline_lines(order, dev, tokenizer, shares) if group.is_first else None
    lines, target = group.broadcast(lines), device.pick(ctx.device)
    # A phase that is judged by other texts alone need not be good at them.
    unigram = lines["unigram"].nats if shares or not given else math.inf
    return TrainingInputs(order.shards, dev, ctx.work, unigram, target, pack.join), lines


def example_inputs(
    config: PhaseTraining,
    ctx: StageContext,
    make_decoder: Callable[[], AnyDecoder],
    group: Group,
) -> ExampleInputs:
    """Examples to read; of preference pairs with what the starting weights say of them."""
    folder, target = ctx.inputs["examples"].folder, device.pick(ctx.device)
    train, dev = ExampleTokens(folder, "train"), ExampleTokens(folder, "dev")
    inputs = ExampleInputs(train, dev, ctx.work, target)
    if config.phase.objective == "preferences":
        decoder = functools.cache(partial(as_computed, make_decoder, config.phase))
        for tokens in (train, dev):
            inputs.references[tokens.split] = reference(
                decoder,
                tokens,
                context=config.pack.context,
                folder=ctx.work,
                device=target,
                group=group,
            )
    return inputs


def as_computed(make_decoder: Callable[[], AnyDecoder], config: TrainConfig) -> AnyDecoder:
    """A decoder as a phase begins with, in the number format in which it computes."""
    decoder = make_decoder()
    if config.number_format == "bf16":
        narrow(decoder)
    return decoder


def sampled_examples(tokens: ExampleTokens) -> list[int]:
    """Held-out examples whose prompts are answered during training."""
    return list(range(0, len(tokens), tokens.together))[:2]


class Line(NamedTuple):
    """A baseline on dev text: nats per token, and bits per byte."""

    nats: float
    bits: float


def baseline_lines(
    order: Order, dev: TokenShards, tokenizer: Tokenizer, shares: Mapping[str, float]
) -> dict[str, Line]:
    """A uniform guess, unigrams and bigrams on the dev text of a phase.

    shares: of the sources in its tokens, if it has shares; all dev text otherwise.
    """
    scores = baseline_scores(count(order.shards, order), held_out(dev, tokenizer), split="dev")
    lines: dict[str, Line] = {}
    for name in ("uniform", "unigram", "bigram"):
        known = {
            source: find(scores, metric="nats_per_token", model=name, source=source)
            for source in (shares or [None])
        }
        found = [(shares.get(s or "", 1.0), each) for s, each in known.items() if each is not None]
        nats = sum(share * each.value for share, each in found)
        size = sum(share * each.n_bytes / max(1, each.n_tokens) for share, each in found)
        lines[name] = Line(
            nats / (sum(share for share, _ in found) or 1.0), nats / math.log(2) / (size or 1.0)
        )
    return lines


def decoder_to_train(config: PhaseTraining, inputs: Inputs) -> AnyDecoder:
    """The decoder to start from, with the adapters of the phase, if it has some."""
    return adapted(initial_decoder(config, inputs), config.phase.adapt, config.seed)


def _write_adapted(
    training: Training, learnt: dict[str, Tensor], config: PhaseTraining, ctx: StageContext
) -> dict[str, Tensor]:
    """Write the adapter beside the model; returns the weights with the adapter merged.

    They are merged into the weights that the phase began with, in fp32: in bf16 those that
    trained are rounded. The latter are dropped first, so that only one copy is held.
    """
    adapt = config.phase.adapt
    assert adapt is not None
    changes = changes_with(training.decoder, {name: each.cpu() for name, each in learnt.items()})
    for parameter in training.decoder.parameters():
        if not parameter.requires_grad and is_plain(parameter):
            parameter.data = parameter.data.new_empty(0)
    decoder = initial_decoder(config, ctx.inputs)
    start = ctx.inputs.get("start")
    name = start.id if start is not None else config.folder.name if config.folder else "model"
    reason = write_adapter(
        ctx.out / ADAPTER,
        decoder,
        changes,
        base=base_identity(decoder),
        base_name=name,
        dropout=adapt.dropout,
    )
    if reason:
        ctx.log.line(f"  the adapter is kept in endonym's own format: {reason}")
    merge_changes(decoder, changes)
    return weights_of(decoder)


def initial_decoder(config: PhaseTraining, inputs: Inputs) -> AnyDecoder:
    """The decoder to start from: an earlier phase's, a pretrained or a new one."""
    if "start" in inputs:
        folder = inputs["start"].folder
        return load_any(read_shape(read_json(folder / "config.json")), folder / WEIGHTS)
    tokenizer = inputs["tokenizer"].folder / "tokenizer.json"
    return new_or_loaded(config.model, config.folder, tokenizer, config.seed)


def new_or_loaded(
    shape: AnyModelConfig, folder: Path | None, tokenizer: Path, seed: int
) -> AnyDecoder:
    """A new decoder of one of our shapes, or the pretrained one of a folder in this shape.

    tokenizer: the `tokenizer.json` of the new model.
    """
    if folder is None:
        assert isinstance(shape, ModelConfig), "only our own shapes can be built from nothing"
        return new_decoder(shape, seed)
    return pretrained_decoder(folder, shape.context, Tokenizer.load(tokenizer), shape.vocab)


def spare_memory(
    shape: AnyModelConfig, config: TrainConfig, longest: int, *, target: str, log: Log
) -> None:
    """If free memory is short, return freed memory to the system at once: slower, but smaller.

    longest: the most tokens that attention sees together. target: the device.
    """
    needed = phase_bytes(shape, config, longest)
    free = device.free_memory_bytes()
    if (
        target == "cpu"
        and needed * ALLOCATOR_OVERHEAD > free
        and device.keep_freed_memory(keeps=False)
    ):
        log.line(
            f"  training needs ≈ {size(needed)} of {size(free)} free: memory is given back "
            "as soon as it is not needed, which is slower"
        )


def _announce(
    shape: AnyModelConfig,
    config: TrainConfig,
    batches: Batches,
    lines: dict[str, Line],
    *,
    group: Group,
    log: Log,
) -> None:
    """Log shape, budget and baselines, and warn if compilation is not possible."""
    total, read = parameters(shape).total, batches.order.positions_per_epoch
    spread = ""
    if group.size > 1:
        shard = config.execution.shard
        spread = f" · {group.size} processes" + ("" if shard == "none" else f", {shard} in shards")
    log.line(
        f"  {shape.family} · {shape.layers} layers × {shape.dim} · {number(total)} parameters · "
        f"{config.number_format}{spread}"
    )
    log.line(
        f"  {number(config.steps)} steps × {number(batches.tokens)} tokens = "
        f"{batches.epochs(config.steps):.1f} epochs of {number(read)} tokens, "
        + ("document ends too" if lines else "empty ends of rows too")
    )
    if config.sources:
        mixed = " · ".join(f"{each.name} {each.share:.1%}" for each in config.sources)
        log.line(f"  reads {mixed} of the tokens")
    if lines:
        guesses = " · ".join(f"{name} {line.bits:.4f}" for name, line in lines.items())
        log.line(f"  baselines, dev bits/byte over all bytes: {guesses}")
    unsupported = phase_unsupported_reason(shape, config.execution, batches.device, group.size)
    if config.execution.compile and unsupported is not None:
        log.warn(f'compile = "on", but nothing is compiled: {unsupported}')


def _masked_because(training: Training) -> set[str]:
    """Why attention on a GPU uses masks of whole rows, if it does; the kernel is tried here."""
    shape, weights_device = training.decoder.config, training.decoder.readout.weight_VD.device
    if weights_device.type == "cpu" or not isinstance(shape, ModelConfig):
        return set()
    dtype = torch.bfloat16 if training.config.number_format == "bf16" else torch.float32
    widths = {each.head_width for each in shape.mixers if isinstance(each, AttentionConfig)}
    reasons = {unsupported_reason(weights_device, dtype, width) for width in widths}
    return {reason for reason in reasons if reason is not None}


def _run(
    training: Training, ctx: StageContext, tokenizer: Tokenizer, prompts: Sequence[Prompt]
) -> None:
    """Train to the end; show, journal and sample the progress.

    Tokens a second are those of training steps, as everywhere: validations, samples and checkpoints
    do not count.
    """
    steps, group = training.config.steps, training.group
    spent, seen, at = 0.0, 0, training.state.step
    if group.is_first:
        start = {"event": "started", "step": training.state.step, "versions": device.versions()}
        where = {"processor": device.processor(), "threads": device.threads()}
        append_jsonl(ctx.journal, {**start, **where, "processes": group.size})
    sample_every = training.config.validations_per_sample
    contention = ContentionMonitor(training.inputs.device)
    with ctx.log.progress("training", steps, "", done=at) as advance, stop_requests() as stop:
        for report in training.reports():
            seen += training.batches.tokens if report.seconds else 0
            spent += report.seconds
            speed = seen / max(1e-9, spent)
            if group.is_first:
                note_report(report, training.state, ctx.journal, ctx.log)
                if report.seconds and (slowed := contention.warning(report.seconds)):
                    ctx.log.warn(slowed)
            note = ""
            if report.seconds:
                loss = f"{report.bits_per_byte:.3f} bits/byte"
                loss = loss if report.bits_per_byte else f"loss {report.nats:.3f}"
                pace = f"{loss} · {number(speed)} tokens/s"
                note = f"step {report.step} · {pace}"
            advance(report.step - at, note=note)
            at = report.step
            if report.validation is not None:
                ctx.log.line(_line(report, speed))
                validations = len(training.state.validations) - 1
                if validations % sample_every == 0 or report.step == steps:
                    _sample(training, tokenizer, prompts, report.step, journal=ctx.journal)
            if ctx.metrics is not None:
                ctx.metrics.update()
            if group.is_any(stop.is_set()) and report.step:
                _stop(training, ctx, report.step)


def _stop(training: Training, ctx: StageContext, step: int) -> NoReturn:
    """Save the training and end it, as a person or the system asked."""
    is_saved = training.save()
    training.group.wait()
    kept = "saved" if is_saved else "its weights were discarded; the last checkpoint is kept"
    ctx.log.line(f"stopped after step {step}, {kept} in {ctx.work}")
    raise KeyboardInterrupt


def _line(report: Report, speed: float) -> str:
    """One validation as a line of the log."""
    assert report.validation is not None
    mark = " · best" if report.is_best and report.step else ""
    pace = f" · {number(speed)} tokens/s" if report.seconds else ""
    step = f"{report.step:>{len(str(report.steps))}} of {report.steps}"
    seen = report.validation
    bits = f"dev {seen.bits_per_byte:.4f} bits/byte"
    if seen.figures:
        told = " · ".join(f"{name} {value:.3f}" for name, value in seen.figures.items())
        bits = f"dev loss {seen.nats:.4f} · {told}"
    return f"  step {step} · epoch {report.epoch:.2f} · {bits}{pace}{mark}"


def _sample(
    training: Training, tokenizer: Tokenizer, prompts: Sequence[Prompt], step: int, *, journal: Path
) -> None:
    """Generate samples with the current weights."""
    samplings = [Sampling(seed=step * SAMPLES + index) for index in range(len(prompts))]
    with training.for_evaluation():
        decoder = training.whole_decoder()
        if not training.group.is_first:
            return
        model = LanguageModel(decoder, tokenizer)
        made = model.generate_many(prompts, max_tokens=SAMPLE_TOKENS, samplings=samplings)
    for prompt, each in zip(prompts, made, strict=True):
        if not isinstance(prompt, str):
            prompt = "".join(text for text, _ in tokenizer.pieces(prompt))
        line = {"event": "sample", "step": step, "prompt": prompt, "text": "".join(each)}
        append_jsonl(journal, line)
    training.decoder.train()


def _keep(
    training: Training,
    learnt: dict[str, Tensor],
    tokenizer: Tokenizer,
    *,
    config: PhaseTraining,
    ctx: StageContext,
) -> Numbers:
    """Write the finished model."""
    shape, adapt = training.decoder.config, config.phase.adapt
    if adapt is None:
        kept = weights_of(training.decoder) | learnt
    else:
        kept = _write_adapted(training, learnt, config, ctx)
    save_tensors({name: each.cpu() for name, each in kept.items()}, ctx.out / WEIGHTS)
    write_json(ctx.out / "config.json", shape.model_dump())
    tokenizer.save(ctx.out)
    state, nats = training.state, training.state.best_nats
    best = state.best_step if training.config.keep == "best" else state.step
    write_json(ctx.out / "validations.json", state.validations)
    return {
        "parameters": parameters(shape).total,
        **(
            {} if adapt is None else {"trained_parameters": sum(e.numel() for e in learnt.values())}
        ),
        "steps": state.step,
        "kept_step": best,
        "tokens": state.step * training.batches.tokens,
        "epochs": training.batches.epochs(state.step),
        "unique_tokens": int(training.batches.order.positions_per_epoch),
        "best_nats": None if nats is None else float(np.round(nats, 6)),
    }
