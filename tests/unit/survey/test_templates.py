"""Sources that a program filled in: told from lists of sentences, and weighed down."""

import pytest
import regex
from made_dirt import commands, fables

from endonym.survey.templates import LEAST_TEXTS, MOST_REPEATED, SHARE, mixture, repeated


def test_commands_that_a_program_filled_in_stand_in_each_other() -> None:
    assert repeated(commands(1_500)) > MOST_REPEATED
    weather = [
        f"Иртәгә {town} {day}, температура {degrees} градус булачак."
        for town in ("Казанда", "Чаллыда", "Әлмәттә", "Арчада", "Буада", "Кукмарада")
        for day in ("кояшлы көн", "яңгырлы көн", "болытлы көн", "карлы көн")
        for degrees in range(-5, 5)
    ]
    assert repeated(weather) > MOST_REPEATED


@pytest.mark.parametrize("language", ["tt", "km", "ro", "fr"])
def test_sentences_do_not_though_copies_and_boilerplate_are_among_them(language: str) -> None:
    lines = regex.findall(r"[^.!?។\n]{9,}[.!?។]", "\n".join(fables(language)))
    pages = [f"{line}\nБар хокуклар да якланган, күчереп басу рөхсәт ителми." for line in lines]
    assert len(lines) > LEAST_TEXTS
    for texts in (lines, lines * 3, pages):
        assert repeated(texts) < MOST_REPEATED / 2


def test_few_or_long_texts_are_not_judged() -> None:
    assert repeated(commands(60)) == 0
    assert (
        repeated([f"{text} {text} {number}" for number in range(80) for text in fables("tt")[:2]])
        == 0
    )


def test_all_templates_together_get_a_small_share_and_the_rest_goes_by_size() -> None:
    shares = mixture(
        {"prose": 600, "list": 200, "commands": 300, "weather": 100}, {"commands", "weather"}
    )
    assert shares == {"commands": 0.0375, "weather": 0.0125, "*": 1 - SHARE}
    assert mixture({"prose": 990, "commands": 10}, {"commands"}) == {"commands": 0.01, "*": 0.99}
