"""Copies for people to read: each that goes, beside the one that stays.

`copies.jsonl.gz` has a line for each cluster: the document that stays, how many near copies of it
go, and the first of these, each with its similarity.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from endonym.copies.notes import COPIES
from endonym.copies.tables import Tables
from endonym.formats.document import Document
from endonym.formats.document_files import GzipLines, json_line
from endonym.formats.io.origin import SHOWN_CHARS

SHOWN_COPIES = 20
WAITING_ROWS = 4_096

COLUMNS = {
    "document": "BIGINT",
    "stayed": "BIGINT",
    "similarity": "FLOAT",
    "reason": "VARCHAR",
    "source": "VARCHAR",
    "id": "VARCHAR",
    "text": "VARCHAR",
    "size": "BIGINT",
}
"""Of a document that has a copy, or is one: its number, that of the one that stays (its own, if it
stays itself), their similarity, why it goes, and the beginning of its text."""
TYPES = {"BIGINT": np.int64, "FLOAT": np.float32, "VARCHAR": object}


class Involved:
    """The documents that have copies, and the copies, on disk until all of them are known."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        fields = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        tables.run(f"CREATE OR REPLACE TABLE involved ({fields})")
        self.waiting: list[tuple[Any, ...]] = []

    def add(
        self,
        number: int,
        stayed: int,
        similarity: float,
        reason: str,
        *,
        document: Document,
        size: int,
    ) -> None:
        """Add a document. The values are those of COLUMNS."""
        place = (reason, document.source, document.id, document.text[:SHOWN_CHARS], size)
        self.waiting.append((number, stayed, similarity, *place))
        if len(self.waiting) >= WAITING_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self.waiting:
            columns = zip(COLUMNS.items(), zip(*self.waiting, strict=True), strict=True)
            self.tables.insert(
                "involved",
                {name: np.array(each, dtype=TYPES[kind]) for (name, kind), each in columns},
            )
        self.waiting.clear()

    def write_clusters(self, out: Path) -> dict[str, int]:
        """Write `copies.jsonl.gz`; returns the number of clusters, and the size of the largest."""
        self.flush()
        rows = self._rows("""
            SELECT * FROM involved WHERE stayed IN (
                SELECT stayed FROM involved WHERE reason = 'near'
            ) AND reason <> 'exact' ORDER BY stayed, document <> stayed, document
        """)
        clusters, largest = 0, 0
        with GzipLines(out, COPIES) as lines:
            for _, members in groupby(rows, key=lambda row: row["stayed"]):
                record, count = cluster(members)
                clusters, largest = clusters + 1, max(largest, count + 1)
                lines.line(json_line(record))
        return {"clusters": clusters, "largest": largest}

    def _rows(self, sql: str) -> Iterator[dict[str, Any]]:
        for batch in self.tables.batches(sql):
            columns = [values.tolist() for values in batch.values()]
            for values in zip(*columns, strict=True):
                yield dict(zip(batch, values, strict=True))


def cluster(members: Iterator[dict[str, Any]]) -> tuple[dict[str, Any], int]:
    """The line of one cluster, whose first row is the document that stays; and its copies."""
    first = next(members)
    stays = {name: first[name] for name in ("source", "id", "text")}
    shown: list[dict[str, Any]] = []
    count = 0
    for row in members:
        count += 1
        if len(shown) < SHOWN_COPIES:
            kept = {name: row[name] for name in ("source", "id", "text")}
            shown.append({**kept, "similarity": round(row["similarity"], 3)})
    return {"stays": stays, "copies": count, "goes": shown}, count
