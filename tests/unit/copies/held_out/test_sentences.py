"""Short sentences: where they end, which count, and that equal ones have equal hashes."""

import pytest

from endonym.copies.held_out.covered import LEAST, WIDTH, short_sentences


def test_sentences_of_eight_to_nineteen_letters_are_found_at_their_places() -> None:
    found = short_sentences(["Юк. Мин бүген өйдә. Ә син?", "Кояш чыга.\nБез эшкә барабыз! Әйе"])
    assert found.texts.tolist() == [0, 1, 1]
    assert found.places.tolist() == [2, 0, 8]
    assert found.sizes.tolist() == [12, 8, 14]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Мин бүген өйдә.", "«МИН  БҮГЕН, ӨЙДӘ!»"),
        ("Astăzi sunt acasă.", "astăzi sunt acasă?"),
        ("Demain il pleut.", "demain, il pleut…"),
    ],
)
def test_equal_letters_are_equal_sentences(one: str, other: str) -> None:
    (first, second) = short_sentences([one, other]).hashes.tolist()
    assert first == second
    assert short_sentences([one[1:]]).hashes.tolist() != [first]


def test_a_khmer_sentence_ends_at_its_own_sign() -> None:
    found = short_sentences(["ខ្ញុំ​ទៅ​ផ្សារ​។ ខ្ញុំ​ទៅ​ផ្សារ៕ បាទ។"])
    assert len(found.hashes) == 2
    assert len(set(found.hashes.tolist())) == 1


def test_no_texts_have_no_sentences() -> None:
    assert short_sentences([]).hashes.tolist() == []


def test_a_sentence_counts_from_eight_letters_to_nineteen() -> None:
    """One of twenty has a run of letters, by which longer ones are known."""
    text = "Юл кыска. Кар явган. Бүген безгә кунак килә. Бүген сезгә кунак килми"
    letters = [sum(map(str.isalpha, each)) for each in text.split(".")]
    assert letters == [LEAST - 1, LEAST, WIDTH - 1, WIDTH]
    assert short_sentences([text]).sizes.tolist() == [LEAST, WIDTH - 1]


def test_a_zero_in_a_text_is_a_blank_and_moves_no_other_text() -> None:
    plain, odd = (
        short_sentences([f"Мин бүген{sign}өйдә. Кояш чыга.", "Без эшкә барабыз!"])
        for sign in (" ", "\0")
    )
    assert plain.texts.tolist() == odd.texts.tolist() == [0, 0, 1]
    assert plain.places.tolist() == odd.places.tolist()
    assert plain.hashes.tolist() == odd.hashes.tolist()


def test_what_stands_within_a_stretch_is_found_from_its_first_letter_to_its_last() -> None:
    found = short_sentences(["Кояш чыга. Мин бүген өйдә. Без эшкә барабыз!"])
    assert found.places.tolist() == [0, 8, 20]
    for begin, end, places in (
        (0, 34, [0, 8, 20]),
        (8, 20, [0]),
        (1, 34, [7, 19]),
        (0, 33, [0, 8]),
    ):
        assert found.within(0, begin, end - begin).places.tolist() == places


def test_a_sentence_of_a_text_of_more_than_a_portion_is_found_at_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "Юк. Мин бүген өйдә. Ә син? Кояш чыга. Бүген безгә кунак килә."
    expected = short_sentences([text, "Без эшкә барабыз!"])
    for size in (len(text) - 1, len(text), len(text) + 1):
        monkeypatch.setattr("endonym.copies.held_out.covered.PORTION_CHARS", size)
        found = short_sentences([text, "Без эшкә барабыз!"])
        assert sorted(found.hashes.tolist()) == sorted(expected.hashes.tolist())
        assert sorted(zip(found.texts, found.places, strict=True)) == sorted(
            zip(expected.texts, expected.places, strict=True)
        )
