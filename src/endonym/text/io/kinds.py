"""What bytes are, by how they begin, whatever the name of their file says."""

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
    b"SQLite format 3": "a database",
    b"\x7fELF": "a program",
}
IN_ZIP = {
    b"mimetypeapplication/epub+zip": "an EPUB book",
    b"mimetypeapplication/vnd.oasis.opendocument.text": "an ODT document",
    b"META-INF/container.xml": "an EPUB book",
    b"word/": "a DOCX document",
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
ARRAY = regex.compile(rb"\s*+\[\s*+(?:[\{\[\"\]]|$)")


def binary_kind(head: bytes) -> str:
    """What a file is that is no text, in words; empty if it may be one."""
    if head.startswith(ZIP):
        near = head[:ZIP_HEAD_BYTES]
        return next((what for sign, what in IN_ZIP.items() if sign in near), "a zip archive")
    return next((what for magic, what in MAGIC.items() if head.startswith(magic)), "")


def kind(head: bytes) -> str:
    """What a file is, in words; also the markup in a text. Empty if it does not show."""
    if what := binary_kind(head):
        return what
    head = head.removeprefix(b"\xef\xbb\xbf")
    if HTML.match(head):
        return "an HTML page"
    if XML.match(head):
        return "XML"
    return "a JSON array" if ARRAY.match(head) else ""
