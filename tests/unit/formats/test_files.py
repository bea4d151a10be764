"""Which raw files a source names."""

import errno
import os
from pathlib import Path

import pytest
from strange_files import nested
from text_samples import TATAR, write

from endonym.errors import MissingSource, SourceError
from endonym.formats import files
from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.files import not_a_file, size_on_disk, source_files
from endonym.formats.reader import read_file
from endonym.store import Store


def names(folder: Path, path: str) -> list[str]:
    return [file.name for file in source_files(Source(name="probe", path=path), folder)]


def laid(folder: Path, *names: str) -> None:
    for name in names:
        write(folder, name, TATAR)


def test_files_are_called_by_their_path_below_the_source_and_sorted_by_it(tmp_path: Path):
    shown = ("texts/b.txt", "texts/a/z.txt", "texts/a/ә.txt", "texts/c.jsonl.gz")
    laid(tmp_path, *shown, "texts/.DS_Store", "texts/.git/config.txt")
    assert names(tmp_path, "texts") == ["a/z.txt", "a/ә.txt", "b.txt", "c.jsonl.gz"]
    assert names(tmp_path, "texts/a/ә.txt") == ["ә.txt"]
    assert names(tmp_path, "te*/*/*.txt") == ["texts/a/z.txt", "texts/a/ә.txt"]
    assert names(tmp_path, "texts/**/*.gz") == ["c.jsonl.gz"]
    # Wildcards in the names of folders above are none.
    laid(tmp_path, "da[t]a*/a.txt")
    assert names(tmp_path / "da[t]a*", "*.txt") == ["a.txt"]


def test_a_circle_of_links_is_walked_once(tmp_path: Path):
    write(tmp_path, "texts/a.txt", TATAR)
    (tmp_path / "texts" / "again").symlink_to(tmp_path / "texts")
    (tmp_path / "texts" / "nowhere").symlink_to(tmp_path / "missing")
    assert names(tmp_path, "texts") == ["a.txt", "nowhere"]


def test_a_missing_path_is_named_with_the_source_and_what_to_do(tmp_path: Path):
    with pytest.raises(MissingSource) as caught:
        names(tmp_path, "texts/tatar.txt")
    assert caught.value.exit_code == 2
    assert 'source "probe"' in caught.value.message
    assert caught.value.where == str(tmp_path / "texts" / "tatar.txt")
    assert "`path`" in caught.value.do


def test_a_folder_or_a_glob_without_a_file_or_with_too_long_a_name_is_missing(tmp_path: Path):
    (tmp_path / "texts").mkdir()
    long = ("texts/" + "ә" * 300, "too long")  # and the disk is not blamed
    for path, why in (("texts", "no file"), ("texts/*.txt", "no file"), long):
        with pytest.raises(MissingSource, match=why):
            names(tmp_path, path)


def test_bytes_that_are_no_utf8_and_controls_in_a_name_are_written_out(tmp_path: Path):
    path = os.fsencode(tmp_path) + b"/\xe9t\xe9.txt"
    Path(os.fsdecode(path)).write_text(TATAR[0], encoding="utf-8")
    laid(tmp_path, "a\x1b[31m\u202eә\n.txt")
    assert names(tmp_path, ".") == ["\\xe9t\\xe9.txt", "a\\x1b[31m\\u202eә\\x0a.txt"]


EXCLUDED = [
    (("*.bak",), ["a.txt", "old/b.txt", "old/new/a.txt"]),
    (("a.txt",), ["a.bak", "old/b.txt"]),
    (("old/*.txt",), ["a.bak", "a.txt"]),
    (("old/",), ["a.bak", "a.txt"]),
    (("old/new", "*.bak"), ["a.txt", "old/b.txt"]),
    (("нет", "?"), ["a.bak", "a.txt", "old/b.txt", "old/new/a.txt"]),
]


@pytest.mark.parametrize(("exclude", "left"), EXCLUDED)
@pytest.mark.parametrize("path", ["texts", "texts/**/*.*"])
def test_exclude_leaves_out(tmp_path: Path, path: str, exclude: tuple[str, ...], left: list[str]):
    laid(tmp_path / "texts", "a.txt", "a.bak", "old/b.txt", "old/new/a.txt")
    source = Source(name="probe", path=path, exclude=exclude)
    assert [file.name for file in source_files(source, tmp_path)] == sorted(left)


def test_a_source_of_which_everything_is_excluded_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", TATAR)
    with pytest.raises(MissingSource, match="`exclude` leaves no file"):
        source_files(Source(name="probe", path="a.txt", exclude=("*.txt",)), tmp_path)


@pytest.mark.parametrize(("glob", "found"), [
    ("**", ["a.txt", "b/c.txt", "b/d/e.csv"]), ("**/*.txt", ["a.txt", "b/c.txt"]),
    ("**/**/**/*.csv", ["b/d/e.csv"]), ("b/**/*.csv", ["d/e.csv"]), ("*/*.txt", ["b/c.txt"]),
    ("[ab]**t", ["a.txt"]), ("b/../a*", ["a.txt"]), ("b/*", ["c.txt"]),
    ("**/**/**/*.txt", ["a.txt", "b/c.txt"]),
])  # fmt: skip
def test_a_glob_matches_name_by_name(tmp_path: Path, glob: str, found: list[str]):
    laid(tmp_path, "a.txt", "b/c.txt", "b/d/e.csv", "b/.f.txt")
    assert names(tmp_path, glob) == found


@pytest.mark.timeout(120)
def test_a_glob_of_many_stars_takes_no_longer(tmp_path: Path):
    write(tmp_path, "a/" * 30 + "a.txt", TATAR)
    assert len(names(tmp_path, "**/a/" * 20 + "*.txt")) == 1
    write(tmp_path, "a" * 200, TATAR)
    with pytest.raises(MissingSource):
        names(tmp_path, "*a" * 60 + "b")


@pytest.mark.parametrize("path", ["~nobody/x", "~nobody/*.txt", "a\0b", "a" * 300])
def test_a_path_that_cannot_be_is_missing(tmp_path: Path, path: str):
    with pytest.raises(SourceError) as caught:
        names(tmp_path, path)
    assert 'source "probe"' in caught.value.message


@pytest.mark.timeout(180)
def test_folders_deeper_than_python_recurses_are_walked(tmp_path: Path):
    write(tmp_path, "a.txt", TATAR)
    with nested(tmp_path, 1_100):
        assert names(tmp_path, ".") == ["a.txt", "d/" * 1_100 + "deep.txt"]


@pytest.mark.timeout(180)
def test_what_lies_too_deep_for_the_system_is_named_and_the_rest_is_read(tmp_path: Path):
    write(tmp_path, "texts/a.txt", TATAR)
    with nested(tmp_path / "texts", 2_050):
        found = source_files(Source(name="probe", path="texts"), tmp_path)
        assert [file.name[:6] for file in found] == ["a.txt", "d/d/d/"]
        said = [not_a_file(file.path) for file in found]
        assert said == ["", "its path is too long to be opened"]
        assert size_on_disk(found[1].path) == 0


def test_links_that_fork_at_every_folder_are_followed_once(tmp_path: Path):
    for number in range(40):
        folder = tmp_path / f"{number:02}"
        write(folder, "a.txt", TATAR)
        for name in ("left", "right"):
            (folder / name).symlink_to(f"../{number + 1:02}")
    assert len([name for name in names(tmp_path, "00") if name.endswith("a.txt")]) == 40


def test_pipes_devices_and_broken_links_are_listed_and_not_opened(tmp_path: Path):
    write(tmp_path, "a.txt", TATAR)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "circle.txt").symlink_to("circle.txt")
    (tmp_path / "device.txt").symlink_to("/dev/zero")
    found = source_files(Source(name="probe", path="."), tmp_path)
    said = {file.name: not_a_file(file.path) for file in found}
    assert said == {
        "a.txt": "",
        "circle.txt": "a link that leads in a circle",
        "device.txt": "a device, not a file",
        "pipe.txt": "a named pipe, not a file",
    }
    with pytest.raises(MissingSource):
        names(tmp_path, "[cdp]*.txt")


def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a folder refuse to be listed, as without permission; the names of those that are."""
    entered, entries = list[str](), files.Glob.entries

    def listed(glob: files.Glob, here: Path) -> list[os.DirEntry[str]]:
        entered.append(here.name)
        if here == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(here))
        return entries(glob, here)

    monkeypatch.setattr(files.Glob, "entries", listed)
    return entered


@pytest.mark.parametrize("path", ["texts", "texts/**/*.txt"])
def test_a_closed_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str):
    write(tmp_path, "texts/әкият.txt", TATAR)
    locked = write(tmp_path, "texts/old/locked/a.txt", TATAR).parent
    entered = closed(locked, monkeypatch)
    found = source_files(Source(name="probe", path=path), tmp_path)
    assert {file.name: not_a_file(file.path) for file in found} == {
        "old/locked": "a folder that cannot be entered; check its permissions",
        "әкият.txt": "",
    }
    ((reject,),) = (list(read_file(Source(name="probe", path=path), found[0])),)
    assert isinstance(reject, Reject)
    assert (reject.reason, size_on_disk(locked)) == ("not_a_file", 0)
    entered.clear()
    without = Source(name="probe", path=path, exclude=("old/locked",))
    assert [file.name for file in source_files(without, tmp_path)] == ["әкият.txt"]
    assert entered == ["texts", "old"]


def test_a_closed_source_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, "texts/a.txt", TATAR)
    closed(tmp_path / "texts", monkeypatch)
    with pytest.raises(SourceError, match="cannot be read"):
        names(tmp_path, "texts")


@pytest.mark.parametrize("name", ["store", "сүзләр", "out/kept"])
@pytest.mark.parametrize("path", [".", "..", "**/*.*"])
def test_a_store_and_its_runs_are_no_texts(tmp_path: Path, name: str, path: str) -> None:
    folder = tmp_path / "project"
    store = Store(folder / name)
    run = store.root.parent / "runs" / "кич"
    run.mkdir(parents=True)
    store.claim(run, folder / "recipe.toml")
    laid(run, "log.txt")
    laid(store.root, "corpus/a.txt")
    mine = ["tatar.txt", "runs/of a race/b.txt", "store.txt", "book/references/list.json"]
    laid(folder, *mine)
    left: list[Path] = []
    found = source_files(Source(name="a", path=path), folder, left)
    assert sorted(file.path for file in found) == sorted(folder / each for each in mine)
    assert sorted(left) == sorted([store.root, run])
