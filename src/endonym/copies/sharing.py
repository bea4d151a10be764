"""The keyed shuffle of copies on a cluster: keys that two documents have, found by Ray Data.

Nearly all keys are those of one document. On a cluster, Ray Data brings equal keys together, and
what is left are the rows of documents that have a key in common with another one. DuckDB decides
from these as it would from all rows: a row whose keys nobody shares changes none of its results.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from endonym.copies.hashes import Hashes, Indices
from endonym.copies.keys import ROW_GROUP, Kind
from endonym.workers import cluster_errors

PARTITION_ROWS = 1 << 21
"""Rows of a key and a document that are grouped at once: 32 MB, and as much for sorting."""
BLOCK_BYTES = 16 << 20
"""Of the other blocks. With Ray's own 128 MiB, a small store of objects holds none."""
DOCUMENT = "document"


def rows_that_share(files: Sequence[Path], kind: Kind, *, folder: Path, count: int) -> list[Path]:
    """Write the rows of those of `count` documents that share a key with another one.

    files: of one kind of keys. Their columns `high` and `band…` are keys of 64 bits. folder: which
    all machines of the cluster that runs must see. Gives the files that are written there.
    """
    if not files:
        return []
    with cluster_errors(f"keys of {kind} copies"):
        return _rows_that_share(files, kind, folder, count)


def _rows_that_share(files: Sequence[Path], kind: Kind, folder: Path, count: int) -> list[Path]:
    import ray
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = BLOCK_BYTES
    # Ray's own reader of parquet starts more processes than all the rest here.
    paths = ray.data.from_items([str(path) for path in files], override_num_blocks=len(files))
    rows = sum(pq.read_metadata(path).num_rows * len(keys_of(path)) for path in files)
    grouped = paths.map_batches(key_rows, batch_size=1).repartition(
        1 + rows // PARTITION_ROWS, keys=["key"]
    )
    # A partition is one block: Ray's own `map_groups` relies on it, too.
    found = grouped.map_batches(sharing, batch_format="pyarrow", batch_size=None)
    marks = np.zeros(count, dtype=np.bool_)
    for batch in found.iter_batches(batch_format="numpy", batch_size=None):
        marks[batch[DOCUMENT]] = True
    out = folder / f"{kind}-shared"
    out.mkdir()
    write = partial(write_marked, marks=ray.put(marks), out=out)
    paths.map_batches(write, batch_size=1).materialize()
    return sorted(out.glob("*.parquet"))


def keys_of(path: Path) -> list[str]:
    """The columns that say what documents share."""
    names = pq.read_schema(path).names
    return [name for name in names if name == "high" or name.startswith("band")]


def key_rows(batch: Any) -> Iterator[dict[str, Any]]:
    """Each key of each row of some files, with its document."""
    for path in batch["item"]:
        keys = keys_of(path)
        for some in pq.ParquetFile(path).iter_batches(ROW_GROUP, columns=[DOCUMENT, *keys]):
            every = np.concatenate([some[name].to_numpy() for name in keys])
            yield {"key": every, DOCUMENT: np.tile(some[DOCUMENT].to_numpy(), len(keys))}


def sharing(table: pa.Table) -> pa.Table:
    """The documents of a partition that have a key in common with another document."""
    return pa.table({DOCUMENT: sharers(table["key"].to_numpy(), table[DOCUMENT].to_numpy())})


def sharers(keys: Hashes, documents: Indices) -> Indices:
    """The documents, ascending, of keys that stand beside more than one document."""
    if not len(keys):
        return documents
    order = np.argsort(keys)
    keys, documents = keys[order], documents[order]
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    is_shared = np.minimum.reduceat(documents, firsts) < np.maximum.reduceat(documents, firsts)
    counts = np.diff(np.append(firsts, len(keys)))
    return np.unique(documents[np.repeat(is_shared, counts)])


def write_marked(batch: Any, marks: Any, out: Path) -> dict[str, Any]:
    """Write the rows of marked documents of some files. marks: of Ray, once for each machine."""
    import ray

    is_marked, written = ray.get(marks), list[int]()
    for path in batch["item"]:
        table = pq.read_table(path)
        kept: Any = pa.array(is_marked[table[DOCUMENT].to_numpy()])
        table = table.filter(kept)
        if table.num_rows:
            pq.write_table(table, out / Path(path).name, compression="zstd", use_dictionary=False)
        written.append(table.num_rows)
    return {"rows": np.array(written)}
