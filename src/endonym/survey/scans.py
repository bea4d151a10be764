"""Which pack of Tesseract reads the pages of a source.

They are measured on one page, with the letters of the language's other texts, if there are any, and
those that it must have.
"""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from endonym.errors import printable
from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.files import RawFile
from endonym.formats.pages.ocr import OcrFailed, Picture, best_pack, tesseract
from endonym.formats.parsers.bounded import Bounded
from endonym.formats.parsers.unit import Refused
from endonym.formats.reader import read_file
from endonym.formats.readers.pdf import drawn
from endonym.formats.readers.scans import LEAST_CONFIDENCE
from endonym.script.languages import ocr_packages, usual_script
from endonym.survey.cleaning import EXPECTED

WANTED = ("needs_ocr", "bad_text_layer")
"""Reasons of pages that OCR may read."""
NO_TEXT = "pages without good text (pictures, or a broken font)"
NO_PROGRAM = f"{NO_TEXT}; Tesseract reads them: apt-get install {{packages}}"
SAMPLE_CHARS = 20_000
SIGNED = re.compile(r"\.(?:png|jpe?g|tiff?|bmp|webp)$", re.IGNORECASE)
"""Names of pictures."""


def needs_ocr(rejects: Sequence[Reject]) -> bool:
    """Whether pages were left out that OCR may read."""
    return any(each.reason in WANTED for each in rejects)


Blind = tuple[Path, Sequence[Reject]]
"""A file, and the rejects of its pages."""


def pack_for(files: Sequence[Blind], language: str, texts: str) -> tuple[str, str]:
    """The pack that reads a page of each of these files best, "" if none is good; and why."""
    engine, packages = tesseract(), ocr_packages(usual_script(language), language)
    if engine is None:
        return "", NO_PROGRAM.format(packages=packages)
    letters = texts[:SAMPLE_CHARS] + EXPECTED.get(language.split("-")[0], ("",))[0]
    try:
        found = best_pack(engine, [page_of(*each) for each in files], letters)
    except OcrFailed as failed:
        return "", f"{NO_TEXT}, and {failed.detail}"
    if found.confidence < LEAST_CONFIDENCE:
        why = f"{NO_TEXT} that OCR does not read well enough: {found.pack} is {found.reason}"
        return "", f"{why}; better may be: apt-get install {packages}"
    return found.pack, f"OCR by the pack that reads it best: {found.pack} is {found.reason}"


def pack_of(source: Source, files: Sequence[RawFile], language: str, letters: str) -> str:
    """The pack for a source whose recipe leaves the choice; "" if none of these files needs OCR."""
    plain = source.model_copy(update={"ocr": None, "document": "page"})
    for file in files:
        rejects = (each for each in read_file(plain, file) if isinstance(each, Reject))
        wanted = next((each for each in rejects if each.reason in WANTED), None)
        if wanted is not None and "/" not in wanted.id.rpartition("#")[0].removeprefix(file.name):
            return pack_for([(file.path, [wanted])], language, letters)[0]
    return ""


def member_picture(path: Path, member: str) -> bytes:
    """A picture in a zip. Raises OcrFailed."""
    if path.suffix.lower() != ".zip" or not SIGNED.search(member):
        raise OcrFailed("needs_ocr", "its pages cannot be tried; unpack the archive")
    try:
        return Bounded(str(path)).read(member)
    except Refused as refused:
        raise OcrFailed(refused.reason, refused.detail) from refused


def page_of(path: Path, rejects: Sequence[Reject]) -> Picture:
    """A picture of a page that OCR may read. Raises OcrFailed."""
    pages = [each for each in rejects if each.reason in WANTED]
    name = pages[len(pages) // 2].id
    number = name.rpartition("#")[2]
    if member := name.partition(f"{printable(path.name)}/")[2]:
        return member_picture(path, member), 1
    if not number.isdecimal():  # the file is a picture
        return path, 1
    found = drawn(path, int(number))
    if found.reason:
        raise OcrFailed(found.reason, f"a page cannot be drawn: {found.detail}")
    return base64.b64decode(found.text), 1
