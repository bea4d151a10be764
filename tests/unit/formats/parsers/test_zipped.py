"""Members of a zip that is one document."""

from pathlib import Path

import pytest
from made_documents import zipped
from text_samples import TATAR, write

from endonym.formats.io import streams
from endonym.formats.parsers import zipped as module
from endonym.formats.parsers.unit import Refused
from endonym.formats.parsers.zipped import Bounded


def bounded(folder: Path, members: dict[str, str | bytes]) -> Bounded:
    return Bounded(str(write(folder, "a.zip", zipped(members))))


def test_a_member_is_read_by_its_name(tmp_path: Path):
    archive = bounded(tmp_path, {"a/ә.xml": TATAR[0]})
    assert "a/ә.xml" in archive
    assert archive.read("a/ә.xml").decode() == TATAR[0]


def test_a_member_that_is_missing_is_refused(tmp_path: Path):
    archive = bounded(tmp_path, {"a": "b"})
    assert "c" not in archive
    with pytest.raises(Refused, match="has no c"):
        archive.read("c")


def test_a_member_that_unpacks_to_too_much_is_a_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 1 << 20)
    archive = bounded(tmp_path, {"a": "x" * (2 << 20), "b": "y"})
    with pytest.raises(Refused, match="1 MiB") as caught:
        archive.read("a")
    assert caught.value.reason == "bomb"
    assert archive.read("b") == b"y"


def test_members_that_together_unpack_to_too_much_are_a_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 3 << 20)
    archive = bounded(tmp_path, dict.fromkeys("abcd", "x" * (1 << 20)))
    assert [len(archive.read(name)) for name in "abc"] == [1 << 20] * 3
    with pytest.raises(Refused, match="100 times its size") as caught:
        archive.read("d")
    assert caught.value.reason == "bomb"


def test_a_wrong_check_sum_and_too_many_members_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = zipped({"a": TATAR[0] * 9})
    at = data.index(b"PK\x01\x02") + 16
    path = write(tmp_path, "a.zip", data[:at] + b"\1\2\3\4" + data[at + 4 :])
    with pytest.raises(Refused, match="check sum"):
        Bounded(str(path)).read("a")
    monkeypatch.setattr(module, "MAX_MEMBERS", 2)
    with pytest.raises(Refused, match="3 members"):
        bounded(tmp_path, {"a": "", "b": "", "c": ""})


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + b"\xff" * 18, b"x" * 100])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes):
    with pytest.raises(Refused, match="not a whole zip"):
        Bounded(str(write(tmp_path, "a.zip", data)))
