"""The demos: texts that come along, and recipes that know them."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from endonym.demo import recipes
from endonym.recipe.recipe import Recipe


def test_the_french_demo_learns_from_a_grammar_and_is_judged_on_people(tmp_path: Path) -> None:
    recipe = Recipe.load(recipes.write_french(tmp_path / "fr"))
    texts = tmp_path / "fr" / "texts"
    grammar = (texts / "fables.txt").read_text(encoding="utf-8").strip().split("\n\n")
    by_hand = (texts / "handwritten.txt").read_text(encoding="utf-8").strip().split("\n\n")
    assert len(grammar) == recipes.GENERATED_FABLES
    assert len(by_hand) == len(recipes.hand_written("fr")) > 25
    assert not set(grammar) & set(by_hand)
    files = [each.file for each in recipe.evaluate]
    assert files == [None, "texts/handwritten.txt", "texts/prompts.txt"]
    assert recipe.source[0].document == "blank_lines"
    prompts = (texts / "prompts.txt").read_text(encoding="utf-8").splitlines()
    assert prompts == list(recipes.FRENCH_PROMPTS)


def test_the_english_demo_is_python_s_own_help_one_topic_a_document(tmp_path: Path) -> None:
    recipe = Recipe.load(recipes.write_english(tmp_path / "en"))
    text = (tmp_path / "en" / "texts" / "topics.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert len(records) > 60
    assert sum(len(record["text"]) for record in records) > 300_000
    assert [record["id"] for record in records] == sorted(record["id"] for record in records)
    assert (recipe.language, recipe.source[0].path) == ("en", "texts/topics.jsonl")


def test_topics_are_written_in_the_order_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = SimpleNamespace(topics={"while": "The while statement", "assert": "The assert"})
    monkeypatch.setattr(recipes, "import_module", lambda name: topics)
    recipes.write_english(tmp_path)
    lines = (tmp_path / "texts" / "topics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["assert", "while"]


@pytest.mark.parametrize("name", sorted(recipes.DEMOS))
def test_a_demo_is_the_same_bytes_each_time(name: str, tmp_path: Path) -> None:
    for run in ("a", "b"):
        recipes.DEMOS[name](tmp_path / run)
    first, second = (
        {path.relative_to(tmp_path / run): path.read_bytes() for path in files(tmp_path / run)}
        for run in ("a", "b")
    )
    assert first == second
    assert len(first) >= 2


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("language", ["fr", "ro", "tt", "km", "en"])
def test_hand_written_fables_come_in_the_order_of_their_files(language: str) -> None:
    found = recipes.hand_written(language)
    assert len(found) >= 10
    assert len(set(found)) == len(found)
    assert all(text == text.strip() and len(text) > 200 for text in found)
    folder = Path(recipes.__file__).parent / "fables" / language
    names = sorted(path.name for path in folder.glob("*.txt"))
    assert found[0] == (folder / names[0]).read_text(encoding="utf-8").strip()
    assert len(found) == len(names)
