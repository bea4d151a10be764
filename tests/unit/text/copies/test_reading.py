"""Copies for people to read."""

import gzip
import json
from pathlib import Path

from text_samples import FRENCH, TATAR

from endonym.text.copies import reading
from endonym.text.copies.notes import COPIES
from endonym.text.copies.reading import SHOWN_COPIES, Involved
from endonym.text.copies.tables import Tables
from endonym.text.document import Document
from endonym.text.waiting import WaitingDocument


def each(text: str, number: int) -> WaitingDocument:
    return WaitingDocument(0, 0, len(text.encode()), Document(text, f"a#{number}", "tt"))


def test_rejects_stand_in_the_order_of_the_corpus_though_what_stays_comes_later(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(reading, "WAITING_ROWS", 2)
    with Tables(tmp_path / "work") as tables:
        involved = Involved(tables)
        involved.add(each(TATAR[0].upper(), 3), 3, 9, similarity=0.875, reason="near")
        involved.add(each(TATAR[1], 5), 5, 5)
        involved.add(each(TATAR[1], 7), 7, 5, reason="exact")
        involved.add(each(TATAR[0], 9), 9, 9)
        first, second = involved.rejects()
        figures = involved.write_clusters(tmp_path)
    assert (first.reason, first.id, first.stayed) == ("near", "a#3", "tt/a#9")
    assert first.detail == "similarity 0.88 to tt/a#9, which stays"
    assert (second.id, second.text, second.raw_bytes) == ("a#7", TATAR[1], len(TATAR[1].encode()))
    assert second.detail == "a text that reads the same came before; tt/a#5 stays"
    assert figures == {"clusters": 1, "largest": 2}


def test_of_a_large_cluster_the_first_copies_are_shown_and_all_counted(tmp_path: Path) -> None:
    with Tables(tmp_path / "work") as tables:
        involved = Involved(tables)
        involved.add(each(FRENCH[0] * 200, 0), 0, 0)
        for number in range(1, 50):
            involved.add(each(f"{FRENCH[0]} {number}", number), number, 0, reason="near")
        assert involved.write_clusters(tmp_path) == {"clusters": 1, "largest": 50}
    (line,) = gzip.decompress((tmp_path / COPIES).read_bytes()).splitlines()
    record = json.loads(line)
    assert (record["copies"], len(record["goes"])) == (49, SHOWN_COPIES)
    assert record["goes"][0]["text"] == f"{FRENCH[0]} 1"
    assert len(record["stays"]["text"]) == 2_000


def test_without_copies_there_is_an_empty_file(tmp_path: Path) -> None:
    with Tables(tmp_path / "work") as tables:
        assert Involved(tables).write_clusters(tmp_path) == {"clusters": 0, "largest": 0}
    assert gzip.decompress((tmp_path / COPIES).read_bytes()) == b""
