"""What a file's name says."""

import pytest

from endonym.text.config import Source
from endonym.text.io.formats import file_format, unsupported


@pytest.mark.parametrize(
    ("name", "compression", "archive", "format"),
    [
        ("a.txt", "", "", "txt"),
        ("Ә.TXT.GZ", "gzip", "", "txt"),
        ("a.jsonl.zst", "zstd", "", "jsonl"),
        ("a.csv.bz2", "bzip2", "", "csv"),
        ("a.tsv.xz", "xz", "", "tsv"),
        ("a.parquet", "", "", "parquet"),
        ("a.tar.gz", "gzip", "tar", ""),
        ("a.tgz", "gzip", "tar", ""),
        ("a.zip", "", "zip", ""),
        ("a.pdf", "", "", ""),
        ("README", "", "", ""),
        ("tat_2020_1M-words.txt", "", "", ""),
        ("tat_2020_1M-sentences.txt", "", "", "txt"),
    ],
)
def test_a_name_gives_packing_archive_and_format(
    name: str, compression: str, archive: str, format: str
):
    shape = file_format(name, Source(name="probe", path=name))
    assert (shape.compression, shape.archive, shape.format) == (compression, archive, format)


@pytest.mark.parametrize(("name", "format"), [("a.md", "txt"), ("b", "txt"), ("a.pdf", "")])
def test_a_given_format_is_used_but_never_for_what_is_no_text(name: str, format: str):
    assert file_format(name, Source(name="probe", path=name, format="txt")).format == format


def test_an_unknown_extension_says_how_to_read_it():
    shape = file_format("notes.md", Source(name="probe", path="."))
    assert 'format = "txt"' in unsupported(shape, "notes.md")
    shape = file_format("book.epub", Source(name="probe", path="."))
    assert "format =" not in unsupported(shape, "book.epub")
