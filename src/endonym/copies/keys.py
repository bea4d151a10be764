"""Keys of documents, written to files: what equal and similar documents share. A map.

Of each document a digest of the text as it is (exact copies), digests of its paragraphs, and for
near copies a digest of its folded letters and a key for each band of its signature. The files of
the parts of a corpus say together what one file of all of it says.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from endonym.copies.hashes import Indices, Numbers
from endonym.copies.letters import Letters, digests, letters_of, mixed, spelling
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
from endonym.copies.wear import accents, wear
from endonym.formats.document_files import WholeFile
from endonym.script.fold import portions

BATCH_CHARS = 1 << 19
ROW_GROUP = 1 << 16

LEAST_LETTERS = 100
"""A shorter paragraph is no copy: greetings, refrains and headings come again by right."""
SPELT_LETTERS = 11
"""A shorter text is a near copy only of one that is spelt the same. It has at most five runs of
letters, so that one run more is already a similarity below 0.85: "Sunt obosit", "Sunt obosită"."""

Kind = Literal["exact", "paragraphs", "near"]


@dataclass(frozen=True, slots=True)
class Asked:
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


def write_keys(texts: Iterable[str], asked: Asked, out: Path, *, first: int = 0) -> None:
    """Write the keys of documents to `out.<kind>.parquet`; the first has this number."""
    with ExitStack() as files:
        written = {
            kind: files.enter_context(KeyFile(out.with_name(f"{out.name}.{kind}.parquet")))
            for kind in sorted(asked.kinds)
        }
        for batch in batches(texts):
            numbers = first + np.arange(len(batch))
            first += len(batch)
            for kind, file in written.items():
                file.write(MAKERS[kind](batch, numbers, asked))


class KeyFile:
    """A file of parquet, written in groups of rows; there is none without rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = ExitStack()
        self.writer: pq.ParquetWriter | None = None
        self.waiting: list[pa.Table] = []

    def __enter__(self) -> "KeyFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.files.__exit__(kind, error, trace)
            return
        with self.files:
            self.flush()

    def write(self, columns: Columns) -> None:
        """Add rows."""
        self.waiting.append(pa.table(columns))
        if sum(each.num_rows for each in self.waiting) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one group."""
        if not self.waiting:
            return
        table = pa.concat_tables(self.waiting)
        if self.writer is None:
            file = self.files.enter_context(WholeFile(self.path.parent, self.path.name))
            given: Any = {"compression": "zstd", "use_dictionary": False}
            self.writer = pq.ParquetWriter(pa.PythonFile(file, mode="w"), table.schema, **given)
            self.files.callback(self.writer.close)
        self.writer.write_table(table)
        self.waiting.clear()


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in batches that are folded together; a long text is alone."""
    gathered: list[str] = []
    size = 0
    for text in texts:
        if gathered and size + len(text) > BATCH_CHARS:
            yield gathered
            gathered, size = [], 0
        gathered.append(text)
        size += len(text)
    if gathered:
        yield gathered


def text_keys(texts: Sequence[str], numbers: Indices, _: Asked | None = None) -> Columns:
    """128 bits of SHA-256 of each text as it is."""
    found = b"".join(
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] for text in texts
    )
    high, low = np.frombuffer(found, dtype="<u8").reshape(-1, 2).T
    return {"document": numbers, "high": high.copy(), "low": low.copy()}


def paragraph_keys(texts: Sequence[str], numbers: Indices, _: Asked) -> Columns:
    """Digests of the folded letters of each paragraph that is not short."""
    spans = [paragraphs(text) for text in texts]
    every = (text[a:b] for text, found in zip(texts, spans, strict=True) for a, b in found)
    counts = np.array([len(found) for found in spans], dtype=np.int64)
    places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = [of_whole(batch) for batch in batches(every)]
    none = np.zeros(0, dtype=np.uint64)
    high, low, letters = (
        np.concatenate([none, *each]) for each in (zip(*parts, strict=True) if parts else [()] * 3)
    )
    long = letters >= LEAST_LETTERS
    return {
        "document": np.repeat(numbers, counts)[long],
        "paragraph": places[long],
        "high": high[long],
        "low": low[long],
    }


def of_whole(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digests in two halves, and numbers of letters, of texts or of one text of any length."""
    if len(texts) > 1 or len(texts[0]) <= LONG_CHARS:
        folded = letters_of(texts)
        return *digests(folded), np.diff(folded.firsts).astype(np.uint64)
    high, low, count = np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64), 0
    for portion in portions(texts[0]):
        folded = letters_of([portion])
        more = digests(folded, before=count)
        high, low = high + more[0], low + more[1]
        count += len(folded.codes)
    return high, low, np.array([count], dtype=np.uint64)


def near_keys(texts: Sequence[str], numbers: Indices, asked: Asked) -> Columns:
    """For each text with letters: its digest, how good a copy it is, and the keys of its bands."""
    if len(texts) == 1 and 2 * len(texts[0]) > LONG_CHARS:
        return long_near_keys(texts[0], int(numbers[0]), asked)
    folded = letters_of(texts)
    letters = np.diff(folded.firsts)
    columns: Columns = {"document": numbers, "letters": letters}
    columns |= {"wear": wear(texts), "accents": accents(texts)}
    high, low, bands = compared(texts, folded, asked)
    columns |= {"high": high, "low": low, "level": np.zeros_like(numbers)}
    columns |= {f"band{number}": each for number, each in enumerate(bands)}
    return {name: values[letters > 0] for name, values in columns.items()}


def compared(
    texts: Sequence[str], folded: Letters, asked: Asked
) -> tuple[Numbers, Numbers, list[Numbers]]:
    """Digests in two halves, and keys of bands; of the shortest texts both tell the spelling."""
    high, low = digests(folded)
    bands = list(band_keys(shingles(folded), asked.bands))
    short = np.flatnonzero(np.diff(folded.firsts) < SPELT_LETTERS)
    if len(short):
        own = digests(letters_of([texts[place] for place in short.tolist()], spelling()))
        high[short], low[short] = own
        for band in bands:
            band[short] = mixed(own[0] ^ own[1])
    return high, low, bands


def long_near_keys(text: str, number: int, asked: Asked) -> Columns:
    """The same for a text near the limit of a level or above one, in two rows: for its own level
    and for the next one. So texts of similar lengths have a level in common."""
    high, low, letters = of_whole([text])
    own = level(text)
    found = [long_shingles(text, each) for each in (own, own + 1)]
    keys = [
        list(band_keys(Shingled(hashes, np.array([0, len(hashes)])), asked.bands, own + above))
        for above, hashes in enumerate(found)
    ]
    row = {"document": number, "letters": int(letters[0]), "wear": int(wear([text])[0])}
    row["accents"] = sum(int(accents([portion])[0]) for portion in portions(text))
    columns: Columns = {name: np.full(2, value) for name, value in row.items()}
    columns |= {"high": np.repeat(high, 2), "low": np.repeat(low, 2)}
    columns["level"] = np.array([own, own + 1])
    columns |= {
        f"band{band}": np.concatenate(pair) for band, pair in enumerate(zip(*keys, strict=True))
    }
    return columns if letters[0] else {name: values[:0] for name, values in columns.items()}


MAKERS = {"exact": text_keys, "paragraphs": paragraph_keys, "near": near_keys}
