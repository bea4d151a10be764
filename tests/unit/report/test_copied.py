"""The longest span copied from the training text, by the fast search and the slow one."""

import time
from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from endonym.formats.document import Document
from endonym.report.copied import longest_copied

TATAR = "Мин бүген мәктәпкә барам, ә син өйдә каласың."
KHMER = "ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។"


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
    assert found.text == " Мин бүген мәктәпкә бар"
    assert (found.document, found.documents, found.is_whole) == ("f#1", 3, True)


@given(
    st.lists(st.text("аб ខ", max_size=30), max_size=3),
    st.lists(st.text("аб ខ", max_size=60), max_size=5),
)
def test_the_fast_search_for_copies_equals_the_slow_one(samples: list[str], texts: list[str]):
    found = longest_copied(samples, documents(texts))
    assert (len(found.text) if found else 0) == slow_longest(samples, texts)
    if found:
        assert any(found.text in sample for sample in samples)
        assert any(found.text in text for text in texts)


def test_a_search_that_runs_out_of_time_says_how_far_it_came() -> None:
    def slow() -> Iterator[Document]:
        for document in documents([TATAR[:9], TATAR, TATAR]):
            yield document
            time.sleep(0.2)

    found = longest_copied([TATAR], slow(), most_seconds=0.1)
    assert (found.text, found.documents, found.is_whole) == (TATAR[:9], 1, False)


def test_a_document_that_repeats_one_letter_for_ever_does_not_take_for_ever() -> None:
    started = time.monotonic()
    endless = documents([("а" * 1998 + "б") * 2000])
    found = longest_copied(["а" * 1999], endless, most_seconds=0.5)
    assert time.monotonic() - started < 300
    assert (len(found.text), found.is_whole) == (1998, False)
