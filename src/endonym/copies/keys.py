"""Keys of documents, written to files: what equal and similar documents share. A map.

Of each document a digest of the text as it is (exact copies), digests of its paragraphs, and for
near copies a digest of its folded letters and a key for each band of its signature. The files of
the parts of a corpus say together what one file of all of it says.
"""

import functools
import hashlib
import logging
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from endonym.copies import shingles
from endonym.copies.hashes import (
    Hashes,
    Indices,
    Marks,
    distinct,
    lengths_of,
    places_within,
    unmarked,
)
from endonym.copies.letters import batches, digests, folded_letters, mixed, paragraphs, spelling
from endonym.copies.tables import Columns
from endonym.formats.config import Clean
from endonym.formats.document_files import WholeFile
from endonym.script.fold import portions
from endonym.script.scripts import code_points, table
from endonym.workers import cluster_errors

REPLACEMENT = 0xFFFD
LATIN = 1
CYRILLIC = 2
ACCENTS = (0x300, 0x36F)
CEDILLA = 0x327
"""Romanian has commas below s and t, and cedillas for them in old fonts."""

ROW_GROUP = 1 << 16

LEAST_LETTERS = 100
"""A shorter paragraph is no copy: greetings, refrains and headings come again by right."""
SPELT_LETTERS = 11
"""A shorter text is a near copy only of one that is spelt the same. It has at most five runs of
letters, so that one run more is already a similarity below 0.85: "Sunt obosit", "Sunt obosită"."""

PARTITION_ROWS = 1 << 21
"""Rows of a key and a document that are grouped at once: 32 MB, and as much for sorting."""
BLOCK_BYTES = 16 << 20
"""Of the other blocks. With Ray's own 128 MiB, a small store of objects holds none."""
DOCUMENT = "document"

Kind = Literal["exact", "paragraphs", "near"]


def key_files(folder: Path, kind: Kind) -> list[Path]:
    """The files of one kind of keys in a folder, in the order of their names."""
    return sorted(folder.glob(f"*.{kind}.parquet"))


def write_keys(texts: Iterable[str], clean: Clean, out: Path, *, first: int = 0) -> None:
    """Write the keys of documents to `out.<kind>.parquet`; the first has this number."""
    rows: dict[Kind, list[Columns]] = {kind: [] for kind in sorted(set(clean.dedup))}
    for batch in batches(texts):
        numbers = first + np.arange(len(batch))
        first += len(batch)
        for kind, columns in rows.items():
            columns.append(MAKERS[kind](batch, numbers, clean))
    for kind, columns in rows.items():
        write_rows(columns, out.with_name(f"{out.name}.{kind}.parquet"))


def write_rows(rows: Iterable[Columns], path: Path) -> None:
    """Write a file of parquet, whole or not at all; there is none without rows."""
    tables = [pa.table(columns) for columns in rows]
    if tables:
        with WholeFile(path.parent, path.name) as file:
            table = pa.concat_tables(tables)
            sink = pa.PythonFile(file, mode="w")
            pq.write_table(
                table, sink, compression="zstd", use_dictionary=False, row_group_size=ROW_GROUP
            )


def text_keys(texts: Sequence[str], numbers: Indices, _: Clean | None = None) -> Columns:
    """128 bits of SHA-256 of each text as it is."""
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    found = b"".join(hashlib.sha256(each).digest()[:16] for each in encoded)
    high, low = np.frombuffer(found, dtype="<u8").reshape(-1, 2).T
    return {"document": numbers, "high": high.copy(), "low": low.copy()}


def paragraph_keys(texts: Sequence[str], numbers: Indices, _: Clean) -> Columns:
    """Digests of the folded letters of each paragraph that is not short."""
    spans = [paragraphs(text) for text in texts]
    every = (text[slice(*span)] for text, own in zip(texts, spans, strict=True) for span in own)
    counts = lengths_of(spans)
    none = np.zeros(0, dtype=np.uint64)
    parts = [(none, none, none), *(digests_of_any(batch) for batch in batches(every))]
    high, low, letters = (np.concatenate(column) for column in zip(*parts, strict=True))
    long = letters >= LEAST_LETTERS
    columns: Columns = {"document": np.repeat(numbers, counts), "paragraph": places_within(counts)}
    columns |= {"high": high, "low": low}
    return {name: values[long] for name, values in columns.items()}


@functools.cache
def alphabets() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """For every code point, whether it is a letter of Latin or of Cyrillic."""
    latin, cyrillic = (table(rf"(?=\p{{L}})\p{{Script={name}}}") for name in ("Latin", "Cyrillic"))
    return (LATIN * latin + CYRILLIC * cyrillic).astype(np.uint8)


def damage(texts: Sequence[str]) -> Indices:
    """Of each text, how many of a hundred characters are signs that a copy was spoilt on its way.

    Counted are U+FFFD, neighbouring letters of Latin and Cyrillic (look-alikes within a word), and
    capitals where most letters are capitals; rounded down. Lost accents leave no sign: of copies of
    equal letters the one with more accents is the better.
    """
    codes = code_points("".join(texts))
    lengths = lengths_of(texts)
    firsts = np.append(0, np.cumsum(lengths))
    alphabet = alphabets()[codes]
    is_mixed = unmarked(len(codes))
    is_mixed[1:] = alphabet[1:] + alphabet[:-1] == LATIN + CYRILLIC  # other characters are 0
    # A text does not mix with the one before it.
    is_mixed[firsts[:-1][lengths > 0]] = False
    capitals = counted_marks(table(r"\p{Lu}")[codes], firsts)
    small = counted_marks(table(r"\p{Ll}")[codes], firsts)
    signs = counted_marks(is_mixed | (codes == REPLACEMENT), firsts)
    signs += np.where(capitals > small, capitals, 0)
    return 100 * signs // np.maximum(lengths, 1)


def accents(texts: Sequence[str]) -> Indices:
    """Of each text, how many accents its letters have: two for each, but one for a cedilla.

    An accent that makes no letter of its own, as that of stress in Cyrillic, is none.
    """
    joined = "\0".join(text.replace("\0", " ") for text in texts)
    counts = list[Indices]()
    for form in ("NFD", "NFC"):
        codes = code_points(unicodedata.normalize(form, joined))
        firsts = np.concatenate(([0], np.flatnonzero(codes == 0), [len(codes)]))
        found = counted_marks((codes >= ACCENTS[0]) & (codes <= ACCENTS[1]), firsts)
        counts.append(2 * found - counted_marks(codes == CEDILLA, firsts))
    apart, composed = counts
    return (apart - composed)[: len(texts)]


def counted_marks(marks: Marks, firsts: Indices) -> Indices:
    """How many marks each text has."""
    return np.diff(np.searchsorted(np.flatnonzero(marks), firsts))


def digests_of_any(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digests of texts, or of one text of any length: both halves, and the number of letters."""
    if len(texts) > 1 or len(texts[0]) <= shingles.LONG_CHARS:
        folded = folded_letters(texts)
        return *digests(folded), np.diff(folded.firsts).astype(np.uint64)
    high, low, letters = np.zeros((3, 1), dtype=np.uint64)
    for portion in portions(texts[0]):
        folded = folded_letters([portion])
        # The digest of a text is the sum of those of its portions.
        more_high, more_low = digests(folded, before=int(letters[0]))
        high = high + more_high
        low = low + more_low
        letters = letters + np.uint64(len(folded.codes))
    return high, low, letters


def near_keys(texts: Sequence[str], numbers: Indices, clean: Clean) -> Columns:
    """A row of columns for each text with letters, by which near copies are found and chosen.

    document: its number. letters: how many. damage, accents: which copy is the best. high, low: the
    halves of its digest. level: of its length, 0 for texts that are compared whole. band0, band1,
    …: equal in texts that may be near copies. Texts of fewer than SPELT_LETTERS have a digest of
    the letters as they are spelt, with case and accents, and no other key.
    """
    if len(texts) == 1 and 2 * len(texts[0]) > shingles.LONG_CHARS:
        return long_near_keys(texts[0], int(numbers[0]), clean)
    folded = folded_letters(texts)
    letters = np.diff(folded.firsts)
    high, low = digests(folded)
    divided = shingles.Bands.for_similarity(clean.near_similarity)
    bands = list(shingles.band_keys(shingles.shingles(folded), divided))
    short = np.flatnonzero(letters < SPELT_LETTERS)
    if len(short):
        as_spelt = folded_letters([texts[place] for place in short.tolist()], spelling())
        high[short], low[short] = digests(as_spelt)
        for band in bands:
            band[short] = mixed(high[short] ^ low[short])
    columns: Columns = {"document": numbers, "letters": letters}
    columns |= {"damage": damage(texts), "accents": accents(texts)}
    columns |= {"high": high, "low": low, "level": np.zeros_like(numbers)}
    columns |= {f"band{number}": each for number, each in enumerate(bands)}
    return {name: values[letters > 0] for name, values in columns.items()}


def long_near_keys(text: str, number: int, clean: Clean) -> Columns:
    """The columns of `near_keys` for a long text, in two rows: for its level and the next one.

    So texts of similar lengths have a level in common.
    """
    high, low, letters = digests_of_any([text])
    row = {"document": number, "letters": int(letters[0]), "damage": int(damage([text])[0])}
    row["accents"] = sum(int(accents([portion])[0]) for portion in portions(text))
    columns: Columns = {name: np.full(2, value) for name, value in row.items()}
    levels = [shingles.level(text), shingles.level(text) + 1]
    columns |= {"high": high.repeat(2), "low": low.repeat(2), "level": np.array(levels)}
    divided = shingles.Bands.for_similarity(clean.near_similarity)
    bands = list[list[Hashes]]()
    for each in levels:
        hashes = shingles.long_shingles(text, each)
        one = shingles.Shingled(hashes, np.array([0, len(hashes)]))
        bands.append(list(shingles.band_keys(one, divided, each)))
    for band, pair in enumerate(zip(*bands, strict=True)):
        columns[f"band{band}"] = np.concatenate(pair)
    return columns if letters[0] else {name: values[:0] for name, values in columns.items()}


MAKERS = {"exact": text_keys, "paragraphs": paragraph_keys, "near": near_keys}


def rows_that_share(files: Sequence[Path], kind: Kind, *, folder: Path, count: int) -> list[Path]:
    """Write the rows of those of `count` documents that share a key with another one, by Ray Data.

    Nearly all keys are those of one document. On a cluster, Ray Data brings equal keys together,
    and what is left are the rows of documents that have a key in common with another one. DuckDB
    decides from these as it would from all rows: a row whose keys nobody shares changes none of its
    results.

    files: of one kind of keys. Their columns `high` and `band…` are keys of 64 bits. folder: which
    all machines of the cluster that runs must see. Gives the files that are written there.
    """
    if not files:
        return []
    with cluster_errors(f"keys of {kind} copies"):
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
        found = grouped.map_batches(sharing_documents, batch_format="pyarrow", batch_size=None)
        marks = unmarked(count)
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


def sharing_documents(table: pa.Table) -> pa.Table:
    """The documents of a partition that have a key in common with another document."""
    return pa.table({DOCUMENT: sharers(table["key"].to_numpy(), table[DOCUMENT].to_numpy())})


def sharers(keys: Hashes, documents: Indices) -> Indices:
    """The documents, ascending, of keys that stand beside more than one document."""
    order = np.lexsort((documents, keys))
    keys = keys[order]
    documents = documents[order]
    is_shared = (keys[1:] == keys[:-1]) & (documents[1:] != documents[:-1])
    return distinct(np.append(documents[:-1][is_shared], documents[1:][is_shared]))


def write_marked(batch: Any, marks: Any, out: Path) -> dict[str, Any]:
    """Write the rows of marked documents of some files. marks: of Ray, once for each machine."""
    import ray

    is_marked = ray.get(marks)
    written = list[int]()
    for path in batch["item"]:
        table = pq.read_table(path)
        kept: Any = pa.array(is_marked[table[DOCUMENT].to_numpy()])
        table = table.filter(kept)
        if table.num_rows:
            pq.write_table(table, out / Path(path).name, compression="zstd", use_dictionary=False)
        written.append(table.num_rows)
    return {"rows": np.array(written)}
