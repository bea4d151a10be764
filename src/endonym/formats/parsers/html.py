"""A web page: its main text, without menus, heads, feet and scripts."""

from collections.abc import Iterator
from pathlib import Path

import regex

from endonym.formats.io.kinds import kind
from endonym.formats.parsers.markup import decoded, page_meta, page_text
from endonym.formats.parsers.unit import Options, Refused, Unit

MAX_PAGE_BYTES = 64 << 20
HEAD_BYTES, KIND_BYTES = 2_048, 1 << 16
MARKUP = ("", "an HTML page", "XML")
MHTML = regex.compile(
    rb"\s*(?:From|MIME-Version):.*^Content-Type:\s*multipart/related", regex.I | regex.M | regex.S
)
"""A page with its pictures, as browsers save it in one file: a mail (RFC 2557)."""
OWN_PAGE = b'<meta name="generator" content="endonym">'
"""What the pages of `report/` say of themselves: they quote texts and are none."""


def html_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The page as one unit. Options: `encoding`, if the recipe names it, and `script`."""
    file = Path(path)
    size = file.stat().st_size
    if size > MAX_PAGE_BYTES:
        raise Refused("too_long", f"{size:,} bytes; a page may have {MAX_PAGE_BYTES >> 20} MiB")
    return (html_page(file.read_bytes(), options) for _ in range(start, 2))


def html_page(data: bytes, options: Options) -> Unit:
    """The one unit."""
    if MHTML.match(data[:HEAD_BYTES]):
        what = "a web page saved as MHTML; save it as HTML"
        return Unit(1, "", {}, len(data), "unsupported_format", what)
    if (what := kind(data[:KIND_BYTES])) not in MARKUP:
        return Unit(1, "", {}, len(data), "other_kind", f"by its content this is {what}: rename it")
    if OWN_PAGE in data[:HEAD_BYTES]:
        return Unit(1, "", {}, len(data), "own_page", "endonym made this page")
    text, encoding = decoded(data, None, options.get("encoding"), options.get("script"))
    meta = page_meta(text) | {"method": "html"}
    if encoding != "utf-8":
        meta["encoding"] = encoding
    return Unit(1, page_text(text), meta, len(data))
