"""Validation on dev text during training: the same packed rows each time, scored by source."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endonym.data.batches import AnyOrder, Batch
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.distributed import ALONE, Group
from endonym.train.step import held_out_nats

VALIDATION_SEED = 0
ROWS_TOKENS = 8192
WATCHED_SHARE = 0.2
"""Of the scored tokens, for sources of the corpus that a phase with shares does not read."""
Sums = NDArray[np.float64]


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


def scored_batches(
    decoder: AnyDecoder, order: AnyOrder, rows: range, *, device: str, group: Group
) -> Iterator[tuple[Batch, Tensor]]:
    """This process's share of some rows in batches, on the CPU, with the nats of their targets.

    nats: (B, T), float64.
    """
    mine, most = group.share(len(rows)), -(-len(rows) // group.size)
    together = max(1, ROWS_TOKENS // order.context)
    # Sharded weights are gathered in every pass, so each process makes the same number of passes.
    for start in range(0, most, together):
        part = rows[mine.start : mine.stop][start : start + together]
        batch = Batch.of(order.rows(part.start, len(part) or 1))
        nats_BT = held_out_nats(decoder, batch.to(device)).cpu().double()
        if len(part):
            yield batch, nats_BT


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
    shares, context = judged_shares(dev, shares or {}), decoder.config.context
    sums: Sums = np.zeros((3, len(dev.sources)))
    for source, most in _tokens_by_source(dev, shares, tokens).items():
        order = Order(dev, context=context, seed=VALIDATION_SEED, join=join, source=source)
        rows = range(max(1, min(most, order.positions_per_epoch) // context))
        for batch, nats_BT in scored_batches(decoder, order, rows, device=device, group=group):
            sums += _sums_by_source(order, batch, nats_BT.numpy())
    nats, sizes, counts = group.total(torch.from_numpy(sums)).numpy()
    n_tokens, weights = float(counts.sum()), np.ones(len(dev.sources))
    if shares:  # As if each source had its share of these tokens.
        wanted = np.array([shares.get(name, 0.0) for name in dev.sources])
        weights = wanted * n_tokens / np.maximum(1, counts)
    total, size, scored = (float((each * weights).sum()) for each in (nats, sizes, counts))
    return ValidationResult(
        nats=total / max(1, scored),
        bits_per_byte=bits(total, size),
        sources={
            name: bits(nats[key], sizes[key]) for key, name in enumerate(dev.sources) if counts[key]
        },
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


def _tokens_by_source(
    dev: TokenShards, shares: Mapping[str, float], tokens: int
) -> dict[str | None, int]:
    """How many tokens of each source are scored; sources that the phase does not read get few.

    Without shares all sources are scored together (None).
    """
    if not shares:
        return {None: tokens}
    there = [name for name in dev.sources if len(dev.documents_of(name))]
    watched = [name for name in there if name not in shares]
    few = int(tokens * WATCHED_SHARE / max(1, len(watched)))
    judged = tokens * (1 - WATCHED_SHARE * bool(watched))
    return {name: int(judged * shares[name]) if name in shares else few for name in there}


def _sums_by_source(order: Order, batch: Batch, nats_BT: Sums) -> Sums:
    """Nats, bytes and number of the scored tokens of a batch, for each source: (3, sources)."""
    dev, targets_BT = order.shards, batch.targets_BT.numpy()
    sums: Sums = np.zeros((3, len(dev.sources)))
    is_text = targets_BT != dev.end_id
    sources = order.index["source"][order.originals(batch.documents_BT.numpy())]
    for source in np.unique(sources):
        here = (sources == source) & is_text
        n_bytes = dev.byte_counts[targets_BT[here]].sum()
        sums[:, source] = nats_BT[here].sum(), n_bytes, here.sum()
    return sums


def bits(nats: float, n_bytes: float) -> float:
    """Bits per byte."""
    return float(nats) / math.log(2) / max(1, float(n_bytes))
