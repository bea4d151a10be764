"""Tatar text as the web has it: real sentences, dirtied on purpose and by seed, and clean ones.

Shares of a raw corpus, in bytes: half is text of the language, a fifth other languages, an eighth
copies, a tenth pages that a program filled in, the rest pages without sentences. Of the pages of
the language itself some are mojibake or have letters that only look right, and menus stand around
many. The shares are our choice, of the order of audits (Kreutzer et al. 2022, arXiv:2103.12028;
Lee et al. 2022, arXiv:2107.06499).
"""

import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ftfy.bad_codecs

from endonym.script.fold import folded

SHARES = {"foreign": 0.20, "copies": 0.12, "bots": 0.10, "junk": 0.08}
"""Shares of the raw bytes; what is left is the language's own."""
MOJIBAKE, LETTERS, FRAMED = 0.06, 0.10, 0.4
"""Shares of the language's own pages that are garbled, have wrong letters, stand in a menu."""
HELD_OUT = 12
"""One page in so many is held out."""
RUN = 8
"""Words in a row that a held-out line may not share with the raw text."""
WRONG = {"ә": "ə", "ө": "ѳ", "ң": "ӊ", "а": "a", "о": "o", "е": "e", "с": "c", "һ": "h"}
"""Letters as other keyboards write them."""
MENU = "Баш бит|Яңалыклар|Элемтә өчен|Рәсемнәр|Архив|Керү|Теркәлү|Эзләү|Фикерләр|Сайт турында"
FOOT = (
    "© {site}. Барлык хокуклар сакланган. Материалларны кулланганда сайтка сылтама куярга "
    "кирәк.\nБезнең белән элемтә: редакция, {site}"
)
STUB = (
    "{name} — Россиянең {area} өлкәсендәге авыл. {name} авылында {people} кеше яши (2010 "
    "ел). Мәйданы — {size} км². Диңгез дәрәҗәсеннән биеклеге — {height} м. Почта индексы — {code}."
)
AREAS = ("Киров", "Пермь", "Самара", "Ульяновск", "Пенза", "Омск", "Курган", "Төмән")
GOODS = ("Китап", "Өстәл", "Урындык", "Телефон", "Сәгать", "Чиләк", "Көзге", "Яулык")


class Web(NamedTuple):
    """A raw corpus and what judges it. kinds: bytes of each kind of raw page."""

    raw: list[str]
    held_out: list[str]
    kinds: dict[str, int]


def web(own: Sequence[Sequence[str]], foreign: Sequence[Sequence[str]]) -> Web:
    """The raw pages, shuffled, and clean pages none of whose text is in them.

    own, foreign: lists of sentences in the language, and in others.
    """
    rng = random.Random("web tt")
    every = [page for lines in own for page in pages(lines, rng)]
    held = every[::HELD_OUT]
    dirty = [dirtied(page, rng) for n, page in enumerate(every) if n % HELD_OUT]
    total = int(sum(map(size, dirty)) / (1 - sum(SHARES.values())))
    made: dict[str, list[str]] = {"own": dirty}
    sources: dict[str, Iterator[str]] = {
        "foreign": by_turns([pages(lines, rng) for lines in foreign]),
        "copies": copied_pages(dirty, rng),
        "bots": stubs(rng),
        "junk": junk(rng),
    }
    for kind, source in sources.items():
        made[kind] = []
        left = int(SHARES[kind] * total)
        while left > 0:
            made[kind].append(next(source))
            left -= size(made[kind][-1])
    raw = [
        framed(page, rng) if rng.random() < FRAMED else page
        for kind in made.values()
        for page in kind
    ]
    rng.shuffle(raw)
    kinds = {kind: sum(map(size, pages)) for kind, pages in made.items()}
    return Web(raw, unseen(held, raw), kinds)


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


def pages(lines: Sequence[str], rng: random.Random) -> list[str]:
    """Neighbouring lines as pages of one to four kilobytes."""
    found: list[str] = []
    waiting: list[str] = []
    least = rng.randint(1_000, 4_000)
    for line in lines:
        waiting.append(line)
        if sum(map(size, waiting)) >= least:
            found.append("\n".join(waiting))
            waiting, least = [], rng.randint(1_000, 4_000)
    return found


def dirtied(page: str, rng: random.Random) -> str:
    """A page, or one in some with letters of another keyboard or read in a wrong encoding."""
    drawn = rng.random()
    if drawn < LETTERS:
        wrong = {a: b for a, b in WRONG.items() if rng.random() < 0.5}
        return "".join(wrong.get(c, c) if rng.random() < 0.5 else c for c in page)
    if drawn > 1 - MOJIBAKE:
        ftfy.bad_codecs.ok()  # the encodings as browsers read them
        return page.encode().decode("sloppy-windows-1252")
    return page


def by_turns(queues: Sequence[list[str]]) -> Iterator[str]:
    """Pages of each list by turns, each page once."""
    while any(queues):
        for queue in queues:
            if queue:
                yield queue.pop()


def copied_pages(own: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Pages again: two in five as they are, the others a little changed."""
    while True:
        page = rng.choice(own)
        if rng.random() < 0.4:
            yield page
            continue
        words = page.split(" ")
        for _ in range(max(1, len(words) // 100)):
            words[rng.randrange(len(words))] = str(rng.randint(2, 2_000))
        yield " ".join(words)


def stubs(rng: random.Random) -> Iterator[str]:
    """Articles on villages, all from one sentence pattern."""
    while True:
        yield STUB.format(
            name=invented(rng),
            area=rng.choice(AREAS),
            people=rng.randint(3, 9_000),
            size=f"{rng.uniform(1, 90):.2f}".replace(".", ","),
            height=rng.randint(20, 900),
            code=rng.randint(100_000, 999_999),
        )


def invented(rng: random.Random) -> str:
    """A name of two to four syllables."""
    firsts, seconds = "бгдкмнст", "аәеиоөу"
    syllables = rng.randint(2, 4)
    return "".join(rng.choice(firsts) + rng.choice(seconds) for _ in range(syllables)).title()


def junk(rng: random.Random) -> Iterator[str]:
    """Pages without sentences: price lists, links, a program."""
    while True:
        kind, count = rng.randrange(3), rng.randint(15, 60)
        if kind == 0:
            rows = (
                f"{rng.choice(GOODS)} | {rng.randint(9, 9_999)},00 | {rng.randint(1, 99)}"
                for _ in range(count)
            )
        elif kind == 1:
            words = MENU.split("|")
            rows = (f"» {rng.choice(words)} ({rng.randint(1, 999)})" for _ in range(count))
        else:
            rows = (f"var item{n} = document.getElementById('{rng.randrange(16**6):06x}');"
                    for n in range(count))  # fmt: skip
        yield "\n".join(rows)


def framed(page: str, rng: random.Random) -> str:
    """A page with the menu above it and the foot below it of one of twelve sites."""
    number = rng.randrange(12)
    site = f"sait{number}.example"
    menu = MENU.split("|")
    head = [*menu[number % len(menu) :], *menu[: number % len(menu)]]
    return "\n".join([*head, page, *FOOT.format(site=site).split("\n")])


def unseen(held: Sequence[str], raw: Sequence[str]) -> list[str]:
    """Held-out pages without the lines that the raw text has, or shares eight words in a row with.

    Pages with letters of two scripts in a word are left out: what judges has to be clean.
    """
    known_lines: set[str] = set()
    known_runs: set[int] = set()
    for page in raw:
        lines = page.split("\n")
        known_lines.update(folded(lines))
        for line in lines:
            known_runs.update(runs_of_words(line))
    found: list[str] = []
    for page in held:
        if re.search(r"[a-zA-Z][а-яәөүҗңһ]|[а-яәөүҗңһ][a-zA-Z]|[\u00ad\u200b\ufffd]", page):
            continue
        lines = page.split("\n")
        kept = [
            line
            for line, plain in zip(lines, folded(lines), strict=True)
            if plain not in known_lines and not known_runs.intersection(runs_of_words(line))
        ]
        if sum(map(size, kept)) >= 500:
            found.append("\n".join(kept))
    return found


def runs_of_words(line: str) -> list[int]:
    """Numbers for all runs of eight words of a line, without case and signs."""
    words = re.findall(r"\w+", line.lower())
    return [hash(" ".join(words[n : n + RUN])) for n in range(len(words) - RUN + 1)]
