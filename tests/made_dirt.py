"""Texts for tests of cleaning: fables that come with endonym, and dirt that is made on purpose."""

from pathlib import Path

import endonym.demo

FABLES = Path(endonym.demo.__file__).parent / "fables"
VILLAGES = ["Иске Әҗәм", "Мәмсә", "Түбән Сон Күле", "Кенәр", "Олы Битаман", "Яңа Кишет", "Шушма"]
DISTRICTS = ["Актаныш", "Арча", "Саба", "Балтач", "Кукмара"]


def fables(language: str) -> list[str]:
    """All fables in a language, each a text of several paragraphs."""
    paths = sorted((FABLES / language).glob("*.txt"))
    return [path.read_text(encoding="utf-8").strip() for path in paths]


def lines_of(language: str) -> list[str]:
    """The paragraphs of all fables in a language."""
    return [line for text in fables(language) for line in text.split("\n") if line.strip()]


def stubs(count: int) -> list[str]:
    """Articles that a program has filled in."""
    return [
        f"{VILLAGES[n % 7]} — Татарстанның {DISTRICTS[n % 5]} районындагы авыл. {1990 + n} елда "
        f"халык саны {100 + 7 * n} кеше булган, авыл елга буенда урнашкан."
        for n in range(count)
    ]
