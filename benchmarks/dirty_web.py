"""Text of a language as the web has it: real pages, dirtied on purpose and by seed, and clean ones.

Shares of a raw corpus, in bytes: half is text of the language, a fifth other languages, an eighth
copies, a tenth pages that a program filled in, the rest pages without sentences. Of the pages of
the language itself some are mojibake or have letters that only look right, and menus stand around
many. The shares are our choice, of the order of audits (Kreutzer et al. 2022, arXiv:2103.12028;
Lee et al. 2022, arXiv:2107.06499).
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import ftfy.bad_codecs
from copied_lines import opened

from endonym.script.fold import folded

SHARES = {"foreign": 0.20, "copies": 0.12, "bots": 0.10, "junk": 0.08}
"""Shares of the raw bytes; what is left is the language's own."""
MOJIBAKE, LETTERS, FRAMED = 0.06, 0.10, 0.4
"""Shares of the language's own pages that are garbled, have wrong letters, stand in a menu."""
HELD_OUT = 12
"""One page in so many is held out, where no whole work is."""
RUN = 8
"""Words in a row that a held-out line may not share with the raw text."""
NOVEL_BYTES, NOVELS_HELD = 60_000, 8

LISTS = {
    "tt": ("tt/common_voice_sentences.txt", "tt/tatoeba_sentences.txt"),
    "ro": ("ro/ronec_sentences.txt", "ro/tatoeba_sentences.txt"),
}
FOREIGN = {
    "tt": ("other/ky_common_voice.txt", "other/kk_common_voice.txt", "other/ba_common_voice.txt",
           "en/common_voice_sentences.txt"),
    "ro": ("en/common_voice_sentences.txt", "fr/common_voice_sentences.txt.gz"),
}  # fmt: skip
WRONG = {"tt": {"ә": "ə", "ө": "ѳ", "ң": "ӊ", "а": "a", "о": "o", "е": "e", "с": "c", "һ": "h"}}
"""Letters as other keyboards write them. The Romanian texts have their own wrong ones, cedillas."""
MENUS = {
    "tt": "Баш бит|Яңалыклар|Элемтә өчен|Рәсемнәр|Архив|Керү|Теркәлү|Эзләү|Фикерләр|Сайт турында",
    "ro": "Acasă|Știri|Contact|Galerie foto|Arhivă|Autentificare|Înregistrare|Căutare|Despre noi",
}
FEET = {
    "tt": "© {site}. Барлык хокуклар сакланган. Материалларны кулланганда сайтка сылтама куярга "
    "кирәк.\nБезнең белән элемтә: редакция, {site}",
    "ro": "© {site}. Toate drepturile rezervate. Preluarea textelor este permisă numai cu citarea "
    "sursei.\nAcest site folosește cookie-uri. Continuarea navigării "
    "înseamnă acceptul dumneavoastră.",
}
STUBS = {
    "tt": "{name} — Россиянең {area} өлкәсендәге авыл. {name} авылында {people} кеше яши (2010 "
    "ел). Мәйданы — {size} км². Диңгез дәрәҗәсеннән биеклеге — {height} м. Почта индексы — {code}.",
    "ro": "{name} este un sat în județul {area}. La recensământul din 2011 avea o populație de "
    "{people} de locuitori. Suprafața este de {size} km², iar altitudinea de {height} m. Codul "
    "poștal este {code}.",
}
AREAS = {
    "tt": ("Киров", "Пермь", "Самара", "Ульяновск", "Пенза", "Омск", "Курган", "Төмән"),
    "ro": ("Alba", "Bihor", "Cluj", "Dolj", "Galați", "Iași", "Neamț", "Vaslui"),
}
GOODS = {
    "tt": ("Китап", "Өстәл", "Урындык", "Телефон", "Сәгать", "Чиләк", "Көзге", "Яулык"),
    "ro": ("Carte", "Masă", "Scaun", "Telefon", "Ceas", "Găleată", "Oglindă", "Batic"),
}


class Web(NamedTuple):
    """A raw corpus and what judges it. kinds: bytes of each kind of raw page."""

    raw: list[str]
    held_out: list[str]
    kinds: dict[str, int]


def web(data: Path, language: str) -> Web:
    """The raw pages of a language, shuffled, and clean pages none of whose text is in them."""
    rng = random.Random(f"web {language}")
    own, held = own_pages(data, language, rng)
    total = int(sum(map(size, own)) / (1 - sum(SHARES.values())))
    made: dict[str, list[str]] = {"own": [dirtied(each, language, rng) for each in own]}
    sources: dict[str, Iterator[str]] = {
        "foreign": foreign_pages(data, language, rng),
        "copies": copied_pages(made["own"], rng),
        "bots": stubs(language, rng),
        "junk": junk(language, rng),
    }
    for kind, pages in sources.items():
        made[kind] = []
        left = int(SHARES[kind] * total)
        while left > 0:
            made[kind].append(next(pages))
            left -= size(made[kind][-1])
    raw = [
        framed(each, language, rng) if rng.random() < FRAMED else each
        for pages in made.values()
        for each in pages
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


def own_pages(data: Path, language: str, rng: random.Random) -> tuple[list[str], list[str]]:
    """Pages in the language: those for the raw corpus and those held out."""
    own: list[str] = []
    held: list[str] = []
    for name in LISTS[language]:
        found = pages([line for line in opened(data / name).split("\n") if line.strip()], rng)
        held += found[::HELD_OUT]
        own += [page for number, page in enumerate(found) if number % HELD_OUT]
    if language == "ro":
        kept, judges = novels(data)
        own += [page for lines in kept for page in pages(lines, rng)]
        held += [page for lines in judges for page in pages(lines, rng)]
    return own, held


def novels(data: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Paragraphs of novels; those held out are of other authors, and printed with commas below."""
    rows = [json.loads(row) for row in opened(data / "ro/eltec_rom_novels.jsonl.zst").splitlines()]
    rows.sort(key=lambda row: row["id"])
    clean = [row for row in rows if not re.search("[şţŞŢ]", row["text"])]
    authors = {row["author"] for row in clean[:: max(1, len(clean) // NOVELS_HELD)]}
    kept: list[list[str]] = []
    held: list[list[str]] = []
    for row in rows:
        part = row["text"].encode()[2_000 : 2_000 + NOVEL_BYTES].decode(errors="ignore")
        (held if row["author"] in authors else kept).append(part.split("\n")[1:-1])
    return kept, held


def dirtied(page: str, language: str, rng: random.Random) -> str:
    """A page, or one in some with letters of another keyboard or read in a wrong encoding."""
    drawn = rng.random()
    if drawn < LETTERS and language in WRONG:
        wrong = {a: b for a, b in WRONG[language].items() if rng.random() < 0.5}
        return "".join(wrong.get(c, c) if rng.random() < 0.5 else c for c in page)
    if drawn > 1 - MOJIBAKE:
        ftfy.bad_codecs.ok()  # the encodings as browsers read them
        return page.encode().decode("sloppy-windows-1252")
    return page


def foreign_pages(data: Path, language: str, rng: random.Random) -> Iterator[str]:
    """Pages of other languages by turns, each text once."""
    lists = [opened(data / name).split("\n") for name in FOREIGN[language]]
    if language == "tt":
        rows = map(json.loads, opened(data / "parallel/tatoeba_pairs.jsonl.gz").splitlines())
        lists.append([row["src"] for row in rows if row["pair"] == "ru-tt"])
    queues = [pages([line for line in lines if line.strip()], rng) for lines in lists]
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


def stubs(language: str, rng: random.Random) -> Iterator[str]:
    """Articles on villages, all from one sentence pattern."""
    while True:
        yield STUBS[language].format(
            name=invented(language, rng),
            area=rng.choice(AREAS[language]),
            people=rng.randint(3, 9_000),
            size=f"{rng.uniform(1, 90):.2f}".replace(".", ","),
            height=rng.randint(20, 900),
            code=rng.randint(100_000, 999_999),
        )


def invented(language: str, rng: random.Random) -> str:
    """A name of two to four syllables."""
    firsts, seconds = ("бгдкмнст", "аәеиоөу") if language == "tt" else ("bcdlmnrst", "aăeiou")
    syllables = rng.randint(2, 4)
    return "".join(rng.choice(firsts) + rng.choice(seconds) for _ in range(syllables)).title()


def junk(language: str, rng: random.Random) -> Iterator[str]:
    """Pages without sentences: price lists, links, a program."""
    while True:
        kind, count = rng.randrange(3), rng.randint(15, 60)
        if kind == 0:
            goods = GOODS[language]
            rows = (
                f"{rng.choice(goods)} | {rng.randint(9, 9_999)},00 | {rng.randint(1, 99)}"
                for _ in range(count)
            )
        elif kind == 1:
            words = MENUS[language].split("|")
            rows = (f"» {rng.choice(words)} ({rng.randint(1, 999)})" for _ in range(count))
        else:
            rows = (f"var item{n} = document.getElementById('{rng.randrange(16**6):06x}');"
                    for n in range(count))  # fmt: skip
        yield "\n".join(rows)


def framed(page: str, language: str, rng: random.Random) -> str:
    """A page with the menu above it and the foot below it of one of twelve sites."""
    number = rng.randrange(12)
    site = f"sait{number}.example"
    menu = MENUS[language].split("|")
    head = [*menu[number % len(menu) :], *menu[: number % len(menu)]]
    return "\n".join([*head, page, *FEET[language].format(site=site).split("\n")])


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
        if re.search(r"[a-zA-Z][а-яәөүҗңһ]|[а-яәөүҗңһ][a-zA-Z]|[şţŞŢ\u00ad\u200b\ufffd]", page):
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
