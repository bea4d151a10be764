"""What is written: texts that are bad on purpose are bad in the measure of their fault."""

import math
from collections import Counter

import pytest

from endonym.evaluate.score import Score
from endonym.evaluate.writing import (
    HELD_OUT,
    Copies,
    Written,
    distinct,
    own_scripts,
    self_bleu,
    writing_cells,
    writing_scores,
)

Sentences = dict[str, list[str]]


@pytest.fixture(scope="module")
def texts(language_sentences: object) -> Sentences:
    assert callable(language_sentences)
    return {name: language_sentences(name) for name in ("tatar", "romanian", "french", "khmer")}


def scored(
    written: list[str], held_out: list[str], training: list[str], *, has_ended: bool = True
) -> dict[tuple[str, str], float]:
    groups = {"model": [Written(text, has_ended) for text in written]}
    found = writing_scores(groups, [Written(text, True) for text in held_out], training)
    return {(each.metric, each.split): each.value for each in found}


@pytest.mark.parametrize("language", ["tatar", "romanian", "french", "khmer"])
def test_bad_texts_are_bad_in_the_measure_of_their_fault(texts: Sentences, language: str) -> None:
    own = texts[language]
    half = len(own) // 2
    words = sorted(" ".join(own).split())  # of held-out texts, too, but none of their spans
    held_out, training = own[half:], [" ".join(own[:half]), " ".join(words)]
    word = own[0].split()[0][:6]
    other = "french" if language == "tatar" else "tatar"
    bad = {
        "repeated": [f"{word} " * 30] * 4,
        "copied": [training[0]] * 4,
        "known": texts[other],
        "empty": ["", " \n", "…", "?!"],
        "broken": ["\u0301 \u0301 \ufffd\ufffd " + own[0]] * 4,
        "self_bleu": [own[-1]] * 4,
    }
    for measure, written in bad.items():
        found = scored(written, held_out, training)
        worse, usual = found.get((measure, "model"), 0.0), found[measure, HELD_OUT]
        if measure == "known":
            assert worse < usual / 2
        else:
            assert worse > usual + 0.05, measure


def test_letters_of_another_script_count(texts: Sentences) -> None:
    found = scored(texts["romanian"], texts["tatar"], texts["tatar"])
    assert found["other_script", "model"] == 1.0
    assert found["other_script", HELD_OUT] == 0.0
    assert own_scripts(texts["khmer"]) == {"khmer"}


def test_texts_that_are_cut_do_not_end_by_themselves(texts: Sentences) -> None:
    found = scored(texts["tatar"], texts["tatar"], texts["tatar"], has_ended=False)
    assert found["ended", "model"] == 0.0
    assert found["ended", HELD_OUT] == 1.0


def test_the_longest_copy_is_found_letter_for_letter(texts: Sentences) -> None:
    text = " ".join(texts["tatar"])
    written = "Беркөнне " + text[37:137] + " һәм " + text[300:349] + "!"
    copies = Copies([written, text[500:560], "кыска"])
    copies.read(text[:450])
    copies.read(text[450:])
    assert copies.longest == [100, 60, 0]
    assert copies.copied[0].sum() == 100
    assert copies.copied[0][9:109].all()


def test_each_span_of_fifty_characters_is_found_wherever_it_begins(texts: Sentences) -> None:
    text = " ".join(texts["french"])[:400]
    for begin in range(60):
        copies = Copies(["#" + text[begin : begin + 50] + "#"])
        copies.read(text)
        assert copies.longest == [50], begin


def test_distinct_counts_pairs_of_all_texts() -> None:
    assert distinct([["а", "б", "а", "б"], ["а", "б"]]) == pytest.approx(2 / 4)
    assert distinct([["а"], []]) is None


def test_self_bleu_is_that_of_its_definition() -> None:
    rows = [
        ["ана", "базарга", "барды", "һәм", "алма", "алды"],
        ["ана", "базарга", "барды", "һәм", "китте"],
        ["балалар", "урамда", "уйный"],
    ]

    def bleu(number: int) -> float:
        row, others = rows[number], [each for n, each in enumerate(rows) if n != number]
        logs = 0.0
        for n in range(1, 5):
            own = Counter(tuple(row[i : i + n]) for i in range(len(row) - n + 1))
            most = Counter[tuple[str, ...]]()
            for each in others:
                most |= Counter(tuple(each[i : i + n]) for i in range(len(each) - n + 1))
            common = (own & most).total()
            if not common:
                return 0.0
            logs += math.log(common / own.total()) / 4
        nearest = min(map(len, others), key=lambda size: (abs(size - len(row)), size))
        return math.exp(logs + min(0.0, 1 - nearest / len(row)))

    expected = [bleu(number) for number in range(3)]
    assert list(self_bleu(rows)) == pytest.approx(expected)
    assert 0 < expected[0] < 1
    assert expected[2] == 0.0
    assert list(self_bleu([rows[0]] * 2)) == [1.0, 1.0]
    assert list(self_bleu([[], []])) == [0.0, 0.0]


def test_a_table_has_a_row_for_each_measure(texts: Sentences) -> None:
    groups = {"temperature 0": [Written(text, True) for text in texts["tatar"]]}
    held_out = [Written(text, True) for text in texts["tatar"]]
    found: list[Score] = list(writing_scores(groups, held_out, texts["tatar"]))
    heads, *rows = writing_cells(found)
    assert heads[1:] == ["temperature 0", HELD_OUT]
    assert all(row[1] == row[2] for row in rows)
    assert rows[5][1] == "100.0%"
