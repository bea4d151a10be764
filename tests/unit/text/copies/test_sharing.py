"""Rows of keys that two documents share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from text_samples import KHMER, numbered

from endonym.text.copies.keys import Asked, write_keys
from endonym.text.copies.removal import decided
from endonym.text.copies.sharing import rows_that_share, sharers
from endonym.text.copies.tables import Tables

KINDS = ("exact", "near", "paragraphs")
PER_FILE = 100


def test_documents_share_a_key_with_another_one_not_with_themselves() -> None:
    keys = np.array([7, 5, 7, 9, 9, 5, 3, 7], dtype=np.uint64)
    documents = np.array([0, 1, 2, 3, 3, 4, 5, 0])
    assert sharers(keys, documents).tolist() == [0, 1, 2, 4]
    assert sharers(keys[:0], documents[:0]).tolist() == []


def planted() -> list[str]:
    """Texts in Tatar and Khmer with copies, near copies, and paragraphs of others."""
    tatar = [" ".join([text] * 3) for text in numbered(300)]
    khmer = [f"{text}{number}" for number, text in enumerate(KHMER * 50)]
    texts = [*tatar, *khmer, *tatar[:300:7], *khmer[::9]]
    texts += [f"{text} Шул гына инде." for text in tatar[::11]]
    texts += [f"Башлам {number}\n\n{text}" for number, text in enumerate(tatar[::13])]
    return texts + [f"{texts[0]}\n\n{texts[0]}", texts[1].upper()]


def write_all(texts: list[str], folder: Path) -> Asked:
    folder.mkdir()
    asked = Asked(frozenset(KINDS))
    for first in range(0, len(texts), PER_FILE):
        write_keys(texts[first : first + PER_FILE], asked, folder / f"{first:05d}", first=first)
    return asked


def on_cluster(folder: Path) -> None:
    """Decide from all rows and from those of Ray Data, on a cluster of two nodes."""
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
    ray.init(nodes.address, log_to_driver=False)
    texts = planted()
    asked = write_all(texts, folder / "keys")

    def read(chosen: np.ndarray | None) -> Iterator[str]:
        return (text for n, text in enumerate(texts) if chosen is None or chosen[n])

    with Tables(folder / "here") as tables:
        here = decided(tables, folder / "keys", read, asked, count=len(texts))
    shared = folder / "there"
    with Tables(shared) as tables:

        def sharing(files, kind):
            found = rows_that_share(files, kind, folder=shared, count=len(texts))
            kept, every = (
                sum(pq.read_metadata(p).num_rows for p in each) for each in (found, files)
            )
            print(kind, len(files), 0 < kept < every)
            return found

        there = decided(tables, folder / "keys", read, asked, count=len(texts), sharing=sharing)
    for name in ("exact", "near", "cuts"):
        for a, b in zip(getattr(here, name), getattr(there, name), strict=True):
            assert np.array_equal(a, b), name
        print(name, len(getattr(here, name).documents) > 20)
    assert np.array_equal(here.scraps, there.scraps)
    ray.shutdown()
    nodes.shutdown()


def test_on_two_nodes_the_same_goes_as_here(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    tests = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_worker_niceness": "0",
        "PYTHONPATH": f"{tests}:{tests.parent / 'src'}",
    }
    program = "import sys; from pathlib import Path; from unit.text.copies import test_sharing; "
    program += "test_sharing.on_cluster(Path(sys.argv[1]))"
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert said.stdout.split("\n") == [
        "exact 6 True",
        "near 6 True",
        "paragraphs 6 True",
        "exact True",
        "near True",
        "cuts True",
        "",
    ], said.stderr[-2000:]
