"""Batches: the tensors of one optimizer step, and their micro-batches.

`TokenShards` is the dataset, `Order` the sampler, `Batches` the data loader.
"""

import functools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from endonym.data.order import Order, Rows


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, targets, and the document number of each input, (B, T), int64."""

    tokens_BT: Tensor
    targets_BT: Tensor
    documents_BT: Tensor

    @classmethod
    def of(cls, rows: Rows) -> "Batch":
        """Rows as tensors, without a copy."""
        return cls(*map(torch.from_numpy, rows))

    def to(self, device: str) -> "Batch":
        """The batch on a device; the copy is asynchronous if it is pinned."""
        return Batch(*(part.to(device, non_blocking=part.is_pinned()) for part in self._parts()))

    def pinned(self) -> "Batch":
        """The batch in pinned memory."""
        return Batch(*(part.pin_memory() for part in self._parts()))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.tokens_BT, self.targets_BT, self.documents_BT

    def __len__(self) -> int:
        return self.tokens_BT.shape[0]

    def micro_batches(self, rows: int) -> Iterator["Batch"]:
        """Micro-batches of at most this many rows."""
        for start in range(0, len(self), rows):
            yield Batch(*(part[start : start + rows] for part in self._parts()))


class Batches:
    """The batches of a phase: `batches[step]` is a pure function of the seed."""

    def __init__(self, order: Order, *, rows: int, device: str = "cpu") -> None:
        self.order, self.rows, self.device = order, rows, device
        self._aside = ThreadPoolExecutor(1) if device.startswith("cuda") else None
        self._next: tuple[tuple[int, range], Future[Batch]] | None = None

    def __getitem__(self, step: int) -> Batch:
        return self.part(step, range(self.rows))

    def part(self, step: int, rows: range) -> Batch:
        """Some neighbouring rows of a batch; for a GPU a thread prepares those of the next step."""
        if self._aside is None:
            return self._made(step, rows).to(self.device)
        asked, made = self._next or (None, None)
        batch = made.result() if made and asked == (step, rows) else self._pinned(step, rows)
        after = (step + 1, rows)
        self._next = (after, self._aside.submit(self._pinned, *after))
        return batch.to(self.device)

    def _pinned(self, step: int, rows: range) -> Batch:
        return self._made(step, rows).pinned()

    def _made(self, step: int, rows: range) -> Batch:
        first = step * self.rows + rows.start
        return Batch.of(self.order.rows(first, len(rows)))

    @property
    def tokens(self) -> int:
        """Tokens of one batch."""
        return self.rows * self.order.context

    def row_numbers(self, step: int) -> range:
        """The numbers of a step's rows, for messages."""
        return range(step * self.rows, (step + 1) * self.rows)

    @functools.cached_property
    def bytes_per_token(self) -> float:
        """Bytes per token: none for end-of-text, one for the line ends of joined sources."""
        shards, order = self.order.shards, self.order
        sizes = [shards.byte_counts[part].sum() for part in shards.parts]
        return float(sum(sizes) + order.is_listed.sum()) / max(1, order.positions_per_epoch)

    def epochs(self, step: int) -> float:
        """Epochs after this many steps."""
        return step * self.tokens / self.order.positions_per_epoch
