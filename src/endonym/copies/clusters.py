"""Near copies for people to read: those that go, beside the one that stays.

`copies.jsonl.gz` has a line for each cluster: the document that stays, how many near copies of it
go, and the first of these, each with its similarity.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from endonym.copies.notes import COPIES
from endonym.copies.tables import Tables
from endonym.formats.document_files import GzipLines, json_line

SHOWN_COPIES = 20


def write_clusters(
    documents: Iterable[Mapping[str, Any]], tables: Tables, out: Path
) -> dict[str, int]:
    """Write `copies.jsonl.gz`; returns the number of clusters, and the size of the largest.

    documents: those that have near copies, and these, in columns: the number of each, that of the
    one that stays (its own, if it stays itself), their similarity, the source, the id, and the
    beginning of the text.
    """
    tables.run("""
        CREATE OR REPLACE TABLE clustered (document BIGINT, stayed BIGINT, similarity FLOAT,
                                           source VARCHAR, id VARCHAR, text VARCHAR)
    """)
    for columns in documents:
        tables.insert("clustered", columns)
    rows = _rows(tables, "SELECT * FROM clustered ORDER BY stayed, document <> stayed, document")
    clusters, largest = 0, 0
    with GzipLines(out, COPIES) as lines:
        for _, members in groupby(rows, key=lambda row: row["stayed"]):
            stays, shown, count = next(members), list[dict[str, Any]](), 0
            for count, row in enumerate(members, 1):
                if count <= SHOWN_COPIES:
                    shown.append({**_text(row), "similarity": round(row["similarity"], 3)})
            lines.line(json_line({"stays": _text(stays), "copies": count, "goes": shown}))
            clusters, largest = clusters + 1, max(largest, count + 1)
    return {"clusters": clusters, "largest": largest}


def _rows(tables: Tables, sql: str) -> Iterator[dict[str, Any]]:
    for batch in tables.batches(sql):
        columns = [values.tolist() for values in batch.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(batch, values, strict=True))


def _text(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("source", "id", "text")}
