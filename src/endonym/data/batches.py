"""Batches: the tensors of one optimizer step, and their micro-batches.

`TokenShards` is the dataset, `Order` the sampler, `Batches` the data loader.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from endonym.data.example_tokens import ExampleOrder
from endonym.data.order import Mixture, Order, Rows
from endonym.data.subwords import Subwords
from endonym.data.typed_words import TypedOrder

MEASURED_ROWS = 64
AnyOrder = Order | Mixture | TypedOrder | ExampleOrder
"""What a phase reads, row by row.

positions_per_epoch: tokens of one epoch. bytes_per_position: mean bytes of what a target stands
for, where the loss counts it. tokens_by_source: how many inputs with these document numbers are of
each source of the corpus; empty if there is no choice of sources.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, targets, and the document number of each input, (B, T), int64.

    weights_BT, reference_BT: as in `Rows`, if the objective needs them. places_BT: as in `Rows`.
    read: tokens of each source of the corpus, in the whole batch. whole_rows: of the whole batch,
    if this is a part.
    """

    tokens_BT: Tensor
    targets_BT: Tensor
    documents_BT: Tensor
    weights_BT: Tensor | None = None
    reference_BT: Tensor | None = None
    places_BT: Tensor | None = None
    read: Mapping[str, int] = field(default_factory=dict)
    whole_rows: int | None = None

    @classmethod
    def of(
        cls, rows: Rows, read: Mapping[str, int] | None = None, whole_rows: int | None = None
    ) -> "Batch":
        """Rows as tensors, without a copy."""
        tensors: list[Any] = [None if array is None else torch.from_numpy(array) for array in rows]
        return cls(*tensors, read=read or {}, whole_rows=whole_rows)

    def to(self, device: str) -> "Batch":
        """The batch on a device; the copy is asynchronous if it is pinned."""
        return self.each(lambda part: part.to(device, non_blocking=part.is_pinned()))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with `change` applied to each of its tensors."""
        tensors = [getattr(self, name) for name in Rows._fields]
        changed: list[Any] = [None if tensor is None else change(tensor) for tensor in tensors]
        return Batch(*changed, read=self.read, whole_rows=self.whole_rows)

    def __len__(self) -> int:
        return self.tokens_BT.shape[0]

    def micro_batches(self, rows: int) -> Iterator["Batch"]:
        """Micro-batches of at most this many rows."""
        for start in range(0, len(self), rows):
            yield self.each(lambda part, start=start: part[start : start + rows])


@dataclass
class Batches:
    """The batches of a phase: `batches[step]` is a pure function of the seed.

    subwords: splits tokens, if the phase says so. first_row: of the order, with which the phase
    begins. _thread: for a GPU, prepares batches. _next: the
    step and rows of one in preparation, and it.
    """

    order: AnyOrder
    rows: int
    device: str = "cpu"
    subwords: Subwords | None = None
    first_row: int = 0

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1) if self.device.startswith("cuda") else None
        self._next: tuple[tuple[int, range], Future[Batch]] | None = None

    def __getitem__(self, step: int) -> Batch:
        return self.part(step, range(self.rows))

    def part(self, step: int, rows: range) -> Batch:
        """Some neighbouring rows of a batch; for a GPU a thread prepares those of the next step."""
        if self._thread is None:
            return self._made(step, rows).to(self.device)
        prepared_key, prepared = self._next or (None, None)
        if prepared is not None and prepared_key == (step, rows):
            batch = prepared.result()
        else:
            batch = self._made(step, rows)
        self._next = (step + 1, rows), self._thread.submit(self._made, step + 1, rows)
        return batch.to(self.device)

    def _made(self, step: int, rows: range) -> Batch:
        """These rows of a batch on the CPU; for a GPU in pinned memory."""
        first = self.row_numbers(step).start + rows.start
        arrays = self.order.rows(first, len(rows))
        if self.subwords is not None:
            arrays = self.subwords.split(arrays, first)
        counts = self.order.tokens_by_source(arrays.documents_BT)
        batch = Batch.of(arrays, read=counts, whole_rows=self.rows)
        return batch if self._thread is None else batch.each(Tensor.pin_memory)

    @property
    def tokens(self) -> int:
        """Tokens of one batch."""
        return self.rows * self.order.context

    @cached_property
    def bytes_per_position(self) -> float:
        """Mean bytes of what a target stands for; if tokens are split, by the first rows."""
        whole = self.order.bytes_per_position
        if self.subwords is None:
            return whole
        assert not isinstance(self.order, ExampleOrder), "answers are not split"
        rows = self.order.rows(0, MEASURED_ROWS)
        counts = self.order.shards.byte_counts
        split = self.subwords.split(rows, 0)
        return whole * float(counts[split.targets_BT].sum() / counts[rows.targets_BT].sum())

    def row_numbers(self, step: int) -> range:
        """The numbers of a step's rows, for messages."""
        first = self.first_row + step * self.rows
        return range(first, first + self.rows)

    def epochs(self, step: int) -> float:
        """Epochs of this phase after this many steps."""
        return step * self.tokens / self.order.positions_per_epoch

    @property
    def epochs_before(self) -> float:
        """How often earlier phases have read what this phase reads; of a mixture its main source,
        which says when an epoch ends."""
        text = self.order.order if isinstance(self.order, TypedOrder) else self.order
        if isinstance(text, Mixture):
            return text.epochs_before
        return self.first_row * self.order.context / self.order.positions_per_epoch
