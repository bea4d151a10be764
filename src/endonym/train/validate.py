"""Looks at dev text while training: the same packed rows each time, scored by source."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from endonym.data.batches import Batch
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.model.foreign import AnyDecoder
from endonym.train.distributed import ALONE, Group
from endonym.train.step import held_out_nats

LOOK_SEED = 0
ROWS_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Look:
    """Held-out loss: mean nats a token, bits a byte, and bits a byte of each source.

    An estimate: rows may cut a document, so the final score (`evaluate.bits`) is a little lower.
    """

    nats: float
    bits_per_byte: float
    sources: dict[str, float]
    n_tokens: int


def look(
    decoder: AnyDecoder,
    dev: TokenShards,
    tokens: int,
    device: str,
    group: Group = ALONE,
    *,
    join: Collection[str] = (),
) -> Look:
    """Score at most so many positions of dev text, drawn from all documents.

    End-of-text is read but not scored, as in the final judgement. Documents of joined sources are
    read in stretches, as in training. Each line end counts as text, also the one that follows a
    document read alone, which the final judgement does not have.
    Of a group, each process scores its share of the rows, and all see the same sums.
    """
    context = decoder.config.context
    order = Order(dev, context=context, seed=LOOK_SEED, join=join)
    rows = max(1, min(tokens, order.positions_per_epoch) // context)
    nats: dict[int, float] = defaultdict(float)
    sizes: dict[int, float] = defaultdict(float)
    counts: dict[int, float] = defaultdict(float)
    for mine in _turns(rows, max(1, ROWS_TOKENS // context), group):
        found = order.rows(mine.start, len(mine) or 1)
        scored = held_out_nats(decoder, Batch.of(found).to(device)).cpu().double().numpy()
        is_text = (found.targets_BT != dev.end_id) & (len(mine) > 0)
        sources = dev.index["source"][order.originals(found.documents_BT)]
        for source in np.unique(sources):
            here = (sources == source) & is_text
            nats[int(source)] += float(scored[here].sum())
            counts[int(source)] += int(here.sum())
            sizes[int(source)] += int(dev.byte_counts[found.targets_BT[here]].sum())
    if group.size > 1:
        nats, sizes, counts = _summed(group, len(dev.sources), nats, sizes, counts)
    n_tokens = int(sum(counts.values()))
    total = sum(nats.values())
    return Look(
        nats=total / max(1, n_tokens),
        bits_per_byte=bits(total, sum(sizes.values())),
        sources={dev.sources[key]: bits(nats[key], sizes[key]) for key in sorted(nats)},
        n_tokens=n_tokens,
    )


def _turns(rows: int, together: int, group: Group) -> Iterator[range]:
    """This process's rows, so many at a time; empty at the end where others have one turn more.

    Weights in shards are gathered in every turn, so that each process must take equally many.
    """
    mine = group.share(rows)
    largest = -(-rows // group.size)
    for start in range(0, largest, together):
        yield mine[start : start + together]


def _summed(group: Group, sources: int, *counted: dict[int, float]) -> list[dict[int, float]]:
    """What each process counted of the sources, summed; float64 keeps whole numbers whole."""
    table = [[each.get(key, 0.0) for key in range(sources)] for each in counted]
    sums = group.total(torch.tensor(table, dtype=torch.float64)).tolist()
    seen = {key for key in range(sources) if any(row[key] for row in sums)}
    return [{key: row[key] for key in sorted(seen)} for row in sums]


def bits(nats: float, n_bytes: float) -> float:
    """Bits a byte."""
    return nats / math.log(2) / max(1, n_bytes)
