"""Members of a zip, XML, and files that may be compressed, read within bounds."""

import bz2
import gzip
import lzma
import time
from pathlib import Path

import pytest
import zstandard
from made_documents import zipped
from text_samples import TATAR, write

from endonym.formats.io import streams
from endonym.formats.parsers import bounded as module
from endonym.formats.parsers.bounded import Bounded, Packed, xml_root
from endonym.formats.parsers.unit import Refused


def bounded(folder: Path, members: dict[str, str | bytes]) -> Bounded:
    return Bounded(str(write(folder, "a.zip", zipped(members))))


def test_a_member_is_read_by_its_name_and_one_that_is_missing_is_refused(tmp_path: Path):
    archive = bounded(tmp_path, {"a/ә.xml": TATAR[0]})
    assert ("a/ә.xml" in archive, "c" in archive) == (True, False)
    assert archive.read("a/ә.xml").decode() == TATAR[0]
    with pytest.raises(Refused, match="has no c"):
        archive.read("c")
    locked = bytearray((tmp_path / "a.zip").read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1  # a bit beside that of names in UTF-8
    with pytest.raises(Refused, match=r"ә\.xml needs a password"):
        Bounded(str(write(tmp_path, "b.zip", bytes(locked)))).read("a/ә.xml")


def test_members_that_unpack_to_too_much_are_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 1 << 20)
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 3 << 20)
    archive = bounded(tmp_path, {"long": "x" * (2 << 20), "b": "y"})
    with pytest.raises(Refused, match="1 MiB") as caught:
        archive.read("long")
    assert (caught.value.reason, archive.read("b")) == ("bomb", b"y")
    archive = bounded(tmp_path, dict.fromkeys("abcd", "x" * (1 << 20)))
    assert [len(archive.read(name)) for name in "abc"] == [1 << 20] * 3
    with pytest.raises(Refused, match="100 times its size") as caught:
        archive.read("d")
    assert caught.value.reason == "bomb"


def test_a_wrong_sum_and_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = zipped({"a": TATAR[0] * 9})
    at = data.index(b"PK\x01\x02") + 16
    path = write(tmp_path, "a.zip", data[:at] + b"\1\2\3\4" + data[at + 4 :])
    with pytest.raises(Refused, match="check sum"):
        Bounded(str(path)).read("a")
    monkeypatch.setattr(module, "MAX_MEMBERS", 2)
    with pytest.raises(Refused, match="3 members"):
        bounded(tmp_path, {"a": "", "b": "", "c": ""})


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + b"\xff" * 18, b"x" * 100])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes):
    with pytest.raises(Refused, match="not a whole zip"):
        Bounded(str(write(tmp_path, "a.zip", data)))


def test_xml_is_parsed_without_comments():
    xml = f"<!DOCTYPE a SYSTEM 'a.dtd'><a><!-- юк --><b>{TATAR[0]}</b></a>"
    assert [(each.tag, each.text) for each in xml_root(xml.encode(), "a")] == [("b", TATAR[0])]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


ENTITIES = [
    f'<!ENTITY l0 "ха">{LAUGHS}',
    '<!ENTITY l9 SYSTEM "file:///etc/passwd">',
    '<!ENTITY l9 SYSTEM "http://127.0.0.1:9/x">',
    '<!ENTITY % p SYSTEM "file:///etc/passwd">%p;<!ENTITY l9 "x">',
]


@pytest.mark.parametrize("head", ENTITIES)
def test_entities_are_refused_and_neither_expanded_nor_fetched(head: str):
    began = time.monotonic()
    with pytest.raises(Refused, match=r"entities|no whole XML") as caught:
        xml_root(f"<!DOCTYPE a [{head}]><a>&l9;</a>".encode(), "a.xml")
    assert caught.value.reason == "damaged"
    assert time.monotonic() - began < 300


@pytest.mark.parametrize("text", ["", "<a>", "<a></b>", "<a>" * 1_000 + "</a>" * 1_000, "күк"])
def test_xml_that_is_not_whole_or_too_deep_is_refused(text: str):
    with pytest.raises(Refused, match=r"a\.xml is no whole XML"):
        xml_root(text.encode(), "a.xml")


TEXT = "\n".join(TATAR).encode() * 1_000
PACK = {"": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
PACK["zstd"] = zstandard.compress


@pytest.mark.parametrize("name", PACK)
def test_a_file_is_unpacked_by_its_first_bytes(tmp_path: Path, name: str):
    path = write(tmp_path, "a", PACK[name](TEXT))
    with path.open("rb") as file:
        packed = Packed(file, str(path))
        assert packed.compression == name
        assert b"".join(packed.pieces()) == TEXT
        assert (packed.newly(), packed.newly()) == (path.stat().st_size, 0)
    path = write(tmp_path, "b", PACK[name](TEXT)[:-30])
    with path.open("rb") as file:
        packed, found = Packed(file, str(path)), list[bytes]()
        if name:
            with pytest.raises(Refused):
                found += packed.pieces()
    assert TEXT.startswith(b"".join(found))


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path):
    path = write(tmp_path, "a", gzip.compress(b"a" * (80 << 20)))
    with path.open("rb") as file, pytest.raises(Refused, match="unpacks to more"):
        for _ in Packed(file, str(path)).pieces():
            pass
