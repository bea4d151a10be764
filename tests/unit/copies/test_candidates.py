"""Pairs of documents that share a band."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from endonym.copies import near
from endonym.copies.near import Candidates
from endonym.copies.shingles import Bands
from endonym.copies.tables import Tables

NONE = np.zeros(0, dtype=np.int64)
BANDS = Bands(2, 1)


def keys(path: Path, rows: list[tuple[int, int, int, int, int, int]]) -> Path:
    """A file of near keys: document, letters, damage, digest, and the keys of two bands."""
    names = ("document", "letters", "damage", "high", "band0", "band1")
    columns = {
        name: np.array(each, dtype=np.int64 if name in names[:3] else np.uint64)
        for name, each in zip(names, zip(*rows, strict=True), strict=True)
    }
    columns["low"] = columns["high"]
    columns["accents"] = np.zeros_like(columns["document"])
    pq.write_table(pa.table(columns), path)
    return path


def compared(candidates: Candidates, kept: np.ndarray) -> list[set[tuple[int, int]]]:
    """Pairs of document numbers of each round, if nothing is dropped."""
    numbers = candidates.documents()
    return [
        {
            (int(numbers[a]), int(numbers[b]))
            for better, worse in pairs
            for a, b in zip(better, worse, strict=True)
        }
        for pairs in candidates.rounds(kept)
    ]


ROWS = [(0, 50, 0, 1, 10, 90), (1, 60, 0, 2, 10, 91), (2, 60, 3, 3, 11, 91), (3, 9, 0, 4, 12, 92)]


def test_documents_that_share_a_key_are_pairs_from_the_better_to_the_worse(tmp_path: Path) -> None:
    with Tables(tmp_path / "work") as tables:
        found = Candidates(tables, [keys(tmp_path / "a", ROWS)], BANDS, NONE)
        assert found.documents().tolist() == [1, 0, 2]
        assert compared(found, np.ones(3, dtype=np.bool_)) == [{(1, 0), (1, 2)}]
        gone = Candidates(tables, [tmp_path / "a"], BANDS, np.array([0]))
        assert compared(gone, np.ones(2, dtype=np.bool_)) == [{(1, 2)}]


def test_of_documents_with_equal_letters_the_best_takes_part(tmp_path: Path) -> None:
    rows = [(4, 60, 5, 2, 10, 91), *ROWS, (5, 60, 0, 2, 10, 91)]
    with Tables(tmp_path / "work") as tables:
        found = Candidates(tables, [keys(tmp_path / "a", rows)], BANDS, NONE)
        same = tables.connection.sql("SELECT worse, better FROM same ORDER BY worse").fetchall()
        assert same == [(4, 1), (5, 1)]
        assert found.documents().tolist() == [1, 0, 2]


def test_of_many_the_best_are_compared_first_and_more_of_those_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "LEADERS", (1, 2))
    rows = [(n, 100 - n, 0, n, 7, 100 + n) for n in range(6)]
    with Tables(tmp_path / "work") as tables:
        found = Candidates(tables, [keys(tmp_path / "a", rows)], BANDS, NONE)
        kept = np.ones(6, dtype=np.bool_)
        rounds = found.rounds(kept)
        assert pairs_of(next(rounds)) == {(0, n) for n in range(1, 6)}
        kept[[2, 5]] = False
        assert pairs_of(next(rounds)) == {(0, 1), (0, 3), (0, 4), (1, 3), (1, 4)}
        assert next(rounds, None) is None
        assert found.partly_compared(kept) == 2


def pairs_of(batches) -> set[tuple[int, int]]:
    return {pair for a, b in batches for pair in zip(a.tolist(), b.tolist(), strict=True)}


def test_the_better_copy_is_less_damaged_then_longer_then_has_more_accents_then_is_earlier(
    tmp_path: Path,
) -> None:
    rows = [(0, 50, 1, 1, 10, 90), (1, 50, 0, 2, 10, 91), (2, 60, 0, 3, 10, 92)]
    rows += [(3, 50, 0, 4, 10, 93), (4, 50, 0, 5, 10, 94)]
    path = keys(tmp_path / "a", rows)
    table = pq.read_table(path)
    place = table.schema.get_field_index("accents")
    pq.write_table(table.set_column(place, "accents", pa.array([9, 0, 0, 2, 0])), path)
    with Tables(tmp_path / "work") as tables:
        found = Candidates(tables, [path], BANDS, NONE)
        assert found.documents().tolist() == [2, 3, 1, 4, 0]
