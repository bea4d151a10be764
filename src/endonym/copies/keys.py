"""Keys of documents, written to files: what equal and similar documents share. A map.

Of each document a digest of the text as it is (exact copies), digests of its paragraphs, and for
near copies a digest of its folded letters and a key for each band of its signature. The files of
the parts of a corpus say together what one file of all of it says.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from endonym.copies.damage import accents, damage
from endonym.copies.hashes import Hashes, Indices, mixed, places_within
from endonym.copies.letters import Letters, batches, digests, folded_letters, spelling
from endonym.copies.paragraphs import paragraphs
from endonym.copies.shingles import (
    LONG_CHARS,
    Bands,
    Shingled,
    band_keys,
    level,
    long_shingles,
    shingles,
)
from endonym.copies.tables import Columns
from endonym.formats.document_files import WholeFile
from endonym.script.fold import portions

ROW_GROUP = 1 << 16

LEAST_LETTERS = 100
"""A shorter paragraph is no copy: greetings, refrains and headings come again by right."""
SPELT_LETTERS = 11
"""A shorter text is a near copy only of one that is spelt the same. It has at most five runs of
letters, so that one run more is already a similarity below 0.85: "Sunt obosit", "Sunt obosită"."""

Kind = Literal["exact", "paragraphs", "near"]


@dataclass(frozen=True, slots=True)
class CopyRules:
    """Which copies are looked for. similarity: from which on two texts are near copies."""

    kinds: frozenset[Kind]
    similarity: float = 0.8

    @property
    def bands(self) -> Bands:
        """The bands of signatures."""
        return Bands.for_similarity(self.similarity)


def key_files(folder: Path, kind: Kind) -> list[Path]:
    """The files of one kind of keys in a folder, in the order of their names."""
    return sorted(folder.glob(f"*.{kind}.parquet"))


def write_keys(texts: Iterable[str], rules: CopyRules, out: Path, *, first: int = 0) -> None:
    """Write the keys of documents to `out.<kind>.parquet`; the first has this number."""
    rows: dict[Kind, list[Columns]] = {kind: [] for kind in sorted(rules.kinds)}
    for batch in batches(texts):
        numbers = first + np.arange(len(batch))
        first += len(batch)
        for kind, columns in rows.items():
            columns.append(MAKERS[kind](batch, numbers, rules))
    for kind, columns in rows.items():
        write_rows(columns, out.with_name(f"{out.name}.{kind}.parquet"))


def write_rows(rows: Iterable[Columns], path: Path) -> None:
    """Write a file of parquet, whole or not at all; there is none without rows."""
    tables = [pa.table(columns) for columns in rows]
    if tables:
        how: Any = {"compression": "zstd", "use_dictionary": False, "row_group_size": ROW_GROUP}
        with WholeFile(path.parent, path.name) as file:
            pq.write_table(pa.concat_tables(tables), pa.PythonFile(file, mode="w"), **how)


def text_keys(texts: Sequence[str], numbers: Indices, _: CopyRules | None = None) -> Columns:
    """128 bits of SHA-256 of each text as it is."""
    found = b"".join(
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] for text in texts
    )
    high, low = np.frombuffer(found, dtype="<u8").reshape(-1, 2).T
    return {"document": numbers, "high": high.copy(), "low": low.copy()}


def paragraph_keys(texts: Sequence[str], numbers: Indices, _: CopyRules) -> Columns:
    """Digests of the folded letters of each paragraph that is not short."""
    spans = [paragraphs(text) for text in texts]
    every = (text[a:b] for text, found in zip(texts, spans, strict=True) for a, b in found)
    counts = np.array([len(found) for found in spans], dtype=np.int64)
    none = np.zeros(0, dtype=np.uint64)
    parts = [(none, none, none), *(digests_of_any(batch) for batch in batches(every))]
    high, low, letters = (np.concatenate(column) for column in zip(*parts, strict=True))
    long = letters >= LEAST_LETTERS
    return {
        "document": np.repeat(numbers, counts)[long],
        "paragraph": places_within(counts)[long],
        "high": high[long],
        "low": low[long],
    }


def digests_of_any(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digests in two halves, and numbers of letters, of texts or of one text of any length."""
    if len(texts) > 1 or len(texts[0]) <= LONG_CHARS:
        folded = folded_letters(texts)
        return *digests(folded), np.diff(folded.firsts).astype(np.uint64)
    high, low, count = np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64), 0
    for portion in portions(texts[0]):
        folded = folded_letters([portion])
        more = digests(folded, before=count)
        high, low = high + more[0], low + more[1]
        count += len(folded.codes)
    return high, low, np.array([count], dtype=np.uint64)


def near_keys(texts: Sequence[str], numbers: Indices, rules: CopyRules) -> Columns:
    """For each text with letters: its digest, how good a copy it is, and the keys of its bands."""
    if len(texts) == 1 and 2 * len(texts[0]) > LONG_CHARS:
        return long_near_keys(texts[0], int(numbers[0]), rules)
    folded = folded_letters(texts)
    letters = np.diff(folded.firsts)
    columns: Columns = {"document": numbers, "letters": letters}
    columns |= {"wear": damage(texts), "accents": accents(texts)}
    high, low, bands = digests_and_bands(texts, folded, rules)
    columns |= {"high": high, "low": low, "level": np.zeros_like(numbers)}
    columns |= {f"band{number}": each for number, each in enumerate(bands)}
    return {name: values[letters > 0] for name, values in columns.items()}


def digests_and_bands(
    texts: Sequence[str], folded: Letters, rules: CopyRules
) -> tuple[Hashes, Hashes, list[Hashes]]:
    """Digests in two halves, and keys of bands; of the shortest texts both tell the spelling."""
    high, low = digests(folded)
    bands = list(band_keys(shingles(folded), rules.bands))
    short = np.flatnonzero(np.diff(folded.firsts) < SPELT_LETTERS)
    if len(short):
        own = digests(folded_letters([texts[place] for place in short.tolist()], spelling()))
        high[short], low[short] = own
        for band in bands:
            band[short] = mixed(own[0] ^ own[1])
    return high, low, bands


def long_near_keys(text: str, number: int, rules: CopyRules) -> Columns:
    """The same for a text near the limit of a level or above one, in two rows: for its own level
    and for the next one. So texts of similar lengths have a level in common."""
    high, low, letters = digests_of_any([text])
    own = level(text)
    found = [long_shingles(text, each) for each in (own, own + 1)]
    keys = [
        list(band_keys(Shingled(hashes, np.array([0, len(hashes)])), rules.bands, own + above))
        for above, hashes in enumerate(found)
    ]
    row = {"document": number, "letters": int(letters[0]), "wear": int(damage([text])[0])}
    row["accents"] = sum(int(accents([portion])[0]) for portion in portions(text))
    columns: Columns = {name: np.full(2, value) for name, value in row.items()}
    columns |= {"high": np.repeat(high, 2), "low": np.repeat(low, 2)}
    columns["level"] = np.array([own, own + 1])
    columns |= {
        f"band{band}": np.concatenate(pair) for band, pair in enumerate(zip(*keys, strict=True))
    }
    return columns if letters[0] else {name: values[:0] for name, values in columns.items()}


MAKERS = {"exact": text_keys, "paragraphs": paragraph_keys, "near": near_keys}
