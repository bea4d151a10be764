"""Files that a parser reads from front to back."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
import zstandard
from text_samples import TATAR, write

from endonym.formats.parsers.packed import Packed
from endonym.formats.parsers.unit import Refused

TEXT = "\n".join(TATAR).encode() * 1_000
PACK = {
    "": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("name", PACK)
def test_the_compression_is_known_by_the_first_bytes(tmp_path: Path, name: str):
    path = write(tmp_path, "a", PACK[name](TEXT))
    with path.open("rb") as file:
        packed = Packed(file, str(path))
        assert packed.compression == name
        assert b"".join(packed.pieces()) == TEXT
        assert packed.at_end
        assert packed.newly() == path.stat().st_size
        assert packed.newly() == 0


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_what_ends_early_is_refused_after_what_came(tmp_path: Path, name: str):
    path = write(tmp_path, "a", PACK[name](TEXT)[:-30])
    with path.open("rb") as file:
        packed = Packed(file, str(path))
        with pytest.raises(Refused):
            assert [piece in TEXT for piece in packed.pieces()] == []
        assert not packed.at_end


def test_a_bomb_is_refused(tmp_path: Path):
    path = write(tmp_path, "a", gzip.compress(b"a" * (80 << 20)))
    with path.open("rb") as file, pytest.raises(Refused, match="unpacks to more"):
        for _ in Packed(file, str(path)).pieces():
            pass
