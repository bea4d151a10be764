"""How much easier held-out text is because training text stands right beside it.

Held-out blocks of a list or of a book by lines have their neighbours in training: names and words
come again. The measure is the bigram baseline (data/baselines.py). For each block it is counted
without the training text on both sides, and without as much text from elsewhere in the source; the
difference in bits per byte is what the neighbours save. Text that follows no order, such as a
shuffled list, shows none.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from endonym.data.baselines import Baselines, DocumentCounts
from endonym.data.order import Integers
from endonym.data.shards import TokenShards
from endonym.evaluate.score import ratio
from endonym.tokenizer.tokenizer import Tokenizer

Item = TypeVar("Item")
NEIGHBOURS = "neighbours.json"
"""The file of an evaluation that holds its gains."""
SIDE_BYTES = 20_000
"""How much training text on each side counts as beside: about a chapter."""
MOST_BLOCKS = 300
"""So many blocks of a source are measured, evenly spread."""
FEWEST_BLOCKS = 5
MEASURED_DOCUMENTS = 1_000
MOST_MISSING = 2
"""Documents that may be missing between two neighbours of a block."""


def neighbours(shards: TokenShards) -> Integers:
    """For each document the number of its group: neighbours within one block."""
    index = shards.index
    is_first = np.ones(len(index), dtype=np.bool_)
    is_first[1:] = (np.diff(index["source"]) != 0) | (np.diff(index["block"]) != 0)
    is_first[1:] |= np.diff(index["position"]) > MOST_MISSING + 1
    return np.cumsum(is_first) - 1


def joined_texts(
    shards: TokenShards,
    tokenizer: Tokenizer,
    join: Collection[str] = (),
    share: float = 1.0,
    *,
    sources: Collection[str] | None = None,
) -> Iterator[str]:
    """The documents of a split, or about this share of them. sources: of these alone, if given.

    Groups of neighbours are taken, evenly spread. join: the sources that are lists of sentences:
    the neighbours of a group are one text, joined by line ends, as training reads them.
    """
    ends = np.flatnonzero(np.diff(neighbours(shards))) + 1
    groups = np.split(np.arange(len(shards)), ends) if len(shards) else []
    named = [(each, shards.sources[shards.index["source"][each[0]]]) for each in groups]
    read = [each for each in named if sources is None or each[1] in sources]
    for group, name in taken(read, share):
        documents = (shards.document(number) for number in group.tolist())
        lines = [tokenizer.decode_document(each.ids) for each in documents]
        yield from ["\n".join(lines)] if name in join else lines


def taken(items: Sequence[Item], share: float) -> Iterator[Item]:
    """About this share of some items, evenly spread."""
    return (each for n, each in enumerate(items) if int((n + 1) * share) > int(n * share))


@dataclass(frozen=True, slots=True)
class Gain:
    """What neighbours save, in bits per byte of the held-out text of a source, with a 95 % interval
    over blocks; low and high are None for fewer than ten. side_bytes: text on each side."""

    split: str
    source: str
    bits_per_byte: float
    low: float | None
    high: float | None
    blocks: int
    side_bytes: int = SIDE_BYTES

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.low > 0


class Beside(NamedTuple):
    """A block, as numbers of held-out documents, and ranges of training documents: those on both
    sides of it, and as many tokens elsewhere."""

    block: Integers
    near: range
    elsewhere: range


class Places:
    """Where the documents of one source stand: raw files, positions, tokens.

    all_positions: of the documents of all splits, sorted.
    """

    def __init__(
        self, train: TokenShards, held: TokenShards, all_positions: Integers, source: int
    ) -> None:
        self.train = train
        self.held = held
        self.numbers = np.flatnonzero(train.index["source"] == source)
        self.positions = train.index["position"][self.numbers]
        # A raw file is a run of positions without a gap.
        self.all_positions = all_positions
        is_gap = np.diff(all_positions, prepend=all_positions[:1]) > 1
        self.all_files = np.cumsum(is_gap, dtype=np.int64)
        self.files = self.file_of(self.positions)
        self.starts = np.append(0, np.cumsum(train.index["length"][self.numbers] + 1))
        """The token at which each training document starts, and the end of the last one."""
        groups = neighbours(held)
        judged = np.flatnonzero(held.index["source"] == source)
        block_starts = np.flatnonzero(np.diff(groups[judged])) + 1
        self.blocks = np.split(judged, block_starts) if len(judged) else []

    def file_of(self, positions: Integers) -> Integers:
        """The numbers of the raw files of these positions."""
        return self.all_files[np.searchsorted(self.all_positions, positions)]

    def beside(self) -> Iterator[Beside]:
        """Some blocks that have training text beside them in their file, evenly spread."""
        sample = self.numbers[:: max(1, len(self.numbers) // MEASURED_DOCUMENTS)]
        ids = np.concatenate([self.train.document(int(number)).ids for number in sample])
        bytes_per_token = float(self.train.byte_counts[ids].sum() / max(1, len(ids)))
        side = SIDE_BYTES / bytes_per_token
        for block in self.blocks[:: max(1, len(self.blocks) // MOST_BLOCKS)]:
            position = self.held.index["position"][block[:1]]
            place = int(np.searchsorted(self.positions, position[0]))
            middle = self.starts[place]
            file = self.file_of(position)[0]
            # Not beyond the file, nor more tokens than `side` on either side.
            file_first, file_end = np.searchsorted(self.files, (file, file + 1))
            near_first, near_end = np.searchsorted(self.starts, (middle - side, middle + side))
            first = min(place, max(int(near_first), int(file_first)))
            last = max(place, min(int(near_end), int(file_end)))
            if first == last:
                continue
            # As many tokens of training text, half a source away.
            size = self.starts[last] - self.starts[first]
            start = (first + len(self.numbers) // 2) % len(self.numbers)
            if self.starts[-1] - self.starts[start] < size:
                start = 0
            end = int(np.searchsorted(self.starts, self.starts[start] + size))
            elsewhere = range(start, min(end, len(self.numbers)))
            yield Beside(block=block, near=range(first, last), elsewhere=elsewhere)

    def documents(self, numbers: range) -> list[Integers]:
        """The ids of training documents of this source."""
        return [self.train.document(int(self.numbers[number])).ids for number in numbers]


def gains(
    train: TokenShards, held: TokenShards, other: TokenShards, counts: Baselines
) -> list[Gain]:
    """What neighbours save in each source that has at least FEWEST_BLOCKS blocks beside training.

    held: the split that is judged. other: the third split. counts: of the training text.
    """
    positions = [shards.index["position"] for shards in (train, held, other)]
    all_positions = np.sort(np.concatenate(positions))
    found: list[Gain] = []
    for number, name in enumerate(held.sources):
        if not (train.index["source"] == number).any():
            continue
        places = Places(train, held, all_positions, number)
        saved_bits: list[float] = []
        sizes: list[int] = []
        for beside in places.beside():
            ids = [held.document(int(each)).ids for each in beside.block]
            nats_without_near, nats_without_elsewhere = (
                sum(counts.nats(each, left_out)["bigram"].sum() for each in ids)
                for left_out in (
                    DocumentCounts(counts, places.documents(beside.near)),
                    DocumentCounts(counts, places.documents(beside.elsewhere)),
                )
            )
            saved_bits.append((nats_without_near - nats_without_elsewhere) / np.log(2))
            sizes.append(sum(map(held.bytes_of, ids)))
        if len(saved_bits) >= FEWEST_BLOCKS:
            own = ratio(np.array(saved_bits), np.array(sizes, dtype=np.int64))
            gain = Gain(held.split, name, own.value, own.low, own.high, blocks=len(saved_bits))
            found.append(gain)
    return found
