"""Pictures of pages (JPEG, PNG, TIFF …), read by Tesseract if the recipe asks for OCR.

A document is a picture; of a TIFF with several pages, all of them, or each with document = "page".
Tesseract itself opens the picture, within its limits.
"""

from collections.abc import Iterator
from pathlib import Path

from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.io.content import Content
from endonym.formats.io.kinds import any_kind
from endonym.formats.io.origin import Origin
from endonym.formats.pages.margins import without_margins
from endonym.formats.pages.ocr import OcrFailed
from endonym.formats.pages.page import Page
from endonym.formats.pages.paragraphs import rebuilt
from endonym.formats.parsers.unit import Unit
from endonym.formats.readers.other_kinds import head_of, is_other
from endonym.formats.readers.parsed import Parser, Records, documents, on_disk
from endonym.formats.readers.scans import ONLY_RUNNING, PageOcr

PARSER = Parser("", "page", text_share=0.005, is_joined=True)
MAX_PAGES = 10_000


def read_image(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a picture."""
    ocr = PageOcr.of(source)
    if ocr is None:
        what = any_kind(head_of(content))
        if what != "a picture" and is_other(what, origin.name):
            yield origin.whole_file("other_kind", f"by its content this is {what}: rename it")
            return
        detail = 'a picture; OCR reads it: ocr = "auto" in [[source]]'
        yield origin.whole_file("needs_ocr", detail)
        return

    def read(path: Path) -> Records:
        return documents(texts(path, ocr, origin), origin, source, PARSER)

    yield from on_disk(content, origin, PARSER, read)


def texts(path: Path, ocr: PageOcr, origin: Origin) -> Iterator[Unit | Reject]:
    """The text of each page of a picture."""
    rejects: list[Reject] = []
    for each in rebuilt(without_margins(pages(path, ocr, origin, rejects))):
        if each.paragraphs:
            yield Unit(each.page.number, each.text, each.page.meta, each.page.raw_bytes)
        elif not each.page.lines:
            number, size = each.page.number, each.page.raw_bytes
            detail = f"page {number}: {ONLY_RUNNING}"
            rejects.append(origin.reject("blank", detail, record=number, raw_bytes=size))
    yield from rejects


def pages(path: Path, ocr: PageOcr, origin: Origin, rejects: list[Reject]) -> Iterator[Page]:
    """The pages that OCR reads; the others become rejects."""
    count = tiff_pages(path)
    each_bytes = origin.raw_bytes // count
    for number in range(1, count + 1):
        unit = Unit(number, "", {"page": str(number)} if count > 1 else {}, each_bytes)
        try:
            yield ocr.page(path, unit, number)
        except OcrFailed as failed:
            record = number if count > 1 else None
            reject = origin.reject(
                failed.reason, failed.detail, record=record, raw_bytes=each_bytes
            )
            rejects.append(reject)


def tiff_pages(path: Path) -> int:
    """How many pages a picture has: the pictures that a TIFF lists, 1 for every other kind.

    Source: Adobe, TIFF Revision 6.0, section 2. A list that leads back into itself ends there.
    """
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] not in (b"II*\0", b"MM\0*"):
            return 1
        order = "little" if head[:1] == b"I" else "big"
        seen = set[int]()
        at = int.from_bytes(head[4:], order)
        while at and at not in seen and len(seen) < MAX_PAGES:
            file.seek(at)
            entries = file.read(2)
            if len(entries) < 2:
                break
            seen.add(at)
            file.seek(at + 2 + 12 * int.from_bytes(entries, order))
            at = int.from_bytes(file.read(4), order)
        return max(1, len(seen))
