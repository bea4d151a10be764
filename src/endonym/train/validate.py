"""Looks at held-out text while training: the same packed rows each time, scored by source."""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from endonym.data.batches import Batch
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.model.foreign import AnyDecoder
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


def look(decoder: AnyDecoder, val: TokenShards, tokens: int, device: str) -> Look:
    """Score at most so many held-out positions, drawn from all documents.

    Text alone is scored, as in the final judgement: end-of-text is read but not predicted.
    """
    context = decoder.config.context
    order = Order(val, context=context, seed=LOOK_SEED)
    rows = max(1, min(tokens, order.positions_per_epoch) // context)
    nats: dict[int, float] = defaultdict(float)
    sizes: dict[int, int] = defaultdict(int)
    together, n_tokens = max(1, ROWS_TOKENS // context), 0
    for first in range(0, rows, together):
        found = order.rows(first, min(together, rows - first))
        scored = held_out_nats(decoder, Batch.of(found, device)).double().cpu().numpy()
        is_text = found.targets_BT != val.end_id
        n_tokens += int(is_text.sum())
        sources = val.index["source"][order.originals(found.documents_BT)]
        for source in np.unique(sources):
            here = (sources == source) & is_text
            nats[int(source)] += float(scored[here].sum())
            sizes[int(source)] += int(val.byte_counts[found.targets_BT[here]].sum())
    total = sum(nats.values())
    return Look(
        nats=total / max(1, n_tokens),
        bits_per_byte=bits(total, sum(sizes.values())),
        sources={val.sources[key]: bits(nats[key], sizes[key]) for key in sorted(nats)},
        n_tokens=n_tokens,
    )


def bits(nats: float, n_bytes: int) -> float:
    """Bits a byte."""
    return nats / math.log(2) / max(1, n_bytes)
