"""The model of letters that tells languages apart."""

import numpy as np
import pytest
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


def test_a_model_comes_back_from_its_arrays(model: CharacterModel):
    again = CharacterModel.of_arrays(model.codes, model.arrays())
    assert np.array_equal(again.likelihoods(TATAR)[0], model.likelihoods(TATAR)[0])


def test_a_class_without_text_takes_nothing(model: CharacterModel):
    with_empty = CharacterModel({"tt": lines_of("tt"), "xx": []})
    assert all(with_empty.likelihoods(TATAR)[0].argmax(axis=1) == 0)
