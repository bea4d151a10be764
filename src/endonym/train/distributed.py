"""Data-parallel training: each process computes its share of the rows, and gradients are summed.

The first process (rank 0) runs the recipe; the others wait for it to start a phase. Every process
holds the same decoder and takes the same step.

Gradients of the fp32 master weights are summed once a step, in a few flat pieces. torch's
DistributedDataParallel would send each micro-batch's gradients, rounded to bf16. It could send
them while the backward pass still runs (arXiv:2006.15704, section 3.2), which is not done here.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from endonym.batching import in_batches
from endonym.data.batches import Batch
from endonym.device import ProcessInfo, process_info
from endonym.errors import LostProcess

Tensors = dict[str, Tensor]
"""Weights, or an optimizer's state, by name."""
PIECE_ELEMENTS = 1 << 24
"""Numbers summed at once, of consecutive parameters or a single larger one: 64 MB."""
POLL_SECONDS = 0.1
PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others within a phase."""
CALLED = "called"
OVER = "over"
LOSSES = ("Connection", "connection", "Timed out", "timed out", "Socket", "gloo", "NCCL")
"""Parts of torch's errors when another process is gone, for which it has no exception class."""


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a phase, and the rank of this one. Alone, it communicates nothing."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes, speaks and decides."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """This process's contiguous part of `count` items; parts are as equal as possible."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def stream(self) -> tuple[int, ...]:
        """The part of a random stream's name that differs between processes."""
        return (self.rank,) if self.size > 1 else ()

    def broadcast(self, value: Any = None) -> Any:
        """The first process's value, on every process; torch pickles it."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def is_any(self, flag: bool) -> bool:
        """Whether the flag is set on any process."""
        return bool(self.total(torch.tensor(float(flag)))) if self.size > 1 else flag

    def least(self, number: int) -> int:
        """The smallest number of all processes."""
        smallest = torch.tensor(number)
        if self.size > 1:
            dist.all_reduce(smallest, dist.ReduceOp.MIN)
        return int(smallest)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def sum(self, number: float) -> float:
        """The sum of a number over all processes."""
        if self.size == 1:
            return number
        return float(self.total(torch.tensor(number, dtype=torch.float64)))

    def wait(self) -> None:
        """Wait for all processes."""
        self.total(torch.zeros(()))

    def gather(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """Whole tensors by name, sharded ones on the first process only; all must call this.

        Tensors are gathered one by one, so that the others hold one whole tensor at most.
        """
        gathered: Tensors = {}
        for name, tensor in tensors.items():
            whole = full_tensor(tensor)
            if self.is_first or is_plain(tensor):
                gathered[name] = whole
        return gathered

    def add_up(
        self, masters: Sequence[nn.Parameter], nats: Tensor, *, ran_short: bool = False
    ) -> tuple[Tensor, bool]:
        """Sum the master weights' gradients over all processes.

        Returns the sum of the nats, and whether any process ran short of memory.

        A gradient that is missing on some processes (no rows, or other experts) counts as zero
        there; one that is missing on all stays None. Gradients of shards are summed already.
        """
        if self.size == 1:
            return nats, ran_short
        plain = [master for master in masters if is_plain(master)]
        has_gradient = [float(master.grad is not None) for master in plain]
        flags = nats.new_tensor([float(ran_short), *has_gradient])
        sums = self.total(torch.cat([nats.reshape(1), flags]))  # one message for all of these
        short_count, *gradient_counts = sums[1:].tolist()
        used = [master for master, n in zip(plain, gradient_counts, strict=True) if n]
        for piece in in_batches(used, nn.Parameter.numel, PIECE_ELEMENTS, is_within=True):
            for master in piece:
                master.grad = torch.zeros_like(master) if master.grad is None else master.grad
            grads = [master.grad for master in piece if master.grad is not None]
            flat = self.total(torch.cat([grad.flatten() for grad in grads]))
            parts = flat.split([grad.numel() for grad in grads])
            for grad, part in zip(grads, parts, strict=True):
                grad.copy_(part.view_as(grad))
        return sums[0], short_count > 0

    def micro_batches(
        self, batch: Batch, rows: int, *, is_sharded: bool
    ) -> Iterator[tuple[Batch, int]]:
        """The micro-batches of this process, each with its weight in the loss (1).

        Sharded weights are gathered in every pass, so each process must make the same number of
        passes: blank micro-batches of weight 0 are added.
        """
        yield from ((part, 1) for part in batch.micro_batches(rows))
        if not is_sharded:
            return
        most_rows = math.ceil((batch.whole_rows or len(batch)) / self.size)  # of any process
        blank = batch.each(lambda tensor_BT: tensor_BT.new_zeros((1, tensor_BT.shape[1])))
        missing = math.ceil(most_rows / rows) - math.ceil(len(batch) / rows)
        yield from ((blank, 0) for _ in range(missing))


ALONE = Group()


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is not a shard (`DTensor`, which takes a second to import)."""
    return not hasattr(tensor, "full_tensor")


def full_tensor(tensor: Any) -> Tensor:
    """The whole tensor, gathered if it is sharded; then every process must call this."""
    return tensor if is_plain(tensor) else tensor.full_tensor()


def own(tensor: Any) -> Tensor:
    """The tensor, or this process's shard of it, to be changed in place."""
    return tensor if is_plain(tensor) else tensor.to_local()


def part_of(tensor: Tensor, like: Any) -> Tensor:
    """A whole tensor moved to the device of `like`, and sharded if `like` is."""
    moved = tensor.to(like.device)
    if is_plain(like):
        return moved
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(moved, like.device_mesh, like.placements, src_data_rank=None)


@contextmanager
def translated_distributed_errors() -> Generator[None]:
    """Turn torch's errors about a lost process into LostProcess."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or any(part in str(error) for part in LOSSES)):
            raise
        raise LostProcess(
            "another process of this training has ended or cannot be reached",
            where=f"process {process_info().rank + 1} of {process_info().size}",
            do="What was saved is kept: the same command goes on from the last checkpoint.",
        ) from error


@contextmanager
def called(device: str) -> Generator[Group]:
    """Start a phase on the other processes, if there are any; they leave it at the end."""
    process = process_info()
    if process.size == 1:
        yield ALONE
        return
    with translated_distributed_errors():
        board = _board(process)
        number = board.add("phases", 1)
        board.set(f"phase-{number}", CALLED)
    with _joined(board, process, number, device) as group:
        yield group


@translated_distributed_errors()
def follow(work: Callable[[Group], object], device: str) -> None:
    """Do the work of each phase that the first process starts, until it ends the last one."""
    process = process_info()
    number = 1
    board = _board(process)
    while True:
        # The first process may take hours before it starts a phase.
        while not board.check([f"phase-{number}"]):
            time.sleep(POLL_SECONDS)
        if board.get(f"phase-{number}").decode() == OVER:
            return
        with _joined(board, process, number, device) as group:
            work(group)
        number += 1


def dismiss() -> None:
    """Let the other processes know that no phase is left."""
    process = process_info()
    if process.size > 1:
        with suppress(LostProcess), translated_distributed_errors():
            board = _board(process)
            board.set(f"phase-{board.add('phases', 1)}", OVER)


def _board(process: ProcessInfo) -> dist.Store:
    """The key-value store that processes share: a file, or torchrun's."""
    if process.meeting:
        return dist.FileStore(process.meeting, process.size)
    return next(iter(dist.rendezvous("env://")))[0]


@contextmanager
def _joined(board: dist.Store, process: ProcessInfo, number: int, device: str) -> Generator[Group]:
    """The connected group of a phase: gloo on CPUs, NCCL on NVIDIA GPUs.

    board: the store that processes share. number: of the phase in this run, from 1.
    Raises LostProcess if one of the processes ends.
    """
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    phase_store = dist.PrefixStore(f"phase-{number}/", board)
    rank = process.rank
    size = process.size
    with translated_distributed_errors():
        dist.init_process_group(
            backend, store=phase_store, rank=rank, world_size=size, timeout=PATIENCE
        )
        try:
            group = Group(rank, size)
            yield group
            group.wait()
        finally:
            dist.destroy_process_group()
