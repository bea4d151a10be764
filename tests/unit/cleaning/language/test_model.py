"""The model of letters that tells languages apart."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import regex
from made_dirt import lines_of
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.cleaning.language.model import CharacterModel, coded

LANGUAGES = {"tt": TATAR, "ro": ROMANIAN, "fr": FRENCH, "km": KHMER}


@pytest.fixture(scope="module")
def model() -> CharacterModel:
    return CharacterModel({code: lines_of(code) for code in LANGUAGES})


def test_letters_are_folded_and_signs_are_one_space():
    codes, owner = coded(["Ә, 12 Ө!", "បាន\u200bទៅ", ""])
    texts = ["".join(chr(c) for c in codes[owner == n]) for n in range(3)]
    assert texts == [" ә ө ", " បានទៅ ", " "]


@pytest.mark.parametrize("code", LANGUAGES)
def test_unseen_sentences_are_likeliest_in_their_language(code: str, model: CharacterModel):
    likely, letters = model.likelihoods(LANGUAGES[code])
    assert [model.codes[best] for best in likely.argmax(axis=1)] == [code] * len(likely)
    assert all(letters > 20)


def test_a_language_without_texts_is_likeliest_by_the_background(model: CharacterModel):
    for text in (*RUSSIAN, "Ὁ ἥλιος ἀνέτειλεν ἐπὶ τὰ ὄρη.", "해가 산 위로 떠올랐다."):
        likely, _ = model.likelihoods([text])
        assert likely[0].argmax() == len(model.codes), text


def test_many_texts_at_once_give_what_each_gives_alone(model: CharacterModel):
    texts = [*TATAR, "", *KHMER, "12", *FRENCH * 200]
    together, letters = model.likelihoods(texts)
    for number in (0, len(TATAR), len(TATAR) + 2, len(texts) - 1):
        alone, count = model.likelihoods([texts[number]])
        assert np.allclose(together[number], alone[0], rtol=1e-4, atol=1e-3)
        assert letters[number] == count[0]
    assert model.likelihoods([])[0].shape == (0, 5)


def slow_likelihoods(texts: list[str], text: str) -> tuple[float, float]:
    """In a class of these texts, and in the background: as the module describes it."""

    def groups(text: str) -> list[list[str]]:
        plain = regex.sub(r"[^\p{L}\p{M}]+", " ", f" {text} ".lower())
        return [[plain[max(0, n - at) : n + 1] for n in range(len(plain))] for at in range(4)]

    counts = [Counter(itertools.chain(*each)) for each in zip(*map(groups, texts), strict=True)]
    alphas = [len(count) / (count.total() + len(count)) for count in counts]

    def seen(at: int, group: str) -> float:
        return (1 - alphas[at]) * counts[at][group] / counts[at].total()

    alone = [0.7 * seen(0, letter) + 0.3 / 200 for letter in groups(text)[0]]
    pairs = [seen(1, pair) / (seen(0, pair[0]) or 1) for pair in groups(text)[1]]
    after = [0.7 * min(1, pair) + 0.3 * each for pair, each in zip(pairs, alone, strict=True)]
    own = background = 0.0
    for at, some in enumerate(groups(text)):
        for n, group in enumerate(some):
            chain = alone[max(0, n - at)] * math.prod(after[max(0, n - at) + 1 : n + 1])
            own += math.log(max(seen(at, group), alphas[at] * chain)) / 4
            background += math.log(chain) / 4
    return own, background


@pytest.mark.parametrize("text", [TATAR[0], RUSSIAN[0], "Әйе, 3 төн! Oui.", ""])
def test_a_text_is_as_likely_as_a_slow_count_says(text: str):
    (found,), (letters,) = CharacterModel({"tt": TATAR[1:]}).likelihoods([text])
    assert found == pytest.approx(slow_likelihoods(TATAR[1:], text), rel=1e-4)
    assert letters == sum(map(str.isalpha, text))


def test_a_model_comes_back_from_its_arrays(model: CharacterModel):
    again = CharacterModel.of_arrays(model.codes, model.arrays())
    assert np.array_equal(again.likelihoods(TATAR)[0], model.likelihoods(TATAR)[0])


def test_a_class_without_text_takes_nothing(model: CharacterModel):
    with_empty = CharacterModel({"tt": lines_of("tt"), "xx": []})
    assert all(with_empty.likelihoods(TATAR)[0].argmax(axis=1) == 0)
