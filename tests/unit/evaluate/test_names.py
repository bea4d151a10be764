"""Names that texts keep: those of a story stay, those of another text do not."""

import pytest

from endonym.evaluate.names import names_kept
from endonym.evaluate.score import TOO_FEW, UNEVEN
from endonym.evaluate.tables import span

STORIES = [
    "Бер көнне кечкенә Айдар белән Гөлнара урманга барды. Анда Айдарның эте югалды, һәм Гөлнара "
    "елый башлады.",
    "Într-o zi fata Maria și băiatul Ion au plecat la râu. Acolo Mariei i-a căzut coșul, iar Ion "
    "a sărit în apă.",
    "Ce matin le facteur Lucien et la petite Jeanne prirent la route. Plus tard Lucien perdit son "
    "sac, et Jeanne le trouva.",
]
OTHERS = [
    "Бер көнне кечкенә Айдар белән Гөлнара урманга барды. Анда Булатның эте югалды, һәм Зөлфия "
    "елый башлады.",
    "Ce matin le facteur Lucien et la petite Jeanne prirent la route. Plus tard Armand perdit son "
    "sac, et Odile le trouva.",
]


@pytest.mark.parametrize("story", STORIES)
def test_a_story_keeps_its_names_also_with_other_endings(story: str) -> None:
    kept = names_kept([story])
    assert kept is not None
    assert (kept.value, kept.low) == (1.0, None)


@pytest.mark.parametrize("text", OTHERS)
def test_names_that_vanish_are_not_kept(text: str) -> None:
    kept = names_kept([text])
    assert kept is not None
    assert kept.value == 0.0


def test_texts_count_by_their_names() -> None:
    kept = names_kept([*STORIES, *OTHERS, "Таң атты. Кош сайрый."] * 3)
    assert kept is not None
    assert kept.value == 6 / 10
    assert kept.low is not None
    assert kept.high is not None
    assert kept.low < 0.6 < kept.high


def test_without_capitals_it_is_undefined() -> None:
    """Khmer has none; and a word that begins a sentence is no name."""
    khmer = "កុមារាម្នាក់ឈ្មោះសុខ បានទៅលេងនៅមាត់ទន្លេជាមួយមិត្តភក្តិ។ " * 4
    assert names_kept([khmer, "", "Таң атты. Кош сайрый. Кояш чыкты. Җил исте."]) is None
    assert names_kept([]) is None


def test_the_interval_is_one_of_shares() -> None:
    kept, lost = "ба барды Айдар килде. Тагын Айдар", "ба барды Марат килде. Тагын сыер"
    found = names_kept([kept] * 14 + [lost])
    assert found is not None
    assert (found.value, found.high) == (pytest.approx(14 / 15), 1.0)


def test_one_long_story_with_most_of_the_names_is_said_to_be_uneven() -> None:
    short = "ба барды Айдар килде. Тагын Айдар"
    names = "Айдар Марат Булат Зөлфия Гөлнара Наил Илдус Рөстәм Алия Дамир Фәрит Резеда"
    long = f"бер көнне {names} килде. Алар белән бергә без дә бардык, урманга җиләк җыярга дип."
    for stories, why in (([short] * 9 + [long], UNEVEN), ([short] * 3, TOO_FEW)):
        found = names_kept(stories)
        assert found is not None
        assert (found.no_interval, span(found)) == (why, why)
