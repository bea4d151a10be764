"""E-books (EPUB 2 and 3): one unit a chapter, in the order of the spine.

Only what the book's own list names is read. Its table of contents is left out, and so are chapters
under a digital lock.
"""

import posixpath
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from endonym.formats.io.archives import unsafe_name
from endonym.formats.parsers.bounded import Bounded, xml_root
from endonym.formats.parsers.html import decoded, page_text, parsed
from endonym.formats.parsers.unit import Options, Refused, Unit

CONTAINER = "META-INF/container.xml"
LOCKS = "META-INF/encryption.xml"
CHAPTERS = ("application/xhtml+xml", "text/html", "application/html+xml", "text/x-oeb1-document")
XML = ("application/xml", "text/xml", "application/x-dtbook+xml")
PLAIN = "text/plain"
CHAPTER_NAMES = (".xhtml", ".html", ".htm", ".xml")
FIELDS = ("title", "creator", "language", "date", "rights", "publisher", "identifier")
FIELD_CHARS = 300


class Chapter(NamedTuple):
    """A chapter: the name of its member, and why it is not read, if it is not."""

    name: str
    reason: str = ""
    detail: str = ""
    is_plain: bool = False


def epub_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The chapters from number `start` on. Raises Refused if the book has no list of them."""
    archive = Bounded(path)
    roots = xml_root(archive.read(CONTAINER), CONTAINER).iter("{*}rootfile")
    package_path = next((name for root in roots if (name := root.get("full-path"))), None)
    if package_path is None:
        raise Refused("damaged", f"{CONTAINER} names no list of the book's parts")
    package = xml_root(archive.read(package_path), package_path)
    meta = {"method": "epub"}
    for name in FIELDS:
        found = package.find(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
        if found is not None and (text := " ".join("".join(found.itertext()).split())):
            meta["author" if name == "creator" else name] = text[:FIELD_CHARS]
    chapters = [*spine(package, posixpath.dirname(package_path), locked(archive))]
    listed_names = {chapter.name for chapter in chapters}
    for name in archive.infos:
        if (why := unsafe_name(name)) and posixpath.normpath(name) not in listed_names:
            chapters.append(Chapter(name, "unsafe_member", f"{name}: {why}"))
    if not chapters:
        raise Refused("no_text", "no text: the book's list names no chapter")
    numbered = enumerate(chapters[start - 1 :], start)
    return (chapter_unit(archive, number, each, meta) for number, each in numbered)


def locked(archive: Bounded) -> set[str]:
    """The members under a digital lock; fonts may be among them, which are no text."""
    if LOCKS not in archive:
        return set()
    root = xml_root(archive.read(LOCKS), LOCKS)
    return {unquote(each.get("URI") or "") for each in root.iter("{*}CipherReference")}


def spine(package: Any, folder: str, locked_names: set[str]) -> Iterator[Chapter]:
    """The chapters in their order, also those that cannot be read.

    One that is listed twice, as in a loop, is read once. One that is no text may name another for
    readers that cannot show it.
    """
    manifest = {each.get("id"): each for each in package.iter("{*}item")}
    seen = set[str]()
    for reference in package.iter("{*}itemref"):
        item_id = (reference.get("idref") or "")[:200]
        item = manifest.get(item_id)
        if item is None:
            detail = f'the book lists a chapter "{item_id}", and has none'
            yield Chapter(item_id, "no_member", detail)
            continue
        if "nav" in (item.get("properties") or "").split():
            continue
        place, kind, is_text = entry(item)
        fallback = manifest.get(item.get("fallback"))
        if fallback is not None and not is_text:
            place, kind, is_text = entry(fallback)
        name = posixpath.normpath(posixpath.join(folder, place))
        if name in seen:
            continue
        seen.add(name)
        if unsafe_name(name):
            yield Chapter(name, "unsafe_member", f"{place}: {unsafe_name(name)}")
        elif name in locked_names:
            yield Chapter(name, "needs_password", f"{name} is under a digital lock (DRM)")
        elif not is_text:
            what = kind[:40] or "of no known kind"
            yield Chapter(name, "not_a_page", f"{name} is {what}, not a text")
        else:
            yield Chapter(name, is_plain=kind == PLAIN)


def entry(item: Any) -> tuple[str, str, bool]:
    """The member that an entry of the list names, its media type, and whether it is text.

    A place in the member (`#part-2`) is left out. It is text by its type, or by its name.
    """
    place = unquote((item.get("href") or "").partition("#")[0])
    kind = (item.get("media-type") or "").strip().lower()
    return place, kind, kind in (*CHAPTERS, *XML, PLAIN) or place.lower().endswith(CHAPTER_NAMES)


def chapter_unit(archive: Bounded, number: int, chapter: Chapter, meta: dict[str, str]) -> Unit:
    """A chapter as a unit. meta: of the book."""
    if chapter.reason:
        return Unit(number, reason=chapter.reason, detail=chapter.detail)
    info = archive.infos.get(chapter.name)
    size = info.compress_size if info is not None else 0
    try:
        data = archive.read(chapter.name)
    except Refused as refusal:
        return Unit(number, raw_bytes=size, reason=refusal.reason, detail=refusal.detail)
    text, _ = decoded(data, None, None)
    text = text.strip() if chapter.is_plain else page_text(parsed(text), only_main=False)
    return Unit(number, text, meta | {"part": chapter.name}, size)
