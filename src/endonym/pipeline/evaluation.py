"""The evaluation stage: scores with their baselines, continuations of prompts, or speed."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from endonym import device
from endonym.data.baselines import Baselines, count
from endonym.data.config import PackConfig
from endonym.data.order import training_order
from endonym.data.shards import TokenShards
from endonym.disk import read_json, write_json, write_jsonl
from endonym.errors import RecipeError, SourceError
from endonym.evaluate import bits, breakdown, items, minimal_pairs, speed
from endonym.evaluate.compressor import KeptSizes
from endonym.evaluate.config import Evaluation
from endonym.evaluate.documents import documents, save
from endonym.evaluate.neighbours import NEIGHBOURS, gains, joined_texts
from endonym.evaluate.probe_file import read_probe
from endonym.evaluate.probes import PROBE
from endonym.evaluate.prompts import read_prompts
from endonym.evaluate.score import Measured, Score
from endonym.evaluate.tables import aligned
from endonym.evaluate.typing_scores import TYPING
from endonym.evaluate.writing import WRITING, WRITTEN, records_of
from endonym.export.history import spelling_of
from endonym.export.huggingface import load_pretrained
from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import (
    LONGEST_WINDOW,
    Nats,
    TokenNats,
    carries_state,
    read_nats,
    window_tokens,
)
from endonym.generate.sample import Sampling
from endonym.log import Log, append_jsonl, counted
from endonym.model.foreign.folder import read_shape
from endonym.pipeline import writing
from endonym.pipeline.evaluation_texts import overlaps, texts_below
from endonym.pipeline.probing import score_probe
from endonym.pipeline.stage import BEFORE, MEMBER, EvaluationConfig, Numbers, StageContext
from endonym.pipeline.typing import COUNTED_BYTES, judge_typing
from endonym.store import Artifact, Store
from endonym.tokenizer.chat_template import Markup, ids_of, template_of
from endonym.tokenizer.tokenizer import Tokenizer

PROMPTS_AT_ONCE = 16
"""Batch size of generation."""
SPEED_PACKAGES = ("endonym", "torch", "transformers", "xllamacpp")
"""What runs models: their versions stand beside the times."""
COUNTED_SEED = 42
"""The order that baselines are counted in: they are the same for all seeds of a recipe."""


def evaluate(config: EvaluationConfig, ctx: StageContext) -> Numbers:
    """Run one evaluation of a recipe."""
    evaluation = config.evaluation
    files = config.files
    if evaluation.kind == "speed":
        return evaluate_speed(ctx)
    device.prepare()
    if evaluation.kind == "bits":
        return _score_bits(config, ctx)
    model = LanguageModel.load(ctx.inputs["model"].folder, device.pick(ctx.device))
    if evaluation.kind == "prompts":
        model.spelled = spelling_of(ctx.inputs["model"])
        return _continue_prompts(evaluation, files[0], config.seed, ctx=ctx, model=model)
    assert config.task is not None, "the plan names it"
    judges = {
        "minimal_pairs": _judge_minimal_pairs,
        "writing": _judge_writing,
        "typing": _judge_typing,
        "probe": _judge_probe,
    }
    judge = judges.get(evaluation.kind, _judge_task)
    return {"kind": evaluation.kind, **judge(config, ctx, model, config.task)}


def _score_bits(config: EvaluationConfig, ctx: StageContext) -> Numbers:
    """Score the held-out texts or a file, with baselines, members and the model before it."""
    evaluation = config.evaluation
    files = config.files
    pack = config.pack
    model = LanguageModel.load(ctx.inputs["model"].folder, device.pick(ctx.device))
    window = window_of(model, evaluation.context, ctx.log)
    shards = ctx.inputs["shards"].folder
    train = training_text(shards, pack) if evaluation.baselines else None
    texts_to_score = [texts_below(path, model.tokenizer, ctx.log) for path in files]
    if not files:
        texts_to_score = held_texts(
            shards, evaluation.split, model.tokenizer, pack, tokens=config.tokens
        )
    split = evaluation.file or evaluation.split
    members = [each for name, each in sorted(ctx.inputs.items()) if name.startswith(MEMBER)]
    scores = list[list[Score]]()  # of each of these texts
    found = list[breakdown.Bin]()
    shown = list[breakdown.Surprise]()
    samples: dict[str, dict[str, int]] = {}  # of the compressor, by "document" or "block"
    start = ""  # what is read before each document, if the tokenizer is from elsewhere
    if model.tokenizer.around is not None:
        start = "".join(map(model.tokenizer.token, model.tokenizer.document_start))
    named = [(split, texts) for texts in texts_to_score]
    how: Any = {"device_name": ctx.device, "window": window, "log": ctx.log}
    means = ensemble_scores(members, named, **how)
    for texts, mean in zip(texts_to_score, means, strict=True):
        read = read_closely(model, texts, ctx.log)
        found += breakdown.bins(texts, read, split=split)
        shown += [] if files else breakdown.surprises(texts, read, split=split)
        measured = texts.measured([each.nats for each in read])
        scored, samples[texts.text] = score_texts(measured, texts, train, split=split, log=ctx.log)
        scores.append([*scored, *mean])
        if texts.text == "document":
            save(ctx.out, documents(texts.each(), texts.sources, measured, texts.in_mean()))
    earlier = ctx.inputs.get(BEFORE)
    if config.folder is not None or earlier is not None:
        model_device = model.decoder.readout.weight_VD.device
        del model  # the device need not hold both
        if earlier is not None:
            base = LanguageModel.load(earlier.folder, device.pick(ctx.device))
        else:
            assert config.folder is not None, "one of both is given"
            base = load_pretrained(config.folder)
            base.decoder.to(model_device)
        base.window = window
        for texts, scored in zip(texts_to_score, scores, strict=True):
            ids = base.tokenizer.encode_documents(list(texts.each()))
            texts_of_base = replace(texts, ids=ids, tokenizer=base.tokenizer)
            measured = read_texts(base, texts_of_base, ctx.log)
            scored += bits.by_source(texts_of_base, measured, model=BEFORE, split=split)
    write_json(ctx.out / "scores.json", [asdict(each) for scored in scores for each in scored])
    write_json(ctx.out / breakdown.BINS, [asdict(each) for each in found])
    write_json(ctx.out / breakdown.SURPRISES, [asdict(each) for each in shown])
    if train is not None and not files:
        split_shards = TokenShards(shards, evaluation.split)
        other_shards = TokenShards(shards, "dev" if evaluation.split == "test" else "test")
        neighbour_gains = gains(train.shards, split_shards, other_shards, train.counts)
        write_json(ctx.out / NEIGHBOURS, [asdict(each) for each in neighbour_gains])
    numbers = {"kind": "bits", "split": split, "compressor": samples}
    return numbers | ({"start": start} if start else {})


def window_of(model: LanguageModel, context: int | None, log: Log) -> int:
    """How many tokens a model reads at once, which it is told.

    context: what was asked for; if it is more than the model can read, that is said.
    """
    most = model.decoder.config.context
    if context is not None and context > most and not carries_state(model.decoder):
        log.warn(
            f"the model reads at most {most:,} tokens, so texts are scored in windows of {most:,}"
        )
    model.window = LONGEST_WINDOW if context is None else context
    return model.window


def ensemble_scores(
    members: Sequence[Artifact],
    judged: Sequence[tuple[str, bits.Texts]],
    *,
    device_name: str | None,
    window: int = LONGEST_WINDOW,
    log: Log,
) -> list[list[Score]]:
    """Of each text, with the name of its split, the scores of the mean probability of members.

    Empty lists if there are no members. Each member reads all texts before the next is loaded.
    window: tokens that they read at once, at most.
    """
    if not members:
        return [[] for _ in judged]
    # By text and document: the logarithm of the sum of the members' probabilities of each token.
    sums: list[list[Nats]] = [[np.full(len(ids), -np.inf) for ids in t.ids] for _, t in judged]
    total = len(members) * sum(len(ids) for _, texts in judged for ids in texts.ids)
    with log.progress(f"scoring {counted(len(members), 'member')}", total) as advance:
        for member in members:
            model = LanguageModel.load(member.folder, device.pick(device_name))
            for (_, texts), added in zip(judged, sums, strict=True):
                start = bits.start_of(model, texts)
                read = read_nats(
                    model.decoder, texts.ids, start, window, again=model.tokenizer.window_start
                )
                for number, nats in enumerate(read):
                    added[number] = np.logaddexp(added[number], -nats)
                    advance(len(nats))
    found = list[list[Score]]()
    for (split, texts), added in zip(judged, sums, strict=True):
        measured = texts.measured([math.log(len(members)) - each for each in added])
        found.append(bits.by_source(texts, measured, model="ensemble", split=split))
    return found


class TrainingText(NamedTuple):
    """The training text for the baselines: its shards, and n-gram counts.

    cache: the folder in its store where sizes of the compressor are kept for other runs.
    """

    shards: TokenShards
    counts: Baselines
    cache: Path


def training_text(shards: Path, pack: PackConfig) -> TrainingText | None:
    """The training text with n-gram counts, which are the same for every seed.

    None if the recipe has no texts: its model learnt conversations alone.
    """
    if not len(TokenShards(shards, "train")):
        return None
    order = training_order(shards, pack, COUNTED_SEED)
    return TrainingText(order.shards, count(order.shards, order), Store.of(shards).cache)


def held_texts(
    shards: Path,
    split: Literal["test", "dev"],
    tokenizer: Tokenizer,
    pack: PackConfig,
    *,
    tokens: int | None = None,
) -> list[bits.Texts]:
    """The documents of a split; and, if sources are lists of sentences, these joined into blocks.

    tokens: about so many of the documents' at most (`bits.drawn_documents`); all if None. Raises
    RecipeError if there are none: a recipe without texts holds no documents out.
    """
    split_shards = TokenShards(shards, split)
    if not len(split_shards):
        raise RecipeError(
            "none are held out: the recipe has no [[source]], only conversations",
            where=f"{split} documents",
            do="Give a text to score it on: --text FILE.",
        )
    blocks = bits.blocks_of(split_shards, tokenizer, pack.join, tokens)
    documents = bits.held_out_texts(split_shards, tokenizer, tokens)
    return [documents, *([blocks] if blocks.ids else [])]


def held_out_documents(shards: Path, tokenizer: Tokenizer) -> list[str]:
    """The texts of the documents that training did not read: those of test, then those of dev."""
    splits = [TokenShards(shards, name) for name in ("test", "dev")]
    return [text for split in splits for text in bits.held_out_texts(split, tokenizer).each()]


def read_texts(model: LanguageModel, texts: bits.Texts, log: Log) -> Measured:
    """The model's loss on each document, with a progress bar."""
    with _reading(texts, log) as advance:
        return bits.measure_nats(model, texts, advance=advance)


def read_closely(model: LanguageModel, texts: bits.Texts, log: Log) -> list[TokenNats]:
    """What the model says of each token of each document, with a progress bar."""
    with _reading(texts, log) as advance:
        return list(bits.read_closely(model, texts, advance=advance))


def _reading(texts: bits.Texts, log: Log) -> AbstractContextManager[Callable[..., None]]:
    """The progress bar, in tokens."""
    return log.progress("scoring unseen texts", sum(len(ids) for ids in texts.ids))


def score_texts(
    measured: Measured, texts: bits.Texts, train: TrainingText | None, *, split: str, log: Log
) -> tuple[list[Score], dict[str, int]]:
    """The model's scores and, with a training text, those of the baselines.

    Also which documents the compressor was measured on: how many, and their bytes.
    """
    scores = bits.by_source(texts, measured, model="model", split=split)
    if train is None:
        return scores, {}
    scores += bits.baseline_scores(train.counts, texts, split=split)
    kept_sizes = KeptSizes(train.cache, log.line)
    with log.progress("compressing, to compare", 1.0) as advance:
        compressor_scores, sample = bits.compressor_scores(
            train.shards, texts, measured, split=split, kept=kept_sizes, advance=advance
        )
    return scores + compressor_scores, sample


def _judge_task(
    config: EvaluationConfig, ctx: StageContext, model: LanguageModel, task: str
) -> Numbers:
    """Judge a file of items. How many of them the model was trained on is in the numbers."""
    found = read_task(config.files[0], task, ctx.log)
    scores = judged_items(model, found, task, ctx.log)
    write_json(ctx.out / items.TASK, [asdict(each) for each in scores])
    overlap = _overlap(task, [each.right for each in found], ctx, "item")
    return {"items": scores[0].n_documents, "overlap": overlap}


def _overlap(task: str, texts: Sequence[str], ctx: StageContext, what: str) -> dict[str, Any]:
    """How many texts of a task the model was trained on. what: as in `Overlap.sentences`."""
    return overlaps({task: texts}, ctx.inputs["model"], ctx.log, what=what)[task]._asdict()


def _judge_probe(
    config: EvaluationConfig, ctx: StageContext, model: LanguageModel, task: str
) -> Numbers:
    """Judge a probe. How many of its test texts the model was trained on is in the numbers."""
    probe = read_probe(config.files[0], config.language or "")
    fine_tune = bool(config.evaluation.fine_tune)
    found = score_probe(model, probe, task=task, log=ctx.log, fine_tune=fine_tune)
    write_json(ctx.out / PROBE, [asdict(each) for each in found])
    overlap = _overlap(task, probe.test_texts, ctx, "text")
    return {"items": found[0].n_documents, "overlap": overlap}


def read_task(path: Path, task: str, log: Log) -> list[items.Item]:
    """The items of a file; says what of it is left out or not read. task: its name there."""
    found, left_out, unread = items.read_items(path)
    if left_out:
        log.warn(f"{task}: left out: {left_out}")
    if unread:
        log.line(f"{task}: fields that are not read: {unread}")
    return found


def judged_items(
    model: LanguageModel, found: Sequence[items.Item], task: str, log: Log
) -> list[Score]:
    """The scores of items, with a progress bar; none of none. task: said as their split.

    Says which are left out as they have no token. Raises SourceError if none has.
    """
    if not found:
        return []
    judged = judge_items(model, found, task, log)
    kept, judged, left_out = items.with_tokens(found, judged)
    if not kept:
        raise SourceError(left_out, where=task, do=items.WORDS["other_tokenizer"])
    if left_out:
        log.warn(f"{task}: left out: {left_out}")
    window = window_tokens(model.decoder, model.tokenizer.document_start)
    if long := items.long_options(kept, judged, window):
        log.warn(f"{task}: {long}")
    return list(items.item_scores(kept, judged, task=task))


def judge_items(model: LanguageModel, found: Sequence[items.Item], task: str, log: Log) -> Measured:
    """The nats of all options of items, with a progress bar. task: its name there."""
    with log.progress(f"judging {task}", sum(len(each.options) for each in found)) as advance:
        return items.judge(model, found, advance)


def _judge_minimal_pairs(
    config: EvaluationConfig, ctx: StageContext, model: LanguageModel, task: str
) -> Numbers:
    """Make minimal pairs, keep them, and judge the model on them. Their checks are in the numbers.

    None can be made of small texts: that is said, and there are no scores.
    """
    shards = ctx.inputs["shards"].folder
    made, counted_share = made_pairs(shards, model.tokenizer, config.evaluation.split)
    made.write(ctx.out / minimal_pairs.FILE)
    if not made.pairs:
        ctx.log.warn(minimal_pairs.NONE)
    scores = judged_items(model, made.pairs, task, ctx.log)
    write_json(ctx.out / items.TASK, [asdict(each) for each in scores])
    checks = {kind: check._asdict() for kind, check in made.checks.items()}
    about = {"items": len(made.pairs), "checks": checks, "training_share": counted_share}
    if made.pairs:
        about["overlap"] = _overlap(task, [each.right for each in made.pairs], ctx, "item")
    return about


def made_pairs(
    shards: Path, tokenizer: Tokenizer, split: Literal["test", "dev"]
) -> tuple[minimal_pairs.Made, float]:
    """Minimal pairs of held-out documents, and the share of the training text that was read."""
    train = TokenShards(shards, "train")
    held_out = TokenShards(shards, split)
    share = min(
        1.0, minimal_pairs.READ_BYTES / max(1, int(train.sums_by_source(train.byte_counts).sum()))
    )
    training = joined_texts(train, tokenizer, share=share)
    return minimal_pairs.make_minimal_pairs(training, joined_texts(held_out, tokenizer)), share


def _judge_writing(
    config: EvaluationConfig, ctx: StageContext, model: LanguageModel, task: str
) -> Numbers:
    """Let the model write, keep its texts, and score them."""
    evaluation = config.evaluation
    shards = ctx.inputs["shards"].folder
    model.spelled = spelling_of(ctx.inputs["model"])
    prompts = [prompt for file in config.files for prompt in read_prompts(file)]
    asked = writing.ToWrite(prompts, evaluation.max_tokens, config.seed, task)
    split = TokenShards(shards, evaluation.split)
    held_out = [*joined_texts(split, model.tokenizer, config.pack.join)]
    training = writing.training_of(ctx.inputs["model"], ctx.log)
    judged = writing.judge_writing(model, held_out, training.texts, asked, log=ctx.log)
    write_json(ctx.out / WRITING, [asdict(each) for each in judged.scores])
    write_jsonl(ctx.out / WRITTEN, records_of(judged.groups))
    texts = len(next(iter(judged.groups.values())))
    return {"texts": texts, "training_share": training.share}


def _judge_typing(
    config: EvaluationConfig, ctx: StageContext, model: LanguageModel, task: str
) -> Numbers:
    """Type held-out text with the model's suggestions."""
    split = TokenShards(ctx.inputs["shards"].folder, config.evaluation.split)
    held_out = [*joined_texts(split, model.tokenizer)]
    training = writing.training_of(ctx.inputs["model"], ctx.log, COUNTED_BYTES)
    scores = judge_typing(model, held_out, training.texts, task, log=ctx.log)
    write_json(ctx.out / TYPING, [asdict(each) for each in scores])
    return {"texts": scores[0].n_documents, "training_share": training.share}


def _continue_prompts(
    evaluation: Evaluation, file: Path, seed: int, *, ctx: StageContext, model: LanguageModel
) -> Numbers:
    """Let the model continue each line of a file that is not blank, each under its own seed.

    With `chat` it answers them. Raises RecipeError if it has no chat template then.
    """
    prompts = read_prompts(file)
    continuations: list[dict[str, Any]] = []
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        batch = prompts[first : first + PROMPTS_AT_ONCE]
        seeds = range(seed + first, seed + first + len(batch))
        samplings = [Sampling(temperature=evaluation.temperature, seed=each) for each in seeds]
        asked = questions(batch, model.tokenizer) if evaluation.chat else batch
        answers = model.generate_many(asked, max_tokens=evaluation.max_tokens, samplings=samplings)
        for prompt, answer in zip(batch, answers, strict=True):
            line = {"prompt": f"{prompt}\n" if evaluation.chat else prompt, "text": "".join(answer)}
            continuations.append({**line, "finish_reason": answer.finish_reason})
    write_json(ctx.out / "continuations.json", continuations)
    return {"kind": "prompts", "continuations": len(continuations)}


def questions(prompts: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    """The ids of conversations that begin with these questions, up to where the model answers.

    Raises RecipeError if the model has no chat template.
    """
    if tokenizer.chat_template is None:
        raise RecipeError(
            "the model has no chat template",
            where="chat = true",
            do="Leave chat out of [[evaluate]], and the prompts are continued.",
        )
    (parts,), markup = template_of(tokenizer).parts([(["user"], True)]), Markup(tokenizer)
    every = [ids_of(parts, [prompt], tokenizer.encode, markup.encode) for prompt in prompts]
    return [tokenizer.chat_ids(ids) for ids in every]


def evaluate_speed(ctx: StageContext) -> Numbers:
    """Time the model and each export among the stage's inputs, in the programs that run them.

    The artefact holds what was measured on (the sample of text, the files); what depends on the
    machine and on other programs' versions goes to the journal.
    """
    model = ctx.inputs["model"].folder
    tokenizer = Tokenizer.load(model / "tokenizer.json")
    context = read_shape(read_json(model / "config.json")).context
    text = speed.sample(ctx.inputs["shards"].folder, tokenizer, context)
    exports = [each.folder for name, each in ctx.inputs.items() if name.startswith("export")]
    runtimes = speed.contenders(model, exports)
    with ctx.log.progress(speed.SPEED, speed.ROUNDS * len(runtimes)) as advance:
        rows = speed.measure_speed(runtimes, text, threads=device.threads(), advance=advance)
    versions = dict[str, str]()
    for package in SPEED_PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    machine = {"processor": device.processor(), "versions": versions}
    line = {"event": speed.SPEED, "at": now, **machine, "rows": [asdict(row) for row in rows]}
    append_jsonl(ctx.journal, line)
    table = aligned(speed.cells(rows))
    for text_line in (*table.splitlines(), *(f"  {note}" for note in speed.notes(rows))):
        ctx.log.line(text_line)
    counts = {"documents": len(text.texts), "bytes": text.bytes}
    files = [{"runtime": runtime.name, "bytes": runtime.bytes} for runtime in runtimes]
    write_json(ctx.out / speed.SPEED_FILE, {"sample": counts, "runtimes": files})
    return {"kind": speed.SPEED, "runtimes": len(runtimes), **counts}
