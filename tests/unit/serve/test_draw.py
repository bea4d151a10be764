"""The next token of many rows is drawn as for one text alone."""

from typing import cast

import numpy as np
import pytest
import torch
from serving import toy_language_model

from endonym.generate.sample import Sampling, narrowed, penalised
from endonym.serve.draw import Chooser, Draw, likeliest, log_probabilities

VOCAB = 60


class Letters:
    """Id 0 ends a text; every other id is a letter."""

    vocab = VOCAB

    def bytes_of(self, index: int) -> bytes:
        return chr(0x410 + index).encode() if index else b""

    def token(self, index: int) -> str:
        return str(index)


def rows(count: int, spread: float = 3.0, vocab: int = VOCAB) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(count, vocab)) * spread).astype(np.float32)


SETTINGS = [
    {},
    {"top_p": 0.5},
    {"top_p": 1.0},
    {"top_k": 3},
    {"top_k": 3, "top_p": 0.6},
    {"top_k": 59, "top_p": 1.0},
    {"top_k": 1000, "top_p": 0.999},
    {"temperature": 2.5},
    {"temperature": 0.1, "top_p": 0.9},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_tokens_are_drawn_by_the_probabilities_of_generate(
    settings: dict[str, float], spread: float
) -> None:
    sampling = Sampling(**settings)  # type: ignore[arg-type]
    (logits_V,) = rows(1, spread)
    scaled_V = torch.from_numpy(logits_V.copy()) / sampling.temperature
    expected = narrowed(scaled_V, sampling.top_k, sampling.top_p).softmax(-1).numpy()
    chooser, draw, n = Chooser(sampling), Draw(Letters(), (0,)), 4000
    drawn = [draw.next(logits_V[None].copy(), [chooser])[0] for _ in range(n)]
    counts = np.bincount(drawn, minlength=VOCAB)
    assert set(np.flatnonzero(counts)) <= set(np.flatnonzero(expected))
    deviation = np.sqrt(n * expected * (1 - expected)) + 1
    assert (np.abs(counts - n * expected) < 5 * deviation).all()


class Fixed:
    """Draws one number again and again."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


def drawn_at(number: float, logits_V: np.ndarray, sampling: Sampling) -> int:
    """The token that such a draw gives."""
    chooser = Chooser(sampling)
    chooser.random = cast("np.random.Generator", Fixed(number))
    return Draw(Letters(), (0,)).next(logits_V[None].copy(), [chooser])[0]


@pytest.mark.parametrize(
    "settings", [*(s for s in SETTINGS if s != {"top_p": 1.0}), {"top_p": 0.9999}], ids=str
)
def test_the_last_token_that_generate_keeps_is_the_last_that_can_be_drawn(
    settings: dict[str, float],
) -> None:
    """However much less likely it is than the first."""
    sampling = Sampling(**settings)  # type: ignore[arg-type]
    (logits_V,) = rows(1)
    scaled_V = torch.from_numpy(logits_V.copy()) / sampling.temperature
    kept = np.flatnonzero(np.isfinite(narrowed(scaled_V, sampling.top_k, sampling.top_p).numpy()))
    order = kept[np.argsort(-logits_V[kept])]
    assert drawn_at(0.0, logits_V, sampling) == order[0]
    assert drawn_at(1 - 1e-9, logits_V, sampling) == order[-1]


def test_the_smallest_number_draws_no_token_that_is_ruled_out() -> None:
    (logits_V,) = rows(1)
    logits_V[:7] = -np.inf
    assert drawn_at(0.0, logits_V, Sampling(top_p=1.0)) == 7
    assert drawn_at(1 - 1e-12, logits_V, Sampling(top_p=1.0)) == VOCAB - 1


def test_a_row_draws_the_same_in_any_company() -> None:
    logits_BV = rows(8)

    def drawn(which: list[int]) -> dict[int, list[int]]:
        draw, choosers = Draw(Letters(), (0,)), {n: Chooser(Sampling(seed=n)) for n in which}
        found: dict[int, list[int]] = {n: [] for n in which}
        for _ in range(5):
            for n, index in zip(
                which, draw.next(logits_BV[which].copy(), list(choosers.values())), strict=True
            ):
                found[n].append(index)
        return found

    together, alone = drawn(list(range(8))), drawn([5])
    assert together[5] == alone[5]
    assert len({tuple(each) for each in together.values()}) > 1


def test_the_likeliest_token_is_taken_without_temperature_and_penalties_count() -> None:
    logits_BV = rows(2)
    top = int(logits_BV[0].argmax())
    draw = Draw(Letters(), (0,))
    cold = Chooser(Sampling(temperature=0))
    assert draw.next(logits_BV[:1].copy(), [cold]) == [top]
    punished = Chooser(Sampling(temperature=0, repetition_penalty=1.5), seen={top, 7})
    expected = penalised(torch.from_numpy(logits_BV[0].copy()), torch.tensor([top, 7]), 1.5)
    assert draw.next(logits_BV[:1].copy(), [punished]) == [int(expected.argmax())]
    biased = Chooser(Sampling(temperature=0), bias={9: 100.0})
    assert draw.next(logits_BV[:1].copy(), [biased]) == [9]


def test_the_end_of_a_text_is_no_repetition() -> None:
    """Of a chat, ids that end a message stand in what was seen."""
    logits_BV = np.zeros((1, VOCAB), dtype=np.float32)
    logits_BV[0, [0, 7, 9]] = 3.0, 2.9, 2.5
    chooser = Chooser(Sampling(temperature=0, repetition_penalty=1.5), seen={0, 7})
    assert Draw(Letters(), (0,)).next(logits_BV, [chooser]) == [0]


def test_what_was_drawn_counts_as_a_repetition() -> None:
    logits_BV = np.zeros((1, VOCAB), dtype=np.float32)
    logits_BV[0, [7, 9]] = 3.0, 2.5
    draw, chooser = (
        Draw(Letters(), (0,)),
        Chooser(Sampling(temperature=0, repetition_penalty=1.5)),
    )
    assert [draw.next(logits_BV.copy(), [chooser]) for _ in range(2)] == [[7], [9]]


def test_a_text_may_end_inside_a_character() -> None:
    """Here nothing else can: no token begins inside of one."""
    end = VOCAB - 1
    chooser = Chooser(Sampling(), pending="ә".encode()[:1])
    assert Draw(Letters(), (end,)).next(rows(1), [chooser]) == [end]


@pytest.mark.parametrize("temperature", [1e-46, 1e-30, 9e-5, 1e-4])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    logits_BV = rows(1)
    cold = Chooser(Sampling(temperature=temperature))
    assert Draw(Letters(), (0,)).next(logits_BV.copy(), [cold]) == [int(logits_BV[0].argmax())]


@pytest.mark.parametrize("penalty", [0.01, 100.0])
def test_the_strongest_penalties_leave_numbers(penalty: float) -> None:
    logits_BV = rows(1, 1000.0)
    chooser = Chooser(Sampling(repetition_penalty=penalty), seen=set(range(VOCAB)))
    assert 0 <= Draw(Letters(), (0,)).next(logits_BV, [chooser])[0] < VOCAB


@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"top_p": 1.0}], ids=str)
def test_a_row_that_is_no_distribution_gives_a_token(settings: dict[str, float]) -> None:
    draw = Draw(Letters(), (0,))
    for value in (np.nan, -np.inf):
        logits_BV = np.full((2, VOCAB), value, dtype=np.float32)
        logits_BV[1, 7] = 1.0
        found = draw.next(logits_BV, [Chooser(Sampling(**settings)) for _ in range(2)])  # type: ignore[arg-type]
        assert 0 <= found[0] < VOCAB
        assert found[1] == 7


def test_without_a_penalty_what_was_seen_is_not_walked_through() -> None:
    class Long(set[int]):
        def difference(self, *others: object) -> set[int]:
            raise AssertionError("walked through")

    chooser = Chooser(Sampling(), seen=Long({3}))
    assert Draw(Letters(), (0,)).next(rows(1), [chooser])


def test_no_text_ends_before_min_tokens() -> None:
    logits_BV = np.zeros((1, VOCAB), dtype=np.float32)
    logits_BV[0, 0] = 50.0
    chooser, draw = Chooser(Sampling(), min_tokens=3), Draw(Letters(), (0,))
    drawn = [draw.next(logits_BV.copy(), [chooser])[0] for _ in range(4)]
    assert 0 not in drawn[:3]
    assert drawn[3] == 0


def test_drawn_tokens_are_whole_characters_and_no_special() -> None:
    tokenizer = toy_language_model().tokenizer
    draw, chooser = Draw(tokenizer, (tokenizer.end_id,)), Chooser(Sampling(top_p=1.0), 10_000)
    wider = rows(1, 0.5, tokenizer.vocab + 8)
    ids = [draw.next(wider.copy(), [chooser])[0] for _ in range(400)]
    data = b"".join(map(tokenizer.bytes_of, ids))
    assert data[: len(data) - len(chooser.pending)].decode("utf-8")
    assert max(ids) < tokenizer.vocab
    assert all(tokenizer.bytes_of(index) for index in ids)


def test_log_probabilities_are_those_of_torch() -> None:
    logits_BV = rows(3)
    expected = torch.from_numpy(logits_BV).log_softmax(-1).numpy()
    found = log_probabilities(logits_BV)
    assert found == pytest.approx(expected, abs=1e-5)
    best = likeliest(found[0], 4)
    assert [index for index, _ in best] == np.argsort(-expected[0])[:4].tolist()
    assert likeliest(found[0], 0) == []
    assert len(likeliest(found[0], 999)) == VOCAB


def test_what_is_no_number_is_not_among_the_likeliest() -> None:
    logits_BV = rows(3, 1.0, 4)
    logits_BV[0, 1], logits_BV[1], logits_BV[2, 3] = -np.inf, -np.inf, np.nan
    found = [likeliest(log_V, 4) for log_V in log_probabilities(logits_BV)]
    assert sorted(index for index, _ in found[0]) == [0, 2, 3]
    assert found[1:] == [[], []]
