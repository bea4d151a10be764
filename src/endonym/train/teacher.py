"""What a teacher expects of each target: computed beside the phase, or before it and kept.

A teacher is one or several models that read the same ids; of several, the mean of their
probabilities. Only its K most likely tokens are used, so that neither memory nor the file grows
with the vocabulary.

What is kept is one distribution for each place of the training text, from one pass over it in rows
like those of the phase. A phase that reads rows which are cut elsewhere gets what the teacher
expected with another beginning of the row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.data.example_tokens import GAP, ExampleOrder
from endonym.data.order import Order
from endonym.data.teacher_cache import TeacherCache
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import Taught
from endonym.model.kernels.sizes import CHUNK_LOGITS
from endonym.model.span import Span
from endonym.train.memory_budget import READ_TOKENS
from endonym.workers import Advance

Teach = Callable[[Batch, Tensor | None], Taught]
"""What a teacher expects of a batch's targets: of all in flat order, or of those at indices."""


@dataclass(slots=True)
class LiveTeacher:
    """Models that read each batch as well. vocab, top_k: as in `likely`. share: as in `Taught`."""

    decoders: Sequence[AnyDecoder]
    vocab: int
    top_k: int
    share: float

    def __call__(self, batch: Batch, learnt_N: Tensor | None) -> Taught:
        found = likely(self.decoders, batch, learnt_N, vocab=self.vocab, top_k=self.top_k)
        return Taught(*found, self.share)


@dataclass(slots=True)
class CachedTeacher:
    """What was kept by `keep_likely`. share: as in `Taught`."""

    cache: TeacherCache
    share: float

    def __call__(self, batch: Batch, learnt_N: Tensor | None) -> Taught:
        assert batch.places_BT is not None, "orders say where targets are stored"
        places_N = batch.places_BT.flatten()
        if learnt_N is not None:
            places_N = places_N[learnt_N]
        rows = self.cache.rows(places_N.cpu().numpy())
        target = places_N.device
        ids_NK = torch.from_numpy(self.cache.ids[rows].astype(np.int64))
        chances_NK = torch.from_numpy(self.cache.chances[rows].astype(np.float32))
        return Taught(ids_NK.to(target), chances_NK.to(target), self.share)


@torch.no_grad()
def likely(
    decoders: Sequence[AnyDecoder],
    batch: Batch,
    learnt_N: Tensor | None,
    *,
    vocab: int,
    top_k: int,
) -> tuple[Tensor, Tensor]:
    """The most likely tokens at each position of a batch, and their probabilities, (N, K).

    learnt_N: at which positions of the flat batch; None is all. vocab: of the model that learns; a
    teacher may have more rows, which no token has.
    """
    span = Span.packed(batch.documents_BT)
    hidden = list[Tensor]()
    for decoder in decoders:
        hidden_ND = decoder(batch.tokens_BT, span)[0].flatten(0, 1)
        hidden.append(hidden_ND if learnt_N is None else hidden_ND[learnt_N])
    rows = max(128, CHUNK_LOGITS // vocab)
    ids = list[Tensor]()
    chances = list[Tensor]()
    for parts in zip(*(each.split(rows) for each in hidden), strict=True):
        # One sum: the probabilities of all teachers together would take the most memory here.
        sum_CV = _chances(decoders[0], parts[0], vocab)
        for decoder, part in zip(decoders[1:], parts[1:], strict=True):
            sum_CV += _chances(decoder, part, vocab)
        top = sum_CV.div_(len(decoders)).topk(min(top_k, vocab))
        ids.append(top.indices)
        chances.append(top.values)
    return torch.cat(ids), torch.cat(chances)


def _chances(decoder: AnyDecoder, hidden_CD: Tensor, vocab: int) -> Tensor:
    """The probabilities of all tokens, (C, V)."""
    return torch.softmax(decoder.readout.logits(hidden_CD)[:, :vocab].float(), dim=-1)


def keep_likely(
    cache: TeacherCache,
    decoders: Sequence[AnyDecoder],
    order: Order | ExampleOrder,
    *,
    vocab: int,
    device: str,
    advance: Advance,
) -> None:
    """Read one epoch of an order, and keep what the decoders expect of every target.

    vocab: as in `likely`. advance: called with the tokens read.
    """
    count = -(-order.positions_per_epoch // order.context)
    step = max(1, READ_TOKENS // order.context)
    for first in range(0, count, step):
        batch = Batch.of(order.rows(first, min(step, count - first)))
        assert batch.places_BT is not None, "orders say where targets are stored"
        read_N = (batch.documents_BT.flatten() != GAP).nonzero()[:, 0]
        rows = cache.rows(batch.places_BT.flatten()[read_N].numpy())
        top_k = cache.ids.shape[1]
        found = likely(decoders, batch.to(device), read_N.to(device), vocab=vocab, top_k=top_k)
        cache.ids[rows], cache.chances[rows] = (each.cpu().numpy() for each in found)
        advance(batch.tokens_BT.numel())
