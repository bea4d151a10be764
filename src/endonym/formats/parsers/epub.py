"""E-books (EPUB 2 and 3): one unit a chapter, in the order of the spine.

Only what the book's own list names is read. Its table of contents is left out, and so are chapters
under a digital lock.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from endonym.formats.io.archives import unsafe_name
from endonym.formats.parsers.markup import decoded, whole_text
from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.parsers.xml import xml_root
from endonym.formats.parsers.zipped import Bounded

CONTAINER, LOCKS = "META-INF/container.xml", "META-INF/encryption.xml"
CHAPTERS = ("application/xhtml+xml", "text/html", "application/html+xml", "text/x-oeb1-document")
XML, PLAIN = ("application/xml", "text/xml", "application/x-dtbook+xml"), "text/plain"
CHAPTER_NAMES = (".xhtml", ".html", ".htm", ".xml")
FIELDS = {
    "title": "title",
    "creator": "author",
    "language": "language",
    "date": "date",
    "rights": "rights",
    "publisher": "publisher",
    "identifier": "identifier",
}
FIELD_CHARS = 300


@dataclass(frozen=True, slots=True)
class Item:
    """A chapter: the name of its member, and why it is not read, if it is not."""

    name: str
    reason: str = ""
    detail: str = ""
    is_plain: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """An open book: its archive, its chapters in order, and what it says of itself."""

    archive: Bounded
    items: list[Item]
    meta: dict[str, str]


def epub_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The chapters from number `start` on."""
    book = open_book(Bounded(path))
    return (
        chapter(book, number, item) for number, item in enumerate(book.items, 1) if number >= start
    )


def open_book(archive: Bounded) -> Book:
    """A book. Raises Refused if it has no list of its chapters."""
    place = package_name(archive)
    package = xml_root(archive.read(place), place)
    meta = {"method": "epub"}
    for name, key in FIELDS.items():
        found = package.find(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
        if found is not None and (text := " ".join("".join(found.itertext()).split())):
            meta[key] = text[:FIELD_CHARS]
    items = [*spine(package, posixpath.dirname(place), locked(archive))]
    named = {item.name for item in items}
    unsafe = (name for name in archive.infos if unsafe_name(name))
    unsafe = (name for name in unsafe if posixpath.normpath(name) not in named)
    items += [Item(name, "unsafe_member", f"{name}: {unsafe_name(name)}") for name in unsafe]
    if not items:
        raise Refused("no_text", "no text: the book's list names no chapter")
    return Book(archive, items, meta)


def package_name(archive: Bounded) -> str:
    """The member that lists the book's parts."""
    root = xml_root(archive.read(CONTAINER), CONTAINER)
    for each in root.iter("{*}rootfile"):
        if name := each.get("full-path"):
            return name
    raise Refused("damaged", f"{CONTAINER} names no list of the book's parts")


def spine(package: Any, folder: str, locked_names: set[str]) -> Iterator[Item]:
    """The chapters in their order, also those that cannot be read.

    One that is listed twice, as in a loop, is read once. One that is no text may name another for
    readers that cannot show it.
    """
    manifest = {each.get("id"): each for each in package.iter("{*}item")}
    seen = set[str]()
    for reference in package.iter("{*}itemref"):
        listed = (reference.get("idref") or "")[:200]
        item = manifest.get(listed)
        if item is None:
            yield Item(listed, "no_member", f'the book lists a chapter "{listed}", and has none')
            continue
        if "nav" in (item.get("properties") or "").split():
            continue
        other = manifest.get(item.get("fallback"))
        item = other if other is not None and not is_text(item) else item
        given = place_of(item)
        name = posixpath.normpath(posixpath.join(folder, given))
        if name in seen:
            continue
        seen.add(name)
        if unsafe_name(name):
            yield Item(name, "unsafe_member", f"{given}: {unsafe_name(name)}")
        elif name in locked_names:
            yield Item(name, "needs_password", f"{name} is under a digital lock (DRM)")
        elif not is_text(item):
            kind = media_type(item)[:40] or "of no known kind"
            yield Item(name, "not_a_page", f"{name} is {kind}, not a text")
        else:
            yield Item(name, is_plain=media_type(item) == PLAIN)


def media_type(item: Any) -> str:
    """What the book says that a member is."""
    return (item.get("media-type") or "").strip().lower()


def is_text(item: Any) -> bool:
    """Whether a member is text, by what the book says of it, or by its name."""
    name = place_of(item).lower()
    return media_type(item) in (*CHAPTERS, *XML, PLAIN) or name.endswith(CHAPTER_NAMES)


def place_of(item: Any) -> str:
    """The member that an entry of the list names, without the place in it (`#part-2`)."""
    return unquote((item.get("href") or "").partition("#")[0])


def locked(archive: Bounded) -> set[str]:
    """The members under a digital lock; fonts may be among them, which are no text."""
    if LOCKS not in archive:
        return set()
    root = xml_root(archive.read(LOCKS), LOCKS)
    return {unquote(each.get("URI") or "") for each in root.iter("{*}CipherReference")}


def chapter(book: Book, number: int, item: Item) -> Unit:
    """A chapter as a unit."""
    info = book.archive.infos.get(item.name)
    size = info.compress_size if info is not None else 0
    if item.reason:
        return Unit(number, "", {}, 0, item.reason, item.detail)
    try:
        data = book.archive.read(item.name)
    except Refused as refusal:
        return Unit(number, "", {}, size, refusal.reason, refusal.detail)
    text, _ = decoded(data, None, None)
    text = text.strip() if item.is_plain else whole_text(text)
    return Unit(number, text, book.meta | {"part": item.name}, size)
