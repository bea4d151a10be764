"""What files are, whatever their names say."""

import time
from pathlib import Path

import pytest
from made_documents import docx, epub, lines, pdf, word_paragraph, xhtml, zipped
from text_samples import TATAR, records, refused, write

from endonym.formats.io.kinds import any_kind, kind, without_json

PAGE = xhtml(TATAR).encode()


REJECTS = [
    ("a.pdf", PAGE, "an HTML page"),
    ("a.txt", pdf([lines(TATAR)]), "a PDF"),
    ("a.epub", docx(word_paragraph(TATAR[0])), "a DOCX document"),
    ("a.docx", epub({"a.xhtml": xhtml(TATAR)}), "an EPUB book"),
    ("a.csv", b"PAR1" + bytes(50), "a parquet file"),
    ("a.jsonl", b'[\n {"text": "a"},\n {"text": "b"}\n]\n', "a JSON array"),
    ("a.jsonl", b"[[1, 2], [3]]", "a JSON array"),
    ("b.jsonl", b'<?xml version="1.0"?>\n<a>\n<b>c</b>\n</a>\n', "XML"),
    ("c.jsonl", PAGE, "an HTML page"),
    ("d.jsonl", b"\xef\xbb\xbf" + PAGE, "an HTML page"),
]


@pytest.mark.parametrize(("name", "data", "said"), REJECTS)
def test_a_reject_says_what_a_file_is(tmp_path: Path, name: str, data: bytes, said: str):
    (refusal,) = refused(records(write(tmp_path, name, data)))
    assert said in refusal.detail
    assert said.split(" ", 2)[:2] == kind(data).split(" ", 2)[:2]


BEGINNINGS_CASES = [
    (bytes(257) + b"ustar\x0000", "a tar archive"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "a picture"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "a sound file"),
    (b"BM\x36\x2a\0\0\0\0\0\0\x36", "a picture"),
    (b"\xff\xff\xff\xff\x78\0\0\0\x10\0\0\0\0\0", "an Arrow file"),
    (b"\0\0\0\x20ftypisom", "a video or a sound file"),
    (bytes(60) + b"BOOKMOBI", "a Mobipocket book"),
    (zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""}), "an Excel table"),
    (zipped({"ppt/presentation.xml": ""}), "a PowerPoint presentation"),
    (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
    (b"WARC/1.0\r\n", "a web archive (WARC)"),
    (b"filedesc://a.arc 0.0.0.0 20260102", "a web archive (ARC)"),
    (b'{"text": "a"}\n{"text": ', "lines of JSON"),
    (b'{\n "text": ["a",\n', "a JSON object"),
]


@pytest.mark.parametrize(("head", "said"), BEGINNINGS_CASES)
def test_kinds_are_known_by_their_beginning(head: bytes, said: str):
    assert kind(head) == said


TABLES = [
    ("\n".join(TATAR), "plain text"),
    ("id,text\n1,Бүген\n2,Кичә", "a table (CSV)"),
    ('id,text\n1,"Бүген, кичә"', "a table (CSV)"),
    ("id\ttext\n1\tБүген, кичә", "a table with tabs (TSV)"),
    ("id,text\n" + "a," * 2 + "ә" * 140_000, "plain text"),
    ("Allons, dit-il.\nMais, monsieur, il le faut.", "plain text"),
    ("Non, répondit Nicholl.\nEnfin, il partit.", "plain text"),
    ("Oui,dit-il.\nMais, monsieur, il le faut.", "plain text"),
    ("{}", "plain text"),
    ("\x01\x02", ""),
    ("\n", ""),
]


@pytest.mark.parametrize(("text", "said"), TABLES)
def test_texts_and_tables_are_kinds_for_what_should_be_none(text: str, said: str):
    assert any_kind(text.encode()) == said
    assert any_kind((text + "\n").encode() + "ә".encode()[:1] * (said == "")) == said


def test_text_in_another_encoding_is_no_plain_text_however_long_it_is():
    line = "L’été dernier, la rivière débordait.\n"
    assert any_kind(line.replace("’", "'").encode("latin-1")) == ""
    assert any_kind(line.replace("’", "'").encode("latin-1") * 4_000) == ""
    for size in (1 << 16, 70_001, 70_002):  # The first two end inside a letter.
        assert any_kind(("ភាសាខ្មែរ" * 4_000).encode()[:size]) == "plain text"


@pytest.mark.parametrize(
    "text", [*TATAR, "{Ике", "BM ә", "ID3 нче", "[Редакциядән]\nБүген", "<3 шигырь"]
)
def test_a_text_is_no_other_kind(text: str):
    assert kind(text.encode()) == ""


def test_a_damaged_file_of_its_own_kind_is_not_to_be_renamed(tmp_path: Path):
    for name, data in (("a.pdf", b"%PDF-1.4 x"), ("a.docx", docx(word_paragraph("a"))[:200])):
        (refusal,) = refused(records(write(tmp_path, name, data)))
        assert "rename" not in refusal.detail


BEGINNINGS = ("<!-- Фикер -->", "<!--", "<!-- \n", "\n ", "<?xml ", "<a", "[", "[ ")


@pytest.mark.parametrize("begin", [*BEGINNINGS, "<?xml version='1.0'?>"])
def test_no_beginning_that_is_repeated_takes_long(begin: str):
    start = time.process_time()
    for end in ("Бүген", "-->", ">", ""):
        kind((begin * 10_000 + end).encode())
    assert time.process_time() - start < 2


@pytest.mark.parametrize("comments", ["", "<!-- Башы --> ", "<!-- a --b -->\n<!---->" * 1_000])
def test_a_page_may_begin_with_comments(comments: str):
    assert kind(f"\n{comments}<!DOCTYPE html><p>{TATAR[0]}</p>".encode()) == "an HTML page"


def test_a_first_line_that_is_too_long_to_be_read_is_json_by_its_first_name():
    long = b'{"text": "' + TATAR[0].encode() * (1 << 11)
    assert kind(long) == kind(long[: 1 << 16]) == "lines of JSON"
    assert kind(b'{"text": "a"') == ""
    assert kind(b'{"text": "a"}') == "lines of JSON"
    assert kind(b"{" + b"a" * (1 << 17)) == ""
    assert without_json(("[" * (1 << 17)).encode("utf-16-be")) == ""
