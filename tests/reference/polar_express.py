"""The polynomials of Polar Express by its own construction (arXiv:2505.16932, algorithms 2 and 3).

One after another, each is the odd polynomial of degree five that is nearest to 1 on the interval
where the one before leaves singular values. Nearest is the one whose error swings four times
between the same extremes; where it has them is found in alternation (Remez).
"""

import numpy as np

CUSHION = 0.02407327424182761
"""Intervals are taken no wider than this, or a polynomial brings some values down to nothing."""
Coefficients = tuple[float, float, float]


def value(coefficients: Coefficients, x: float) -> float:
    """a x + b x³ + c x⁵."""
    a, b, c = coefficients
    return a * x + b * x**3 + c * x**5


def nearest_to_one(low: float, high: float) -> Coefficients:
    """The odd polynomial of degree five with the least error from 1 on [low, high]."""
    points, error = [low, (3 * low + high) / 4, (low + 3 * high) / 4, high], 0.0
    for _ in range(100):
        rows = [[x, x**3, x**5, sign] for x, sign in zip(points, (1, -1, 1, -1), strict=True)]
        a, b, c, found = np.linalg.solve(np.array(rows), np.ones(4)).tolist()
        if abs(found - error) < 1e-15:
            break
        error = found
        root = (9 * b**2 - 20 * a * c) ** 0.5
        points[1:3] = [((-3 * b + sign * root) / (10 * c)) ** 0.5 for sign in (-1, 1)]
    return a, b, c


def polar_express(low: float, count: int) -> list[Coefficients]:
    """So many polynomials for singular values in [low, 1]."""
    high, found = 1.0, []
    for _ in range(count):
        a, b, c = nearest_to_one(max(low, CUSHION * high), high)
        if low < CUSHION * high:  # The true interval is wider: its ends are put around 1 again.
            middle = (value((a, b, c), low) + value((a, b, c), high)) / 2
            a, b, c = a / middle, b / middle, c / middle
        found.append((a, b, c))
        low = value((a, b, c), low)
        high = 2 - low
    return found
