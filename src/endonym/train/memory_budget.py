"""Memory of a training step: what fits, and out-of-memory errors. Imports no torch."""

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from endonym.device import free_memory_bytes, process_info
from endonym.errors import OutOfMemory
from endonym.log import size
from endonym.model.count import parameters
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.memory import reading_bytes, training_bytes
from endonym.train.config import TrainConfig
from endonym.train.schedule import kept_steps

Result = TypeVar("Result")
ALLOCATOR_OVERHEAD = 2.3
"""An allocator that keeps freed memory takes up to 2.26 times the needed memory."""
ASKED = re.compile(r"tried to allocate (\d[\d.]*) ?(bytes|[KMG]iB)?", re.IGNORECASE)
ON_GPU = re.compile(r"\bGPU (\d+)")
UNITS = {"bytes": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
READ_TOKENS = 8192
"""Tokens that teachers read at once before a phase."""
FEWER = (
    "Set more blocks in recompute or a smaller micro_tokens in the phase, then a smaller "
    "pack.context, model.layers or model.dim; or end other programs. The last checkpoint is kept."
)
"""What to do if a training needs more memory than there is."""


def phase_bytes(
    shape: AnyModelConfig,
    config: TrainConfig,
    longest: int | None = None,
    *,
    teachers: Sequence[AnyModelConfig] = (),
) -> int:
    """Bytes that a phase takes in each process. longest: document in tokens, if known. teachers:
    the models that read each batch as well."""
    execution = config.execution
    row = config.row_tokens(shape.context)
    micro_tokens = max(row, min(execution.micro_tokens, config.batch_tokens))
    return reading_bytes(teachers, micro_tokens, longest, row=row) + training_bytes(
        shape,
        micro_tokens,
        config.number_format,
        checkpointed_blocks=execution.recompute,
        longest_document=longest,
        row=row,
        optimizer=config.optimizer,
        is_averaged=config.is_averaged,
        shard=execution.shard,
        processes=process_info().size,
        adapt=config.adapt,
    )


def teachers_bytes(row: int, teachers: Sequence[AnyModelConfig]) -> int:
    """Bytes of the teachers that read the text before a phase. row: tokens of a row."""
    return reading_bytes(teachers, max(READ_TOKENS, row), row=row)


def kept_steps_bytes(shape: AnyModelConfig, config: TrainConfig) -> int:
    """Bytes on the disk of all steps whose weights a phase keeps."""
    return 4 * parameters(shape).total * len(kept_steps(config))


def within_memory(
    attempt: Callable[..., Result], rows: int, forget: Callable[[], None]
) -> tuple[Result, int]:
    """What `attempt(rows=rows)` returns, and the rows: half as many after each out-of-memory error.

    forget: called before each retry, to free memory. Raises OutOfMemory if one row does not fit.
    """
    while True:
        try:
            return attempt(rows=rows), rows
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if rows == 1:
                raise out_of_memory(error, "one row at a time") from error
        # Outside of `except`, where no traceback keeps tensors of the failed attempt alive.
        forget()
        rows = -(-rows // 2)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means out of memory: on a GPU, in torch's CPU allocator, in Python."""
    if isinstance(error, MemoryError):
        return True
    message = str(error).lower()
    is_about_memory = "out of memory" in message or bool(ASKED.search(message))
    return isinstance(error, RuntimeError) and is_about_memory


def out_of_memory(error: BaseException, doing: str, do: str = FEWER) -> OutOfMemory:
    """The OutOfMemory for an error of torch or Python: memory asked for, memory free, what to set.

    doing: what was computed. do: what to do about it.
    """
    match = ASKED.search(str(error))
    wanted = "more memory"
    if match is not None:
        number = float(match[1])
        unit = (match[2] or "bytes").lower()
        wanted = size(number * UNITS[unit]) + " more"
    gpu = ON_GPU.search(str(error))
    free = free_memory_bytes(f"cuda:{gpu[1]}" if gpu else "cpu")
    return OutOfMemory(
        f"{wanted} was asked for, {size(free)} are free",
        where=doing,
        do=do,
    )


@contextmanager
def explained_memory_errors(doing: str, do: str = FEWER) -> Generator[None]:
    """Turn out-of-memory errors into OutOfMemory, which says what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(error, doing, do) from error
