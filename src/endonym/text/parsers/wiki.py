"""Dumps of MediaWiki: one unit a page, the text of an article without its markup.

Of a page with many revisions, the last one counts. Redirects and pages that are no articles (talk,
templates, categories, users) are units without text.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from endonym.text.parsers.packed import Packed, closing
from endonym.text.parsers.unit import Options, Refused, Unit
from endonym.text.parsers.wikitext import Names, is_redirect, plain_text
from endonym.text.parsers.xml import lxml_etree, safe_options

END = b"</mediawiki>"
TAGS = ("{*}page", "{*}namespace", "{*}base")
PAGES_A_TICK = 200
TITLE_CHARS = 300


def units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """The pages of a dump, compressed or not."""
    lxml_etree()  # missing, it should be so before the first page
    file = Path(path).open("rb")  # noqa: SIM115 - the iterator closes it
    return closing(file, pages(Packed(file, path), start))


def pages(packed: Packed, start: int) -> Iterator[Unit | None]:
    """The pages from number `start` on. Raises Refused where the dump ends early."""
    names, number, base = Names(), 0, ""
    for element in elements(packed):
        tag = element.tag.rpartition("}")[2]
        if tag == "namespace":
            names.add(element.get("key", "0"), element.text or "")
            continue
        if tag == "base":
            base = (element.text or "").rpartition("/")[0]
            continue
        number += 1
        if number >= start:
            yield page(element, number, names, base=base, raw_bytes=packed.newly())
        elif number % PAGES_A_TICK == 0:
            yield None
        forget(element)
    if number == 0:
        raise Refused("damaged", "this XML is no dump of MediaWiki: it has no page")


def elements(packed: Packed) -> Iterator[Any]:
    """The elements of `TAGS`, each when it has been read as a whole."""
    etree, parser = lxml_etree(), None
    try:
        for piece, is_end in documents(packed.pieces()):
            parser = parser or etree.XMLPullParser(events=("end",), tag=TAGS, **safe_options())
            parser.feed(piece)
            for _, element in parser.read_events():
                yield element
            if is_end:
                parser.close()
                parser = None
        if parser is not None:
            parser.close()
    except etree.XMLSyntaxError as error:
        if packed.at_end:
            raise Refused("truncated", "the dump ends early; its last page is left out") from error
        raise Refused("damaged", f"the dump is no whole XML: {error.msg}") from error


def documents(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of XML, and whether one ends a document: dumps may follow one another in a file."""
    held, is_new = b"", True
    for piece in pieces:
        *whole, held = (held + piece).split(END)
        for each in whole:
            yield (each.lstrip() if is_new else each) + END, True
            is_new = True
        held = held.lstrip() if is_new else held
        if len(held) > len(END):
            yield held[: -len(END)], False
            held, is_new = held[-len(END) :], False
    if held.strip():
        yield held, False


def forget(element: Any) -> None:
    """Free a page, and what stands before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and parent[0] is not element:
        del parent[0]


def page(element: Any, number: int, names: Names, *, base: str, raw_bytes: int) -> Unit:
    """A page as a unit."""
    title = text_of(element, "title")[:TITLE_CHARS]
    revision = next(iter(element.iterchildren("{*}revision", reversed=True)), None)
    text = "" if revision is None else text_of(revision, "text")
    meta = {"title": title, "method": "wiki"}
    if revision is not None and (date := text_of(revision, "timestamp")):
        meta["date"] = date[:40]
    if base.startswith("http"):
        meta["url"] = f"{base}/{quote(title.replace(' ', '_'), safe='/:()')}"
    reason, detail, shown = "", "", title[:80]
    if text_of(element, "ns") not in ("", "0"):
        reason, detail = "not_article", f"{shown}: a page beside the articles"
    elif element.find("{*}redirect") is not None or is_redirect(text):
        reason, detail = "redirect", f"{shown}: it leads to another page"
    if reason:
        return Unit(number, "", {}, raw_bytes, reason, detail)
    return Unit(number, plain_text(text, names), meta, raw_bytes)


def text_of(element: Any, name: str) -> str:
    """The text of a child; empty if there is none."""
    return (element.findtext(f"{{*}}{name}") or "").strip()
