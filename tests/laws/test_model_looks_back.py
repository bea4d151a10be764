"""Laws 1, 2 and 3: what a token may depend on, in one pass, from memory, and in a packed row."""

import torch
from laws.shapes import some_tokens
from torch import Tensor
from torch.nn import functional as F

from endonym.model.cache import Cache, KeysAndValues, Ring
from endonym.model.decoder import Decoder
from endonym.model.span import Span

NEAR = {"rtol": 0.0, "atol": 1e-9}
LENGTH = 20


@torch.no_grad()
def answers(decoder: Decoder, tokens_BT: Tensor, span: Span | None = None) -> Tensor:
    """Logits without a memory."""
    return decoder.logits(tokens_BT, span)


@torch.no_grad()
def remembered(decoder: Decoder, tokens_BT: Tensor, parts: list[int], cache: Cache) -> Tensor:
    """Logits when the tokens are given in parts of these lengths."""
    found, past = [], 0
    for piece_BT in tokens_BT.split(parts, dim=1):
        found.append(decoder.logits(piece_BT, Span.after(past, piece_BT), cache))
        past += piece_BT.shape[1]
    return torch.cat(found, dim=1)


def reach(decoder: Decoder) -> int:
    """How many tokens, itself included, can show what a token was: a window more each layer."""
    found = 1
    for layer in range(decoder.config.layers):
        mixer = decoder.config.blocks[layer][0]
        found += (getattr(mixer, "window", None) or LENGTH) - 1
    return found


def assert_same(decoder: Decoder, found: Tensor, wanted: Tensor) -> None:
    """Bit for bit; but experts sum other tokens beside one, in another order."""
    if any(ffn.kind == "experts" for ffn in decoder.config.ffns):
        torch.testing.assert_close(found, wanted, **NEAR)
    else:
        assert torch.equal(found, wanted)


def test_a_token_never_sees_what_comes_after_it(decoder: Decoder) -> None:
    tokens_BT = some_tokens(2, LENGTH)
    before = answers(decoder, tokens_BT)
    for index in (0, 11, LENGTH - 1):
        changed_BT = tokens_BT.clone()
        changed_BT[:, index] = (changed_BT[:, index] + 1) % 61
        after = answers(decoder, changed_BT)
        assert_same(decoder, before[:, :index], after[:, :index])
        moved_BT = (before - after).abs().amax(-1)
        end = index + reach(decoder)
        assert (moved_BT[:, index:end] > 1e-6).all(), index
        assert (moved_BT[:, end:] < 1e-9).all(), index


def test_a_token_of_a_packed_row_never_sees_what_comes_after_it(decoder: Decoder) -> None:
    tokens_BT = some_tokens(1, LENGTH)
    changed_BT = tokens_BT.clone()
    changed_BT[:, 11] = (changed_BT[:, 11] + 1) % 61
    span = Span.packed(torch.tensor([[1] * 7 + [2] * 9 + [3] * 4]))
    moved_T = (answers(decoder, tokens_BT, span) - answers(decoder, changed_BT, span))[0]
    moved_T = moved_T.abs().amax(-1)
    end = min(16, 11 + reach(decoder))
    assert (moved_T[:11] < 1e-9).all()
    assert (moved_T[11:end] > 1e-6).all()
    assert (moved_T[end:] < 1e-9).all()


PARTS = {
    "one by one": [1] * LENGTH,
    "a prompt, then one by one": [13] + [1] * 7,
    "a prompt in chunks": [7, 5, 1, 4, 3],
    "all at once": [LENGTH],
}


def test_generation_from_memory_equals_one_full_pass(decoder: Decoder) -> None:
    tokens_BT = some_tokens(3, LENGTH)
    wanted = answers(decoder, tokens_BT)
    for name, parts in PARTS.items():
        found = remembered(decoder, tokens_BT, parts, decoder.empty_cache(3, LENGTH))
        torch.testing.assert_close(found, wanted, **NEAR, msg=lambda said, name=name: name + said)


def test_memory_not_yet_written_is_never_read(decoder: Decoder) -> None:
    tokens_BT = some_tokens(2, LENGTH)
    cache = decoder.empty_cache(2, LENGTH + 9)
    for layer in cache:
        if isinstance(layer, KeysAndValues | Ring):
            layer.keys_BGMK.fill_(torch.nan)
            layer.values_BGMK.fill_(torch.nan)
    found = remembered(decoder, tokens_BT, [6, 1, 13], cache)
    torch.testing.assert_close(found, answers(decoder, tokens_BT), **NEAR)


def test_a_cache_begins_anew_at_index_zero(decoder: Decoder) -> None:
    first_BT, second_BT = some_tokens(2, LENGTH), some_tokens(2, LENGTH, seed=5)
    cache = decoder.empty_cache(2, LENGTH)
    remembered(decoder, first_BT, [LENGTH], cache)
    found = remembered(decoder, second_BT, [9, 1, 10], cache)
    torch.testing.assert_close(found, answers(decoder, second_BT), **NEAR)


def test_padding_on_the_left_is_never_seen(decoder: Decoder) -> None:
    lengths = [LENGTH, 3, 11]
    rows = [some_tokens(1, length, seed=length) for length in lengths]
    starts_B = torch.tensor([LENGTH - length for length in lengths])
    padded_BT = torch.cat([F.pad(row, (LENGTH - row.shape[1], 0)) for row in rows])
    alone = [answers(decoder, row)[0] for row in rows]
    for parts in ([LENGTH], [7, 1, 1, 11]):
        cache, past, found = decoder.empty_cache(3, LENGTH + 2), 0, []
        for piece_BT in padded_BT.split(parts, dim=1):
            span = Span.after(past, piece_BT, starts_B)
            with torch.no_grad():
                found.append(decoder.logits(piece_BT, span, cache))
            past += piece_BT.shape[1]
        together = torch.cat(found, dim=1)
        for wanted, length, answer in zip(alone, lengths, together, strict=True):
            torch.testing.assert_close(answer[LENGTH - length :], wanted, **NEAR)


def test_a_cache_taken_back_to_an_earlier_index_forgets_the_rest(decoder: Decoder) -> None:
    """Where every key is kept: a ring or a state cannot go back, and is never asked to."""
    if not all(isinstance(layer, KeysAndValues) for layer in decoder.empty_cache(1, LENGTH)):
        return
    first_BT, second_BT = some_tokens(1, LENGTH), some_tokens(1, LENGTH, seed=5)
    second_BT[:, :8] = first_BT[:, :8]
    cache = decoder.empty_cache(1, LENGTH)
    remembered(decoder, first_BT, [LENGTH], cache)
    rest_BT = second_BT[:, 8:]
    with torch.no_grad():
        found = decoder.logits(rest_BT, Span.after(8, rest_BT), cache)
    torch.testing.assert_close(found, answers(decoder, second_BT)[:, 8:], **NEAR)


LAYOUTS = ([[5, 1, 8, 6], [1, 1, 17, 1]], [[10, 10], [20]])
"""The documents of two rows: several; halves, and a whole one."""


def test_a_packed_row_gives_each_document_the_logits_it_has_alone(decoder: Decoder) -> None:
    for layout in LAYOUTS:
        tokens_BT = some_tokens(len(layout), LENGTH)
        numbers = [[n for n, size in enumerate(row) for _ in range(size)] for row in layout]
        together = answers(decoder, tokens_BT, Span.packed(torch.tensor(numbers)))
        for row, sizes in enumerate(layout):
            documents = tokens_BT[row].split(sizes)
            alone = [answers(decoder, document[None])[0] for document in documents]
            torch.testing.assert_close(together[row], torch.cat(alone), **NEAR)


def test_a_number_used_again_later_in_a_row_is_another_document(decoder: Decoder) -> None:
    tokens_BT = some_tokens(1, LENGTH)
    again = answers(decoder, tokens_BT, Span.packed(torch.tensor([[4] * 6 + [9] * 5 + [4] * 9])))
    torch.testing.assert_close(again[:, 11:], answers(decoder, tokens_BT[:, 11:]), **NEAR)


def test_without_a_span_the_documents_of_a_row_would_leak(decoder: Decoder) -> None:
    tokens_BT = some_tokens(1, LENGTH)
    if reach(decoder) == 1:
        return
    gap = answers(decoder, tokens_BT)[:, 10:] - answers(decoder, tokens_BT[:, 10:])
    assert (gap.abs().amax(-1)[:, : reach(decoder) - 1] > 1e-5).all()
