"""What a model finds in documents, each alone: the loss of every token and what was likeliest
there, or features of the whole.

The loss is in nats. A document follows the tokens that start one, which are not predicted
(`Tokenizer.document_start`). Without any, its first token is not predicted either and costs
nothing, as in `transformers`. Documents longer than the context are read in windows with a stride
of half a context, so that every token is predicted once, with at least half a context before it
except at the start. A model whose layers all have a state of constant size keeps it from one window
to the next: each token is predicted from all that is before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endonym.model.cache import TailAndState
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import Readout, judged_targets
from endonym.model.span import Span
from endonym.tokenizer.words import in_batches

LONGEST_WINDOW = 2048
"""Tokens of a window, at most, unless another number is given."""
GROUP_TOKENS = 1 << 18
ROWS_TOKENS = 8192
PREFILL_TOKENS = 512
"""Tokens of a prompt that are computed at once, so that memory stays bounded."""

Ids = NDArray[np.int64]
Nats = NDArray[np.float64]
Features = NDArray[np.float32]


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
) -> Iterator[Nats]:
    """Nats of each token of each document, in order. Documents are read in groups.

    start: the ids before each document. Without any the nats of its first token are 0. window:
    tokens that the model reads at once, at most; never more than its context.
    """
    return (each.nats for each in read_tokens(decoder, documents, start, window))


def read_tokens(
    decoder: AnyDecoder,
    documents: Iterable[Ids],
    start: Sequence[int],
    window: int = LONGEST_WINDOW,
) -> Iterator[TokenNats]:
    """The same, with the likeliest token in each place."""
    for group in in_batches(documents, lambda ids: len(ids) + len(start), GROUP_TOKENS):
        yield from _read_group(decoder, group, start, window)


def window_tokens(decoder: AnyDecoder, start: Sequence[int], window: int = LONGEST_WINDOW) -> int:
    """The tokens of a window: at least those that start a document, and one to predict."""
    return max(2, len(start) + 1, min(decoder.config.context, window))


@torch.inference_mode()
def _read_group(
    decoder: AnyDecoder, documents: list[Ids], start: Sequence[int], window: int
) -> list[TokenNats]:
    """A group of documents. Windows of similar length share a batch, padded on the right.

    No token sees the padding, since attention is causal, and the padding's nats are dropped.
    """
    context = window_tokens(decoder, start, window)
    readout = decoder.readout
    given = max(1, len(start))
    before = np.array(start, dtype=np.int64)
    rows = [np.concatenate((before, ids)) for ids in documents]
    results = [np.zeros((3, len(ids))) for ids in documents]
    is_carried = carries_state(decoder)
    carried = [n for n, row in enumerate(rows) if is_carried and len(row) > context]
    _read_carried(decoder, {n: rows[n] for n in carried}, results, context, len(start))
    others = sorted({*range(len(rows))} - {*carried})
    todo = [part for n in others for part in windows(n, len(rows[n]), context, given=given)]
    todo.sort(key=lambda part: part.end - part.begin)
    while todo:
        longest = todo[-1].end - todo[-1].begin
        batch = [todo.pop() for _ in range(min(len(todo), max(1, ROWS_TOKENS // longest)))]
        padded = np.zeros((len(batch), longest), dtype=np.int64)
        for index, part in enumerate(batch):
            read = rows[part.document][part.begin : part.end]
            padded[index, : len(read)] = read
        tokens_BT = torch.from_numpy(padded).to(readout.weight_VD.device)
        judged = _judged(readout, decoder(tokens_BT[:, :-1])[0], tokens_BT[:, 1:])
        # What is said at t is of the token at t + 1; results begin with the document.
        for index, (number, begin, done, end) in enumerate(batch):
            here = judged[:, index, done - begin - 1 : end - begin - 1]
            results[number][:, done - len(start) : end - len(start)] = here
    return [TokenNats(nats, likeliest, is_it > 0) for nats, likeliest, is_it in results]


def _judged(readout: Readout, hidden_BTD: Tensor, targets_BT: Tensor) -> NDArray[np.float64]:
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


def _read_carried(
    decoder: AnyDecoder,
    rows: dict[int, Ids],
    results: list[NDArray[np.float64]],
    piece: int,
    n_start: int,
) -> None:
    """Documents by a model that carries its state over, `piece` tokens at once.

    rows: each by its number in `results`, where what was found is written. n_start: how many of the
    first tokens of each start the document, and are not part of its result. Rows of similar length
    share a batch, padded on the right, which no token sees.
    """
    todo = sorted(rows, key=lambda number: len(rows[number]))
    while todo:
        batch = [todo.pop() for _ in range(min(len(todo), max(1, ROWS_TOKENS // piece)))]
        padded = np.zeros((len(batch), len(rows[batch[0]])), dtype=np.int64)
        for index, number in enumerate(batch):
            padded[index, : len(rows[number])] = rows[number]
        tokens_BT = torch.from_numpy(padded).to(decoder.readout.weight_VD.device)
        length = tokens_BT.shape[1] - 1
        cache = decoder.empty_cache(len(batch), length)
        for begin in range(0, length, piece):
            end = min(begin + piece, length)
            read_BT = tokens_BT[:, begin:end]
            hidden_BTD, _ = decoder(read_BT, Span.after(begin, read_BT), cache)
            judged = _judged(decoder.readout, hidden_BTD, tokens_BT[:, begin + 1 : end + 1])
            for index, number in enumerate(batch):
                here = judged[:, index, : max(0, len(rows[number]) - 1 - begin)]
                first = begin + 1 - n_start  # the place in the document of the first target
                here = here[:, max(0, -first) :]
                first = max(0, first)
                results[number][:, first : first + here.shape[1]] = here


def mean_states(decoder: AnyDecoder, rows: Sequence[Sequence[int]], before: int = 1) -> Tensor:
    """The mean of the last hidden states, after the final norm, over the tokens of texts, (B, D).

    rows: the ids of each text. The first `before` of them start it and are not part of the mean. A
    text without a token has NaN. Rows are padded on the right, which no token sees.
    """
    sizes = [len(row) for row in rows]
    device = decoder.readout.weight_VD.device
    padded = [[*row, *[0] * (max(sizes) - len(row))] for row in rows]
    tokens_BT, sizes_B1 = (torch.tensor(each, device=device) for each in (padded, sizes))
    sizes_B1 = sizes_B1[:, None]
    places_T = torch.arange(tokens_BT.shape[1], device=device)
    is_own_BT = (places_T >= before) & (places_T < sizes_B1)
    hidden_BTD = decoder(tokens_BT)[0].float()
    return (hidden_BTD * is_own_BT[..., None]).sum(1) / (sizes_B1 - before)


@torch.inference_mode()
def read_features(decoder: AnyDecoder, rows: Sequence[Sequence[int]], before: int = 1) -> Features:
    """`mean_states` of texts, each scaled to length 1, (texts, D). None is longer than the context.

    Rows of similar length share a batch.
    """
    found = np.empty((len(rows), decoder.config.dim), dtype=np.float32)
    todo = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    while todo:
        longest = len(rows[todo[-1]])
        batch = [todo.pop() for _ in range(min(len(todo), max(1, ROWS_TOKENS // longest)))]
        states_BD = mean_states(decoder, [rows[number] for number in batch], before)
        found[batch] = torch.nn.functional.normalize(states_BD, dim=1).cpu().numpy()
    return found
