"""From logits to a token: by hand, as slow arithmetic has it, and in any company."""

import math
from typing import cast

import numpy as np
import pytest
import torch
from toys import END, lively_decoder, toy_config, toy_tokenizer

from endonym.errors import RecipeError
from endonym.generate import sample
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import (
    COLDEST,
    OF_WORDS,
    Sampler,
    SamplerState,
    Sampling,
    begins_with,
    likeliest,
    unfinished,
)
from endonym.model.families import FAMILIES

VOCAB = 60
LETTERS = [b"", *(chr(0x410 + index).encode() for index in range(1, VOCAB))]
"""Id 0 ends a text; every other id is a letter."""
SHARES = (0.15, 0.5, 0.05, 0.3)


def letters_sampler(size: int = VOCAB) -> Sampler:
    return Sampler(LETTERS[:size], (0,))


def logits_of(*shares: float) -> np.ndarray:
    return np.array([math.log(share) + 3.0 for share in shares], dtype=np.float32)


def kept_probabilities(logits_V: np.ndarray, sampling: Sampling) -> np.ndarray:
    """What top-k, top-p and then min-p leave, token by token; zero for the rest."""
    order = np.argsort(-logits_V, kind="stable")[: sampling.top_k or None]
    masses = np.exp((logits_V[order] - logits_V.max()).astype(np.float64) / sampling.temperature)
    before = (masses.cumsum() - masses) / masses.sum()
    masses[1:][before[1:] >= sampling.top_p] = 0
    masses[masses < sampling.min_p * masses[0]] = 0
    probabilities = np.zeros(len(logits_V))
    probabilities[order] = masses / masses.sum()
    return probabilities


def rows(count: int, spread: float = 3.0, vocab: int = VOCAB) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(count, vocab)) * spread).astype(np.float32)


SETTINGS = [
    {}, {"top_p": 0.5}, {"top_p": 1.0}, {"top_k": 3}, {"top_k": 3, "top_p": 0.6},
    {"top_k": 59, "top_p": 1.0}, {"top_k": 1000, "top_p": 0.999}, {"temperature": 2.5},
    {"temperature": 0.1, "top_p": 0.9}, {"min_p": 0.1}, {"min_p": 0.3, "top_p": 1.0},
    {"min_p": 0.2, "top_k": 9, "top_p": 0.9},
]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_tokens_are_drawn_by_their_probabilities(settings: dict[str, float], spread: float):
    sampling = Sampling(**settings)  # type: ignore[arg-type]
    (logits_V,) = rows(1, spread)
    expected = kept_probabilities(logits_V, sampling)
    n = 2000
    drawn = letters_sampler().next_tokens(np.tile(logits_V, (n, 1)), [SamplerState(sampling)] * n)
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
    state = SamplerState(sampling)
    state.random = cast("np.random.Generator", Fixed(number))
    return letters_sampler(len(logits_V)).next_tokens(logits_V[None].copy(), [state])[0]


@pytest.mark.parametrize(
    "settings", [*(s for s in SETTINGS if s != {"top_p": 1.0}), {"top_p": 0.9999}], ids=str
)
def test_the_last_token_that_is_kept_is_the_last_that_can_be_drawn(settings: dict[str, float]):
    """However much less likely it is than the first."""
    sampling = Sampling(**settings)  # type: ignore[arg-type]
    (logits_V,) = rows(1)
    kept = np.flatnonzero(kept_probabilities(logits_V, sampling))
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
        sampler, states = letters_sampler(), {n: SamplerState(Sampling(seed=n)) for n in which}
        found: dict[int, list[int]] = {n: [] for n in which}
        for _ in range(5):
            chosen = sampler.next_tokens(logits_BV[which].copy(), [*states.values()])
            for n, index in zip(which, chosen, strict=True):
                found[n].append(index)
        return found

    together, alone = drawn(list(range(8))), drawn([5])
    assert together[5] == alone[5]
    assert len({tuple(each) for each in together.values()}) > 1


def greedy(logits_V: np.ndarray, penalty: float = 1.0, *seen: int) -> int:
    """The likeliest token under a repetition penalty."""
    state = SamplerState(Sampling(temperature=0, repetition_penalty=penalty), seen)
    return letters_sampler(len(logits_V)).next_tokens(logits_V[None].copy(), [state])[0]


def test_what_was_seen_becomes_less_likely_on_either_side_of_zero() -> None:
    positive = np.array([-9.0, 2.0, 1.1, 0.9], dtype=np.float32)
    assert [greedy(positive), greedy(positive, 2.0), greedy(positive, 2.0, 1)] == [1, 1, 2]
    negative = np.array([-9.0, -1.0, -1.9, -2.1], dtype=np.float32)
    assert [greedy(negative), greedy(negative, 2.0, 1), greedy(negative, 2.0, 1, 2)] == [1, 2, 1]


def test_temperature_zero_takes_the_likeliest_with_its_bias_and_draws_no_number() -> None:
    logits_BV = rows(1)
    cold = SamplerState(Sampling(temperature=0, top_k=1, top_p=0.1))
    before = cold.random.bit_generator.state["state"]["counter"].tolist()
    assert letters_sampler().next_tokens(logits_BV.copy(), [cold]) == [int(logits_BV[0].argmax())]
    assert cold.random.bit_generator.state["state"]["counter"].tolist() == before
    biased = SamplerState(Sampling(temperature=0), bias={9: 100.0})
    assert letters_sampler().next_tokens(logits_BV.copy(), [biased]) == [9]


def test_the_end_of_a_text_is_no_repetition() -> None:
    """Of a chat, ids that end a message stand in what was seen."""
    logits_BV = np.zeros((1, VOCAB), dtype=np.float32)
    logits_BV[0, [0, 7, 9]] = 3.0, 2.9, 2.5
    state = SamplerState(Sampling(temperature=0, repetition_penalty=1.5), (0, 7))
    assert letters_sampler().next_tokens(logits_BV, [state]) == [0]


def test_what_was_drawn_counts_as_a_repetition() -> None:
    logits_BV = np.zeros((1, VOCAB), dtype=np.float32)
    logits_BV[0, [7, 9]] = 3.0, 2.5
    sampler = letters_sampler()
    state = SamplerState(Sampling(temperature=0, repetition_penalty=1.5))
    assert [sampler.next_tokens(logits_BV.copy(), [state]) for _ in range(2)] == [[7], [9]]


def test_a_text_may_end_inside_a_character() -> None:
    """Here nothing else can: no token begins inside of one."""
    end = VOCAB - 1
    state = SamplerState(Sampling())
    state.pending = "ә".encode()[:1]
    assert Sampler(LETTERS, (end,)).next_tokens(rows(1), [state]) == [end]


@pytest.mark.parametrize("temperature", [1e-46, 1e-30, 9e-5, 1e-4])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    logits_BV = rows(1)
    cold = SamplerState(Sampling(temperature=temperature))
    assert letters_sampler().next_tokens(logits_BV.copy(), [cold]) == [int(logits_BV[0].argmax())]


@pytest.mark.parametrize("penalty", [0.01, 100.0])
def test_the_strongest_penalties_leave_numbers(penalty: float) -> None:
    logits_BV = rows(1, 1000.0)
    state = SamplerState(Sampling(repetition_penalty=penalty), range(VOCAB))
    assert 0 <= letters_sampler().next_tokens(logits_BV, [state])[0] < VOCAB


@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"top_p": 1.0}], ids=str)
def test_a_row_that_is_no_distribution_gives_a_token(settings: dict[str, float]) -> None:
    sampler = letters_sampler()
    for value in (np.nan, -np.inf):
        logits_BV = np.full((2, VOCAB), value, dtype=np.float32)
        logits_BV[1, 7] = 1.0
        states = [SamplerState(Sampling(**settings)) for _ in range(2)]
        found = sampler.next_tokens(logits_BV, states)
        assert 0 <= found[0] < VOCAB
        assert found[1] == 7


def test_without_a_penalty_what_was_seen_is_not_walked_through() -> None:
    class Long(set[int]):
        def difference(self, *others: object) -> set[int]:
            raise AssertionError("walked through")

    state = SamplerState(Sampling())
    state.seen = Long({3})
    assert letters_sampler().next_tokens(rows(1), [state])


def test_no_text_ends_before_min_tokens() -> None:
    logits_BV = np.zeros((1, VOCAB), dtype=np.float32)
    logits_BV[0, 0] = 50.0
    state, sampler = SamplerState(Sampling(), min_tokens=3), letters_sampler()
    drawn = [sampler.next_tokens(logits_BV.copy(), [state])[0] for _ in range(4)]
    assert 0 not in drawn[:3]
    assert drawn[3] == 0


@pytest.mark.parametrize("kind", ["byte", "char", "bpe"])
def test_drawn_tokens_are_whole_characters_and_no_special(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    token_bytes = [tokenizer.bytes_of(index) for index in range(tokenizer.vocab)]
    sampler, end = Sampler(token_bytes, (tokenizer.end_id,)), tokenizer.end_id
    state = SamplerState(Sampling(top_p=1.0), min_tokens=10_000)
    wider = rows(1, 0.5, tokenizer.vocab + 8)
    wider[0, [*tokenizer.special_ids.values(), -1]] = 9.0
    ids = [sampler.next_tokens(wider.copy(), [state])[0] for _ in range(400)]
    data = b"".join(map(tokenizer.bytes_of, ids))
    assert data[: len(data) - len(state.pending)].decode("utf-8")
    assert max(ids) < tokenizer.vocab
    assert not {end, *tokenizer.special_ids.values()} & {*ids}
    assert all(tokenizer.bytes_of(index) for index in ids)


def test_log_probabilities_are_those_of_torch() -> None:
    logits_BV = rows(3)
    expected = torch.from_numpy(logits_BV).log_softmax(-1).numpy()
    found = sample.log_probabilities(logits_BV)
    assert found == pytest.approx(expected, abs=1e-5)
    best = likeliest(found[0], 4)
    assert [index for index, _ in best] == np.argsort(-expected[0])[:4].tolist()
    assert likeliest(found[0], 0) == []
    assert len(likeliest(found[0], 999)) == VOCAB


def test_what_is_no_number_is_not_among_the_likeliest() -> None:
    logits_BV = rows(3, 1.0, 4)
    logits_BV[0, 1], logits_BV[1], logits_BV[2, 3] = -np.inf, -np.inf, np.nan
    found = [likeliest(log_V, 4) for log_V in sample.log_probabilities(logits_BV)]
    assert sorted(index for index, _ in found[0]) == [0, 2, 3]
    assert found[1:] == [[], []]


def kept(logits_V: np.ndarray, top_k: int, top_p: float) -> list[int]:
    """The tokens that can be drawn: of 100 numbers evenly spread, each of five draws the rarest."""
    sampling = Sampling(temperature=1.0, top_k=top_k, top_p=top_p)
    numbers = np.linspace(0, 1, 100, endpoint=False).tolist()
    return sorted({drawn_at(number, logits_V, sampling) for number in numbers})


def test_top_k_keeps_the_k_likeliest_and_top_p_the_fewest_that_reach_it() -> None:
    by_count = {0: [0, 1, 2, 3], 1: [1], 2: [1, 3], 3: [0, 1, 3], 4: [0, 1, 2, 3], 99: [0, 1, 2, 3]}
    for top_k, tokens in by_count.items():
        assert kept(logits_of(*SHARES), top_k, 1.0) == tokens
    by_share = {1e-300: [1], 1e-46: [1], 0.49: [1], 0.51: [1, 3], 0.79: [1, 3], 0.81: [0, 1, 3]}
    by_share |= {0.94: [0, 1, 3], 0.96: [0, 1, 2, 3], 1.0: [0, 1, 2, 3]}
    for top_p, tokens in by_share.items():
        assert kept(logits_of(*SHARES), 0, top_p) == tokens
    # Of 0.5 and 0.3 alone, the first holds 0.625.
    assert kept(logits_of(*SHARES), 2, 0.6) == [1]
    assert kept(logits_of(*SHARES), 2, 0.65) == [1, 3]


OUT_OF_BOUNDS = [
    ({"temperature": -0.1}, "--temperature"),
    ({"temperature": math.nan}, "--temperature"),
    ({"top_k": -1}, "--top-k"),
    ({"top_p": 0.0}, "--top-p"),
    ({"top_p": 1.01}, "--top-p"),
    *(({"repetition_penalty": n}, "--repetition-penalty") for n in (0.0, 1e-42, 101.0, math.nan)),
]


@pytest.mark.parametrize(("keys", "where"), OUT_OF_BOUNDS)
def test_settings_out_of_bounds_are_the_users_mistake(keys: dict[str, float], where: str) -> None:
    with pytest.raises(RecipeError, match="out of bounds") as caught:
        Sampling(**keys)
    assert caught.value.where == where
    assert caught.value.exit_code == 2


def test_what_is_colder_than_the_coldest_is_greedy() -> None:
    greedy = {heat: Sampling(temperature=heat).is_greedy for heat in (0, 9.9e-5, COLDEST, 0.8)}
    assert greedy == {0: True, 9.9e-5: True, COLDEST: False, 0.8: False}


BYTES = toy_tokenizer("byte")
FIRST, SECOND, THIRD = BYTES.encode("ក")
LATIN = BYTES.encode("a")[0]


def allowed(pending: bytes) -> set[int]:
    """The ids that may follow, equally likely: so many numbers evenly spread draw each of them."""
    sampler = Sampler([BYTES.bytes_of(index) for index in range(BYTES.vocab)], BYTES.stop_ids)
    logits_BV, ids = np.zeros((1, BYTES.vocab), dtype=np.float32), set[int]()
    for number in np.linspace(0, 1, 600, endpoint=False).tolist():
        state = SamplerState(Sampling(temperature=1.0, top_p=1.0))
        state.random = cast("np.random.Generator", Fixed(number))
        state.pending = pending
        ids |= {*sampler.next_tokens(logits_BV.copy(), [state])}
    return ids


def test_the_rest_of_a_khmer_letter_is_awaited() -> None:
    data = "ស្រីក".encode()
    assert unfinished(data) == b""
    assert unfinished(data[:-1]) == "ក".encode()[:2]
    assert unfinished(data[1:]) is None
    assert unfinished("Күрше".encode()[:3]) == "ү".encode()[:1]


def test_inside_a_letter_only_its_own_bytes_may_follow() -> None:
    assert {FIRST, LATIN, END} <= allowed(b"")
    assert not {SECOND, THIRD} & allowed(b"")
    inside = allowed("ក".encode()[:1])
    assert {SECOND, THIRD, END} <= inside
    assert not {FIRST, LATIN} & inside
    assert len(inside) == 65


def test_a_letter_is_finished_token_by_token() -> None:
    sampler = Sampler([BYTES.bytes_of(index) for index in range(BYTES.vocab)], BYTES.stop_ids)
    state = SamplerState(Sampling(temperature=0))
    for index, rest in ((FIRST, 1), (SECOND, 2), (THIRD, 0), (LATIN, 0)):
        logits_V = np.zeros(BYTES.vocab, dtype=np.float32)
        logits_V[index] = 1.0
        assert sampler.next_tokens(logits_V[None], [state]) == [index]
        assert len(state.pending) == rest


def test_the_likeliest_token_is_taken_though_it_breaks_a_character_or_is_reserved() -> None:
    sampler = Sampler([BYTES.bytes_of(index) for index in range(BYTES.vocab)], BYTES.stop_ids)
    for index in (SECOND, 1, 2):
        logits_V = np.zeros(BYTES.vocab, dtype=np.float32)
        logits_V[index] = 100.0
        for temperature, is_taken in ((0.0, True), (0.01, False)):
            state = SamplerState(Sampling(temperature=temperature))
            assert (sampler.next_tokens(logits_V[None].copy(), [state]) == [index]) is is_taken


@pytest.mark.parametrize("kind", ["byte", "char", "bpe", "unigram"])
def test_an_untrained_model_writes_no_broken_letter(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    config = toy_config(next(iter(FAMILIES))).model_copy(update={"vocab": tokenizer.vocab})
    model = LanguageModel(lively_decoder(config), tokenizer)
    samplings = [Sampling(temperature=3.0, seed=seed) for seed in range(4)]
    prompts = ["ស្រី", "Күрше", "", "Fata"]
    made = model.generate_many(prompts, max_tokens=60, samplings=samplings)
    texts = ["".join(each) for each in made]
    drawn = [Sampling(temperature=temperature) for temperature in (3.0, 0.0)]
    texts += [model.generate("ស្រី", max_tokens=60, sampling=sampling) for sampling in drawn]
    assert any(not text.isascii() for text in texts)
    assert not [text for text in texts if "\ufffd" in text]


@pytest.mark.parametrize(
    ("data", "is_of_words"),
    [
        ("әби".encode(), True),
        (" әби".encode(), False),
        ("ә".encode()[:1], True),  # D3: only letters of Cyrillic begin so
        (b"\xf0", False),  # letters of old scripts, and pictures
        (b"\xff", True),  # no UTF-8
    ],
)
def test_a_first_character_is_known_by_all_that_its_bytes_may_become(
    data: bytes, is_of_words: bool
) -> None:
    assert begins_with(OF_WORDS, data) == is_of_words
