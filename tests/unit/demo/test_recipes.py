"""The demos: recipes that know their texts; and the hand-written fables of other tests."""

import json
import unicodedata
from pathlib import Path

import pytest
import regex
from made_dirt import FABLES

from endonym.demo import grammar, recipes
from endonym.recipe.recipe import Recipe


def test_the_french_demo_reads_fables_and_continues_their_titles(tmp_path: Path) -> None:
    recipe = Recipe.load(recipes.write_french(tmp_path / "fr"))
    texts = tmp_path / "fr" / "texts"
    written = (texts / "fables.txt").read_text(encoding="utf-8")
    assert written == "\n\n".join(grammar.fables(6_000)) + "\n"
    fables = written.strip().split("\n\n")
    assert len(set(fables)) == len(fables) == recipes.FABLES == 6_000
    assert [each.file for each in recipe.evaluate] == [None, "texts/prompts.txt"]
    assert [(each.document, each.synthetic) for each in recipe.source] == [("blank_lines", True)]
    titles = [text.partition("\n")[0] for text in fables]
    prompts = (texts / "prompts.txt").read_text(encoding="utf-8").splitlines()
    assert prompts == ["Le renard et", "La tortue et", "L’ours"]
    assert all(any(title.startswith(each) for title in titles) for each in prompts)


def test_the_english_demo_is_python_s_own_help_one_topic_a_document(tmp_path: Path) -> None:
    recipe = Recipe.load(recipes.write_english(tmp_path / "en"))
    file = tmp_path / "en" / "texts" / "topics.jsonl"
    text = file.read_bytes()
    records = [json.loads(line) for line in text.splitlines()]
    assert len(records) > 60
    assert text.endswith(b"}\n")
    assert sum(len(record["text"]) for record in records) > 300_000
    assert [record["id"] for record in records] == sorted(record["id"] for record in records)
    assert (recipe.language, recipe.source[0].path) == ("en", "texts/topics.jsonl")
    recipes.write_english(tmp_path / "en")
    assert file.read_bytes() == text


SCRIPTS = {"en": "Latin", "fr": "Latin", "km": "Khmer", "ro": "Latin", "tt": "Cyrillic"}
LANGUAGES = ["en", "fr", "km", "ro", "tt"]


def fables(language: str) -> dict[str, str]:
    folder = FABLES / language
    return {path.name: path.read_bytes().decode("utf-8") for path in sorted(folder.glob("*.txt"))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_hand_written_fables_are_clean_text(language: str):
    texts = fables(language)
    assert len(texts) >= (30 if language == "fr" else 10)
    assert len({text.splitlines()[0] for text in texts.values()}) == len(texts)
    script = SCRIPTS[language]
    foreign = regex.compile(rf"(?!\p{{Script={script}}})[\p{{L}}\p{{M}}]|[\r\t'\"\ufeff]|  |\n\n\n")
    for name, text in texts.items():
        assert unicodedata.is_normalized("NFC", text), name
        assert len(text) > 200, name
        assert text == text.strip() + "\n", name
        title, blank, *_ = text.split("\n")
        assert title.strip(), name
        assert not blank, name
        assert not foreign.findall(text), name
        if script == "Latin" and language != "ro":
            assert 100 <= len(regex.findall(r"[^\W\d_]+", text)) <= 280, name
            assert 3 <= len(text.split("\n\n")) <= 6, name


def test_french_fables_follow_french_typography() -> None:
    for name, text in fables("fr").items():
        assert not regex.search(r"[^ \n][!?;:»]|«[^ ]", text), name
        assert text.count("«") == text.count("»"), name


def test_romanian_fables_have_comma_below_and_never_a_cedilla() -> None:
    for name, text in fables("ro").items():
        assert not set(text) & set("\u015e\u015f\u0162\u0163"), name
        assert set(text) & set("\u0219\u021b"), name


def test_tatar_fables_have_the_letters_that_russian_lacks() -> None:
    for name, text in fables("tt").items():
        assert set(text.lower()) & set("әөүҗңһ"), name
    assert set("әөүҗңһ") <= set("".join(fables("tt").values()).lower())


def test_khmer_fables_are_written_in_order_and_end_with_the_khmer_full_stop() -> None:
    stray = regex.compile(r"(?<![\u1780-\u17b3\u17cc])\u17d2|\u17d2(?![\u1780-\u17a2])")
    joined = regex.compile(r"(?<=[\u1780-\u17b3\u17cc])(?:\u17d2[\u1780-\u17a2])+")
    for name, text in fables("km").items():
        assert not set(text) & set("\u200b\u200c\u200d\u2060\ufeff."), name
        assert not stray.search(joined.sub("", text)), name
        assert text.rstrip().endswith("\u17d4"), name
