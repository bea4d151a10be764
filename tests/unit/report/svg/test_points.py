"""Long series of points: thinned without losing their outline, and smoothed."""

import math

from endonym.report.svg import smoothed, thinned


def test_thinning_keeps_the_outline() -> None:
    points = [(float(x), 1.0) for x in range(10_000)]
    points[4321] = (4321.0, 9.0)
    points[77] = (77.0, -3.0)
    thin = thinned(points, 400)
    assert len(thin) <= 400
    assert {(4321.0, 9.0), (77.0, -3.0)} <= set(thin)
    assert thin == sorted(thin)


def test_smoothing_keeps_a_straight_line_and_calms_a_jagged_one() -> None:
    straight = [(float(x), 2.0 * x) for x in range(50)]
    assert all(
        math.isclose(a[1], b[1]) for a, b in zip(straight, smoothed(straight, 9), strict=True)
    )
    jagged = [(float(x), float(x % 2)) for x in range(50)]
    assert all(0.4 <= y <= 0.6 for _, y in smoothed(jagged, 21)[10:-10])


def test_of_each_stretch_the_lowest_and_the_highest_are_kept_in_their_order() -> None:
    points = list(enumerate([3.0, 5.0, 1.0, 4.0, 2.0, 2.0, 9.0, 8.0]))
    assert thinned(points, 4) == [(1, 5.0), (2, 1.0), (4, 2.0), (6, 9.0)]
    assert thinned(points, 8) == points
    assert thinned(points[:3], 3) == points[:3]
    assert thinned([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 2) == [(0.0, 1.0), (2.0, 1.0)]


def test_the_mean_ends_as_calmly_as_it_goes() -> None:
    """The last values of a noisy, falling loss do not stand alone."""
    noise = (0.4 * (-1) ** n for n in range(400))
    points = [(float(n), 2.0 - n / 400 + each) for n, each in enumerate(noise)]
    points[-1] = (399.0, 3.0)
    ends = [abs(y - (2.0 - x / 400)) for x, y in smoothed(points, 41)[-25:]]
    assert max(ends) < 0.25


def test_means_reach_as_far_to_one_side_as_to_the_other() -> None:
    points = [(0.0, 0.0), (1.0, 3.0), (2.0, 6.0), (3.0, 0.0)]
    assert smoothed(points, 3) == [(0.0, 0.0), (1.0, 3.0), (2.0, 3.0), (3.0, 1.5)]
    assert smoothed(points, 1) == smoothed(points, 0) == points
    assert smoothed([], 5) == []
