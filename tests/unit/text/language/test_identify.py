"""How probable it is that a text is in the language of a corpus."""

from pathlib import Path

import pytest
from made_dirt import lines_of
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.text.language.identify import Identifier
from endonym.text.language.sample import learn
from endonym.text.languages import NAMES

TEXTS = Path(__file__).parents[3] / "texts"

SAMPLES = {"tt": TATAR, "km": KHMER, "ro": ROMANIAN, "fr": FRENCH, "ru": RUSSIAN}


@pytest.mark.parametrize("code", SAMPLES)
def test_votes_alone_keep_the_language_and_drop_the_others(code: str):
    identifier = Identifier(code)
    for other, lines in SAMPLES.items():
        scores = [identifier.score(line) for line in lines]
        assert all((score > 0.6) == (other == code) for score in scores), (other, scores)


@pytest.mark.parametrize("code", ["tt", "ro", "fr", "km"])
def test_a_model_of_its_own_agrees(code: str):
    learnt = learn(lines_of(code), code, {})
    assert learnt is not None
    own = Identifier(code, learnt)
    assert all(own.score(line) > 0.9 for line in SAMPLES[code])
    for other in SAMPLES.keys() - {code}:
        assert all(own.score(line) < 0.6 for line in SAMPLES[other])


def test_a_model_of_its_own_keeps_pieces_of_sentences_that_votes_do_not():
    kept = {"votes": 0, "own": 0}
    for code in ("tt", "ro", "fr"):
        lines = (TEXTS / f"{NAMES[code].lower()}.txt").read_text(encoding="utf-8").splitlines()
        pieces = [" ".join(line.split()[1:4]) for line in lines]
        identifiers = {
            "votes": Identifier(code),
            "own": Identifier(code, learn(lines_of(code), code, {})),
        }
        for name, identifier in identifiers.items():
            kept[name] += sum(identifier.score(piece) >= 0.6 for piece in pieces)
    assert kept["own"] > kept["votes"]


@pytest.mark.parametrize("text", ["", "Әйе.", "3 + 4 = 7", "— ?"])
def test_a_text_that_says_nothing_is_taken_for_the_corpus_s_own(text: str):
    assert Identifier("tt").score(text) > 0.6


def test_a_vote_counts_only_if_the_library_knows_the_language():
    identifier = Identifier("udm")
    assert identifier.score(RUSSIAN[0]) > 0.6  # nothing has been learnt, so nothing is known


def test_texts_that_were_prepared_get_the_same_scores():
    learnt = learn(lines_of("fr"), "fr", {})
    texts = [*FRENCH, *TATAR, "Ici, " * 3000]
    alone = [Identifier("fr", learnt).score(text) for text in texts]
    prepared = Identifier("fr", learnt)
    prepared.prepare(texts)
    assert [prepared.score(text) for text in texts] == pytest.approx(alone, abs=1e-4)
