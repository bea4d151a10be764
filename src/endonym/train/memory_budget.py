"""Memory in a step: how much of a batch fits, and what to do when it ends. Imports no torch."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from endonym.device import free_memory_bytes, process_info
from endonym.errors import OutOfMemory
from endonym.log import size
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.memory import training_bytes
from endonym.train.config import TrainConfig

Found = TypeVar("Found")
ALLOCATOR_OVERHEAD = 2.3
"""Kept in pieces when it is freed, it takes up to 2.26 times that; only where so much is free."""
ASKED = re.compile(r"tried to allocate (\d[\d.]*) ?(bytes|[KMG]iB)?", re.IGNORECASE)
ON_GPU = re.compile(r"\bGPU (\d+)")
UNITS = {"bytes": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def phase_bytes(
    shape: AnyModelConfig, config: TrainConfig, longest_document: int | None = None
) -> int:
    """Memory that a phase takes in each process. longest_document: in tokens, where it is known."""
    execution = config.execution
    return training_bytes(
        shape,
        max(shape.context, min(execution.micro_tokens, config.batch_tokens)),
        config.number_format,
        checkpointed_blocks=execution.recompute,
        longest_document=longest_document,
        optimizer=config.optimizer,
        is_averaged=config.is_averaged,
        shard=execution.shard,
        processes=process_info().size,
    )


def within_memory(
    gather: Callable[[int], Found], rows: int, forget: Callable[[], None]
) -> tuple[Found, int]:
    """What `gather(rows)` finds, with half the rows again and again while memory ends.

    Returns the rows that did fit, too. forget: called before another try, to free what a failed
    one held. Raises OutOfMemory if one row alone does not fit.
    """
    while True:
        try:
            return gather(rows), rows
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if rows == 1:
                raise out_of_memory(error, "one row at a time") from error
        # Only here, where no traceback holds what the failed try had computed.
        forget()
        rows = -(-rows // 2)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ended: on a GPU, in torch's CPU allocator, in Python."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in said or bool(ASKED.search(said)))


def out_of_memory(error: BaseException, doing: str) -> OutOfMemory:
    """What was asked for, what is free, and what to set instead."""
    found = ASKED.search(str(error))
    asked = "more memory"
    if found is not None:
        asked = size(float(found[1]) * UNITS[(found[2] or "bytes").lower()]) + " more"
    gpu = ON_GPU.search(str(error))
    free = free_memory_bytes(f"cuda:{gpu[1]}" if gpu else "cpu")
    return OutOfMemory(
        f"{asked} was asked for, {size(free)} are free",
        where=doing,
        do="Set more blocks in recompute or a smaller micro_tokens in the phase, then a smaller "
        "pack.context, model.layers or model.dim; or end other programs. What was learnt is kept "
        "in the last checkpoint.",
    )


@contextmanager
def explained_memory_errors(doing: str) -> Generator[None]:
    """Turn the end of memory into an OutOfMemory that says what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(error, doing) from error
