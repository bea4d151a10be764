"""Texts and paragraphs that stood before, by their digests. A reduce over files of keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from endonym.copies.hashes import Indices
from endonym.copies.tables import Columns, Tables


class Copies(NamedTuple):
    """Documents that go, ascending, and for each the one that stays in its place.

    similarity: the Jaccard similarity of the two; 1 for equal texts.
    """

    documents: Indices
    stayed: Indices
    similarity: np.ndarray[tuple[int], np.dtype[np.float32]]


def no_copies() -> Copies:
    """No document goes."""
    none = np.zeros(0, dtype=np.int64)
    return Copies(none, none, np.zeros(0, dtype=np.float32))


class Cuts(NamedTuple):
    """Paragraphs that go: documents, ascending, and the number of the paragraph within each."""

    documents: Indices
    paragraphs: Indices


def no_cuts() -> Cuts:
    """No paragraph goes."""
    none = np.zeros(0, dtype=np.int64)
    return Cuts(none, none)


def repeated_texts(tables: Tables, files: Sequence[Path]) -> Copies:
    """The documents whose digest an earlier document has; the first one stays."""
    tables.files("texts", files)
    found = gathered(
        tables,
        """
        SELECT document, stayed FROM texts JOIN (
            SELECT high, low, min(document) AS stayed FROM texts
            GROUP BY high, low HAVING count(*) > 1
        ) USING (high, low) WHERE document > stayed ORDER BY document
        """,
        ("document", "stayed"),
    )
    ones = np.ones(len(found["document"]), dtype=np.float32)
    return Copies(found["document"], found["stayed"], ones)


def repeated_paragraphs(tables: Tables, files: Sequence[Path], gone: Indices) -> Cuts:
    """The paragraphs that stand in an earlier document too; those of the first one stay.

    gone: documents that are dropped, and so neither lose nor save a paragraph. A paragraph that a
    document repeats itself stays: it is a refrain.
    """
    tables.files("every_paragraph", files)
    tables.run("CREATE OR REPLACE TABLE gone (document BIGINT)")
    tables.insert("gone", {"document": gone})
    found = gathered(
        tables,
        """
        WITH kept AS (SELECT * FROM every_paragraph ANTI JOIN gone USING (document))
        SELECT document, paragraph FROM kept JOIN (
            SELECT high, low, min(document) AS stayed FROM kept
            GROUP BY high, low HAVING max(document) > min(document)
        ) USING (high, low) WHERE document > stayed ORDER BY document, paragraph
        """,
        ("document", "paragraph"),
    )
    return Cuts(found["document"], found["paragraph"])


def repeated_rests(tables: Tables, rests: Path, files: Sequence[Path], gone: Indices) -> Indices:
    """The documents of which there is left what an earlier one leaves, or what another one is.

    rests: digests of what is left of the documents that lose paragraphs. files: digests of whole
    texts; gone: documents that are dropped.
    """
    if not rests.is_file():
        return np.zeros(0, dtype=np.int64)
    tables.files("rests", [rests])
    others = "SELECT NULL AS high, NULL AS low, NULL AS document WHERE false"
    if files:
        tables.files("texts", files)
        tables.run("CREATE OR REPLACE TABLE gone (document BIGINT)")
        tables.insert("gone", {"document": gone})
        others = """
            SELECT high, low, -1 AS document FROM texts SEMI JOIN rests USING (high, low)
            ANTI JOIN gone USING (document) ANTI JOIN rests USING (document)
        """
    sql = f"""
        WITH every AS (SELECT high, low, document FROM rests UNION ALL {others}),
        firsts AS (SELECT high, low, min(document) AS stayed FROM every GROUP BY high, low)
        SELECT document FROM rests JOIN firsts USING (high, low)
        WHERE document > stayed ORDER BY document
    """
    return gathered(tables, sql, ("document",))["document"]


def gathered(tables: Tables, sql: str, names: Sequence[str]) -> Columns:
    """All rows of a query."""
    found = list(tables.batches(sql))
    empty = np.zeros(0, dtype=np.int64)
    return {name: np.concatenate([empty, *(each[name] for each in found)]) for name in names}
