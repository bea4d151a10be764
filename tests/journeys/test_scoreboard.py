"""`endonym evaluate --flores`: a run among published models, on as many sentences."""

import json
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from endonym.commands.load import load_model
from endonym.commands.scoreboard import scoreboard
from endonym.commands.scoring import Loaded
from endonym.data.shards import TokenShards
from endonym.evaluate.halves import TEXTS, published
from endonym.log import Log
from endonym.pipeline.evaluation_texts import Cutting, neighbours_of
from endonym.store import Store
from endonym.tokenizer.tokenizer import Tokenizer

Command = Callable[..., Any]
Sentences = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def project(
    small_recipe: Callable[[Path], Path],
    command: Command,
    language_sentences: Sentences,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with a run of Tatar that has read Romanian, too, and a parallel corpus.

    The corpus has as many records as FLORES-200, of the hand-written sentences in two columns.
    """
    folder = tmp_path_factory.mktemp("scoreboard") / "project"
    recipe = small_recipe(folder)
    text = recipe.read_text(encoding="utf-8").partition("[[evaluate]]")[0]
    romanian = 'path = "texts/romanian.jsonl.gz"'
    others = text[text.index('[[source]]\nname = "others"') : text.index("[clean]")]
    text = text.replace(others, "").replace(romanian, f'{romanian}\nlanguage = "ro"')
    recipe.write_text(text.replace("steps = 40", "steps = 4"), encoding="utf-8")
    said = command("run", recipe, "--store", folder / "store")
    assert said.code == 0, said.err
    both = (cycle(language_sentences(each)) for each in ("tatar", "french"))
    pairs = islice(zip(*both, strict=True), TEXTS)
    records = [{"id": n, "tt": tatar, "fr": french} for n, (tatar, french) in enumerate(pairs)]
    lines = [json.dumps(each, ensure_ascii=False) for each in records]
    (folder / "flores.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def scored(project: Path, command: Command) -> Callable[..., Any]:
    """What the scoreboard says of the parallel corpus."""
    run, file = project / "runs" / "kechkena", project / "flores.jsonl"
    return lambda *more: command(
        "evaluate", run, "--flores", file, "--store", project / "store", *more
    )


def test_a_run_stands_among_the_published_models_with_what_each_has_read(
    scored: Callable[..., Any], project: Path, language_sentences: Sentences
) -> None:
    said = scored("--column", "tt", "--json")
    assert said.code == 0, said.err
    found = said.json()
    assert found["published"] == [each._asdict() for each in published("tt")]
    (shards,) = (project / "store" / "shards").iterdir()
    (model,) = (project / "store" / "model").iterdir()
    train, tokenizer = TokenShards(shards, "train"), Tokenizer.load(model / "tokenizer.json")
    read = [tokenizer.decode(train.document(n).ids.tolist()) for n in range(len(train))]
    tatar = [text for text in read if text in {*language_sentences("tatar")}]
    assert len(read) > len(tatar) > 10
    assert found["training_bytes"] == sum(len(text.encode()) for text in tatar)
    own = next(each for each in found["scores"] if each["metric"] == "bits_per_text")
    lines = (project / "flores.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["tt"] for line in lines]
    assert own["n_groups"] == neighbours_of(texts, ["flores.jsonl"] * TEXTS).max() + 1
    assert own["n_groups"] < own["n_documents"] == TEXTS
    overlap = found["overlap"]["flores.jsonl"]
    assert 0 < overlap["found"] < overlap["texts"] == TEXTS
    whole = scored("--column", "tt").out
    assert "of its 1\u202f012 texts stand in the training text" in whole
    shown = whole.partition("\n\n" + f"{100 * overlap['found'] / TEXTS:.1f} %")[0].splitlines()
    cells = [line.split("  ") for line in shown if line.strip()]
    names = [[each.strip() for each in line if each.strip()] for line in cells]
    bits = [float(each[1]) for each in names[1:]]
    assert bits == sorted(bits)
    assert len(bits) == 1 + len(found["published"])
    (mine,) = (each for each in names if "kechkena" in each[0])
    span = f"{own['low']:.2f}–{own['high']:.2f}"
    assert mine[1:] == [f"{own['value']:.2f}", span, "0.0"]
    assert ["Goldfish 10 MB", "116.40", "18.5", "tat_cyrl"] in names
    assert any(each[0] == "bigram" and each[1:] == ["107.20", "tat_cyrl"] for each in names)


def test_another_column_than_the_models_has_no_published_figures(
    scored: Callable[..., Any],
) -> None:
    said = scored("--column", "fr", "--json")
    assert said.json()["published"] == []
    assert "its letters are Latin, not Cyrillic" in said.err
    assert "The published figures of Tatar are left out" in said.err


def test_without_a_column_a_parallel_corpus_is_not_scored(scored: Callable[..., Any]) -> None:
    said = scored()
    assert said.code == 2
    assert "several columns: tt and fr" in said.err


def test_what_an_adapter_has_read_is_not_known(project: Path) -> None:
    store, name = Store(project / "store"), str(project / "runs" / "kechkena")
    file = project / "flores.jsonl"
    loaded = Loaded(name, load_model(name, store), store, Log(quiet=True), "дәвам")
    found, _ = scoreboard(loaded, file, Cutting(column="tt"))
    assert found["training_bytes"] is None
    assert found["published"]
