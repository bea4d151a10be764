"""Near copies, against slow and obvious measures of all pairs."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from reference.edit_distance import similarity
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies import hashes, letters
from endonym.copies.held_out import repeated
from endonym.copies.held_out.repeated import Index, kept_runs, occurrences, runs_to_search_by
from endonym.copies.letters import padded_runs, run_hashes
from endonym.script.fold import folded

WORDS = " ".join(TATAR + ROMANIAN + FRENCH).split()


def story(seed: int, words: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def edited(text: str, seed: int, edits: int) -> str:
    """A text with letters changed, taken out and put in at random positions."""
    rng, letters = random.Random(seed), list(text)
    for _ in range(edits):
        start = rng.randrange(len(letters))
        letters[start : start + rng.randrange(2)] = rng.choice(["", "а", "е", "t", "құ"])
    return "".join(letters)


def contaminated(candidates: list[str], texts: list[str]) -> list[bool]:
    index = Index.made(iter(candidates), iter(candidates + texts))
    index.compare(iter(texts))
    return index.contaminated.tolist()


def slow_runs(text: str) -> set[str]:
    text = text.ljust(13, "\0")
    return {text[start : start + 13] for start in range(len(text) - 12)}


def slow_contained(candidates: list[str], texts: list[str]) -> list[bool]:
    others = [slow_runs(text) for text in folded(texts)]
    mine = [slow_runs(text) for text in folded(candidates)]
    return [any(len(runs & other) * 2 > len(runs) for other in others) for runs in mine]


def slow_similarity(candidates: list[str], texts: list[str]) -> list[float]:
    others = folded(texts)
    return [max(similarity(text, other) for other in others) for text in folded(candidates)]


@pytest.mark.parametrize(
    ("batch_chars", "max_pairs"), [(20, 1), (300, 50), (1 << 18, 1), (1 << 18, 1 << 20)]
)
def test_a_slow_count_agrees(monkeypatch: pytest.MonkeyPatch, batch_chars: int, max_pairs: int):
    monkeypatch.setattr(letters, "BATCH_CHARS", batch_chars)
    monkeypatch.setattr(hashes, "MAX_PAIRS", max_pairs)
    monkeypatch.setattr(repeated, "SIMILARITY", 1.0)
    candidates = [story(seed, 12) for seed in range(30)] + ["Ә", "Әйе.", TATAR[0]]
    texts = [story(seed, 40) for seed in range(100, 130)]
    texts += [story(seed, 7) + " " + story(seed + 500, 5) for seed in range(0, 30, 3)]
    texts += [candidates[1].upper() + " Yes.", "әйе!", KHMER[0]]
    expected = slow_contained(candidates, texts)
    assert contaminated(candidates, texts) == expected
    assert 3 < sum(expected) < 30


@pytest.mark.parametrize("batch_chars", [20, 1 << 18])
def test_similar_is_what_edit_distance_finds(monkeypatch: pytest.MonkeyPatch, batch_chars: int):
    monkeypatch.setattr(letters, "BATCH_CHARS", batch_chars)
    sentences = [*TATAR, *ROMANIAN, *FRENCH, *KHMER, *(story(seed, 5) for seed in range(10))]
    candidates = [*sentences, "Әйе.", "Юк шул."]
    texts = [edited(text, seed, len(text) * seed // 60) for seed, text in enumerate(sentences)]
    texts += ["Әйе!", "Юк бит.", *(story(seed, 6) for seed in range(50, 60))]
    best = slow_similarity(candidates, texts)
    found = contaminated(candidates, texts)
    contains = slow_contained(candidates, texts)
    for text, is_found, likeness, contained in zip(candidates, found, best, contains, strict=True):
        assert is_found == (likeness >= 0.7 or contained), (text, likeness)
    assert 8 < sum(likeness >= 0.7 for likeness in best) < 22


def test_seven_tenths_are_similar_and_less_is_not():
    ten = "абвгдежзик"
    assert contaminated([ten], ["абвгдеж123"]) == [True]
    assert contaminated([ten], ["абвгде1234"]) == [False]
    assert contaminated([ten], [ten[:7]]) == contaminated([ten[:7]], [ten]) == [True]
    assert contaminated([ten], [ten[:6]]) == contaminated([ten[:6]], [ten]) == [False]


def test_exactly_half_is_not_more_than_half(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repeated, "SIMILARITY", 1.0)
    assert contaminated(["abcdefghijklmn"], ["abcdefghijklm"]) == [False]
    assert contaminated(["abcdefghijklmno"], ["abcdefghijklmn"]) == [True]


def test_the_order_of_texts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repeated, "MAX_COMPARED_TEXTS", 20)
    candidates = [story(seed, 8) for seed in range(80)]
    texts = [edited(story(seed, 8), seed, seed // 4) for seed in range(0, 80, 2)]
    texts += [story(seed, 8) for seed in range(200, 300)]
    expected = contaminated(candidates, texts)
    assert 10 < sum(expected) < 60
    for seed in range(2):
        order = random.Random(seed).sample(range(80), 80)
        others = random.Random(seed).sample(texts, len(texts))
        moved = contaminated([candidates[i] for i in order], others)
        assert moved == [expected[i] for i in order]


def test_a_candidate_is_searched_by_its_rarest_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repeated, "MAX_COMPARED_TEXTS", 30)
    frame = "Бүген кич белән "
    texts = folded([frame + story(seed, 3) for seed in range(400)])
    counters = occurrences(texts)
    rare, owners = runs_to_search_by(texts, counters)
    counts = counters[repeated.counter_of(rare)].astype(np.int64) - 1
    assert counts.min() > 0
    assert 10 < np.bincount(owners, counts).max() <= 30
    assert not np.isin(rare, run_hashes(*folded([frame]), repeated.SHORT)).any()


@pytest.mark.parametrize(("size", "most"), [(50, 2_000), (100, 2_000), (160, 1_250), (400, 500)])
def test_a_long_candidate_is_compared_with_fewer_texts(size: int, most: int):
    text = "".join(random.Random(size).choices("абвгдежзийклмнопрстуфхцчшщъыьэюя", k=size))
    counters = np.full(1 << repeated.COUNTER_BITS, 101, dtype=np.uint32)  # 100 times elsewhere
    _, owners = runs_to_search_by([text[:9] * 2, text], counters)
    assert np.bincount(owners).tolist() == [9 + 2 * 5, min(size + 5, most // 100)]


def test_a_footer_on_every_page_leads_to_few_pairs():
    footer = " Барлык хокуклар якланган, күчереп бастырганда сылтама кирәк."
    pages = folded([story(seed, 20) + footer for seed in range(201)])
    postings = Index.made(pages[:100], pages).contained.postings
    found = postings.find(*next(padded_runs(pages[100:], repeated.LONG)))
    assert sum(len(owners) for _, owners in postings.pairs(found)) < 1_000


def test_a_run_that_occurs_nowhere_else_is_not_searched_for():
    rare, _ = runs_to_search_by(folded(["Кояш чыкты."]), occurrences(["Кояш чыкты.", "Җил исә."]))
    assert len(rare) == 0


def test_a_long_text_is_known_by_about_two_thousand_runs():
    (text,) = folded([story(1, 40_000)])
    assert 500 < len(kept_runs(text)) < 4_000
    assert len(kept_runs("a" * 100_000)) == 1


def test_a_long_near_copy_is_found_and_another_long_text_is_not():
    book = story(1, 20_000)
    copy = book.replace(" күл ", " диңгез ").upper()
    assert contaminated([book], [copy]) == [True]
    assert contaminated([book], [" ".join(random.Random(2).sample(book, len(book)))]) == [False]


def test_a_page_is_compared_letter_by_letter_and_a_book_is_not():
    page, book = story(1, 300), story(1, 3_000)
    assert contaminated([page], [edited(page, 1, len(page) // 9)]) == [True]
    assert len(book) > 1.3 * repeated.MAX_LETTERS
    assert contaminated([book], [edited(book, 1, len(book) // 9)]) == [False]


def test_texts_without_letters_are_compared_as_they_stand():
    assert contaminated(["…", "?!", ""], ["… ", "Кар."]) == [True, False, False]


def test_the_overlap_is_the_share_of_runs_that_stand_in_the_texts_compared():
    candidates = ["abcdefghijklmnop", "Кояш чыкты, көн җылы.", "Кар яуды."]
    index = Index.made(candidates, candidates)
    index.compare(["Кар яуды.", "abcdefghijklmn 123456789", "Карда эз бар."])
    assert index.contaminated.tolist() == [False, False, True]
    assert index.contained.overlap(np.array([0])) == 2 / 4
    assert index.contained.overlap(np.array([0, 1])) == 2 / 8
    assert index.contained.overlap(np.array([1])) == 0.0
    assert index.contained.overlap(np.array([], dtype=np.int64)) == 0.0


def test_what_two_copies_of_an_index_saw_covers_a_page_together():
    page = " ".join(story(seed, 12) for seed in range(8))
    lines = [story(seed, 12) for seed in range(8)]
    whole = Index.made(iter([page]), iter([page, *lines]))
    for some in (lines[:4], lines[4:]):
        copy = Index.made(iter([page]), iter([page, *lines]))
        copy.compare(iter(some))
        whole.add(*copy.found())
    assert not whole.contaminated.any()
    whole.judge_covered()
    assert whole.contaminated.all()


def test_no_candidates_is_no_work():
    def never() -> Iterator[str]:
        raise AssertionError
        yield ""

    Index.made([], TATAR).compare(never())


def test_what_two_texts_hold_is_not_held_by_the_second() -> None:
    text = story(5, 30)
    (letters,) = folded([text])
    half = len(letters) // 2
    index = Index.made([text], [text, text])
    index.compare([letters[:half], letters[half:]])
    assert not index.contaminated.any()
    index.compare([letters])
    assert index.contaminated.all()
