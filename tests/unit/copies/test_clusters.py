"""Copies for people to read."""

import gzip
import json
from pathlib import Path
from typing import Any

from text_samples import FRENCH, TATAR

from endonym.copies.near import SHOWN_COPIES, write_clusters
from endonym.copies.notes import COPIES
from endonym.copies.tables import Tables


def columns(*rows: tuple[str, int, int, float]) -> dict[str, Any]:
    """Documents by text, number, the number of the one that stays, and their similarity."""
    texts, documents, stayed, similarity = map(list, zip(*rows, strict=True))
    made = {"document": documents, "stayed": stayed, "similarity": similarity, "text": texts}
    ids = [f"a#{number}" for number in documents]
    return {**made, "source": ["tt"] * len(rows), "id": ids}


def test_clusters_stand_in_the_order_of_the_corpus_though_what_stays_comes_later(
    tmp_path: Path,
) -> None:
    documents = [
        columns((TATAR[0].upper(), 3, 9, 0.875), (TATAR[2], 8, 8, 1)),
        columns((TATAR[0], 9, 9, 1), (TATAR[2].lower(), 11, 8, 0.8125)),
    ]
    with Tables(tmp_path / "work") as tables:
        figures = write_clusters(documents, tables, tmp_path)
    first, second = map(json.loads, gzip.decompress((tmp_path / COPIES).read_bytes()).splitlines())
    assert (first["stays"]["id"], second["stays"]["id"]) == ("a#8", "a#9")
    (copy,) = second["goes"]
    assert copy == {"id": "a#3", "source": "tt", "similarity": 0.875, "text": TATAR[0].upper()}
    assert figures == {"clusters": 2, "largest": 2}


def test_of_a_large_cluster_the_first_copies_are_shown_and_all_counted(tmp_path: Path) -> None:
    copies = [(f"{FRENCH[0]} {number}", number, 0, 1) for number in range(1, 50)]
    with Tables(tmp_path / "work") as tables:
        figures = write_clusters([columns((FRENCH[0], 0, 0, 1), *copies)], tables, tmp_path)
    assert figures == {"clusters": 1, "largest": 50}
    (line,) = gzip.decompress((tmp_path / COPIES).read_bytes()).splitlines()
    record = json.loads(line)
    assert (record["copies"], len(record["goes"])) == (49, SHOWN_COPIES)
    assert record["goes"][0]["text"] == f"{FRENCH[0]} 1"


def test_without_copies_there_is_an_empty_file(tmp_path: Path) -> None:
    with Tables(tmp_path / "work") as tables:
        assert write_clusters([], tables, tmp_path) == {"clusters": 0, "largest": 0}
    assert gzip.decompress((tmp_path / COPIES).read_bytes()) == b""
