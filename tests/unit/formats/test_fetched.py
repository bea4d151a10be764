"""Texts that are fetched by their address, from a server of our own with the faults of others."""

import errno
import gzip
import hashlib
import io
import socket
import tarfile
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fake_web import Web, running_web
from text_samples import KHMER, TATAR

from endonym.errors import MissingSource, SourceError
from endonym.formats import download as module
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.download import is_public
from endonym.formats.fetched import address
from endonym.formats.files import source_files
from endonym.formats.reader import read_file
from endonym.log import QUIET, Log

TEXT = "\n\n".join(TATAR * 400)
PACKED = gzip.compress(TEXT.encode(), 0)
PAGE = "<!DOCTYPE html><html><head><title>Җирле  бит</title></head><p>Керү рөхсәт ителми</p></html>"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Generator[Web]:
    """A server with a file; nobody waits long for it."""
    monkeypatch.setattr(module, "WAITS", (0.0,) * 3)
    monkeypatch.setattr(module, "STALL_SECONDS", 0.3)
    monkeypatch.setenv("NO_PROXY", "*")
    with running_web() as found:
        found.files["/tel/a.txt.gz"] = PACKED
        yield found


def source(web: Web, path: str = "/tel/a.txt.gz", **keys: Any) -> Source:
    return Source.model_validate({"name": "tel", "path": web.url + path, **keys})


def fetched(found: Source, folder: Path, log: Log = QUIET) -> bytes:
    (file,) = source_files(found, folder, log=log)
    return file.path.read_bytes()


def parts_asked(web: Web) -> list[str]:
    return [rest for _, rest in web.asked]


def test_a_file_is_fetched_once_and_read_without_the_network(web: Web, tmp_path: Path):
    found = source(web, sha256=hashlib.sha256(PACKED).hexdigest(), document="blank_lines")
    (file,) = source_files(found, tmp_path)
    assert file.name == "a.txt.gz"
    assert file.path.is_relative_to(tmp_path / "fetched")
    documents = [each.text for each in read_file(found, file) if isinstance(each, Document)]
    assert documents == TATAR * 400
    web.files.clear()
    assert source_files(found, tmp_path) == [file]
    assert len(web.asked) == 1
    # A folder that is read as a whole does not read it a second time.
    (tmp_path / "own.txt").write_text(KHMER[0], encoding="utf-8")
    left_out: list[Path] = []
    below = source_files(Source(name="own", path="."), tmp_path, left_out)
    assert [each.name for each in below] == ["own.txt"]
    assert left_out == [tmp_path / "fetched"]


BREAKS: dict[str, dict[str, Any]] = {
    "cut": {"sends": 50_000},
    "stall": {"sends": 50_000, "waits": 0.6},
    "busy": {"status": 503},
}


@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
def test_after_a_break_it_goes_on(web: Web, tmp_path: Path, fault: dict[str, Any]):
    web.faults["/tel/a.txt.gz"] = [fault, fault]
    assert fetched(source(web), tmp_path) == PACKED
    rest = ["", ""] if "status" in fault else ["50000", "100000"]
    assert parts_asked(web) == ["", *rest]


def test_the_next_command_goes_on_too(web: Web, tmp_path: Path):
    web.faults["/tel/a.txt.gz"] = [{"sends": 10}, *[{"sends": 0}] * 3]
    with pytest.raises(SourceError, match="ended after 10 B of") as caught:
        fetched(source(web), tmp_path)
    assert "goes on where it broke off" in caught.value.do
    web.asked.clear()
    assert fetched(source(web), tmp_path) == PACKED
    assert parts_asked(web) == ["10"]


@pytest.mark.parametrize("change", ["no tag", "no parts", "another file", "shorter file"])
def test_what_may_be_another_file_begins_anew(web: Web, tmp_path: Path, change: str):
    web.has_tags, web.can_resume = change != "no tag", change != "no parts"
    web.faults["/tel/a.txt.gz"] = [{"sends": 50_000}, *[{"sends": 0}] * 3]
    with pytest.raises(SourceError):
        fetched(source(web), tmp_path)
    if change.endswith("file"):
        text = "\n".join(KHMER) * (1 if change == "shorter file" else 400)
        web.files["/tel/a.txt.gz"] = gzip.compress(text.encode(), 0)
    assert fetched(source(web), tmp_path) == web.files["/tel/a.txt.gz"]


def test_another_part_than_was_asked_for_is_not_joined(web: Web, tmp_path: Path):
    web.can_resume, n_bytes = False, len(PACKED)
    whole = {"status": 206, "heads": {"Content-Range": f"bytes 0-{n_bytes - 1}/{n_bytes}"}}
    web.faults["/tel/a.txt.gz"] = [{"sends": 50_000}, whole]
    assert fetched(source(web), tmp_path) == PACKED
    assert parts_asked(web) == ["", "50000", ""]


def test_a_server_that_breaks_off_here_and_there_is_given_up(web: Web, tmp_path: Path):
    web.has_tags = False
    web.faults["/tel/a.txt.gz"] = [{"sends": 9_000 - n % 2} for n in range(40)]
    with pytest.raises(SourceError, match="connection ended"):
        fetched(source(web), tmp_path)
    assert len(web.asked) <= 9


@pytest.mark.parametrize("length", [len(PACKED) + 9, len(PACKED) - 9])
def test_a_wrong_length_is_never_a_whole_file(web: Web, tmp_path: Path, length: int):
    fault = {"heads": {"Content-Length": str(length)}}
    web.faults["/tel/a.txt.gz"] = [fault] * 9
    wanted = hashlib.sha256(PACKED).hexdigest()
    with pytest.raises(SourceError, match=r"ended after|its sha256 is"):
        fetched(source(web, sha256=wanted), tmp_path)
    assert not list(tmp_path.rglob("a.txt.gz"))


def test_a_web_page_is_no_archive(web: Web, tmp_path: Path):
    web.files["/corpora/tat.tar.gz"] = PAGE.encode()
    with pytest.raises(SourceError, match=r'a web page, "Җирле бит" came') as caught:
        fetched(source(web, "/corpora/tat.tar.gz"), tmp_path)
    assert 'format = "html"' in caught.value.do
    web.files["/Казан"] = PAGE.encode()
    assert fetched(source(web, "/Казан", format="html"), tmp_path) == PAGE.encode()


NO_ANSWERS = [
    ("/yuk.txt", {}, MissingSource, "404"),
    ("/tel/a.txt.gz", {"status": 403}, SourceError, "the server refuses"),
    ("/tel/a.txt.gz", {"status": 418}, SourceError, "418"),
    ("/tel/a.bin", {}, SourceError, '"a.bin", says no kind'),
    ("/буш.txt", {}, SourceError, "is empty"),
]


@pytest.mark.parametrize(("path", "fault", "kind", "message"), NO_ANSWERS)
def test_what_no_further_try_mends_is_said_at_once(
    web: Web, tmp_path: Path, path: str, fault: dict[str, Any], kind: Any, message: str
):
    web.files |= {"/tel/a.bin": b"\0", "/буш.txt": b""}
    web.faults[path] = [fault]
    with pytest.raises(kind, match=message) as caught:
        fetched(source(web, path), tmp_path)
    assert (caught.value.where, len(web.asked)) == (web.url + path, 1)


INSIDE = [
    "http://10.0.0.1/a.txt", "http://169.254.169.254/a.txt", "http://[::1]/a.txt",
    "http://[::ffff:192.168.1.1]/a.txt", "http://2130706434/a.txt", "ftp://8.8.8.8/a.txt",
]  # fmt: skip


@pytest.mark.parametrize("target", INSIDE)
def test_a_redirect_does_not_lead_inside(web: Web, tmp_path: Path, target: str):
    web.faults["/a.txt"] = [{"status": 302, "heads": {"Location": target}}]
    with pytest.raises(SourceError, match="not a public address") as caught:
        fetched(source(web, "/a.txt"), tmp_path)
    assert target in caught.value.message


def test_a_name_with_one_address_inside_is_not_public(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own = {"http://two.example/a.txt": {"185.199.108.133", "10.0.0.1"}}
    monkeypatch.setattr(module, "addresses", lambda url: own.get(url, {"127.0.0.1"}))
    web.faults["/a.txt"] = [{"status": 302, "heads": {"Location": "http://two.example/a.txt"}}]
    with pytest.raises(SourceError, match="not a public address"):
        fetched(source(web, "/a.txt"), tmp_path)


def test_a_redirect_is_followed_and_the_file_named_by_its_server(web: Web, tmp_path: Path):
    web.faults["/file/7"] = [{"status": 302, "heads": {"Location": "/tel/a"}}]
    web.files["/tel/a"] = PACKED
    name = quote("../../.тел.txt.gz")
    named = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    web.faults["/tel/a"] = [{"heads": named}]
    (file,) = source_files(source(web, "/file/7"), tmp_path)
    assert file.name == "_тел.txt.gz"
    assert file.path.is_relative_to(tmp_path / "fetched")
    web.files[f"/{'ត' * 120}.txt"] = "\n".join(KHMER).encode()  # too long for a name here
    web.files["/tel/b.txt"] = PACKED
    web.faults["/tel/b.txt"] = [{"heads": {"Content-Encoding": "gzip"}}]
    (file,) = source_files(source(web, "/tel/b.txt"), tmp_path)
    assert file.name == "b.txt.gz"
    (file,) = source_files(source(web, f"/{'ត' * 120}.txt"), tmp_path)
    assert file.name.endswith("ត.txt")
    web.faults["/round"] = [{"status": 302, "heads": {"Location": "/round"}}] * 20
    with pytest.raises(SourceError, match="302"):
        fetched(source(web, "/round"), tmp_path)


def test_only_public_addresses_are_public():
    assert is_public("185.199.108.133")
    assert is_public("2620:0:861:ed1a::1")
    inside = ("127.0.0.1", "::1", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1")
    assert not any(map(is_public, inside))


def test_another_file_than_before_is_an_error(web: Web, tmp_path: Path):
    old, new = (hashlib.sha256(each).hexdigest() for each in (PACKED, b"x"))
    (file,) = source_files(source(web), tmp_path)
    file.path.unlink()
    web.files["/tel/a.txt.gz"] = b"x"
    with pytest.raises(SourceError, match=f"{new}, not {old}") as caught:
        fetched(source(web), tmp_path)
    assert f'sha256 = "{new}"' in caught.value.do
    asked = len(web.asked)
    assert fetched(source(web, sha256=new), tmp_path) == b"x"
    assert len(web.asked) == asked  # What was fetched is taken, and not fetched again.
    with pytest.raises(SourceError, match=f"{new}, not {old}"):
        fetched(source(web, sha256=old), tmp_path)


def test_a_disk_without_room_is_told_before(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    web.faults["/tel/a.txt.gz"] = [{"heads": {"Content-Length": str(10**18)}}]
    with pytest.raises(SourceError, match=r"1000000000.0 GB are still to be fetched"):
        fetched(source(web), tmp_path)


def test_a_disk_that_became_full_is_left_with_room(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def chunks(_: Any) -> Generator[bytes]:
        yield b"a" * 9_000
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_chunks", chunks)
    with pytest.raises(SourceError, match="No space left"):
        fetched(source(web), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.stat().st_size > 8_000]


def test_without_a_network_that_is_said_at_once(web: Web, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"http://127.0.0.1:{port}/a.txt"
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        fetched(Source(name="tel", path=path), tmp_path)
    assert caught.value.where == path


def test_places_are_known_by_name(web: Web, tmp_path: Path):
    known = {
        "wikipedia:tt": "https://dumps.wikimedia.org/ttwiki/latest/ttwiki-latest-pages-articles.xml.bz2",
        "wikipedia:be-tarask": "https://dumps.wikimedia.org/be_x_oldwiki/latest/be_x_oldwiki-latest-pages-articles.xml.bz2",
        "leipzig:tat_wikipedia_2021_100K": "https://downloads.wortschatz-leipzig.de/corpora/tat_wikipedia_2021_100K.tar.gz",
    }
    assert {path: address(Source(name="a", path=path)) for path in known} == known
    bad = ("wikipedia:", "leipzig:../a", "https:///a", "ftp://127.0.0.1/a.txt", "https://[::1/a")
    for path in (*bad, "https://a\0b.org/a.txt"):
        with pytest.raises(MissingSource, match="no address"):
            source_files(Source(name="a", path=path), tmp_path)


def test_an_archive_of_leipzig_gives_its_sentences(web: Web, tmp_path: Path):
    lines = "".join(f"{number}\t{text}\n" for number, text in enumerate(TATAR, 1))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in (("t-sentences.txt", lines), ("t-words.txt", "1\tһәм\t9\n")):
            member = tarfile.TarInfo(f"t/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    web.files["/corpora/t.tar.gz"] = archive.getvalue()
    found = source(web, "/corpora/t.tar.gz")
    (file,) = source_files(found, tmp_path)
    kept = [each.text for each in read_file(found, file) if isinstance(each, Document)]
    assert kept == TATAR
