"""How probable it is that a text, or each line of one, is in a language."""

import functools
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_dirt import lines_of
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.cleaning.language import identify
from endonym.cleaning.language.identify import MOST_OTHERS, Identifier, likeliest, other_language
from endonym.cleaning.language.sample import learn
from endonym.cleaning.language.votes import Vote, cld2_vote, langid_vote
from endonym.script.languages import NAMES

TEXTS = Path(__file__).parents[3] / "texts"

learnt_from = functools.cache(lambda code: learn(lines_of(code), code, {}))
SAMPLES = {"tt": TATAR, "km": KHMER, "ro": ROMANIAN, "fr": FRENCH, "ru": RUSSIAN}


@pytest.mark.parametrize("code", SAMPLES)
def test_votes_alone_keep_the_language_and_drop_the_others(code: str):
    identifier = Identifier(f"{code}-XX")
    for other, lines in SAMPLES.items():
        scores = [identifier.score(line) for line in lines]
        assert all((score > 0.6) == (other == code) for score in scores), (other, scores)


@pytest.mark.parametrize("code", ["tt", "ro", "fr", "km"])
def test_a_model_of_its_own_agrees(code: str):
    learnt = learnt_from(code)
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
        identifiers = {"votes": Identifier(code), "own": Identifier(code, learnt_from(code))}
        for name, identifier in identifiers.items():
            kept[name] += sum(identifier.score(piece) >= 0.6 for piece in pieces)
    assert kept["own"] > kept["votes"]


@pytest.mark.parametrize("text", ["", "Әйе.", "3 + 4 = 7", "— ?"])
def test_a_text_that_says_nothing_is_taken_for_the_corpus_s_own(text: str):
    assert Identifier("tt").score(text) > 0.6
    assert Identifier("udm").score(RUSSIAN[0]) > 0.6  # no library knows the language


def test_a_text_that_is_repeated_is_no_surer_evidence():
    mixed = " ".join([*" ".join(TATAR[:3]).split()[:12], *" ".join(RUSSIAN[:3]).split()[:8], ""])
    few, many = Identifier("tt", learnt_from("tt")).own_odds([mixed * 10, mixed * 40])
    assert many == pytest.approx(few, abs=0.3)
    assert abs(many) < 1.5  # as sure as can be is 2


def test_texts_that_were_prepared_get_the_same_scores():
    learnt = learnt_from("fr")
    texts = [*FRENCH, *TATAR, "Ici, " * 3000]
    alone = [Identifier("fr", learnt).score(text) for text in texts]
    prepared = Identifier("fr", learnt)
    prepared.prepare(texts)
    assert [prepared.score(text) for text in texts] == pytest.approx(alone, abs=1e-4)


def test_a_short_text_in_letters_that_the_language_has_not_is_no_text_of_it():
    learnt = learnt_from("tt")
    own = Identifier("tt", learnt)
    assert all(own.score(text) < 0.6 for text in ("نعم، هنا", "បាទ ចាស", "Oui, oui.", "不是"))
    assert all(own.score(text) > 0.6 for text in ("Әйе.", "Юк инде.", "123", "— ?", ""))
    assert own.odds(["نعم", "", "Әйе."])[0] < 0
    assert own.own_odds([TATAR[0], FRENCH[0], "Әйе."]) == [2, -6, 0]


def test_without_texts_of_a_neighbour_libraries_are_not_outvoted(monkeypatch: pytest.MonkeyPatch):
    learnt = learnt_from("tt")
    own = Identifier("tt", learnt)
    text = TATAR[0][:40]
    assert own.score(text) > 0.6

    def says(code: str, probability: float) -> Callable[[str], Vote]:
        return lambda _: Vote(code, probability)

    monkeypatch.setattr("endonym.cleaning.language.identify.langid_vote", says("kk", 0.3))
    monkeypatch.setattr("endonym.cleaning.language.identify.cld2_vote", says("ba", 0.79))
    assert own.score(text) > 0.6  # that is not sure
    monkeypatch.setattr("endonym.cleaning.language.identify.cld2_vote", says("ba", 0.95))
    assert own.score(text) < 0.6
    assert Identifier("tt", learn(lines_of("tt"), "tt", {"ru": RUSSIAN * 20})).score(text) > 0.6
    monkeypatch.setattr("endonym.cleaning.language.identify.langid_vote", says("tt", 0.9))
    assert own.score(text) > 0.6  # one library names the language: the model decides


def test_the_votes_about_a_short_text_count_by_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(_: str) -> Vote:
        return Vote("fr", 0.9)

    monkeypatch.setattr("endonym.cleaning.language.identify.cld2_vote", says)
    monkeypatch.setattr("endonym.cleaning.language.identify.langid_vote", says)
    own = Identifier("fr")
    letters = "".join(each for each in FRENCH[0] if each.isalpha())
    nine, ten, half, whole, more = own.odds([letters[:n] for n in (9, 10, 15, 30, 40)])
    one, prior = math.log(0.9 / 0.1), math.log(1 / MOST_OTHERS - 1)
    assert nine == prior
    assert ten == pytest.approx(prior + 2 * one / 3)
    assert half == pytest.approx(prior + one)
    assert whole == more == pytest.approx(prior + 2 * one)
    against = Identifier("ro").odds([letters[:15]])[0]
    assert against == pytest.approx(prior - one)
    monkeypatch.setattr(identify, "cld2_vote", lambda _: Vote("fr", 0.97))  # enough alone
    assert own.odds([letters]) == pytest.approx([prior + math.log(0.97 / 0.03)])


def test_a_library_has_no_say_about_languages_that_it_does_not_know():
    """py3langid knows Amharic and no Tigrinya, and takes all of it for Amharic."""
    tigrinya = "ብመንጽር ክብርን መሰልን ኩሎም ሰባት እንትውለዱ ነፃን ማዕሪን እዮም።"
    assert (cld2_vote(tigrinya).code, langid_vote(tigrinya).code) == ("ti", "am")
    assert Identifier("am").score(tigrinya) < 0.2
    assert Identifier("am").score("የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።") > 0.9
    assert Identifier("ti").score(tigrinya) > 0.9


def test_a_short_sentence_is_foreign_the_sooner_the_more_of_the_corpus_is():
    clean, dirty = (
        Identifier("tt", replace(learnt_from("tt"), others=share)) for share in (0.0, 0.3)
    )
    told_wrong = ("Рәхәтләнеп көлдек.", "Хөрмәтле райондашлар!", "Курыккан эт кырга чыкмас.")
    for text in told_wrong:
        assert clean.score(text) > dirty.score(text)
        assert clean.score(text) > 0.2
    assert min(map(dirty.score, told_wrong)) < 0.2
    assert max(map(dirty.score, ("Меня там не было!", "Мы опять опоздали."))) < 0.2
    assert clean.score("Вчера вечером шёл дождь.") < 0.2


def test_for_each_text_found_in_another_language_there_are_more():
    """A tenth of a corpus was found to be foreign: a short text of a neighbour must not be kept
    because of what most of the corpus is in."""
    own = learnt_from("tt")
    shares = (0.0, 0.01, 0.03, 0.09, 0.2)
    priors = [Identifier("tt", replace(own, others=share)).prior for share in shares]
    taken = [1 / (1 + math.exp(prior)) for prior in priors]
    assert taken == pytest.approx([0.05, 0.05, 0.09, MOST_OTHERS, MOST_OTHERS])


def weight(odds: list[float], states: tuple[bool, ...]) -> float:
    """The log-probability of a sequence of states, the obvious way."""
    fit = sum(-each / 2 if other else each / 2 for each, other in zip(odds, states, strict=True))
    return fit - identify.SWITCH_ODDS * sum(one != two for one, two in itertools.pairwise(states))


def test_the_likeliest_sequence_is_that_of_all_sequences():
    draw = random.Random(3)
    for _ in range(200):
        odds = [draw.uniform(-6, 6) for _ in range(draw.randrange(1, 9))]
        best = max(
            itertools.product((False, True), repeat=len(odds)), key=lambda s: weight(odds, s)
        )
        assert tuple(likeliest(odds)) == best


def test_taking_the_others_out_changes_nothing_about_the_rest():
    draw = random.Random(4)
    for _ in range(500):
        odds = [draw.uniform(-6, 6) for _ in range(draw.randrange(1, 30))]
        left = [each for each, other in zip(odds, likeliest(odds), strict=True) if not other]
        assert not any(likeliest(left))


def test_a_short_line_goes_with_its_neighbours():
    assert likeliest([6.0, -1.0, 6.0]) == [False, False, False]
    assert likeliest([-6.0, 1.0, -6.0]) == [True, True, True]
    assert likeliest([]) == []


def test_paragraphs_of_two_languages_are_told_apart_by_votes_alone():
    lines = [TATAR[0], TATAR[1], RUSSIAN[0], RUSSIAN[1], "", TATAR[2], FRENCH[0], TATAR[3]]
    found = other_language(lines, Identifier("tt"))
    assert [n for n, is_other in enumerate(found) if is_other and lines[n]] == [2, 3, 6]


@pytest.mark.parametrize("title", ["DE PROFUNDIS CLAMAVI", "LA CLOCHE FELEE", "A UNE DAME CREOLE"])
def test_a_title_in_capitals_goes_with_its_text(title: str):
    identifier = Identifier("fr", learnt_from("fr"))
    assert other_language([title, *FRENCH[:3]], identifier) == [False] * 4
    assert other_language([*RUSSIAN[:2], title, *RUSSIAN[2:4]], identifier) == [True] * 5


def test_a_long_paragraph_in_capitals_is_judged():
    lines = [*TATAR[:2], " ".join(RUSSIAN[:3]).upper(), *TATAR[2:4]]
    assert other_language(lines, Identifier("tt")) == [False, False, True, False, False]
