"""Words are found wrong where the text gets likelier by a near word; other languages are not."""

import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.commands.proofread import THRESHOLD, fitted
from endonym.corpus.corpus import Corpus
from endonym.evaluate.planted_errors import Found, best_threshold, planted
from endonym.generate import proofread
from endonym.generate.language_model import LanguageModel
from endonym.generate.proofread import MOST_UNKNOWN, Proofreader
from endonym.lexicon.edits import COSTS
from endonym.lexicon.known_words import KnownWords

TATAR = [
    "Күрше әби иртән базарга барды һәм җиләк алды.",
    "Балалар урманда гөмбә һәм җиләк җыялар.",
    "Яңгырдан соң урманда һава саф була.",
    "Без иртән мәктәпкә барабыз, ә кич белән китап укыйбыз.",
]
KHMER = ["ស្ត្រីនោះទៅផ្សារ។", "ស្ត្រីនៅក្នុងផ្ទះ។", "ស្ត្រីនោះមានផ្ទះ។"]
FRENCH = "Le renard et la cigogne se rencontrent un matin au bord de la rivière."
KNOWN_NATS, OTHER_NATS = 0.05, 3.0


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    """A model that knows the sentences above: a byte is likely behind three others if they have
    such four."""
    tokenizer = toy_tokenizer("byte")
    seen = set[bytes]()
    for text in [*TATAR, *KHMER]:
        data = b"   " + text.encode()
        seen |= {data[n : n + 4] for n in range(len(data))}

    def nats(
        _: object, rows: Sequence[NDArray[np.int64]], __: int
    ) -> Iterator[NDArray[np.float64]]:
        for row in rows:
            data = b"   " + b"".join(tokenizer.bytes_of(int(each)) for each in row)
            fours = [data[n : n + 4] for n in range(len(row))]
            yield np.array([KNOWN_NATS if each in seen else OTHER_NATS for each in fours])

    monkeypatch.setattr(proofread, "read_nats", nats)
    return LanguageModel(lively_decoder(toy_config("qwen3", vocab=tokenizer.vocab)), tokenizer)


def reader(model: LanguageModel, threshold: float = 4.0) -> Proofreader:
    return Proofreader(model, KnownWords.of_texts(TATAR, "tt"), threshold)


def test_a_wrong_word_is_found_with_its_place_and_the_right_word_first(
    learnt: LanguageModel,
) -> None:
    text = "\n\nБалалар урманда гөмбә һәм жилэк җыялар.\nЯнгырдан соң урманда һава саф була."
    found = reader(learnt).check(text)
    assert [each.word for each in found] == ["жилэк", "Янгырдан"]
    assert [text[each.begin : each.end] for each in found] == ["жилэк", "Янгырдан"]
    assert [each.corrections[0].word for each in found] == ["җиләк", "Яңгырдан"]


def test_right_text_and_text_without_words_are_left_alone(learnt: LanguageModel) -> None:
    read = reader(learnt)
    assert read.check("\n".join(TATAR)) == []
    for text in ("", "\n \n", "1234 + 5", "\x00\x07", "а" * 500, "https://example.org/жилэк"):
        assert read.check(text) == [], text


def test_a_correction_is_worth_the_bits_that_it_saves_less_the_cost_of_the_error(
    learnt: LanguageModel,
) -> None:
    text = TATAR[1].replace("җиләк", "жилэк")
    rows = learnt.tokenizer.encode_many([text, TATAR[1]])
    wrong, right = (sum(each) / math.log(2) for each in proofread.read_nats(None, rows, [0]))  # type: ignore[arg-type]
    (found,) = reader(learnt).check(text)
    assert found.corrections[0].bits == pytest.approx(wrong - right - 2 * COSTS["look_alike"])


def test_a_threshold_says_how_sure_it_must_be(learnt: LanguageModel) -> None:
    text = TATAR[1].replace("җиләк", "жилэк")
    (found,) = reader(learnt).check(text)
    worth = found.corrections[0].bits
    assert reader(learnt, worth + 0.01).check(text) == []


def test_a_line_in_another_language_is_not_judged_and_is_counted(learnt: LanguageModel) -> None:
    text = f"{TATAR[1].replace('җиләк', 'жилэк')}\n{FRENCH}"
    found, unchecked = reader(learnt).check_known(text)
    assert ([each.word for each in found], unchecked) == (["жилэк"], 1)
    assert reader(learnt).check_known("\n".join([FRENCH, FRENCH])) == ([], 2)


def test_latin_letters_are_found_in_a_word_that_the_texts_have_not() -> None:
    words = KnownWords.of_texts(TATAR, "tt")
    assert words.near("б\u0061лык", 5)[0].word == "балык"  # the second letter is Latin


def test_khmer_is_checked_letter_by_letter_with_its_signs(learnt: LanguageModel) -> None:
    words = KnownWords.of_texts(KHMER, "km", has_blanks=False)
    wrong = KHMER[0].replace("ស្ត្រី", "ស្រ្តី")
    (found,) = Proofreader(learnt, words, 4.0).check(wrong)
    assert (found.word, found.corrections[0].word) == ("ស្រ្តី", "ស្ត្រី")


def test_errors_are_planted_where_they_are_said_to_be_and_always_the_same() -> None:
    words = KnownWords.of_texts(TATAR, "tt")
    text = "\n".join(TATAR * 10)
    wrong = planted(text, words, seed=3)
    assert wrong == planted(text, words, seed=3)
    assert 5 < len(wrong.errors) < wrong.words / 8
    right = list(wrong.text)
    for (begin, end), error in sorted(wrong.errors.items(), reverse=True):
        assert wrong.text[begin:end] != error.meant
        right[begin:end] = error.meant
    assert "".join(right) == text


def test_a_threshold_is_chosen_between_errors_and_right_words(learnt: LanguageModel) -> None:
    read = reader(learnt, threshold=math.inf)
    texts = [planted("\n".join(TATAR * 5), read.words, seed=seed) for seed in range(2)]
    read.threshold = best_threshold(read, texts)
    found = Found()
    for each in texts:
        found.add(each, read.check(each.text))
    precision, recall = found.figures()["precision"], found.figures()["recall"]
    assert precision is not None
    assert precision[0] > 0.95
    assert recall is not None
    assert recall[0] > 0.5


@pytest.mark.parametrize(
    ("bits_of_byte", "looked_at"),
    [(1.4, []), (1.6, ["алдо"]), (2.4, ["алдо"]), (2.6, ["алды", "алдо"])],
)
def test_words_are_looked_at_from_12_bits_on_and_known_ones_from_20(
    learnt: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    bits_of_byte: float,
    looked_at: list[str],
) -> None:
    """A word of four Cyrillic letters has eight bytes."""

    def nats(_: Any, rows: Sequence[NDArray[np.int64]], __: int) -> list[NDArray[np.float64]]:
        return [np.full(len(row), bits_of_byte * math.log(2)) for row in rows]

    monkeypatch.setattr(proofread, "read_nats", nats)
    read = Proofreader(learnt, KnownWords.of_list({"алды": 3, "алда": 2}, "tt"), 4.0)
    (found,) = read.judge_many(["алды алдо"])
    assert [each.word for each in found] == looked_at


def test_the_model_reads_the_five_best_candidates_of_a_word(learnt: LanguageModel) -> None:
    text = TATAR[1].replace("җиләк", "жилэк")
    frequent = dict.fromkeys(("жиләк", "җилэк", "жылэк", "жилэг"), 10**9)
    for more, is_read in (({}, True), ({"жилэн": 10**9}, False)):
        words = KnownWords.of_list({"җиләк": 3} | frequent | more, "tt")
        near = [each.word for each in words.near("жилэк", 10)]
        assert near.index("җиләк") == len(frequent | more)
        (found,) = Proofreader(learnt, words, 4.0).judge_many([text])
        corrections = [c.word for each in found if each.word == "жилэк" for c in each.corrections]
        assert ("җиләк" in corrections) is is_read


class Halves:
    """A corpus of train and dev texts."""

    def __init__(self, train: list[str], dev: list[str]) -> None:
        self.texts = {"train": train, "dev": dev}

    def documents(self, half: str) -> Iterator[Any]:
        """Documents with a text each."""
        return (SimpleNamespace(text=text) for text in self.texts[half])


def fitted_to(model: LanguageModel, dev: list[str]) -> Proofreader:
    return fitted(model, cast(Corpus, Halves(TATAR, dev)), "tt")


def test_a_threshold_is_chosen_if_there_is_development_text(learnt: LanguageModel) -> None:
    without = fitted_to(learnt, [])
    assert (without.threshold, without.most_unknown) == (THRESHOLD, MOST_UNKNOWN)
    chosen = fitted_to(learnt, ["\n".join(TATAR * 20)])
    assert chosen.threshold != THRESHOLD
    right = [each.corrections[0].bits for each in chosen.judge_many(TATAR)[0]]
    assert chosen.threshold > max(right, default=-math.inf)
    assert chosen.most_unknown == MOST_UNKNOWN, "nearly all words of this text are known"


def test_a_text_is_in_another_language_from_the_middle_between_development_text_and_all(
    learnt: LanguageModel,
) -> None:
    half_known = "китап чәчәк " * 10
    read = fitted_to(learnt, [half_known])
    assert read.most_unknown == (1 + 0.5) / 2
    assert read.check_known(half_known)[1] == 0
    assert read.check_known("китап чәчәк кояш йолдыз дулкын " * 10)[1] == 1
