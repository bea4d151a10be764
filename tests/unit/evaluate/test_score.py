"""Scores: ratios of sums, with intervals that cover what they claim to."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from endonym.evaluate import score
from endonym.evaluate.score import (
    FEWEST_OF_SOURCE,
    TOO_FEW,
    UNEVEN,
    Measured,
    depends_on_length,
    deviation,
    find,
    headline,
    scores,
    share,
    t_quantile,
)


def measured_of(nats: list[float], *, sizes: list[int] | None = None) -> Measured:
    tokens = np.array(sizes or [4] * len(nats))
    return Measured(np.array(nats), tokens, tokens * 6, tokens * 3)


def ratio(*args: Any, **keys: Any) -> tuple[float, float | None, float | None]:
    """The value and the ends of its interval."""
    found = score.ratio(*args, **keys)
    return found.value, found.low, found.high


def test_every_metric_is_the_nats_over_its_own_size() -> None:
    found = scores(measured_of([4.0, 8.0]), model="model", source="tatar", split="val")
    values = {each.metric: each.value for each in found}
    bits = 12 / math.log(2)
    wanted = {"bits_per_byte": bits / 48, "bits_per_character": bits / 24}
    wanted |= {"nats_per_token": 1.5, "perplexity": math.exp(1.5)}
    assert values == pytest.approx(wanted)
    assert [each.unit for each in found] == ["bits", "bits", "nats", ""]
    for each in found:
        assert (each.n_documents, each.n_bytes, each.n_chars, each.n_tokens) == (2, 48, 24, 8)
        assert (each.model, each.source, each.split) == ("model", "tatar", "val")
        assert asdict(each)["low"] is None


def test_a_score_without_tokens_speaks_of_none() -> None:
    frame = {"model": "compressor", "source": None, "split": "val"}
    found = scores(measured_of([4.0]), with_tokens=False, **frame)
    assert [each.metric for each in found] == ["bits_per_byte", "bits_per_character"]
    assert {each.n_tokens for each in found} == {0}


def test_neighbours_are_drawn_together():
    random = np.random.default_rng(3)
    topics, lines = 40, 16
    sizes = np.full(topics * lines, 60)
    groups = np.repeat(np.arange(topics), lines)
    covered = {"groups": 0, "lines": 0}
    for _ in range(60):
        # Lines of one topic are alike: the topic moves them more than each moves alone.
        nats = 60 + random.normal(0, 6, topics).repeat(lines) + random.normal(0, 6, len(groups))
        value, low, high = ratio(nats, sizes, groups=groups)
        covered["groups"] += low <= 1.0 <= high
        alone, low, high = ratio(nats, sizes)
        assert value == alone
        covered["lines"] += (low or 0) <= 1.0 <= (high or 0)
    assert covered["groups"] >= 52
    assert covered["lines"] <= 35


def test_ten_lines_of_two_paragraphs_have_no_interval() -> None:
    nats, sizes = np.arange(12.0) + 30, np.full(12, 50)
    assert ratio(nats, sizes, groups=np.arange(12) // 6)[1:] == (None, None)
    assert ratio(nats, sizes, groups=np.arange(12))[1:] == ratio(nats, sizes)[1:]
    sources = np.array(["а"] * 6 + ["б"] * 6)
    assert ratio(nats, sizes, sources, np.arange(12))[1:] == ratio(nats, sizes, sources)[1:]
    measured = Measured(nats, sizes, sizes, sizes, groups=np.arange(12) // 6)
    assert scores(measured, model="model", source=None, split="test")[0].low is None
    part = measured.only(np.array([0, 7]))
    assert part.groups.tolist() == [0, 1]


def test_a_mean_over_sources_counts_a_short_one_as_a_long_one() -> None:
    nats, sizes = np.array([10.0, 30.0, 6.0, 4.0]), np.array([10, 30, 2, 4])
    sources = np.array(["роман", "роман", "такмак", "җыр"])
    assert ratio(nats, sizes)[0] == pytest.approx(50 / 46)
    assert ratio(nats, sizes, sources)[0] == pytest.approx((40 / 40 + 6 / 2 + 4 / 4) / 3)
    assert ratio(nats, sizes, np.array(["роман"] * 4))[0] == ratio(nats, sizes)[0]


def test_a_mean_over_sources_draws_each_source_by_itself() -> None:
    random = np.random.default_rng(2)
    sizes = np.full(500, 100)
    sources = np.array(["зур"] * 400 + ["кечкенә"] * 100)
    level = np.where(sources == "зур", 1.0, 5.0)
    nats = sizes * (level + random.normal(0, 0.4, 500))
    value, low, high = ratio(nats, sizes, sources)
    # The variances of the two means, halved: the difference of their levels adds nothing.
    error = math.sqrt(0.4**2 / 400 + 0.4**2 / 100) / 2
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert value == pytest.approx(3.0, abs=0.1)
    _, low, high = ratio(nats, sizes)
    error = math.sqrt((0.4**2 + 0.8 * 0.2 * (5 - 1) ** 2) / 500)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_a_source_of_four_groups_has_no_interval_and_one_of_five_has() -> None:
    nats, sizes = np.arange(1.0, 18.0), np.ones(17, dtype=int)
    sources = np.array(["а"] * 12 + ["б"] * 5)
    assert ratio(nats[:-1], sizes[:-1], sources[:-1])[1:] == (None, None)
    assert None not in ratio(nats, sizes, sources)


def test_sources_of_fewer_than_ten_documents_have_an_interval_if_all_have_ten() -> None:
    nats, sizes = np.arange(1.0, 11.0), np.ones(10, dtype=int)
    sources = np.array(["а"] * 5 + ["б"] * 5)
    assert ratio(nats[:9], sizes[:9])[1:] == (None, None)
    assert ratio(nats[:9], sizes[:9], sources[:9])[1:] == (None, None)
    assert None not in ratio(nats, sizes, sources)


def test_what_has_no_interval_says_why() -> None:
    """Nine sayings; nineteen and a novel; a mean over tales and four songs; and twenty sayings."""
    sources, one = np.array(["хикәя"] * 16 + ["җыр"] * 4), np.ones(20, dtype=np.int64)
    novel = np.where(np.arange(20) == 3, 900, one * 30)
    why = [
        score.ratio(sizes * 2.0, sizes, of, is_mean=is_mean).no_interval
        for sizes, of, is_mean in (
            (one[:9], None, True),
            (novel, None, True),
            (novel[:9], None, True),
            (one, sources, True),
            (novel, sources, True),
            (novel, sources, False),
            (one, sources, False),
            (one, None, True),
        )
    ]
    assert why == [TOO_FEW, UNEVEN, TOO_FEW, TOO_FEW, TOO_FEW, UNEVEN, None, None]


def test_each_metric_says_why_it_has_no_interval() -> None:
    frame = {"model": "model", "source": None, "split": "test"}
    found = scores(measured_of([4.0] * 12, sizes=[40] + [2] * 11), **frame)
    assert [each.no_interval for each in found] == [UNEVEN] * 4
    assert {asdict(each)["no_interval"] for each in scores(measured_of([4.0]), **frame)} == {
        TOO_FEW
    }
    assert {each.no_interval for each in scores(measured_of([4.0] * 10), **frame)} == {None}


def test_the_deviation_is_that_of_the_value_over_the_draws() -> None:
    nats, sizes = np.array([[10.0, 2.0], [14.0, 2.0]]), np.array([10, 2])
    assert deviation(nats, sizes) == pytest.approx(np.std([12 / 12, 16 / 12], ddof=1))
    apart = deviation(nats, sizes, np.array(["а", "б"]))
    assert apart == pytest.approx(np.std([(1 + 1) / 2, (1.4 + 1) / 2], ddof=1))
    assert deviation(nats[:1], sizes) is None


def test_scores_of_several_draws_have_their_deviation_in_their_own_unit() -> None:
    sizes = np.array([10, 20])
    draws_of = np.array([[7.0, 9.0], [8.0, 10.0]])
    measured = Measured(draws_of.mean(0), sizes, sizes, sizes * 2, draws_of)
    found = scores(measured, model="compressor", source=None, split="dev", with_tokens=False)
    bits, letters = found
    spread = np.std([16.0, 18.0], ddof=1) / math.log(2)
    assert (bits.deviation, letters.deviation) == pytest.approx((spread / 30, spread / 60))
    part = measured.only(np.array([False, True]))
    assert part.draws.tolist() == [[9.0], [10.0]]
    alone = Measured(measured.nats, sizes, sizes, sizes)
    assert scores(alone, model="model", source=None, split="dev")[0].deviation is None


def test_the_headline_is_the_mean_over_sources_if_there_are_several() -> None:
    measured = measured_of([4.0, 8.0], sizes=[4, 40])
    frame = {"model": "model", "source": None, "split": "dev"}
    plain = scores(measured, **frame)
    mean = scores(measured, sources=np.array(["а", "б"]), is_mean=True, **frame)
    assert {each.weighting for each in mean} == {"sources"}
    for found in (plain + mean, mean + plain):
        shown = headline(found, model="model", metric="nats_per_token")
        assert shown.value == pytest.approx((4 / 4 + 8 / 40) / 2)
        total = find(found, metric="nats_per_token", model="model", source=None)
        assert total.value == pytest.approx(12 / 44)
    assert headline(plain, model="model") == plain[0]
    assert headline(plain, model="bigram") is None
    blocks = scores(measured, text="block", **frame)
    assert headline(plain + blocks, model="model", text="block") == blocks[0]


def test_equal_documents_leave_no_doubt() -> None:
    value, low, high = ratio(np.full(20, 3.0), np.full(20, 4))
    assert (value, low, high) == pytest.approx((0.75, 0.75, 0.75), rel=1e-12)
    sizes = np.arange(1, 21)
    assert ratio(sizes * 1.5, sizes) == pytest.approx((1.5, 1.5, 1.5))


def test_an_interval_is_the_same_every_time_and_follows_its_documents() -> None:
    random = np.random.default_rng(0)
    nats, sizes = random.gamma(4, 2, 30), random.integers(5, 50, 30)
    assert ratio(nats, sizes) == ratio(nats, sizes)
    doubled = ratio(nats * 2, sizes)
    assert doubled == pytest.approx([2 * part for part in ratio(nats, sizes)])


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(12)
    truth, covered = 2.0, 0
    for _ in range(200):
        sizes = random.integers(20, 200, 60)
        nats = sizes * (truth + random.normal(0, 0.5, 60))
        _, low, high = ratio(nats, sizes)
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


@pytest.mark.parametrize("kind", ["lognormal", "one of 30 %"])
def test_documents_of_very_unequal_length_have_intervals_that_hold_the_truth(kind: str) -> None:
    """Long documents decide, and there are few of them: 1.96 standard errors hold it too seldom."""
    random, count, drawn, held, normal = np.random.default_rng(20), 500, 0, 0, 0
    while drawn < count:
        sizes = np.exp(random.normal(6, 1.3, 25)).astype(np.int64) + 1
        if kind != "lognormal":
            sizes = np.append(np.full(24, 900), 9_257)
        if score.largest_share(sizes) > score.LARGEST_SHARE:
            continue
        drawn += 1
        nats = sizes * (2.0 + random.normal(0, 0.4, 25))
        value, low, high = ratio(nats, sizes)
        held += low <= 2.0 <= high
        shares = sizes / sizes.sum()
        residuals = shares * (nats / sizes - value)
        normal += abs(value - 2.0) <= 1.96 * math.sqrt((residuals**2).sum())
    assert 0.93 * count <= held <= 0.97 * count
    assert normal < 0.93 * count


def test_of_equal_documents_the_interval_is_student_s() -> None:
    """Of twelve values: the mean, and 2.200985 standard errors, by n - 1."""
    values = np.array([3.1, 2.7, 2.9, 3.3, 2.2, 3.0, 2.8, 3.6, 2.5, 2.9, 3.2, 2.6])
    value, low, high = ratio(values * 40, np.full(12, 40))
    reach = 2.2009852 * values.std(ddof=1) / math.sqrt(12)
    assert (value, low, high) == pytest.approx((values.mean(), value - reach, value + reach))


@pytest.mark.parametrize(
    ("freedom", "tail", "quantile"),
    [
        *((1, 0.025, 12.7062047), (1.3, 0.025, 7.5005293), (2.695, 0.025, 3.3962276)),
        *((23, 0.025, 2.0686576), (1000, 0.025, 1.9623391)),
        *((2, 0.025 / 45, 29.9749942), (23, 0.025 / 45, 3.7248823)),
    ],
)
def test_quantiles_of_student_s_t_are_those_of_scipy(
    freedom: float, tail: float, quantile: float
) -> None:
    assert t_quantile(freedom, tail) == pytest.approx(quantile, abs=1e-6)


def test_the_interval_of_a_mean_is_two_standard_errors_to_each_side() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    _, low, high = ratio(values, np.ones(400, dtype=int))
    error = float(values.std()) / math.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_perplexity_of_a_broken_model_is_huge_and_no_crash() -> None:
    found = scores(measured_of([4e6]), model="model", source=None, split="val")
    perplexity = find(found, metric="perplexity", model="model", source=None)
    assert 1e300 < perplexity.value < math.inf


def test_small_sources_that_are_enough_together_are_drawn_with_no_other() -> None:
    random = np.random.default_rng(7)
    apart = np.array(["а"] * 2 + ["ә"] * (FEWEST_OF_SOURCE - 2) + ["роман"] * 12)
    joined = np.where(apart == "роман", "роман", "аә")
    nats = np.where(apart == "роман", 9.0, 1.0) * random.normal(1, 0.1, len(apart))
    sizes = np.ones(len(apart), dtype=int)
    found, same = (ratio(nats, sizes, each, is_mean=False) for each in (apart, joined))
    assert None not in found
    assert found[2] - found[1] == pytest.approx(same[2] - same[1], rel=0.05)  # type: ignore[operator]


def test_a_ratio_of_all_bytes_is_drawn_within_each_source() -> None:
    """Two sources of unlike figures: between them nothing is drawn, so the interval is narrow."""
    random = np.random.default_rng(5)
    sources = np.array(["шигырь"] * 30 + ["роман"] * 30)
    nats = np.where(sources == "роман", 1.0, 3.0) * random.normal(1, 0.02, 60)
    sizes = np.ones(60, dtype=int)
    value, low, high = ratio(nats, sizes, sources, is_mean=False)
    assert value == pytest.approx(nats.mean())
    within = [nats[sources == name].var(ddof=1) / 30 for name in ("шигырь", "роман")]
    error = math.sqrt(sum(within)) / 2
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.06)
    _, low, high = ratio(nats, sizes)
    assert high - low > 0.4, "drawn from all as one, sources would be drawn, too"


def test_a_source_keeps_its_size_in_every_draw_of_all_bytes() -> None:
    sources = np.array(["аз"] * 5 + ["күп"] * 500)
    nats = np.where(sources == "аз", 2.0, 1.0)
    found = ratio(nats, np.ones(505, dtype=int), sources, is_mean=False)
    assert found == pytest.approx((510 / 505,) * 3)


def test_where_one_document_has_a_large_part_of_the_bytes_there_is_no_interval() -> None:
    nats, sizes = np.arange(1.0, 21.0), np.ones(20, dtype=int)
    assert None not in ratio(nats, sizes)
    sizes[7] = 8
    assert None not in ratio(nats, sizes), "8 of 27 are less than 30 %"
    sizes[7] = 9
    assert ratio(nats, sizes)[1:] == (None, None)
    sources = np.array(["хикәя"] * 10 + ["мәкаль"] * 10)
    assert ratio(nats, sizes, sources)[1:] == (None, None)
    assert ratio(nats, sizes, sources, is_mean=False)[1:] == (None, None)
    sizes[7] = 1
    groups = np.where(np.arange(20) < 11, 0, np.arange(20))
    assert ratio(nats, sizes, groups=groups)[1:] == (None, None), "neighbours are one group"


def test_sources_of_few_groups_are_drawn_together_in_a_ratio_of_all_bytes() -> None:
    sources = np.array(["роман"] * 12 + ["а", "а", "б", "б", "в", "в"])
    nats, sizes = np.linspace(1, 2, 18), np.ones(18, dtype=int)
    assert ratio(nats, sizes, sources)[1:] == (None, None)
    assert None not in ratio(nats, sizes, sources, is_mean=False)
    assert None not in ratio(nats[:-2], sizes[:-2], sources[:-2], is_mean=False)


@pytest.mark.parametrize("few", [["титул"], ["титул", "а", "б", "в", "в"]])
def test_a_title_page_takes_no_interval_from_five_hundred_documents(few: list[str]) -> None:
    sources, sizes = np.array(["роман"] * 500 + few), np.full(500 + len(few), 2_000)
    sizes[500:] = 30
    sizes[500] = 200
    nats = sizes * np.linspace(1, 2, len(sizes))
    value, low, high = ratio(nats, sizes, sources, is_mean=False)
    assert low < value < high
    assert ratio(nats, sizes, sources)[1:] == (None, None)


def test_too_few_groups_are_drawn_with_the_smallest_other_source() -> None:
    """Here with sayings of their own figure, and not with the novel of another one."""
    sources = np.array(["роман"] * 12 + ["мәкаль"] * 6 + ["титул"] * 2)
    nats, sizes = np.where(sources == "роман", 1.0, 3.0), np.ones(20, dtype=int)
    assert ratio(nats, sizes, sources, is_mean=False) == pytest.approx((1.8, 1.8, 1.8))


def test_enough_groups_of_small_sources_are_not_drawn_with_a_large_one() -> None:
    sources = np.array(["роман"] * 12 + ["мәкаль"] * 6 + ["а", "а", "б", "б", "в", "в"])
    nats = np.where(sources == "роман", 1.0, np.where(sources == "мәкаль", 3.0, 2.0))
    assert ratio(nats, np.ones(24, dtype=int), sources, is_mean=False) == pytest.approx((1.75,) * 3)


def test_groups_of_neighbours_stay_in_their_source() -> None:
    sources = np.array(["а"] * 18 + ["б"] * 18)
    nats = np.where(sources == "а", 1.0, 3.0)
    for is_mean in (True, False):
        found = ratio(nats, np.ones(36, dtype=int), sources, np.arange(36) // 3, is_mean=is_mean)
        assert found == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_of_one_share_is_that_of_the_literature(
    right: int, count: int, low: float, high: float
) -> None:
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, table I."""
    for is_mean in (True, False):
        found = share(np.arange(count) < right, np.zeros(count), is_mean=is_mean)
        assert found == pytest.approx((right / count, low, high), abs=6e-5)


@pytest.mark.parametrize("is_mean", [True, False])
@pytest.mark.parametrize(
    ("groups", "items", "worst", "best"),
    [(2, 50, 0.4, 0.95), (5, 12, 0.5, 0.95), (40, 12, 0.5, 0.99), (12, 3, 0.3, 0.9)],
)
def test_intervals_of_shares_in_groups_cover(
    groups: int, items: int, worst: float, best: float, *, is_mean: bool
) -> None:
    random, names = np.random.default_rng(5), np.repeat(np.arange(groups), items)
    chances = np.linspace(worst, best, groups)[names]
    drawn = [
        share(random.random(len(names)) < chances, names, is_mean=is_mean) for _ in range(1500)
    ]
    assert 0.93 <= np.mean([low <= chances.mean() <= high for _, low, high in drawn]) <= 0.97


def test_a_share_never_has_an_interval_without_width() -> None:
    groups = np.array(["x", "x", "x", "y", "y", "z"])
    for right in ([1] * 6, [0] * 6, [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]):
        for is_mean in (True, False):
            value, low, high = share(np.array(right, dtype=bool), groups, is_mean=is_mean)
            assert 0.0 <= low <= value <= high <= 1.0
            assert high - low > 0.1


def drawn(fall: float, spread: float, seed: int, count: int = 60) -> tuple[Any, Any]:
    """Nats and bytes of documents whose bits per byte fall with their length."""
    random = np.random.default_rng(seed)
    sizes = np.exp(random.normal(7, spread, count)).astype(np.int64) + 1
    rates = 1.4 - fall * (np.log(sizes) - 7) + 0.1 * random.normal(size=count)
    return rates * sizes, sizes


@pytest.mark.parametrize(
    ("fall", "spread", "least", "most"),
    [(0.2, 1.0, 0.95, 1.0), (-0.2, 1.0, 0.95, 1.0), (0.0, 1.0, 0.0, 0.05), (0.2, 0.1, 0.0, 0.05)],
    ids=["lower in long ones", "higher in long ones", "by chance alone", "all about as long"],
)
def test_a_score_says_whether_bits_depend_on_the_length_of_documents(
    fall: float, spread: float, least: float, most: float
) -> None:
    flags = [depends_on_length(*drawn(fall, spread, seed)) for seed in range(200)]
    assert least <= np.mean(flags) <= most


def test_the_lengths_of_groups_of_neighbours_count_where_documents_have_groups() -> None:
    """Headlines and articles in turns: each group has one of both, so all are as long."""
    sizes = np.array([100, 900] * 30)
    rates = np.where(sizes == 100, 2.0, 1.2) + 0.1 * np.random.default_rng(4).normal(size=60)
    assert depends_on_length(rates * sizes, sizes)
    assert not depends_on_length(rates * sizes, sizes, np.arange(60) // 2)


def test_scores_of_documents_of_all_lengths_carry_the_flag() -> None:
    nats, sizes = drawn(0.2, 1.0, seed=2)
    measured = Measured(nats, sizes // 4, sizes, sizes // 2)
    assert all(found.of_lengths for found in scores(measured, model="model", split="test"))
    nats, sizes = drawn(0.0, 1.0, seed=3)
    measured = Measured(nats, sizes // 4, sizes, sizes // 2)
    assert not any(found.of_lengths for found in scores(measured, model="model", split="test"))
