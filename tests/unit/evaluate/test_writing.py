"""What is written: texts that are bad on purpose are bad in the measure of their fault."""

import math
from collections import Counter
from time import process_time

import pytest

from endonym.evaluate.score import Interval, Score
from endonym.evaluate.writing import (
    BROKEN,
    HELD_OUT,
    Copies,
    Written,
    distinct,
    own_scripts,
    repeated,
    self_bleu,
    units_of,
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
    others = [Written(text, True) for text in held_out]
    found = writing_scores(groups, others, training, task="writing, test")
    return {(each.metric, each.source or ""): each.value for each in found}


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
    assert distinct([["а", "б", "а", "б"], ["а", "б"]]) == Interval(2 / 4, None, None)
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

    rows.append(["су", "ага", "һәм", "тына"])
    expected = [bleu(number) for number in range(4)]
    found = [*self_bleu(rows)]
    assert [found[n] for n in (0, 1, 3)] == pytest.approx([expected[n] for n in (0, 1, 3)])
    assert 0 < expected[0] < 1
    assert expected[3] == 0.0
    assert found[2] is None, "it has no four words in a row"
    assert list(self_bleu([rows[0]] * 2)) == [1.0, 1.0]
    assert list(self_bleu([[], []])) == [None, None]
    assert list(self_bleu([rows[0]])) == [None]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("2" + "0" * 60, 0.95, 1.0),
        ("\u200b" * 60, 1.0, 1.0),
        ("Балалар уйный." + "\n" * 86, 0.8, 0.9),
        ("да " * 9, 1.0, 1.0),
        ("កកកកកកកកកកកកកក", 1.0, 1.0),
        ("Мин 1000000 кеше күрдем, ә син бер кешене дә күрмәдең әле, ди ул.", 0.0, 0.0),
    ],
)
def test_loops_of_anything_repeat_themselves(text: str, least: float, most: float) -> None:
    found = repeated(text)
    assert found is not None
    assert least <= found <= most


def test_what_is_undefined_is_no_zero() -> None:
    assert repeated("Балалар уйный.") is None
    assert repeated("") is None
    loop, short = "Ул килә дә китә, " * 12, "Мин укыйм."
    found = scored([loop, short, short], [short, loop], [])
    assert found["repeated", "model"] > 0.9, "of the text that is long enough"
    assert (
        scored([short] * 3, [loop], [])
        .keys()
        .isdisjoint({("repeated", "model"), ("self_bleu", HELD_OUT)})
    )


def test_groups_are_compared_by_as_many_texts(texts: Sentences) -> None:
    own = texts["tatar"]
    few, many = scored(own[:6], own[:6], []), scored(own[:6] * 2, own[:6], [])
    for metric in ("distinct", "self_bleu"):
        assert many[metric, "model"] == few[metric, "model"] == few[metric, HELD_OUT]


def test_shares_of_texts_have_intervals_even_if_all_are_alike(texts: Sentences) -> None:
    group = [Written(text, False) for text in texts["tatar"][:20]]
    for each in writing_scores({"model": group}, group, [], task="writing, test"):
        if each.metric in ("empty", "ended"):
            assert each.value == each.low == 0.0
            assert each.high == pytest.approx(0.161, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dikkat ‼️ 1️⃣ #️⃣ ❤️ ©️", 0),
        ("сүз \u0301", 1),
        ("(\u17d2)", 1),
        ("су\ufffd\ufffd\x00", 3),
        ("é ខ្ញុំ ម៉េង ◌́ \u200d\u0dca", 0),
    ],
)
def test_broken_characters(text: str, count: int) -> None:
    assert len(BROKEN.findall(text)) == count


def test_a_script_of_some_letters_is_one_of_the_language(texts: Sentences) -> None:
    tatar, french = "".join(texts["tatar"]), "".join(texts["french"])
    assert own_scripts([tatar[:900], french[:90]]) == {"cyrillic", "latin"}
    assert own_scripts([tatar[:900], french[:3]]) == {"cyrillic"}


def test_pieces_of_khmer_are_three_letters_with_their_signs() -> None:
    assert units_of("ខ្ញុំរៀនភាសា", by_pieces=True)[:2] == ["ខ្ញុំរៀន", "រៀនភា"]


def test_runs_of_a_character_are_copies_and_take_no_long_time() -> None:
    begin = process_time()
    copies = Copies(["." * 400] * 16 + ["Эчтәлек " + "." * 60 + " 7"])
    copies.read("." * 400_000)
    copies.read("Беренче бүлек " + "." * 60 + " 7")
    assert process_time() - begin < 5, "a fraction of a second; quadratic it takes minutes"
    assert copies.longest == [400] * 16 + [60], "and not 63: a run is looked up once"
    assert all(each.all() for each in copies.copied[:16])


def test_a_text_with_two_copies_of_one_has_both(texts: Sentences) -> None:
    text = " ".join(texts["french"])[:300]
    for shift in range(26):
        copies = Copies([text[:112]])
        copies.read(text[:100] + "§" * shift + "§" + text[40:112])
        assert copies.copied[0].all(), "the second goes on where the first one ends"
    copies = Copies([text[:120] + "§" + text[40:240]])
    copies.read("x" * 7 + text)
    assert copies.copied[0].sum() == 120 + 200
    assert copies.longest == [200]


def test_a_table_has_a_row_for_each_measure(texts: Sentences) -> None:
    groups = {"temperature 0": [Written(text, True) for text in texts["tatar"]]}
    held_out = [Written(text, True) for text in texts["tatar"]]
    found: list[Score] = list(
        writing_scores(groups, held_out, texts["tatar"], task="writing, test")
    )
    heads, *rows = writing_cells(found)
    assert heads[1:] == ["temperature 0", HELD_OUT]
    assert all(row[1] == row[2] for row in rows)
    assert rows[5][1] == "100.0%"
