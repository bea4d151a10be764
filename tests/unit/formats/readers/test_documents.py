"""E-books (EPUB), Word files (DOCX) and OpenDocument texts (ODT)."""

import time
from functools import partial
from pathlib import Path

import pytest
from made_documents import CONTAINER, W, docx, epub, odt, word_paragraph, xhtml, zipped
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, kept, reasons, records, refused, write

from endonym.formats import isolation
from endonym.formats.document import Document, Reject
from endonym.formats.isolation import Limits

BOOK = {"b.xhtml": xhtml(TATAR[:2], "Бер"), "a.xhtml": xhtml(TATAR[2:4], "Ике")}
FIRST, SECOND = "\n\n".join(TATAR[:2]), "\n\n".join(TATAR[2:4])
CORE = (
    '<cp:coreProperties xmlns:cp="x" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/"><dc:title> Хат </dc:title>'
    "<dc:creator>Әнвәр</dc:creator><dcterms:created>2026-01-02</dcterms:created></cp:coreProperties>"
)
META = (
    '<office:document-meta xmlns:office="urn:o" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:meta="urn:m"><office:meta><dc:title>Conte</dc:title><dc:language>fr</dc:language>'
    "<meta:creation-date>2026-01-02</meta:creation-date></office:meta></office:document-meta>"
)


def read(folder: Path, name: str, data: bytes, **keys: object) -> list[Document | Reject]:
    return records(write(folder, name, data), **keys)


ENTITY = '<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>'
LETTER = docx("".join(map(word_paragraph, TATAR + KHMER)), {"docProps/core.xml": CORE})
CONTE = "<text:h>Conte</text:h><text:p> </text:p>" + "".join(
    f"<text:p>{each}</text:p>" for each in FRENCH
)


DOCUMENTS = [
    (
        *("a.epub", epub(BOOK), f"{FIRST}\n\n{SECOND}"),
        {"title": "Әкиятләр", "author": "Халык", "language": "tt", "date": "1920"}
        | {"method": "epub", "chapters": "2"},
    ),
    (
        *("a.docx", LETTER, "\n\n".join(TATAR + KHMER)),
        {"title": "Хат", "author": "Әнвәр", "date": "2026-01-02", "method": "docx"},
    ),
    (
        *("a.odt", odt(CONTE, {"meta.xml": META}), "\n\n".join(["Conte", *FRENCH])),
        {"title": "Conte", "language": "fr", "date": "2026-01-02", "method": "odt"},
    ),
]


@pytest.mark.parametrize(("name", "data", "text", "meta"), DOCUMENTS)
def test_a_file_is_one_text_in_order_with_what_it_says_of_itself(
    tmp_path: Path, name: str, data: bytes, text: str, meta: dict[str, str]
):
    (document,) = read(tmp_path, name, data)
    assert isinstance(document, Document)
    assert (document.text, document.meta) == (text, meta)


NO_DOCUMENTS = [
    ("a.epub", b"PK\x03\x04 not a zip", "not a whole zip"),
    ("a.epub", epub(BOOK)[:-120], "not a whole zip"),
    ("a.epub", zipped({"a": "b"}), "no META-INF/container.xml"),
    ("a.epub", zipped({"META-INF/container.xml": "<container"}), "no whole XML"),
    ("a.epub", zipped({"META-INF/container.xml": "<container/>"}), "names no list"),
    ("a.epub", zipped({"META-INF/container.xml": CONTAINER}), "no OEBPS/book.opf"),
    ("a.docx", b"PK\x03\x04", "not a whole zip"),
    ("a.docx", zipped({"x": "y"}), "no word/document.xml"),
    ("a.docx", zipped({"word/document.xml": "<w:document"}), "no whole XML"),
    ("a.docx", zipped({"word/document.xml": ENTITY}), "entit"),
    ("a.docx", zipped({"word/document.xml": "<a>" * 5_000 + "</a>" * 5_000}), "no whole XML"),
    ("a.odt", b"nothing\0", ""),
    ("a.odt", zipped({"x": "y"}), "no content.xml"),
    ("a.odt", zipped({"content.xml": "<a"}), "no whole XML"),
]


@pytest.mark.parametrize(("name", "data", "detail"), NO_DOCUMENTS)
def test_what_is_no_such_file_is_one_reject(tmp_path: Path, name: str, data: bytes, detail: str):
    (refusal,) = refused(read(tmp_path, name, data))
    assert refusal.reason == "damaged"
    assert detail in refusal.detail


def test_a_chapter_is_a_document_where_the_recipe_says_so(tmp_path: Path):
    data = epub(BOOK, order=["a.xhtml", "b.xhtml"])
    found = read(tmp_path, "a.epub", data, document="page")
    assert kept(found) == [SECOND, FIRST]
    parts = [each.meta["part"] for each in found if isinstance(each, Document)]
    assert parts == ["OEBPS/a.xhtml", "OEBPS/b.xhtml"]


def test_references_of_html_are_letters_and_those_of_xml_entities_are_not_followed(tmp_path: Path):
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "ха"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM '
        '"file:///etc/passwd">]><html><body><p>L&eacute;o &amp; &b;&c;</p></body></html>'
    )
    (text,) = kept(read(tmp_path, "a.epub", epub({"a.xhtml": bomb})))
    assert "Léo &" in text
    assert "root:" not in text
    assert "хаха" not in text


def test_a_chapter_that_unpacks_to_far_too_much_is_left_out_in_time(tmp_path: Path):
    chapters = {"a.xhtml": xhtml(TATAR), "b.xhtml": "а" * 50_000_000, "c.xhtml": xhtml(FRENCH)}
    began = time.monotonic()
    found = read(tmp_path, "a.epub", epub(chapters))
    assert time.monotonic() - began < 120
    assert kept(found)[0].startswith(TATAR[0])
    assert reasons(found)["bomb"] >= 1


def test_names_that_climb_out_are_named_and_nothing_is_written(tmp_path: Path):
    more = {"../evil.txt": "x", f"{tmp_path}/endonym_evil.txt": "x", "..\\evil.txt": "x"}
    found = read(tmp_path, "a.epub", epub(BOOK, more=more))
    assert kept(found) == [f"{FIRST}\n\n{SECOND}"]
    assert reasons(found) == {"unsafe_member": 3}
    assert not list(tmp_path.rglob("*evil*"))


def test_a_spine_that_leads_out_or_in_a_circle_is_read_once(tmp_path: Path):
    assert kept(read(tmp_path, "a.epub", epub(BOOK, order=["b.xhtml"] * 1_000))) == [FIRST]
    out = epub({"../../../etc/passwd": "x", "a.xhtml": xhtml(ROMANIAN)})
    found = read(tmp_path, "b.epub", out)
    assert kept(found) == ["\n\n".join(ROMANIAN)]
    assert "unsafe_member" in reasons(found)


def test_a_chapter_that_is_damaged_or_locked_is_left_out_alone(tmp_path: Path):
    lock = (
        '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData><e:CipherData>'
        '<e:CipherReference URI="OEBPS/b.xhtml"/><e:CipherReference URI="fonts/x.otf"/>'
        "</e:CipherData></e:EncryptedData></encryption>"
    )
    found = read(tmp_path, "a.epub", epub(BOOK, more={"META-INF/encryption.xml": lock}))
    assert (kept(found), reasons(found)) == ([SECOND], {"needs_password": 1})
    data = epub(BOOK)
    at = data.index(b"OEBPS/a.xhtml") + 30
    found = read(tmp_path, "b.epub", data[:at] + b"\0\0\0\0" + data[at + 4 :])
    assert (kept(found), len(refused(found))) == ([FIRST], 1)


def test_runs_tabs_breaks_and_tables_are_text_and_deleted_text_and_codes_are_not(tmp_path: Path):
    body = (
        "<w:p><w:r><w:t>Бү</w:t></w:r><w:r><w:t>ген</w:t><w:tab/><w:t>һава</w:t><w:br/>"
        "<w:t>матур</w:t></w:r><w:del><w:r><w:delText>юк</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>!</w:t></w:r></w:ins><w:r><w:instrText>PAGE 7</w:instrText></w:r></w:p>"
        f"<w:tbl><w:tr><w:tc>{word_paragraph('күзәнәк')}</w:tc></w:tr></w:tbl>"
    )
    data = docx(body, {"docProps/core.xml": "<damaged"})
    assert kept(read(tmp_path, "a.docx", data)) == ["Бүген\tһава\nматур!\n\nкүзәнәк"]


def test_a_text_box_is_read_once_and_notes_come_after_the_text(tmp_path: Path):
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = f"<w:txbxContent>{word_paragraph('рамка')}</w:txbxContent>"
    body = (
        f"<w:p><w:r><w:t>текст</w:t><mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    notes = f"<w:footnotes {W}><w:footnote>{word_paragraph('искәрмә')}</w:footnote></w:footnotes>"
    data = docx(body, {"word/footnotes.xml": notes})
    assert kept(read(tmp_path, "a.docx", data)) == ["текст\n\nрамка\n\nискәрмә"]


def test_the_part_with_the_text_is_found_by_its_relation_and_its_notes_beside_it(tmp_path: Path):
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Type="core" Target="_rels/.rels"/>'
        '<Relationship Type="x/officeDocument" Target="none.xml"/>'
        '<Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="/text/main2.xml"/></Relationships>'
    )
    body = f"<w:document {W}>{word_paragraph(TATAR[0])}</w:document>"
    notes = f"<w:footnotes {W}>{word_paragraph(TATAR[1])}</w:footnotes>"
    members = {"_rels/.rels": relations, "text/main2.xml": body, "text/footnotes.xml": notes}
    assert kept(read(tmp_path, "a.docx", zipped(members))) == [FIRST]


def test_spans_blanks_and_breaks_are_text_and_deleted_text_and_comments_are_not(tmp_path: Path):
    body = (
        "<text:tracked-changes><text:p>effacé</text:p></text:tracked-changes>"
        "<text:p>Le <text:span>boulan</text:span>ger<text:s text:c='2'/>ouvre<text:line-break/>tôt"
        "<office:annotation><text:p>commentaire</text:p></office:annotation> ce matin"
        "<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>Une note.</text:p></text:note-body></text:note>.</text:p>"
        "<text:list><text:list-item><text:p>point</text:p></text:list-item></text:list>"
    )
    text = "Le boulanger  ouvre\ntôt ce matin.\n\nUne note.\n\npoint"
    assert kept(read(tmp_path, "a.odt", odt(body))) == [text]
    endless = odt("<text:p>a<text:s text:c='999999999'/>b</text:p>")
    assert len(kept(read(tmp_path, "b.odt", endless))[0]) < 2_000


def test_bombs_blank_and_locked_files_have_their_reasons(tmp_path: Path):
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry '
        'm:full-path="content.xml"><m:encryption-data/></m:file-entry></m:manifest>'
    )
    locked = {"META-INF/manifest.xml": manifest, "content.xml": b"\x93\x01" * 900}
    whole = {"META-INF/manifest.xml": manifest.replace("content.xml", "encrypted-package")}
    old = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(4_000)
    bomb = zipped({"word/document.xml": "<a>" + " " * 70_000_000 + "</a>"})
    for name, data, reason in (
        ("a.odt", zipped(locked), "needs_password"),
        ("e.odt", zipped(whole), "needs_password"),
        ("b.docx", old, "needs_password"),
        ("c.docx", docx("<w:p/>"), "blank"),
        ("d.docx", bomb, "bomb"),
    ):
        found = read(tmp_path, name, data)
        assert (kept(found), reasons(found)) == ([], {reason: 1})


def test_a_file_that_needs_too_much_memory_is_one_and_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = partial(isolation.parsed_units, limits=Limits(memory_bytes=250 << 20))
    monkeypatch.setattr(isolation, "parsed_units", small)
    body = f"<w:p>{'<a/>' * 4_000_000}</w:p>"  # twice the limit, in 16 MB
    (refusal,) = refused(read(tmp_path, "a.docx", docx(body)))
    assert refusal.reason == "parser_memory"
    looks = "<w:rPr><w:lang w:val='tt'/><w:b/></w:rPr>"
    body = f"<w:p><w:pPr>{looks}</w:pPr><w:r>{looks}<w:t>{TATAR[0]}</w:t></w:r></w:p>" * 30_000
    assert kept(read(tmp_path, "b.docx", docx(body)))


def test_a_lock_file_of_word_is_called_so_and_is_no_damage(tmp_path: Path):
    (refusal,) = refused(read(tmp_path, "~$хат.docx", b"\x05Alsu" + bytes(157)))
    assert (refusal.reason, refusal.raw_bytes) == ("unsupported_format", 162)
    assert refusal.detail == "a lock file of Word, no document"
    whole = docx("".join(map(word_paragraph, TATAR)))
    assert len(kept(read(tmp_path, "~$ике.docx", whole))) == 1
