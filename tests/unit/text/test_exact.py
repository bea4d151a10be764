"""Exact copies by ranges of digests."""

from pathlib import Path

import numpy as np
import pytest
from text_samples import TATAR, numbered

from endonym.text import exact
from endonym.text.chunks import CLEAN, write_chunk
from endonym.text.exact import find_copies, ranges
from endonym.text.split import digest


def chunk(folder: Path, number: int, texts: list[str | None]) -> Path:
    """A chunk of texts; None stands for a reject."""
    count = len(texts)
    names = [text and digest(text.encode(), 7) for text in texts]
    sizes = [0] * count
    words = [text or "" for text in texts]
    rest = [[None if text else "min_chars" for text in texts], [None] * count]
    given = [words, words, ["{}"] * count, sizes, sizes, *rest, names, sizes, sizes, [None] * count]
    write_chunk(folder, f"{number}.arrow", CLEAN, given)
    return folder / f"{number}.arrow"


@pytest.mark.parametrize("most", [4_000_000, 7])
def test_all_but_the_first_of_equal_texts_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(exact, "RANGE_DOCUMENTS", most)
    lines = numbered(30)
    chunks = [
        chunk(tmp_path, 0, [*lines[:10], None, lines[3]]),
        chunk(tmp_path, 1, []),
        chunk(tmp_path, 2, [lines[3], None, *lines[10:], TATAR[0], lines[29], TATAR[0]]),
    ]
    tasks = ranges(tmp_path, chunks, 40)
    assert len(tasks) == -(-40 // most)
    said = [find_copies(task, lambda size: None) for task in tasks]
    found = [np.load(tmp_path / file["name"]) for each in said for file in each["files"]]
    assert sorted(np.concatenate(found).tolist()) == [(0, 11), (2, 0), (2, 23), (2, 24)]
    assert sum(each["copies"] for each in said) == 4
    assert all(each.tolist() == sorted(each.tolist()) for each in found)


def test_without_documents_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert ranges(tmp_path, [], 0) == []
