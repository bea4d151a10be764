"""Log-probabilities of examples under the weights that a phase starts with.

They are computed once, before the first step, and kept beside the checkpoints, piece by piece: a
killed training goes on with the pieces that are whole, and the numbers are the same.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from endonym.data.batches import Batch
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.order import Numbers
from endonym.disk import write_atomic
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.distributed import Group
from endonym.train.step import held_out_nats
from endonym.train.validate import ROWS_TOKENS

PIECE_TOKENS = 1 << 20
HASH_BYTES = 32


def reference(
    make_decoder: Callable[[], AnyDecoder],
    tokens: ExampleTokens,
    *,
    context: int,
    folder: Path,
    device: str,
    group: Group,
) -> Numbers:
    """The summed log-probability of the learnt tokens of each example, float32.

    make_decoder: makes the decoder with the weights that the phase starts with, in its number
    format; called only if something is missing. Every process of a group must call this.
    """
    order = ExampleOrder(tokens, context=context, seed=0)
    each = max(1, PIECE_TOKENS // context)
    decoder: AnyDecoder | None = None
    found = np.zeros(len(tokens), dtype=np.float32)
    for start in range(0, order.rows_per_epoch, each):
        rows = range(start, min(start + each, order.rows_per_epoch))
        examples = np.concatenate([order.examples(0, row) for row in rows])
        path = folder / f"reference-{tokens.split}-{start:08d}.f4"
        known = group.broadcast(_read(path, len(examples)) if group.is_first else None)
        if known is None:
            decoder = make_decoder().to(device) if decoder is None else decoder
            known = _computed(decoder, order, rows, device=device, group=group)[examples]
            if group.is_first:
                write_atomic(path, _piece(known))
        found[examples] = known
    return found


def _read(path: Path, count: int) -> Numbers | None:
    """A piece that is what was written, or None."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    known = np.frombuffer(data[HASH_BYTES:], dtype="<f4", count=-1 if len(data) % 4 == 0 else 0)
    return known if data == _piece(known) and known.shape == (count,) else None


def _piece(known: Numbers) -> bytes:
    """A piece as a file: SHA-256 of its numbers, and these as little-endian float32."""
    data = known.astype("<f4").tobytes()
    return hashlib.sha256(data).digest() + data


def _computed(
    decoder: AnyDecoder, order: ExampleOrder, rows: range, *, device: str, group: Group
) -> Numbers:
    """Log-probabilities of the examples in some rows, 0 for others; summed over the processes."""
    sums = torch.zeros(len(order.tokens), dtype=torch.float64)
    share, together = group.share(len(rows)), max(1, ROWS_TOKENS // order.context)
    for start in range(share.start, share.stop, together):
        part = rows[start : min(start + together, share.stop)]
        batch = Batch.of(order.rows(part.start, len(part)))
        assert batch.weights_BT is not None, "examples say what is learnt"
        nats_BT = held_out_nats(decoder, batch.to(device)).cpu().double()
        learnt = batch.weights_BT > 0
        sums.index_add_(0, batch.documents_BT[learnt], -nats_BT[learnt])
    return group.total(sums).numpy().astype(np.float32)
