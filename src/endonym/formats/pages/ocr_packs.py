"""Chooses Tesseract's packs by what they read on given pages, not by their names.

A pack can only write the letters in its own list, so those that lack letters of the language are
left out first. The others read a page, and the one is best that has the language's letters, writes
them as often as the language does, and is surest of them. A pack may lie in its name and in its
confidence: "tat" writes Latin letters that look like Tatar ones.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import regex

from endonym.formats.pages.ocr import OcrFailed, Tesseract
from endonym.script.scripts import script_counts

LETTER = regex.compile(r"\p{L}|\p{M}")
LSTM_LETTERS, LEGACY_LETTERS = 21, 1
"""Numbers of the lists of letters in a pack (tesseract/src/ccutil/tessdatamanager.h)."""
MOST_TRIED, LEAST_COVERED = 6, 0.95
TRIED_WITHOUT_LETTERS = 12

LEAST_LETTERS, SHOWN = 300, 3

Picture = tuple[Path | bytes, int]
"""A picture, and the number of the page in it."""


class Score(NamedTuple):
    """How well a pack reads: the product of its confidence, of the likeness of its letters to those
    of the language, and of the share of those that it has; each from 0 to 1."""

    total: float
    confidence: float
    likeness: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """The pack that reads some pages best, how sure it is of the best of them, and what decided."""

    pack: str
    confidence: float
    reason: str


def best_pack(engine: Tesseract, pictures: Sequence[Picture], letters: str = "") -> Chosen:
    """The pack that reads these pages best.

    letters: a text in the language, or its letters; without it, the surest pack is the best.
    Raises OcrFailed if no pack reads anything.
    """
    wanted = Counter(LETTER.findall(letters.casefold()))
    tried = candidates(engine, wanted)
    scores, sure = dict[str, Score](), dict[str, float]()
    for pack, covered in tried.items():
        read = (measured(engine, pack, each, wanted) for each in pictures)
        found = [score._replace(total=score.total * covered) for score in read if score]
        if found:
            sums = [sum(parts) / len(pictures) for parts in zip(*found, strict=True)]
            scores[pack] = Score(*sums)
            sure[pack] = max(each.confidence for each in found)
    if not scores:
        raise OcrFailed("parser_failed", f"none of the packs reads it: {', '.join(tried)}")
    best = max(scores, key=lambda pack: (scores[pack].total, pack))
    said = f"sure to {scores[best].confidence:.0%}"
    if wanted.total() >= LEAST_LETTERS:
        said += f", its letters as frequent as in the language to {scores[best].likeness:.0%}"
    others = sorted((each for each in scores if each != best), key=lambda x: -scores[x].total)
    beaten = ", ".join(f"{each} {scores[each].confidence:.0%}" for each in others[:SHOWN])
    return Chosen(best, sure[best], f"{said}; {beaten}" if beaten else said)


def candidates(engine: Tesseract, wanted: Counter[str]) -> dict[str, float]:
    """The packs that can write the letters, best first, and which share of them each has."""
    letters = {each: pack_letters(engine.folder / f"{each}.traineddata") for each in engine.packs}
    if not wanted:
        return dict.fromkeys(one_of_each_script(letters), 1.0)
    covered: dict[str, float] = {}
    for pack, known in letters.items():
        covered[pack] = sum(n for sign, n in wanted.items() if sign in known) / wanted.total()
    best = sorted(covered, key=lambda pack: (-covered[pack], pack))
    good = [pack for pack in best if covered[pack] >= LEAST_COVERED * covered[best[0]]]
    return {pack: covered[pack] for pack in good[:MOST_TRIED]}


def one_of_each_script(letters: dict[str, set[str]]) -> list[str]:
    """For each script the pack with the most letters, which can write all its languages; then
    others, as long as they are few."""
    largest: dict[str, str] = {}
    for pack in sorted(letters, key=lambda each: (-len(letters[each]), each)):
        counts = script_counts("".join(sorted(letters[pack])))
        script = max(counts, key=lambda each: (counts[each], each), default="")
        largest.setdefault(script, pack)
    others = [pack for pack in letters if pack not in largest.values()]
    first = sorted(largest.values())
    return first + others[: max(0, TRIED_WITHOUT_LETTERS - len(first))]


def measured(engine: Tesseract, pack: str, picture: Picture, wanted: Counter[str]) -> Score | None:
    """The score of a pack for one page; None if it reads nothing there."""
    try:
        page = engine.read(picture[0], [pack], picture[1])
    except OcrFailed:
        return None
    found = Counter(LETTER.findall(" ".join(line.text for line in page.lines).casefold()))
    if not found:
        return None
    likeness = 1.0
    if wanted:
        likeness = sum((found & scaled(wanted, found.total())).values()) / found.total()
    return Score(page.confidence * likeness, page.confidence, likeness)


def scaled(letters: Counter[str], total: int) -> Counter[str]:
    """Letters as often as in a text with so many of them."""
    share = total / letters.total()
    return Counter({sign: round(count * share) for sign, count in letters.items()})


def pack_letters(path: Path) -> set[str]:
    """The letters that a pack can write; empty if its file has another form.

    Source: tesseract, doc/unicharset.5 and src/ccutil/tessdatamanager.cpp.
    """
    try:
        with path.open("rb") as file:
            (count,) = struct.unpack("<i", file.read(4))
            if not 0 < count < 1_000:
                return set()
            offsets = struct.unpack(f"<{count}q", file.read(8 * count))
            ends = [*sorted(each for each in offsets if each > 0), path.stat().st_size]
            listed = [n for n in (LSTM_LETTERS, LEGACY_LETTERS) if n < count and offsets[n] > 0]
            if not listed:
                return set()
            start = offsets[listed[0]]
            file.seek(start)
            data = file.read(ends[ends.index(start) + 1] - start)
    except (OSError, struct.error):
        return set()
    lines = data.decode("utf-8", "replace").splitlines()[1:]
    return set("".join(line.partition(" ")[0] for line in lines).casefold())
