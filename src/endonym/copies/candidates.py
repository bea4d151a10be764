"""Pairs of documents that share a band, found in tables on disk. A keyed reduce.

A document's rank is its place among all candidates from the best copy down. Where many share a key,
each is compared with the best of them only; then what is left is compared with more, and so on: a
family of ten thousand stubs takes a few comparisons for each, not fifty million.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from endonym.copies.hashes import Indices
from endonym.copies.letters import Marks
from endonym.copies.shingles import Bands
from endonym.copies.tables import Tables

LEADERS = (2, 8, 32, 128)
"""With how many of the best documents of a key the others are compared, round by round."""

ORDER = "wear, letters DESC, accents DESC, document"
"""The better copy: less worn, longer, of equal length with more accents, earlier."""


class Candidates:
    """The documents that share a key with another one.

    files: `near` keys. gone: documents that are dropped already. same: pairs of documents of equal
    folded letters, (worse, better); the worse ones take no further part.
    """

    def __init__(self, tables: Tables, files: Sequence[Path], bands: Bands, gone: Indices) -> None:
        self.tables = tables
        tables.files("near_keys", files)
        tables.run("CREATE OR REPLACE TABLE gone (document BIGINT)")
        tables.insert("gone", {"document": gone})
        self.same = self._same()
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
                SELECT document, min(wear) AS wear, min(letters) AS letters,
                       min(accents) AS accents
                FROM near_keys SEMI JOIN members USING (document) GROUP BY document
            )
        """)
        tables.run("""
            CREATE OR REPLACE TABLE shared AS
            SELECT key, rank FROM members JOIN ranked USING (document)
        """)
        tables.run("DROP TABLE members")

    def _same(self) -> None:
        """Make the table of documents with equal folded letters."""
        self.tables.run(f"""
            CREATE OR REPLACE TABLE same AS
            WITH kept AS (
                SELECT DISTINCT document, high, low, wear, letters, accents
                FROM near_keys ANTI JOIN gone USING (document)
            )
            SELECT document AS worse, better FROM (
                SELECT document, first_value(document) OVER (
                    PARTITION BY high, low ORDER BY {ORDER}
                ) AS better
                FROM kept SEMI JOIN (
                    SELECT high, low FROM kept GROUP BY high, low HAVING count(*) > 1
                ) USING (high, low)
            ) WHERE document <> better
        """)

    def documents(self) -> Indices:
        """The number of the document of each rank."""
        found = self.tables.batches("SELECT document FROM ranked ORDER BY rank")
        return np.concatenate([np.zeros(0, dtype=np.int64), *(each["document"] for each in found)])

    def rounds(self, kept: Marks) -> Iterator[Iterator[tuple[Indices, Indices]]]:
        """For each round the pairs to compare, as ranks of the better and of the worse document.

        kept: by rank, changed by the caller between rounds: who is dropped takes no further part.
        """
        for leaders in LEADERS:
            self.tables.run("CREATE OR REPLACE TABLE kept (rank BIGINT)")
            self.tables.insert("kept", {"rank": np.flatnonzero(kept)})
            self.tables.run("""
                CREATE OR REPLACE TABLE placed AS
                SELECT key, rank, row_number() OVER (PARTITION BY key ORDER BY rank) AS place
                FROM shared SEMI JOIN kept USING (rank)
            """)
            yield self._pairs(leaders)
            if self.tables.number("SELECT max(place) FROM placed") <= leaders + 1:
                return

    def _pairs(self, leaders: int) -> Iterator[tuple[Indices, Indices]]:
        """Each leader of a key with all that come after it."""
        for found in self.tables.batches(f"""
            SELECT DISTINCT a.rank AS better, b.rank AS worse
            FROM placed AS a JOIN placed AS b ON a.key = b.key AND b.place > a.place
            WHERE a.place <= {leaders} ORDER BY better, worse
        """):
            yield found["better"], found["worse"]

    def crowded(self, kept: Marks) -> int:
        """How many of the kept documents were not compared with all that share a key of theirs."""
        self.tables.run("CREATE OR REPLACE TABLE kept (rank BIGINT)")
        self.tables.insert("kept", {"rank": np.flatnonzero(kept)})
        return self.tables.number(f"""
            SELECT count(DISTINCT rank) FROM placed SEMI JOIN kept USING (rank)
            WHERE key IN (SELECT key FROM placed GROUP BY key HAVING count(*) > {LEADERS[-1] + 1})
              AND place > {LEADERS[-1]}
        """)
