"""The demos: the fables that come along, and recipes that know their texts."""

import importlib.resources
import json
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
import regex

from endonym.demo import recipes
from endonym.recipe.recipe import Recipe


def test_the_french_demo_learns_from_a_grammar_and_is_judged_on_people(tmp_path: Path) -> None:
    recipe = Recipe.load(recipes.write_french(tmp_path / "fr"))
    texts = tmp_path / "fr" / "texts"
    grammar = (texts / "fables.txt").read_text(encoding="utf-8").strip().split("\n\n")
    names = ("handwritten.txt", "handwritten-train.txt")
    judged, learnt = (
        (texts / name).read_text(encoding="utf-8").strip().split("\n\n") for name in names
    )
    assert len(grammar) == recipes.GENERATED_FABLES
    assert len(judged) == recipes.UNSEEN_FABLES
    assert len(judged) + len(learnt) == len(recipes.hand_written("fr")) > 25
    assert not set(judged) & (set(grammar) | set(learnt))
    files = [each.file for each in recipe.evaluate]
    assert files == [None, "texts/handwritten.txt", "texts/prompts.txt"]
    assert [each.document for each in recipe.source] == ["blank_lines"] * 2
    assert [each.name for each in recipe.source] == ["grammar", "by-hand"]
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


SCRIPTS = {"ro": "Latin", "tt": "Cyrillic", "km": "Khmer"}
LANGUAGES = sorted(SCRIPTS)


def raw_fables(language: str) -> dict[str, bytes]:
    folder = importlib.resources.files("endonym.demo") / "fables" / language
    return {
        entry.name: entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".txt")
    }


def fables(language: str) -> dict[str, str]:
    return {name: raw.decode("utf-8") for name, raw in raw_fables(language).items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_at_least_ten_fables(language: str) -> None:
    assert len(raw_fables(language)) >= 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fable_is_in_composed_normal_form(language: str) -> None:
    bad = [n for n, text in fables(language).items() if not unicodedata.is_normalized("NFC", text)]
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fable_ends_with_exactly_one_newline(language: str) -> None:
    bad = [
        name
        for name, raw in raw_fables(language).items()
        if not raw.endswith(b"\n") or raw.endswith(b"\n\n")
    ]
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_fable_has_carriage_returns_or_a_byte_order_mark(language: str) -> None:
    bad = [
        name
        for name, raw in raw_fables(language).items()
        if b"\r" in raw or raw.startswith(b"\xef\xbb\xbf")
    ]
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fable_opens_with_a_title_and_single_blank_lines_part_its_paragraphs(
    language: str,
) -> None:
    bad = []
    for name, text in fables(language).items():
        title, blank, *_ = text.split("\n")
        if not title.strip() or blank or "\n\n\n" in text:
            bad.append(name)
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_fables_hold_only_letters_and_marks_of_the_script_of_their_language(language: str) -> None:
    foreign = regex.compile(rf"(?!\p{{Script={SCRIPTS[language]}}})[\p{{L}}\p{{M}}]")
    found = {name: foreign.findall(text) for name, text in fables(language).items()}
    assert {name: letters for name, letters in found.items() if letters} == {}


def test_no_two_fables_are_equal() -> None:
    texts = [text for language in LANGUAGES for text in fables(language).values()]
    assert len(set(texts)) == len(texts)


def test_romanian_fables_have_comma_below_and_never_a_cedilla() -> None:
    for name, text in fables("ro").items():
        assert not set(text) & set("\u015e\u015f\u0162\u0163"), name
        assert set(text) & set("\u0219\u021b"), name


def test_every_tatar_fable_has_letters_that_russian_lacks() -> None:
    for name, text in fables("tt").items():
        assert set(text.lower()) & set("әөүҗңһ"), name


def test_tatar_fables_together_have_all_six_letters_that_russian_lacks() -> None:
    assert set("әөүҗңһ") <= set("".join(fables("tt").values()).lower())


def test_khmer_fables_have_no_zero_width_characters() -> None:
    for name, text in fables("km").items():
        assert not set(text) & set("\u200b\u200c\u200d\u2060\ufeff"), name


def test_khmer_subscripts_stand_before_vowels_and_join_two_consonants() -> None:
    stray = regex.compile(r"(?<![\u1780-\u17b3\u17cc])\u17d2|\u17d2(?![\u1780-\u17a2])")
    for name, text in fables("km").items():
        without_subscripts = regex.sub(
            r"(?<=[\u1780-\u17b3\u17cc])(?:\u17d2[\u1780-\u17a2])+", "", text
        )
        assert not stray.search(without_subscripts), name


def test_khmer_fables_end_their_sentences_with_the_khmer_full_stop() -> None:
    for name, text in fables("km").items():
        assert text.rstrip().endswith("\u17d4"), name
        assert "." not in text, name
