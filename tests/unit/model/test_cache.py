"""What the cache of a layer keeps."""

import pytest
import torch
from torch import Tensor

from endonym.model.cache import KeysAndValues, Ring, TailAndState
from endonym.model.span import Span


def numbered(length: int, start: int) -> Tensor:
    """Keys of two rows, one head, two channels, that hold their index."""
    indices = torch.arange(start, start + length, dtype=torch.float32)
    return indices[None, None, :, None].expand(2, 1, length, 2).clone()


def added(
    cache: KeysAndValues | Ring, past: int, length: int, starts_B: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What a cache returns when the keys and values of some tokens are added."""
    tokens_BT = torch.zeros(2, length, dtype=torch.long)
    given = numbered(length, past)
    return cache.extend(Span.after(past, tokens_BT, starts_B), given, -given)


def seen(answer: tuple[Tensor, Tensor, Tensor | None], length: int = 1) -> list[list[float]]:
    """The indices that each of `length` tokens of the first row may attend to, in their order."""
    keys, values, mask = answer
    assert torch.equal(values, -keys)
    indices = keys[0, 0, :, 0]
    if mask is None:
        last = len(indices) - length + 1
        return [sorted(indices[: last + index].tolist()) for index in range(length)]
    return [sorted(indices[row_M].tolist()) for row_M in mask[0]]


def test_what_was_added_comes_back_in_order() -> None:
    cache = KeysAndValues((2, 1, 9, 2), torch.zeros(1))
    added(cache, 0, 4)
    keys, values, mask = added(cache, 4, 2)
    assert torch.equal(keys, numbered(6, 0))
    assert torch.equal(values, -numbered(6, 0))
    assert mask.tolist() == [[[True] * 5 + [False], [True] * 6]]


def test_a_first_piece_and_one_token_need_no_mask_but_behind_padding_do() -> None:
    cache = KeysAndValues((2, 1, 9, 2), torch.zeros(1))
    assert added(cache, 0, 4)[2] is None
    assert added(cache, 4, 1)[2] is None
    mask = added(cache, 5, 1, torch.tensor([2, 0]))[2]
    assert mask.tolist() == [[[False] * 2 + [True] * 4], [[True] * 6]]


@pytest.mark.parametrize("kind", [KeysAndValues, Ring])
def test_memory_is_taken_in_the_format_of_the_weights(kind: type[KeysAndValues | Ring]) -> None:
    wide = kind((2, 3, 5, 4), torch.zeros(1))
    narrow = kind((2, 3, 5, 4), torch.zeros(1, dtype=torch.bfloat16))
    assert wide.bytes() == 2 * (2 * 3 * 5 * 4) * 4
    assert narrow.bytes() * 2 == wide.bytes()
    assert narrow.values_BGMK.dtype == torch.bfloat16


def test_a_ring_shows_one_token_the_last_window() -> None:
    ring = Ring((2, 1, 3, 2), torch.zeros(1))
    found = [seen(added(ring, index, 1)) for index in range(6)]
    assert found == [[[0]], [[0, 1]], [[0, 1, 2]], [[1, 2, 3]], [[2, 3, 4]], [[3, 4, 5]]]


def test_a_ring_keeps_index_p_in_slot_p_modulo_the_window() -> None:
    ring = Ring((2, 1, 3, 2), torch.zeros(1))
    for index in range(5):
        added(ring, index, 1)
    assert ring.keys_BGMK[0, 0, :, 0].tolist() == [3, 4, 2]
    assert ring.values_BGMK[1, 0, :, 1].tolist() == [-3, -4, -2]


@pytest.mark.parametrize("parts", [[8], [2, 6], [1, 1, 4, 2], [7, 1]])
def test_a_ring_shows_every_token_of_a_piece_its_window(parts: list[int]) -> None:
    ring, found, past = Ring((2, 1, 3, 2), torch.zeros(1)), [], 0
    for length in parts:
        found += seen(added(ring, past, length), length)
        past += length
    assert found == [list(range(max(0, index - 2), index + 1)) for index in range(8)]
    assert sorted(ring.keys_BGMK[0, 0, :, 0].tolist()) == [5, 6, 7]


def test_a_state_begins_anew_at_index_zero_and_is_kept_between() -> None:
    tail, state = torch.ones(1, 3, 4), torch.ones(1, 4, 2)
    cache, tokens_BT = TailAndState(tail, state), torch.zeros(1, 2, dtype=torch.long)
    assert cache.at(Span.after(0, tokens_BT)) == (None, None)
    cache.keep(2 * tail, 3 * state)
    found = cache.at(Span.after(2, tokens_BT))
    assert found[0] is cache.tail_BWC
    assert found[1] is cache.state
    assert cache.tail_BWC.sum() == 24
    assert cache.bytes() == (12 + 8) * 4


def test_memory_for_keys_grows_only_when_it_is_full() -> None:
    cache = KeysAndValues((2, 1, 700, 2), torch.zeros(1))
    rooms = list[int]()
    for past, length in ((0, 250), (250, 6), (256, 1), (257, 255), (512, 1), (513, 187)):
        added(cache, past, length)
        rooms.append(cache.keys_BGMK.shape[2])
    assert rooms == [256, 256, 512, 512, 700, 700]
