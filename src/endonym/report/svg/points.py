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
    """Each value replaced by the mean of the `window` values around it; fewer at the ends."""
    half = max(0, window // 2)
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)
    means: list[tuple[float, float]] = []
    for index, (x, _) in enumerate(points):
        reach = min(half, index, len(points) - 1 - index)
        start, end = index - reach, index + reach + 1
        means.append((x, (sums[end] - sums[start]) / (end - start)))
    return means
