"""Near copies: which documents go, and which one stays in the place of each.

Candidates share a band of their signatures; of each pair the Jaccard similarity of the shingles is
computed. From the best copy down, a document stays unless it is similar to one that stays already.
So each document that goes has a similar one that stays, which chains of similar texts (a to b, b to
c, but not a to c) would not give; and no two that stay are a pair that was found.

A document's rank is its place among all candidates from the best copy down. Where many share a key,
each is compared with the best of them only; then what is left is compared with more, and so on: a
family of ten thousand stubs takes a few comparisons for each, not fifty million.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from endonym.copies.hashes import Indices, Marks
from endonym.copies.notes import COPIES
from endonym.copies.shingles import Bands, Shares, ShingleSets
from endonym.copies.tables import Tables
from endonym.formats.document_files import GzipLines, json_line

Texts = Callable[[Indices], Iterator[str]]
"""From the numbers of documents, ascending, to their texts."""

LEADERS = (2, 8, 32, 128)
"""With how many of the best documents of a key the others are compared, round by round."""

SHOWN_COPIES = 20
TEXT = ("source", "id", "text")

ORDER = "damage, letters DESC, accents DESC, document"
"""The better copy: less damaged, longer, of equal length with more accents, earlier."""


class Copies(NamedTuple):
    """Documents that go, ascending, and for each the one that stays in its place.

    similarity: the Jaccard similarity of the two; 1 for equal texts.
    """

    documents: Indices
    stayed: Indices
    similarity: Shares

    def in_place_of(self, documents: Indices) -> tuple[Indices, Shares]:
        """For each of these documents the one that stays in its place, and their similarity.

        Of a document that stays, itself and 1.
        """
        stayed = documents.copy()
        similarity = np.ones(len(documents), dtype=np.float32)
        if len(self.documents):
            at = np.minimum(np.searchsorted(self.documents, documents), len(self.documents) - 1)
            goes = self.documents[at] == documents
            stayed[goes] = self.stayed[at[goes]]
            similarity[goes] = self.similarity[at[goes]]
        return stayed, similarity


NONE = np.zeros(0, dtype=np.int64)
NO_COPIES = Copies(NONE, NONE, np.zeros(0, dtype=np.float32))


def near_copies(
    tables: Tables, files: Sequence[Path], similarity: float, texts: Texts, *, gone: Indices
) -> tuple[Copies, int]:
    """The near copies among documents, and how many that stay were partly compared.

    files: their `near` keys. similarity: from which on two texts are near copies. gone: documents
    that are dropped already. Partly compared are those that share a key with so many others that
    they were compared with the best of them only.
    """
    if not files:
        return NO_COPIES, 0
    candidates = Candidates(tables, files, Bands.for_similarity(similarity), gone)
    documents = candidates.documents()
    ascending = np.sort(documents)
    sets = ShingleSets(tables.folder / "sets.bin", texts(ascending))
    places = np.searchsorted(ascending, documents)
    ranks = np.arange(len(documents))
    similarities = np.ones(len(documents), dtype=np.float32)
    stayed = ranks
    kept = np.ones(len(documents), dtype=np.bool_)
    tables.run("CREATE OR REPLACE TABLE edges (worse BIGINT, better BIGINT, similarity FLOAT)")
    for pairs in candidates.rounds(kept):
        for better, worse in pairs:
            found = sets.similarity(places[better], places[worse])
            near = found >= np.float32(similarity)
            rows = {"worse": worse[near], "better": better[near], "similarity": found[near]}
            tables.insert("edges", rows)
        stayed, similarities = best_kept(tables, len(documents))
        kept[:] = stayed == ranks
    goes = np.flatnonzero(~kept)
    goes = goes[np.argsort(documents[goes])]
    copies = Copies(documents[goes], documents[stayed[goes]], similarities[goes])
    return with_equal(tables, copies), candidates.partly_compared(kept)


def best_kept(tables: Tables, count: int) -> tuple[Indices, Shares]:
    """From the best rank down: a document stays unless it is similar to one that stays.

    Gives by rank the one that stays in its place, itself if it stays, and their similarity.
    """
    stays = bytearray(b"\1" * count)
    stayed = np.arange(count)
    similarities = np.ones(count, dtype=np.float32)
    for worse, better, similarity in tables.rows(
        "SELECT DISTINCT worse, better, similarity FROM edges "
        "ORDER BY worse, similarity DESC, better"
    ):
        if stays[worse] and stays[better]:
            stays[worse] = 0
            stayed[worse] = better
            similarities[worse] = similarity
    return stayed, similarities


def with_equal(tables: Tables, copies: Copies) -> Copies:
    """Near copies, and with them the documents of equal letters."""
    same = tables.columns("SELECT worse, better FROM same")
    stayed, similarity = copies.in_place_of(same["better"])
    both = zip(copies, (same["worse"], stayed, similarity), strict=True)
    columns = [np.concatenate(pair) for pair in both]
    order = np.argsort(columns[0])
    return Copies._make(column[order] for column in columns)


class Candidates:
    """The documents that share a key with another one.

    files: `near` keys. gone: documents that are dropped already. Of documents of equal folded
    letters (the table `same`) only the best takes part.
    """

    def __init__(self, tables: Tables, files: Sequence[Path], bands: Bands, gone: Indices) -> None:
        self.tables = tables
        tables.files("near_keys", files)
        tables.one_column("gone", "document", gone)
        tables.run(f"""
            CREATE OR REPLACE TABLE same AS
            WITH kept AS (
                SELECT DISTINCT document, high, low, damage, letters, accents
                FROM near_keys ANTI JOIN gone USING (document)
            )
            SELECT document AS worse,
                   first_value(document) OVER (PARTITION BY high, low ORDER BY {ORDER}) AS better
            FROM kept SEMI JOIN (
                SELECT high, low FROM kept GROUP BY high, low HAVING count(*) > 1
            ) USING (high, low)
            QUALIFY document <> better
        """)
        tables.run("INSERT INTO gone SELECT worse FROM same")
        tables.run("CREATE OR REPLACE TABLE members (key UBIGINT, document BIGINT)")
        for band in range(bands.count):
            tables.run(f"""
                INSERT INTO members
                WITH kept AS (
                    SELECT band{band} AS key, document
                    FROM near_keys ANTI JOIN gone USING (document)
                )
                SELECT key, document FROM kept SEMI JOIN (
                    SELECT key FROM kept GROUP BY key HAVING count(*) > 1
                ) USING (key)
            """)
        tables.run(f"""
            CREATE OR REPLACE TABLE ranked AS
            SELECT document, row_number() OVER (ORDER BY {ORDER}) - 1 AS rank FROM (
                SELECT document, min(damage) AS damage, min(letters) AS letters,
                       min(accents) AS accents
                FROM near_keys SEMI JOIN members USING (document) GROUP BY document
            )
        """)
        tables.run("""
            CREATE OR REPLACE TABLE shared AS
            SELECT key, rank FROM members JOIN ranked USING (document)
        """)
        tables.run("DROP TABLE members")

    def documents(self) -> Indices:
        """The number of the document of each rank."""
        return self.tables.columns("SELECT document FROM ranked ORDER BY rank")["document"]

    def rounds(self, kept: Marks) -> Iterator[Iterator[tuple[Indices, Indices]]]:
        """For each round the pairs to compare, as ranks of the better and of the worse document.

        kept: by rank, changed by the caller between rounds: who is dropped takes no further part.
        """
        for leaders in LEADERS:
            self.tables.one_column("kept", "rank", np.flatnonzero(kept))
            self.tables.run("""
                CREATE OR REPLACE TABLE placed AS
                SELECT key, rank, row_number() OVER (PARTITION BY key ORDER BY rank) AS place
                FROM shared SEMI JOIN kept USING (rank)
            """)
            # Each leader of a key with all that come after it.
            pairs = self.tables.batches(f"""
                SELECT DISTINCT a.rank AS better, b.rank AS worse
                FROM placed AS a JOIN placed AS b ON a.key = b.key AND b.place > a.place
                WHERE a.place <= {leaders} ORDER BY better, worse
            """)
            yield ((rows["better"], rows["worse"]) for rows in pairs)
            if self.tables.number("SELECT max(place) FROM placed") <= leaders + 1:
                return

    def partly_compared(self, kept: Marks) -> int:
        """How many of the kept documents were not compared with all that share a key of theirs."""
        self.tables.one_column("kept", "rank", np.flatnonzero(kept))
        return self.tables.number(f"""
            SELECT count(DISTINCT rank) FROM placed SEMI JOIN kept USING (rank)
            WHERE key IN (SELECT key FROM placed GROUP BY key HAVING count(*) > {LEADERS[-1] + 1})
              AND place > {LEADERS[-1]}
        """)


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
    rows = tables.rows("""
        SELECT stayed, source, id, text, similarity FROM clustered
        ORDER BY stayed, document <> stayed, document
    """)
    clusters = 0
    largest = 0
    with GzipLines(out, COPIES) as lines:
        for _, members in groupby(rows, key=itemgetter(0)):
            _, *stays, _ = next(members)  # The document that stays is the first one of its cluster.
            shown = list[dict[str, Any]]()
            count = 0
            for count, (_, *copy, similarity) in enumerate(members, 1):
                if count <= SHOWN_COPIES:
                    text = dict(zip(TEXT, copy, strict=True))
                    shown.append({**text, "similarity": round(similarity, 3)})
            line = {"stays": dict(zip(TEXT, stays, strict=True)), "copies": count, "goes": shown}
            lines.line(json_line(line))
            clusters += 1
            largest = max(largest, count + 1)
    return {"clusters": clusters, "largest": largest}
