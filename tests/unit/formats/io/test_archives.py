"""Archives: members are streams, and nothing is written to disk."""

import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from strange_files import FILES, long_name_tar, long_name_zip, overlapping_zip, patched_zip
from strange_files import zipped as zipped_by
from text_samples import KHMER, TATAR, gzipped, kept, reasons, records, refused, tar, write

from endonym.formats.io import streams

LINES = "\n".join(TATAR) + "\n"
LEIPZIG = {
    "tat_2020/tat_2020-words.txt": "1\tһәм\t17\n",
    "tat_2020/tat_2020-sentences.txt": "".join(f"{n}\t{text}\n" for n, text in enumerate(TATAR, 1)),
    "tat_2020/tat_2020-sources.txt": "1\thttp://example.org\n",
}


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "mode"), [
    ("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"),
    ("a.tar.xz", "w:xz"),
])  # fmt: skip
def test_sentences_of_a_leipzig_archive_are_read(tmp_path: Path, name: str, mode: str):
    path = write(tmp_path, name, tar(LEIPZIG, mode))
    found = records(path, member="*-sentences.txt", column=2)
    assert kept(found) == TATAR
    assert found[0].id == f"{name}/tat_2020/tat_2020-sentences.txt#1"
    assert not refused(found)


def test_a_zip_is_read_like_a_folder(tmp_path: Path):
    members = {"b/ә.txt": LINES, "a.jsonl": '{"text": "ក"}\n', "p.djvu": "AT&T", ".hidden.txt": "x"}
    found = records(write(tmp_path, "a.zip", zipped(members)), document="line")
    assert kept(found) == [*TATAR, "ក"]
    assert reasons(found) == {"unsupported_format": 1}


def test_a_packed_member_is_unpacked(tmp_path: Path):
    buffer = io.BytesIO()
    data = gzipped(LINES)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.txt.gz")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    assert kept(records(write(tmp_path, "a.tar", buffer.getvalue()), document="line")) == TATAR


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "C:\\evil.txt", "..\\evil.txt"]
)
@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_name_that_leads_out_is_named_and_skipped(tmp_path: Path, name: str, pack):
    suffix = "tar" if pack is tar else "zip"
    path = write(tmp_path, f"a.{suffix}", pack({name: "evil", "good.txt": LINES}))
    found = records(path, document="line")
    assert kept(found) == TATAR
    assert reasons(found) == {"unsafe_member": 1}
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name]


def test_links_and_devices_are_named_and_not_followed(tmp_path: Path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        links = (("link.txt", tarfile.SYMTYPE), ("hard.txt", tarfile.LNKTYPE))
        for name, kind in (*links, ("p.txt", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/hostname"
            archive.addfile(info)
    found = records(write(tmp_path, "a.tar", buffer.getvalue()))
    assert reasons(found) == {"unsafe_member": 3}
    assert "/etc/hostname" in found[0].detail
    raw = patched_zip(zipped({"link.txt": LINES}), 10, 38, b"\0\0\xff\xa1")  # its mode
    assert "a link;" in refused(records(write(tmp_path, "a.zip", raw)))[0].detail


def test_an_archive_without_the_member_says_what_it_holds(tmp_path: Path):
    path = write(tmp_path, "a.tar", tar({"б/ә.txt": LINES, **dict.fromkeys("1234567", LINES)}))
    for member in ("*.csv", ""):
        (refusal,) = records(path, member=member)
        assert refusal.reason == "no_member"
        assert refusal.detail.endswith("the archive holds: б/ә.txt, 1, 2, 3, 4")
    for member in ("ә.txt", "б/*"):
        assert kept(records(path, member=member)) == ["\n".join(TATAR)]


@pytest.mark.parametrize("cut", [512 + 100, 600, 2000, 5000])
def test_a_cut_tar_keeps_whole_lines_and_is_said_to_end_early(tmp_path: Path, cut: int):
    whole = tar({"a.txt": LINES * 5, "b.txt": LINES * 5})
    found = records(write(tmp_path, "a.tar", whole[:cut]), document="line")
    assert set(kept(found)) <= set(TATAR)
    assert "truncated" in reasons(found)


def test_a_cut_packed_tar_is_said_to_end_early(tmp_path: Path):
    whole = tar({"a.txt": "\n".join(f"{n} {TATAR[n % 6]}" for n in range(3000))}, "w:gz")
    found = records(write(tmp_path, "a.tar.gz", whole[: len(whole) // 2]), document="line")
    assert len(kept(found)) > 100
    assert "truncated" in reasons(found)
    assert all(text.endswith(".") for text in kept(found))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_file_that_only_has_the_name_of_an_archive_is_refused(tmp_path: Path, name: str):
    found = records(write(tmp_path, name, KHMER * 20))
    assert not kept(found)
    assert set(reasons(found)) & {"other_kind", "not_compressed"}
    assert "plain text: rename it" in refused(found)[0].detail.replace(";", ":")


def test_members_that_are_damaged_archives_or_empty_are_named(tmp_path: Path):
    data = bytearray(zipped_by(LINES.encode(), zipfile.ZIP_STORED))
    data[60] ^= 1
    found = records(write(tmp_path, "a.zip", bytes(data)), document="line")
    assert "check sum" in refused(found)[-1].detail
    found = records(write(tmp_path, "b.zip", zipped({"b.zip": "PK"})))
    assert reasons(found) == {"unsupported_format": 1}
    found = records(write(tmp_path, "a.tar", tar({"a.txt": "", "b.txt": LINES})), document="line")
    assert (kept(found), reasons(found)) == (TATAR, {"empty_file": 1})


@pytest.mark.parametrize("name", ["lzma.zip", "lzma_cut.zip", "bzip2.zip"])
def test_a_member_may_be_packed_in_every_usual_way(tmp_path: Path, name: str):
    found = records(write(tmp_path, name, FILES[name]()), document="line")
    assert (kept(found), refused(found)) == (TATAR, [])


def test_an_lzma_member_that_says_where_it_ends_is_read(tmp_path: Path):
    raw = patched_zip(zipped_by(LINES.encode(), zipfile.ZIP_LZMA), 6, 8, b"\0\0")
    assert kept(records(write(tmp_path, "a.zip", raw), document="line")) == TATAR


ODD_MEMBERS = [
    ("lzma_dictionary.zip", "damaged", "Memory usage limit"),
    ("deflate64.zip", "unsafe_member", "method, 9,"),
    ("password.zip", "unsafe_member", "password"),
    ("strong_password.zip", "damaged", "encryption"),
    ("bomb.zip", "bomb", "100 times its size"),
    ("no_name.zip", "unsafe_member", "no name"),
    ("long_name.zip", "unsafe_member", "65,535 bytes"),
    ("long_name.tar.gz", "unsafe_member", "1,000,000 bytes"),
]


@pytest.mark.parametrize(("name", "reason", "said"), ODD_MEMBERS)
def test_a_member_too_odd_is_refused(tmp_path: Path, name: str, reason: str, said: str):
    found = records(write(tmp_path, name, FILES[name]()), document="line")
    assert reasons(found) == {reason: 1}
    assert said in refused(found)[0].detail


def test_members_of_a_zip_share_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 4 << 20)
    buffer, zeros = io.BytesIO(), (bytes(5 << 18), gzipped("\0" * (5 << 18)))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.txt", LINES)
        for number in range(1, 10):
            archive.writestr(f"{number}.txt{'.gz' * (number % 2)}", zeros[number % 2])
    found = records(write(tmp_path, "a.zip", buffer.getvalue()), document="line")
    assert kept(found)[: len(TATAR)] == TATAR
    assert reasons(found)["bomb"] == 2
    assert "members not read: 5;" in refused(found)[-1].detail


def test_a_zip_with_any_changed_byte_is_read_whole_or_says_what_is_wrong(tmp_path: Path):
    """Many fields of the headers, such as times, are of no use to a reader of texts."""
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED):
        raw, whole = zipped_by(LINES.encode(), method), 0
        for at in range(len(raw)):
            data = bytearray(raw)
            data[at] = 0 if at % 2 and raw[at] else raw[at] ^ 0xFF
            found = records(write(tmp_path, "a.zip", bytes(data)), document="line")
            assert kept(found) == TATAR or refused(found), at
            whole += kept(found) == TATAR
        assert whole > 40


@pytest.mark.parametrize(
    ("name", "content"), [("a.zip", long_name_zip(1_024)), ("a.tar.gz", long_name_tar(1_024))]
)
def test_a_member_s_name_may_be_as_long_as_a_path(tmp_path: Path, name: str, content: bytes):
    assert kept(records(write(tmp_path, name, content), document="line")) == ["ә"] * 500


def test_members_that_overlap_are_refused(tmp_path: Path):
    raw = overlapping_zip(9, bytes(range(256)) * 4)
    found = records(write(tmp_path, "b.zip", raw))
    assert "overlaps" in refused(found)[-1].detail


def test_a_member_that_is_larger_than_its_archive_is_refused_alone(tmp_path: Path):
    raw = patched_zip(zipped({"a.txt": LINES, "b.txt": LINES}), 18, 20, b"\xf0\xff\xff\xff")
    found = records(write(tmp_path, "a.zip", raw), document="line")
    assert kept(found) == TATAR
    assert "larger than the archive" in refused(found)[0].detail


def test_a_member_that_ends_after_its_archive_says_so(tmp_path: Path):
    (refusal,) = refused(records(write(tmp_path, "a.zip", FILES["long_member.zip"]())))
    assert refusal.reason == "damaged"
    assert re.search(r"to its end: \w", refusal.detail)


READ_ME = [
    *("README.txt", "d/LICENSE.txt", "readme_en.txt", "license-info.txt", "00README.txt"),
    *("LISEZMOI.txt", "d/Citește-mă.txt", "Читай_меня.txt", "Terms_of_use.txt", "leeme.txt"),
]


@pytest.mark.parametrize("name", READ_ME)
def test_a_read_me_in_an_archive_is_no_text(tmp_path: Path, name: str):
    sentences = "".join(f"{n}\t{each}\n" for n, each in enumerate(TATAR, 1))
    members = {"tat-sentences.txt": sentences, name: "These are sentences.\n"}
    found = records(write(tmp_path, "tat.tar", tar(members)))
    assert kept(found) == TATAR
    assert reasons(found) == {"companion": 1}
    members = {"tat-sentences.txt": sentences, "d/Thumbs.db": "\0 thumbs", "a.mp3": "ID3"}
    assert reasons(records(write(tmp_path, "more.tar", tar(members)))) == {"companion": 2}
    only = records(tmp_path / "tat.tar", member=name)
    assert [each.strip() for each in kept(only)] == ["These are sentences."]
