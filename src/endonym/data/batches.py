"""Batches: the tensors of one optimiser step, and its parts that fit in memory."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from endonym.data.order import Order, Rows


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, the token after each, and the document each belongs to, (B, T), int64."""

    tokens_BT: Tensor
    targets_BT: Tensor
    documents_BT: Tensor

    @classmethod
    def of(cls, rows: Rows, device: str = "cpu") -> "Batch":
        """Rows as tensors on a device."""
        return cls(*(torch.from_numpy(part).to(device) for part in rows))

    def __len__(self) -> int:
        return self.tokens_BT.shape[0]

    def parts(self, rows: int) -> Iterator["Batch"]:
        """The batch in pieces of at most so many rows."""
        for start in range(0, len(self), rows):
            piece = slice(start, start + rows)
            yield Batch(self.tokens_BT[piece], self.targets_BT[piece], self.documents_BT[piece])


class Batches:
    """Every batch of a phase, by step: `batches[step]` is a pure function of the seed."""

    def __init__(self, order: Order, *, rows: int, device: str = "cpu") -> None:
        self.order, self.rows, self.device = order, rows, device

    def __getitem__(self, step: int) -> Batch:
        return self.part(step, range(self.rows))

    def part(self, step: int, rows: range) -> Batch:
        """Some neighbouring rows of a batch, by their places in it: one process's share."""
        first = step * self.rows + rows.start
        return Batch.of(self.order.rows(first, len(rows)), self.device)

    @property
    def tokens(self) -> int:
        """Tokens of one batch."""
        return self.rows * self.order.context

    def row_numbers(self, step: int) -> range:
        """The rows that a step reads, for messages."""
        return range(step * self.rows, (step + 1) * self.rows)

    @functools.cached_property
    def bytes_per_token(self) -> float:
        """Bytes of a token of the text, end-of-text included as a token of none."""
        shards = self.order.shards
        sizes = [shards.byte_counts[part].sum() for part in shards.parts]
        return float(sum(sizes)) / max(1, self.order.positions_per_epoch)

    def epochs(self, step: int) -> float:
        """Passes over the text when this many steps are done."""
        return step * self.tokens / self.order.positions_per_epoch
