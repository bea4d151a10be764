"""Dumps of MediaWiki: one unit a page, the text of an article without its markup.

Of a page with many revisions, the last one counts. Redirects and pages that are no articles (talk,
templates, categories, users) are units without text.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from endonym.formats.parsers.bounded import SAFE_OPTIONS, Packed
from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.parsers.wikitext import is_redirect, plain_text

ROOT = b"<mediawiki"
END = b"</mediawiki>"
PAGE = b"<page"
PAGE_END = b"</page>"
SITE = b"<siteinfo"
SITE_END = b"</siteinfo>"
OF_REVISION = ("text", "timestamp", "model", "format")
"""Tags of a revision: the last two say what its text is."""
PAGES_A_TICK = 200
TITLE_CHARS = 300
MAX_PAGE_BYTES = 96 << 20
"""Of a page with all its revisions."""


def wiki_units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """The pages of a dump, compressed or not, from number `start` on. The call opens the file.

    So what fails there is a failure of the whole file, and not of a unit.
    Raises Refused where it ends early.
    """
    units = opened_units(path, start)
    next(units)
    return units


def opened_units(path: str, start: int) -> Iterator[Unit | None]:
    """None when the file is open, and then the pages."""
    with Path(path).open("rb") as file:
        packed = Packed(file, path)
        site = Site()
        yield None
        for number, (before, data) in enumerate(divided(packed.pieces()), 1):
            site.learn(before)
            if not site.is_dump:
                raise Refused("damaged", "this is no dump of MediaWiki")
            if number >= start:
                yield wiki_page(data, number, site, packed.newly())
            elif number % PAGES_A_TICK == 0:
                yield None


def divided(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """What stands before each page, and the page, as bytes.

    They are found by their tags, which are escaped in a text. So of a page that is no XML only
    itself is lost. One that is too long is empty. Raises Refused
    where the dump ends early, or if it has no page.
    """
    held = bytearray()
    searched = 0  # bytes of it in which no page ends
    is_skipped = is_found = False
    for piece in pieces:
        held += piece
        while (end := held.find(PAGE_END, searched)) >= 0:
            whole = bytes(held[: end + len(PAGE_END)])
            del held[: end + len(PAGE_END)]
            start = whole.find(PAGE)
            searched = 0
            is_found = True
            yield (b"", b"") if is_skipped or start < 0 else (whole[:start], whole[start:])
            is_skipped = False
        searched = max(0, len(held) - len(PAGE_END))
        if len(held) > MAX_PAGE_BYTES:
            del held[:searched]
            searched = 0
            is_skipped = True
    if is_skipped or (is_found and END not in held):
        raise Refused("truncated", "the dump ends early; its last page is left out")
    if not is_found:
        raise Refused("damaged", "this is no dump of MediaWiki: it has no whole page")


class Site:
    """What a dump says of its wiki: the names of its namespaces, and where its pages stand."""

    def __init__(self) -> None:
        self.names = set[str]()
        self.base = ""
        self.is_dump = False

    def learn(self, before: bytes) -> None:
        """Take in what stands before a page; dumps may follow one another in a file."""
        self.is_dump |= ROOT in before
        start = before.find(SITE)
        end = before.rfind(SITE_END)
        if start < 0 or end < start:
            return
        try:
            data = before[start : end + len(SITE_END)]
            root = etree.fromstring(data, etree.XMLParser(**SAFE_OPTIONS))
        except etree.XMLSyntaxError:
            return
        for each in root.iter("{*}namespace"):
            if each.get("key", "0") != "0" and each.text:  # Articles have number 0 and no name.
                self.names.add(each.text.lower())
        self.base = (root.findtext("{*}base") or "").rpartition("/")[0]


def wiki_page(data: bytes, number: int, site: Site, raw_bytes: int) -> Unit:
    """A page as a unit, from its XML; empty if that is too long."""
    if not data:
        detail = f"a page of more than {MAX_PAGE_BYTES >> 20} MiB"
        return Unit(number, raw_bytes=raw_bytes, reason="too_long", detail=detail)
    try:
        page = etree.fromstring(data, etree.XMLParser(**SAFE_OPTIONS))
    except etree.XMLSyntaxError as error:
        detail = f"this page is no XML: {error.msg}"
        return Unit(number, raw_bytes=raw_bytes, reason="damaged", detail=detail)
    title = text_of(page, "title")[:TITLE_CHARS]
    revision = next(iter(page.iterchildren("{*}revision", reversed=True)), None)
    text, date, model, form = (text_of(revision, name) for name in OF_REVISION)
    meta = {"title": title, "method": "wiki"}
    if date:
        meta["date"] = date[:40]
    if site.base.startswith("http"):
        meta["url"] = f"{site.base}/{quote(title.replace(' ', '_'), safe='/:()')}"
    reason = ""
    detail = ""
    if text_of(page, "ns") not in ("", "0"):
        reason = "not_article"
        detail = "a page beside the articles"
    elif model not in ("", "wikitext"):
        reason = "not_article"
        detail = f"a page of the model {model[:40]}, not wikitext"
    elif form not in ("", "text/x-wiki"):
        reason = "not_article"
        detail = f"a page of the format {form[:40]}, not wikitext"
    elif page.find("{*}redirect") is not None or is_redirect(text):
        reason = "redirect"
        detail = "it leads to another page"
    if reason:
        detail = f"{title[:80]}: {detail}"
        return Unit(number, raw_bytes=raw_bytes, reason=reason, detail=detail)
    return Unit(number, plain_text(text, site.names), meta, raw_bytes)


def text_of(element: Any, name: str) -> str:
    """The text of a child; empty if there is none, or no element."""
    return "" if element is None else (element.findtext(f"{{*}}{name}") or "").strip()
