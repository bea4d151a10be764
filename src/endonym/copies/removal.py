"""Everything that goes because it stands elsewhere in the corpus: texts and paragraphs.

A reduce over files of keys, in DuckDB, which may be of several parts of the corpus.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from endonym.copies.hashes import Indices
from endonym.copies.keys import Kind, key_files, text_keys
from endonym.copies.letters import batches, paragraphs, without
from endonym.copies.near import NO_COPIES, NONE, Copies, Texts, near_copies
from endonym.copies.tables import Tables

Sharing = Callable[[Sequence[Path], Kind], Sequence[Path]]
"""From files of one kind of keys to files of those rows that matter."""


class Cuts(NamedTuple):
    """Paragraphs that go: documents, ascending, and the number of the paragraph within each."""

    documents: Indices
    paragraphs: Indices


NO_CUTS = Cuts(NONE, NONE)


@dataclass(frozen=True, slots=True)
class Removal:
    """Which documents go as exact and as near copies, and which paragraphs of the others go.

    emptied: documents that go because what their paragraphs leave of them stands elsewhere, too.
    partly_compared: as of near_copies.
    """

    exact: Copies
    near: Copies
    cuts: Cuts
    emptied: Indices
    partly_compared: int = 0


def removal_by_keys(
    tables: Tables, keys: Path, texts: Texts, similarity: float, *, sharing: Sharing | None = None
) -> Removal:
    """What goes, from the files of keys in a folder, which may be of several parts of the corpus.

    sharing: from files of keys to files of those rows that may share a key with another one; None
    for all rows.
    Equal texts go first, then near copies, then the repeated paragraphs of what is left: the other
    way round, near copies would be left as the scraps in which they differ.
    """

    def rows(kind: Kind) -> Sequence[Path]:
        files = key_files(keys, kind)
        return sharing(files, kind) if sharing else files

    exact = NO_COPIES
    if files := rows("exact"):
        exact = repeated_texts(tables, files)
    near, partly_compared = near_copies(
        tables, rows("near"), similarity, texts, gone=exact.documents
    )
    gone = np.union1d(exact.documents, near.documents)
    exact = exact._replace(stayed=near.in_place_of(exact.stayed)[0])
    cuts = NO_CUTS
    emptied = gone[:0]
    if files := rows("paragraphs"):
        cuts = repeated_paragraphs(tables, files, gone)
        insert_remainders(tables, texts, cuts)
        emptied = repeated_remainders(tables, key_files(keys, "exact"), gone)
    return Removal(exact, near, cuts, emptied, partly_compared)


def repeated_texts(tables: Tables, files: Sequence[Path]) -> Copies:
    """The documents whose digest an earlier document has; the first one stays."""
    tables.files("texts", files)
    found = tables.columns("""
        SELECT document, stayed FROM texts JOIN (
            SELECT high, low, min(document) AS stayed FROM texts
            GROUP BY high, low HAVING count(*) > 1
        ) USING (high, low) WHERE document > stayed ORDER BY document
    """)
    ones = np.ones(len(found["document"]), dtype=np.float32)
    return Copies(found["document"], found["stayed"], ones)


def repeated_paragraphs(tables: Tables, files: Sequence[Path], gone: Indices) -> Cuts:
    """The paragraphs that stand in an earlier document too; those of the first one stay.

    gone: documents that are dropped, and so neither lose nor save a paragraph. A paragraph that a
    document repeats itself stays: it is a refrain.
    """
    tables.files("every_paragraph", files)
    tables.one_column("gone", "document", gone)
    found = tables.columns("""
        WITH kept AS (SELECT * FROM every_paragraph ANTI JOIN gone USING (document))
        SELECT document, paragraph FROM kept JOIN (
            SELECT high, low, min(document) AS stayed FROM kept
            GROUP BY high, low HAVING max(document) > min(document)
        ) USING (high, low) WHERE document > stayed ORDER BY document, paragraph
    """)
    return Cuts(found["document"], found["paragraph"])


def repeated_remainders(tables: Tables, files: Sequence[Path], gone: Indices) -> Indices:
    """The documents whose remainder equals that of an earlier document, or a whole other document.

    files: digests of whole texts; gone: documents that are dropped.
    """
    others = "SELECT NULL AS high, NULL AS low, NULL AS document WHERE false"
    if files:
        tables.files("texts", files)
        tables.one_column("gone", "document", gone)
        others = """
            SELECT high, low, -1 AS document FROM texts SEMI JOIN remainders USING (high, low)
            ANTI JOIN gone USING (document) ANTI JOIN remainders USING (document)
        """
    return tables.columns(f"""
        WITH every AS (SELECT high, low, document FROM remainders UNION ALL {others}),
        firsts AS (SELECT high, low, min(document) AS stayed FROM every GROUP BY high, low)
        SELECT document FROM remainders JOIN firsts USING (high, low)
        WHERE document > stayed ORDER BY document
    """)["document"]


def insert_remainders(tables: Tables, texts: Texts, cuts: Cuts) -> None:
    """Put the digests of what is left of the documents that lose paragraphs into a table."""
    tables.run("CREATE OR REPLACE TABLE remainders (document BIGINT, high UBIGINT, low UBIGINT)")
    numbers, firsts = np.unique(cuts.documents, return_index=True)
    lost = np.split(cuts.paragraphs, firsts[1:])
    remainders = (
        without(text, paragraphs(text), removed.tolist())
        for text, removed in zip(texts(numbers), lost, strict=False)
    )
    for batch in batches(remainders):
        tables.insert("remainders", text_keys(batch, numbers[: len(batch)]))
        numbers = numbers[len(batch) :]
