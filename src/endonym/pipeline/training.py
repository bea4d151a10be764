"""The model stage: a phase of training with pre-flight checks, journal and samples."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from endonym import device
from endonym.data.baselines import count
from endonym.data.example_tokens import ExampleTokens
from endonym.data.order import Order, training_order
from endonym.data.shards import TokenShards
from endonym.disk import read_json, write_json
from endonym.evaluate.bits import baseline_scores, held_out
from endonym.evaluate.score import find
from endonym.export.adapters import FOLDER as ADAPTER
from endonym.export.adapters import write_adapter
from endonym.export.formats import require_adapter_formats, require_formats
from endonym.export.huggingface import pretrained_decoder
from endonym.log import append_jsonl, number
from endonym.model.config import AttentionConfig, ModelConfig
from endonym.model.count import parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig, read_shape
from endonym.model.foreign.weights import load_any, weights_of
from endonym.model.init import new_decoder
from endonym.model.kernels.varlen import unsupported_reason
from endonym.model.lora import adapted, changes_with, merge_changes
from endonym.model.weights import narrow, save_tensors
from endonym.pipeline import preflight
from endonym.pipeline.progress import Prompt, cut_journal, run_training
from endonym.pipeline.stages import Inputs, Numbers, PhaseTraining, StageContext
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.distributed import ALONE, Group, is_plain
from endonym.train.inputs import ExampleInputs, TrainingInputs, judged_shares, reference
from endonym.train.loop import Training

WEIGHTS = "weights.safetensors"
COMPARED_DOCUMENTS = 10_000
"""Dev documents that the programs of exports must read as we do."""


def train_model(config: PhaseTraining, ctx: StageContext, group: Group = ALONE) -> Numbers:
    """Train a phase from scratch, from other weights, or from a checkpoint.

    In a group, only the first process writes, checks and logs; the others only train.
    """
    device.prepare()
    phase, pack, folders = config.phase, config.pack, ctx.inputs
    # With the chat template of the examples, or of what the phase starts from.
    stage = next(name for name in ("examples", "start", "tokenizer") if name in folders)
    tokenizer = Tokenizer.load(folders[stage].folder / "tokenizer.json")
    dev = TokenShards(folders["shards"].folder, "dev")

    def make_decoder() -> AnyDecoder:
        return adapted(initial_decoder(config, folders), phase.adapt, config.seed)

    prompts: Sequence[Prompt] = [""]  # Without prompts, samples start as a document does.
    baseline_bits: dict[str, float] = {}
    if "examples" in folders:
        inputs = example_inputs(config, ctx, make_decoder, group)
        sampled = range(0, len(inputs.dev), inputs.dev.together)[:2]
        prompts = [inputs.dev.prompt(n).tolist() for n in sampled]
        longest = inputs.train.longest_document
    else:
        inputs, baseline_bits = text_inputs(config, ctx, tokenizer, group)
        longest = pack.longest(inputs.train.longest_document)
        if config.prompts:
            lines = config.prompts[0].read_text(encoding="utf-8").splitlines()
            prompts = [line for line in lines if line.strip()][:2]
    decoder = make_decoder()
    shape = decoder.config
    dev_texts = islice(held_out(dev, tokenizer).each(), COMPARED_DOCUMENTS * group.is_first)
    require_formats(config.exports, shape, tokenizer, list(dev_texts))  # Fail now, not after hours.
    require_adapter_formats(config.exports, decoder, is_last=config.is_last)
    preflight.spare_memory(shape, phase, longest, target=inputs.device, log=ctx.log)
    checkpoint = preflight.newest(inputs.folder, ctx.log) if group.is_first else None
    if group.is_first:
        batches = inputs.batches(phase, shape.context, config.seed)
        preflight.announce(shape, phase, batches, baseline_bits, group=group, log=ctx.log)
        if checkpoint is None or not checkpoint.state.step:
            preflight.warn_of_unlearnt_ends(decoder, tokenizer, phase, ctx.log)
            preflight.before_training(
                make_decoder, decoder, phase, batches, inputs=inputs, group=group, log=ctx.log
            )
            decoder = make_decoder()  # The check has changed the first one.
    training = Training(decoder.to(inputs.device), phase, inputs, seed=config.seed, group=group)
    training.resume(checkpoint)
    slow_mask_reasons = mask_reasons(training)
    if group.is_first:
        tokenizer.save(ctx.out)
        cut_journal(ctx.journal, training)
        if not training.state.step and baseline_bits:
            append_jsonl(ctx.journal, {"event": "baselines", "step": 0, **baseline_bits})
        for reason in slow_mask_reasons:
            ctx.log.line(f"  attention uses a dense mask, which is slower: {reason}")
        if training.state.step:
            ctx.log.line(f"  goes on from step {number(training.state.step)}")
    run_training(training, ctx, tokenizer, prompts)
    weights = training.weights()
    return _keep(training, weights, config, ctx) if group.is_first else {}


def text_inputs(
    config: PhaseTraining, ctx: StageContext, tokenizer: Tokenizer, group: Group
) -> tuple[TrainingInputs, dict[str, float]]:
    """Texts to read, and bits per byte of the baselines on the dev text."""
    folder, pack = ctx.inputs["shards"].folder, config.pack
    order, dev = training_order(folder, pack, config.seed), TokenShards(folder, "dev")
    shares = judged_shares(dev, config.phase.shares)
    baselines = baselines_of(order, dev, tokenizer, shares) if group.is_first else None
    baselines, target = group.broadcast(baselines), device.pick(ctx.device)
    # A phase that is judged by other texts alone need not be good at them.
    unigram = baselines["nats"]["unigram"] if shares or not config.phase.sources else math.inf
    inputs = TrainingInputs(order.shards, dev, ctx.work, unigram, target, pack.join)
    return inputs, baselines["bits"]


def example_inputs(
    config: PhaseTraining, ctx: StageContext, make_decoder: Callable[[], AnyDecoder], group: Group
) -> ExampleInputs:
    """Examples to read; of preference pairs with what the starting weights say of them.

    They say it in the number format in which the phase computes.
    """
    folder, target = ctx.inputs["examples"].folder, device.pick(ctx.device)
    train, dev = ExampleTokens(folder, "train"), ExampleTokens(folder, "dev")
    inputs = ExampleInputs(train, dev, ctx.work, target)

    @functools.cache
    def starting_decoder() -> AnyDecoder:
        decoder = make_decoder()
        if config.phase.number_format == "bf16":
            narrow(decoder)
        return decoder

    if config.phase.is_of_pairs:
        settings: dict[str, Any] = {"context": config.pack.context, "folder": ctx.work}
        settings |= {"device": target, "group": group}
        for tokens in (train, dev):
            inputs.references[tokens.split] = reference(starting_decoder, tokens, **settings)
    return inputs


def baselines_of(
    order: Order, dev: TokenShards, tokenizer: Tokenizer, shares: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """A uniform guess, unigrams and bigrams on the dev text of a phase: nats per token, and bits
    per byte.

    shares: of the sources in its tokens, if it has shares; all dev text otherwise.
    """
    all_scores = baseline_scores(count(order.shards, order), held_out(dev, tokenizer), split="dev")
    found: dict[str, dict[str, float]] = {"nats": {}, "bits": {}}
    for name in ("uniform", "unigram", "bigram"):
        nats = size = total = 0.0
        for source in shares or [None]:
            share = shares.get(source or "", 1.0)
            each = find(all_scores, metric="nats_per_token", model=name, source=source)
            if each is not None:
                nats += share * each.value
                size += share * each.n_bytes / max(1, each.n_tokens)
                total += share
        found["nats"][name] = nats / (total or 1.0)
        found["bits"][name] = nats / math.log(2) / (size or 1.0)
    return found


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


def mask_reasons(training: Training) -> set[str]:
    """Why attention on a GPU uses masks of whole rows, if it does; the kernel is tried here."""
    shape, weights_device = training.decoder.config, training.decoder.readout.weight_VD.device
    if weights_device.type == "cpu" or not isinstance(shape, ModelConfig):
        return set()
    dtype = torch.bfloat16 if training.config.number_format == "bf16" else torch.float32
    widths = {mixer.head_width for mixer in shape.mixers if isinstance(mixer, AttentionConfig)}
    reasons = {unsupported_reason(weights_device, dtype, width) for width in widths}
    return {reason for reason in reasons if reason is not None}


def _keep(
    training: Training, learnt: dict[str, Tensor], config: PhaseTraining, ctx: StageContext
) -> Numbers:
    """Write the finished model."""
    shape = training.decoder.config
    if config.phase.adapt is None:
        weights, trained = weights_of(training.decoder) | learnt, {}
    else:
        trained = {"trained_parameters": sum(each.numel() for each in learnt.values())}
        weights = _merged_adapter(training, learnt, config, ctx)
    save_tensors({name: each.cpu() for name, each in weights.items()}, ctx.out / WEIGHTS)
    write_json(ctx.out / "config.json", shape.model_dump())
    state, nats = training.state, training.state.best_nats
    write_json(ctx.out / "validations.json", state.validations)
    return {
        "parameters": parameters(shape).total,
        **trained,
        "steps": state.step,
        "kept_step": state.best_step if training.config.keep == "best" else state.step,
        "tokens": state.step * training.batches.tokens,
        "epochs": training.batches.epochs(state.step),
        "unique_tokens": int(training.batches.order.positions_per_epoch),
        "best_nats": None if nats is None else float(np.round(nats, 6)),
    }


def _merged_adapter(
    training: Training, learnt: dict[str, Tensor], config: PhaseTraining, ctx: StageContext
) -> dict[str, Tensor]:
    """Write the adapter beside the model; returns the weights with the adapter merged.

    They are merged into the weights that the phase began with, in fp32: in bf16 those that
    trained are rounded. The latter are dropped first, so that only one copy is held.
    """
    changes = changes_with(training.decoder, {name: each.cpu() for name, each in learnt.items()})
    for parameter in training.decoder.parameters():
        if not parameter.requires_grad and is_plain(parameter):
            parameter.data = parameter.data.new_empty(0)
    decoder, start = initial_decoder(config, ctx.inputs), ctx.inputs.get("start")
    name = start.id if start is not None else config.folder.name if config.folder else "model"
    dropout = config.phase.adapt.dropout if config.phase.adapt else 0.0
    reason = write_adapter(ctx.out / ADAPTER, decoder, changes, base_name=name, dropout=dropout)
    if reason:
        ctx.log.line(f"  the adapter is kept in endonym's own format: {reason}")
    merge_changes(decoder, changes)
    return weights_of(decoder)
