"""The rows of a new vocabulary: kept, or begun from those that they replace."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import VOCAB, write_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toys import lively_decoder

from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.count import parameters
from endonym.model.decoder import Decoder
from endonym.model.families import resolve
from endonym.model.foreign.decoder import ForeignDecoder
from endonym.model.foreign.weights import load_any, load_foreign, weights_of
from endonym.model.vocabulary import rows, with_vocabulary
from endonym.model.weights import save_tensors

TOKENS = torch.tensor([[3, 7, 5, 11, 2]])


FIRST = 1 / (1 + math.exp(-2))
"""The share of the first of two rows."""


def test_one_old_row_stays_bit_for_bit_and_the_first_of_two_counts_most() -> None:
    old_VD = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    found = rows(old_VD, [[4], [2, 6], [1, 1, 8]])
    assert torch.equal(found[0], old_VD[4])
    torch.testing.assert_close(found[1], FIRST * old_VD[2] + (1 - FIRST) * old_VD[6])
    weights = torch.exp(-2.0 * torch.arange(3))
    wanted = (weights[:, None] * old_VD[[1, 1, 8]]).sum(0) / weights.sum()
    torch.testing.assert_close(found[2], wanted)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor of fp64 that was computed."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for each in tree_leaves(found):
            if isinstance(each, torch.Tensor) and each.dtype == torch.float64:
                self.elements = max(self.elements, each.numel())
        return found


def test_a_large_table_is_never_copied_whole_in_double_precision() -> None:
    old_VD = torch.randn(5_000, 8)
    with Largest() as largest:
        rows(old_VD, [[n] for n in range(5_000)])
    assert 0 < largest.elements < old_VD.numel() / 10


@pytest.mark.parametrize("tied", [True, False])
def test_old_ids_are_read_as_before_and_new_ones_have_logits(tied: bool) -> None:
    keys = ModelKeys(dim=16, layers=2, mixer=MixerKeys(heads=2), tied=tied)
    decoder = lively_decoder(resolve(keys, vocab=40, context=16))
    before = decoder.logits(TOKENS)
    made = with_vocabulary(decoder, [*([n] for n in range(40)), [3, 4], [9]])
    assert isinstance(made, Decoder)
    assert made.config.vocab == 42
    assert sum(each.numel() for each in made.parameters()) == parameters(made.config).total
    after = made.logits(TOKENS)
    assert torch.equal(after[..., :40], before)
    assert torch.equal(after[..., 41], before[..., 9])
    assert (made.head is None) is tied


def test_each_table_of_an_untied_model_is_begun_on_its_own() -> None:
    keys = ModelKeys(dim=16, layers=1, mixer=MixerKeys(heads=2), tied=False)
    decoder = lively_decoder(resolve(keys, vocab=40, context=16))
    made = with_vocabulary(decoder, [[3, 4], [5]])
    assert isinstance(made, Decoder)
    embedding, head = decoder.embedding.weight, decoder.head.weight
    wanted = FIRST * embedding[3] + (1 - FIRST) * embedding[4]
    torch.testing.assert_close(made.embedding.weight[0], wanted)
    torch.testing.assert_close(made.head.weight[0], FIRST * head[3] + (1 - FIRST) * head[4])


@pytest.mark.parametrize("kind", ["gemma3", "qwen2"])
def test_a_foreign_model_changes_its_tables_and_its_own_config(kind: str, tmp_path: Path) -> None:
    write_model(kind, tmp_path)
    decoder = load_foreign(tmp_path).eval()
    before = decoder.logits(TOKENS)
    made = with_vocabulary(decoder, [*([n] for n in range(VOCAB)), [3, 4], [9], [2, 2]])
    assert isinstance(made, ForeignDecoder)
    assert made.config.transformers["vocab_size"] == made.config.vocab == VOCAB + 3
    assert made.config.parameters == sum(each.numel() for each in made.parameters())
    after = made.logits(TOKENS)
    torch.testing.assert_close(after[..., :VOCAB], before)
    torch.testing.assert_close(after[..., VOCAB + 1], before[..., 9])
    save_tensors(weights_of(made), tmp_path / "weights.safetensors")
    again = load_any(made.config, tmp_path / "weights.safetensors").eval()
    assert torch.equal(again.logits(TOKENS), after)


@pytest.mark.parametrize("count", [9, 128, 200])
def test_an_id_that_replaces_none_begins_as_the_mean_of_all_rows(count: int) -> None:
    old_VD = torch.randn(count, 4, generator=torch.Generator().manual_seed(1))
    found = rows(old_VD, [[3], [], [2, 5]])
    torch.testing.assert_close(found[1], old_VD.double().mean(0).float())
    assert rows(old_VD, [[]] * 300).shape == (300, 4)
    assert rows(old_VD, []).shape == (0, 4)
