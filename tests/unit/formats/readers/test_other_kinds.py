"""Files with a wrong name: the reject says what they are, whatever their name says."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
from pathlib import Path

import pyarrow
import pytest
from made_documents import docx, epub, lines, odt, pdf, word_paragraph, xhtml, zipped
from pyarrow import parquet
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, kept, reasons, records, refused, write

TEXT = ("\n".join(TATAR) + "\n").encode()


def tarred() -> bytes:
    """A tar of one text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return buffer.getvalue()


def as_parquet() -> bytes:
    """A table of one column."""
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": TATAR}), buffer)
    return buffer.getvalue()


OBJECTS = [{"text": text} for text in KHMER]
BINARY = {
    "a zip archive": zipped({"a.txt": TEXT}),
    "a tar archive": tarred(),
    "a parquet file": as_parquet(),
    "a DOCX document": docx(word_paragraph(TATAR[0])),
    "a PDF": pdf([lines(TATAR)]),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "an RTF document": rb"{\rtf1\ansi Hello}",
    "an Excel table": zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""}),
}
PACKED = {"a gzip file": gzip.compress(TEXT), "an xz file": lzma.compress(TEXT)}
PACKED |= {"a bzip2 file": bz2.compress(TEXT)}
MARKED = {
    "an HTML page": f"<!DOCTYPE html>{xhtml(FRENCH)}".encode(),
    "a JSON array": json.dumps(OBJECTS, ensure_ascii=False, indent=1).encode(),
    "a JSON object": json.dumps({"texts": OBJECTS}, ensure_ascii=False, indent=1).encode(),
    "XML": b"<?xml version='1.0'?>\n<TEI>\n<p>a</p>\n</TEI>",
    "a web archive (WARC)": b"WARC/1.0\r\nWARC-Type: warcinfo\r\n\r\n",
}
JSON_LINES = {"lines of JSON": "\n".join(map(json.dumps, OBJECTS)).encode()}
PLAIN = {"plain text": TEXT, "a table (CSV)": b"id,text\n1,Apa\n2,Focul\n"}
OTHERS = BINARY | PACKED | MARKED
CASES = {
    **{f"a.{end}": OTHERS | JSON_LINES for end in ("txt", "csv", "tsv", "doc", "json", "html")},
    **{f"a.{end}": OTHERS | JSON_LINES | PLAIN for end in ("parquet", "arrow", "pdf", "docx")},
    **{f"a.{end}": OTHERS | JSON_LINES | PLAIN for end in ("png", "zip", "tar")},
    "a.jsonl": OTHERS | PLAIN,
    "a.gz": BINARY | MARKED | JSON_LINES | PLAIN | {"a bzip2 file": PACKED["a bzip2 file"]},
    "a.xz": {"a gzip file": PACKED["a gzip file"]},
    **{f"a.{end}": BINARY | MARKED | JSON_LINES | PLAIN for end in ("warc", "txt.gz")},
}
OWN = {
    ("a.html", "an HTML page"), ("a.html", "XML"), ("a.parquet", "a parquet file"),
    ("a.pdf", "a PDF"), ("a.docx", "a DOCX document"), ("a.png", "a picture"),
    ("a.warc", "a web archive (WARC)"), ("a.zip", "a zip archive"), ("a.tar", "a tar archive"),
}  # fmt: skip
"""What such a file may be, or is said of it in other words."""


@pytest.mark.parametrize("first", ["1 din 2", '{"text": "Vântul', '"Bun."', "[1, 2"])
def test_lines_of_json_may_begin_with_others_that_are_none(tmp_path: Path, first: str) -> None:
    data = "\n".join([first, json.dumps({"text": ROMANIAN[0]})])
    assert kept(records(write(tmp_path, "a.jsonl", data))) == [ROMANIAN[0]]


@pytest.mark.parametrize("name", CASES)
def test_the_reject_of_a_file_with_a_wrong_name_says_what_it_is(tmp_path: Path, name: str) -> None:
    for what, data in CASES[name].items():
        if (name, what) in OWN:
            continue
        write(tmp_path, f"сүзлек/{name}", data)
        found = records(tmp_path / "*" / name)
        (refusal,) = refused(found)
        assert refusal.id.startswith(f"сүзлек/{name}")
        assert (kept(found), what in refusal.detail, refusal.raw_bytes > 0) == ([], True, True), (
            what
        )
        if (name, what) != ("a.docx", "a zip archive"):
            reasons_known = ("other_kind", "binary", "not_compressed", "unsupported_format")
            assert refusal.reason in reasons_known, what


@pytest.mark.parametrize(
    ("what", "advice"),
    [("a JSON array", "jq -c"), ("lines of JSON", ".jsonl"), ("a JSON object", "lines of JSON")],
)
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.json.bz2"])
def test_json_is_told_what_to_do(tmp_path: Path, name: str, what: str, advice: str):
    data = (MARKED | JSON_LINES)[what]
    if name != "a.json":
        data = (gzip if name.endswith(".gz") else bz2).compress(data)
    found = records(write(tmp_path, name, data))
    if name != "a.json" and what == "lines of JSON":
        assert kept(found) == KHMER
        return
    (refusal,) = refused(found)
    assert f"this is {what}" in refusal.detail
    assert advice in refusal.detail


NO_ARCHIVES = [
    ("an EPUB book", epub({"one": xhtml(FRENCH)})),
    ("an ODT document", odt(f"<text:p>{FRENCH[0]}</text:p>", {"mimetype": "application"})),
    ("a DOCX document", zipped({"word/document.xml": xhtml(FRENCH)})),
    ("a PowerPoint", zipped({"[Content_Types].xml": "", "ppt/presentation.xml": ""})),
    ("another of Office", zipped({"[Content_Types].xml": "", "visio/document.xml": ""})),
]


@pytest.mark.parametrize(("what", "data"), NO_ARCHIVES)
def test_a_document_named_as_an_archive_is_one_reject(tmp_path: Path, what: str, data: bytes):
    (refusal,) = refused(records(write(tmp_path, "a.zip", data)))
    assert (refusal.reason, refusal.raw_bytes) == ("other_kind", len(data))
    assert what in refusal.detail
    assert ("rename it" in refusal.detail) == what.startswith(("an EPUB", "an ODT", "a DOCX"))


def test_an_archive_of_texts_may_have_folders_as_documents_have(tmp_path: Path) -> None:
    members = {"word/a.txt": TATAR[0], "xl/b.txt": TATAR[1], "mimetype.txt": FRENCH[0]}
    for part in ("content.xml", "mimetype"):
        data = zipped({**members, part: TATAR[2]})
        found = records(write(tmp_path, "a.zip", data), document="line")
        assert kept(found) == [TATAR[0], TATAR[1], FRENCH[0]]
        assert reasons(found) == {"unsupported_format": 1}


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.xz", "a.txt.bz2"])
def test_what_is_compressed_otherwise_than_its_name_says_is_read(tmp_path: Path, name: str) -> None:
    for data in PACKED.values():
        assert kept(records(write(tmp_path, name, data), document="line")) == TATAR


LIKE_OTHERS = [
    '<doc id="1" url="http://tt.example">\nБүген җылы.\n</doc>',
    "{җавап}\nБүген җылы.",
    '{"ул" диде}\nБүген җылы.',
    "[1] Бүген җылы.",
    "[[Казан]] шәһәре",
    "<b>Бүген</b> җылы.",
]


@pytest.mark.parametrize("text", LIKE_OTHERS)
def test_a_text_that_begins_like_another_kind_is_read(tmp_path: Path, text: str) -> None:
    assert kept(records(write(tmp_path, "a.txt", text))) == [text]


def test_a_recipe_may_name_the_format_of_such_a_text(tmp_path: Path) -> None:
    page = MARKED["an HTML page"].decode()
    (text,) = kept(records(write(tmp_path, "a.txt", page), format="txt"))
    assert text.startswith("<!DOCTYPE html>")
