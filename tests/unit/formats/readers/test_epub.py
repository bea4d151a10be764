"""E-books."""

import time
from pathlib import Path

import pytest
from made_documents import CONTAINER, epub, xhtml, zipped
from text_samples import FRENCH, ROMANIAN, TATAR, kept, reasons, records, refused, write

from endonym.formats.document import Document

BOOK = {"b.xhtml": xhtml(TATAR[:2], "Бер"), "a.xhtml": xhtml(TATAR[2:4], "Ике")}


def test_a_book_is_one_document_in_the_order_of_its_spine(tmp_path: Path):
    (document,) = records(write(tmp_path, "a.epub", epub(BOOK)))
    assert isinstance(document, Document)
    assert document.text == "\n\n".join(TATAR[:4])
    assert document.meta == {
        "title": "Әкиятләр",
        "author": "Халык",
        "language": "tt",
        "date": "1920",
        "method": "epub",
        "chapters": "2",
    }


def test_a_chapter_is_a_document_where_the_recipe_says_so(tmp_path: Path):
    path = write(tmp_path, "a.epub", epub(BOOK, order=["a.xhtml", "b.xhtml"]))
    found = records(path, document="page")
    assert kept(found) == ["\n\n".join(TATAR[2:4]), "\n\n".join(TATAR[:2])]
    assert [each.meta["part"] for each in found if isinstance(each, Document)] == [
        "OEBPS/a.xhtml",
        "OEBPS/b.xhtml",
    ]


def test_references_of_html_are_letters_and_those_of_xml_entities_are_not_followed(tmp_path: Path):
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "ха"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM '
        '"file:///etc/passwd">]><html><body><p>L&eacute;o &amp; &b;&c;</p></body></html>'
    )
    (text,) = kept(records(write(tmp_path, "a.epub", epub({"a.xhtml": bomb}))))
    assert "Léo &" in text
    assert "root:" not in text
    assert "хаха" not in text


def test_a_chapter_that_unpacks_to_half_a_gigabyte_is_left_out_in_time(tmp_path: Path):
    chapters = {"a.xhtml": xhtml(TATAR), "b.xhtml": "а" * 300_000_000, "c.xhtml": xhtml(FRENCH)}
    path = write(tmp_path, "a.epub", epub(chapters))
    began = time.monotonic()
    found = records(path)
    assert time.monotonic() - began < 10
    assert kept(found)[0].startswith(TATAR[0])
    assert reasons(found)["bomb"] >= 1


def test_names_that_climb_out_are_named_and_nothing_is_written(tmp_path: Path):
    more = {"../evil.txt": "x", f"{tmp_path}/endonym_evil.txt": "x", "..\\evil.txt": "x"}
    found = records(write(tmp_path, "a.epub", epub(BOOK, more=more)))
    assert kept(found) == ["\n\n".join(TATAR[:4])]
    assert reasons(found) == {"unsafe_member": 3}
    assert not list(tmp_path.rglob("*evil*"))


def test_a_spine_that_leads_out_or_in_a_circle_is_read_once(tmp_path: Path):
    order = ["b.xhtml"] * 1_000
    (document,) = records(write(tmp_path, "a.epub", epub(BOOK, order=order)))
    assert isinstance(document, Document)
    assert document.text == "\n\n".join(TATAR[:2])
    out = epub({"../../../etc/passwd": "x", "a.xhtml": xhtml(ROMANIAN)})
    found = records(write(tmp_path, "b.epub", out))
    assert kept(found) == ["\n\n".join(ROMANIAN)]
    assert "unsafe_member" in reasons(found)


def test_chapters_under_a_lock_are_left_out_and_locked_fonts_are_no_harm(tmp_path: Path):
    lock = (
        '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData><e:CipherData>'
        '<e:CipherReference URI="OEBPS/b.xhtml"/><e:CipherReference URI="fonts/x.otf"/>'
        "</e:CipherData></e:EncryptedData></encryption>"
    )
    found = records(write(tmp_path, "a.epub", epub(BOOK, more={"META-INF/encryption.xml": lock})))
    assert kept(found) == ["\n\n".join(TATAR[2:4])]
    assert reasons(found) == {"needs_password": 1}


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"PK\x03\x04 not a zip", "not a whole zip"),
        (zipped({"a": "b"}), "no META-INF/container.xml"),
        (zipped({"META-INF/container.xml": "<container"}), "no whole XML"),
        (zipped({"META-INF/container.xml": "<container/>"}), "names no list"),
        (zipped({"META-INF/container.xml": CONTAINER}), "no OEBPS/book.opf"),
        (epub(BOOK)[:-120], "not a whole zip"),
    ],
)
def test_what_is_no_book_is_one_reject_with_the_cause(tmp_path: Path, data: bytes, detail: str):
    (refusal,) = records(write(tmp_path, "a.epub", data))
    assert refusal.reason == "damaged"
    assert detail in refusal.detail


def test_a_damaged_chapter_is_left_out_alone(tmp_path: Path):
    data = epub(BOOK)
    at = data.index(b"OEBPS/a.xhtml") + 30
    found = records(write(tmp_path, "a.epub", data[:at] + b"\0\0\0\0" + data[at + 4 :]))
    assert kept(found) == ["\n\n".join(TATAR[:2])]
    assert len(refused(found)) == 1
