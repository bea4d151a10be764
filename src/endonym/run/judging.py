"""The evaluation stage: scores beside their baselines, or continuations of prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from endonym import device
from endonym.data.baselines import Baselines, count
from endonym.data.config import Pack
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.disk import write_json
from endonym.errors import RecipeError
from endonym.evaluate.bits import (
    Texts,
    baseline_scores,
    blocks_of,
    by_source,
    compressor_scores,
    documents_of,
    held_out,
    measure,
)
from endonym.evaluate.config import Evaluation
from endonym.evaluate.documents import documents, save
from endonym.evaluate.score import Measured, Score
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log
from endonym.recipe.recipe import Recipe
from endonym.run.models import find_artifact, load_model
from endonym.run.tables import table
from endonym.run.work import Inputs, Numbers
from endonym.store import Making, Store
from endonym.tokenizer.tokenizer import Tokenizer

PROMPTS_AT_ONCE = 16
"""Texts that are continued together; more would take more memory than they save time."""


def judge(recipe: Recipe, asked: Evaluation, making: Making, inputs: Inputs, log: Log) -> Numbers:
    """One of a recipe's evaluations."""
    device.prepare()
    model = LanguageModel.load(inputs["model"].folder, device.pick(making.device))
    if asked.kind == "prompts":
        return _continue_prompts(recipe, asked, making, model)
    shards = inputs["shards"].folder
    train = training_text(shards, recipe.pack, recipe.seed) if asked.baselines else None
    if asked.file:
        judged = [documents_of(recipe.folder / asked.file, model.tokenizer)]
    else:
        judged = held_texts(shards, asked.split, model.tokenizer, recipe.pack)
    split, found = asked.file or asked.split, list[Score]()
    samples: dict[str, dict[str, int]] = {}
    for texts in judged:
        measured = read_texts(model, texts, log)
        scored, samples[texts.text] = score_texts(measured, texts, train, split, log)
        found += scored
        if texts.text == "document":
            each = documents(texts.each(), texts.sources, measured, texts.in_mean())
            save(making.out, each)
    write_json(making.out / "scores.json", [score.as_dict() for score in found])
    log.line(table(found))
    return {"kind": "bits", "split": split, "compressor": samples}


class TrainingText(NamedTuple):
    """What needs no learning reads it: a compressor its documents, the others their counts."""

    shards: TokenShards
    counts: Baselines


def training_text(shards: Path, pack: Pack, seed: int) -> TrainingText:
    """The training text, counted as a model has read it."""
    order = training_order(shards, pack, seed)
    return TrainingText(order.shards, count(order.shards, order))


def training_order(shards: Path, pack: Pack, seed: int) -> Order:
    """The order in which a model reads its training text."""
    assert pack.context is not None, "the context is settled before any model is planned"
    train = TokenShards(shards, "train")
    return Order(train, context=pack.context, seed=seed, join=pack.join)


def held_texts(
    shards: Path, split: Literal["test", "dev"], tokenizer: Tokenizer, pack: Pack
) -> list[Texts]:
    """The documents of a split, each alone, and its lists of sentences by block, if there are."""
    held = TokenShards(shards, split)
    blocks = blocks_of(held, tokenizer, pack.join)
    return [held_out(held, tokenizer), *([blocks] if blocks.ids else [])]


def read_texts(model: LanguageModel, texts: Texts, log: Log) -> Measured:
    """What the model says of each document, with its progress shown."""
    total = sum(len(ids) for ids in texts.ids)
    with log.progress("scoring", total, "tokens") as advance:
        return measure(model, texts, advance=advance)


def score_texts(
    measured: Measured, texts: Texts, train: TrainingText | None, split: str, log: Log
) -> tuple[list[Score], dict[str, int]]:
    """The model's scores of texts and, with its training text, those of what needs no learning."""
    found = by_source(texts, measured, model="model", split=split)
    if train is None:
        return found, {}
    found += baseline_scores(train.counts, texts, split=split)
    with log.progress("compressor", 1.0, "ends of the text") as advance:
        lines, sample = compressor_scores(
            train.shards, texts, measured, split=split, advance=advance
        )
    return found + lines, sample


def score_model(
    name: str,
    files: Sequence[Path],
    split: Literal["test", "dev"],
    store: Store,
    log: Log,
    device_name: str,
) -> list[Score]:
    """Scores of a named model: of given files, or of its own corpus's documents of a split.

    Baselines need the training shards: a model from elsewhere is scored alone. A file's split is
    its name: where a file lies says nothing of its text, and differs from machine to machine.
    Raises RecipeError if there is nothing to score it on.
    """
    model = load_model(name, store, device_name)
    train, judged = shards_of(name, store), list[tuple[str, Texts]]()
    for path, file in zip(files, names_of(files), strict=True):
        judged.append((file, documents_of(path, model.tokenizer)))
    read = None if train is None else training_text(*train)
    if not files:
        if train is None:
            raise RecipeError(
                "this model's corpus is not in the store",
                where=name,
                do="Give a text to score it on: --text FILE.",
            )
        shards, pack, _ = train
        judged = [(split, each) for each in held_texts(shards, split, model.tokenizer, pack)]
    found: list[Score] = []
    for text, texts in judged:
        found += score_texts(read_texts(model, texts, log), texts, read, text, log)[0]
    return found


def names_of(files: Sequence[Path]) -> list[str]:
    """Each file's name; the path as it was given, where another file has the same name."""
    names = [path.name for path in set(files)]
    return [path.name if names.count(path.name) == 1 else str(path) for path in files]


def shards_of(name: str, store: Store) -> tuple[Path, Pack, int] | None:
    """The shards that a model artefact was trained on, if they are still in its store.

    With how they were packed and the seed.
    """
    artifact = find_artifact(name, store)
    if artifact is None or "shards" not in artifact.manifest["inputs"]:
        return None
    home = Store(artifact.folder.parent.parent)
    found = home.find("shards", artifact.manifest["inputs"]["shards"])
    if found is None:
        return None
    config = artifact.manifest["config"]
    return found.verify().folder, Pack.model_validate(config["pack"]), config["seed"]


def _continue_prompts(
    recipe: Recipe, asked: Evaluation, making: Making, model: LanguageModel
) -> Numbers:
    """A continuation of each line of the file, with a seed of its own."""
    assert asked.file is not None
    lines = (recipe.folder / asked.file).read_text(encoding="utf-8").splitlines()
    prompts = [line for line in lines if line.strip()]
    seeds = range(recipe.seed, recipe.seed + len(prompts))
    samplings = [Sampling(temperature=asked.temperature, seed=seed) for seed in seeds]
    found: list[dict[str, Any]] = []
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        some = slice(first, first + PROMPTS_AT_ONCE)
        made = model.generate_many(
            prompts[some], max_tokens=asked.max_tokens, samplings=samplings[some]
        )
        for prompt, each in zip(prompts[some], made, strict=True):
            text = "".join(each)
            found.append({"prompt": prompt, "text": text, "finish_reason": each.finish_reason})
    write_json(making.out / "continuations.json", found)
    return {"kind": "prompts", "continuations": len(found)}
