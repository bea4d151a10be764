"""Memory in a step: how much of a batch fits, and what to do when it ends. Imports no torch."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from endonym.device import free_memory_bytes, place
from endonym.errors import OutOfMemory
from endonym.log import number, size
from endonym.model.config import ModelConfig
from endonym.model.folder import Shape
from endonym.model.memory import training_bytes
from endonym.train.autopilot import Choice, Choices
from endonym.train.config import AVERAGES, Phase

Found = TypeVar("Found")
USEFUL_TOKENS = 16_384
"""Tokens at once: more are no faster on a CPU."""
LEAST_TOKENS = 2048
"""Fewer at once leave the matrices too narrow to be fast: blocks are computed again before that."""
SURE = 1.15
"""What is held is within 15 % of the formula where memory is given back (benchmarks/memory.py)."""
HEAP = 2.3
"""Kept in pieces when it is freed, it takes up to 2.26 times that; only where so much is free."""
ASKED = re.compile(r"tried to allocate (\d[\d.]*) ?(bytes|[KMG]iB)?", re.IGNORECASE)
ON_GPU = re.compile(r"\bGPU (\d+)")
UNITS = {"bytes": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def phase_bytes(
    shape: Shape,
    phase: Phase,
    *,
    micro_tokens: int | None = None,
    recomputes: int | None = None,
    longest_document: int | None = None,
) -> int:
    """Memory that a phase takes in each process, as it says or with these in place of that."""
    batch = phase.batch_tokens or USEFUL_TOKENS
    at_once = micro_tokens or phase.micro_tokens or USEFUL_TOKENS
    return training_bytes(
        shape,
        max(shape.context, min(at_once, batch)),
        phase.number_format,
        recomputes=phase.recomputes if recomputes is None else recomputes,
        longest_document=longest_document,
        optimizer=phase.optimizer or "adamw",
        is_averaged=phase.average in AVERAGES,
        shard=phase.shard,
        processes=place().size,
    )


def choose_room(
    shape: Shape, phase: Phase, free_bytes: int, longest_document: int | None = None
) -> Choices:
    """How many tokens are held at once, and how many blocks are computed again, to fit.

    Only what the phase leaves open is chosen. Raises OutOfMemory if not even one row fits.
    """
    if phase.micro_tokens is not None and phase.recompute != "auto":
        return {}
    for tokens, recomputes in _ways(shape, phase):
        needed = phase_bytes(
            shape,
            phase,
            micro_tokens=tokens,
            recomputes=recomputes,
            longest_document=longest_document,
        )
        if needed * SURE <= free_bytes:
            reason = f"training needs ≈ {size(needed)} of {size(free_bytes)} free"
            is_most = tokens >= USEFUL_TOKENS
            return _chosen(phase, tokens, reason, recomputes=recomputes, is_most=is_most)
    raise _no_room(shape, phase, free_bytes, longest_document)


def _ways(shape: Shape, phase: Phase) -> Iterator[tuple[int, int]]:
    """Tokens at once and blocks that are computed again: what is fast first, what is small last.

    Blocks are computed again, as few as can be, rather than fewer tokens read than are fast.
    """
    most = max(USEFUL_TOKENS, shape.context)
    sizes = [most, *range(most - most % shape.context, 0, -shape.context)]
    if phase.micro_tokens is not None:
        sizes = [phase.micro_tokens]
    if phase.recompute != "auto":
        yield from ((tokens, phase.recomputes) for tokens in sizes)
        return
    least = min(LEAST_TOKENS, sizes[0], phase.batch_tokens or LEAST_TOKENS)
    enough = [tokens for tokens in sizes if tokens >= least]
    yield from ((tokens, 0) for tokens in enough)
    if isinstance(shape, ModelConfig):
        yield from ((enough[-1], blocks) for blocks in range(1, shape.layers))
    yield from ((tokens, shape.layers) for tokens in sizes)


def _chosen(phase: Phase, tokens: int, reason: str, *, recomputes: int, is_most: bool) -> Choices:
    """Choices with their reason."""
    found: Choices = {}
    if phase.micro_tokens is None:
        limit = "more at once are no faster" if is_most else "more at once would not fit"
        found["micro_tokens"] = Choice(tokens, f"{reason}; {limit}")
    if phase.recompute == "auto":
        found["recompute"] = Choice(recomputes, reason)
    return found


def _no_room(
    shape: Shape, phase: Phase, free_bytes: int, longest_document: int | None
) -> OutOfMemory:
    least = phase_bytes(
        shape,
        phase,
        micro_tokens=phase.micro_tokens or 1,
        recomputes=shape.layers if phase.recompute == "auto" else phase.recomputes,
        longest_document=longest_document,
    )
    return OutOfMemory(
        f"training needs ≈ {size(least)} with one row of {number(shape.context)} tokens at once, "
        f"{size(free_bytes)} are free",
        where=f"phase {phase.name}",
        do="Take a smaller model (model.dim, model.layers, tokenizer.vocab) or pack.context, or "
        "end other programs. To try it all the same: set micro_tokens and recompute.",
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
