"""One page of a PDF as a picture for OCR: grey, PNM, in base64. Option: `page`, from 1."""

import base64
import math
from collections.abc import Iterator
from typing import Any

from endonym.formats.parsers.pdf import open_pdf
from endonym.formats.parsers.unit import Options, Unit

DOTS_PER_INCH, POINTS_PER_INCH = 300, 72
MOST_DOTS = 36_000_000
"""Of a picture; an A4 page has 8.7 million at 300 dots per inch."""


def picture_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The picture as one unit."""
    document = open_pdf(path)
    return iter([Unit(1, picture(document[options["page"] - 1]))] if start == 1 else [])


def picture(page: Any) -> str:
    """The page as a PNM file in base64."""
    width, height = page.get_size()
    scale = DOTS_PER_INCH / POINTS_PER_INCH
    scale = min(scale, math.sqrt(MOST_DOTS / max(1.0, width * height)))
    bitmap = page.render(scale=scale, grayscale=True)
    data = memoryview(bitmap.buffer).cast("B")
    rows = (
        bytes(data[n * bitmap.stride : n * bitmap.stride + bitmap.width])
        for n in range(bitmap.height)
    )
    head = b"P5 %d %d 255\n" % (bitmap.width, bitmap.height)
    return base64.b64encode(head + b"".join(rows)).decode()
