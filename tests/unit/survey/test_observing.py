"""What texts are: letters, scripts, lengths, words, damage."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from corpus_facts import facts_of
from text_samples import FRENCH, KHMER, TATAR

from endonym.corpus.chunk_steps import ChunkTask
from endonym.corpus.corpus_stats import text_warnings
from endonym.formats.chunks import RAW, write_chunk
from endonym.formats.config import Clean
from endonym.script.letters import LETTER
from endonym.survey import observing
from endonym.survey.observing import (
    MIXED,
    REPLACEMENT,
    SKELETON,
    growth,
    heaps,
    observe_chunk,
    script_shares,
    together,
    word_with,
)
from endonym.workers import Result


def chunk(folder: Path, name: str, texts: list[str], **meta: str) -> Path:
    """A raw chunk with these documents, and one reject."""
    notes = json.dumps(meta)
    rows: list[tuple[str | int | None, ...]] = [
        (text, f"a.txt#{n}", notes, 0, len(text), None, None) for n, text in enumerate(texts)
    ]
    rows.append(("сынык", "a.txt#99", None, 0, 9, "invalid_utf8", "why"))
    write_chunk(folder, f"{name}.arrow", RAW, list(zip(*rows, strict=True)))
    return folder / f"{name}.arrow"


def seen(folder: Path, name: str, texts: list[str], **meta: str) -> Result:
    """What is seen of these documents."""
    task = ChunkTask(chunk(folder, name, texts, **meta), "тел", folder, name, Clean(), 7)
    return observe_chunk(task, lambda size: None)


def test_documents_are_counted_and_rejects_are_not(tmp_path: Path):
    whole = together([seen(tmp_path, "0", TATAR[:2]), seen(tmp_path, "1", TATAR[2:4])], 20)
    assert whole.documents == 4
    size = len("".join(TATAR[:4]).encode())
    assert (whole.chars, whole.bytes) == (sum(map(len, TATAR[:4])), size)
    assert whole.letters["ә"] == sum(text.count("ә") for text in TATAR[:4])
    assert whole.examples["ә"][0] in " ".join(TATAR[:4])
    texts = ["ә" * length for length in (19, 20, 49, 50, 199_999, 200_000)]
    # A document of so many characters is of the class that begins there.
    lengths = together([seen(tmp_path, "2", texts)], 20).lengths
    assert lengths == [1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_a_document_that_our_code_fails_in_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def failing(text: str) -> list[str]:
        if text == TATAR[1]:
            raise ZeroDivisionError
        return text_warnings(text)

    monkeypatch.setattr(observing, "text_warnings", failing)
    whole = together([seen(tmp_path, "0", TATAR[:4])], 20)
    assert whole.documents == 4
    assert whole.scripts == {"cyrillic": 3}


def test_a_letter_comes_with_the_first_word_that_has_it():
    assert word_with("a", "Безнең бaлалар, кaла") == "бaлалар"
    assert word_with("—", "Бу — авыл") == "Бу — авыл"
    written = "ស្រ្តី" * 9
    parts = {word_with("ញ", "ក" * n + written + "ខ្ញុំ" + written) for n in range(6)}
    assert {letter for part in parts for letter in LETTER.findall(part)} <= {"ក", "ស្រ្តី", "ខ្ញុំ"}


def test_scripts_and_documents_of_two_scripts(tmp_path: Path):
    mixed = "Без бүген Windows программасын яңарттык"
    whole = together([seen(tmp_path, "0", [TATAR[0], KHMER[0], FRENCH[0], mixed, "123"])], 20)
    assert whole.scripts == {"cyrillic": 2, "khmer": 1, "latin": 1, "none": 1}
    assert whole.mixed == {"cyrillic and latin": 1}
    assert whole.letters["្"] == KHMER[0].count("្") > 0, "marks are letters, too"
    assert whole.found_in[MIXED][0][0] == "тел/a.txt#3"
    assert script_shares(TATAR[0])[0] == ("cyrillic", 1.0)


def test_guessed_encodings_licences_and_lost_letters_are_named(tmp_path: Path):
    texts = [*TATAR[:2], "Бу с\ufffdз югалган"]
    whole = together([seen(tmp_path, "0", texts, encoding="cp1251", license="CC0-1.0")], 20)
    assert whole.named["тел/a.txt"][0] == "cp1251"
    assert whole.licences == {"тел": {"CC0-1.0": 3}}
    assert whole.found[REPLACEMENT] == 1
    assert whole.found_in[REPLACEMENT][0][2] == "с\ufffdз"


def test_heaps_law_is_found_again():
    points = [(n, round(10 * n**0.6)) for n in range(0, 60_000, 1_000)]
    found = heaps(points)
    assert found is not None
    assert abs(found - 0.6) < 0.01
    assert heaps(points[:2]) is None
    assert heaps([(n, n) for n in range(0, 2_000, 100)]) is None


def test_nothing_is_said_where_the_order_of_the_files_decides_how_words_grow():
    """Books of one author come first, and then lists of names; or each file is of another kind."""
    alike = [(n, round(10 * n**0.6)) for n in range(0, 40_000, 1_000)]
    last = alike[-1][1]
    assert heaps([*alike, *((39_000 + n, last + n) for n in range(1_000, 20_000, 1_000))]) is None
    assert heaps([(n, round(n**1.1)) for n in range(0, 60_000, 1_000)]) is None


def test_stubs_that_stay_are_named(tmp_path: Path):
    stubs = [
        f"Мәмсә{n} — Арча районындагы авыл, {n} кеше яши һәм елга буенда урнашкан" for n in range(9)
    ]
    clean = Clean(max_same_skeleton=3)
    facts_of(clean, stubs).save(tmp_path / "facts")
    path = chunk(tmp_path, "0", stubs[:2])
    task = ChunkTask(path, "тел", tmp_path, "0", clean, 7, knowledge=tmp_path / "facts")
    found = together([observe_chunk(task, lambda size: None)], 20)
    assert sum(found.skeletons.values()) == 2
    assert found.found_in[SKELETON][0][0] == "тел/a.txt#0"
    assert np.load(tmp_path / "0.npy").shape[1] == 2


def test_a_document_is_of_two_scripts_from_a_tenth_of_the_second_on(tmp_path: Path):
    texts = ["ә" * 90 + "a" * 10, "ә" * 91 + "a" * 9, "ә" * 2_000 + "a" * 9_000]
    found = together([seen(tmp_path, "0", texts)], 20)
    assert found.mixed == {"cyrillic and latin": 1}
    assert found.scripts == {"cyrillic": 3}


def test_what_is_seen_first_stays_the_example_and_no_more_are_kept_than_are_asked_for(
    tmp_path: Path,
):
    mixed = [f"кояш {'a' * 9} {n}" for n in range(3)]
    parts = [seen(tmp_path, str(n), [f"һава{n}", *mixed]) for n in range(3)]
    found = together(parts, 4)
    assert found.examples["һ"] == ["һава0", "тел/a.txt#0"]
    places = [f"тел/a.txt#{number}" for number in (1, 2, 3, 1)]
    assert [each[0] for each in found.found_in[MIXED]] == places
    assert found.letters["һ"] == 3


def test_the_growth_of_a_vocabulary_is_that_of_a_plain_count(tmp_path: Path):
    draw = random.Random(7)
    parts = [[" ".join(draw.choices("абвгдежзик", k=9)) for _ in range(20)] for _ in range(3)]
    made = [seen(tmp_path, str(n), part) for n, part in enumerate(parts)]
    words = " ".join(text for part in parts for text in part).split()
    points = growth(tmp_path, made)
    assert points[0] == (0, 0)
    assert points[-1] == (540, len(set(words)))
    assert len(points) > 30
    assert points == [(count, len(set(words[:count]))) for count, _ in points]
    made = [seen(tmp_path, "a", ["Бала йоклый. БАЛА, бала!"]), seen(tmp_path, "b", ["Йоклый"])]
    assert growth(tmp_path, made)[-1] == (5, 2)  # capitals make no other words
