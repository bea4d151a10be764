"""Examples on disk (data/examples.py): one split of them, memory-mapped."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from endonym.data.shards import CHUNK_TOKENS, id_type
from endonym.disk import read_json
from endonym.errors import Damaged

Integers = NDArray[np.int64]
ExampleSplit = Literal["train", "dev"]


class ExampleTokens:
    """The examples of a split. Those of a preference pair follow each other, the chosen one first.

    starts, lengths: of each example in the file of ids. opening_id: stands before each. together:
    how many examples stand in one row, 2 for pairs.
    """

    def __init__(self, folder: Path, split: ExampleSplit) -> None:
        described = read_json(folder / "examples.json")
        self.folder, self.split = folder, split
        self.vocab: int = described["vocab"]
        self.end_id: int = described["end"]
        self.opening_id: int = described["opening"]
        self.together = 2 if described["objective"] == "preferences" else 1
        kind = id_type(self.vocab)
        offsets = np.load(folder / "offsets.npy", allow_pickle=False).astype(np.int64)
        for name, size in (("ids.bin", kind.itemsize), ("learnt.bin", 1)):
            if (folder / name).stat().st_size != offsets[-1] * size:
                raise Damaged(
                    f"the index needs {offsets[-1]:,} tokens, the file has another size",
                    where=str(folder / name),
                    do=f"Remove the folder {folder} and run again.",
                )
        is_mine = np.load(folder / "dev.npy", allow_pickle=False) == (split == "dev")
        self.starts: Integers = offsets[:-1][is_mine]
        self.lengths: Integers = np.diff(offsets)[is_mine]
        self.ids = np.memmap(folder / "ids.bin", dtype=kind, mode="r")
        self.learnt = np.memmap(folder / "learnt.bin", dtype=np.uint8, mode="r")
        self.byte_counts: Integers = np.load(folder / "bytes.npy", allow_pickle=False)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def longest_document(self) -> int:
        """Tokens of the longest example."""
        return int(self.lengths.max(initial=0))

    def prompt(self, number: int) -> Integers:
        """The ids of an example before its first answer."""
        here = slice(self.starts[number], self.starts[number] + self.lengths[number])
        return self.ids[here][: int(self.learnt[here].argmax())].astype(np.int64)

    def answers(self, number: int) -> list[Integers]:
        """The ids of each stretch of an example that is learnt."""
        here = slice(self.starts[number], self.starts[number] + self.lengths[number])
        ids, learnt = self.ids[here].astype(np.int64), self.learnt[here].astype(np.bool_)
        parts = np.split(ids, np.flatnonzero(learnt[1:] != learnt[:-1]) + 1)
        return parts[int(not learnt[0]) :: 2]

    def totals(self) -> dict[str, int]:
        """Examples, their tokens, the tokens that are learnt, and the bytes of these."""
        found = {"examples": len(self), "tokens": int(self.lengths.sum()), "learnt": 0, "bytes": 0}
        for start, length in _chunks(self.starts, self.lengths):
            learnt = self.learnt[start : start + length].astype(np.bool_)
            found["learnt"] += int(learnt.sum())
            found["bytes"] += int(self.byte_counts[self.ids[start : start + length][learnt]].sum())
        return found


def _chunks(starts: Integers, lengths: Integers) -> list[tuple[int, int]]:
    """Stretches of neighbouring examples, each of bounded size unless one example is longer."""
    found: list[tuple[int, int]] = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if found and sum(found[-1]) == start and found[-1][1] + length <= CHUNK_TOKENS:
            found[-1] = (found[-1][0], found[-1][1] + length)
        else:
            found.append((start, length))
    return found


def figures(tokens: ExampleTokens, rows: int, context: int) -> dict[str, Any]:
    """What a manifest says of a split: totals, rows, and the share of rows that is empty."""
    gap = 1 - float(tokens.lengths.sum()) / max(1, rows * context)
    return {**tokens.totals(), "rows": rows, "gap": round(gap, 6)}
