"""What a layer remembers."""

import torch

from endonym.model.cache import KeysAndValues


def numbered(length: int, start: int) -> torch.Tensor:
    """Keys of two rows, one head, two channels, that say their place."""
    places = torch.arange(start, start + length, dtype=torch.float32)
    return places[None, None, :, None].expand(2, 1, length, 2).clone()


def test_what_was_added_comes_back_in_order() -> None:
    cache = KeysAndValues((2, 1, 9, 2), torch.zeros(1))
    cache.extend(0, numbered(4, 0), -numbered(4, 0))
    keys, values = cache.extend(4, numbered(2, 4), -numbered(2, 4))
    assert torch.equal(keys, numbered(6, 0))
    assert torch.equal(values, -numbered(6, 0))


def test_adding_at_an_earlier_place_overwrites_and_forgets_the_rest() -> None:
    cache = KeysAndValues((2, 1, 9, 2), torch.zeros(1))
    cache.extend(0, numbered(8, 0), numbered(8, 0))
    keys, values = cache.extend(3, numbered(1, 50), numbered(1, 60))
    assert keys[0, 0, :, 0].tolist() == [0, 1, 2, 50]
    assert values[1, 0, :, 1].tolist() == [0, 1, 2, 60]


def test_memory_is_taken_in_the_format_of_the_weights() -> None:
    wide = KeysAndValues((2, 3, 5, 4), torch.zeros(1))
    narrow = KeysAndValues((2, 3, 5, 4), torch.zeros(1, dtype=torch.bfloat16))
    assert wide.bytes() == 2 * (2 * 3 * 5 * 4) * 4
    assert narrow.bytes() * 2 == wide.bytes()
    assert narrow.values_BGMK.dtype == torch.bfloat16
