"""Long series of points: thinned without losing their outline, and smoothed."""

import math

from endonym.report.svg.points import smoothed, thinned


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
