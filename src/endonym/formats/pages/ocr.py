"""Reads letters in pictures by Tesseract, a program that runs beside us with limits of its own."""

import csv
import functools
import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from endonym.errors import SourceError
from endonym.script.languages import ocr_packages

PROGRAM = "tesseract"
MEMORY_BYTES, PAGE_CPU_SECONDS, PAGE_SECONDS = 1 << 30, 120, 600
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
LINE, WORD = "4", "5"
"""Levels of rows in the table that Tesseract writes."""


class OcrFailed(Exception):
    """A page that Tesseract did not read: the reason, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class OcrLine:
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
        if not SIGNATURE.match(beginning(picture)):
            raise OcrFailed("damaged", NO_PICTURE)
        given, data = ("stdin", picture) if isinstance(picture, bytes) else (str(picture), None)
        # Without it, the first page of a TIFF would be all of them.
        page = ["-c", f"tessedit_page_number={number - 1}"]
        command = [self.program, given, "stdout", "-l", "+".join(packs), *page, "tsv"]
        limits = [str(MEMORY_BYTES >> 10), str(PAGE_CPU_SECONDS)]
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


def beginning(picture: Path | bytes) -> bytes:
    """The first bytes of a picture."""
    if isinstance(picture, bytes):
        return picture[:16]
    with picture.open("rb") as file:
        return file.read(16)


@functools.cache
def tesseract() -> Tesseract | None:
    """The program of this machine, if there is one."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    said = subprocess.run([program, "--list-langs"], capture_output=True, check=False)
    head, *names = (said.stdout or said.stderr).decode("utf-8", "replace").splitlines() or [""]
    folder = FOLDER.search(head)
    packs = tuple(sorted(name.strip() for name in names if name.strip() not in ("", "osd")))
    return Tesseract(program, Path(folder[1] if folder else "."), packs)


def require_tesseract(packs: Sequence[str], script: str | None = None) -> Tesseract:
    """The program with these packs. Raises SourceError, in one line, if anything is missing."""
    found = tesseract()
    if found is None:
        raise SourceError(
            "`ocr` is given, and Tesseract, which reads pictures, is not on this machine",
            where="[[source]]",
            do=f"Install it, such as: apt-get install {ocr_packages(script)}; or take `ocr` out.",
        )
    if missing := [pack for pack in packs if pack not in found.packs]:
        raise SourceError(
            f"Tesseract has no pack {', '.join(missing)} on this machine; it has: "
            + ", ".join(found.packs),
            where="ocr in [[source]]",
            do="Install it, such as: apt-get install tesseract-ocr-"
            + missing[0].lower().replace("_", "-"),
        )
    return found


def failure(code: int, said: str) -> OcrFailed:
    """Why Tesseract ended without a page."""
    if code in (137, -9, 152, -24):
        return OcrFailed("parser_timeout", f"OCR took more than {PAGE_CPU_SECONDS} s of processor")
    if any(sign in said.lower() for sign in ("alloc", "memory")):
        limit = MEMORY_BYTES >> 20
        return OcrFailed("parser_memory", f"OCR took more than {limit:,} MiB of memory")
    if code == 1 and any(sign in said for sign in NOT_A_PICTURE):
        return OcrFailed("damaged", NO_PICTURE)
    return OcrFailed("parser_crashed", f"Tesseract ended with exit code {code}")


def ocr_lines(table: str) -> list[OcrLine]:
    """The lines in Tesseract's table: a row for each line, and after it one for each word."""
    lines: list[OcrLine] = []
    words, box = list[tuple[str, float]](), (0, 0, 0, 0)

    def finish() -> None:
        if words:
            letters = sum(len(text) for text, _ in words)
            confidence = sum(len(text) * sure for text, sure in words) / letters
            lines.append(OcrLine(" ".join(text for text, _ in words), confidence, *box))
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
