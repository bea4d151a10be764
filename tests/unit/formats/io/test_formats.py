"""What a file's name says."""

from typing import Any

import pytest

from endonym.formats.config import Source
from endonym.formats.io.formats import file_format, is_no_text, is_savable, unsupported

NAMES = [
    ("a.txt", "", "", "txt"),
    ("Ә.TXT.GZ", "gzip", "", "txt"),
    ("a.jsonl.zst", "zstd", "", "jsonl"),
    ("a.csv.bz2", "bzip2", "", "csv"),
    ("a.tsv.xz", "xz", "", "tsv"),
    ("a.parquet", "", "", "parquet"),
    ("a.tar.gz", "gzip", "tar", ""),
    ("a.tgz", "gzip", "tar", ""),
    ("a.tbz2", "bzip2", "tar", ""),
    ("a.txz", "xz", "tar", ""),
    ("a.zip", "", "zip", ""),
    ("a.pdf", "", "", "pdf"),
    ("Ә.JPEG", "", "", "image"),
    ("a.htm.gz", "gzip", "", "html"),
    ("a.warc.gz", "gzip", "", "warc"),
    ("a.warc.wet.gz", "gzip", "", "warc"),
    ("ttwiki-20260101-pages-articles.xml.bz2", "bzip2", "", "wiki"),
    ("rowiki-latest-pages-articles1.xml-p1p3040.bz2", "bzip2", "", "wiki"),
    ("feed.xml", "", "", ""),
    ("data-00000-of-00002.arrow", "", "", "arrow"),
    ("cache-3f2a9c1b77d0e4aa.arrow", "", "", ""),
    ("a.doc", "", "", ""),
    ("README", "", "", ""),
    ("tat_2020_1M-words.txt", "", "", ""),
    ("tat_2020_1M-sentences.txt", "", "", "leipzig"),
]


@pytest.mark.parametrize(("name", "compression", "archive", "format"), NAMES)
def test_a_name_gives_packing_and_format(name: str, compression: str, archive: str, format: str):
    shape = file_format(name, Source(name="probe", path=name))
    assert (shape.compression, shape.archive, shape.format) == (compression, archive, format)


@pytest.mark.parametrize(("name", "given", "format"), [
    ("a.md", "txt", "txt"), ("b", "txt", "txt"), ("a.pdf", "txt", ""), ("a.pdf", "pdf", "pdf"),
    ("a.jpg", "pdf", ""), ("export.xml", "wiki", "wiki"), ("page.xml", "html", "html"),
    ("page.php", "html", "html"), ("a.csv", "txt", "txt"), ("x-sentences.txt", "txt", "txt"),
])  # fmt: skip
def test_a_given_format_is_not_used_for_something_else(name: str, given: Any, format: str):
    assert file_format(name, Source(name="probe", path=name, format=given)).format == format


def test_sentences_of_leipzig_are_plain_lines_where_the_recipe_says_how_they_are_divided():
    source = Source(name="probe", path=".", document="line", column=2)
    assert file_format("tat-sentences.txt", source).format == "txt"


def test_an_unknown_extension_says_how_to_read_it():
    shape = file_format("notes.md", Source(name="probe", path="."))
    assert 'format = "txt"' in unsupported(shape, "notes.md")
    shape = file_format("book.djvu", Source(name="probe", path="."))
    assert "format =" not in unsupported(shape, "book.djvu")
    shape = file_format("dump.xml", Source(name="probe", path="."))
    assert 'format = "wiki"' in unsupported(shape, "dump.xml")
    shape = file_format("book.pdf", Source(name="probe", path=".", format="txt"))
    assert "not of the format that the recipe names" in unsupported(shape, "book.pdf")


@pytest.mark.parametrize(("name", "said"), [
    ("tat-words.txt", "Leipzig corpora that holds no text"), ("README", "without an extension"),
    ("d/cache-3f2a9c1b77d0e4aa.arrow", "datasets keeps"), ("a.md", "write format = \"txt\""),
])  # fmt: skip
def test_a_file_that_is_not_read_says_why(name: str, said: str):
    assert said in unsupported(file_format(name, Source(name="probe", path=".")), name)


@pytest.mark.parametrize(("name", "fate"), [
    ("Хат.DOC", (True, False)), ("хат.doc", (True, False)), ("Җыр.MP3", (False, True)),
    ("~$хат.docx", (False, True)), ("хат.txt", (False, False)),
])  # fmt: skip
def test_a_name_says_what_can_be_saved_as_text_and_what_holds_none(
    name: str, fate: tuple[bool, bool]
):
    assert (is_savable(name), is_no_text(name)) == fate
