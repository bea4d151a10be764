"""Reads letters in pictures by Tesseract, a program that runs beside us with limits of its own.

Its packs are chosen by what they read on given pages, not by their names. A pack can only write the
letters in its own list, so those that lack letters of the language are left out first. The others
read a page, and the one is best that has the language's letters, writes them as often as the
language does, and is surest of them. A pack may lie in its name and in its confidence: "tat" writes
Latin letters that look like Tatar ones.
"""

import csv
import functools
import io
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import regex

from endonym.formats.source_errors import source_error
from endonym.log import QUIET, Log
from endonym.mappings import largest_first
from endonym.script.languages import ocr_packages
from endonym.script.scripts import script_counts

PROGRAM = "tesseract"
MEMORY_BYTES = 1 << 30
PAGE_CPU_SECONDS = 120
PAGE_SECONDS = 600
LIMITED = 'ulimit -v "$1"; ulimit -t "$2"; ulimit -c 0; shift 2; OMP_THREAD_LIMIT=1 exec "$@"'
"""A shell sets the limits; it is replaced by the program."""
FOLDER = re.compile(r'"(.+)"')
NOT_A_PICTURE = ("not supported", "Error in pix", "image file", "Leptonica")
SIGNATURE = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II\*\0|MM\0\*|BM|GIF8[79]a|RIFF....WEBP|P5 ", re.S
)
"""How pictures begin: PNG, JPEG, TIFF, BMP, GIF, WebP, PNM. Tesseract takes any other file for a
list of files, and would read those."""
NO_PICTURE = "this is no picture that can be read, or not a whole one"
COMMA = regex.compile(r"(?<=\p{scx=Arabic}(?<!\p{N})\s?),(?=\s?(?!\p{N})\p{scx=Arabic}|$)")
"""Between letters of Arabic script: the packs "Arabic" and "fas" cannot write U+060C."""
LINE = "4"
WORD = "5"
"""Levels of rows in the table that Tesseract writes."""


class OcrFailed(Exception):
    """A page that Tesseract did not read: the reason, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class OcrLine(NamedTuple):
    """A line of a page. confidence: 0 to 1. Its box is in dots from the upper left corner."""

    text: str
    confidence: float
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class OcrPage:
    """What was read of a page. confidence: the mean over its letters, 0 to 1."""

    lines: tuple[OcrLine, ...]

    @property
    def confidence(self) -> float:
        """The mean confidence of the lines, by their lengths; 0 for a page without text."""
        letters = sum(len(line.text) for line in self.lines)
        return sum(line.confidence * len(line.text) for line in self.lines) / max(1, letters)


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program, its folder of packs, and their names."""

    program: str
    folder: Path
    packs: tuple[str, ...]

    def read(self, picture: Path | bytes, packs: Sequence[str], number: int = 1) -> OcrPage:
        """The lines of a page: a picture in memory, or page `number` of a file.

        Raises OcrFailed.
        """
        if isinstance(picture, bytes):
            head = picture[:16]
            file_argument = "stdin"
            data = picture
        else:
            with picture.open("rb") as file:
                head = file.read(16)
                file_argument = str(picture)
                data = None
        if not SIGNATURE.match(head):
            raise OcrFailed("damaged", NO_PICTURE)
        # Without it, the first page of a TIFF would be all of them.
        page = ["-c", f"tessedit_page_number={number - 1}"]
        command = [self.program, file_argument, "stdout", "-l", "+".join(packs), *page, "tsv"]
        limits = [str(MEMORY_BYTES >> 10), str(PAGE_CPU_SECONDS)]  # ulimit counts KiB, seconds
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", LIMITED, "sh", *limits, *command],
                input=data,
                stdin=subprocess.DEVNULL if data is None else None,
                capture_output=True,
                timeout=PAGE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OcrFailed("parser_timeout", f"OCR took more than {PAGE_SECONDS} s") from error
        if done.returncode != 0:
            raise failure(done.returncode, done.stderr.decode("utf-8", "replace"))
        try:
            return OcrPage(tuple(ocr_lines(done.stdout.decode("utf-8", "replace"))))
        except (KeyError, TypeError, ValueError) as error:
            what = "what Tesseract wrote is no table of words"
            raise OcrFailed("parser_crashed", what) from error


@functools.cache
def tesseract() -> Tesseract | None:
    """The program of this machine, if there is one."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    listing = subprocess.run([program, "--list-langs"], capture_output=True, check=False)
    text = (listing.stdout or listing.stderr).decode("utf-8", "replace")
    head, *names = text.splitlines() or [""]
    folder = FOLDER.search(head)  # "List of available languages in "/usr/…/tessdata/" (3):"
    packs = tuple(sorted(name.strip() for name in names if name.strip() not in ("", "osd")))
    return Tesseract(program, Path(folder[1] if folder else "."), packs)


def require_tesseract(packs: Sequence[str], script: str | None = None) -> Tesseract:
    """The program with these packs. Raises SourceError, in one line, if anything is missing."""
    engine = tesseract()
    if engine is None:
        raise source_error("no_tesseract", "[[source]]", packages=ocr_packages(script))
    if missing := [pack for pack in packs if pack not in engine.packs]:
        package = missing[0].lower().replace("_", "-")
        packs_here = ", ".join(engine.packs)
        where = "ocr in [[source]]"
        names = ", ".join(missing)
        raise source_error("no_pack", where, package=package, missing=names, packs=packs_here)
    return engine


def failure(code: int, stderr: str) -> OcrFailed:
    """Why Tesseract ended without a page."""
    if code in (137, -9, 152, -24):  # SIGKILL and SIGXCPU, as a shell and as Python tell them
        return OcrFailed("parser_timeout", f"OCR took more than {PAGE_CPU_SECONDS} s of processor")
    if any(sign in stderr.lower() for sign in ("alloc", "memory")):
        limit = MEMORY_BYTES >> 20
        return OcrFailed("parser_memory", f"OCR took more than {limit:,} MiB of memory")
    if code == 1 and any(sign in stderr for sign in NOT_A_PICTURE):
        return OcrFailed("damaged", NO_PICTURE)
    return OcrFailed("parser_crashed", f"Tesseract ended with exit code {code}")


def ocr_lines(table: str) -> list[OcrLine]:
    """The lines in Tesseract's table: a row for each line, and after it one for each word."""
    lines: list[OcrLine] = []
    words = list[tuple[str, float]]()
    box = (0, 0, 0, 0)

    def finish() -> None:
        if words:
            letters = sum(len(text) for text, _ in words)
            confidence = sum(len(text) * certainty for text, certainty in words) / letters
            text = COMMA.sub("،", " ".join(text for text, _ in words))
            lines.append(OcrLine(text, confidence, *box))
            words.clear()

    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row.get("level") == LINE:
            finish()
            box = tuple(int(row[name]) for name in ("left", "top", "width", "height"))
        text = (row.get("text") or "").strip()
        if row.get("level") == WORD and text:
            words.append((text, max(0.0, float(row["conf"])) / 100))
    finish()
    return lines


LETTER = regex.compile(r"\p{L}|\p{M}")
LSTM_LETTERS = 21
LEGACY_LETTERS = 1
"""Numbers of the lists of letters in a pack (tesseract/src/ccutil/tessdatamanager.h)."""
MOST_TRIED = 6
LEAST_COVERED = 0.95
TRIED_WITHOUT_LETTERS = 12

LEAST_LETTERS = 300
SHOWN = 3
NEARLY = 0.02
"""Of a score: by so much another pack must be better than the one of the language."""

Picture = tuple[Path | bytes, int]
"""A picture, and the number of the page in it."""


class Score(NamedTuple):
    """How well a pack reads: the product of its confidence, of the likeness of its letters to those
    of the language, and of the share of those that it has; each from 0 to 1."""

    total: float
    confidence: float
    likeness: float


class Chosen(NamedTuple):
    """The pack that reads some pages best, how sure it is of the best of them, and what decided."""

    pack: str
    confidence: float
    reason: str


def best_pack(
    engine: Tesseract,
    pictures: Sequence[Picture],
    letters: str = "",
    log: Log = QUIET,
    *,
    own: Collection[str] = (),
) -> Chosen:
    """The pack that reads these pages best.

    letters: a text in the language, or its letters; without it, the surest pack is the best.
    own: the packs of the language. They know its words and its commas, and win if another pack is
    hardly better. Raises OcrFailed if no pack reads anything.
    """
    wanted = Counter(LETTER.findall(letters.casefold()))
    tried = candidates(engine, wanted)
    scores = dict[str, Score]()  # the mean over the pages
    best_confidence = dict[str, float]()  # that of the page which a pack reads best
    with log.progress("trying packs of OCR", len(tried) * len(pictures)) as advance:
        for pack, covered in tried.items():
            found = list[Score]()
            for picture in pictures:
                score = measured(engine, pack, picture, wanted)
                found += [score._replace(total=score.total * covered)] if score else []
                advance(1, pack)
            if found:
                means = [sum(values) / len(pictures) for values in zip(*found, strict=True)]
                scores[pack] = Score(*means)
                best_confidence[pack] = max(each.confidence for each in found)
    if not scores:
        raise OcrFailed("parser_failed", f"none of the packs reads it: {', '.join(tried)}")
    best = max(scores, key=lambda pack: (scores[pack].total * (1 + NEARLY * (pack in own)), pack))
    is_measured = wanted.total() >= LEAST_LETTERS
    reason = f"sure to {scores[best].confidence:.0%}"
    if is_measured:
        reason += f" and its letters as frequent as in the language to {scores[best].likeness:.0%}"
    others = [pack for pack in scores if pack != best]
    others.sort(key=lambda pack: -scores[pack].total)
    if others:
        likeness = {pack: f" and {scores[pack].likeness:.0%}" * is_measured for pack in others}
        shown = [f"{pack} {scores[pack].confidence:.0%}{likeness[pack]}" for pack in others]
        # Of few letters the likeness decides, too, but says little as a number.
        reason += f"; {', '.join((shown if is_measured or not wanted else others)[:SHOWN])}"
    return Chosen(best, best_confidence[best], reason)


def candidates(engine: Tesseract, wanted: Counter[str]) -> dict[str, float]:
    """The packs that can write the letters, best first, and which share of them each has."""
    letters = {each: pack_letters(engine.folder / f"{each}.traineddata") for each in engine.packs}
    if not wanted:
        return dict.fromkeys(one_of_each_script(letters), 1.0)
    covered: dict[str, float] = {}
    for pack, own in letters.items():
        covered[pack] = sum(n for sign, n in wanted.items() if sign in own) / wanted.total()
    best = [*largest_first(covered)]
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
        share = found.total() / wanted.total()  # the letters as often as in a text of this length
        usual = Counter({sign: round(count * share) for sign, count in wanted.items()})
        likeness = (found & usual).total() / found.total()
    return Score(page.confidence * likeness, page.confidence, likeness)


def pack_letters(path: Path) -> set[str]:
    """The letters that a pack can write; empty if its file has another form.

    Source: tesseract, doc/unicharset.5 and src/ccutil/tessdatamanager.cpp.
    """
    try:
        with path.open("rb") as file:
            # An int32 says how many components there are; an int64 of each where it begins, 0 or
            # less if it is absent. One ends where the next begins. A list of letters is a line with
            # their number, then a line for each, which the letter begins.
            (count,) = struct.unpack("<i", file.read(4))
            if not 0 < count < 1_000:
                return set()
            offsets = struct.unpack(f"<{count}q", file.read(8 * count))
            present = [n for n in (LSTM_LETTERS, LEGACY_LETTERS) if n < count and offsets[n] > 0]
            if not present:
                return set()
            start = offsets[present[0]]
            later = [offset for offset in offsets if offset > start]
            end = min(later, default=path.stat().st_size)
            file.seek(start)
            data = file.read(end - start)
    except (OSError, struct.error):
        return set()
    lines = data.decode("utf-8", "replace").splitlines()[1:]
    return set("".join(line.partition(" ")[0] for line in lines).casefold())
