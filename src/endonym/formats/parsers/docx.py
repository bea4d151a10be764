"""Word files (DOCX, Office Open XML): the paragraphs of the text, of its notes after it.

Headers and footers, deleted text, field codes and comments are left out.
"""

import posixpath
from collections.abc import Iterator
from typing import Any

from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.parsers.xml import xml_root
from endonym.formats.parsers.zipped import Bounded

PARAGRAPHS = {
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}p",
    "{http://purl.oclc.org/ooxml/wordprocessingml/main}p",
}
BODY, NOTES = "word/document.xml", ("footnotes.xml", "endnotes.xml")
RELATIONS, MAIN = "_rels/.rels", "/officeDocument"
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
EMPTIED = [f"{WORD}{name}" for name in ("rPr", "pPr", "tblPr", "trPr", "tcPr", "sectPr")]
"""How a text looks: the larger part of most files."""
SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011", "softHyphen": "\u00ad"}
LEFT_OUT = {"del", "moveFrom", "instrText", "delText", "delInstrText", "txbxContent", "rt"}
"""Deleted text, field codes, text boxes (paragraphs of their own), readings above letters."""
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
CORE = "docProps/core.xml"
FIELDS = {"title": "title", "creator": "author", "language": "language", "created": "date"}


def docx_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The whole text as one unit."""
    archive = Bounded(path)
    return (docx_unit(archive, main_part(archive)) for _ in range(start, 2))


def main_part(archive: Bounded) -> str:
    """The member with the text, which the file names; most call it by its usual name."""
    if RELATIONS in archive:
        for each in xml_root(archive.read(RELATIONS), RELATIONS).iter("{*}Relationship"):
            name = posixpath.normpath((each.get("Target") or "").lstrip("/"))
            if (each.get("Type") or "").endswith(MAIN) and name in archive:
                return name
    return BODY


def docx_unit(archive: Bounded, main: str) -> Unit:
    """The one unit. Raises Refused."""
    texts = list(paragraphs(xml_root(archive.read(main), main, EMPTIED)))
    for each in NOTES:
        name = posixpath.join(posixpath.dirname(main), each)
        if name in archive:
            texts += paragraphs(xml_root(archive.read(name), name, EMPTIED))
    meta = properties(archive) | {"method": "docx"}
    return Unit(1, "\n\n".join(texts), meta)


def paragraphs(root: Any) -> Iterator[str]:
    """The texts of all paragraphs that are not blank, in order, those in tables included."""
    stack = [root]
    while stack:
        each = stack.pop()
        name = each.tag.rpartition("}")[2] if isinstance(each.tag, str) else "del"
        if each.tag == FALLBACK or name in ("del", "moveFrom"):
            continue
        if each.tag in PARAGRAPHS and (text := paragraph(each).strip()):
            yield text
        stack.extend(reversed(each))  # a text box in a paragraph has paragraphs of its own


def paragraph(element: Any) -> str:
    """The text of one paragraph, without what `LEFT_OUT` names."""
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
        elif name != "p" and name not in LEFT_OUT:
            stack.extend(reversed(each))
    return "".join(parts)


def properties(archive: Bounded) -> dict[str, str]:
    """Title, author, language and date, as far as the file says them."""
    try:
        root = xml_root(archive.read(CORE), CORE) if CORE in archive else ()
    except Refused:
        return {}
    found = {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in root}
    return {key: found[name][:200] for name, key in FIELDS.items() if found.get(name)}
