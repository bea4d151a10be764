"""Word files."""

from pathlib import Path

import pytest
from made_documents import W, docx, word_paragraph, zipped
from text_samples import KHMER, TATAR, kept, reasons, records, refused, write

from endonym.formats.document import Document

CORE = (
    '<cp:coreProperties xmlns:cp="x" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/"><dc:title>Хат</dc:title>'
    "<dc:creator>Әнвәр</dc:creator><dcterms:created>2026-01-02</dcterms:created></cp:coreProperties>"
)


def test_paragraphs_are_read_in_order_with_what_the_file_says_of_itself(tmp_path: Path):
    body = "".join(map(word_paragraph, TATAR + KHMER))
    (document,) = records(write(tmp_path, "a.docx", docx(body, {"docProps/core.xml": CORE})))
    assert isinstance(document, Document)
    assert document.text == "\n\n".join(TATAR + KHMER)
    expected = {"title": "Хат", "author": "Әнвәр", "date": "2026-01-02", "method": "docx"}
    assert document.meta == expected


def test_runs_tabs_breaks_and_tables_are_text_and_deleted_text_and_codes_are_not(tmp_path: Path):
    body = (
        "<w:p><w:r><w:t>Бү</w:t></w:r><w:r><w:t>ген</w:t><w:tab/><w:t>һава</w:t><w:br/>"
        "<w:t>матур</w:t></w:r><w:del><w:r><w:delText>юк</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>!</w:t></w:r></w:ins><w:r><w:instrText>PAGE 7</w:instrText></w:r></w:p>"
        f"<w:tbl><w:tr><w:tc>{word_paragraph('күзәнәк')}</w:tc></w:tr></w:tbl>"
    )
    assert kept(records(write(tmp_path, "a.docx", docx(body)))) == [
        "Бүген\tһава\nматур!\n\nкүзәнәк"
    ]


def test_a_text_box_is_read_once_and_notes_come_after_the_text(tmp_path: Path):
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = f"<w:txbxContent>{word_paragraph('рамка')}</w:txbxContent>"
    body = (
        f"<w:p><w:r><w:t>текст</w:t><mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    notes = f"<w:footnotes {w}><w:footnote>{word_paragraph('искәрмә')}</w:footnote></w:footnotes>"
    data = docx(body, {"word/footnotes.xml": notes})
    assert kept(records(write(tmp_path, "a.docx", data))) == ["текст\n\nрамка\n\nискәрмә"]


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"PK\x03\x04", "not a whole zip"),
        (zipped({"x": "y"}), "no word/document.xml"),
        (zipped({"word/document.xml": "<w:document"}), "no whole XML"),
        (
            zipped({"word/document.xml": '<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>'}),
            "declares entities",
        ),
        (zipped({"word/document.xml": "<a>" * 5_000 + "</a>" * 5_000}), "no whole XML"),
    ],
)
def test_what_is_no_word_file_is_one_reject_with_the_cause(
    tmp_path: Path, data: bytes, detail: str
):
    (refusal,) = records(write(tmp_path, "a.docx", data))
    assert refusal.reason == "damaged"
    assert detail in refusal.detail


def test_a_bomb_is_a_reject(tmp_path: Path):
    data = zipped({"word/document.xml": "<a>" + " " * 100_000_000 + "</a>"})
    found = records(write(tmp_path, "a.docx", data))
    assert reasons(found) == {"bomb": 1}
    assert "unpacks to more than" in refused(found)[0].detail


def test_a_file_without_text_is_blank(tmp_path: Path):
    assert reasons(records(write(tmp_path, "a.docx", docx("<w:p/>")))) == {"blank": 1}


def test_the_part_with_the_text_is_found_by_its_relation_and_its_notes_beside_it(tmp_path: Path):
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="/text/main2.xml"/></Relationships>'
    )
    body = f"<w:document {W}>{word_paragraph(TATAR[0])}</w:document>"
    notes = f"<w:footnotes {W}>{word_paragraph(TATAR[1])}</w:footnotes>"
    members = {"_rels/.rels": relations, "text/main2.xml": body, "text/footnotes.xml": notes}
    (text,) = kept(records(write(tmp_path, "a.docx", zipped(members))))
    assert text == f"{TATAR[0]}\n\n{TATAR[1]}"


def test_an_older_or_locked_file_needs_a_password(tmp_path: Path):
    data = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(4_000)
    assert reasons(records(write(tmp_path, "a.docx", data))) == {"needs_password": 1}


def test_a_file_that_needs_too_much_memory_is_one_and_not_damaged(tmp_path: Path):
    body = f"<w:p>{'<a/>' * 13_000_000}</w:p>"  # twice the limit, in 52 MB
    (refusal,) = records(write(tmp_path, "a.docx", docx(body)))
    assert refusal.reason == "parser_memory"
    looks = "<w:rPr><w:lang w:val='tt'/><w:b/></w:rPr>"
    body = f"<w:p><w:pPr>{looks}</w:pPr><w:r>{looks}<w:t>{TATAR[0]}</w:t></w:r></w:p>" * 100_000
    assert kept(records(write(tmp_path, "b.docx", docx(body))))


def test_a_lock_file_of_word_is_called_so_and_is_no_damage(tmp_path: Path):
    (found,) = records(write(tmp_path, "~$хат.docx", b"\x05Alsu" + bytes(157)))
    (refusal,) = refused([found])
    assert (refusal.reason, refusal.raw_bytes) == ("unsupported_format", 162)
    assert refusal.detail == "a lock file of Word, no document"
    path = write(tmp_path, "~$ике.docx", docx("".join(map(word_paragraph, TATAR))))
    assert len(kept(records(path))) == 1
