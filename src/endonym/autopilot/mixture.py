"""The sources of a phase: their shares, how much text they are, and whether it suffices."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from endonym.autopilot.model_size import Facts
from endonym.data.order import main_source, rows_by_source
from endonym.errors import RecipeError
from endonym.formats.config import REST, Source
from endonym.log import number
from endonym.recipe.checks import SHARES_TOLERANCE
from endonym.train.config import Phase, SourceShare, TrainConfig

LEAST_EPOCHS = 0.01
"""Fewer are no phase: earlier ones have read what is allowed."""
MOST_UNJUDGED = 0.1
"""Share of a phase's tokens of which nothing need be held out: the rest chooses its weights."""
HOLD_OUT = (
    "Give it more documents (document = … in its [[source]] says where one ends), or hold out more "
    "(val_share or val_documents in [split])."
)


def shares_of(phase: Phase, facts: Facts) -> dict[str, float]:
    """The share of each source in a phase's tokens; empty if all are read together.

    Shares that are left open are in proportion to tokens^(1 / temperature), as in arXiv:1907.05019,
    section 3.2. A source without training text has none, unless no source has text.
    """
    if phase.sources is None and phase.temperature is None:
        return {}
    given = phase.sources if isinstance(phase.sources, dict) else {}
    names = [name for name in phase.sources or () if name != REST]
    if phase.sources is None or REST in given:
        names += [name for name in facts.sources if name not in given]
    names = [name for name in names if facts.sources[name].unique_tokens] or names
    power = 1 / (phase.temperature or 1.0)
    sizes = {n: max(1, facts.sources[n].positions) ** power for n in names if n not in given}
    rest = given.get(REST, 0.0 if given else 1.0)
    shares = {name: given[name] for name in names if name in given}
    shares |= {name: rest * size / sum(sizes.values()) for name, size in sizes.items()}
    total = sum(shares.values())
    if abs(total - 1) <= SHARES_TOLERANCE:
        return shares
    return {name: share / total for name, share in shares.items()}


def facts_of_phase(phase: Phase, facts: Facts) -> Facts:
    """What a phase reads in an epoch: until the source with the largest share has been read once.

    Of a smaller source more or less than its text may be read in this time.
    """
    shares = shares_of(phase, facts)
    if not shares:
        return facts
    main = main_source(shares, {name: facts.sources[name].positions for name in shares})
    positions = facts.sources[main].positions / shares[main]

    def read_in_epoch(name: str, amount: str) -> float:
        """How much an epoch reads of a source. amount: "text_bytes" or "unique_tokens"."""
        source = facts.sources[name]
        return shares[name] * positions * getattr(source, amount) / max(1, source.positions)

    tokens = sum(read_in_epoch(name, "unique_tokens") for name in shares)
    text_bytes = round(sum(read_in_epoch(name, "text_bytes") for name in shares))
    mean = tokens / max(1.0, positions - tokens)
    return replace(
        facts, text_bytes=text_bytes, unique_tokens=round(tokens), mean_document_tokens=mean
    )


def with_sources(
    phases: Sequence[Phase], configs: Sequence[TrainConfig], facts: Facts, context: int
) -> tuple[TrainConfig, ...]:
    """The phases with their shares, and the rows with which they begin.

    Each order of rows continues from one phase to the next: that of all texts together, or that of
    each source if a phase has shares, and that of the same conversations or pairs.
    """
    are_apart = any(shares_of(phase, facts) for phase in phases)
    rows_of_sources = Counter[str]()
    rows_of_data = Counter[tuple[object, ...]]()
    with_shares: list[TrainConfig] = []
    for phase, config in zip(phases, configs, strict=True):
        if phase.start == "scratch":
            rows_of_sources.clear()
            rows_of_data.clear()
        rows = config.steps * config.batch_tokens // context
        if are_apart and phase.reads_texts:
            phase = phase.model_copy(update={"temperature": phase.temperature or 1.0})
        if shares := shares_of(phase, facts):
            shares_of_phase = [
                SourceShare(name=name, share=share, first_row=rows_of_sources[name])
                for name, share in shares.items()
            ]
            with_shares.append(config.but(sources=tuple(shares_of_phase)))
            rows_of_sources.update(rows_by_source(shares, rows))
        else:
            data = _data_of(phase)
            with_shares.append(config.but(first_row=rows_of_data[data] or None))
            rows_of_data[data] += rows
    return tuple(with_shares)


def _data_of(phase: Phase) -> tuple[object, ...]:
    """What a phase without shares reads: phases with the same data read them in one order."""
    if phase.reads_texts:
        return ()
    return (phase.objective, *map(os.path.normpath, phase.data_patterns), phase.columns)


def epochs_before(phase: Phase, facts: Facts, read: Mapping[str, float]) -> float:
    """How often earlier phases have read the texts of a phase, as a mean over its tokens.

    read: tokens of each source that they read.
    """
    shares = shares_of(phase, facts)
    if not shares:
        return sum(read.values()) / max(1, facts.positions)
    times = {name: read.get(name, 0.0) / max(1, facts.sources[name].positions) for name in shares}
    return sum(shares[name] * times[name] for name in shares)


def texts_read(phase: Phase, rows: int, facts: Facts, context: int) -> dict[str, float]:
    """Tokens of each source in so many rows of a phase; without shares each has its part."""
    if not phase.reads_texts:
        return {}
    if shares := shares_of(phase, facts):
        counts = rows_by_source(shares, rows)
        return {name: float(count * context) for name, count in counts.items()}
    epochs = rows * context / max(1, facts.positions)
    return {name: epochs * each.positions for name, each in facts.sources.items()}


def summed(before: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """The tokens of each source in two counts together."""
    return {name: before.get(name, 0.0) + more.get(name, 0.0) for name in {**before, **more}}


def require_enough_text(
    sources: Sequence[Source],
    phases: Sequence[Phase],
    configs: Sequence[TrainConfig],
    facts: Facts,
    *,
    context: int,
) -> None:
    """Raise RecipeError if a phase reads a source that has no text, or more often than allowed.

    A source that says `repeatable` is read so many times in all phases since the last one that
    starts from scratch. Without it a phase reads its sources as many times as it says epochs, or
    once; those without a share of their own ("*") as often as their share takes.
    """
    limits = {source.name: source.repeatable for source in sources}
    so_far = dict[str, float]()
    slack = 0
    for number_, (phase, config) in enumerate(zip(phases, configs, strict=True)):
        if phase.start == "scratch":
            so_far = {}
            slack = 0
        slack += config.batch_tokens  # A batch is whole rows, and steps are rounded up.
        read = texts_read(phase, config.steps * config.batch_tokens // context, facts, context)
        so_far = summed(so_far, read)
        is_shared = bool(shares_of(phase, facts))
        given = phase.sources if isinstance(phase.sources, dict) else {}
        for name, tokens in read.items():
            text_tokens = facts.sources[name].positions
            limit = limits.get(name)
            if is_shared and not facts.sources[name].unique_tokens:
                raise RecipeError(
                    f'phase "{phase.name}" reads "{name}", which has no training text',
                    where=f"phase.{number_}.sources",
                    do="See what was dropped (`endonym look RUN --dropped all`), or leave it out.",
                )
            is_of_rest = REST in given and name not in given
            if not text_tokens or (limit is None and (is_of_rest or not is_shared)):
                continue
            # Without a limit of its source, a phase is counted alone.
            counted = tokens if limit is None else so_far[name]
            most = max(1.0, phase.epochs or 1.0) if limit is None else times_allowed(limit)
            spare = config.batch_tokens if limit is None else slack
            if counted <= most * text_tokens + spare:
                continue
            earlier = " with the phases before it" if counted > tokens else ""
            raise RecipeError(
                f'phase "{phase.name}" reads {number(round(counted))} tokens of "{name}"{earlier}, '
                f"which has {number(text_tokens)}: {counted / max(1, text_tokens):.1f} times its "
                f"text, where at most {most:g} times is allowed",
                where=f"phase.{number_}" + ".sources" * is_shared,
                do=f'Write repeatable = true (or a number of times) into the source "{name}", or '
                f"give the phase{' and those before it' * bool(earlier)} fewer tokens"
                + ", or the source a smaller share"
                * is_shared
                + ". If it should have more text, see what was dropped: "
                "endonym look RUN --dropped all.",
            )


def not_held_out(shares: Mapping[str, float], facts: Facts) -> str:
    """The names, in quotes, of those sources that have no dev text; empty if all have some.

    Also empty if nothing was counted yet, or if they are MOST_UNJUDGED of the tokens at most.
    """
    missing = [name for name in shares if facts.sources[name].dev_documents == 0]
    is_little = sum(shares[name] for name in missing) <= MOST_UNJUDGED
    return "" if is_little else " and ".join(f'"{name}"' for name in missing)


def require_judged(phases: Sequence[Phase], facts: Facts) -> None:
    """Raise RecipeError if weights are to be chosen by dev text that a source does not have."""
    for number_, phase in enumerate(phases):
        key = "patience" if phase.patience is not None else "keep"
        is_chosen = phase.keep == "best" or phase.patience is not None
        if is_chosen and (missing := not_held_out(shares_of(phase, facts), facts)):
            raise RecipeError(
                f'phase "{phase.name}" chooses its weights by held-out text, and nothing of '
                f"{missing} is held out",
                where=f"phase.{number_}.{key}",
                do=f'{HOLD_OUT} Or leave patience out, and write keep = "last" or "average".',
            )


def times_allowed(repeatable: bool | int | None) -> float:
    """How often a source may be read in all phases; no limit if it says none."""
    if repeatable is True or repeatable is None:
        return math.inf
    return float(repeatable or 1)


def epochs_allowed(
    sources: Sequence[Source], phase: Phase, facts: Facts, most: float, *, read: Mapping[str, float]
) -> float:
    """The epochs of a phase without a budget: as many as asked for, or as its sources allow.

    read: tokens of each source that earlier phases read. If these read nearly all that is
    allowed, as many as asked for, which require_enough_text refuses.
    """
    shares = shares_of(phase, facts)
    epoch_tokens = facts_of_phase(phase, facts).positions
    limits: Mapping[str, bool | int | None] = {source.name: source.repeatable for source in sources}
    epochs = most
    for name in shares or facts.sources:
        text_tokens = facts.sources[name].positions
        limit = limits.get(name)
        share = shares[name] if shares else text_tokens / max(1, facts.positions)
        left = times_allowed(limit) * text_tokens - read.get(name, 0.0)
        if limit is None and shares:
            left = most * text_tokens
        if text_tokens:
            epochs = min(epochs, left / max(1.0, share * epoch_tokens))
    return epochs if epochs >= LEAST_EPOCHS else most
