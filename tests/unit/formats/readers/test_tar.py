"""Tar archives that are made to hang, to recurse or to fill the memory."""

import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from strange_files import FILES, block, ended, good_member, header, pax
from text_samples import TATAR, kept, reasons, records, refused, tar, write

from endonym.formats.io.archives import Member
from endonym.formats.io.streams import uncompressed
from endonym.formats.readers.tar import tar_members

pytestmark = pytest.mark.timeout(180)


def read(folder: Path, content: bytes, name: str = "a.tar"):
    return records(write(folder, name, content), document="line")


@pytest.mark.parametrize("name", ["long_links.tar", "pax_headers.tar", "global_headers.tar"])
def test_thousands_of_headers_before_a_member_are_read_one_after_another(tmp_path: Path, name: str):
    found = read(tmp_path, FILES[name](), name)
    assert (kept(found), refused(found)) == (TATAR, [])


@pytest.mark.parametrize("kind", ["gnu", "gnu_extended", "0.0", "0.1", "1.0"])
def test_a_sparse_member_is_refused_alone(tmp_path: Path, kind: str):
    found = read(tmp_path, FILES[f"sparse_{kind}.tar"]())
    assert kept(found) == TATAR
    assert reasons(found) == {"unsafe_member": 1}
    assert "sparse" in refused(found)[0].detail


@pytest.mark.parametrize("name", ["pax_bomb.tar.gz", "name_bomb.tar.gz", "map_bomb.tar.gz"])
def test_a_header_that_fills_the_memory_is_not_held(tmp_path: Path, name: str):
    found = read(tmp_path, FILES[name](), name)
    assert "bomb" in reasons(found)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_member_with_a_long_header_is_refused_and_its_neighbour_kept(tmp_path: Path, kind: bytes):
    size = (1 << 20) + 1
    found = read(
        tmp_path, ended(header("x", size, kind) + block(bytes(size)), good_member(), good_member())
    )
    assert kept(found) == TATAR
    assert reasons(found) == {"unsafe_member": 1}
    assert "1,048,577 bytes" in refused(found)[0].detail


def test_names_and_sizes_in_pax_headers_are_used(tmp_path: Path):
    name = "\u04d9" * 200 + "/\u1780.txt"
    found = read(tmp_path, ended(pax({"path": name, "comment": "a=b\nc"}), good_member()))
    assert kept(found) == TATAR
    assert found[0].id == f"a.tar/{name}#1"
    padded = header("x", 20, tarfile.XHDTYPE) + block(b"14 path=b.txt\n" + bytes(6))
    assert read(tmp_path, ended(padded, good_member()))[0].id == "a.tar/b.txt#1"
    long = io.BytesIO()
    with tarfile.open(fileobj=long, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert read(tmp_path, long.getvalue())[0].id == f"a.tar/{name}"


@pytest.mark.parametrize(
    "body", [b"x", b"0 a=b\n", b"99 a=b\n", b"-5 a=b\n", b"1" * 30 + b" a=b\n"]
)
def test_a_pax_header_that_cannot_be_read_refuses_its_member(tmp_path: Path, body: bytes):
    raw = ended(header("x", len(body), tarfile.XHDTYPE) + block(body), good_member(), good_member())
    found = read(tmp_path, raw)
    assert kept(found) == TATAR
    assert reasons(found) == {"unsafe_member": 1}


def test_a_size_in_a_pax_header_is_digits_alone(tmp_path: Path):
    found = read(tmp_path, ended(good_member(), pax({"size": "1_0"}), good_member()))
    assert kept(found) == TATAR
    assert reasons(found) == {"damaged": 1}


def test_what_follows_a_broken_header_is_counted(tmp_path: Path):
    broken = bytearray(good_member())
    broken[0] ^= 1
    found = read(tmp_path, ended(good_member(), bytes(broken), good_member()))
    assert kept(found) == TATAR
    (refusal,) = refused(found)
    assert refusal.reason == "damaged"
    assert refusal.raw_bytes > 0
    assert reasons(read(tmp_path, FILES["negative.tar"]())) == {"damaged": 1}


def test_a_second_archive_behind_the_end_is_counted(tmp_path: Path):
    found = read(tmp_path, ended(good_member()) * 2)
    assert kept(found) == TATAR
    assert reasons(found) == {"trailing_garbage": 1}


def test_controls_of_a_terminal_in_a_name_are_written_out(tmp_path: Path):
    (refusal,) = read(tmp_path, tar({"a\x1b[31m\n.pdf": "x"}))
    assert refusal.id == "a.tar/a\\x1b[31m\\x0a.pdf"


PARTS = (pax({"path": "\u04d9.txt"}), good_member(), good_member("b.txt"))
HEADERS = {0: [], len(PARTS[0]): [], len(PARTS[0] + PARTS[1]): TATAR}
"""Where the headers of such a tar begin, and what stands before them."""


def test_a_changed_byte_of_a_tar_costs_its_line_or_what_follows_its_header(tmp_path: Path):
    raw = ended(*PARTS)
    for at in range(0, len(raw), 41):
        data = bytearray(raw)
        data[at] ^= 0xFF
        found, start = read(tmp_path, bytes(data)), at - at % tarfile.BLOCKSIZE
        if start in HEADERS:
            assert (kept(found), reasons(found)) == (HEADERS[start], {"damaged": 1}), at
        elif raw[at]:
            assert (len(kept(found)), reasons(found)) == (11, {"invalid_utf8": 1}), at
            assert set(kept(found)) <= set(TATAR), at
        else:  # padding
            assert kept(found) == TATAR * 2, at


def test_a_tar_that_is_cut_anywhere_keeps_the_lines_before_the_cut(tmp_path: Path):
    raw = ended(*PARTS)
    for at in range(41, len(raw), 41):
        found = read(tmp_path, raw[:at])
        assert kept(found) == (TATAR * 2)[: raw[len(PARTS[0]) : at].count(b"\n")], at
        assert reasons(found) == ({"truncated": 1} if at < len(raw) - 512 else {}), at


def test_only_the_fields_that_are_used_are_held(tmp_path: Path):
    """Of thousands of headers before one member, each with other keys."""
    odd = [pax({f"{n} {key}": "" for key in range(4_000)}) for n in ("GNU.sparse", "әни", "ата")]
    path = write(tmp_path, "a.tar", ended(*odd * 2, good_member("a.txt"), good_member()))
    tracemalloc.start()
    with path.open("rb") as file:
        members = [each for each in tar_members(uncompressed(file)) if isinstance(each, Member)]
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(each.name, bool(each.problem)) for each in members] == [
        ("a.txt", True),
        ("good.txt", False),
    ]
    assert held < 1 << 20
