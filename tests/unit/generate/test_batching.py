"""Several texts at once: each gets what it would get alone, whatever its neighbours do."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from laws.shapes import lively, shape, some_tokens
from torch import Tensor

from endonym.generate import language_model
from endonym.generate.sample import Sampler, SamplerState, Sampling
from endonym.model.decoder import Decoder
from endonym.model.span import Span

END = 0
CONTEXT = 16
SAMPLER = Sampler([b"", *[b"a"] * 63], (END,))
"""Every id but the end of a text is a letter."""
SHAPES = [
    ("qwen3", "plain"), ("qwen3", "windowed"), ("gpt2", "plain"), ("mistral", "plain"),
    ("falcon", "plain"), ("mamba", "plain"), ("mamba2", "groups"), ("mamba2", "hybrid"),
    ("moe", "plain"),
]  # fmt: skip
KINDS = pytest.mark.parametrize(("family", "variant"), SHAPES)
SAMPLINGS = [Sampling(temperature=1.0, seed=seed, repetition_penalty=1.3) for seed in range(3)]


def decoder_of(family: str, variant: str = "plain", *, context: int = CONTEXT) -> Decoder:
    """A decoder in which every weight counts, in float64, so that rounding decides nothing."""
    return lively(shape(family, variant, context=context))


def prompt(length: int) -> list[int]:
    """End-of-text, and ids that are not it."""
    return [END, *(1 + some_tokens(1, length - 1, vocab=60, seed=length)[0]).tolist()]


@torch.inference_mode()
def slowly(decoder: Decoder, ids: Sequence[int], count: int, sampling: Sampling) -> list[int]:
    """One row alone, all of it read anew for each token; a full context goes on from its half."""
    row, found = [*ids], list[int]()
    state = SamplerState(sampling, row)
    while len(found) < count and END not in found:
        if len(row) > decoder.config.context:
            row = row[-(decoder.config.context // 2) :]
            state.seen = {*row}
        logits_BV = decoder.logits(torch.tensor([row]))[:, -1].float().numpy()
        found += SAMPLER.next_tokens(logits_BV, [state])
        row.append(found[-1])
    return found


def continued(
    decoder: Any,
    prompts: Sequence[Sequence[int]],
    count: int,
    samplings: Sequence[Sampling],
    *,
    sampler: Sampler,
) -> Iterator[dict[int, int]]:
    """The next tokens of each row, chosen as its sampling says."""
    pairs = zip(samplings, prompts, strict=True)
    states = [SamplerState(sampling, ids) for sampling, ids in pairs]
    return language_model.continued(decoder, prompts, count, states, sampler=sampler)


def alone(
    decoder: Decoder, prompts: Sequence[Sequence[int]], count: int, samplings: Sequence[Sampling]
) -> list[list[int]]:
    """What each row is given slowly, one after the other."""
    pairs = zip(prompts, samplings, strict=True)
    return [slowly(decoder, ids, count, sampling) for ids, sampling in pairs]


def together(
    decoder: Decoder, prompts: Sequence[Sequence[int]], count: int, samplings: Sequence[Sampling]
) -> list[list[int]]:
    """What each row was given, in the order of the prompts."""
    found: list[list[int]] = [[] for _ in prompts]
    for chosen in continued(decoder, prompts, count, samplings, sampler=SAMPLER):
        for number, index in chosen.items():
            found[number].append(index)
    return found


@KINDS
def test_each_row_gets_what_it_would_get_alone(family: str, variant: str) -> None:
    decoder = decoder_of(family, variant, context=32)
    prompts = [prompt(length) for length in (3, 11, 6)]
    wanted = alone(decoder, prompts, 12, SAMPLINGS)
    assert together(decoder, prompts, 12, SAMPLINGS) == wanted
    assert len(wanted[0]) > 2


@KINDS
def test_a_row_that_outgrows_the_context_changes_no_other(family: str, variant: str) -> None:
    """Sixteen tokens fit: the rows pass them at different times, the last one never."""
    decoder = decoder_of(family, variant)
    prompts = [prompt(length) for length in (14, 9, 1)]
    samplings = [Sampling(temperature=1.0, seed=seed) for seed in (7, 8, 9)]
    wanted = alone(decoder, prompts, 14, samplings)
    assert together(decoder, prompts, 14, samplings) == wanted


@pytest.mark.parametrize("family", ["llama", "gpt2", "mamba2"])
def test_a_prompt_longer_than_the_context_is_read_from_its_last_half(family: str) -> None:
    decoder = decoder_of(family)
    prompts = [prompt(40), prompt(17), prompt(16)]
    wanted = alone(decoder, prompts, 5, SAMPLINGS)
    assert together(decoder, prompts, 5, SAMPLINGS) == wanted
    greedy = [Sampling(0, repetition_penalty=1.3)]
    whole, half = ([prompts[0][-length:]] for length in (40, 8))
    assert together(decoder, whole, 5, greedy) == together(decoder, half, 5, greedy)


@KINDS
def test_a_prompt_in_pieces_is_equal(family: str, variant: str, monkeypatch: pytest.MonkeyPatch):
    decoder = decoder_of(family, variant)
    prompts = [prompt(length) for length in (13, 2, 7)]
    whole = together(decoder, prompts, 6, SAMPLINGS)
    monkeypatch.setattr(language_model, "PREFILL_TOKENS", 3)
    lengths: list[int] = []
    decoder.register_forward_pre_hook(lambda module, given: lengths.append(given[0].shape[1]))
    assert together(decoder, prompts, 6, SAMPLINGS) == whole
    assert lengths[:6] == [3, 3, 3, 3, 1, 1]


class Script(torch.nn.Module):
    """Says given ids to each row, one after another, and notes what it was asked."""

    def __init__(self, answers: list[list[int]], *, context: int = 100) -> None:
        super().__init__()
        self.answers = answers
        self.config = shape("llama", context=context)
        self.readout = lively(self.config).readout
        self.asked: list[tuple[list[list[int]], Span]] = []
        self.caches: list[tuple[int, int]] = []

    def empty_cache(self, batch: int, length: int) -> tuple[int, int]:
        self.caches.append((batch, length))
        return batch, length

    def forward(self, tokens_BT: Tensor, span: Span, cache: object) -> tuple[Tensor, Tensor]:
        self.asked.append((tokens_BT.tolist(), span))
        said = [row.pop(0) for row in self.answers if row]
        hidden_BTD = torch.zeros(*tokens_BT.shape, 32, dtype=torch.float64)
        weight_VD = self.readout.weight_VD
        for row, index in enumerate(said):
            hidden_BTD[row, -1] = 100 * weight_VD[index] / weight_VD[index].square().sum()
        return hidden_BTD, torch.zeros(())


def test_rows_of_different_lengths_are_padded_on_the_left() -> None:
    script = Script([[5], [6]])
    (chosen,) = continued(script, [[END, 1, 2], [END]], 1, [Sampling(0)] * 2, sampler=SAMPLER)
    assert chosen == {0: 5, 1: 6}
    tokens, span = script.asked[0]
    assert tokens == [[END, 1, 2], [END, END, END]]
    assert span.starts_BT.tolist() == [[0, 0, 0], [0, 0, 2]]


def test_rows_of_one_length_need_no_padding_and_no_mask() -> None:
    script = Script([[5, 7], [6, 8]])
    list(continued(script, [[END, 1], [END, 2]], 2, [Sampling(0)] * 2, sampler=SAMPLER))
    assert [span.starts_BT for _, span in script.asked] == [None, None]
    asked = [(tokens, span.past) for tokens, span in script.asked]
    assert asked == [([[END, 1], [END, 2]], 0), ([[5], [6]], 2)]


def test_a_row_that_ends_says_so_and_is_heard_of_no_more() -> None:
    script = Script([[5, END, 9, 9], [6, 6, 6, END], [END, 9, 9, 9]])
    found = list(continued(script, [[END]] * 3, 9, [Sampling(0)] * 3, sampler=SAMPLER))
    assert found == [{0: 5, 1: 6, 2: END}, {0: END, 1: 6}, {1: 6}, {1: END}]
    ended = [[END], [6], [END]]
    assert [tokens for tokens, _ in script.asked[1:]] == [[[5], [6], [END]], ended, ended]


def test_rows_that_ended_leave_when_the_others_are_read_anew() -> None:
    script = Script([[END], [5, 6, 7, 8]], context=4)
    script.answers[0] += [END] * 3
    list(continued(script, [[END, 1, 2], [END, 3, 4]], 2, [Sampling(0)] * 2, sampler=SAMPLER))
    script.answers = [[END, END], [5, 6, 7, 8]]
    script.asked.clear()
    for _ in continued(script, [[END, 1, 2], [END, 3, 4]], 3, [Sampling(0)] * 2, sampler=SAMPLER):
        if len(script.asked) == 2:
            script.answers = [[7]]
    asked = [tokens for tokens, _ in script.asked]
    assert asked == [[[END, 1, 2], [END, 3, 4]], [[END], [5]], [[5, 6]]]


def test_each_row_has_its_own_seed_and_its_own_penalty() -> None:
    decoder, ids = decoder_of("qwen3", context=32), prompt(4)
    samplings = [Sampling(temperature=1.0, seed=seed) for seed in (1, 2, 1)]
    first, second, third = together(decoder, [ids] * 3, 8, samplings)
    assert first == third != second
    greedy = [Sampling(0), Sampling(0, repetition_penalty=100.0)]
    plain, penalised = together(decoder, [ids] * 2, 8, greedy)
    assert len(set(penalised)) == len(penalised)
    assert plain == slowly(decoder, ids, 8, greedy[0])


@pytest.mark.parametrize(("most", "length"), [(5, 7), (98, 100), (1_000, 100)])
def test_a_cache_holds_what_may_be_written_and_at_most_the_context(most: int, length: int) -> None:
    script = Script([[END], [END]])
    list(continued(script, [[END, 1], [END]], most, [Sampling(0)] * 2, sampler=SAMPLER))
    assert script.caches == [(2, length)]


def test_what_ends_a_turn_has_no_repetition_penalty() -> None:
    """It stands in every conversation, and must be able to come again."""
    strict = [Sampling(0, repetition_penalty=100.0)]
    for ends, comes_again in (([5], True), ([], False)):
        script = Script([[5]])
        found = list(
            continued(script, [[END, 5, 7]], 1, strict, sampler=Sampler([b"a"] * 64, (END, *ends)))
        )
        assert (found == [{0: 5}]) is comes_again
