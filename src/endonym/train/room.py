"""Memory in a step: what to do when it ends. Imports no torch."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from endonym.device import free_memory_bytes
from endonym.errors import OutOfMemory
from endonym.log import size

Found = TypeVar("Found")
ASKED = re.compile(r"tried to allocate (\d[\d.]*) ?(bytes|[KMG]iB)?", re.IGNORECASE)
UNITS = {"bytes": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


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
    return OutOfMemory(
        f"{asked} was asked for, {size(free_memory_bytes())} are free",
        where=doing,
        do='Set recompute = "on" in the phase, then a smaller pack.context, model.layers or '
        "model.dim; or end other programs. What was learnt is kept in the last checkpoint.",
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
