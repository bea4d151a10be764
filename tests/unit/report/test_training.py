"""What the report says of curves, and the longest span copied from the training text."""

import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endonym.report.copied import longest_copied
from endonym.report.corpus import first_sentence
from endonym.report.training import Validation, epoch_marks, overfitting
from endonym.text.document import Document

TATAR = "Мин бүген мәктәпкә барам, ә син өйдә каласың."
KHMER = "ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។"


def validations(*bits: float) -> list[Validation]:
    return [Validation(10 * n, 1000 * n, n / 2, value, {}) for n, value in enumerate(bits)]


FALLING = [(float(x), 3.0 - x / 10_000) for x in range(0, 6000, 100)]


def test_over_fitting_began_after_the_best_validation() -> None:
    text = overfitting(validations(3.0, 2.0, 1.8, 1.9, 2.1), FALLING)
    assert text.startswith("Over-fitting began after step 20 (epoch 1.0)")
    assert "the 2 after it were worse, the last by 0.300" in text


def test_a_best_validation_at_the_end_is_no_over_fitting() -> None:
    assert "still falling" in overfitting(validations(3.0, 2.0, 1.8), FALLING)


def test_a_level_end_is_no_over_fitting() -> None:
    assert "level after it" in overfitting(validations(3.0, 1.8, 1.8001), FALLING)


def test_a_rise_of_both_losses_is_not_called_over_fitting() -> None:
    rising = [(x, -y) for x, y in FALLING]
    text = overfitting(validations(3.0, 2.0, 1.8, 2.4), rising)
    assert text.startswith("Dev loss rose after step 20")


def test_a_run_that_was_best_before_its_first_step_says_so() -> None:
    assert overfitting(validations(1.5, 1.6, 1.7), FALLING).startswith(
        "No validation was better than the start"
    )


def test_many_epochs_get_few_marks() -> None:
    marks = epoch_marks([{"tokens": 100_000, "epoch": 40.0}])
    assert [mark.name for mark in marks] == ["epoch 5", *map(str, range(10, 45, 5))]
    assert marks[0].x == pytest.approx(12_500)
    assert epoch_marks([{"tokens": 100, "epoch": 0.4}]) == []


def documents(texts: Sequence[str]) -> list[Document]:
    return [Document(text, f"f#{n}", "s") for n, text in enumerate(texts)]


def slow_longest(samples: Sequence[str], texts: Sequence[str]) -> int:
    """Every span of every sample, looked for in every text."""
    spans = {
        s[start:end]
        for s in samples
        for start in range(len(s))
        for end in range(start + 1, len(s) + 1)
        if any(s[start:end] in text for text in texts)
    }
    return max(map(len, spans), default=0)


def test_the_longest_copied_span_is_found_with_its_document() -> None:
    found = longest_copied(
        ["Яңа ел. Мин бүген мәктәпкә бармыйм."], documents(["юк", f"Ә шулай, {TATAR}", KHMER])
    )
    assert found is not None
    assert found.text == " Мин бүген мәктәпкә бар"
    assert (found.document, found.documents, found.is_whole) == ("f#1", 3, True)


@given(
    st.lists(st.text("аб ខ", max_size=30), max_size=3),
    st.lists(st.text("аб ខ", max_size=60), max_size=5),
)
def test_the_fast_search_for_copies_equals_the_slow_one(
    samples: list[str], texts: list[str]
) -> None:
    found = longest_copied(samples, documents(texts))
    assert (len(found.text) if found else 0) == slow_longest(samples, texts)
    if found:
        assert found.text in samples[found.sample]
        assert any(found.text in text for text in texts)


def test_a_search_that_runs_out_of_time_says_how_far_it_came() -> None:
    def slow() -> Iterator[Document]:
        for document in documents([TATAR[:9], TATAR, TATAR]):
            yield document
            time.sleep(0.2)

    found = longest_copied([TATAR], slow(), most_seconds=0.1)
    assert found is not None
    assert (found.text, found.documents, found.is_whole) == (TATAR[:9], 1, False)


def test_a_document_that_repeats_one_letter_for_ever_does_not_take_for_ever() -> None:
    started = time.monotonic()
    endless = documents([("а" * 1998 + "б") * 2000])
    found = longest_copied(["а" * 1999], endless, most_seconds=0.5)
    assert time.monotonic() - started < 5
    assert found is not None
    assert (len(found.text), found.is_whole) == (1998, False)


def test_first_sentences_end_where_the_script_ends_them() -> None:
    assert first_sentence(KHMER) == "ខ្ញុំចង់ទៅសាលារៀន។"
    assert first_sentence("Ул килде. Мин киттем.") == "Ул килде."
    assert first_sentence("3.14 дөрес\nикенче юл") == "3.14 дөрес"
