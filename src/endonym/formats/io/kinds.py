"""What bytes are, by how they begin, whatever the name of their file says."""

import csv
import json

import regex

MAGIC = {
    b"%PDF-": "a PDF",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"BZh9": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"II*\x00": "a picture",
    b"MM\x00*": "a picture",
    b"\xd0\xcf\x11\xe0": "an old Word document",
    b"{\\rtf": "an RTF document",
    b"PAR1": "a parquet file",
    b"ARROW1": "an Arrow file",
    b"PK\x05\x06": "an empty zip archive",
    b"]\0\0": "an LZMA file",
    b"\x1f\x9d": "a file of compress (.Z)",
    b"\x04\x22\x4d\x18": "an lz4 file",
    b"MSCF": "a cab archive",
    b"AT&TFORM": "a DjVu document",
    b"ID3\x03": "a sound file",
    b"ID3\x04": "a sound file",
    b"OggS": "a sound file",
    b"fLaC": "a sound file",
    b"GGUF": "a language model",
    b"\x93NUMPY": "an array of NumPy",
    b"SQLite format 3": "a database",
    b"\x7fELF": "a program",
}
AT = (
    (257, b"ustar", "a tar archive"),
    (60, b"BOOKMOBI", "a Mobipocket book"),
    (4, b"ftyp", "a video or a sound file"),
    (8, b"WEBPVP8", "a picture"),
    (8, b"WAVEfmt ", "a sound file"),
    (8, b"AVI LIST", "a video"),
    (6, b"\0\0\0\0", "a picture"),
    (8, b"\x10\0\0\0", "an Arrow file"),
)
"""What stands at a position; of the last two kinds only with BEFORE in front."""
BEFORE = {6: b"BM", 8: b"\xff\xff\xff\xff"}
IN_ZIP = {
    b"mimetypeapplication/epub+zip": "an EPUB book",
    b"mimetypeapplication/vnd.oasis.opendocument.text": "an ODT document",
    b"META-INF/container.xml": "an EPUB book",
    b"word/": "a DOCX document",
    b"xl/": "an Excel table",
    b"ppt/": "a PowerPoint presentation",
    b"[Content_Types].xml": "a DOCX document, or another of Office",
}
"""What stands near the beginning of archives that are documents."""
ZIP, ZIP_HEAD_BYTES = b"PK\x03\x04", 4_096
HTML = regex.compile(
    rb"(?i)\s*+(?:<\?xml[^>]*+>\s*+)?+(?:(?><!--.*?-->)\s*+)*+(?:<!doctype html|<html|<head|<body)",
    regex.S,
)
"""Nothing that was matched is tried again: of many comments there would be 2^n readings."""
XML = regex.compile(rb"\s*+<(?:\?xml|!DOCTYPE|[A-Za-z][\w:.-]*+[\s>/])")
ARRAY = regex.compile(
    rb"\s*+\[\s*+(?:[\{\"\]]|$|\[[\s\[]*+(?:[-\d\{\"\]]|(?:true|false|null)\b|$))"
)

OBJECT = regex.compile(rb'\{[^\S\n]*+\n\s*+"[^"\n]*+"\s*+:')
NAMED = regex.compile(rb'\{\s*+"[^"\n]*+"\s*+:')
CONTROL = regex.compile(r"[\0-\x08\x0E-\x1F\uFFFD]")
MOST_OF_LINE, TEXT_BYTES, TABLE_LINES = 1 << 16, 1 << 16, 5


def binary_kind(head: bytes) -> str:
    """What a file is that is no text, in words; empty if it may be one."""
    if head.startswith(ZIP):
        near = head[:ZIP_HEAD_BYTES]
        return next((what for sign, what in IN_ZIP.items() if sign in near), "a zip archive")
    for magic, what in MAGIC.items():
        if head.startswith(magic):
            return what
    for position, magic, what in AT:
        before = BEFORE[position] if b"\0" in magic else b""
        if head.startswith(magic, position) and head.startswith(before):
            return what
    return ""


def kind(head: bytes) -> str:
    """What a file is, in words; also the markup in a text. Empty if it does not show."""
    if what := binary_kind(head):
        return what
    head = head.removeprefix(b"\xef\xbb\xbf")
    if HTML.match(head):
        return "an HTML page"
    if XML.match(head):
        return "XML"
    for sign, what in ((b"WARC/", "WARC"), (b"filedesc:", "ARC")):
        if head.startswith(sign):
            return f"a web archive ({what})"
    if OBJECT.match(head):
        return "a JSON object"
    if head.startswith(b"{") and _is_json_line(head):
        return "lines of JSON"
    return "a JSON array" if ARRAY.match(head) else ""


def _is_json_line(head: bytes) -> bool:
    """Whether the first line is an object with a name, or is too long to tell."""
    line, end, _ = head[:MOST_OF_LINE].partition(b"\n")
    if not end and len(head) >= MOST_OF_LINE:
        return NAMED.match(line) is not None
    try:
        return bool(json.loads(line))
    except (ValueError, RecursionError):
        return False


def without_json(head: bytes) -> str:
    """What a text of lines is of which none is meant as JSON; empty if one is, or it is no text."""
    lines = [line for line in head.splitlines() if line.strip()]
    return "" if any(map(_is_meant_as_json, lines)) else any_kind(head)


def _is_meant_as_json(line: bytes) -> bool:
    if line.lstrip(b"\xef\xbb\xbf \t").startswith((b"{", b"[")):
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def any_kind(head: bytes) -> str:
    """The same; also of plain text and its tables, for what is taken for no text at all."""
    if what := kind(head):
        return what
    try:
        text = head.decode("utf-8", "strict" if len(head) < TEXT_BYTES else "ignore")
    except UnicodeDecodeError:
        return ""
    if CONTROL.search(text) or not text.strip():
        return ""
    lines = [line for line in text.splitlines() if line][:TABLE_LINES]
    if len(lines) > 1:
        for sign, what in (("\t", "a table with tabs (TSV)"), (",", "a table (CSV)")):
            if _is_table(lines, sign):
                return what
    return "plain text"


def _is_table(lines: list[str], sign: str) -> bool:
    """Whether the lines have equally many cells. Prose has a blank after its commas."""
    try:
        first, *rest = csv.reader(lines, delimiter=sign)
    except csv.Error:  # a cell above csv's limit
        return False
    no_blanks = not any(cell[:1].isspace() for cell in first)
    return len(first) > 1 and no_blanks and all(len(row) == len(first) for row in rest)
