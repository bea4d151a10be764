"""How probable it is that a text is in the language of a corpus."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from made_dirt import lines_of
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.cleaning.language.identify import PRIOR_ODDS, Identifier
from endonym.cleaning.language.sample import learn
from endonym.cleaning.language.votes import Vote
from endonym.script.languages import NAMES

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


def test_a_text_that_is_repeated_is_no_surer_evidence():
    mixed = " ".join([*" ".join(TATAR[:3]).split()[:12], *" ".join(RUSSIAN[:3]).split()[:8], ""])
    few, many = Identifier("tt", learn(lines_of("tt"), "tt", {})).own_odds([mixed * 10, mixed * 40])
    assert many == pytest.approx(few, abs=0.3)
    assert abs(many) < 1.5  # as sure as can be is 2


def test_texts_that_were_prepared_get_the_same_scores():
    learnt = learn(lines_of("fr"), "fr", {})
    texts = [*FRENCH, *TATAR, "Ici, " * 3000]
    alone = [Identifier("fr", learnt).score(text) for text in texts]
    prepared = Identifier("fr", learnt)
    prepared.prepare(texts)
    assert [prepared.score(text) for text in texts] == pytest.approx(alone, abs=1e-4)


def test_a_short_text_in_letters_that_the_language_has_not_is_no_text_of_it():
    learnt = learn(lines_of("tt"), "tt", {})
    own = Identifier("tt", learnt)
    assert all(own.score(text) < 0.6 for text in ("نعم، هنا", "បាទ ចាស", "Oui, oui."))
    assert all(own.score(text) > 0.6 for text in ("Әйе.", "Юк инде.", "123", "— ?", ""))
    assert own.odds(["نعم", "", "Әйе."])[0] < 0


def test_without_texts_of_a_neighbour_the_model_does_not_outvote_libraries_that_name_it(
    monkeypatch: pytest.MonkeyPatch,
):
    learnt = learn(lines_of("tt"), "tt", {})
    own = Identifier("tt", learnt)
    text = TATAR[0][:40]
    assert own.score(text) > 0.6

    def says(code: str, probability: float) -> Callable[[str], Vote]:
        return lambda _: Vote(code, probability)

    monkeypatch.setattr("endonym.cleaning.language.identify.cld2_vote", says("ba", 0.95))
    monkeypatch.setattr("endonym.cleaning.language.identify.langid_vote", says("kk", 0.3))
    assert own.score(text) < 0.6
    monkeypatch.setattr("endonym.cleaning.language.identify.langid_vote", says("tt", 0.9))
    assert own.score(text) > 0.6  # one library names the language: the model decides


def test_the_votes_about_a_short_text_count_by_its_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def says(_: str) -> Vote:
        return Vote("fr", 0.9)

    monkeypatch.setattr("endonym.cleaning.language.identify.cld2_vote", says)
    monkeypatch.setattr("endonym.cleaning.language.identify.langid_vote", says)
    own = Identifier("fr")
    letters = "".join(each for each in FRENCH[0] if each.isalpha())
    nine, ten, half, whole, more = own.odds([letters[:n] for n in (9, 10, 15, 30, 40)])
    one = math.log(0.9 / 0.1)
    assert nine == PRIOR_ODDS
    assert ten == pytest.approx(PRIOR_ODDS + 2 * one / 3)
    assert half == pytest.approx(PRIOR_ODDS + one)
    assert whole == more == pytest.approx(PRIOR_ODDS + 2 * one)
    against = Identifier("ro").odds([letters[:15]])[0]
    assert against == pytest.approx(PRIOR_ODDS - one)
