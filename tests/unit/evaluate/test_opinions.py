"""What follows from judges' answers: biased judges are found out, and others are not."""

from operator import ne
from random import Random

import pytest

from endonym.evaluate.opinions import Pair, alpha, grades, preferences, squared
from endonym.evaluate.score import TOO_FEW

BETTER = [True] * 30 + [False] * 10
"""Of which prompts the first system wrote the better text."""


def fair(is_better: bool) -> Pair:
    return Pair(float(is_better), float(is_better))


def test_a_fair_judge_gives_the_win_rate_and_its_interval() -> None:
    found = preferences([fair(each) for each in BETTER])
    assert (found.n_pairs, found.wins, found.losses, found.ties) == (40, 30, 10, 0)
    assert found.win_rate is not None
    assert found.win_rate.value == 0.75
    # Wilson's interval of 30 of 40.
    assert found.win_rate.low == pytest.approx(0.5981, abs=1e-4)
    assert found.win_rate.high == pytest.approx(0.8581, abs=1e-4)
    assert found.first_place is not None
    assert (found.first_place.value, found.is_biased, found.n_disagreeing) == (0.5, False, 0)
    assert found.self_alpha == 1.0


@pytest.mark.parametrize("place", [1.0, 0.0])
@pytest.mark.parametrize("n", [5, 40])
def test_a_judge_that_always_takes_one_place_is_found_out(place: float, n: int) -> None:
    found = preferences([Pair(place, 1 - place)] * n)
    assert found.is_biased
    assert found.win_rate is None, "no figure that could be quoted"
    assert found.first_place is not None
    assert found.first_place.value == place
    assert (found.ties, found.n_disagreeing) == (n, n)
    assert found.self_alpha is not None
    assert found.self_alpha < 0


def test_a_judge_that_mostly_takes_the_first_place_is_found_out() -> None:
    """It reads one text of three; the others are decided by their place."""
    pairs = [fair(each) if n % 3 == 0 else Pair(1.0, 0.0) for n, each in enumerate(BETTER)]
    assert preferences(pairs).is_biased


def test_judges_that_draw_lots_are_seldom_called_biased_and_find_no_difference() -> None:
    random, n_biased, n_claimed = Random(7), 0, 0
    for _ in range(400):
        found = preferences([Pair(random.choice((0, 1)), random.choice((0, 1))) for _ in BETTER])
        n_biased += found.is_biased
        n_claimed += found.win_rate is not None and found.win_rate.excludes(0.5)
    assert n_biased <= 20
    assert n_claimed <= 20


def test_a_preference_counts_only_where_both_orders_agree() -> None:
    pairs = [Pair(1, 1), Pair(1, 0), Pair(1, 0.5), Pair(0.5, 0.5), Pair(0, 0), Pair(0, 1)]
    found = preferences(pairs)
    assert (found.wins, found.losses, found.ties, found.n_disagreeing) == (1, 1, 4, 3)
    assert found.win_rate is not None
    assert found.win_rate.value == 0.5


def test_what_was_not_answered_counts_nowhere() -> None:
    missing = [Pair(None, 0.0), Pair(0.0, None), Pair(None, None)]
    found = preferences([*[fair(True)] * 12, *missing])
    assert (found.n_pairs, found.n_missing, found.losses) == (12, 3, 0)
    assert found.win_rate == preferences([fair(True)] * 12).win_rate
    assert found.win_rate is not None
    assert found.win_rate.value == 1.0
    nothing = preferences(missing)
    assert (nothing.n_pairs, nothing.n_missing) == (0, 3)
    assert (nothing.win_rate, nothing.first_place, nothing.self_alpha) == (None, None, None)
    assert not nothing.is_biased


def test_only_ties_show_no_difference() -> None:
    found = preferences([Pair(0.5, 0.5)] * 20)
    assert found.first_place is None
    assert found.win_rate is not None
    assert not found.win_rate.excludes(0.5)
    assert found.self_alpha is None, "all values are equal"


def test_grades_that_are_missing_are_left_out_and_counted() -> None:
    found = grades([4, 5, None, 3] * 5)
    assert (found.median, found.n_texts, found.n_missing) == (4.0, 15, 5)
    assert found.mean is not None
    assert found.mean.value == 4.0
    assert found.mean.low is not None
    assert found.mean.high is not None
    assert 3.3 < found.mean.low < 3.8 < 4.2 < found.mean.high < 4.7
    for values, ends in (([5] * 14 + [1], 5.0), ([1] * 14 + [5], 1.0)):
        mean = grades(values).mean
        assert mean is not None
        assert ends in (mean.low, mean.high), "no interval leaves the scale"
    few = grades([1, 2])
    assert few.mean is not None
    assert (few.mean.value, few.mean.low, few.mean.no_interval) == (1.5, None, TOO_FEW)
    assert (grades([None]).mean, grades([None]).median, grades([None]).n_missing) == (None, None, 1)


KRIPPENDORFF = [
    "1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .",
]  # fmt: skip
"""Four observers, twelve units, missing values: Krippendorff 2011, section D."""


def test_alpha_is_that_of_the_published_example() -> None:
    rows = [[None if v == "." else float(v) for v in row.split()] for row in KRIPPENDORFF]
    assert alpha(rows, ne) == pytest.approx(0.743, abs=5e-4)
    assert alpha(rows, squared) == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_two_observers_is_that_of_the_published_example() -> None:
    """Krippendorff 2011, section A: binary data without missing values."""
    rows = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert alpha(rows, ne) == pytest.approx(0.095, abs=5e-4)


def test_alpha_is_undefined_without_two_values_of_an_item() -> None:
    assert alpha([[1.0, None], [None, 2.0]], ne) is None
    assert alpha([], ne) is None
    assert alpha([[3.0, 3.0], [3.0, 3.0]], squared) is None
