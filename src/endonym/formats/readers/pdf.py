"""PDF: a document is the whole file, or a page with document = "page".

Each page gets a verdict. If its text layer is text, its lines become paragraphs again, without
running heads and page numbers. If there is none, or a broken font made nonsense of it, or there is
only a stamp or a number on a scan, Tesseract reads the page if the recipe asks for OCR; otherwise
it is a reject with its number. So is a page that has nothing but running heads.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from endonym.formats import isolation
from endonym.formats.config import Source
from endonym.formats.document import Records, Reject
from endonym.formats.io.content import Content, Origin
from endonym.formats.pages.ocr import OcrFailed
from endonym.formats.pages.page import PARTS, Line, Page
from endonym.formats.pages.page_quality import LETTER, quality
from endonym.formats.parsers.unit import Unit
from endonym.formats.readers.other_kinds import records_on_disk
from endonym.formats.readers.parsed import PARSERS, documents, units_of
from endonym.formats.readers.scans import PageOcr, page_texts
from endonym.script.languages import ocr_packages

PARSER = PARSERS["pdf"]
PICTURE = "endonym.formats.parsers.pdf:picture_units"
LEAST_QUALITY = 0.5
SHOWN = 500
BAD_LAYER = "the text layer of this page is not text ({share}); a broken or old font"
NO_LAYER = "this page has no text, only a picture"
SCAN = "this page is a picture, with only {letters} letters of text on it"
MOST_LETTERS = 100
LEAST_PICTURE = 0.6
"""A scan with a stamp on it has fewer letters, and its picture covers more of the page."""


def read_pdf(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a PDF."""

    def read(path: Path) -> Records:
        pdf = Pdf(path, content, origin, source)
        return documents(page_texts(pdf.pages(), pdf.rejects, origin), origin, source, PARSER)

    return records_on_disk(content, origin, read)


@dataclass
class Pdf:
    """A PDF on disk."""

    path: Path
    content: Content
    origin: Origin
    source: Source

    def __post_init__(self) -> None:
        self.ocr = PageOcr.of(self.source)
        self.rejects: list[Reject] = []

    def pages(self) -> Iterator[Page]:
        """The pages with text, each by the way that suits it; the others become rejects."""
        for unit in units_of(self.path, self.content, self.origin, PARSER, options={}):
            if isinstance(unit, Reject):
                self.rejects.append(unit)
            elif (page := self.page(unit)) is not None:
                yield page

    def page(self, unit: Unit) -> Page | None:
        """A page by the way that suits it, or None and a reject."""
        score, worst = quality(unit.text, self.source.script, unit.data["boxes"])
        if unit.text and score >= LEAST_QUALITY:
            boxes = ([each / PARTS for each in box] for box in unit.data["boxes"])
            texts = unit.text.split("\n")
            lines = [Line(text, *box) for text, box in zip(texts, boxes, strict=True)]
            meta = unit.meta | {"quality": f"{score:.2f}"}
            layer = Page(unit.number, unit.data["height"], lines, meta, unit.raw_bytes)
            count = len(LETTER.findall(unit.text))
            if unit.data["picture"] < LEAST_PICTURE or count >= MOST_LETTERS:
                return layer
            return self.by_ocr(unit, "needs_ocr", SCAN.format(letters=count), layer)
        if unit.text:
            return self.by_ocr(unit, "bad_text_layer", BAD_LAYER.format(share=worst))
        if unit.data["objects"]:
            return self.by_ocr(unit, "needs_ocr", NO_LAYER)
        self.refuse(unit, "blank", "this page is blank")
        return None

    def by_ocr(
        self, unit: Unit, reason: str, detail: str, layer: Page | None = None
    ) -> Page | None:
        """The page as OCR reads it, or None and a reject.

        layer: what its text layer says, which is taken if OCR fails or reads less.
        """
        if self.ocr is None:
            packages = ocr_packages(self.source.script)
            detail += f'; OCR reads it: ocr = "auto" in [[source]], and apt-get install {packages}'
            self.refuse(unit, reason, detail)
            return None
        picture = drawn(self.path, unit.number)
        try:
            if picture.reason:
                raise OcrFailed(picture.reason, f"the page cannot be drawn: {picture.detail}")
            page = self.ocr.page(base64.b64decode(picture.text), unit)
        except OcrFailed as failed:
            if layer is None:
                self.refuse(unit, failed.reason, failed.detail)
            return layer
        return page if layer is None or letters(page) > letters(layer) else layer

    def refuse(self, unit: Unit, reason: str, detail: str) -> None:
        """Add a reject for a page."""
        raw = unit.text[:SHOWN].encode()
        size = unit.raw_bytes
        detail = f"page {unit.number}: {detail}"
        reject = self.origin.reject(reason, detail, record=unit.number, raw=raw, raw_bytes=size)
        self.rejects.append(reject)


def drawn(path: Path, number: int) -> Unit:
    """A page of a PDF as a picture in base64, or why it cannot be drawn."""
    size = path.stat().st_size
    found = isolation.parsed_units(PICTURE, path, {"page": number}, raw_bytes=size)
    return next(found, Unit(0, reason="parser_failed", detail="no picture came"))


def letters(page: Page) -> int:
    """The letters on a page."""
    return sum(len(LETTER.findall(line.text)) for line in page.lines)
