"""Overlap with evaluation texts."""

from pathlib import Path

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies import contamination as module
from endonym.copies.contamination import Contamination, Judged, pieces

SENTENCE = (
    "Кичә кич белән без әбием янына барып, аның белән озак итеп яңа пешкән икмәк турында сөйләштек."
)
SHORT = "Бүген иртән һава бик матур иде һәм кояш яктыртты."
PHRASE = "Бүген һава бик матур иде."
KHMER_TEXT = "".join(KHMER)
OTHERS = " ".join(TATAR[:4])


def judged(evaluation: list[str], *documents: str) -> tuple[list[Judged], dict[str, float]]:
    """The documents after the comparison, and the counts of the only file."""
    contamination = Contamination.of_files([("eval.txt", evaluation)])
    found = list(contamination.judge(documents))
    contamination.count_remaining()
    return found, contamination.counts[0].as_dict()


@pytest.mark.parametrize(
    "copy", [SENTENCE, SENTENCE.upper(), SENTENCE.replace(" ", "\n"), SENTENCE.replace("а", "a")]
)
def test_a_document_that_holds_an_evaluation_text_is_dropped(copy: str) -> None:
    found, counts = judged([SENTENCE], f"Ул болай диде: {copy} Вәссәлам.", OTHERS)
    assert [each.text for each in found] == [None, OTHERS]
    assert [each.files for each in found] == [(0,), ()]
    assert (counts["dropped_documents"], counts["cut_documents"]) == (1, 0)
    assert counts["overlap"] == 0


def test_of_a_longer_document_only_the_paragraph_is_taken_out() -> None:
    text = f"{OTHERS}\n\n{SENTENCE}\n\n{' '.join(FRENCH)}"
    (found,), counts = judged([SENTENCE], text)
    assert found.text == f"{OTHERS}\n\n{' '.join(FRENCH)}"
    assert found.removed == (SENTENCE,)
    assert (counts["dropped_documents"], counts["cut_documents"]) == (0, 1)
    assert counts["overlap"] == 0  # nothing of it is left


def test_twelve_words_in_a_row_are_no_overlap_and_thirteen_are() -> None:
    words = SENTENCE.split()
    texts = [" ".join(["Шулай,", *words[:count], "диде", "ул."]) for count in (12, 13)]
    found, counts = judged([SENTENCE], *texts)
    assert [each.text is None for each in found] == [False, True]
    assert counts["overlap"] == pytest.approx(5 / 9, abs=1e-6)


def test_texts_of_eight_to_twelve_words_are_compared_and_shorter_ones_are_not() -> None:
    found, counts = judged([SHORT, PHRASE, PHRASE], f"Әни әйтте: {SHORT}", PHRASE)
    assert [each.text is None for each in found] == [True, False]
    assert (counts["texts"], counts["too_short"]) == (3, 2)
    found, counts = judged([PHRASE, "…"], PHRASE)
    assert found[0].text == PHRASE
    assert (counts["runs"], counts["overlap"], counts["too_short"]) == (0, 0, 2)


def test_scripts_without_spaces_are_compared_by_runs_of_letters() -> None:
    found, _ = judged([KHMER_TEXT], f"មុន {KHMER_TEXT}", KHMER[1][:20], f"{KHMER_TEXT[:40]} Paris")
    assert [each.text is None for each in found] == [True, False, False]


def test_every_file_that_has_a_run_is_named() -> None:
    contamination = Contamination.of_files(
        [("a", [SENTENCE]), ("b", [" ".join(ROMANIAN)]), ("c", [SENTENCE, SHORT])]
    )
    found = list(contamination.judge([SENTENCE, " ".join(ROMANIAN), " ".join(FRENCH)]))
    assert [each.files for each in found] == [(0, 2), (1,), ()]
    assert [each.dropped_documents for each in contamination.counts] == [1, 1, 1]


@pytest.mark.parametrize(("end", "between"), [(".", " "), (".»", " "), ('!"', " "), ("", "\n")])
def test_a_long_paragraph_loses_its_sentence_or_its_line_only(end: str, between: str) -> None:
    sentences = [line.rstrip(" .?") + end for line in [*ROMANIAN * 8, *FRENCH * 8]]
    long, copy = between.join(sentences), SENTENCE.rstrip(".") + end
    assert len(long) > module.LONG_PARAGRAPH_CHARS
    text = between.join([long, copy, long])
    (found,), _ = judged([SENTENCE], text)
    assert found.text == between.join([long, long])
    assert found.removed == (copy + between,)
    assert "".join(text[first:last] for first, last in pieces(text)) == text


def test_a_text_of_many_batches_is_compared_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endonym.copies.letters.BATCH_CHARS", 300)
    text = "\n\n".join([*ROMANIAN, *FRENCH, SENTENCE, *KHMER])
    found, counts = judged([SENTENCE], OTHERS, text, *FRENCH)
    assert counts["overlap"] == 0
    assert [each.text for each in found] == [OTHERS, text.replace(SENTENCE + "\n\n", ""), *FRENCH]


def test_without_evaluation_texts_nothing_changes() -> None:
    contamination = Contamination.of_files([("empty.txt", [])])
    texts = [*TATAR, "", "\nЮк\n"]
    assert [each.text for each in contamination.judge(texts)] == texts
    contamination.count_remaining()
    assert contamination.counts[0].as_dict()["runs"] == 0


def test_saved_runs_judge_as_those_at_hand_and_know_nothing_of_what_was_judged(tmp_path: Path):
    files = [("a.txt", [SENTENCE, PHRASE]), ("b.txt", [KHMER_TEXT, SHORT])]
    at_hand = Contamination.of_files(files)
    at_hand.save(tmp_path)
    saved = [Contamination.load(tmp_path) for _ in range(2)]
    texts = [f"{OTHERS}\n\n{SENTENCE}", KHMER_TEXT, SHORT, " ".join(SENTENCE.split()[:9]), OTHERS]
    expected = list(at_hand.judge(texts))
    assert [each.files for each in expected] == [(0,), (1,), (1,), (), ()]
    at_hand.count_remaining()
    for each in saved:
        assert list(each.judge(texts)) == expected
        each.count_remaining()
        assert each.counts == at_hand.counts
    assert at_hand.counts[0].found > 0


def test_a_document_that_loses_half_of_its_letters_is_kept_and_one_that_loses_more_is_not() -> None:
    letters = sum(map(str.isalnum, SENTENCE))
    for rest, is_dropped in ((letters, False), (letters - 1, True)):
        text = f"{SENTENCE}\n\n{'я' * rest}"
        (found,), counts = judged([SENTENCE], text)
        assert (found.text is None) is is_dropped
        assert counts["dropped_documents"] == is_dropped == 1 - counts["cut_documents"]
        assert found.removed == (SENTENCE,)


def test_a_paragraph_is_cut_after_its_sentences_if_it_is_longer_than_two_thousand() -> None:
    text = f"{TATAR[0]} {'я' * (1_998 - len(TATAR[0]))}."
    assert len(text) == 2_000
    assert pieces(text) == [(0, 2_000)]
    first = len(TATAR[0]) + 1
    assert pieces(f"{text}!") == [(0, first), (first, 2_001)]


def test_a_run_over_two_paragraphs_takes_both_and_one_over_two_documents_none() -> None:
    words = SENTENCE.split()
    halves = [" ".join(words[:7]), " ".join(words[7:])]
    (found,), _ = judged([SENTENCE], f"{OTHERS}\n\n{halves[0]}\n\n{halves[1]}\n\n{OTHERS}.")
    assert found.removed == tuple(halves)
    assert found.text == f"{OTHERS}\n\n{OTHERS}."
    apart, counts = judged([SENTENCE], *halves)
    assert [each.text for each in apart] == halves
    assert counts["cut_documents"] == counts["dropped_documents"] == 0
