"""Counts by hashed key, merged in any order and in bounded memory."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from endonym.cleaning import keyed as module
from endonym.cleaning.keyed import key_of, keyed, merged, smallest, summed
from endonym.formats.chunks import memory_mapped, write_array
from endonym.formats.document_files import WholeFile


def parts(seed: int) -> list[list[tuple[int, int]]]:
    """Keys and values in nine parts."""
    draw = random.Random(seed)
    keys = [key_of(str(n)) for n in range(300)]
    return [[(draw.choice(keys), draw.randrange(1, 9)) for _ in range(200)] for _ in range(9)]


def test_a_key_is_the_same_in_every_process():
    assert key_of("кояш") == 18141146916055067380
    assert key_of("кояш") != key_of("Кояш")
    assert 0 <= key_of("\ud800") < 2**64


@pytest.mark.parametrize("portion", [50, 10**6])
def test_sums_are_those_of_a_plain_count(portion: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PORTION_ROWS", portion)
    every = parts(1)
    count = Counter[int]()
    for part in every:
        for key, value in part:
            count[key] += value
    found = merged([keyed(part) for part in every], summed(20))
    assert {int(key): int(n) for key, n in found} == {k: n for k, n in count.items() if n >= 20}
    again = merged([keyed([row for part in every[::-1] for row in part])], summed(20))
    assert np.array_equal(found, again)


@pytest.mark.parametrize("portion", [50, 10**6])
def test_of_large_groups_the_least_values_are_kept(portion: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PORTION_ROWS", portion)
    every = parts(2)
    values: dict[int, set[int]] = {}
    for part in every:
        for key, value in part:
            values.setdefault(key, set()).add(value)
    assert sum(len(part) for part in every) > sum(map(len, values.values()))
    found = merged([keyed(part) for part in every], smallest(5))
    wanted = {key: sorted(each)[4] for key, each in values.items() if len(each) > 5}
    assert {int(key): int(value) for key, value in found} == wanted


def test_nothing_merges_to_nothing() -> None:
    assert len(merged([], summed(1))) == 0
    assert len(merged([keyed([])], smallest(1))) == 0


def test_two_processes_may_write_the_same_counts_at_once(tmp_path: Path) -> None:
    """The second one begins and ends while the first one writes."""
    write_array(tmp_path, "lines.npy", keyed([(3, 1), (1, 2)]))
    whole = (tmp_path / "lines.npy").read_bytes()
    with WholeFile(tmp_path, "lines.npy") as first:
        first.write(whole[:70])
        write_array(tmp_path, "lines.npy", keyed([(3, 1), (1, 2)]))
        first.write(whole[70:])
    assert memory_mapped(tmp_path / "lines.npy").tolist() == [[1, 2], [3, 1]]
    assert [each.name for each in tmp_path.iterdir()] == ["lines.npy"]
