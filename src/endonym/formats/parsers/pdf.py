"""PDF: one unit a page, with the lines of its text layer and their boxes. PDFium reads it.

A unit's `data` is `height`, the number of `objects` on the page, `picture`: the share of the page
that its largest picture covers (0 if there is much text), and `boxes`: for each line of `text` its
left edge, base line, right edge, top, and the size of its letters, in tenths of points. They are
those of the page as its reader holds it: pages of turned lines are turned (pdf_lines). One page can
also be had as a picture, for OCR.
"""

import base64
import ctypes
import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from endonym.formats.pages.page import PARTS
from endonym.formats.parsers.pdf_lines import page_lines, upright
from endonym.formats.parsers.unit import Options, Refused, Unit

MAY_COPY = 1 << 4
"""The bit of a PDF's permissions that allows to extract text (ISO 32000-1, table 22)."""
FIELDS = {"Title": "title", "Author": "author", "CreationDate": "date"}
FIELD_CHARS = 300
DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)")
TAIL_BYTES = 2_048
FEW_CHARS = 200
"""Up to so many characters, a page may be a scan with a stamp or a number on it."""
MOST_LINES = 50_000
MOST_CHARS = 2_000_000
"""No page has more."""
LEAST_PAGE_BYTES = 4
"""A page takes more of its file, however well it is packed: blank ones that are alike take nine."""
MOST_OBJECTS = 2_000
"""So many objects of a page are looked at for its picture."""


def pdf_units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """The pages from number `start` on.

    Neighbours that cannot be read are one unit, with the number of the last. A file may claim any
    number of pages: those for which it is too small are refused as one. Raises Refused.
    """
    document = open_pdf(path)
    size = Path(path).stat().st_size
    meta = {"method": "pdf"} | document_meta(document, path)
    last = min(len(document), max(1, size // LEAST_PAGE_BYTES))
    page_bytes = size // last
    n_damaged = 0  # pages in a row, up to this one

    def damaged(first: int, last: int) -> Unit:
        count = last + 1 - first
        which = f"page {first}" if count == 1 else f"pages {first} to {last} ({count:,})"
        detail = f"{which} cannot be read"
        return Unit(last, raw_bytes=page_bytes * count, reason="damaged", detail=detail)

    for number in range(start, last + 1):
        unit = pdf_page(document, number, meta, page_bytes)
        if unit is None:
            n_damaged += 1
        elif n_damaged:
            yield damaged(number - n_damaged, number - 1)
            n_damaged = 0
        yield unit
    if last < len(document):
        claim = f"the file claims {len(document):,} pages and has {size:,} bytes"
        first = max(start, last + 1) - n_damaged
        raise Refused("damaged", f"{claim}; from page {first:,} on none is read")
    if n_damaged:
        yield damaged(last + 1 - n_damaged, last)


def document_meta(document: Any, path: str) -> dict[str, str]:
    """Title, author and date, as far as the file says them, and whether it is damaged.

    A whole PDF has its mark in its last bytes.
    """
    fields = document.get_metadata_dict()
    meta = {
        key: fields[name].strip()[:FIELD_CHARS] for name, key in FIELDS.items() if name in fields
    }
    date = DATE.match(meta.get("date", ""))
    meta["date"] = "-".join(date.groups()) if date else ""
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - TAIL_BYTES))
        if b"%%EOF" not in file.read():
            meta["recovered"] = "the file is damaged; these pages could be recovered"
    return {key: value for key, value in meta.items() if value}


def open_pdf(path: str) -> Any:
    """The document. Raises Refused."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Refused(
                "needs_password", "it needs a password: save a copy without it"
            ) from error
        raise Refused("damaged", "not a whole PDF: PDFium cannot open it") from error
    if not pdfium.FPDF_GetDocPermissions(document.raw) & MAY_COPY:
        raise Refused(
            "extraction_forbidden",
            "its author forbade to extract text; if you have the right, unlock it, such as: "
            "qpdf --decrypt",
        )
    if len(document) == 0:
        raise Refused("no_text", "no text: it has no page")
    return document


def pdf_page(document: Any, number: int, meta: dict[str, str], raw_bytes: int) -> Unit | None:
    """A page as a unit; None if it cannot be read."""
    try:
        page = document[number - 1]
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        return None
    lines = list(islice(page_lines(text, page), MOST_LINES + 1))
    height, placed = upright(lines, *page.get_size())
    joined = "\n".join(line for line, _ in placed)
    data = {
        "picture": picture_share(page) if len(joined) <= FEW_CHARS else 0.0,
        "height": height,
        "objects": pdfium.FPDFPage_CountObjects(page.raw),
        "boxes": [[round(each * PARTS) for each in box] for _, box in placed],
    }
    text.close()
    page.close()
    if len(lines) > MOST_LINES or len(joined) > MOST_CHARS:
        detail = f"page {number} has more than {MOST_LINES:,} lines or {MOST_CHARS:,} characters"
        return Unit(number, raw_bytes=raw_bytes, reason="too_long", detail=detail)
    return Unit(number, joined, meta | {"page": str(number)}, raw_bytes, data=data)


def picture_share(page: Any) -> float:
    """The share of a page that its largest picture covers; a form counts by what it holds."""
    width, height = page.get_size()
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    largest = 0.0
    for number in range(min(MOST_OBJECTS, pdfium.FPDFPage_CountObjects(page.raw))):
        each = pdfium.FPDFPage_GetObject(page.raw, number)
        if not has_picture(each):
            continue
        if pdfium.FPDFPageObj_GetBounds(each, left, bottom, right, top):
            wide = min(right.value, width) - max(left.value, 0.0)
            high = min(top.value, height) - max(bottom.value, 0.0)
            largest = max(largest, max(0.0, wide) * max(0.0, high))
    return round(largest / max(1.0, width * height), 3)


def has_picture(thing: Any) -> bool:
    """Whether an object of a page is a picture, or a form with one in it."""
    kind = pdfium.FPDFPageObj_GetType(thing)
    if kind != pdfium.FPDF_PAGEOBJ_FORM:
        return kind == pdfium.FPDF_PAGEOBJ_IMAGE
    inner = range(min(MOST_OBJECTS, pdfium.FPDFFormObj_CountObjects(thing)))
    kinds = (pdfium.FPDFPageObj_GetType(pdfium.FPDFFormObj_GetObject(thing, n)) for n in inner)
    return pdfium.FPDF_PAGEOBJ_IMAGE in kinds


DOTS_PER_INCH = 300
POINTS_PER_INCH = 72
MOST_DOTS = 36_000_000
"""Of a picture; an A4 page has 8.7 million at 300 dots per inch."""


def picture_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """A page as a grey picture for OCR, a PNM file in base64. Option: `page`, from 1."""
    page = open_pdf(path)[options["page"] - 1]
    if start > 1:
        return
    width, height = page.get_size()
    scale = DOTS_PER_INCH / POINTS_PER_INCH
    scale = min(scale, math.sqrt(MOST_DOTS / max(1.0, width * height)))
    bitmap = page.render(scale=scale, grayscale=True)
    data = memoryview(bitmap.buffer).cast("B")
    starts = range(0, bitmap.height * bitmap.stride, bitmap.stride)
    rows = (bytes(data[each : each + bitmap.width]) for each in starts)
    head = b"P5 %d %d 255\n" % (bitmap.width, bitmap.height)
    yield Unit(1, base64.b64encode(head + b"".join(rows)).decode())
