"""Rows of keys that two documents share."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from text_samples import KHMER, numbered

from endonym.text.copies.keys import Asked, Kind, key_files, write_keys
from endonym.text.copies.removal import decided, every_row
from endonym.text.copies.sharing import key_rows, rows_that_share, sharers
from endonym.text.copies.tables import Tables

PER_FILE = 190
"""Few files, as Ray takes seconds for each."""


def test_documents_share_a_key_with_another_one_not_with_themselves() -> None:
    keys = np.array([7, 5, 7, 9, 9, 5, 3, 7], dtype=np.uint64)
    documents = np.array([0, 1, 2, 3, 3, 4, 5, 0])
    assert sharers(keys, documents).tolist() == [0, 1, 2, 4]
    assert sharers(keys[:0], documents[:0]).tolist() == []


def test_the_rows_of_files_say_which_documents_share_something(tmp_path: Path) -> None:
    texts = planted()
    write_all(texts, tmp_path / "keys")
    for kind in ("exact", "near", "paragraphs"):
        files = key_files(tmp_path / "keys", kind)
        assert len(files) > 2
        parts = list(key_rows({"item": [str(path) for path in files]}))
        keys, documents = (np.concatenate([each[n] for each in parts]) for n in ("key", "document"))
        owners: dict[int, set[int]] = {}
        for key, document in zip(keys.tolist(), documents.tolist(), strict=True):
            owners.setdefault(key, set()).add(document)
        expected = set[int]().union(*(each for each in owners.values() if len(each) > 1))
        assert sharers(keys, documents).tolist() == sorted(expected)
        copy = texts.index(texts[0], 1)
        assert {0, copy} <= expected
        assert not {4, 5} & expected  # Nothing is planted of these.


def planted() -> list[str]:
    """Texts in Tatar and Khmer with copies, near copies, and paragraphs of others."""
    every = numbered(900)
    tatar = [" ".join(every[place : place + 3]) for place in range(0, len(every), 3)]
    khmer = [f"{text}{number}" for number, text in enumerate(KHMER * 50)]
    near = [f"{text} Шул гына инде." for text in tatar[::11]]
    of_two = [f"{one}\n\n{two}" for one, two in zip(tatar[::13], khmer, strict=False)]
    return [*tatar, *khmer, *tatar[::7], *khmer[::9], *near, *of_two, tatar[1].upper()]


def write_all(texts: list[str], folder: Path) -> Asked:
    """The keys of texts in several files."""
    folder.mkdir()
    asked = Asked(frozenset({"exact", "near", "paragraphs"}))
    for first in range(0, len(texts), PER_FILE):
        write_keys(texts[first : first + PER_FILE], asked, folder / f"{first:05d}", first=first)
    return asked


def rows_of(files: Sequence[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in files)


@contextmanager
def two_nodes() -> Generator[None]:
    """A cluster of two nodes of one core each on this machine."""
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
    ray.init(nodes.address, log_to_driver=False)
    yield
    ray.shutdown()
    nodes.shutdown()


def on_cluster(folder: Path) -> dict[str, Any]:
    """What goes, decided from all rows and from those of Ray Data; how many rows these are."""
    texts, there = planted(), folder / "there"
    keys, counts = folder / "keys", dict[str, tuple[int, int]]()
    asked, said = write_all(texts, keys), dict[str, Any]()

    def read(chosen: np.ndarray | None) -> Iterator[str]:
        return (text for n, text in enumerate(texts) if chosen is None or chosen[n])

    def sharing(files: Sequence[Path], kind: Kind) -> Sequence[Path]:
        found = rows_that_share(files, kind, folder=there, count=len(texts))
        counts[kind] = (rows_of(found), rows_of(files))
        return found

    for name, given in (("here", every_row), ("there", sharing)):
        with two_nodes() if name == "there" else nullcontext(), Tables(folder / name) as tables:
            found = decided(tables, keys, read, asked, count=len(texts), sharing=given)
        parts = (*found.exact, *found.near, *found.cuts, found.scraps)
        said[name] = [each.tolist() for each in parts]
    return {**said, "rows": counts}


@pytest.mark.slow
def test_on_two_nodes_the_same_goes_as_here(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    tests = Path(__file__).parents[3]
    given = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
    given["PYTHONPATH"] = f"{tests}:{tests.parent / 'src'}"
    program = (
        "import json, sys; from pathlib import Path; from unit.text.copies import test_sharing; "
        "sys.stdout.write(json.dumps(test_sharing.on_cluster(Path(sys.argv[1]))))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **given},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    said = json.loads(run.stdout)
    assert said["here"] == said["there"]
    exact, _, _, near, _, _, cuts, _, _ = said["here"]
    # Equal: 43 in Tatar, 17 in Khmer. Near, in Tatar alone (the Khmer texts are too short): 28 with
    # a sentence more, one in capitals, one of two paragraphs. Of 24 such paragraphs 20 are left.
    assert (len(exact), len(near), len(cuts)) == (43 + 17, 28 + 1 + 1, 20)
    for kept, every in said["rows"].values():
        assert 0 < kept < every
