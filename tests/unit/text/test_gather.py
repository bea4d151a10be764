"""The first pass over raw files: what is kept in the spool, what is dropped and counted."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from strange_files import FILES
from text_samples import KHMER, TATAR, files, gzipped, write

from endonym.text.config import Clean, Source
from endonym.text.corpus_stats import SourceStats
from endonym.text.document import Document
from endonym.text.document_files import Dropped, read_lines
from endonym.text.gather import MAX_DAMAGES, Gathering, Progress, Spool
from endonym.text.split import digest
from endonym.text.waiting import Waiting, WaitingDocument


def lines_source(path: Path, **keys: Any) -> Source:
    return Source(name=path.name.split(".")[0], path=str(path), document="line", **keys)


def gathered(
    folder: Path, sources: list[Source], clean: Clean
) -> tuple[list[WaitingDocument], list[SourceStats], int]:
    """The documents that wait, the counts of each source, and the bytes told as progress."""
    waiting, dropped, read = Waiting(folder / "waiting"), Dropped(folder / "dropped"), [0]
    gathering = Gathering(clean, waiting, dropped)
    stats = [gathering.source(source, files(source), read.append) for source in sources]
    found = list(waiting.read())
    dropped.close()
    waiting.remove()
    assert not (folder / "waiting").exists()
    return found, stats, sum(read)


def texts(found: list[WaitingDocument]) -> list[str]:
    return [each.document.text for each in found]


def test_documents_come_back_in_their_order_with_their_sizes(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.begin_source()
    spool.begin_file()
    for number, text in enumerate(TATAR[:3]):
        size = len(text.encode())
        spool.write(Document(text, f"a#{number}", "a"), size + 2, size, digest(text.encode(), 7))
    found = list(spool.read())
    assert [json.loads(each.line)["text"] for each in found] == TATAR[:3]
    assert [each.chars for each in found] == [len(text) for text in TATAR[:3]]
    assert [each.size - each.text_bytes for each in found] == [2, 2, 2]
    (second,) = spool.read([False, True, False])
    assert second == found[1]
    assert [len(keys) for keys in spool.all_keys()] == [3]
    spool.remove()


def test_every_document_knows_its_source_and_its_raw_file(tmp_path: Path) -> None:
    one = lines_source(write(tmp_path, "one/a.txt", TATAR[:2]).parent)
    write(tmp_path, "one/b.txt", TATAR[2:3])
    two = lines_source(write(tmp_path, "two.txt", KHMER[:1]))
    found, _, _ = gathered(tmp_path, [one, two], Clean())
    assert [(each.source, each.file) for each in found] == [(0, 0), (0, 0), (0, 1), (1, 2)]
    assert [each.size for each in found] == [len(text.encode()) for text in texts(found)]


def test_copies_stay_until_all_texts_are_read(tmp_path: Path) -> None:
    source = lines_source(write(tmp_path, "one.txt", TATAR[:1] * 3))
    found, (stats,), _ = gathered(tmp_path, [source], Clean(dedup=("exact",)))
    assert texts(found) == TATAR[:1] * 3
    assert stats.dropped == {}


def test_what_cleaning_changes_refuses_or_finds_broken_is_counted(tmp_path: Path) -> None:
    mojibake = " ".join(TATAR).encode().decode("cp1251", "replace")
    lines = [f"{TATAR[0]}\u00a0 ", TATAR[1], "Кояш.", mojibake]
    source = lines_source(write(tmp_path, "one.txt", lines))
    clean = Clean(normalize=("spaces",), min_chars=20)
    found, (stats,), _ = gathered(tmp_path, [source], clean)
    assert texts(found) == TATAR[:2]
    assert (stats.read.records, stats.changed_documents) == (4, 1)
    assert {reason: each.records for reason, each in stats.dropped.items()} == {
        "min_chars": 1,
        "mojibake": 1,
    }
    (short,) = read_lines(tmp_path / "dropped" / "min_chars.jsonl.gz")
    assert (short["text"], short["raw_bytes"]) == ("Кояш.", len("Кояш.".encode()))


def test_damaged_files_are_told_one_by_one_but_not_without_end(tmp_path: Path) -> None:
    whole = gzipped("\n".join(TATAR))
    for number in range(MAX_DAMAGES + 5):
        write(tmp_path, f"raw/{number:02}.txt.gz", whole[:-9])
    write(tmp_path, "raw/photo.pdf", b"%PDF-1.4 ")
    _, (stats,), _ = gathered(tmp_path, [lines_source(tmp_path / "raw")], Clean())
    assert stats.dropped["truncated"].records == MAX_DAMAGES + 5
    assert len(stats.damages) == MAX_DAMAGES
    assert stats.damages[0].startswith("00.txt.gz")
    assert stats.dropped["unsupported_format"].records == 1


def test_the_encoding_of_every_file_is_counted_once(tmp_path: Path) -> None:
    russian = ["Солнце взошло над рекой, и рыбаки вышли на берег.", "Дети спали долго."]
    russian += ["Вечером пошёл снег, и стало тихо.", "Утром снова залаяли собаки."]
    write(tmp_path, "raw/a.txt", "\n".join(russian).encode("cp1251"))
    write(tmp_path, "raw/b.txt", TATAR)
    write(tmp_path, "raw/c.txt.gz", gzip.compress("\n".join(KHMER).encode()))
    _, (stats,), _ = gathered(tmp_path, [lines_source(tmp_path / "raw")], Clean())
    assert stats.encodings == {"cp1251": 1, "utf-8": 2}
    assert stats.files == 3


def test_progress_ends_at_the_size_of_the_files_whatever_was_read_of_them(tmp_path: Path) -> None:
    paths = [write(tmp_path, "raw/a.txt", TATAR), write(tmp_path, "raw/b.pdf", b"%PDF" * 99)]
    _, _, told = gathered(tmp_path, [lines_source(tmp_path / "raw")], Clean())
    assert told == sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize(("pieces", "told"), [([4, 4], [4, 4]), ([4, 9, 1], [4, 6, 0])])
def test_no_more_than_a_file_holds_is_told_of_it(pieces: list[int], told: list[int]) -> None:
    heard: list[int] = []
    progress = Progress(heard.append, 10)
    for piece in pieces:
        progress.read(piece)
    assert heard == told


@pytest.mark.parametrize("name", ["long_name.zip", "long_name.tar.gz"])
def test_a_member_with_a_long_name_takes_no_more_of_the_disk_than_its_text(
    tmp_path: Path, name: str
) -> None:
    source = lines_source(write(tmp_path, name, FILES[name]()))
    waiting, dropped = Waiting(tmp_path / "waiting"), Dropped(tmp_path / "dropped")
    stats = Gathering(Clean(), waiting, dropped).source(source, files(source), lambda size: None)
    waiting.file.flush()
    dropped.close()
    assert (tmp_path / "waiting").stat().st_size < 100_000
    (damage,) = stats.damages
    assert len(damage) < 500
    waiting.remove()
    (reject,) = read_lines(tmp_path / "dropped" / "unsafe_member.jsonl.gz")
    assert len(json.dumps(reject)) < 2_000
