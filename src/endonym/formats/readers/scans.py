"""Pages that OCR reads: pictures (JPEG, PNG, TIFF …), and pages of PDFs without a text layer.

Tesseract reads them if the recipe asks for OCR, and opens a picture itself, within its limits. A
document is a picture; of a TIFF with several pages, all of them, or each with document = "page".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from endonym.formats.config import Source
from endonym.formats.document import Records, Reject
from endonym.formats.io.content import Content, Origin
from endonym.formats.io.kinds import any_kind
from endonym.formats.io.streams import Feed
from endonym.formats.pages.margins import without_margins
from endonym.formats.pages.ocr import OcrFailed, OcrLine, Tesseract, best_pack, require_tesseract
from endonym.formats.pages.page import Line, Page
from endonym.formats.pages.paragraphs import rebuilt
from endonym.formats.parsers.unit import Unit
from endonym.formats.readers.other_kinds import HEAD_BYTES, is_other, records_on_disk
from endonym.formats.readers.parsed import PARSERS, Units, documents
from endonym.script.scripts import is_right_to_left

LEAST_CONFIDENCE = 0.6
ONLY_RUNNING = "it has nothing but running heads, feet or a page number"
OTHER_SIZE = 1.5
"""A line so much higher or lower than the others is in letters of another size. The height of a
line's box says less, as it depends on its letters."""


@dataclass(slots=True)
class PageOcr:
    """OCR as a recipe asks for it. packs: empty until the first page has shown which read best.

    least: the confidence, from 0 to 1, below which a page is refused.
    """

    engine: Tesseract
    packs: list[str]
    least: float

    @classmethod
    def of(cls, source: Source) -> "PageOcr | None":
        """OCR for a source, if it asks for any. Raises SourceError if Tesseract is missing."""
        if source.ocr is None:
            return None
        packs = [] if source.ocr == "auto" else list(source.ocr)
        least = source.min_ocr_confidence
        engine = require_tesseract(packs, source.script)
        return cls(engine, packs, least=LEAST_CONFIDENCE if least is None else least)

    def page(self, picture: Path | bytes, unit: Unit, number: int = 1) -> Page:
        """A page as lines. Raises OcrFailed, also if OCR is not sure enough of it."""
        self.packs = self.packs or [best_pack(self.engine, [(picture, number)]).pack]
        found = self.engine.read(picture, self.packs, number)
        if not found.lines:
            raise OcrFailed("blank", "OCR finds no text")
        if found.confidence < self.least:
            sure = f"OCR is sure of it to {found.confidence:.0%}, below {self.least:.0%}"
            raise OcrFailed("low_confidence", sure)
        meta = {"method": f"ocr:{'+'.join(self.packs)}", "confidence": f"{found.confidence:.2f}"}
        lines, height = placed(found.lines)
        return Page(unit.number, height, lines, unit.meta | meta, unit.raw_bytes)


def placed(lines: Sequence[OcrLine]) -> tuple[list[Line], float]:
    """Lines with boxes that do not depend on their letters, and the height of the page.

    A page from right to left is seen in a mirror, as that of a PDF (pdf_lines.upright).
    """
    usual = median(line.height for line in lines)
    width = max(line.left + line.width for line in lines)
    is_mirrored = is_right_to_left("".join(line.text for line in lines))
    page_height = max(line.top + line.height for line in lines) + usual
    found: list[Line] = []
    for line in lines:
        is_usual = usual / OTHER_SIZE < line.height < usual * OTHER_SIZE
        size = float(usual if is_usual else line.height)
        middle = page_height - line.top - line.height / 2
        bottom = middle - size / 2
        top = middle + size / 2
        left = float(width - line.left - line.width if is_mirrored else line.left)
        found.append(Line(line.text, left, bottom, left + line.width, top, size))
    return found, page_height


MAX_PAGES = 10_000


def read_image(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a picture."""
    ocr = PageOcr.of(source)
    if ocr is None:
        reason = "needs_ocr"
        detail = 'a picture; OCR reads it: ocr = "auto" in [[source]]'
        what = any_kind(Feed(content.packed).peek(HEAD_BYTES))
        if what != "a picture" and is_other(what, origin.name):
            reason = "other_kind"
            detail = f"by its content this is {what}: rename it"
        return iter([origin.whole_file(reason, detail)])

    def read(path: Path) -> Records:
        return documents(picture_units(path, ocr, origin), origin, source, PARSERS["image"])

    return records_on_disk(content, origin, read)


def picture_units(path: Path, ocr: PageOcr, origin: Origin) -> Units:
    """The text of each page of a picture, and rejects of the pages that OCR does not read."""
    count = tiff_pages(path)
    rejects = list[Reject]()
    size = origin.raw_bytes // count

    def pages() -> Iterator[Page]:
        for number in range(1, count + 1):
            unit = Unit(number, "", {"page": str(number)} if count > 1 else {}, size)
            try:
                yield ocr.page(path, unit, number)
            except OcrFailed as failed:
                record = number if count > 1 else None
                reject = origin.reject(failed.reason, failed.detail, record=record, raw_bytes=size)
                rejects.append(reject)

    return page_texts(pages(), rejects, origin)


def page_texts(pages: Iterator[Page], rejects: list[Reject], origin: Origin) -> Units:
    """The text of each page without its running heads, and the rejects of pages before it.

    rejects: gets those of pages that `pages` passes over.
    """
    for each in rebuilt(without_margins(pages)):
        yield from rejects
        rejects.clear()
        page = each.page
        if each.paragraphs:  # none if a paragraph of the page before goes on to its end
            yield Unit(page.number, each.text, page.meta, page.raw_bytes)
        elif not page.lines:
            detail = f"page {page.number}: {ONLY_RUNNING}"
            size = page.raw_bytes
            rejects.append(origin.reject("blank", detail, record=page.number, raw_bytes=size))
    yield from rejects


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
