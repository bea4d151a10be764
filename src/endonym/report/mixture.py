"""What a phase has read of each source, by its journal: slices, a sentence and a chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endonym.report.svg.curves import Chart, Series

PREFIX = "read_tokens/"
SLICES = 100
SOURCES_DRAWN = 6


@dataclass(frozen=True, slots=True)
class Slice:
    """A hundredth of a phase. tokens: read when it ends. shares: of the sources, within it;
    so_far: from the beginning of the phase."""

    tokens: int
    shares: dict[str, float]
    so_far: dict[str, float]


def slices(steps: list[dict[str, Any]]) -> list[Slice]:
    """A phase in at most a hundred parts of whole steps; none if the corpus has one source.

    steps: the lines of a journal whose event is "step".
    """
    lines = [line for line in steps if any(key.startswith(PREFIX) for key in line)]
    if not lines:
        return []
    last, before, found = lines[-1]["step"], dict[str, int](), list[Slice]()
    for number in range(1, SLICES + 1):
        line = next(each for each in lines if each["step"] * SLICES >= number * last)
        read = {k.removeprefix(PREFIX): line[k] for k in line if k.startswith(PREFIX)}
        added = {name: count - before.get(name, 0) for name, count in read.items()}
        if total := sum(added.values()):
            shares = {name: count / total for name, count in added.items()}
            everything = sum(read.values())
            so_far = {name: count / everything for name, count in read.items()}
            found.append(Slice(line["tokens"], shares, so_far))
            before = read
    return found


def largest_deviation(parts: list[Slice], planned: Mapping[str, float]) -> float:
    """How far the shares of all that was read so far were from the planned ones, at the end of any
    hundredth."""
    return max(
        abs(share - planned.get(name, 0.0)) for each in parts for name, share in each.so_far.items()
    )


def sentence(parts: list[Slice], planned: Mapping[str, float]) -> str:
    """What was read in all, and how exactly the planned shares were kept; empty without any."""
    if not parts or not planned:
        return ""
    read = " · ".join(f"{name} {share:.1%}" for name, share in parts[-1].so_far.items() if share)
    points = 100 * largest_deviation(parts, planned)
    return (
        f"Read, by the journal: {read} of the tokens; what was read so far was within "
        f"{points:.2f} points of the recipe at every hundredth of the phase."
    )


def chart(parts: list[Slice]) -> Chart | None:
    """The shares of the sources over the phase; None if there is nothing to compare."""
    names = sorted({name for each in parts for name, share in each.shares.items() if share})
    if not 2 <= len(names) <= SOURCES_DRAWN or len(parts) < 2:
        return None
    return Chart(
        title="What was read, in per cent of the tokens",
        description=" ".join(f"{n}: {100 * parts[-1].so_far.get(n, 0.0):.1f} %." for n in names),
        x_name="tokens seen",
        y_name="per cent of the tokens, by source",
        series=[
            Series(
                name,
                [(float(each.tokens), 100 * each.shares.get(name, 0.0)) for each in parts],
                f"source{index + 1}",
            )
            for index, name in enumerate(names)
        ],
        low=0.0,
        high=100.0,
        height=170,
    )
