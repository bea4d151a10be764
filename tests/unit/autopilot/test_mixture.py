"""What a phase reads: shares, epochs, and whether the text suffices."""

import math
from dataclasses import replace

import pytest
from pydantic import ValidationError
from toys import train_config

from endonym.autopilot.cautions import caution_of_empty
from endonym.autopilot.mixture import (
    epochs_allowed,
    facts_of_phase,
    not_held_out,
    require_enough_text,
    require_judged,
    shares_of,
    with_sources,
)
from endonym.autopilot.model_size import Facts
from endonym.errors import RecipeError
from endonym.formats.config import Source
from endonym.train.config import Phase


def facts_of(**tokens: int) -> Facts:
    """Sources of so many positions; every document has nine tokens and an end."""
    sources = {name: Facts(4 * n, n * 9 // 10, 9.0) for name, n in tokens.items()}
    total = sum(tokens.values())
    return Facts(4 * total, total * 9 // 10, 9.0, sources=sources)


FACTS = facts_of(web=100_000, books=10_000)


def source(name: str, **keys: object) -> Source:
    return Source.model_validate({"name": name, "path": "texts", **keys})


def checked(phase: Phase, steps: int, *sources: Source) -> None:
    """As in resolving: a phase of so many steps of 1,000 tokens, rows of 100."""
    config = train_config(context=100, steps=steps, batch_tokens=1000)
    configs = with_sources([phase], [config], FACTS, 100)
    require_enough_text(sources, [phase], configs, FACTS, context=100)


@pytest.mark.parametrize(
    ("temperature", "ratio"), [(None, 10.0), (1.0, 10.0), (2.0, 10**0.5), (1e9, 1.0)]
)
def test_temperature_gives_small_sources_more(temperature: float | None, ratio: float) -> None:
    shares = shares_of(Phase(sources=("web", "books"), temperature=temperature), FACTS)
    assert shares["web"] / shares["books"] == pytest.approx(ratio, rel=1e-6)
    assert sum(shares.values()) == pytest.approx(1)
    alone = Phase(temperature=temperature)
    assert temperature is None or shares_of(alone, FACTS) == shares


def test_an_epoch_reads_the_source_with_the_largest_share_once() -> None:
    found = facts_of_phase(Phase(sources={"web": 0.1, "books": 0.9}), FACTS)
    assert found.positions == pytest.approx(10_000 / 0.9, rel=1e-3)
    assert found.text_bytes == pytest.approx(4 * found.positions, rel=1e-3)
    assert found.mean_document_tokens == pytest.approx(9.0, rel=1e-2)
    for names in (("web", "books"), ("books", "web")):
        equal = Phase(sources=dict.fromkeys(names, 0.5))
        assert facts_of_phase(equal, FACTS).positions == pytest.approx(200_000, rel=1e-3)


def test_a_source_that_ends_is_named_before_training() -> None:
    phase = Phase(sources={"web": 0.1, "books": 0.9}, steps=20)
    checked(phase, 11, source("web"), source("books"))
    with pytest.raises(RecipeError, match=r"reads 18.000 .*which has 10.000") as e:
        checked(phase, 20, source("web"), source("books"))
    assert e.value.where == "phase.0.sources"
    assert "repeatable = true" in e.value.do
    assert "before it" not in str(e.value) + e.value.do
    checked(phase, 20, source("web"), source("books", repeatable=True))
    checked(phase, 20, source("web"), source("books", repeatable=2))
    with pytest.raises(RecipeError, match="at most 2 times"):
        checked(phase, 40, source("web"), source("books", repeatable=2))


def test_a_phase_that_says_epochs_may_read_its_sources_as_often_unless_one_forbids_it() -> None:
    phase = Phase(sources={"books": 1.0}, epochs=3)
    checked(phase, 30, source("books"))
    with pytest.raises(RecipeError):
        checked(phase, 30, source("books", repeatable=False))
    with pytest.raises(RecipeError):
        checked(phase, 40, source("books"))


def test_the_stream_of_a_source_goes_on_in_later_phases_and_starts_anew_from_scratch() -> None:
    phases = [
        Phase(name="one", sources={"web": 1.0}),
        Phase(name="two", sources={"web": 0.5, "books": 0.5}),
        Phase(name="three", sources={"web": 0.2, "books": 0.8}),
        Phase(name="four", sources={"web": 1.0}),
        Phase(name="five", sources={"web": 1.0}, start="scratch"),
    ]
    config = train_config(context=100, steps=10, batch_tokens=1000)
    found = with_sources(phases, [config] * 5, FACTS, 100)
    firsts = [{each.name: each.first_row for each in phase.sources} for phase in found]
    of_three = {"web": 150, "books": 50}
    assert firsts == [{"web": 0}, {"web": 100, "books": 0}, of_three, {"web": 170}, {"web": 0}]


def test_without_a_budget_a_phase_reads_four_epochs_or_as_many_as_its_sources_allow() -> None:
    phase = Phase(sources={"web": 0.5, "books": 0.5})
    given = [source("web"), source("books")]
    assert epochs_allowed(given, Phase(), FACTS, 4.0, read={}) == 4.0
    free = [source("web"), source("books", repeatable=True)]
    assert epochs_allowed(free, phase, FACTS, 4.0, read={}) == 4.0
    # An epoch is of the larger source, and reads the other one ten times.
    assert epochs_allowed(given, phase, FACTS, 4.0, read={}) == pytest.approx(0.4)
    once = [source("web"), source("books", repeatable=False)]
    assert epochs_allowed(once, phase, FACTS, 4.0, read={}) == pytest.approx(0.1)


def test_a_source_without_training_text_has_no_share_and_the_others_are_scaled() -> None:
    facts = facts_of(web=100_000, books=10_000, copies=0, marked=0)
    named = Phase(sources={"web": 0.6, "books": 0.2, "copies": 0.2})
    assert shares_of(named, facts) == pytest.approx({"web": 0.75, "books": 0.25})
    assert shares_of(Phase(temperature=1.0), facts).keys() == {"web", "books"}
    assert caution_of_empty(facts).startswith('"copies" and "marked" gave no training text')
    lost = replace(facts.sources["copies"], dropped={"min_language_score": 3})
    letter = replace(facts, sources={"web": facts.sources["web"], "хат": lost})
    assert "gave no training text (3 in another language);" in caution_of_empty(letter)
    assert not caution_of_empty(FACTS)


def test_sources_that_are_not_named_share_the_rest_by_size_and_are_read_as_often_as_it_takes():
    facts = facts_of(web=60_000, books=20_000, commands=500_000, copies=0)
    phase = Phase(sources={"commands": 0.05, "*": 0.95}, tokens=200_000)
    shares = shares_of(phase, facts)
    assert shares == pytest.approx({"commands": 0.05, "web": 0.7125, "books": 0.2375})
    assert shares_of(phase, replace(facts, sources=facts_of(web=9, commands=0).sources)) == {
        "web": 1.0
    }
    config = train_config(context=100, steps=200, batch_tokens=1000)
    configs = with_sources([phase], [config], facts, 100)
    require_enough_text([], [phase], configs, facts, context=100)
    with pytest.raises(RecipeError, match=r'of "web".* where at most 1 times'):
        require_enough_text([source("web", repeatable=1)], [phase], configs, facts, context=100)


def test_a_phase_whose_sources_are_all_without_training_text_is_refused() -> None:
    facts = facts_of(web=100_000, songs=0)
    phase = Phase(sources={"songs": 1.0}, steps=1)
    config = train_config(context=100, steps=1, batch_tokens=1000)
    configs = with_sources([phase], [config], facts, 100)
    with pytest.raises(RecipeError, match='"songs", which has no training text'):
        require_enough_text([], [phase], configs, facts, context=100)


def test_repeatable_counts_over_all_phases_since_the_last_from_scratch() -> None:
    """Each phase reads ten thousand tokens: once the books."""
    config = train_config(context=100, steps=10, batch_tokens=1000)
    books = Phase(sources={"books": 1.0}, epochs=1)

    def check_all(phases: list[Phase], repeatable: bool | int | None) -> None:
        configs = with_sources(phases, [config] * len(phases), FACTS, 100)
        given = [source("web"), source("books", repeatable=repeatable)]
        require_enough_text(given, phases, configs, FACTS, context=100)

    anew = books.model_copy(update={"start": "scratch"})
    for repeatable, most in ((False, 1), (2, 2)):
        check_all([books] * most, repeatable)
        check_all([books] * most + [anew] * 1, repeatable)
        with pytest.raises(RecipeError, match=f"{most + 1}.0 times .* at most {most} times") as e:
            check_all([books] * (most + 1), repeatable)
        assert 'of "books" with the phases before it' in str(e.value)
        assert "those before it" in e.value.do
        assert e.value.where == f"phase.{most}.sources"
    for repeatable in (None, True):
        check_all([books] * 5, repeatable)
    chat = Phase(objective="chat", data="answers.jsonl")
    check_all([books, chat, chat], repeatable=False)


def test_repeatable_counts_in_a_phase_that_reads_all_sources_together() -> None:
    phase = Phase(epochs=2)
    checked(phase, 220, source("web"), source("books"))
    checked(phase, 220, source("web"), source("books", repeatable=2))
    checked(phase, 990, source("web"), source("books", repeatable=True))
    checked(phase, 110, source("web"), source("books", repeatable=False))
    with pytest.raises(RecipeError, match=r'of "books".* 2.0 times .* at most 1 times') as e:
        checked(phase, 220, source("web"), source("books", repeatable=False))
    assert e.value.where == "phase.0"
    assert "share" not in e.value.do


def test_open_epochs_are_what_earlier_phases_left() -> None:
    phase, once = Phase(sources={"books": 1.0}), [source("books", repeatable=False)]
    assert epochs_allowed(once, phase, FACTS, 4.0, read={}) == 1.0
    assert epochs_allowed(once, phase, FACTS, 4.0, read={"books": 7_500}) == pytest.approx(0.25)
    assert epochs_allowed(once, Phase(), FACTS, 4.0, read={"books": 7_500}) == pytest.approx(0.25)
    assert epochs_allowed([source("books")], phase, FACTS, 4.0, read={"books": 7_500}) == 4.0
    # Next to nothing is left: that is refused later, by name.
    for tokens in (9_999, 10_000):
        assert epochs_allowed(once, phase, FACTS, 4.0, read={"books": tokens}) == 4.0


def test_a_temperature_near_its_bounds_gives_finite_shares() -> None:
    for temperature in (0.1, 1e9):
        shares = shares_of(Phase(temperature=temperature), facts_of(web=10**12, books=10))
        assert sum(shares.values()) == pytest.approx(1)
    for temperature in (0.001, 0.0, math.inf):
        with pytest.raises(ValidationError):
            Phase(temperature=temperature)


def test_weights_are_not_chosen_by_text_that_a_source_does_not_have() -> None:
    sources = {name: replace(each, dev_documents=0) for name, each in FACTS.sources.items()}
    sources["web"] = replace(sources["web"], dev_documents=7)
    facts = replace(FACTS, sources=sources)
    books = Phase(name="books", sources={"web": 0.1, "books": 0.9})
    require_judged([books, Phase(keep="best"), Phase(sources={"web": 1.0}, keep="best")], facts)
    for keys, key in (({"keep": "best"}, "keep"), ({"patience": 2, "keep": "last"}, "patience")):
        with pytest.raises(RecipeError, match='nothing of "books" is held out') as e:
            require_judged([Phase(), books.model_copy(update=keys)], facts)
        assert e.value.where == f"phase.1.{key}"
        assert "val_documents" in e.value.do
        require_judged([books.model_copy(update=keys)], FACTS)  # estimated: nothing is known yet
    for keep in ("last", "average"):
        require_judged([books.model_copy(update={"keep": keep})], facts)
    assert not_held_out({"books": 0.9, "web": 0.1}, facts) == '"books"'
    little = Phase(sources={"web": 0.95, "books": 0.05}, keep="best", patience=2)
    require_judged([little], facts)  # by the text that it learns most from


def test_of_named_sources_alone_a_phase_has_shares_and_without_any_reads_all_together() -> None:
    assert shares_of(Phase(), FACTS) == {}
    assert facts_of_phase(Phase(), FACTS) is FACTS
    assert shares_of(Phase(sources=("books",)), FACTS) == {"books": 1.0}
    both = facts_of(web=100_000, books=10_000, letters=20_000)
    assert set(shares_of(Phase(sources=("web", "letters")), both)) == {"web", "letters"}
