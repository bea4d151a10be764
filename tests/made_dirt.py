"""Texts for tests of cleaning: hand-written fables (CC0), and dirt that is made on purpose."""

from itertools import product
from pathlib import Path

FABLES = Path(__file__).parent / "texts" / "fables"
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


def commands(count: int) -> list[str]:
    """Distinct Tatar commands to a voice assistant, as a program fills them in."""
    slots = [
        "Кухняда Залда Коридорда Ваннада Балконда Верандада Бакчада Подвалда Гаражда",
        "утны кондиционерны телевизорны радионы чәйнекне пылесосны җылыткычны пәрдәне",
        "кабыз сүндер ач яп көйлә эшләт туктат",
        "бүген иртәгә хәзер кичен соңрак",
    ]
    made = [" ".join(words) + " әле." for words in product(*(slot.split() for slot in slots))]
    return made[:: len(made) // count][:count]
