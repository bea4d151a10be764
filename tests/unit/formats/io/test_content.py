"""The bytes of a file, as a stream or on disk."""

import gzip
from pathlib import Path

import pytest
from text_samples import TATAR, write

from endonym.formats.io import content as module
from endonym.formats.io.content import Content, Unusable
from endonym.formats.io.streams import Damage, Expansion

TEXT = "\n".join(TATAR).encode()


def content(data: bytes, compression: str = "", path: Path | None = None) -> Content:
    pieces = iter([data[n : n + 100] for n in range(0, len(data), 100)])
    return Content(pieces, compression, Expansion(len(data)), path, len(data), lambda size: None)


def test_a_stream_is_decompressed():
    assert b"".join(content(gzip.compress(TEXT), "gzip").stream()) == TEXT  # type: ignore[arg-type]


def test_a_plain_file_on_disk_is_used_as_it_is(tmp_path: Path):
    path = write(tmp_path, "a.pdf", TEXT)
    with content(TEXT, path=path).on_disk() as found:
        assert found == path


@pytest.mark.parametrize("path", [None, Path("/somewhere/a.pdf.gz")])
def test_a_member_or_a_compressed_file_is_on_disk_for_a_while(path: Path | None):
    with content(gzip.compress(TEXT), "gzip", path).on_disk() as found:
        assert found.read_bytes() == TEXT
    assert not found.exists()


def test_a_parser_that_unpacks_gets_the_packed_bytes(tmp_path: Path):
    packed = gzip.compress(TEXT)
    path = write(tmp_path, "a.xml.gz", packed)
    with content(packed, "gzip", path).on_disk(packed=True) as found:
        assert found == path
    with content(packed, "gzip").on_disk(packed=True) as found:
        assert found.read_bytes() == packed


def test_what_ends_early_or_is_too_much_is_unusable(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Unusable) as caught, content(gzip.compress(TEXT)[:-9], "gzip").on_disk():
        pass
    assert caught.value.damage.reason == "truncated"
    monkeypatch.setattr(module, "MAX_TEMPORARY_BYTES", 50)
    with pytest.raises(Unusable) as caught, content(TEXT).on_disk():
        pass
    assert isinstance(caught.value.damage, Damage)
    assert caught.value.damage.reason == "too_long"
