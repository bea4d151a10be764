"""What rules measure in a text."""

import random
from collections.abc import Callable

import pytest
import regex
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning import measures
from endonym.cleaning.measures import Kinds, kinds_of

MENU = "Баш бит\nЯңалыклар\nХезмәтләр\nЭлемтә\nСайт картасы\nКерү"
TABLE = "| ел | кеше |\n| 1990 | 120 |\n| 2000 | 98 |\n| 2010 | 77 |\n| 2020 | 50 |"
LIST = "1. он\n2. йомырка\n3. сөт\n• тоз\n* шикәр\nБарысын да бутарга."
CODE = 'if (a == b) {\n  print("әйе");\n}\nfor x in range(10):\ny = 5;\nreturn f(x);'
PROSE = "\n".join(TATAR)


def test_characters_are_counted_by_kind_and_words_are_their_runs():
    assert kinds_of("Ул 3 көн, 14 сәг. (★)") == Kinds(
        letters=8, digits=3, points=4, others=1, words=5
    )
    assert kinds_of("ខ្ញុំទៅ\u200bផ្សារ").words == 2
    assert kinds_of("") == Kinds(0, 0, 0, 0, 0)


def test_long_texts_are_counted_in_portions_and_no_word_is_counted_twice():
    word = "сүз" * 1_000_000
    assert kinds_of(word).words == 1
    assert kinds_of("бер ике " * 300_000).words == 600_000


def test_the_mean_length_of_words():
    assert measures.word_length("алма " * 20) == pytest.approx(4)
    assert measures.word_length("алма") is None


def test_shares_of_symbols_and_digits():
    assert measures.symbol_share("★" * 30 + "аб" * 15) == pytest.approx(0.5)
    assert measures.digit_share("12 аб " * 20) == pytest.approx(0.5)
    for texts in (TATAR, KHMER, ROMANIAN, FRENCH):
        assert measures.symbol_share(" ".join(texts)) == 0
        assert measures.repeated_ngram_share(" ".join(texts)) == 0


def test_prose_ends_its_lines_and_a_menu_does_not():
    assert measures.ended_share(PROSE) == 1.0
    assert measures.ended_share("\n".join([*KHMER, *KHMER])) == 1.0
    assert measures.ended_share("\n".join(f"« {line} »" for line in TATAR)) == 1.0
    for end in ":;":
        assert measures.ended_share("\n".join(line.rstrip(".!?") + end for line in TATAR)) == 1.0
    assert measures.ended_share(MENU) == 0.0
    assert measures.short_share(MENU) == 1.0
    assert measures.short_share(PROSE) == 0.0


def test_bullets_and_numbers_are_a_list_and_direct_speech_is_none():
    assert measures.list_share(LIST) == pytest.approx(5 / 6)
    assert measures.list_share("\n".join(f"— {line}" for line in TATAR)) == 0.0
    assert measures.list_share("\n".join(f"- {line}" for line in TATAR)) == 0.0


def test_rows_of_a_table_have_bars_or_mostly_digits():
    assert measures.table_share(TABLE) == 1.0
    assert measures.table_share("1990 120\n2000 98\n2010 77\n2020 50 11\n2021 49 1") == 1.0
    assert measures.table_share(PROSE) == 0.0


def test_programs_are_told_from_verse_with_its_semicolons():
    assert measures.code_share(CODE) == 1.0
    verse = "Maître Corbeau tenait un fromage ;\nMaître Renard le vit de loin ;\n" * 3
    assert measures.code_share(verse) == 0.0
    assert measures.code_share(PROSE) == 0.0


def test_words_in_repeated_groups_of_five():
    refrain = " ".join(["бер ике өч дүрт биш алты"] * 4)
    assert measures.repeated_ngram_share(refrain) == pytest.approx(18 / 24)
    once = "бер ике өч дүрт биш " * 2 + " ".join(f"сүз{n}" for n in range(30))
    assert measures.repeated_ngram_share(once) == pytest.approx(5 / 40)
    five = "бер ике өч дүрт биш"
    assert measures.repeated_ngram_share(f"{five} {five}") == 0.5
    assert measures.repeated_ngram_share(f"{five} {five[:-4]}") is None, "ten words are enough"


SHARES = (
    measures.ended_share,
    measures.short_share,
    measures.list_share,
    measures.table_share,
    measures.code_share,
)


@pytest.mark.parametrize("measure", SHARES)
def test_a_share_of_lines_is_measured_from_five_lines_on(measure: Callable[[str], float | None]):
    lines = "1. a(b) => | 12 | 34 |."
    assert measure("\n\n".join([lines] * 4)) is None
    assert measure("\n \n".join([lines] * 5)) == 1.0
    assert measure("\n".join(["уртача озынлыктагы гади сүзләр тезмәсе монда"] * 5)) == 0.0


@pytest.mark.parametrize(
    "measure", [measures.symbol_share, measures.digit_share, measures.word_length]
)
def test_a_share_of_characters_is_measured_from_forty_on(measure: Callable[[str], float | None]):
    assert measure("а " * 39) is None
    assert measure("а " * 40) is not None


def test_a_line_is_short_up_to_thirty_characters():
    assert measures.short_share("\n".join(["а" * 30, *["а" * 31] * 4])) == pytest.approx(1 / 5)


ITEMS = ["• тоз", "12) сөт", "(3) сөт", "(а) сөт"]
ROWS = ["1234 ун", "1234", "ел | кеше | тагын", "ел\tкеше\tтагын"]
NEITHER = ["1234. сөт", "1.сөт", "сөт 1. он", "1234 унбе", "123", "ел | кеше"]


@pytest.mark.parametrize("line", [*ITEMS, *ROWS, *NEITHER])
def test_items_and_rows_are_told_by_their_signs(line: str):
    assert measures.list_share("\n".join([line] * 5)) == float(line in ITEMS)
    assert measures.is_row(line) is (line in ROWS)


def test_lines_that_stood_before_are_a_share_of_all_from_two_on():
    assert measures.repeated_line_share("а\nа") == 0.5
    assert measures.repeated_line_share("а\nа\nа\n\nб") == 0.5
    assert measures.repeated_line_share("а") is None


def slow_repeated_share(words: list[str], n: int) -> float | None:
    """The share of words in a group of n that stood before, word by word."""
    if len(words) < 2 * n:
        return None
    seen, covered = set[tuple[str, ...]](), set[int]()
    for start in range(len(words) - n + 1):
        group = tuple(words[start : start + n])
        if group in seen:
            covered.update(range(start, start + n))
        seen.add(group)
    return len(covered) / len(words)


@pytest.mark.parametrize("seed", range(8))
def test_the_share_of_repeated_groups_is_that_of_a_slow_count(seed: int):
    draw = random.Random(seed)
    words = draw.choices(["бер", "ике", "өч", "дүрт"][: 2 + seed % 3], k=8 + 6 * seed)
    found = measures.repeated_ngram_share(" ".join(words))
    assert found == pytest.approx(slow_repeated_share(words, 5))
    signs = draw.choices(["ក", "ខ្ញុំ", "ផ្សារ"], k=28 + 6 * seed)
    letters = regex.findall(r"\p{L}\p{M}*", "".join(signs))
    found = measures.repeated_ngram_share("".join(signs))
    assert found == pytest.approx(slow_repeated_share(letters, 15))


def test_half_of_the_letters_tell_whether_words_are_divided():
    # Twelve words of 24 letters: enough words, and too few letters for fifteen that come again.
    of_words = " ".join(["កខ"] * 6 + ["ab"] * 6)
    assert measures.repeated_ngram_share(of_words) == pytest.approx(10 / 12)
    assert measures.repeated_ngram_share(of_words.replace("ab", "aគ")) is None
    late = "a" * 2000 + " " + "ក " * 9
    assert measures.repeated_ngram_share(late) == pytest.approx(0.8)
