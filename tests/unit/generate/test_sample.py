"""From logits to a token, by hand."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from endonym.errors import RecipeError
from endonym.generate.sample import COLDEST, Sampling, choose, narrowed, penalised

NOTHING = torch.tensor([], dtype=torch.int64)
SHARES = (0.15, 0.5, 0.05, 0.3)


def logits_of(*shares: float) -> Tensor:
    return torch.tensor([math.log(share) for share in shares]) + 3.0


def kept(logits_V: Tensor) -> list[int]:
    return torch.isfinite(logits_V).nonzero()[:, 0].tolist()


def drawn(sampling: Sampling, logits_V: Tensor, count: int = 4000) -> Counter[int]:
    generator = torch.Generator().manual_seed(1)
    return Counter(choose(logits_V, NOTHING, sampling, generator) for _ in range(count))


def test_what_was_seen_becomes_less_likely_on_either_side_of_zero() -> None:
    logits_V = torch.tensor([2.0, -1.0, 0.5, -3.0])
    found = penalised(logits_V, torch.tensor([0, 1]), 2.0)
    assert found.tolist() == [1.0, -2.0, 0.5, -3.0]
    assert logits_V.tolist() == [2.0, -1.0, 0.5, -3.0]
    assert penalised(logits_V, torch.tensor([0, 1]), 1.0).tolist() == logits_V.tolist()
    assert penalised(logits_V, NOTHING, 2.0).tolist() == logits_V.tolist()


@pytest.mark.parametrize(
    ("top_k", "expected"),
    [
        (0, [0, 1, 2, 3]),
        (1, [1]),
        (2, [1, 3]),
        (3, [0, 1, 3]),
        (4, [0, 1, 2, 3]),
        (99, [0, 1, 2, 3]),
    ],
)
def test_top_k_keeps_the_k_likeliest(top_k: int, expected: list[int]) -> None:
    assert kept(narrowed(logits_of(*SHARES), top_k, 1.0)) == expected


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.01, [1]),
        (0.49, [1]),
        (0.51, [1, 3]),
        (0.79, [1, 3]),
        (0.81, [0, 1, 3]),
        (0.94, [0, 1, 3]),
        (0.96, [0, 1, 2, 3]),
        (1.0, [0, 1, 2, 3]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, expected: list[int]) -> None:
    assert kept(narrowed(logits_of(*SHARES), 0, top_p)) == expected


def test_top_p_counts_shares_of_what_top_k_left() -> None:
    # Of 0.5 and 0.3 alone, the first holds 0.625.
    assert kept(narrowed(logits_of(*SHARES), 2, 0.6)) == [1]
    assert kept(narrowed(logits_of(*SHARES), 2, 0.65)) == [1, 3]


def test_temperature_zero_takes_the_likeliest_after_the_penalty() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    logits_V = torch.tensor([1.0, 3.0, 2.0])
    greedy = Sampling(temperature=0, top_k=1, top_p=0.1)
    assert choose(logits_V, NOTHING, greedy, generator) == 1
    penalty = Sampling(temperature=0, repetition_penalty=2.0)
    assert choose(logits_V, torch.tensor([1]), penalty, generator) == 2
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_at_their_temperature(temperature: float) -> None:
    powers = [share ** (1 / temperature) for share in SHARES]
    found = drawn(Sampling(temperature=temperature, top_p=1.0), logits_of(*SHARES))
    for token, power in enumerate(powers):
        share = power / sum(powers)
        deviation = math.sqrt(share * (1 - share) / 4000)
        assert found[token] / 4000 == pytest.approx(share, abs=4 * deviation)


def test_what_was_cut_off_is_never_drawn() -> None:
    found = drawn(Sampling(temperature=5.0, top_k=3, top_p=0.9), logits_of(*SHARES), 500)
    assert set(found) <= {0, 1, 3}


def test_bf16_logits_are_drawn_from_too() -> None:
    found = drawn(Sampling(temperature=1.0), logits_of(*SHARES).to(torch.bfloat16), 500)
    assert found.most_common(1)[0][0] == 1


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"temperature": -0.1}, "--temperature"),
        ({"temperature": math.nan}, "--temperature"),
        ({"top_k": -1}, "--top-k"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 1.01}, "--top-p"),
        ({"repetition_penalty": 0.0}, "--repetition-penalty"),
    ],
)
def test_settings_out_of_bounds_are_the_users_mistake(keys: dict[str, float], where: str) -> None:
    with pytest.raises(RecipeError, match="out of bounds") as caught:
        Sampling(**keys)
    assert caught.value.where == where
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("temperature", [1e-46, 1e-30, 9e-5, 1e-4])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    sampling = Sampling(temperature=temperature)
    assert set(drawn(sampling, logits_of(*SHARES), 20)) == {1}
    assert set(drawn(sampling, logits_of(*SHARES) * 1e3, 20)) == {1}


def test_a_penalty_that_leaves_no_numbers_is_refused() -> None:
    for penalty in (1e-42, 0.0, 101.0, math.nan):
        with pytest.raises(RecipeError, match="out of bounds"):
            Sampling(repetition_penalty=penalty)


@pytest.mark.parametrize("top_p", [1e-300, 1e-46, 1e-12])
def test_the_likeliest_stays_however_small_top_p_is(top_p: float) -> None:
    assert kept(narrowed(logits_of(*SHARES), 0, top_p)) == [int(logits_of(*SHARES).argmax())]


def test_what_is_colder_than_the_coldest_is_greedy() -> None:
    greedy = {heat: Sampling(temperature=heat).is_greedy for heat in (0, 9.9e-5, COLDEST, 0.8)}
    assert greedy == {0: True, 9.9e-5: True, COLDEST: False, 0.8: False}
