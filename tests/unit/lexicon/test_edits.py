"""Near words are those that typing errors lead to, and likely errors cost less."""

from random import Random

import pytest

from endonym.lexicon.edits import COSTS, WordIndex, error_cost
from endonym.lexicon.typing_errors import KINDS, layout_of, typing_error

TATAR, ROMANIAN = layout_of("tt"), layout_of("ro")
KHMER, PERSIAN = layout_of("km", "khmer"), layout_of("fa", "arabic")
WORDS = {"мәктәп": 9, "матур": 5, "маттур": 1, "җиләк": 3, "урман": 4, "яңгыр": 4, "әби": 2}


def near(index: WordIndex, word: str) -> list[str]:
    return [each.word for each in index.near(word)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("урмн", "урман"),  # dropped
        ("урмаан", "урман"),  # doubled
        ("урамн", "урман"),  # swapped
        ("удман", "урман"),  # another letter
        ("мэктэп", "мәктәп"),  # letters that a Russian keyboard lacks, several of them
        ("маktәп", None),
        ("жилэк", "җиләк"),
        ("янгыр", "яңгыр"),
        ("якшы", None),
        ("", None),
        ("а" * 200, None),
    ],
)
def test_the_word_that_was_meant_is_found_first(written: str, meant: str | None) -> None:
    found = near(WordIndex(WORDS, TATAR), written)
    assert found[:1] == ([meant] if meant else [])


def test_two_errors_are_found_in_long_words_only() -> None:
    index = WordIndex({"укытучылар": 3, "китап": 3}, TATAR)
    assert near(index, "укытчылрар") == ["укытучылар"]
    assert near(index, "кщьап") == []


def test_look_alikes_marks_and_signs_in_another_order_cost_least() -> None:
    assert error_cost("мәктәп", "мэктэп", TATAR) == 2 * COSTS["look_alike"]
    assert error_cost("oraș", "oras", ROMANIAN) == COSTS["mark"]
    assert error_cost("oras", "oraș", ROMANIAN) == COSTS["needless_mark"]
    assert error_cost("țară", "ţară", ROMANIAN) == COSTS["look_alike"]
    assert error_cost("ស្ត្រី", "ស្រ្តី", KHMER) == COSTS["order"]
    assert error_cost("کتاب", "كتاب", PERSIAN) == COSTS["look_alike"]
    assert error_cost("copac", "copav", ROMANIAN) == COSTS["neighbour"]
    assert error_cost("copac", "copaz", ROMANIAN) == COSTS["other"]
    assert error_cost("copac", "ocpac", ROMANIAN) == COSTS["swap"]
    assert error_cost("copac", "copac", ROMANIAN) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_kind_of_error_leads_back_to_its_word(kind: str) -> None:
    for language, script, word in (
        ("tt", "cyrillic", "җиләкләр"),
        ("ro", "latin", "învățător"),
        ("fr", "latin", "éléphant"),
        ("km", "khmer", "ស្ត្រី"),
    ):
        layout = layout_of(language, script)
        index = WordIndex({word: 3}, layout)
        for seed in range(20):
            wrong = typing_error(word, kind, layout, Random(seed))
            if wrong is not None:
                assert near(index, wrong.lower()) == [word], (kind, wrong)


def test_of_words_that_cost_the_same_the_more_frequent_one_comes_first() -> None:
    counts = {"алда": 1, "алды": 99}
    assert near(WordIndex(counts, TATAR), "алд") == ["алды", "алда"]
    assert error_cost("алды", "алд", TATAR) == error_cost("алда", "алд", TATAR)
