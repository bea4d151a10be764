"""The model stage: a phase of training with pre-flight checks, journal and samples."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from endonym import device
from endonym.data.baselines import count
from endonym.data.example_tokens import ExampleTokens
from endonym.data.order import Order, rows_by_source, training_order
from endonym.data.shards import TokenShards
from endonym.data.subwords import Subwords
from endonym.data.typed_words import Keyboard
from endonym.disk import link_or_copy, read_json, write_json
from endonym.evaluate.bits import baseline_scores, held_out_texts
from endonym.evaluate.prompts import read_prompts
from endonym.evaluate.score import find
from endonym.export.adapters import FOLDER as ADAPTER
from endonym.export.adapters import base_name_of, hub_name, read_changes, write_adapter
from endonym.export.formats import require_adapter_formats, require_formats
from endonym.export.history import data_of, examples_of, phases_of, reads_texts, shares_read
from endonym.export.huggingface import pretrained_decoder
from endonym.log import append_jsonl, number
from endonym.model.config import AttentionConfig, ModelConfig
from endonym.model.count import parameters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig, read_shape
from endonym.model.foreign.origin import Origin
from endonym.model.foreign.weights import load_any, weights_of
from endonym.model.init import new_decoder
from endonym.model.kernels.varlen import unsupported_reason
from endonym.model.lora import adapted, changes_with, joined, merge_changes
from endonym.model.vocabulary import with_vocabulary
from endonym.model.weights import narrow, save_tensors
from endonym.pipeline import preflight
from endonym.pipeline.progress import Prompt, cut_journal, run_training
from endonym.pipeline.pruning import pruning
from endonym.pipeline.stage import Inputs, Numbers, PhaseTraining, StageContext
from endonym.pipeline.teaching import teach_of
from endonym.store import Artifact, Store
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.checkpoint import KEPT, kept_weights
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group, is_plain
from endonym.train.inputs import ExampleInputs, TrainingInputs, judged_shares, reference
from endonym.train.loop import Training

WEIGHTS = "weights.safetensors"
COMPARED_DOCUMENTS = 10_000
"""Dev documents that the programs of exports must read as we do."""


def train_model(config: PhaseTraining, ctx: StageContext, group: Group) -> Numbers:
    """Train a phase from scratch, from other weights, or from a checkpoint.

    In a group, only the first process writes, checks and logs; the others only train.
    """
    device.prepare()
    if "start" in ctx.inputs:
        config = after_earlier(config, phases_of(ctx.inputs["start"]), ctx.inputs)
    phase = config.phase
    # With the chat template of the examples, or of what the phase starts from.
    source = next(name for name in ("examples", "start", "tokenizer") if name in ctx.inputs)
    tokenizer = Tokenizer.load(ctx.inputs[source].folder / "tokenizer.json")
    dev = TokenShards(ctx.inputs["shards"].folder, "dev")
    whole = functools.partial(started_decoder, config, ctx.inputs, tokenizer)
    start = pruning(config, whole, lambda: inputs, group=group, log=ctx.log)

    def make_decoder() -> AnyDecoder:
        return adapted(start(), phase.adapt, config.seed)

    prompts: Sequence[Prompt] = [""]  # Without prompts, samples start as a document does.
    baseline_bits: dict[str, float] = {}
    if "examples" in ctx.inputs:
        inputs = example_inputs(config, ctx, make_decoder, group)
        numbers = range(0, len(inputs.dev), inputs.dev.together)[:2]
        prompts = [inputs.dev.prompt(number).tolist() for number in numbers]
        longest = inputs.train.longest_document
    else:
        inputs, baseline_bits = text_inputs(config, ctx, tokenizer, group)
        longest = config.pack.longest(inputs.train.longest_document)
        prompts = first_prompts(config) or prompts
    inputs = replace(inputs, teach=teach_of(config, ctx, inputs.device))
    decoder = make_decoder()
    shape = decoder.config
    n_documents = COMPARED_DOCUMENTS if group.is_first else 0
    dev_texts = list(islice(held_out_texts(dev, tokenizer).each(), n_documents))
    require_formats(config.exports, shape, tokenizer, dev_texts)  # Fail now, not after hours.
    require_adapter_formats(config.exports, decoder, is_last=config.is_last)
    preflight.spare_memory(shape, phase, longest, target=inputs.device, log=ctx.log)
    checkpoint = preflight.newest(inputs.folder, ctx.log) if group.is_first else None
    if group.is_first:
        batches = inputs.batches(phase, config.pack.context, config.seed)
        preflight.announce(shape, phase, batches, baseline_bits, group=group, log=ctx.log)
        if checkpoint is None or not checkpoint.state.step:
            if isinstance(inputs, ExampleInputs):
                preflight.warn_of_unlearnt_ends(
                    decoder, tokenizer, phase, inputs.train, log=ctx.log
                )
            preflight.before_training(
                make_decoder, decoder, phase, batches, inputs=inputs, group=group, log=ctx.log
            )
            decoder = make_decoder()  # The check has changed the first one.
    training = Training(decoder.to(inputs.device), phase, inputs, seed=config.seed, group=group)
    training.resume(checkpoint)
    if group.is_first:
        tokenizer.save(ctx.out)
        base = ctx.inputs["start"].folder if "start" in ctx.inputs else config.folder
        origin = None if base is None else Origin.of(base)
        if origin is not None:
            origin.keep(ctx.out)
        cut_journal(ctx.journal, training)
        if not training.state.step and baseline_bits:
            append_jsonl(ctx.journal, {"event": "baselines", "step": 0, **baseline_bits})
        for reason in mask_reasons(training):
            ctx.log.line(f"  attention uses a dense mask, which is slower: {reason}")
        if training.state.step:
            ctx.log.line(f"  goes on from step {number(training.state.step)}")
    run_training(training, ctx, tokenizer, prompts)
    weights = training.weights()
    return _keep(training, weights, config, ctx) if group.is_first else {}


def after_earlier(
    config: PhaseTraining, earlier: Sequence[Artifact], inputs: Mapping[str, Artifact]
) -> PhaseTraining:
    """The training with the rows of its texts that follow those which earlier phases have read.

    The plan knows how many steps a phase has at most. One that ended earlier, for want of patience,
    has left rows unread: these come next. inputs: of this phase; only phases with examples that
    were made alike of the same files, or with texts, read the same rows.
    """
    order = order_of(inputs.get("examples"))
    unread = Counter[str]()  # rows of each source; under "", of all texts together
    for model in earlier:
        keys = model.manifest["config"]
        examples = examples_of(model)
        is_known = examples is not None or reads_texts(model)
        if is_known and order_of(examples) == order:
            rows_a_step = keys["phase"]["batch_tokens"] // keys["pack"]["context"]
            shares = shares_read(model) or {"": 1.0}
            unread.update(rows_by_source(shares, keys["phase"]["steps"] * rows_a_step))
            unread.subtract(rows_by_source(shares, model.numbers["steps"] * rows_a_step))
    phase = config.phase
    if not any(unread.values()):
        return config
    sources = tuple(
        source.model_copy(update={"first_row": max(0, source.first_row - unread[source.name])})
        for source in phase.sources
    )
    first_row = None if sources else max(0, (phase.first_row or 0) - unread[""]) or None
    return config.model_copy(update={"phase": phase.but(sources=sources, first_row=first_row)})


def order_of(examples: Artifact | None) -> tuple[object, ...]:
    """What the rows of examples, and so their order, depend on; nothing for texts."""
    if examples is None:
        return ()
    keys = examples.manifest["config"]
    return (data_of(examples), keys["objective"], keys.get("columns"))


def first_prompts(config: PhaseTraining) -> list[str]:
    """The first two lines of the recipe's prompts that are not blank."""
    return read_prompts(config.prompts[0])[:2] if config.prompts else []


def text_inputs(
    config: PhaseTraining, ctx: StageContext, tokenizer: Tokenizer, group: Group
) -> tuple[TrainingInputs, dict[str, float]]:
    """Texts to read, and bits per byte of the baselines on the dev text."""
    folder = ctx.inputs["shards"].folder
    pack = config.pack
    order = training_order(folder, pack, config.seed)
    dev = TokenShards(folder, "dev")
    shares = judged_shares(dev, config.phase.shares)
    baselines = baselines_of(order, dev, tokenizer, shares) if group.is_first else None
    baselines = group.broadcast(baselines)
    # A phase that is judged by other texts alone need not be good at them.
    unigram_nats = baselines["nats"]["unigram"] if shares or not config.phase.sources else math.inf
    target = device.pick(ctx.device)
    train = order.shards
    join = pack.join
    inputs = TrainingInputs(
        train,
        dev,
        ctx.work,
        unigram_nats,
        device=target,
        join=join,
        subwords=subwords_of(config.phase, tokenizer, config.seed),
        keyboard=keyboard_of(config.phase, tokenizer),
    )
    return inputs, baselines["bits"]


def subwords_of(phase: TrainConfig, tokenizer: Tokenizer, seed: int) -> Subwords | None:
    """What splits tokens; nothing without the key, or if a teacher has read whole ones before."""
    if phase.subword_dropout is None or (phase.distill is not None and not phase.distill.live):
        return None
    return Subwords.of(tokenizer, phase.subword_dropout, seed)


def keyboard_of(phase: TrainConfig, tokenizer: Tokenizer) -> Keyboard | None:
    """What types words of the texts; nothing without the objective."""
    return Keyboard(tokenizer) if phase.is_of_typed_words else None


def example_inputs(
    config: PhaseTraining, ctx: StageContext, make_decoder: Callable[[], AnyDecoder], group: Group
) -> ExampleInputs:
    """Examples to read; of preference pairs with their log-probabilities under the first weights.

    These are computed in the number format of the phase.
    """
    folder = ctx.inputs["examples"].folder
    context = config.pack.context
    target = device.pick(ctx.device)
    train = ExampleTokens(folder, "train")
    dev = ExampleTokens(folder, "dev")
    inputs = ExampleInputs(train, dev, ctx.work, target)

    @functools.cache
    def first_decoder() -> AnyDecoder:
        decoder = make_decoder()
        if config.phase.number_format == "bf16":
            narrow(decoder)
        return decoder

    if config.phase.is_of_pairs:
        for tokens in (train, dev):
            inputs.references[tokens.split] = reference(
                first_decoder, tokens, context=context, folder=ctx.work, device=target, group=group
            )
    return inputs


def baselines_of(
    order: Order, dev: TokenShards, tokenizer: Tokenizer, shares: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Nats per token and bits per byte of uniform, unigram and bigram models on the dev text.

    shares: of the sources in the tokens of the phase, by which the dev text of each is weighted; if
    there are none, all dev text is scored together.
    """
    all_scores = baseline_scores(
        count(order.shards, order), held_out_texts(dev, tokenizer), split="dev"
    )
    baselines: dict[str, dict[str, float]] = {"nats": {}, "bits": {}}
    for name in ("uniform", "unigram", "bigram"):
        nats = n_bytes = total_share = 0.0  # nats and bytes per token, weighted by shares
        for source in shares or [None]:
            share = shares.get(source or "", 1.0)
            score = find(all_scores, metric="nats_per_token", model=name, source=source)
            if score is not None:
                nats += share * score.value
                n_bytes += share * score.n_bytes / max(1, score.n_tokens)
                total_share += share
        baselines["nats"][name] = nats / (total_share or 1.0)
        baselines["bits"][name] = nats / math.log(2) / (n_bytes or 1.0)
    return baselines


def initial_decoder(config: PhaseTraining, inputs: Inputs) -> AnyDecoder:
    """The decoder that a phase starts from: that of an earlier phase, a pretrained or a new one."""
    if "start" in inputs:
        folder = inputs["start"].folder
        return load_any(read_shape(read_json(folder / "config.json")), folder / WEIGHTS)
    tokenizer = inputs["tokenizer"].folder / "tokenizer.json"
    return new_or_loaded(config.model, config.folder, tokenizer, config.seed)


def started_decoder(config: PhaseTraining, inputs: Inputs, tokenizer: Tokenizer) -> AnyDecoder:
    """The initial decoder; before conversations untrained ends of answers get the rows of the end
    of a text, unless adapters train no rows.

    All untrained rows are alike, and stay so at the low rate of a short phase: then the end of an
    answer is as likely as each byte that no text has (docs/phases.md).
    """
    decoder = initial_decoder(config, inputs)
    if config.phase.reads_texts or config.phase.adapt is not None:
        return decoder
    examples = ExampleTokens(inputs["examples"].folder, "train")
    unlearnt = preflight.unlearnt_ends(decoder, tokenizer, examples)
    if not unlearnt or tokenizer.end_id in unlearnt:
        return decoder
    ids = range(decoder.config.vocab)
    return with_vocabulary(decoder, [[tokenizer.end_id if i in unlearnt else i] for i in ids])


def new_or_loaded(
    shape: AnyModelConfig, folder: Path | None, tokenizer: Path, seed: int
) -> AnyDecoder:
    """A new decoder of one of our shapes, or the pretrained one of a folder in this shape.

    tokenizer: the `tokenizer.json` of the new model.
    """
    if folder is None:
        assert isinstance(shape, ModelConfig), "only our own shapes can be built from nothing"
        return new_decoder(shape, seed)
    return pretrained_decoder(folder, Tokenizer.load(tokenizer), shape.vocab)


def mask_reasons(training: Training) -> set[str]:
    """Why attention on a GPU uses masks of whole rows; empty if it does not. Tries the kernel."""
    shape = training.decoder.config
    weights_device = training.decoder.readout.weight_VD.device
    if weights_device.type == "cpu" or not isinstance(shape, ModelConfig):
        return set()
    dtype = torch.bfloat16 if training.config.number_format == "bf16" else torch.float32
    widths = {mixer.head_width for mixer in shape.mixers if isinstance(mixer, AttentionConfig)}
    reasons = {unsupported_reason(weights_device, dtype, width) for width in widths}
    return {reason for reason in reasons if reason is not None}


def _keep(
    training: Training, learnt: dict[str, Tensor], config: PhaseTraining, ctx: StageContext
) -> Numbers:
    """Write the finished model, and its adapter if it has one; returns its counts.

    learnt: the weights that were trained.
    """
    shape = training.decoder.config
    if config.phase.adapt is None:
        weights = weights_of(training.decoder) | learnt
        counts = {}
    else:
        counts = {"trained_parameters": sum(weight.numel() for weight in learnt.values())}
        changes = changes_with(training.decoder, {n: each.cpu() for n, each in learnt.items()})
        # It is merged into the weights that the phase began with, read again in fp32: those of a
        # training in bf16 are rounded. These are dropped first, so that only one copy is held.
        for parameter in training.decoder.parameters():
            if not parameter.requires_grad and is_plain(parameter):
                parameter.data = parameter.data.new_empty(0)
        decoder = initial_decoder(config, ctx.inputs)
        start = ctx.inputs.get("start")
        base_name = hub_name(config.folder) if config.folder else "model"
        base = None
        all_changes = changes
        if start is not None:
            base_name = start.id
        if start is not None and config.is_joined:
            base_name = base_name_of(start.folder / ADAPTER)
            first, base = read_changes(start.folder / ADAPTER, decoder)
            all_changes = joined(first, changes, lambda: joined_base(config, ctx.inputs))
        reason = write_adapter(
            ctx.out / ADAPTER,
            decoder,
            all_changes,
            base_name=base_name,
            dropout=config.phase.adapt.dropout,
            base=base,
        )
        if reason:
            ctx.log.line(f"  the adapter is kept in endonym's own format: {reason}")
        merge_changes(decoder, changes)
        weights = weights_of(decoder)
    save_tensors({name: weight.cpu() for name, weight in weights.items()}, ctx.out / WEIGHTS)
    write_json(ctx.out / "config.json", shape.model_dump())
    state = training.state
    for step, file in kept_weights(ctx.work).items():
        if step <= state.step:  # a training that went back may have ended earlier
            (ctx.out / KEPT).mkdir(exist_ok=True)
            link_or_copy(file, ctx.out / KEPT / file.name)
    write_json(ctx.out / "validations.json", state.validations)
    return {
        "parameters": parameters(shape).total,
        **counts,
        "steps": state.step,
        "kept_step": state.best_step if training.config.keep == "best" else state.step,
        "tokens": state.step * training.batches.tokens,
        "epochs": training.batches.epochs(state.step),
        **({"epochs_before": before} if (before := training.batches.epochs_before) else {}),
        "unique_tokens": int(training.batches.order.positions_per_epoch),
        "best_nats": None if state.best_nats is None else float(np.round(state.best_nats, 6)),
    }


def joined_base(config: PhaseTraining, inputs: Inputs) -> AnyDecoder:
    """The decoder that the first of several adapted phases in a row began with."""
    folder = inputs["start"].folder
    base = Store.of(folder).find("model", base_name_of(folder / ADAPTER))
    first = {"tokenizer": inputs["tokenizer"]} | ({"start": base} if base else {})
    return initial_decoder(config, first)
