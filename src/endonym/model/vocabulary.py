"""A model with another vocabulary: the rows of its embedding and of its head.

Models know ids, not texts: which old ids a new id replaces is told (tokenizer/spelling.py).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import with_vocab
from endonym.model.weights import decoder_with

STEEPNESS = 2.0
"""Of the exponential weights, as in the source."""
ROWS_AT_ONCE = 128


def with_vocabulary(decoder: AnyDecoder, replaced: Sequence[Sequence[int]]) -> AnyDecoder:
    """The decoder for another vocabulary, whose id n replaces the old ids `replaced[n]`.

    An id that replaces one old id keeps its row; others begin from several rows (`rows`), each
    table on its own. An id that replaces none begins as the mean of all rows.
    """
    if isinstance(decoder, Decoder):
        shape = with_vocab(decoder.config, len(replaced))
        weights = dict(decoder.state_dict())
        for name in {"embedding.weight", "head.weight"} & weights.keys():
            weights[name] = rows(weights[name], replaced)
        return decoder_with(shape, weights, Path(shape.family))
    network = decoder.network
    inner = network.get_input_embeddings()
    outer = network.get_output_embeddings()
    tables = [rows(each.weight.detach(), replaced) for each in (inner, outer)]
    network.resize_token_embeddings(len(replaced), mean_resizing=False)
    with torch.no_grad():
        network.get_input_embeddings().weight.copy_(tables[0])
        network.get_output_embeddings().weight.copy_(tables[1])
    decoder.config = with_vocab(decoder.config, len(replaced))
    return decoder


def rows(old_VD: Tensor, replaced: Sequence[Sequence[int]]) -> Tensor:
    """A table for new ids: weighted means of the rows of the ids that each one replaces.

    The n-th of them weighs exp(-2 n), so that the first one counts most. Source: arXiv:2503.19693,
    section 3.3, which says so of heads; of embeddings it says the opposite, which was a
    little behind here, as plain means were (docs/log.md).
    """
    new_VD = old_VD.new_empty(len(replaced), old_VD.shape[1])
    # In parts, as the whole table in fp64 takes twice its memory.
    mean_D = old_VD.new_zeros(old_VD.shape[1], dtype=torch.float64)
    for part_VD in old_VD.split(ROWS_AT_ONCE):
        mean_D += part_VD.double().sum(0) / len(old_VD)
    for first in range(0, len(replaced), ROWS_AT_ONCE):
        part = replaced[first : first + ROWS_AT_ONCE]
        lists = [torch.tensor(each, dtype=torch.int64) for each in part]
        ids = pad_sequence(lists, batch_first=True)
        lengths = torch.tensor([*map(len, part)])[:, None]
        places = torch.arange(ids.shape[1])
        scores = torch.where(places < lengths, -STEEPNESS * places.double(), -torch.inf)
        shares = scores.softmax(1).nan_to_num(0.0)
        found_VD = torch.einsum("vp,vpd->vd", shares, old_VD[ids].double())
        found_VD[lengths[:, 0] == 0] = mean_D
        new_VD[first : first + len(part)] = found_VD.to(old_VD.dtype)
    return new_VD
