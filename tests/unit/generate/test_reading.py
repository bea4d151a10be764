"""Reading: windows by hand, documents in their order, memory in bounds."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference.judge import LONGEST_CONTEXT
from reference.reading import STATES, document_nats, logits_of
from toys import END, lively_decoder, toy_config

from endonym.generate.reading import (
    Ids,
    Window,
    carries_state,
    mean_states,
    read_features,
    read_nats,
    read_tokens,
    windows,
)
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES, resolve


def test_a_document_that_fits_is_one_window() -> None:
    assert list(windows(7, 1, 8)) == []
    assert list(windows(7, 2, 8)) == [Window(7, 0, 1, 2)]
    assert list(windows(7, 8, 8)) == [Window(7, 0, 1, 8)]


def test_a_longer_one_moves_by_half_the_context() -> None:
    assert list(windows(0, 9, 8)) == [Window(0, 0, 1, 8), Window(0, 1, 8, 9)]
    expected = [(0, 0, 1, 8), (0, 4, 8, 12), (0, 8, 12, 16), (0, 9, 16, 17)]
    assert list(windows(0, 17, 8)) == [Window(*each) for each in expected]
    expected = [(0, 0, 1, 5), (0, 2, 5, 7), (0, 4, 7, 9), (0, 6, 9, 11), (0, 7, 11, 12)]
    assert list(windows(0, 12, 5)) == [Window(*each) for each in expected]


@given(length=st.integers(1, 400), context=st.integers(2, 50))
def test_every_token_is_predicted_once_with_half_a_context_before_it(length: int, context: int):
    predicted: list[int] = []
    for _, begin, done, end in windows(0, length, context):
        assert end - begin <= context
        assert begin == 0 or done - begin >= context - context // 2
        predicted += range(done, end)
    assert predicted == list(range(1, length))


def test_later_windows_begin_with_what_stands_before_every_text() -> None:
    """Against each window read alone, as a document of its own."""
    decoder = lively_decoder()
    context = decoder.config.context
    start = [END, 3]
    (ids,) = documents([2 * context + 5])
    (nats,) = read_nats(decoder, [ids], start, again=start)
    (without,) = read_nats(decoder, [ids], start)
    room = context - len(start)
    row_length = len(start) + len(ids)
    parts = list(windows(0, row_length, room, given=len(start)))
    assert len(parts) > 2
    for _, begin, done, end in parts:
        own = ids[max(0, begin - len(start)) : end - len(start)]
        (alone,) = read_nats(decoder, [own], start)
        np.testing.assert_allclose(
            nats[done - len(start) : end - len(start)], alone[done - end :], rtol=1e-5
        )
    assert not np.allclose(nats[-5:], without[-5:])


def documents(lengths: list[int]) -> list[Ids]:
    random = np.random.default_rng(5)
    return [random.integers(1, 40, length) for length in lengths]


def test_documents_come_back_in_their_order_even_empty_ones() -> None:
    lengths = [3, 0, 40, 1, 16, 0, 7]
    found = list(read_nats(lively_decoder(), documents(lengths), [END]))
    assert [len(nats) for nats in found] == lengths
    assert all((nats > 0).all() for nats in found)
    assert list(read_nats(lively_decoder(), [], [END])) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_neighbour_in_the_batch_changes_nothing(family: str) -> None:
    decoder = lively_decoder(toy_config(family))
    lengths = [30, 5, 16, 15, 2]
    together = list(read_nats(decoder, documents(lengths), [END]))
    for ids, nats in zip(documents(lengths), together, strict=True):
        (alone,) = read_nats(decoder, [ids], [END])
        np.testing.assert_allclose(nats, alone, rtol=1e-4, atol=1e-5)


def test_a_decoder_with_a_context_of_one_token_reads_documents_to_their_end() -> None:
    decoder = lively_decoder(toy_config("qwen3", context=1))
    assert [len(nats) for nats in read_nats(decoder, documents([3, 0, 5]), [END])] == [3, 0, 5]


def test_documents_are_read_as_they_come_in_bounded_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endonym.generate.reading.GROUP_TOKENS", 20)
    asked: list[int] = []

    def coming() -> Iterator[Ids]:
        for number, ids in enumerate(documents([9] * 10)):
            asked.append(number)
            yield ids

    found = read_nats(lively_decoder(), coming(), [END])
    next(found)
    assert asked == [0, 1]
    assert len(list(found)) == 9


def test_a_window_is_never_longer_than_the_judge_allows() -> None:
    ids = documents([30])
    (short,) = read_nats(lively_decoder(toy_config(context=64)), ids, [END], window=8)
    (same,) = read_nats(lively_decoder(toy_config(context=8)), ids, [END])
    np.testing.assert_allclose(short, same, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_carried_over_from_window_to_window(family: str) -> None:
    """So the score of a long document in windows of any length is that of one full pass; other
    families are read again from half a window before.
    """
    decoder = lively_decoder(toy_config(family, context=16)).double()
    assert carries_state(decoder) == (family in STATES)
    if family not in STATES:
        return
    ids = documents([90, 3, 41, 16, 75])
    logits = [logits_of(decoder, torch.tensor([END, *each]))[:-1].detach() for each in ids]
    for window in (2, 5, 16, 200):
        for found, each, logits_TV in zip(
            read_tokens(decoder, ids, [END], window), ids, logits, strict=True
        ):
            nats_TV = -logits_TV.log_softmax(-1)
            whole = nats_TV[torch.arange(len(each)), torch.from_numpy(each)].numpy()
            np.testing.assert_allclose(found.nats, whole, rtol=1e-6)
            np.testing.assert_allclose(found.likeliest, nats_TV.amin(-1).numpy(), rtol=1e-6)


def test_a_hybrid_with_attention_does_not_carry_its_state() -> None:
    mixers = (MixerKeys(kind="mamba", state=4), MixerKeys(kind="attention", heads=2))
    keys = ModelKeys(family="mamba", dim=16, layers=2, mixer=mixers)
    assert not carries_state(lively_decoder(resolve(keys, vocab=40, context=16)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_token_is_read_as_the_slow_reference_reads_it(family: str) -> None:
    decoder = lively_decoder(toy_config(family)).double()
    for ids in documents([1, 16, 40]):
        (found,) = read_nats(decoder, [ids], [END])
        np.testing.assert_allclose(found, document_nats(decoder, ids.tolist(), END), rtol=1e-5)


def test_the_likeliest_token_in_each_place_is_that_of_the_largest_logit() -> None:
    decoder, (ids,) = lively_decoder(), documents([14])
    for place in range(1, 14, 3):  # Some tokens are the likeliest ones.
        ids[place] = int(logits_of(decoder, torch.tensor([END, *ids[:place]]))[-1].argmax())
    (found,) = read_tokens(decoder, [ids], [END])
    shares_TV = logits_of(decoder, torch.tensor([END, *ids]))[:-1].double().softmax(-1)
    best_T, ids_T = shares_TV.max(-1)
    np.testing.assert_allclose(found.likeliest, -best_T.detach().log(), rtol=1e-4)
    assert found.is_likeliest.tolist() == (ids_T.numpy() == ids).tolist()
    assert set(range(1, 14, 3)) <= {*np.flatnonzero(found.is_likeliest)}
    (read,) = read_tokens(decoder, documents([40]), [END])
    assert (read.likeliest <= read.nats).all(), "also in windows"
    np.testing.assert_array_equal(read.likeliest == read.nats, read.is_likeliest)


def test_logits_that_are_capped_are_read_capped() -> None:
    config = toy_config().model_copy(update={"logit_cap": 1.0})
    decoder, (ids,) = lively_decoder(config), documents([12])
    (found,) = read_nats(decoder, [ids], [END])
    np.testing.assert_allclose(found, document_nats(decoder, ids.tolist(), END), rtol=1e-4)
    assert found.max() < np.log(40) + 2


Shapes = list[tuple[int, int]]


@pytest.fixture
def watched() -> Callable[[int], tuple[Decoder, Shapes]]:
    """A decoder of so much context, and the shapes of the batches that it is given."""

    def make(context: int) -> tuple[Decoder, Shapes]:
        decoder, shapes = lively_decoder(toy_config(context=context)), Shapes()
        decoder.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
        return decoder, shapes

    return make


def test_a_window_is_as_long_as_the_judge_s(watched: Callable[[int], tuple[Decoder, Shapes]]):
    decoder, shapes = watched(3000)
    list(read_nats(decoder, documents([LONGEST_CONTEXT + 500]), [END]))
    # A window's last token is predicted and not read.
    assert shapes == [(2, LONGEST_CONTEXT - 1)]


def test_windows_are_read_together_as_many_as_are_meant_to_be(
    watched: Callable[[int], tuple[Decoder, Shapes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.generate.reading.ROWS_TOKENS", 64)
    monkeypatch.setattr("endonym.generate.reading.GROUP_TOKENS", 100)
    decoder, shapes = watched(16)
    list(read_nats(decoder, documents([9] * 30), [END]))
    # Documents of ten tokens: groups of ten, of which six are read at once and then four.
    assert shapes == [(6, 9), (4, 9)] * 3


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_the_mean_of_the_states_behind_the_opening_token(family: str) -> None:
    decoder = lively_decoder(toy_config(family))
    rows = [[END, *ids.tolist()] for ids in documents([7, 1, 15, 3])]
    with torch.inference_mode():
        alone = [decoder(torch.tensor([row]))[0][0, 1:].mean(0) for row in rows]
        together = mean_states(decoder, rows)
    assert together.numpy() == pytest.approx(torch.stack(alone).numpy(), abs=1e-4)
    features = read_features(decoder, rows)
    expected = [(each / each.norm()).numpy() for each in alone]
    assert features == pytest.approx(np.stack(expected), abs=1e-4)


def test_a_text_without_a_token_has_no_features() -> None:
    features = read_features(lively_decoder(), [[END], [END, 5]])
    assert np.isnan(features[0]).all()
    assert np.isfinite(features[1]).all()
