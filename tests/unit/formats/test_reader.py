"""A raw file in, documents and refusals out."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from text_samples import TATAR, gzipped, kept, reasons, records, refused, tar, write

from endonym.errors import SourceError
from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import RawFile
from endonym.formats.io.content import Content, Origin
from endonym.formats.io.formats import FORMATS
from endonym.formats.reader import READERS, no_access, read_file

LINES = "\n".join(TATAR) + "\n"


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl.gz", "a.pdf", "a.zip", "a.parquet", "noname"])
def test_an_empty_file_is_refused_as_empty_whatever_its_name(tmp_path: Path, name: str):
    (refusal,) = records(write(tmp_path, name, b""))
    assert refusal.reason == "empty_file"
    assert "empty file" in refusal.detail


def test_a_packed_file_that_holds_nothing_has_no_text(tmp_path: Path):
    assert reasons(records(write(tmp_path, "a.txt.gz", gzipped("")))) == {"no_text": 1}


@pytest.mark.parametrize("name", ["a.doc", "a.djvu", "a.xml.bz2", "a.svg", "a.md"])
def test_a_format_that_is_not_read_is_refused_by_name_with_its_size(tmp_path: Path, name: str):
    (refusal,) = records(write(tmp_path, name, LINES))
    assert refusal.reason == "unsupported_format"
    assert Path(name).suffix in refusal.detail or "xml" in refusal.detail
    assert refusal.raw_bytes == len(LINES.encode())


def test_a_file_that_vanishes_is_an_error_of_the_disk(tmp_path: Path):
    file = RawFile(path=tmp_path / "gone.txt", name="gone.txt")
    with pytest.raises(SourceError) as caught:
        list(read_file(Source(name="probe", path="."), file))
    assert str(tmp_path / "gone.txt") in caught.value.where


RAW_FILES = [
    ("a.txt", LINES.encode() * 3_000),
    ("a.txt.gz", gzipped("".join(f"{n} {LINES}" for n in range(30_000)))),
    ("a.tar", tar({"a.txt": LINES * 2_000})),
]


@pytest.mark.parametrize(("name", "content"), RAW_FILES)
def test_progress_is_reported_in_bytes_of_the_raw_file(tmp_path: Path, name: str, content: bytes):
    path = write(tmp_path, name, content)
    sizes: list[int] = []
    source = Source(name="probe", path=str(path), document="line")
    for _ in read_file(source, RawFile(path=path, name=name), sizes.append):
        pass
    assert sum(sizes) == len(content)
    assert len(sizes) > 1


def test_every_member_of_a_gzip_is_read(tmp_path: Path):
    path = write(tmp_path, "a.txt.gz", gzipped(LINES) + gzipped(LINES))
    assert kept(records(path, document="line")) == TATAR * 2


def test_a_document_that_is_cut_keeps_its_whole_lines(tmp_path: Path):
    packed = gzipped("\n".join(f"{n} {TATAR[n % 6]}" for n in range(4_000)))
    path = write(tmp_path, "a.txt.gz", packed[: len(packed) // 2])
    found = records(path)
    (text,) = kept(found)
    assert all(line.endswith(".") for line in text.split("\n"))
    (refusal,) = refused(found)
    assert refusal.reason == "truncated"
    assert "ends early" in refusal.detail


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.formats.io.lines.MAX_DOCUMENT_BYTES", 1_000)
    path = write(tmp_path, "a.jsonl.gz", gzipped("x" * 5_000 + "\n" + '{"text": "Кояш"}\n'))
    found = records(path)
    assert kept(found) == ["Кояш"]
    assert reasons(found) == {"too_long": 1}
    assert refused(found)[0].raw_bytes == 5_000


def test_every_format_that_a_name_or_a_recipe_can_have_has_a_reader() -> None:
    named = get_args(Source.model_fields["format"].annotation)
    assert set(READERS) == set(named) - {"auto"}
    by_whole_name = {"leipzig", "wiki"}
    assert set(READERS) == set(FORMATS.values()) | by_whole_name


def test_a_full_disk_is_no_fault_of_the_file(tmp_path: Path):
    file = RawFile(path=tmp_path / "a.pdf.gz", name="a.pdf.gz")
    full = no_access(file, OSError(errno.ENOSPC, "No space left on device"))
    assert "TMPDIR" in full.do
    assert "permissions" in no_access(file, OSError(errno.EIO, "Input/output error")).do


@pytest.mark.parametrize("name", sorted(READERS))
def test_our_own_fault_costs_one_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    def faulty(content: Content, origin: Origin, source: Source) -> Iterator[Document | Reject]:
        yield origin.document(1, TATAR[0], raw_bytes=1, meta={})
        min([])

    monkeypatch.setitem(READERS, name, faulty)
    extension = next((end for end, each in FORMATS.items() if each == name), ".xml")
    file = "tat-sentences.txt" if name == "leipzig" else f"a{extension}"
    path = write(tmp_path, f"ttwiki-pages-{file}" if name == "wiki" else file, LINES)
    found = records(path)
    assert kept(found) == TATAR[:1]
    (refusal,) = refused(found)
    assert (refusal.reason, refusal.id) == ("reader_failed", path.name)
    assert re.search(r"ValueError at \S+\.py:\d+ \(.+\)", refusal.detail)
    if name not in ("wiki", "leipzig"):
        packed = records(write(tmp_path, "b.tar", tar({f"a{extension}": LINES, "z.md": "x"})))
        assert refused(packed)[0].id == f"b.tar/a{extension}"


def test_what_says_what_to_do_is_still_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(content: Content, origin: Origin, source: Source) -> Iterator[Document | Reject]:
        raise SourceError("a library is missing", where="here", do="Install it.")

    monkeypatch.setitem(READERS, "txt", missing)
    with pytest.raises(SourceError, match="a library is missing"):
        records(write(tmp_path, "a.txt", LINES))
