"""Web pages on disk."""

import time
from functools import partial
from pathlib import Path

import pytest
from made_documents import docx, lines, pdf, word_paragraph, xhtml, zipped
from text_samples import FRENCH, KHMER, TATAR, gzipped, kept, reasons, records, refused, write

from endonym.formats import isolation
from endonym.formats.document import Document
from endonym.formats.isolation import Limits

PAGE = """<!DOCTYPE html><html lang="tt"><head><title>Урманда</title>
<link rel="canonical" href="https://мисал.рф/урман"><meta name="date" content="2026-01-02">
<style>p {{ color: red }}</style><script>document.write("скрипт")</script></head><body>
<nav><ul><li><a href="/">Баш бит</a></li><li><a href="/b">Элемтә</a></li></ul></nav>
<main><article><h1>Урманда</h1>{body}</article></main>
<footer>© 2026 Барлык хокуклар сакланган</footer></body></html>"""


def page(paragraphs: list[str]) -> str:
    return PAGE.format(body="".join(f"<p>{each}</p>" for each in paragraphs * 3))


def test_the_main_text_is_kept_without_menu_foot_script_and_style(tmp_path: Path):
    (document,) = records(write(tmp_path, "a.html", page(TATAR)))
    assert isinstance(document, Document)
    assert all(each in document.text for each in TATAR)
    for gone in ("Баш бит", "Элемтә", "хокуклар", "скрипт", "color"):
        assert gone not in document.text
    said = {"title": "Урманда", "language": "tt", "url": "https://мисал.рф/урман"}
    assert document.meta == {**said, "date": "2026-01-02", "method": "html"}


def test_marks_between_khmer_words_stay(tmp_path: Path):
    text = "ព្រឹកនេះ\u200bខ្ញុំ\u200bដើរ\u200bទៅ\u200bផ្សារ។"
    assert text in kept(records(write(tmp_path, "a.htm", page([text, *KHMER]))))[0]


def test_a_page_is_divided_at_its_paragraphs_where_the_recipe_says_so(tmp_path: Path):
    path = write(tmp_path, "a.xhtml", xhtml(FRENCH))
    assert kept(records(path, document="blank_lines")) == FRENCH
    found = records(path, document="line")
    assert [each.id for each in found] == ["a.xhtml#1.1", "a.xhtml#1.3", "a.xhtml#1.5"]


ENCODINGS = [
    ('<meta charset="iso-8859-1">', "utf-8"),
    ('<meta charset="windows-1251">', "cp1251"),
    ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251"),
    ('<meta charset="no-such-thing">', "utf-8"),
    ("", "utf-8"),
    ("", "utf-16"),
]


@pytest.mark.parametrize(("head", "encoding"), ENCODINGS)
def test_the_encoding_is_what_the_bytes_are(tmp_path: Path, head: str, encoding: str):
    text = "Утром мы пошли в лес, потому что погода была очень хорошая."
    html = f"<html><head>{head}</head><body><p>{text}</p></body></html>"
    assert kept(records(write(tmp_path, "a.html", html.encode(encoding)))) == [text]


def test_an_encoding_that_the_recipe_names_is_used(tmp_path: Path):
    path = write(tmp_path, "a.html", f"<p>{FRENCH[2]}</p>".encode("cp1252"))
    assert kept(records(path, encoding="cp1252")) == [FRENCH[2]]


def test_bytes_that_fit_no_encoding_are_a_reject_and_no_text(tmp_path: Path):
    (refusal,) = records(write(tmp_path, "a.html", b"<p>" + bytes(range(128, 256)) * 9))
    assert refusal.reason in ("unknown_encoding", "binary", "invalid_bytes")


def test_a_page_without_text_is_counted(tmp_path: Path):
    found = records(write(tmp_path, "a.html", "<html><body><img></body></html>"))
    assert reasons(found) == {"blank": 1}


@pytest.mark.timeout(360)
@pytest.mark.parametrize(
    "html",
    [
        "<p>а</p>" * 250_000,
        "<div>" * 40_000 + "х",
        "<b><i>" * 40_000,
        "<table><tr><td>" * 15_000,
        "<a href='" + "x" * 5_000_000,
        "&#xD800;&#0;&#x110000;&bogus;" * 50_000,
        "<!--" * 500_000,
        "<script>" + "a<" * 1_000_000,
    ],
    ids=["flat", "deep", "crossed", "tables", "attribute", "references", "comments", "script"],
)
def test_a_page_of_many_tags_ends_in_time_and_its_neighbour_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, html: str
):
    quick = partial(isolation.parsed_units, limits=Limits(unit_cpu_seconds=2))
    monkeypatch.setattr(isolation, "parsed_units", quick)
    write(tmp_path, "raw/a.html", html)
    write(tmp_path, "raw/b.html", page(TATAR))
    began = time.monotonic()
    found = records(tmp_path / "raw")
    assert time.monotonic() - began < 300
    assert len({each.id.partition("#")[0] for each in found}) == 2
    assert any(isinstance(each, Document) and each.id == "b.html#1" for each in found)


def test_a_compressed_page_is_read(tmp_path: Path):
    assert TATAR[0] in kept(records(write(tmp_path, "a.html.gz", gzipped(page(TATAR)))))[0]
    assert not refused(records(write(tmp_path, "a.html.gz", gzipped(page(TATAR)))))


NO_PAGES = [
    (docx(word_paragraph(FRENCH[0])), "a DOCX document"),
    (pdf([lines(FRENCH)]), "a PDF"),
    (zipped({"a.txt": TATAR[0]}), "a zip archive"),
]


@pytest.mark.parametrize(("data", "said"), NO_PAGES)
def test_a_document_named_as_a_page_is_refused_by_its_kind(tmp_path: Path, data: bytes, said: str):
    found = records(write(tmp_path, "a.html", data))
    assert (kept(found), reasons(found)) == ([], {"other_kind": 1})
    assert f"by its content this is {said}: rename it" in refused(found)[0].detail
