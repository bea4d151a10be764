"""PDF: a document is the whole file, or a page with document = "page".

Each page gets a verdict. If its text layer is text, its lines become paragraphs again, without
running heads and page numbers. If there is none, or a broken font made nonsense of it, Tesseract
reads the page if the recipe asks for OCR; otherwise it is a reject with its number.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

from endonym.text import isolation
from endonym.text.config import Source
from endonym.text.document import Reject
from endonym.text.io.content import Content
from endonym.text.io.origin import Origin
from endonym.text.layout.margins import without_margins
from endonym.text.layout.page import Line, Page
from endonym.text.layout.paragraphs import rebuilt
from endonym.text.ocr import OcrFailed
from endonym.text.page_quality import quality
from endonym.text.parsers.pdf import PARTS
from endonym.text.parsers.unit import Unit
from endonym.text.readers.parsed import Parser, Records, documents, on_disk, units_of
from endonym.text.readers.scans import Eyes

PARSER = Parser("endonym.text.parsers.pdf", "page", text_share=0.2, is_joined=True)
PICTURE = "endonym.text.parsers.pdf_picture"
LEAST_QUALITY = 0.5
BAD_LAYER = "the text layer of this page is not text ({share}); a broken or old font"
NO_LAYER = "this page has no text, only a picture"


def read_pdf(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a PDF."""

    def read(path: Path) -> Records:
        return Pdf(path, content, origin, source).records()

    return on_disk(content, origin, PARSER, read)


class Pdf:
    """A PDF on disk."""

    def __init__(self, path: Path, content: Content, origin: Origin, source: Source) -> None:
        self.path, self.content, self.origin, self.source = path, content, origin, source
        self.eyes = Eyes.of(source)
        self.rejects: list[Reject] = []

    def records(self) -> Records:
        """The documents, and the rejects among them."""
        yield from documents(self.texts(), self.origin, self.source, PARSER)

    def texts(self) -> Iterator[Unit | Reject]:
        """The text of each page, and the rejects of pages before it."""
        for each in rebuilt(without_margins(self.pages())):
            yield from self.taken()
            page = each.page
            if each.paragraphs:  # none if a paragraph of the page before goes on to its end
                yield Unit(page.number, each.text, page.meta, page.raw_bytes)
        yield from self.taken()

    def taken(self) -> list[Reject]:
        """The rejects since this was last asked."""
        found, self.rejects = self.rejects, []
        return found

    def pages(self) -> Iterator[Page]:
        """The pages with text, each by the way that suits it; the others become rejects."""
        for unit in units_of(self.path, self.content, self.origin, PARSER, options={}):
            if isinstance(unit, Reject):
                self.rejects.append(unit)
                continue
            score, worst = quality(unit.text)
            if unit.text and score >= LEAST_QUALITY:
                yield page_of(unit, score)
            elif not unit.text and not unit.data["objects"]:
                self.refuse(unit, "blank", "this page is blank")
            else:
                reason = "bad_text_layer" if unit.text else "needs_ocr"
                detail = BAD_LAYER.format(share=worst) if unit.text else NO_LAYER
                page = self.seen(unit, reason, detail)
                if page is not None:
                    yield page

    def seen(self, unit: Unit, reason: str, detail: str) -> Page | None:
        """The page as OCR reads it, or None and a reject."""
        if self.eyes is None:
            self.refuse(unit, reason, f'{detail}; OCR reads it: ocr = "auto" in [[source]]')
            return None
        size = self.path.stat().st_size
        (found,) = isolation.units(PICTURE, self.path, {"page": unit.number}, raw_bytes=size)
        try:
            if found.reason:
                raise OcrFailed(found.reason, f"the page cannot be drawn: {found.detail}")
            return self.eyes.page(base64.b64decode(found.text), unit)
        except OcrFailed as failed:
            self.refuse(unit, failed.reason, failed.detail)
            return None

    def refuse(self, unit: Unit, reason: str, detail: str) -> None:
        """Add a reject for a page."""
        shown, number = unit.text[:500].encode(), unit.number
        self.rejects.append(
            self.origin.reject(
                reason,
                f"page {number}: {detail}",
                record=number,
                raw=shown,
                raw_bytes=unit.raw_bytes,
            )
        )


def page_of(unit: Unit, score: float) -> Page:
    """A page as lines, from its text layer."""
    boxes = ([each / PARTS for each in box] for box in unit.data["boxes"])
    lines = [Line(text, *box) for text, box in zip(unit.text.split("\n"), boxes, strict=True)]
    meta = unit.meta | {"quality": f"{score:.2f}"}
    return Page(unit.number, unit.data["height"], lines, meta, unit.raw_bytes)
