"""Copies for people to read."""

import gzip
import json
from pathlib import Path

import pytest
from text_samples import FRENCH, TATAR

from endonym.copies import reading
from endonym.copies.notes import COPIES
from endonym.copies.reading import SHOWN_COPIES, Involved
from endonym.copies.tables import Tables
from endonym.formats.document import Document


def add(
    involved: Involved, text: str, number: int, stayed: int, alike: float = 1.0, reason: str = ""
) -> None:
    document = Document(text, f"a#{number}", "tt")
    size = len(text.encode())
    involved.add(number, stayed, alike, reason, document=document, size=size)


def test_clusters_stand_in_the_order_of_the_corpus_though_what_stays_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WAITING_ROWS", 2)
    with Tables(tmp_path / "work") as tables:
        involved = Involved(tables)
        add(involved, TATAR[0].upper(), 3, 9, 0.875, "near")
        add(involved, TATAR[1], 5, 5)
        add(involved, TATAR[1], 7, 5, reason="exact")
        add(involved, TATAR[2], 8, 8)
        add(involved, TATAR[0], 9, 9)
        add(involved, TATAR[2].lower(), 11, 8, 0.8125, "near")
        figures = involved.write_clusters(tmp_path)
    first, second = map(json.loads, gzip.decompress((tmp_path / COPIES).read_bytes()).splitlines())
    assert (first["stays"]["id"], second["stays"]["id"]) == ("a#8", "a#9")
    (copy,) = second["goes"]
    assert copy == {"id": "a#3", "source": "tt", "similarity": 0.875, "text": TATAR[0].upper()}
    assert figures == {"clusters": 2, "largest": 2}


def test_of_a_large_cluster_the_first_copies_are_shown_and_all_counted(tmp_path: Path) -> None:
    with Tables(tmp_path / "work") as tables:
        involved = Involved(tables)
        add(involved, FRENCH[0] * 200, 0, 0)
        for number in range(1, 50):
            add(involved, f"{FRENCH[0]} {number}", number, 0, reason="near")
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
