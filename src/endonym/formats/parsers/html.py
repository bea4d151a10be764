"""Web pages: their encoding, their main text, and what they say of themselves.

The main text has no menus, heads, feet and scripts. resiliparse parses the page as browsers do, and
finds it. U+200B is kept: it parts the words of Khmer and others.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import regex
from resiliparse.extract import html2text  # pyright: ignore[reportMissingModuleSource]
from resiliparse.parse.html import HTMLTree

from endonym.disk import packaged_tables
from endonym.formats.io.encoding import ENCODINGS, HEAD_BYTES, detect
from endonym.formats.io.kinds import OWN_PAGE, kind
from endonym.formats.io.streams import Damage
from endonym.formats.parsers.unit import Options, Refused, Unit

DECLARED = regex.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})|<\?xml[^>]{0,80}?encoding=[\"']([\w.-]+)",
    regex.I,
)
DECLARED_BYTES = 8_192
STATEFUL = {"iso2022_jp", "hz", "iso2022_kr"}
"""Encodings in which every byte is ASCII."""
AS_BROWSERS: dict[str, str] = ENCODINGS["as_browsers"]
"""Pages that name the first mean the second (WHATWG, Encoding Standard)."""
OF_BROWSERS = set(ENCODINGS["of_browsers"].split())
"""Encodings that browsers read (WHATWG). Python knows others, such as idna, which no page is in."""
MAX_REPLACED = 0.02

BESIDE: list[str] = packaged_tables("endonym.formats.parsers", "markup.toml")["beside"].split()
"""What stands beside the main text."""

LEAST_SIGNS = 3
DATES = ("article:published_time", "date", "dc.date", "dcterms.created", "datepublished")
FIELD_CHARS = 300
LINE_BLANKS = regex.compile(r"[^\S\n\u200b]+")
EMPTY_LINES = regex.compile(r"\n{3,}")


def decoded(
    data: bytes, of_server: str | None, recipe_encoding: str | None, script: str | None = None
) -> tuple[str, str]:
    """A page as text, and the name of its encoding.

    of_server: the encoding that the server named. script: in which the text is expected.
    UTF-8 that is whole is taken as such, whatever the page says. Raises Refused.
    """
    if recipe_encoding is None and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        declared_name = declared(data, of_server)
        if b"\0" in data[:HEAD_BYTES] and (wide := utf16(data[:HEAD_BYTES], declared_name)):
            return readable(data, wide)
        try:
            text = data.decode("utf-8-sig")
            if declared_name not in STATEFUL or not data.isascii():
                return text, "utf-8"
        except UnicodeDecodeError:
            pass
        if declared_name and declared_name != "utf-8":
            return readable(data, declared_name)
    found = detect(data[:HEAD_BYTES], recipe_encoding, script)
    if isinstance(found, Damage):
        raise Refused(found.reason, found.detail)
    return readable(data[found.mark_bytes :], found.name)


def declared(data: bytes, of_server: str | None) -> str:
    """Python's name of the encoding that the server or the page names; "" if none is known."""
    found = DECLARED.search(data[:DECLARED_BYTES])
    of_page = next((group for group in found.groups() if group), b"") if found else b""
    for name in (of_server or "", of_page.decode("ascii", "ignore")):
        try:
            python_name = codecs.lookup(name.strip().strip("\"'")).name
        except (LookupError, ValueError):
            continue
        python_name = AS_BROWSERS.get(python_name, python_name)
        if python_name in OF_BROWSERS:
            return python_name
    return ""


def utf16(head: bytes, declared_name: str) -> str:
    """Which UTF-16 a page with NUL bytes and no mark is in; "" if none.

    Its signs <, >, / and blanks are pairs of bytes of which one is NUL, always the same one.
    """
    if declared_name in ("utf-16-le", "utf-16-be"):
        return declared_name
    even = head[::2]
    odd = head[1::2]
    big_endian_signs = sum(map(odd.count, b"<> /")) if even.count(0) > odd.count(0) else 0
    little_endian_signs = sum(map(even.count, b"<> /")) if odd.count(0) > even.count(0) else 0
    if max(big_endian_signs, little_endian_signs) < LEAST_SIGNS:
        return ""
    return "utf-16-be" if big_endian_signs else "utf-16-le"


def readable(data: bytes, name: str) -> tuple[str, str]:
    """The text in this encoding. Raises Refused if too many bytes mean nothing in it."""
    try:
        text = data.decode(name, "replace")
    except UnicodeError:
        text = "\ufffd"
    if text.count("\ufffd") > MAX_REPLACED * len(text):
        raise Refused("invalid_bytes", f"the page says that it is {name}, and it is not")
    return text, name


def parsed(html: str) -> Any:
    """A page as a tree of resiliparse."""
    return HTMLTree.parse(html)


def page_text(page: Any, *, only_main: bool = True) -> str:
    """The main text of a page, with an empty line between paragraphs.

    All of its text if it has no part that is the main one, or if not `only_main`, as in a chapter
    of a book.
    """
    text = html2text.extract_plain_text(
        page,
        preserve_formatting=True,
        main_content=only_main,
        list_bullets=False,
        alt_texts=False,
        noscript=False,
        comments=False,
        skip_elements=BESIDE if only_main else None,
    )
    lines = (LINE_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    tidied = EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()
    return tidied or (page_text(page, only_main=False) if only_main else "")


def page_meta(page: Any) -> dict[str, str]:
    """Title, language, date and address, as far as the page says them."""
    meta = {"title": " ".join((page.title or "").split())}
    root = page.document.query_selector("html")
    meta["language"] = (root.getattr("lang") or "") if root is not None else ""
    link = page.document.query_selector('link[rel="canonical"]')
    meta["url"] = (link.getattr("href") or "") if link is not None else ""
    for each in page.document.query_selector_all("meta"):
        name = (each.getattr("property") or each.getattr("name") or "").lower()
        if name in DATES and "date" not in meta:
            meta["date"] = each.getattr("content") or ""
    return {key: value[:FIELD_CHARS] for key, value in meta.items() if value}


MAX_PAGE_BYTES = 64 << 20
FIRST_BYTES = 2_048
KIND_BYTES = 1 << 16
MARKUP = ("", "an HTML page", "XML")
MHTML = regex.compile(
    rb"\s*(?:From|MIME-Version):.*^Content-Type:\s*multipart/related", regex.I | regex.M | regex.S
)
"""A page with its pictures, as browsers save it in one file: a mail (RFC 2557)."""


def html_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The page as one unit. Options: `encoding`, if the recipe names it, and `script`."""
    file = Path(path)
    size = file.stat().st_size
    if size > MAX_PAGE_BYTES:
        raise Refused("too_long", f"{size:,} bytes; a page may have {MAX_PAGE_BYTES >> 20} MiB")
    return (html_unit(file.read_bytes(), options) for _ in range(start, 2))


def html_unit(data: bytes, options: Options) -> Unit:
    """The page as a unit; with a reason if it is of another kind. Raises Refused."""
    if MHTML.match(data[:FIRST_BYTES]):
        what = "a web page saved as MHTML; save it as HTML"
        return Unit(1, raw_bytes=len(data), reason="unsupported_format", detail=what)
    if (what := kind(data[:KIND_BYTES])) not in MARKUP:
        detail = f"by its content this is {what}: rename it"
        return Unit(1, raw_bytes=len(data), reason="other_kind", detail=detail)
    if OWN_PAGE in data[:FIRST_BYTES]:
        return Unit(1, raw_bytes=len(data), reason="own_page", detail="endonym made this page")
    text, encoding = decoded(data, None, options.get("encoding"), options.get("script"))
    page = parsed(text)
    meta = page_meta(page) | {"method": "html"}
    if encoding != "utf-8":
        meta["encoding"] = encoding
    return Unit(1, page_text(page), meta, len(data))
