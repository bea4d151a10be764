"""OpenDocument texts."""

from pathlib import Path

import pytest
from made_documents import odt, zipped
from text_samples import FRENCH, KHMER, kept, reasons, records, write

from endonym.formats.document import Document

META = (
    '<office:document-meta xmlns:office="urn:o" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:meta="urn:m"><office:meta><dc:title>Conte</dc:title><dc:language>fr</dc:language>'
    "<meta:creation-date>2026-01-02</meta:creation-date></office:meta></office:document-meta>"
)


def test_paragraphs_and_headings_are_read_in_order(tmp_path: Path):
    body = f"<text:h>Conte</text:h>{''.join(f'<text:p>{each}</text:p>' for each in FRENCH + KHMER)}"
    (document,) = records(write(tmp_path, "a.odt", odt(body, {"meta.xml": META})))
    assert isinstance(document, Document)
    assert document.text == "\n\n".join(["Conte", *FRENCH, *KHMER])
    assert document.meta == {
        "title": "Conte",
        "language": "fr",
        "date": "2026-01-02",
        "method": "odt",
    }


def test_spans_blanks_and_breaks_are_text_and_deleted_text_and_comments_are_not(tmp_path: Path):
    body = (
        "<text:tracked-changes><text:p>effacé</text:p></text:tracked-changes>"
        "<text:p>Le <text:span>boulan</text:span>ger<text:s text:c='2'/>ouvre<text:line-break/>tôt"
        "<office:annotation><text:p>commentaire</text:p></office:annotation> ce matin"
        "<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>Une note.</text:p></text:note-body></text:note>.</text:p>"
        "<text:list><text:list-item><text:p>point</text:p></text:list-item></text:list>"
    )
    assert kept(records(write(tmp_path, "a.odt", odt(body)))) == [
        "Le boulanger  ouvre\ntôt ce matin.\n\nUne note.\n\npoint"
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"nothing\0",
        zipped({"x": "y"}),
        zipped({"content.xml": "<a"}),
        zipped({"content.xml": '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><d>&a;</d>'}),
    ],
)
def test_what_is_no_such_file_is_one_reject(tmp_path: Path, data: bytes):
    assert reasons(records(write(tmp_path, "a.odt", data))) == {"damaged": 1}


def test_a_number_of_blanks_without_end_is_bounded(tmp_path: Path):
    body = "<text:p>a<text:s text:c='999999999'/>b</text:p>"
    (text,) = kept(records(write(tmp_path, "a.odt", odt(body))))
    assert len(text) < 2_000


def test_an_encrypted_text_needs_a_password(tmp_path: Path):
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry '
        'm:full-path="content.xml"><m:encryption-data/></m:file-entry></m:manifest>'
    )
    members = {"META-INF/manifest.xml": manifest, "content.xml": b"\x93\x01" * 900}
    assert reasons(records(write(tmp_path, "a.odt", zipped(members)))) == {"needs_password": 1}
