"""What a model finds in documents, each alone: the loss of every token and what was likeliest
there, or features of the whole.

The loss is in nats. A document follows the tokens that start one, which are not predicted
(`Tokenizer.document_start`). Without any, its first token is not predicted either and costs
nothing, as in `transformers`. Documents longer than the context are read in windows with a stride
of half a context, so that every token is predicted once, with at least half a context before it
except at the start. Where a tokenizer puts tokens before each text, each window begins with them: a
model that has never read a text without them, such as Gemma, would predict next to nothing
(lm-evaluation-harness#2382). A model whose layers all have a state of constant size keeps it from
one window to the next: each token is predicted from all that is before it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from endonym.batching import in_batches
from endonym.model.cache import TailAndState
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import Readout, judged_targets
from endonym.model.span import Span

LONGEST_WINDOW = 2048
"""Tokens of a window, at most, unless another number is given."""
GROUP_TOKENS = 1 << 18
ROWS_TOKENS = 8192
PREFILL_TOKENS = 512
"""Tokens of a prompt that are computed at once, so that memory stays bounded."""

Ids = NDArray[np.int64]
Nats = NDArray[np.float64]
Features = NDArray[np.float32]
T = TypeVar("T")


class Window(NamedTuple):
    """A window of a document: the model reads `row[begin:end]` and predicts `row[done:end]`.

    row: the tokens that start a document, then the document.
    """

    document: int
    begin: int
    done: int
    end: int


def windows(document: int, length: int, context: int, *, given: int = 1) -> Iterator[Window]:
    """Windows over a row, `length` tokens in all, of which the first `given` are not predicted."""
    done = given
    while done < length:
        end = length if length <= context else min(length, max(context, done + context // 2))
        yield Window(document, max(0, end - context), done, end)
        done = end


class TokenNats(NamedTuple):
    """Of each token of a document: its nats, the nats of the token that the model finds likeliest
    in its place, and whether that one is it; arrays of one length."""

    nats: Nats
    likeliest: Nats
    is_likeliest: NDArray[np.bool_]


def read_nats(
    decoder: AnyDecoder,
    documents: Iterable[Ids],
    start: Sequence[int],
    window: int = LONGEST_WINDOW,
    *,
    again: Sequence[int] = (),
) -> Iterator[Nats]:
    """Nats of each token of each document, in order. Documents are read in groups.

    start: the ids before each document. Without any the nats of its first token are 0. window:
    tokens that the model reads at once, at most; never more than its context. again: the ids before
    each later window of a document.
    """
    return (each.nats for each in read_tokens(decoder, documents, start, window, again=again))


def read_tokens(
    decoder: AnyDecoder,
    documents: Iterable[Ids],
    start: Sequence[int],
    window: int = LONGEST_WINDOW,
    *,
    again: Sequence[int] = (),
) -> Iterator[TokenNats]:
    """The same, with the likeliest token in each place."""
    for group in in_batches(documents, lambda ids: len(ids) + len(start), GROUP_TOKENS):
        yield from _read_group(decoder, group, start, window, again=again)


def window_tokens(decoder: AnyDecoder, start: Sequence[int], window: int = LONGEST_WINDOW) -> int:
    """The tokens of a window: at least those that start a document, and one to predict."""
    return max(2, len(start) + 1, min(decoder.config.context, window))


@torch.inference_mode()
def _read_group(
    decoder: AnyDecoder,
    documents: list[Ids],
    start: Sequence[int],
    window: int,
    *,
    again: Sequence[int],
) -> list[TokenNats]:
    """A group of documents, in windows or, of a model that carries its state over, in pieces."""
    context = window_tokens(decoder, start, window)
    given = max(1, len(start))
    before = np.array(start, dtype=np.int64)
    later = np.array(again, dtype=np.int64)
    rows = [np.concatenate((before, ids)) for ids in documents]
    results = [np.zeros((3, len(ids))) for ids in documents]
    is_carried = carries_state(decoder)
    carried = {n: row for n, row in enumerate(rows) if is_carried and len(row) > context}
    for batch, judged in _carried_windows(decoder, carried, context, given):
        _keep(results, batch, judged, len(start))
    parts: list[Window] = []
    for n, row in enumerate(rows):
        if n not in carried:
            # The ids that stand before later windows take their room.
            room = context if len(row) <= context else max(2, context - len(again))
            parts += windows(n, len(row), room, given=given)
    for batch in _longest_first(parts, lambda part: part.end - part.begin):
        read: list[Ids] = []
        for n, begin, _, end in batch:
            ids = rows[n][begin:end]
            read.append(np.append(later, ids) if begin else ids)
        tokens_BT = _padded(read, decoder.readout)
        judged = _judged(decoder.readout, decoder(tokens_BT[:, :-1])[0], tokens_BT[:, 1:])
        _keep(results, batch, judged, len(start), n_again=len(again))
    return [TokenNats(nats, likeliest, is_it > 0) for nats, likeliest, is_it in results]


def _keep(
    results: list[Nats], batch: Sequence[Window], judged: Nats, n_start: int, *, n_again: int = 0
) -> None:
    """Write what was found in windows into the results, which begin with each document.

    judged: (3, B, T). What is said at t is of the token at t + 1. n_again: ids before each window
    but the first of a document.
    """
    for index, (number, begin, done, end) in enumerate(batch):
        if done < end:
            first = begin - n_again if begin else 0
            here = judged[:, index, done - first - 1 : end - first - 1]
            results[number][:, done - n_start : end - n_start] = here


def _longest_first(items: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in batches of similar size, of about ROWS_TOKENS tokens each."""
    todo = sorted(items, key=size)
    while todo:
        count = max(1, ROWS_TOKENS // size(todo[-1]))
        yield [todo.pop() for _ in range(min(len(todo), count))]


def _padded(rows: Iterable[Sequence[int] | Ids], readout: Readout) -> Tensor:
    """Rows as one tensor, (B, T), padded on the right: attention is causal, so no token sees it."""
    tensors = [torch.tensor(row, dtype=torch.int64) for row in rows]
    return pad_sequence(tensors, batch_first=True).to(readout.weight_VD.device)


def _judged(readout: Readout, hidden_BTD: Tensor, targets_BT: Tensor) -> Nats:
    """What `judged_targets` says of each target, (3, B, T)."""
    judged_3N = judged_targets(hidden_BTD.flatten(0, 1), readout, targets_BT.flatten())
    # Apple GPUs have no float64.
    return judged_3N.view(3, *targets_BT.shape).cpu().double().numpy()


def carries_state(decoder: AnyDecoder) -> bool:
    """Whether all that a model remembers of the tokens before is a state of constant size, so that
    no length ends what it can read.
    """
    has_places = isinstance(decoder, Decoder) and decoder.positions is not None
    cache = decoder.empty_cache(1, 1)
    return not has_places and all(isinstance(layer, TailAndState) for layer in cache)


def _carried_windows(
    decoder: AnyDecoder, rows: dict[int, Ids], piece: int, given: int
) -> Iterator[tuple[list[Window], Nats]]:
    """What a model says that carries its state over, `piece` tokens at once.

    rows: each by its number. given: how many of the first tokens of each are not predicted.
    """
    by_length = sorted(rows, key=lambda number: len(rows[number]))
    for batch in _longest_first(by_length, lambda number: piece):
        tokens_BT = _padded((rows[number] for number in batch), decoder.readout)
        length = tokens_BT.shape[1] - 1
        cache = decoder.empty_cache(len(batch), length)
        for begin in range(0, length, piece):
            end = min(begin + piece, length)
            read_BT = tokens_BT[:, begin:end]
            hidden_BTD, _ = decoder(read_BT, Span.after(begin, read_BT), cache)
            done = max(begin + 1, given)
            parts = [Window(n, begin, done, min(end + 1, len(rows[n]))) for n in batch]
            yield parts, _judged(decoder.readout, hidden_BTD, tokens_BT[:, begin + 1 : end + 1])


def mean_states(decoder: AnyDecoder, rows: Sequence[Sequence[int]], before: int = 1) -> Tensor:
    """The mean of the last hidden states, after the final norm, over the tokens of texts, (B, D).

    rows: the ids of each text. The first `before` of them start it and are not part of the mean. A
    text without a token has NaN. Rows are padded on the right, which no token sees.
    """
    tokens_BT = _padded(rows, decoder.readout)
    sizes_B1 = torch.tensor([[len(row)] for row in rows], device=tokens_BT.device)
    places_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
    is_own_BT = (places_T >= before) & (places_T < sizes_B1)
    hidden_BTD = decoder(tokens_BT)[0].float()
    return (hidden_BTD * is_own_BT[..., None]).sum(1) / (sizes_B1 - before)


@torch.inference_mode()
def read_features(decoder: AnyDecoder, rows: Sequence[Sequence[int]], before: int = 1) -> Features:
    """`mean_states` of texts, each scaled to length 1, (texts, D). None is longer than the context.

    Rows of similar length share a batch.
    """
    found = np.empty((len(rows), decoder.config.dim), dtype=np.float32)
    for batch in _longest_first(range(len(rows)), lambda number: len(rows[number])):
        states_BD = mean_states(decoder, [rows[number] for number in batch], before)
        found[batch] = torch.nn.functional.normalize(states_BD, dim=1).cpu().numpy()
    return found
