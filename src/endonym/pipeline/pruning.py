"""A phase that takes parts out of the model that it starts from."""

import functools
from collections.abc import Callable

from endonym.log import Log, number
from endonym.model.count import parameters
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.prune import pruned
from endonym.model.prune_config import Kept
from endonym.pipeline.stage import PhaseTraining
from endonym.store import read_if_whole, write_sealed
from endonym.train.distributed import Group
from endonym.train.importance import most_needed
from endonym.train.inputs import PhaseInputs
from endonym.train.objectives import objective_of

BATCHES = 32
BATCH_TOKENS = 2048
"""On which it is measured what the model needs; tokens of a batch at most, or one row. On every
machine the same, so that what stays is."""
KEPT = "kept.json"
"""In the folder of a phase that is not done: what stays, so that it is measured once."""


def pruning(
    config: PhaseTraining,
    start: Callable[[], AnyDecoder],
    inputs: Callable[[], PhaseInputs],
    *,
    group: Group,
    log: Log,
) -> Callable[[], AnyDecoder]:
    """Makes the decoder that a phase starts from, without what it prunes.

    start: makes it with all its parts. inputs: what the phase reads, of which the first rows are
    measured once, by the first process: every process of a group must make a decoder.
    """
    prune = config.phase.prune
    if prune is None:
        return start

    @functools.cache
    def kept() -> Kept:
        parts = None
        if group.is_first:
            read = inputs()
            phase = config.phase
            context = config.pack.context
            file = read.folder / KEPT
            if known := read_if_whole(file):
                parts = Kept(**known)
            else:
                decoder = own(start())
                batches = read.batches(phase, context, config.seed)
                rows = range(min(batches.rows, max(1, BATCH_TOKENS // context)))
                some = [batches.part(step, rows) for step in range(BATCHES)]
                parts = most_needed(decoder.to(read.device), prune, some, objective_of(phase))
                after = parameters(pruned(decoder.cpu(), parts).config).total
                before = parameters(decoder.config).total
                log.line(f"  pruned: {number(after)} of {number(before)} parameters are left")
            write_sealed(file, parts._asdict())
        return group.broadcast(parts)

    return lambda: pruned(own(start()), kept())


def own(decoder: AnyDecoder) -> Decoder:
    """The decoder, which is of endonym's own families: recipes that prune others are refused."""
    assert isinstance(decoder, Decoder), "model/prune_config.py"
    return decoder
