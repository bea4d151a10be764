"""What a model finds in documents, each alone: the loss of every token and what was likeliest
there, or features of the whole.

The loss is in nats. A document follows an end-of-text token, which is not predicted. Documents
longer than the context are read in windows with a stride of half a context, so that every token is
predicted once, with at least half a context before it except at the start.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import judged_targets
from endonym.tokenizer.words import in_batches

LONGEST_WINDOW = 2048
GROUP_TOKENS = 1 << 18
ROWS_TOKENS = 8192
PREFILL_TOKENS = 512
"""Tokens of a prompt that are computed at once, so that memory stays bounded."""

Ids = NDArray[np.int64]
Nats = NDArray[np.float64]
Features = NDArray[np.float32]


class Window(NamedTuple):
    """A window of a document: the model reads `row[begin:end]` and predicts `row[done:end]`.

    row: the end-of-text token, then the document.
    """

    document: int
    begin: int
    done: int
    end: int


def windows(document: int, length: int, context: int) -> Iterator[Window]:
    """Windows over a row of end-of-text and a document, `length` tokens together."""
    done = 1
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


def read_nats(decoder: AnyDecoder, documents: Iterable[Ids], end_id: int) -> Iterator[Nats]:
    """Nats of each token of each document, in order. Documents are read in groups."""
    return (each.nats for each in read_tokens(decoder, documents, end_id))


def read_tokens(decoder: AnyDecoder, documents: Iterable[Ids], end_id: int) -> Iterator[TokenNats]:
    """The same, with the likeliest token in each place."""
    for group in in_batches(documents, lambda ids: len(ids) + 1, GROUP_TOKENS):
        yield from _read_group(decoder, group, end_id)


@torch.inference_mode()
def _read_group(decoder: AnyDecoder, documents: list[Ids], end_id: int) -> list[TokenNats]:
    """A group of documents. Windows of similar length share a batch, padded on the right.

    No token sees the padding, since attention is causal, and the padding's nats are dropped.
    """
    # At least one token to read and one to predict.
    context = max(2, min(decoder.config.context, LONGEST_WINDOW))
    readout = decoder.readout
    rows = [np.concatenate(([end_id], ids)) for ids in documents]
    results = [np.zeros((3, len(ids))) for ids in documents]
    todo = [each for n, row in enumerate(rows) for each in windows(n, len(row), context)]
    todo.sort(key=lambda window: window.end - window.begin)
    while todo:
        longest = todo[-1].end - todo[-1].begin
        batch = [todo.pop() for _ in range(min(len(todo), max(1, ROWS_TOKENS // longest)))]
        padded = np.full((len(batch), longest), end_id, dtype=np.int64)
        for index, window in enumerate(batch):
            read = rows[window.document][window.begin : window.end]
            padded[index, : len(read)] = read
        tokens_BT = torch.from_numpy(padded).to(readout.weight_VD.device)
        hidden_ND = decoder(tokens_BT[:, :-1])[0].flatten(0, 1)
        judged_3N = judged_targets(hidden_ND, readout, tokens_BT[:, 1:].flatten())
        del hidden_ND  # Not held during the next batch.
        # Apple GPUs have no float64.
        judged = judged_3N.view(3, len(batch), -1).cpu().double().numpy()
        # What is said at t is of the token at t + 1; results begin behind the end-of-text token.
        for index, (number, begin, done, end) in enumerate(batch):
            here = judged[:, index, done - begin - 1 : end - begin - 1]
            results[number][:, done - 1 : end - 1] = here
    return [TokenNats(nats, likeliest, is_it > 0) for nats, likeliest, is_it in results]


def mean_states(decoder: AnyDecoder, rows: Sequence[Sequence[int]]) -> Tensor:
    """The mean of the last hidden states, after the final norm, over the tokens of texts, (B, D).

    rows: the ids of each text behind the token that opens one, which is not part of the mean. A
    text without a token has NaN. Rows are padded on the right, which no token sees.
    """
    sizes, device = [len(row) for row in rows], decoder.readout.weight_VD.device
    padded = [[*row, *[row[0]] * (max(sizes) - len(row))] for row in rows]
    tokens_BT, sizes_B1 = (torch.tensor(each, device=device) for each in (padded, sizes))
    sizes_B1 = sizes_B1[:, None]
    places_T = torch.arange(tokens_BT.shape[1], device=device)
    is_own_BT = (places_T > 0) & (places_T < sizes_B1)
    hidden_BTD = decoder(tokens_BT)[0].float()
    return (hidden_BTD * is_own_BT[..., None]).sum(1) / (sizes_B1 - 1)


@torch.inference_mode()
def read_features(decoder: AnyDecoder, rows: Sequence[Sequence[int]]) -> Features:
    """`mean_states` of texts, each scaled to length 1, (texts, D). None is longer than the context.

    Rows of similar length share a batch.
    """
    found = np.empty((len(rows), decoder.config.dim), dtype=np.float32)
    todo = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    while todo:
        longest = len(rows[todo[-1]])
        batch = [todo.pop() for _ in range(min(len(todo), max(1, ROWS_TOKENS // longest)))]
        states_BD = mean_states(decoder, [rows[number] for number in batch])
        found[batch] = torch.nn.functional.normalize(states_BD, dim=1).cpu().numpy()
    return found
