"""A phase that takes parts out of the model that it starts from."""

import functools
from collections.abc import Callable

from endonym.errors import ShapeError
from endonym.log import Log, number
from endonym.model.count import parameters
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.prune import Kept, pruned
from endonym.pipeline.stages import PhaseTraining
from endonym.train.distributed import Group
from endonym.train.importance import most_needed
from endonym.train.inputs import PhaseInputs
from endonym.train.objectives import objective_of

BATCHES, BATCH_TOKENS = 8, 8192
"""On which it is measured what the model needs; tokens of a batch at most."""


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
    if config.phase.prune is None:
        return start

    @functools.cache
    def kept() -> Kept:
        found = None
        if group.is_first:
            found = parts_to_keep(own_decoder(start()), config, inputs(), log)
        return group.broadcast(found)

    return lambda: pruned(own_decoder(start()), kept())


def own_decoder(decoder: AnyDecoder) -> Decoder:
    """The decoder, if it is of our own shapes; raises ShapeError if transformers computes it."""
    if isinstance(decoder, Decoder):
        return decoder
    raise ShapeError(
        "only models of endonym's own families can be pruned",
        where="prune",
        do="Leave prune out, or go on from a model of one of these families.",
    )


def parts_to_keep(decoder: Decoder, config: PhaseTraining, inputs: PhaseInputs, log: Log) -> Kept:
    """What stays of a decoder, measured on the first rows that the phase reads."""
    phase, context = config.phase, decoder.config.context
    assert phase.prune is not None, "of a phase that prunes"
    batches = inputs.batches(phase, context, config.seed)
    rows = range(min(batches.rows, max(1, BATCH_TOKENS // context)))
    some = [batches.part(step, rows) for step in range(BATCHES)]
    kept = most_needed(decoder.to(inputs.device), phase.prune, some, objective_of(phase))
    after = parameters(pruned(decoder.cpu(), kept).config).total
    before = parameters(decoder.config).total
    log.line(f"  pruned: {number(after)} of {number(before)} parameters are left")
    return kept
