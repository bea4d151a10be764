"""Probes: judged by a run and at any time, here and by a server, and shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import served, toy_language_model, write_gguf
from text_samples import FRENCH, KHMER, ROMANIAN, SHARED, TATAR

pytest.importorskip("sklearn", reason='pip install "endonym[probe]"')

Command = Callable[..., Any]
LANGUAGES = {"tt": TATAR, "km": KHMER, "ro": ROMANIAN, "fr": FRENCH}


def topics(path: Path, **more: Any) -> Path:
    """Which language a text is in: two words of a sentence."""
    records = list[dict[str, Any]]()
    for name, sentences in LANGUAGES.items():
        words = " ".join(sentences).split()
        for n in range(60):
            text = f"{words[n % len(words)]} {words[(n * 7 + 1) % len(words)]}"
            split = ("train", "dev", "test")[n % 3]
            records.append({"text": text, "label": name, "split": split, **more})
    lines = (json.dumps(each, ensure_ascii=False) for each in records)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def values(scores: list[dict[str, Any]], metric: str = "accuracy") -> dict[str, float | None]:
    return {each["model"]: each["value"] for each in scores if each["metric"] == metric}


def test_a_run_judges_a_probe_and_shows_it(prepared: Path, command: Command) -> None:
    path = topics(prepared.parent / "телләр.jsonl", lang="tat", автор="Айгөл")
    asked = f'\n[[evaluate]]\nkind = "probe"\nfile = "{path.name}"\n'
    prepared.write_text(prepared.read_text(encoding="utf-8") + asked, encoding="utf-8")
    store = ("--store", prepared.parent / "store")
    ran = command("run", prepared, *store, "--json")
    assert ran.code == 0, ran.err
    assert "fields that are not read: автор" in ran.err
    scores = [each for each in ran.json()["scores"] if each["split"] == path.name]
    assert values(scores).keys() == {"most frequent", "tf-idf", "frozen"}
    assert values(scores)["most frequent"] == 0.25
    assert (scores[0]["n_train"], scores[0]["n_dev"], scores[0]["n_documents"]) == (80, 80, 80)
    page = (prepared.parent / "runs" / "kechkena" / "report.html").read_text(encoding="utf-8")
    assert f"<h3>{path.name}</h3>" in page
    assert "train 80 · dev 80 · test 80" in page
    run = prepared.parent / "runs" / "kechkena"
    again = command("evaluate", run, "--probe", path, *store, "--json").json()
    assert again["scores"] == scores
    corpus = next(each for each in ran.json()["stages"] if each["name"] == "corpus")
    assert again["corpus"] == corpus["id"]
    assert again["machine"]["processor"]
    overlap = again["overlap"][path.name]
    assert overlap == ran.json()["overlap"][path.name]
    assert (overlap["found"], overlap["lost"]) == (0, []), "kept out of the corpus"
    n_texts = overlap["texts"]
    assert f"None of its {n_texts} texts stands in the training text" in page
    said = command("evaluate", run, "--probe", path, *store)
    assert "macro-F1" in said.out
    assert "frozen" in said.out
    assert f"None of its {n_texts} texts" in said.out


def test_test_texts_that_stand_in_the_training_text_are_told_beside_the_scores(
    finished: Path, command: Command, tmp_path: Path
) -> None:
    lines = (finished / "texts" / "tatar.txt").read_text(encoding="utf-8").splitlines()[:20]
    path = topics(tmp_path / "a.jsonl")
    known = [{"text": each, "label": "tt", "split": "test"} for each in lines]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in known)
    run, store = finished / "runs" / "kechkena", finished / "store"
    said = command("evaluate", run, "--probe", path, "--store", store, "--json")
    overlap = said.json()["overlap"]["a.jsonl"]
    assert len(lines) / 2 < overlap["found"] < overlap["texts"]
    assert "stand in the training text" in " ".join(said.err.split())


def test_a_model_is_fine_tuned_if_that_is_asked(
    finished: Path, command: Command, tmp_path: Path
) -> None:
    path = topics(tmp_path / "a.jsonl")
    run, store = finished / "runs" / "kechkena", finished / "store"
    asked = ("evaluate", run, "--probe", path, "--store", store)
    said = command(*asked, "--fine-tune", "--json")
    (found,) = [
        each
        for each in said.json()["scores"]
        if (each["model"], each["metric"]) == ("fine-tuned", "accuracy")
    ]
    assert found["seeds"] == 3
    assert found["deviation"] is not None
    assert found["value"] > 0.5
    assert found["chosen"].startswith("lr = ")


def test_a_server_gives_the_figures_of_its_model(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    path = topics(tmp_path / "a.jsonl")
    file = write_gguf(tmp_path).rename(tmp_path / "тел.gguf")
    with served(file) as (address, _):
        asked = ("evaluate", "тел", "--probe", path, "--probe-endpoint", f"{address}/v1")
        found = command(*asked, "--json")
        assert found.code == 0, found.err
        missing = command("evaluate", "юк", *asked[2:])
        assert missing.code == 1
        assert "there is no model 'юк' here" in missing.err
    assert found.json()["corpus"] is None
    assert found.json()["overlap"]["a.jsonl"]["found"] is None
    alone = command("evaluate", file, "--probe", path)
    assert alone.code == 2
    assert "--probe-endpoint" in alone.err
    down = command(*asked)
    assert down.code == 1
    assert "cannot be reached" in down.err
    from endonym.evaluate.probe_file import read_probe
    from endonym.log import QUIET
    from endonym.pipeline.probing import score_probe

    scores = score_probe(toy_language_model(), read_probe(path), task="a.jsonl", log=QUIET)
    here = {each.model: each.value for each in scores if each.metric == "accuracy"}
    served_ones = values(found.json()["scores"])
    assert served_ones.keys() == here.keys()
    assert served_ones["frozen"] == pytest.approx(here["frozen"], abs=0.026), "two texts of 80"


@pytest.mark.parametrize("name", ["check", "run"])
def test_a_file_without_a_probe_is_found_before_anything_is_made(
    name: str, small_recipe: Callable[[Path], Path], command: Command, tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path / "project")
    path = topics(recipe.parent / "a.jsonl", lang="fr")
    asked = f'\n[[evaluate]]\nkind = "probe"\nfile = "{path.name}"\n'
    recipe.write_text(recipe.read_text(encoding="utf-8") + asked, encoding="utf-8")
    said = command(name, recipe, "--store", tmp_path / "store")
    assert said.code != 0
    assert "its records are in fr" in said.err
    assert not list((tmp_path / "store").glob("*/*/manifest.json"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--fine-tune",), "go with --probe"),
        (("--language", "tt"), "goes with --probe or --writing"),
        (("--probe", "a.jsonl", "--tasks", "a.jsonl"), "Give one of"),
        (("--probe", "a.jsonl", "--split", "dev"), "--split"),
        (
            ("--probe", "a.jsonl", "--probe-endpoint", "http://127.0.0.1:1/v1", "--fine-tune"),
            "do not",
        ),
    ],
)
def test_flags_that_would_not_be_read_are_refused(
    flags: tuple[str, ...],
    words: str,
    finished: Path,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    topics(tmp_path / "a.jsonl")
    said = command("evaluate", finished / "runs" / "kechkena", *flags)
    assert said.code == 2
    assert words in said.err


def test_without_scikit_learn_the_command_that_brings_it_is_named(
    finished: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.evaluate.probes.find_spec", lambda name: None)
    path = topics(tmp_path / "a.jsonl")
    run, store = finished / "runs" / "kechkena", finished / "store"
    said = command("evaluate", run, "--probe", path, "--store", store)
    assert said.code == 1
    assert 'pip install "endonym[probe]"' in said.err


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not beside the project")
def test_sib_200_and_ro_sts_are_read_as_they_lie_there(finished: Path, command: Command) -> None:
    from endonym.evaluate.probe_file import read_probe

    for language in ("en", "fr", "ro", "tt", "km"):
        sib = read_probe(SHARED / "eval" / "sib200.jsonl.gz", language)
        assert [len(part) for part in sib.parts.values()] == [701, 99, 204]
        assert len({each.answer for each in sib.parts["test"]}) == 7
    sts = read_probe(SHARED / "eval" / "ro_sts_train.jsonl")
    assert sts.is_similarity
    assert sum(map(len, sts.parts.values())) == 5416 + 1422
    assert len(sts.parts["test"]) == 1422
