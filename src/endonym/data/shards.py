"""Token ids of a split on disk: flat little-endian integers, and an index of the documents.

A shard is `E d1 E d2 E … dn E`, with E the end-of-text token: it is the last target of a document
and holds the place of the first input of the next one. A document of n tokens therefore takes n + 1
positions. The first input is E, or the token with which the tokenizer of a folder from elsewhere
starts a document.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.batching import in_batches
from endonym.disk import Json
from endonym.errors import Damaged, RecipeError
from endonym.tokenizer.tokenizer import Ids, Tokenizer
from endonym.workers import Advance

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
"""No document is in two of them."""
SHARD_TOKENS = 1 << 27
BATCH_CHARS = 4_000_000
CHUNK_TOKENS = 1 << 24
MEASURED_DOCUMENTS = 100
FIELDS = ("shard", "start", "length", "source", "block", "position")
INDEX = np.dtype([(name, "<i4" if name in ("shard", "source") else "<i8") for name in FIELDS])
"""A document: its shard, the index of the E before it, its tokens without E, its source, its block
of neighbours and its position in the corpus (formats/document.py)."""


class ShardDocument(NamedTuple):
    """A document to be written."""

    source: str
    text: str
    block: int
    position: int


def id_type(vocab: int) -> np.dtype[np.unsignedinteger[Any]]:
    """How ids of a vocabulary of this size stand on disk."""
    return np.dtype("<u2" if vocab <= 1 << 16 else "<u4")


def write_shards(
    out: Path,
    tokenizer: Tokenizer,
    sources: list[str],
    documents: Callable[[Split], Iterable[ShardDocument]],
    *,
    advance: Advance,
) -> Json:
    """Write a corpus as shards; returns documents, tokens, bytes and chars by split and source.

    "unused" is how many ids do not occur in the training text, in all and by source.
    documents: those of a split, in order. advance: called with the bytes read.
    """
    sizes = dict.fromkeys(sources, 0)

    def batches(split: Split) -> Iterator[list[ShardDocument]]:
        # For the tokenizer's threads.
        for batch in in_batches(documents(split), lambda each: len(each.text), BATCH_CHARS):
            yield batch
            before = sum(sizes.values())
            for each in batch:
                sizes[each.source] += len(each.text.encode("utf-8"))
            advance(sum(sizes.values()) - before)

    for split in SPLITS:
        index = _write_split(f"{out / split}", tokenizer, batches(split), sources)
        np.save(out / f"{split}.index.npy", index, allow_pickle=False)
    counts = np.stack((tokenizer.byte_counts, tokenizer.char_counts))
    np.save(out / "counts.npy", counts.astype("<i8"), allow_pickle=False)
    ends = {"end": tokenizer.end_id, "line_end": tokenizer.line_end_id}
    description = {"vocab": tokenizer.vocab, **ends, "sources": sources, "bytes": sizes}
    if tokenizer.document_start != (tokenizer.end_id,) or tokenizer.spaces_before:
        description["start"] = tokenizer.document_start[-1]
        description["space_first"] = bool(tokenizer.spaces_before)
    (out / "shards.json").write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")
    totals = {split: TokenShards(out, split).totals() for split in SPLITS}
    by_split: Json = {split: by_source for split, (by_source, _) in totals.items()}
    _, unused = totals["train"]
    return {**by_split, "unused": unused}


def _write_split(
    start: str, tokenizer: Tokenizer, batches: Iterable[list[ShardDocument]], sources: list[str]
) -> NDArray[Any]:
    """Write the shards of a split, in files `{start}-00000.bin` and so on; returns its index."""
    kind = id_type(tokenizer.vocab)
    end = tokenizer.end_id
    index = [np.zeros(0, dtype=INDEX)]
    numbers = {name: n for n, name in enumerate(sources)}
    shard = -1
    offset = SHARD_TOKENS
    file = None
    with ExitStack() as opened:
        for batch in batches:
            entries = list[tuple[int, ...]]()
            encoded = tokenizer.encode_documents([each.text for each in batch])
            for each, ids in zip(batch, encoded, strict=True):
                if file is None or offset >= SHARD_TOKENS:
                    opened.close()
                    shard = shard + 1
                    offset = 0
                    file = opened.enter_context(Path(f"{start}-{shard:05d}.bin").open("wb"))
                    file.write(np.array([end], dtype=kind).tobytes())
                place = (numbers[each.source], each.block, each.position)
                entries.append((shard, offset, len(ids), *place))
                file.write(np.append(ids, end).astype(kind).tobytes())
                offset += len(ids) + 1
            index.append(np.array(entries, dtype=INDEX))
    return np.concatenate(index)


def follow(entries: NDArray[Any]) -> NDArray[np.bool_]:
    """For each entry of an index but the first: whether it directly follows the one before it.

    It does if it is in the same shard and has the next position in the corpus. Otherwise there is a
    document of another split or a new raw file between them.
    """
    return (np.diff(entries["position"]) == 1) & (np.diff(entries["shard"]) == 0)


@dataclass(frozen=True, slots=True)
class DocumentTokens:
    """One document's ids, without end-of-text, and the number of its source."""

    ids: Ids
    source: int


class TokenShards:
    """One memory-mapped split. source_bytes: bytes of each source in all splits together.

    start_id: the first input of each document. space_first: whether the tokenizer put a space
    before each document, which is no part of its text.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        description = json.loads((folder / "shards.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.split = split
        self.vocab: int = description["vocab"]
        self.end_id: int = description["end"]
        self.start_id: int = description.get("start", self.end_id)
        self.space_first: bool = description.get("space_first", False)
        self.line_end_id: int | None = description["line_end"]
        self.sources: list[str] = description["sources"]
        self.source_bytes: dict[str, int] = description["bytes"]
        self.index = np.load(folder / f"{split}.index.npy")
        if self.index.dtype != INDEX:
            raise damaged(folder, "these shards were made by another version of endonym")
        byte_counts, char_counts = np.load(folder / "counts.npy")
        self.byte_counts: Ids = byte_counts
        self.char_counts: Ids = char_counts
        paths = sorted(folder.glob(f"{split}-*.bin"))
        self.parts = [np.memmap(path, dtype=id_type(self.vocab), mode="r") for path in paths]
        self._check()

    def __len__(self) -> int:
        return len(self.index)

    def lengths(self) -> Ids:
        """Tokens of each document and its end-of-text together."""
        return self.index["length"] + 1

    @property
    def longest_document(self) -> int:
        """Tokens of the longest document and its end-of-text; 0 if there is none."""
        return int(self.lengths().max(initial=0))

    def document(self, number: int) -> DocumentTokens:
        """One document."""
        entry = self.index[number]
        start = int(entry["start"]) + 1
        ids = self.parts[entry["shard"]][start : start + int(entry["length"])]
        return DocumentTokens(ids.astype(np.int64), int(entry["source"]))

    def documents_of(self, source: str) -> Ids:
        """The numbers of a source's documents, in order. Raises RecipeError for unknown sources."""
        if source not in self.sources:
            raise RecipeError(
                f'no source is called "{source}"; there are {", ".join(self.sources)}',
                where="pack.join",
                do="Name sources of this recipe.",
            )
        return np.nonzero(self.index["source"] == self.sources.index(source))[0]

    def sums_by_source(self, counts: Ids) -> Ids:
        """The bytes or the characters of text of each source in this split. counts: of each id."""
        sums = np.zeros(len(self.sources), dtype=np.int64)
        for number, part in enumerate(self.parts):
            entries = self.index[self.index["shard"] == number]
            for group in np.array_split(entries, -(-len(part) // CHUNK_TOKENS)):
                if not len(group):
                    continue
                first = int(group["start"][0])
                last = int(group["start"][-1] + group["length"][-1])
                sizes = np.add.reduceat(counts[part[first : last + 1]], group["start"] - first)
                sizes -= self.space_first * (group["length"] > 0)
                np.add.at(sums, group["source"], sizes)
        return sums

    def bytes_of(self, ids: Ids) -> int:
        """The bytes of a document's text."""
        return int(self.byte_counts[ids].sum()) - int(self.space_first and len(ids) > 0)

    def mean_bytes(self, source: str) -> float:
        """The mean size of a source's documents in this split, by an even sample of them."""
        documents = self.documents_of(source)
        some: list[int] = documents[:: max(1, len(documents) // MEASURED_DOCUMENTS)].tolist()
        sizes = [self.bytes_of(self.document(number).ids) for number in some]
        return sum(sizes) / max(1, len(sizes))

    def require_line_end(self) -> int:
        """The id of a line end. Raises RecipeError if no token is exactly a line end."""
        if self.line_end_id is None:
            raise RecipeError(
                "this tokenizer has no token that is a line end and nothing else",
                where="pack.join",
                do="Set join = [] to read every document alone.",
            )
        return self.line_end_id

    def places(self, shards: NDArray[np.int32], offsets: Ids) -> Ids:
        """These offsets in these shards, counted from the beginning of the first shard."""
        sizes = np.array([0, *(len(part) for part in self.parts)], dtype=np.int64)
        return np.cumsum(sizes)[shards] + offsets

    def targets_of(self, sources: Collection[str]) -> tuple[Ids, Ids]:
        """Of each document of these sources, in order: the place of its first target, and how many
        targets it has."""
        numbers = [self.sources.index(name) for name in sources]
        index = self.index[np.isin(self.index["source"], numbers)]
        return self.places(index["shard"], index["start"] + 1), index["length"] + 1

    def n_places(self, sources: Collection[str] | None = None) -> int:
        """How many places there are, or how many targets these sources have."""
        if sources is None:
            return sum(map(len, self.parts))
        return int(self.targets_of(sources)[1].sum())

    def at(self, shards: NDArray[np.int32], offsets: Ids) -> Ids:
        """The ids at these offsets in these shards; all arrays have the same shape."""
        if len(self.parts) == 1:
            return self.parts[0][offsets].astype(np.int64)
        ids = np.empty(offsets.shape, dtype=np.int64)
        for shard in np.unique(shards):
            is_of_shard = shards == shard
            ids[is_of_shard] = self.parts[shard][offsets[is_of_shard]]
        return ids

    def totals(self) -> tuple[dict[str, dict[str, int]], int]:
        """Documents, tokens, bytes, characters and unused ids of each source; ids that none uses.

        Special tokens are left out of the unused ids.
        """
        sources = self.index["source"]
        n_sources = len(self.sources)
        used = np.zeros((n_sources, self.vocab), dtype=np.bool_)
        for number in range(len(self)):
            document = self.document(number)
            used[document.source, document.ids] = True
        unused = ~used & (self.byte_counts > 0)
        columns = {
            "documents": np.bincount(sources, minlength=n_sources),
            "tokens": np.bincount(sources, self.index["length"], minlength=n_sources),
            "bytes": self.sums_by_source(self.byte_counts),
            "chars": self.sums_by_source(self.char_counts),
            "unused": unused.sum(axis=1),
        }
        totals = {
            name: {key: int(column[source]) for key, column in columns.items()}
            for source, name in enumerate(self.sources)
        }
        return totals, int(unused.all(axis=0).sum())

    def _check(self) -> None:
        """Raise Damaged if the number or the lengths of the files do not match the index."""
        needed = int(self.index["shard"].max(initial=-1)) + 1
        if needed != len(self.parts):
            raise damaged(
                self.folder,
                f"the index needs {needed} shards of {self.split}, there are {len(self.parts)}",
            )
        for number, part in enumerate(self.parts):
            entries = self.index[self.index["shard"] == number]
            end = int(entries["start"][-1] + entries["length"][-1]) + 2 if len(entries) else 1
            if end != len(part):
                raise damaged(
                    self.folder,
                    f"the index needs {end} tokens, the file has {len(part)}",
                    f"{self.split}-{number:05d}.bin",
                )


def damaged(folder: Path, message: str, file: str = "") -> Damaged:
    """The error of an artefact of tokens whose files do not fit together."""
    return Damaged(message, where=folder / file, do=f"Remove the folder {folder} and run again.")
