"""Word files (DOCX, Office Open XML) and OpenDocument texts (ODT): their paragraphs and notes.

Headers and footers, deleted text, field codes and comments are left out.
"""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from endonym.formats.parsers.bounded import Bounded, xml_root
from endonym.formats.parsers.unit import Options, Refused, Unit

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WORD_PARAGRAPHS = {f"{WORD}p", "{http://purl.oclc.org/ooxml/wordprocessingml/main}p"}
WORD_BODY = "word/document.xml"
WORD_NOTES = ("footnotes.xml", "endnotes.xml")
RELATIONS = "_rels/.rels"
MAIN = "/officeDocument"
EMPTIED = [f"{WORD}{name}" for name in ("rPr", "pPr", "tblPr", "trPr", "tcPr", "sectPr")]
"""How a text looks: the larger part of most files."""
NOT_SHOWN = {"del", "moveFrom", "instrText", "delText", "delInstrText", "txbxContent", "rt"}
"""Deleted text, field codes, text boxes (paragraphs of their own), readings above letters."""
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
WORD_CORE = "docProps/core.xml"

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
BODY = "content.xml"
META = "meta.xml"
MANIFEST = "META-INF/manifest.xml"
ENCRYPTED = "encrypted-package"
"""Since ODF 1.3, some programs encrypt the whole package in one member."""
FULL_PATH = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}full-path"
MAX_BLANKS = 1_000
"""Most blanks that one element stands for."""
LEFT_OUT = {
    *(f"{TEXT}{name}" for name in ("tracked-changes", "note-citation", "ruby-text")),
    *(f"{OFFICE}{name}" for name in ("annotation", "annotation-end")),
}
PARAGRAPHS = {f"{TEXT}p", f"{TEXT}h"}

SIGNS = {
    **dict.fromkeys(("br", "cr", "line-break"), "\n"),
    **{"tab": "\t", "noBreakHyphen": "\u2011", "softHyphen": "\u00ad", "soft-hyphen": "\u00ad"},
}
"""What elements of both formats stand for."""
NAMED = {"title": "title", "creator": "author", "language": "language"}
FIELDS = NAMED | dict.fromkeys(("created", "creation-date"), "date")
"""Tags of both formats -> keys of `Document.meta`."""


def docx_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The whole text as one unit."""
    return whole_unit(docx_unit, path, start)


def whole_unit(unit_of: Callable[[Bounded], Unit], path: str, start: int) -> Iterator[Unit]:
    """The whole text of an archive as one unit, with the bytes that were read of it."""
    archive = Bounded(path)
    return (replace(unit_of(archive), raw_bytes=archive.raw_bytes) for _ in range(start, 2))


def word_part(archive: Bounded) -> str:
    """The member with the text, which the file names; most call it by its usual name."""
    if RELATIONS in archive:
        for each in xml_root(archive.read(RELATIONS), RELATIONS).iter("{*}Relationship"):
            name = posixpath.normpath((each.get("Target") or "").lstrip("/"))
            if (each.get("Type") or "").endswith(MAIN) and name in archive:
                return name
    return WORD_BODY


def docx_unit(archive: Bounded) -> Unit:
    """A Word file as a unit: its paragraphs, and after them those of its notes. Raises Refused."""
    main = word_part(archive)
    notes = (posixpath.join(posixpath.dirname(main), each) for each in WORD_NOTES)
    texts: list[str] = []
    for name in [main, *(each for each in notes if each in archive)]:
        texts += word_paragraphs(xml_root(archive.read(name), name, EMPTIED))
    meta = properties(archive, WORD_CORE) | {"method": "docx"}
    return Unit(1, "\n\n".join(texts), meta)


def word_paragraphs(root: Any) -> Iterator[str]:
    """The texts of all paragraphs that are not blank, in order, those in tables included."""
    stack = [root]
    while stack:
        each = stack.pop()
        if not isinstance(each.tag, str) or each.tag == FALLBACK:
            continue
        if each.tag.rpartition("}")[2] in ("del", "moveFrom"):
            continue
        if each.tag in WORD_PARAGRAPHS and (text := word_paragraph(each).strip()):
            yield text
        stack.extend(reversed(each))  # a text box in a paragraph has paragraphs of its own


def word_paragraph(element: Any) -> str:
    """The text of one paragraph, without what `NOT_SHOWN` names."""
    parts: list[str] = []
    stack = list(reversed(element))
    while stack:
        each = stack.pop()
        if not isinstance(each.tag, str) or each.tag == FALLBACK:
            continue
        name = each.tag.rpartition("}")[2]
        if name == "t":
            parts.append(each.text or "")
        elif name in SIGNS:
            parts.append(SIGNS[name])
        elif name != "p" and name not in NOT_SHOWN:
            stack.extend(reversed(each))
    return "".join(parts)


def odt_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The whole text as one unit."""
    return whole_unit(odt_unit, path, start)


def odt_unit(archive: Bounded) -> Unit:
    """An ODT file as a unit: its paragraphs, and after each the notes in it. Raises Refused."""
    if MANIFEST in archive:
        for part in xml_root(archive.read(MANIFEST), MANIFEST).iter("{*}file-entry"):
            is_text = part.get(FULL_PATH) in (BODY, ENCRYPTED)
            if is_text and part.find("{*}encryption-data") is not None:
                raise Refused("needs_password", "it needs a password: save a copy without it")
    texts: list[str] = []
    stack = [xml_root(archive.read(BODY), BODY)]
    while stack:
        each = stack.pop()
        if each.tag in LEFT_OUT or not isinstance(each.tag, str):
            continue
        inner = each
        if each.tag in PARAGRAPHS:
            text, inner = odt_paragraph(each)
            texts += [text.strip()] if text.strip() else []
        stack.extend(reversed(inner))
    meta = properties(archive, META) | {"method": "odt"}
    return Unit(1, "\n\n".join(texts), meta)


def odt_paragraph(element: Any) -> tuple[str, list[Any]]:
    """The text of one paragraph, and the notes and frames in it, which have their own."""
    parts = list[str]()
    inner = list[Any]()
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
        if name == "s":  # some blanks, as many as its attribute says
            count = each.get(f"{TEXT}c", "1")
            parts.append(" " * min(MAX_BLANKS, int(count) if count.isdecimal() else 1))
        parts.append(SIGNS.get(name, ""))
        stack.extend(reversed(each))
        stack.append(each.text or "")
    return "".join(parts), inner


def properties(archive: Bounded, member: str) -> dict[str, str]:
    """Title, author, language and date, as far as the file says them."""
    if member not in archive:
        return {}
    try:
        root = xml_root(archive.read(member), member)
    except Refused:
        return {}
    elements = [each for each in root.iter() if isinstance(each.tag, str)]
    texts = {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in elements}
    return {key: texts[name][:200] for name, key in FIELDS.items() if texts.get(name)}
