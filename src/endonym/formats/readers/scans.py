"""Pages that OCR reads: which packs it uses, how sure it must be, and their lines as a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from endonym.formats.config import Source
from endonym.formats.pages.ocr import OcrFailed, OcrLine, Tesseract, require_tesseract
from endonym.formats.pages.ocr_packs import best_pack
from endonym.formats.pages.page import Line, Page
from endonym.formats.parsers.unit import Unit

LEAST_CONFIDENCE = 0.6
ONLY_RUNNING = "it has nothing but running heads, feet or a page number"
OTHER_SIZE = 1.5
"""A line so much higher or lower than the others is in letters of another size. The height of a
line's box says less, as it depends on its letters."""


@dataclass(slots=True)
class PageOcr:
    """OCR as a recipe asks for it. packs: empty until the first page has shown which read best."""

    engine: Tesseract
    packs: list[str]
    least: float
    pages: int = field(default=0)

    @classmethod
    def of(cls, source: Source) -> "PageOcr | None":
        """OCR for a source, if it asks for any. Raises SourceError if Tesseract is missing."""
        if source.ocr is None:
            return None
        packs = [] if source.ocr == "auto" else list(source.ocr)
        engine, least = require_tesseract(packs, source.script), source.min_ocr_confidence
        return cls(engine, packs, LEAST_CONFIDENCE if least is None else least)

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
    """Lines with boxes that do not depend on their letters, and the height of the page."""
    usual = median(line.height for line in lines)
    page = max(line.top + line.height for line in lines) + usual
    found: list[Line] = []
    for line in lines:
        is_usual = usual / OTHER_SIZE < line.height < usual * OTHER_SIZE
        size = float(usual if is_usual else line.height)
        middle = page - line.top - line.height / 2
        right = float(line.left + line.width)
        found.append(
            Line(line.text, float(line.left), middle - size / 2, right, middle + size / 2, size)
        )
    return found, page
