"""Files that survive, and disks that refuse."""

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from endonym import disk
from endonym.disk import (
    file_hash,
    link_or_copy,
    list_files,
    own_file,
    read_given,
    read_if_good,
    require_regular,
    translated_disk_errors,
    write_atomic,
    write_json,
)
from endonym.errors import Damaged, StoreError

FULL = Path("/dev/full")


def test_a_json_file_is_sorted_readable_and_ended(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "card.json", {"б": [1, 2.5], "а": "ә"})
    text = (tmp_path / "new" / "card.json").read_text(encoding="utf-8")
    assert text == '{\n "а": "ә",\n "б": [\n  1,\n  2.5\n ]\n}\n'


def test_what_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "scores.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "plan.json"
    write_atomic(path, b"old")

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_a_file_is_flushed_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    events: list[str] = []
    flush, rename = os.fsync, Path.replace
    monkeypatch.setattr(disk.os, "fsync", lambda n: (events.append("flush"), flush(n)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (events.append("rename"), rename(a, b)))
    write_atomic(tmp_path / "a.json", b"x")
    assert events == ["flush", "rename", "flush"]


def test_the_hash_of_a_long_file_is_that_of_all_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    (tmp_path / "a.bin").write_bytes(data)
    counts: list[int] = []
    assert file_hash(tmp_path / "a.bin", counts.append) == hashlib.sha256(data).hexdigest()
    assert sum(counts) == len(data)
    assert len(counts) > 1


@pytest.mark.timeout(120)
def test_a_file_that_grows_while_it_is_read_is_hashed_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"first")

    def grow(size: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    assert file_hash(path, grow) == hashlib.sha256(b"first").hexdigest()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("name", ["mem", "status"])
def test_a_file_of_the_system_without_a_size_is_not_read(name: str) -> None:
    assert file_hash(Path("/proc/self", name)) == hashlib.sha256(b"").hexdigest()


def test_files_are_listed_by_their_path_with_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "dropped").mkdir()
    for name in ("b.txt", "manifest.json", "dropped/manifest.json"):
        (tmp_path / name).write_bytes(b"abc")
    empty = {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert list_files(tmp_path) == {"b.txt": empty, "dropped/manifest.json": empty}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path, number: int) -> None:
    told = translated_disk_errors(tmp_path / "not" / "yet")
    with pytest.raises(StoreError, match="the disk is full") as caught, told:
        raise OSError(number, os.strerror(number))
    assert caught.value.exit_code == 1
    assert "endonym prune" in caught.value.do
    assert caught.value.where == str(tmp_path / "not" / "yet")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_folder_that_cannot_be_written_is_said_with_what_to_do(tmp_path: Path, number: int):
    told = translated_disk_errors(tmp_path)
    with pytest.raises(StoreError, match="cannot write here") as caught, told:
        raise OSError(number, os.strerror(number))
    assert caught.value.do == "Choose another folder with --store DIR."
    told = translated_disk_errors(tmp_path, option="--out")
    with pytest.raises(StoreError, match="cannot write here") as caught, told:
        raise OSError(number, os.strerror(number))
    assert caught.value.do == "Choose another folder with --out DIR."


OTHER_ERRORS = [
    OSError("cannot identify image file"),
    FileNotFoundError(errno.ENOENT, "No such file", "texts requested and written.txt"),
]


@pytest.mark.parametrize("given", OTHER_ERRORS)
def test_only_a_short_write_without_a_number_is_a_full_disk(tmp_path: Path, given: OSError) -> None:
    pattern = r"image file|No such"
    with pytest.raises(OSError, match=pattern) as caught, translated_disk_errors(tmp_path):
        raise given
    assert caught.value is given
    short = OSError("800000 requested and 4096 written")  # as numpy says it
    with pytest.raises(StoreError, match="the disk is full"), translated_disk_errors(tmp_path):
        raise short


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_recognised_in_the_errors_of_every_library() -> None:
    def by_python() -> None:
        with FULL.open("wb") as file:
            file.write(b"x")

    def by_numpy() -> None:
        with FULL.open("wb", buffering=0) as file:
            np.zeros(100_000).tofile(file)

    for write in (by_python, by_numpy):
        with pytest.raises(StoreError, match="the disk is full"), translated_disk_errors(FULL):
            write()


def test_a_path_that_is_no_utf8_is_written_as_json_and_read_again(tmp_path: Path):
    path = os.fsdecode(b"/tmp/\xff/\xd3\x99.txt")
    disk.write_json(tmp_path / "a.json", {path: 1})
    assert disk.read_json(tmp_path / "a.json") == {path: 1}
    assert "ә" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "[" * 100_000])
def test_a_file_that_holds_no_object_is_read_as_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    assert read_if_good(path) == {}
    path.write_text(text, encoding="utf-8")
    assert read_if_good(path) == {}
    path.write_text('{"store": "../store"}', encoding="utf-8")
    assert read_if_good(path) == {"store": "../store"}


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"\xff": 1}'])
def test_a_file_that_is_no_json_is_one_error_with_its_place(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "әкият.json"
    path.write_bytes(data)
    with pytest.raises(Damaged, match=r"әкият\.json cannot be read") as caught:
        disk.read_json(path)
    assert caught.value.where == str(path)
    assert "Take a whole copy" in caught.value.do


def test_an_own_file_has_a_plain_name_in_the_folder_and_is_no_link(tmp_path: Path) -> None:
    folder, secret = tmp_path / "export", tmp_path / "secret"
    (folder / "below").mkdir(parents=True)
    for path in (secret, folder / "below" / "сүз.txt"):
        path.write_text("Сер", encoding="utf-8")
    (folder / "linked").symlink_to(secret)
    (folder / "other").symlink_to(folder / "below")
    assert own_file(folder, "below/сүз.txt", do="") == folder / "below" / "сүз.txt"
    plain = (str(secret), "../secret", "below/../../secret", "./below/сүз.txt", "", ".", "a\\b")
    for name in (*plain, "a\0", "linked", "other/сүз.txt", "below", "none"):
        with pytest.raises(Damaged) as caught:
            own_file(folder, name, do="Take another.")
        assert caught.value.do == "Take another."
    assert caught.value.where == str(folder / "none")
    assert not disk.is_file(folder / ("ә" * 300)), "no disk has names as long"


@pytest.mark.timeout(60)
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_told_and_not_waited_for(tmp_path: Path):
    require_regular(tmp_path / "none.json")
    write_json(tmp_path / "whole.json", {"ә": 1})
    require_regular(tmp_path / "whole.json")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.json", "folder.json"):
        with pytest.raises(Damaged, match=f"{name} is no regular file") as caught:
            disk.read_json(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert "Move it away" in caught.value.do
        assert read_if_good(tmp_path / name) == {}


def test_a_given_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"12345678")
    assert read_given(path, 8) == b"12345678"
    with pytest.raises(ValueError, match="more than 7 bytes"):
        read_given(path, 7)


def test_a_given_file_may_be_a_link_within_its_folder_or_into_the_hub_s_blobs(tmp_path: Path):
    snapshot = tmp_path / "models--a" / "snapshots" / "1"
    for folder in (snapshot, tmp_path / "models--a" / "blobs", tmp_path / "blobs"):
        folder.mkdir(parents=True)
    (snapshot / "own").write_bytes(b"own")
    (tmp_path / "models--a" / "blobs" / "hub").write_bytes(b"hub")
    for real in (snapshot / "own", tmp_path / "models--a" / "blobs" / "hub"):
        (snapshot / f"to-{real.name}").symlink_to(real)
        assert read_given(snapshot / f"to-{real.name}", 9) == real.name.encode()
    elsewhere = tmp_path.parent / f"{tmp_path.name}-of-another" / "blobs"
    elsewhere.mkdir(parents=True)
    for number, real in enumerate((elsewhere / "secret", tmp_path / "secret")):
        real.write_bytes(b"secret")
        (snapshot / f"out{number}").symlink_to(real)
        with pytest.raises(ValueError, match=r"link out of its folder, to .*: .* copy of the file"):
            read_given(snapshot / f"out{number}", 9)


@pytest.mark.parametrize("number", disk.NO_LINKS)
def test_without_links_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    path, name = tmp_path / "a", tmp_path / "new" / "b"
    path.write_bytes("Таң атты".encode())

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    link_or_copy(path, name)
    assert name.read_bytes() == path.read_bytes()
