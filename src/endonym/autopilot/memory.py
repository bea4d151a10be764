"""Chooses how much of a batch is processed at once, and how many blocks are recomputed."""

from collections.abc import Iterator

from endonym.autopilot.model_size import Choice, Choices
from endonym.errors import OutOfMemory
from endonym.log import number, size
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import AnyModelConfig
from endonym.train.config import USEFUL_TOKENS, Phase, TrainConfig
from endonym.train.memory_budget import phase_bytes

LEAST_TOKENS = 2048
"""Fewer at once make matrix products slow: blocks are recomputed before going below this."""
FORMULA_MARGIN = 1.15
"""Measured memory is within 15 % of the formula, if freed memory is returned to the system
(benchmarks/memory.py)."""


def choose_memory(
    shape: AnyModelConfig,
    phase: Phase,
    config: TrainConfig,
    *,
    free_bytes: int,
    longest_document: int | None = None,
) -> Choices:
    """The largest micro_tokens and the smallest recompute that fit into free memory.

    Only what the phase leaves open is chosen. config: the same phase, resolved so far.
    Raises OutOfMemory if not even one row fits.
    """
    if phase.micro_tokens is not None and phase.recompute != "auto":
        return {}
    for tokens, blocks in _ways(shape, phase, config):
        way = config.executed(micro_tokens=tokens, recompute=blocks)
        needed = phase_bytes(shape, way, longest_document)
        if needed * FORMULA_MARGIN <= free_bytes:
            choices: Choices = {}
            reason = f"training needs ≈ {size(needed)} of {size(free_bytes)} free"
            if phase.micro_tokens is None:
                tokens = min(tokens, max(config.batch_tokens, shape.context))
                is_most = tokens >= min(USEFUL_TOKENS, config.batch_tokens)
                limit = "more at once are no faster" if is_most else "more at once would not fit"
                choices["micro_tokens"] = Choice(tokens, f"{reason}; {limit}")
            if phase.recompute == "auto":
                choices["recompute"] = Choice(blocks, reason)
            return choices
    blocks = shape.layers if phase.recompute == "auto" else phase.recompute
    way = config.executed(micro_tokens=phase.micro_tokens or 1, recompute=blocks)
    least = phase_bytes(shape, way, longest_document)
    raise OutOfMemory(
        f"training needs ≈ {size(least)} with one row of {number(shape.context)} tokens at once, "
        f"{size(free_bytes)} are free",
        where=f"phase {phase.name}",
        do="Take a smaller model (model.dim, model.layers, tokenizer.vocab) or pack.context, or "
        "end other programs. To try it all the same: set micro_tokens and recompute.",
    )


def _ways(shape: AnyModelConfig, phase: Phase, config: TrainConfig) -> Iterator[tuple[int, int]]:
    """Pairs of micro_tokens and recomputed blocks to try, from fast to small.

    Recomputing a few blocks is tried before micro_tokens falls below LEAST_TOKENS.
    """
    most = max(USEFUL_TOKENS, shape.context)
    sizes = [most, *range(most - most % shape.context, 0, -shape.context)]
    if phase.micro_tokens is not None:
        sizes = [phase.micro_tokens]
    if phase.recompute != "auto":
        yield from ((tokens, phase.recompute) for tokens in sizes)
        return
    least = min(LEAST_TOKENS, sizes[0], config.batch_tokens)
    enough = [tokens for tokens in sizes if tokens >= least]
    yield from ((tokens, 0) for tokens in enough)
    if isinstance(shape, ModelConfig):
        yield from ((enough[-1], blocks) for blocks in range(1, shape.layers))
    yield from ((tokens, shape.layers) for tokens in sizes)
