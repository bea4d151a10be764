"""OpenDocument texts (ODT): paragraphs and headings, without deleted text and comments."""

from collections.abc import Iterator
from typing import Any

from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.parsers.xml import xml_root
from endonym.formats.parsers.zipped import Bounded

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
BODY, META = "content.xml", "meta.xml"
MANIFEST, ENCRYPTED = "META-INF/manifest.xml", "encrypted-package"
"""Since ODF 1.3, some programs encrypt the whole package in one member."""
FULL_PATH = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}full-path"
MAX_BLANKS = 1_000
"""Most blanks that one element stands for."""
LEFT_OUT = {
    f"{TEXT}tracked-changes",
    f"{TEXT}note-citation",
    f"{TEXT}ruby-text",
    f"{OFFICE}annotation",
    f"{OFFICE}annotation-end",
}
PARAGRAPHS = {f"{TEXT}p", f"{TEXT}h"}
FIELDS = {"title": "title", "creator": "author", "language": "language", "creation-date": "date"}


def odt_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The whole text as one unit."""
    archive = Bounded(path)
    return (odt_unit(archive) for _ in range(start, 2))


def is_locked(archive: Bounded) -> bool:
    """Whether the list of the parts says that the text is encrypted."""
    if MANIFEST not in archive:
        return False
    parts = xml_root(archive.read(MANIFEST), MANIFEST).iter("{*}file-entry")
    text = (each for each in parts if each.get(FULL_PATH) in (BODY, ENCRYPTED))
    return any(each.find("{*}encryption-data") is not None for each in text)


def odt_unit(archive: Bounded) -> Unit:
    """The one unit: the paragraphs, and after each the notes in it. Raises Refused."""
    if is_locked(archive):
        raise Refused("needs_password", "it needs a password")
    texts: list[str] = []
    stack = [xml_root(archive.read(BODY), BODY)]
    while stack:
        each = stack.pop()
        if each.tag in LEFT_OUT or not isinstance(each.tag, str):
            continue
        if each.tag in PARAGRAPHS:
            text, inner = paragraph(each)
            texts += [text.strip()] if text.strip() else []
            stack.extend(reversed(inner))
        else:
            stack.extend(reversed(each))
    return Unit(1, "\n\n".join(texts), properties(archive) | {"method": "odt"})


def paragraph(element: Any) -> tuple[str, list[Any]]:
    """The text of one paragraph, and the notes and frames in it, which have their own."""
    parts, inner = list[str](), list[Any]()
    stack: list[Any] = [element]
    while stack:
        each = stack.pop()
        if isinstance(each, str):
            parts.append(each)
            continue
        if each is not element:
            stack.append(each.tail or "")
        if not isinstance(each.tag, str) or each.tag in LEFT_OUT:
            continue
        name = each.tag.rpartition("}")[2]
        if name in ("note", "frame") or (each.tag in PARAGRAPHS and each is not element):
            inner.append(each)
            continue
        parts.append(sign(each, name))
        stack.extend(reversed(each))
        stack.append(each.text or "")
    return "".join(parts), inner


def sign(element: Any, name: str) -> str:
    """What an empty element stands for."""
    if name == "s":
        count = element.get(f"{TEXT}c", "1")
        return " " * min(MAX_BLANKS, int(count) if count.isdecimal() else 1)
    return {"tab": "\t", "line-break": "\n", "soft-hyphen": "\u00ad"}.get(name, "")


def properties(archive: Bounded) -> dict[str, str]:
    """Title, author, language and date, as far as the file says them."""
    try:
        root = xml_root(archive.read(META), META) if META in archive else None
    except Refused:
        return {}
    if root is None:
        return {}
    found = {
        each.tag.rpartition("}")[2]: (each.text or "").strip()
        for each in root.iter()
        if isinstance(each.tag, str)
    }
    return {key: found[name][:200] for name, key in FIELDS.items() if found.get(name)}
