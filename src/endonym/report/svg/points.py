"""Thinning and smoothing of long series of points."""

from endonym.report.svg.curves import Points


def thinned(points: Points, limit: int) -> list[tuple[float, float]]:
    """At most `limit` points that keep the outline: the lowest and highest of each stretch."""
    if len(points) <= limit:
        return list(points)
    parts = max(1, limit // 2)
    kept: list[tuple[float, float]] = []
    for part in range(parts):
        stretch = points[part * len(points) // parts : (part + 1) * len(points) // parts]
        by_value = sorted(stretch, key=lambda point: point[1])
        kept += sorted({by_value[0], by_value[-1]})
    return kept


def smoothed(points: Points, window: int) -> list[tuple[float, float]]:
    """Each value replaced by the mean of the `window` values around it.

    At the start, where a loss falls steeply, the mean is of fewer values, as many on each side. At
    the end it is the straight line through the last `window` values, so that none of them, which
    are noisy, is shown alone.
    """
    half = max(0, window // 2)
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)
    means: list[tuple[float, float]] = []
    for index, (x, _) in enumerate(points):
        reach = min(half, index, len(points) - 1 - index)
        start, end = index - reach, index + reach + 1
        means.append((x, (sums[end] - sums[start]) / (end - start)))
    line = _line([y for _, y in points[-2 * half - 1 :]])
    first = max(half, len(points) - half)
    for index in range(first, len(points)):
        means[index] = (points[index][0], line[index - len(points)])
    return means


def _line(values: list[float]) -> list[float]:
    """The straight line of least squares through values at equal distances."""
    count = len(values)
    middle, mean = (count - 1) / 2, sum(values) / max(1, count)
    spread = sum((n - middle) ** 2 for n in range(count)) or 1.0
    slope = sum((n - middle) * y for n, y in enumerate(values)) / spread
    return [mean + slope * (n - middle) for n in range(count)]
