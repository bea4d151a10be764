"""The evaluation stage: scores with their baselines, or continuations of prompts."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from endonym import device
from endonym.data.baselines import Baselines, count
from endonym.data.config import PackConfig
from endonym.data.order import training_order
from endonym.data.shards import TokenShards
from endonym.disk import write_json
from endonym.errors import RecipeError
from endonym.evaluate.bits import (
    Texts,
    baseline_scores,
    blocks_of,
    by_source,
    compressor_scores,
    held_out,
    measure_nats,
)
from endonym.evaluate.compressor import KeptSizes
from endonym.evaluate.config import Evaluation
from endonym.evaluate.documents import documents, save
from endonym.evaluate.neighbours import NEIGHBOURS, gains
from endonym.evaluate.score import Measured, Score
from endonym.export.huggingface import load_pretrained, with_context
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log
from endonym.pipeline.efficiency import evaluate_speed
from endonym.pipeline.evaluation_texts import texts_below
from endonym.pipeline.types import EvaluationConfig, Numbers, StageContext
from endonym.store import Store
from endonym.tokenizer.tokenizer import Tokenizer

BEFORE = "before"
"""How scores of the model that training went on from are called."""
PROMPTS_AT_ONCE = 16
"""Batch size of generation."""
COUNTED_SEED = 42
"""The order that baselines are counted in: they are the same for all seeds of a recipe."""


def evaluate(config: EvaluationConfig, ctx: StageContext) -> Numbers:
    """Run one evaluation of a recipe."""
    asked, files, pack = config.evaluation, config.files, config.pack
    if asked.kind == "speed":
        return evaluate_speed(ctx)
    device.prepare()
    model = LanguageModel.load(ctx.inputs["model"].folder, device.pick(ctx.device))
    if asked.kind == "prompts":
        return _continue_prompts(asked, files[0], config.seed, ctx=ctx, model=model)
    shards = ctx.inputs["shards"].folder
    train = training_text(shards, pack) if asked.baselines else None
    judged = [texts_below(path, model.tokenizer, ctx.log) for path in files]
    if not files:
        judged = held_texts(shards, asked.split, model.tokenizer, pack)
    split, scores = asked.file or asked.split, list[list[Score]]()
    samples: dict[str, dict[str, int]] = {}
    for texts in judged:
        measured = read_texts(model, texts, ctx.log)
        scored, samples[texts.text] = score_texts(measured, texts, train, split=split, log=ctx.log)
        scores.append(scored)
        if texts.text == "document":
            each = documents(texts.each(), texts.sources, measured, texts.in_mean())
            save(ctx.out, each)
    if config.folder is not None:
        place = model.decoder.readout.weight_VD.device
        del model  # the device need not hold both
        before = pretrained_model(config, place)
        for texts, scored in zip(judged, scores, strict=True):
            scored += scores_before(before, texts, split=split, log=ctx.log)
    found = [score.as_dict() for scored in scores for score in scored]
    write_json(ctx.out / "scores.json", found)
    if train is not None and not files:
        write_json(ctx.out / NEIGHBOURS, neighbour_gains(shards, asked.split, train))
    return {"kind": "bits", "split": split, "compressor": samples}


def pretrained_model(config: EvaluationConfig, place: torch.device) -> LanguageModel:
    """The model as it was before training, on a device.

    It reads rows as long as the trained one.
    """
    assert config.folder is not None
    given = load_pretrained(config.folder)
    context = min(config.pack.context, given.decoder.config.context)
    found = with_context(given.decoder, context, config.folder)
    return LanguageModel(found.to(place), given.tokenizer)


def scores_before(before: LanguageModel, texts: Texts, *, split: str, log: Log) -> list[Score]:
    """Scores on the same texts of the model that training went on from, by its own tokenizer.

    Bits per byte compare across tokenizers, nats per token do not.
    """
    ids = before.tokenizer.encode_many(list(texts.each()))
    own = replace(texts, ids=ids, tokenizer=before.tokenizer)
    return by_source(own, read_texts(before, own, log), model=BEFORE, split=split)


class TrainingText(NamedTuple):
    """The training text for the baselines: its shards, and n-gram counts.

    cache: the folder in its store where sizes of the compressor are kept for other runs.
    """

    shards: TokenShards
    counts: Baselines
    cache: Path


def training_text(shards: Path, pack: PackConfig) -> TrainingText | None:
    """The training text, counted in an order of training: the same one for every seed.

    None of a recipe without texts: a model that learnt conversations alone.
    """
    if not len(TokenShards(shards, "train")):
        return None
    order = training_order(shards, pack, COUNTED_SEED)
    return TrainingText(order.shards, count(order.shards, order), Store.of(shards).cache)


def held_texts(
    shards: Path, split: Literal["test", "dev"], tokenizer: Tokenizer, pack: PackConfig
) -> list[Texts]:
    """The documents of a split, and its lists of sentences joined into blocks, if any.

    Raises RecipeError if there are none: a recipe without texts holds no documents out.
    """
    held = TokenShards(shards, split)
    if not len(held):
        raise RecipeError(
            "none are held out: the recipe has no [[source]], only conversations",
            where=f"{split} documents",
            do="Give a text to score it on: --text FILE.",
        )
    blocks = blocks_of(held, tokenizer, pack.join)
    return [held_out(held, tokenizer), *([blocks] if blocks.ids else [])]


def neighbour_gains(
    shards: Path, split: Literal["test", "dev"], train: TrainingText
) -> list[dict[str, Any]]:
    """How much easier the documents of a split are because of their neighbours in training."""
    other = "dev" if split == "test" else "test"
    held, third = (TokenShards(shards, each) for each in (split, other))
    return [each.as_dict() for each in gains(train.shards, held, third, train.counts)]


def held_out_documents(shards: Path, tokenizer: Tokenizer) -> list[str]:
    """The texts of the documents that training did not read: those of test, then those of dev."""
    splits = [TokenShards(shards, split) for split in ("test", "dev")]
    return [text for held in splits for text in held_out(held, tokenizer).each()]


def read_texts(model: LanguageModel, texts: Texts, log: Log) -> Measured:
    """The model's loss on each document, with a progress bar."""
    total = sum(len(ids) for ids in texts.ids)
    with log.progress("scoring", total, "tokens") as advance:
        return measure_nats(model, texts, advance=advance)


def score_texts(
    measured: Measured, texts: Texts, train: TrainingText | None, *, split: str, log: Log
) -> tuple[list[Score], dict[str, int]]:
    """The model's scores and, with a training text, those of the baselines."""
    scores = by_source(texts, measured, model="model", split=split)
    if train is None:
        return scores, {}
    scores += baseline_scores(train.counts, texts, split=split)
    kept = KeptSizes(train.cache, log.line)
    with log.progress("compressor", 1.0, "ends of the text") as advance:
        lines, sample = compressor_scores(
            train.shards, texts, measured, split=split, kept=kept, advance=advance
        )
    return scores + lines, sample


def _continue_prompts(
    asked: Evaluation, file: Path, seed: int, *, ctx: StageContext, model: LanguageModel
) -> Numbers:
    """Continue each line of the file, each with a seed of its own."""
    lines = file.read_text(encoding="utf-8").splitlines()
    prompts = [line for line in lines if line.strip()]
    seeds = range(seed, seed + len(prompts))
    samplings = [Sampling(temperature=asked.temperature, seed=seed) for seed in seeds]
    continuations: list[dict[str, Any]] = []
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        some = slice(first, first + PROMPTS_AT_ONCE)
        made = model.generate_many(
            prompts[some], max_tokens=asked.max_tokens, samplings=samplings[some]
        )
        for prompt, each in zip(prompts[some], made, strict=True):
            text = "".join(each)
            continuations.append(
                {"prompt": prompt, "text": text, "finish_reason": each.finish_reason}
            )
    write_json(ctx.out / "continuations.json", continuations)
    return {"kind": "prompts", "continuations": len(continuations)}
