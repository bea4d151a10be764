"""A corpus as a data set: parquet files that `datasets.load_dataset` opens, and a card.

The files of a split hold its documents in their order. Nothing is chosen or changed: what a model
is trained on and judged by here is what others get.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.copies.held_out.split import FEW_BLOCKS, SIDES, Side
from endonym.corpus.corpus import Corpus
from endonym.formats.document import KEYS, Document

FOLDER = "data"
BATCH_BYTES, FILE_BYTES = 16_000_000, 256_000_000
"""Approximate size of the text in a row group, and in a file."""
RECORD_ID = "record_id"
OWN_COLUMNS = {"id": RECORD_ID}
"""Keys of `Document.meta` whose column has another name: `id` is the document's place."""

NOTED = {OWN_COLUMNS.get(key, key): key for key in KEYS if key != "license"}
"""Columns that hold a key of `Document.meta`; null where a document does not say it."""
SCHEMA = arrow.schema(
    {
        **dict.fromkeys(("text", "id", "source", "license", *NOTED, "meta"), arrow.string()),
        "block": arrow.int64(),
    }
)
COLUMNS = {
    "text": "the document, cleaned",
    "id": "its place: file, member of an archive, and number of the record",
    "source": "the source of the recipe",
    "license": "what its record or its source says; null if neither does",
    **{column: KEYS[key] for column, key in NOTED.items()},
    "meta": "other notes of the reader, as JSON",
    "block": "documents with the same number are neighbours; they are in one split, but for near "
    f"copies that were moved and sources of fewer than {FEW_BLOCKS} blocks, split by documents",
}
"""What each column holds."""


def write_dataset(corpus: Corpus, out: Path, licenses: Mapping[str, str]) -> list[str]:
    """Write the documents of all splits; the files' names. licenses: of sources, by name."""
    (out / FOLDER).mkdir(parents=True)
    return [name for side in SIDES for name in _write_split(corpus, side, out, licenses)]


def _write_split(
    corpus: Corpus, side: Side, out: Path, licenses: Mapping[str, str]
) -> Iterator[str]:
    """Write the files of a split; at least one, which may have no rows."""
    batches = row_batches(corpus.documents(side), licenses)
    batch = next(batches, None)
    number = 0
    while batch is not None or not number:
        name, size = f"{FOLDER}/{side}-{number:05d}.parquet", 0
        with parquet.ParquetWriter(out / name, SCHEMA, compression="zstd") as file:
            while batch is not None and size < FILE_BYTES:
                file.write_table(arrow.Table.from_pylist(batch, SCHEMA))
                size += sum(len(row["text"]) for row in batch)
                batch = next(batches, None)
        number += 1
        yield name


def row_batches(
    documents: Iterator[Document], licenses: Mapping[str, str]
) -> Iterator[list[dict[str, Any]]]:
    """Documents as rows, about 16 MB of text at a time."""
    gathered: list[dict[str, Any]] = []
    size = 0
    for document in documents:
        gathered.append(row(document, licenses))
        size += len(document.text.encode())
        if size >= BATCH_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def row(document: Document, licenses: Mapping[str, str]) -> dict[str, Any]:
    """A document as a row; columns that it says nothing of are left out."""
    meta = document.meta
    others = {key: value for key, value in meta.items() if key not in KEYS}
    return {
        "text": document.text,
        "id": document.id,
        "source": document.source,
        "license": meta.get("license") or licenses.get(document.source),
        **{column: meta.get(key) for column, key in NOTED.items()},
        "meta": json.dumps(others, ensure_ascii=False, sort_keys=True) if others else None,
        "block": document.block,
    }
