"""Validation on dev text during training: the same packed rows each time, scored by source."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from endonym.data.batches import Batch
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.distributed import ALONE, Group
from endonym.train.step import held_out_nats

VALIDATION_SEED = 0
ROWS_TOKENS = 8192
WATCHED_SHARE = 0.2
"""Of the scored tokens, for sources of the corpus that a phase with shares does not read."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Held-out loss: mean nats per token, bits per byte, and bits per byte of each source.

    Of conversations, those of the answers. Of preference pairs, `nats` is the loss per pair and the
    bits are those of the chosen answers. figures: what else an objective says, by name.

    An estimate: rows may cut documents, so the final score (`evaluate.bits`) is a little lower.
    """

    nats: float
    bits_per_byte: float
    sources: dict[str, float]
    n_tokens: int
    figures: dict[str, float] = field(default_factory=dict[str, float])


def validate(
    decoder: AnyDecoder,
    dev: TokenShards,
    tokens: int,
    device: str,
    *,
    group: Group = ALONE,
    join: Collection[str] = (),
    shares: Mapping[str, float] | None = None,
) -> ValidationResult:
    """Score at most `tokens` positions of dev text, drawn from all documents.

    As in the final evaluation, the end-of-text token is read but not scored. Documents of joined
    sources are joined as in training. Each line end is scored, also the one that follows a document
    read alone, which the final evaluation does not have.
    In a group each process scores its share of the rows, and all get the same sums.

    shares: of the sources in the phase's tokens, if it has shares. Then each source is scored by
    itself, and the loss is that of the phase's mixture: the others are only watched.
    """
    shares = judged_shares(dev, shares or {})
    context, everything = decoder.config.context, dict[str | None, int]({None: tokens})
    nats, sizes, counts = dict[int, float](), dict[int, float](), dict[int, float]()
    for source, most in (_parts(dev, shares, tokens) if shares else everything).items():
        order = Order(dev, context=context, seed=VALIDATION_SEED, join=join, source=source)
        found = _scored(decoder, order, most, device=device, group=group)
        for known, new in zip((nats, sizes, counts), found, strict=True):
            known.update(new)
    n_tokens = sum(counts.values())
    weights = dict.fromkeys(nats, 1.0)
    if shares:  # As if each source had its share of these tokens.
        by_number = {dev.sources.index(name): share for name, share in shares.items()}
        weights = {key: by_number.get(key, 0.0) * n_tokens / counts[key] for key in nats}
    total, size, scored = (
        sum(each[key] * weights[key] for key in nats) for each in (nats, sizes, counts)
    )
    return ValidationResult(
        nats=total / max(1, scored),
        bits_per_byte=bits(total, size),
        sources={dev.sources[key]: bits(nats[key], sizes[key]) for key in sorted(nats)},
        n_tokens=int(n_tokens),
    )


def judged_shares(dev: TokenShards, shares: Mapping[str, float]) -> Mapping[str, float]:
    """The shares of the sources with dev text, of 1 in all.

    Empty if none has any: then all dev text is scored together.
    """
    there = {name: share for name, share in shares.items() if len(dev.documents_of(name))}
    if len(there) == len(shares):
        return shares
    return {name: share / sum(there.values()) for name, share in there.items()}


def _parts(dev: TokenShards, shares: Mapping[str, float], tokens: int) -> dict[str, int]:
    """How many tokens of each source are scored; sources that the phase does not read get few."""
    there = [name for name in dev.sources if len(dev.documents_of(name))]
    watched = [name for name in there if name not in shares]
    few = int(tokens * WATCHED_SHARE / max(1, len(watched)))
    judged = tokens * (1 - WATCHED_SHARE * bool(watched))
    return {name: int(judged * shares[name]) if name in shares else few for name in there}


def _scored(
    decoder: AnyDecoder, order: Order, tokens: int, *, device: str, group: Group
) -> list[dict[int, float]]:
    """Nats, bytes and scored tokens of each source, by its number, on at most `tokens` positions.

    Sources of which nothing was scored are left out.
    """
    dev, context = order.shards, order.context
    rows = max(1, min(tokens, order.positions_per_epoch) // context)
    nats: dict[int, float] = defaultdict(float)
    sizes: dict[int, float] = defaultdict(float)
    counts: dict[int, float] = defaultdict(float)
    mine, most, together = group.share(rows), -(-rows // group.size), max(1, ROWS_TOKENS // context)
    # Sharded weights are gathered in every pass, so each process makes the same number of passes.
    for start in range(0, most, together):
        part = mine[start : start + together]
        batch = order.rows(part.start, len(part) or 1)
        scored = held_out_nats(decoder, Batch.of(batch).to(device)).cpu().double().numpy()
        is_text = (batch.targets_BT != dev.end_id) & (len(part) > 0)
        sources = order.index["source"][order.originals(batch.documents_BT)]
        for source in np.unique(sources):
            here = (sources == source) & is_text
            nats[int(source)] += float(scored[here].sum())
            counts[int(source)] += int(here.sum())
            sizes[int(source)] += int(dev.byte_counts[batch.targets_BT[here]].sum())
    found: list[dict[int, float]] = [nats, sizes, counts]
    if group.size > 1:
        found = _summed(group, len(dev.sources), *found)
    return [{key: each[key] for key in counts if counts[key]} for each in found]


def _summed(group: Group, sources: int, *counted: dict[int, float]) -> list[dict[int, float]]:
    """Counts by source, summed over the processes; float64 keeps whole numbers exact."""
    table = [[each.get(key, 0.0) for key in range(sources)] for each in counted]
    sums = group.total(torch.tensor(table, dtype=torch.float64)).tolist()
    seen = {key for key in range(sources) if any(row[key] for row in sums)}
    return [{key: row[key] for key in sorted(seen)} for row in sums]


def bits(nats: float, n_bytes: float) -> float:
    """Bits per byte."""
    return nats / math.log(2) / max(1, n_bytes)
