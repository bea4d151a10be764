"""The report's training section: curves, sources, preference pairs, over-fitting, and samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from endonym.export.history import events, journal_of
from endonym.pipeline.execute import Made
from endonym.report.formatting import sentences, whole
from endonym.report.svg import CHARTS, Chart, Mark, Points, Series, nice_ticks, smoothed, thinned

RAW_POINTS = 400
SMOOTH_POINTS = 240
LEAST_WINDOW = 7
HEADROOM = 0.06
FIRST_SHARE = 0.04
"""Share of the training, from its start, that does not set the range of the y axis."""

UNIFORM_SHARE = 0.35
"""The chart may grow by this share of its height to show the uniform baseline."""

BASELINES = ("uniform", "unigram", "bigram")
LEVELLED = 0.002
SOURCES_DRAWN = 6
MOST_EPOCHS = 12

Lines = list[dict[str, Any]]


BITS, OF_SOURCE = "dev_bits_per_byte", "dev_bits_per_byte/"
"""Keys of the journal: bits per byte of the dev documents, and of those of a source."""


def validations_of(lines: Lines) -> Lines:
    """The lines of a journal that have a validation on the dev documents, in order."""
    return [line for line in events(lines, "step") if BITS in line]


def dev_points(lines: Lines) -> list[tuple[float, float]]:
    """Bits per byte of the dev documents by tokens seen, at each validation."""
    return [(float(line["tokens"]), line[BITS]) for line in validations_of(lines)]


def by_source(line: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The values of a line whose keys are a prefix and the name of a source."""
    return {k.removeprefix(prefix): line[k] for k in line if k.startswith(prefix)}


def overfitting(validations: Lines, train: Points) -> str:
    """A sentence about where dev loss was lowest. train: training loss by tokens seen."""
    if len(validations) < 2:
        return ""
    best, last = min(validations, key=lambda each: each[BITS]), validations[-1]
    before = [y for x, y in train if x <= best["tokens"]]
    later = [y for x, y in train if x >= last["tokens"]]
    (said,) = sentences(
        "overfitting.txt",
        best=best,
        last=last,
        after=sum(each["step"] > best["step"] for each in validations),
        levelled=LEVELLED,
        is_still_learning=not (before and later and later[-1] >= before[-1]),
    )
    return said


def phase_curves(made: Made) -> dict[str, Any] | None:
    """A model stage's name, its curves and what they say; None if its journal is gone."""
    lines = journal_of(made.artifact)
    steps = events(lines, "step")
    if not steps:
        return None
    raw = [
        (float(line["tokens"]), float(line["train_bits_per_byte"]))
        for line in steps
        if math.isfinite(line.get("train_bits_per_byte", math.nan))
    ]
    train = smoothed(raw, max(LEAST_WINDOW, len(raw) // 40))
    validations = validations_of(lines)
    notes = [overfitting(validations, train)]
    kept, last = (made.artifact.numbers.get(key) for key in ("kept_step", "steps"))
    if kept and last:
        which = "the last ones" if kept == last else f"those of step {whole(kept)} of {whole(last)}"
        notes.append(f"The final weights are {which}.")
    config = made.artifact.manifest["config"].get("phase", {})
    planned = {each["name"]: each["share"] for each in config.get("sources", ())}
    read = slices(steps)
    pairs = judged_pairs(steps)
    notes += [mixture_sentence(read, planned), pairs_sentence(pairs)]
    charts = [
        _loss(raw, train, validations, steps=steps, levels=dev_baselines(lines)),
        _by_source(validations, steps),
        *pairs_charts(pairs),
        mixture_chart(read),
        _rates(steps),
    ]
    drawn = [chart for chart in charts if chart is not None]
    return {
        "name": made.stage.name.removeprefix("model "),
        "charts": drawn,
        "notes": [sentence for sentence in notes if sentence],
        "legend": _legend(drawn[0]),
        "seconds": sum(line.get("seconds", 0.0) for line in steps),
        "tokens": steps[-1]["tokens"] - steps[0]["tokens"],
        "starts": len(events(lines, "started")),
    }


def with_margin(values: Sequence[float]) -> tuple[float, float]:
    """The range of an axis: that of the values, with some space above and below."""
    low, high = min(values), max(values)
    margin = (high - low) * HEADROOM or 0.05
    return low - margin, high + margin


def dev_baselines(lines: Lines) -> dict[str, float]:
    """Bits per byte of the dev documents under the baselines; empty in an older journal."""
    found = events(lines, "baselines")
    return {name: found[-1][name] for name in BASELINES} if found else {}


def _loss(
    raw: Points, train: Points, validations: Lines, *, steps: Lines, levels: dict[str, float]
) -> Chart:
    """Training and dev loss, and the baselines as horizontal lines."""
    held = dev_points(validations)
    late = steps[-1]["tokens"] * FIRST_SHARE
    values = [y for x, y in [*train, *held] if x >= late] or [y for _, y in [*train, *held]]
    values += [levels[name] for name in ("bigram", "unigram") if name in levels]
    low, high = min(values), max(values)
    uniform = levels.get("uniform", high)
    high = uniform if high < uniform < high + (high - low) * UNIFORM_SHARE else high
    low, high = with_margin((low, high))
    marks = epoch_marks(steps)
    if held:
        tokens, bits = min(held, key=lambda point: point[1])
        marks.append(Mark(tokens, f"best {bits:.3f}", bits, is_strong=True))
    series = [
        Series("raw", thinned(raw, RAW_POINTS), "raw", is_named=False),
        Series("training", thinned(train, SMOOTH_POINTS), "train"),
        Series("dev", held, "held", has_dots=True),
    ]
    described: list[str] = []
    if held:
        described.append(f"Dev loss goes from {held[0][1]:.2f} to {held[-1][1]:.2f}.")
    if train:
        described.append(f"Training loss goes from {train[0][1]:.2f} to {train[-1][1]:.2f}.")
    described += [f"{name}: {value:.2f}." for name, value in levels.items()]
    return Chart(
        **CHARTS["loss"],
        description=" ".join(described),
        series=[each for each in series if each.points],
        levels=levels,
        marks=marks,
        low=low,
        high=high,
    )


def _legend(chart: Chart) -> str:
    """How to read the loss chart, and which baselines lie outside its y range."""
    text = "Faint: each step; solid: their running mean; dots: validations on held-out text."
    if chart.levels:
        text += " Horizontal lines: baselines, on the dev documents."
    low, high = chart.low or -math.inf, chart.high or math.inf
    gone = [f"{n} ({value:.2f})" for n, value in chart.levels.items() if not low <= value <= high]
    return f"{text} Outside the chart: {' and '.join(gone)}." if gone else text


def epoch_marks(steps: Lines) -> list[Mark]:
    """A mark where each pass over the text ends; every second, fifth … if there are many."""
    last = steps[-1]
    if not last["tokens"] or last["epoch"] < 1:
        return []
    every = max(1.0, nice_ticks(0.0, last["epoch"], MOST_EPOCHS)[1])
    width = last["tokens"] / last["epoch"]
    count = int(last["epoch"] / every + 1e-6)
    numbers = [number * every for number in range(1, count + 1)]
    return [
        Mark(number * width, f"epoch {number:g}" if index == 0 else f"{number:g}")
        for index, number in enumerate(numbers)
    ]


def _by_source(validations: Lines, steps: Lines) -> Chart | None:
    """Dev loss of each source, if there are several."""
    points = [(each["tokens"], by_source(each, OF_SOURCE)) for each in validations]
    series = source_series(points, has_dots=True)
    late = steps[-1]["tokens"] * FIRST_SHARE
    values = [y for each in series for x, y in each.points if x >= late]
    if not values or len(validations) < 2:
        return None
    low, high = with_margin(values)
    return Chart(
        **CHARTS["sources"],
        description=" ".join(f"{s.name} ends at {s.points[-1][1]:.2f}." for s in series),
        series=series,
        marks=epoch_marks(steps),
        low=low,
        high=high,
    )


def source_series(
    points: Sequence[tuple[int, Mapping[str, float]]], *, has_dots: bool = False
) -> list[Series]:
    """A line for each source, of its values by tokens; none unless there are a few sources."""
    names = sorted({name for _, values in points for name in values})
    if not 2 <= len(names) <= SOURCES_DRAWN:
        return []
    return [
        Series(
            name,
            [(float(tokens), values[name]) for tokens, values in points if name in values],
            f"source{number}",
            has_dots=has_dots,
        )
        for number, name in enumerate(names, 1)
    ]


def _rates(steps: Lines) -> Chart | None:
    """The learning rate over the tokens seen."""
    points = [(float(line["tokens"]), float(line["lr"])) for line in steps if "lr" in line]
    if len(points) < 2:
        return None
    return Chart(
        **CHARTS["rate"],
        description=f"Peak {max(y for _, y in points):g}.",
        series=[Series("lr", thinned(points, SMOOTH_POINTS), "rate", is_named=False)],
    )


def sampled_steps(made: Sequence[Made]) -> Lines:
    """The samples that the models wrote during training, as pairs of prompt and text, by step."""
    by_step: dict[tuple[str, int], dict[str, Any]] = {}
    for each in made:
        lines = journal_of(each.artifact)
        epochs = {line["step"]: line["epoch"] for line in events(lines, "step")}
        name = each.stage.name.removeprefix("model ")
        for line in events(lines, "sample"):
            step = line["step"]
            new = {"phase": name, "step": step, "epoch": epochs.get(step), "texts": []}
            sampled = by_step.setdefault((each.artifact.id, step), new)
            sampled["texts"].append((line["prompt"], line["text"]))
    return list(by_step.values())


PREFIX = "read_tokens/"
SLICES = 100


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
    lines = [line for line in steps if by_source(line, PREFIX)]
    if not lines:
        return []
    last, before, found = lines[-1]["step"], dict[str, int](), list[Slice]()
    for number in range(1, SLICES + 1):
        line = next(each for each in lines if each["step"] * SLICES >= number * last)
        read = by_source(line, PREFIX)
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
        abs(share - planned.get(name, 0.0)) for part in parts for name, share in part.so_far.items()
    )


def mixture_sentence(parts: list[Slice], planned: Mapping[str, float]) -> str:
    """What was read in all, and how exactly the planned shares were kept; empty without any."""
    if not parts or not planned:
        return ""
    points = 100 * largest_deviation(parts, planned)
    return sentences("mixture.txt", read=parts[-1].so_far, points=points)[0]


def mixture_chart(parts: list[Slice]) -> Chart | None:
    """The shares of the sources over the phase; None if there is nothing to compare."""
    names = {name for part in parts for name, share in part.shares.items() if share}
    series = source_series(
        [(part.tokens, {n: 100 * part.shares.get(n, 0.0) for n in names}) for part in parts]
    )
    if not series or len(parts) < 2:
        return None
    so_far = parts[-1].so_far
    return Chart(
        **CHARTS["mixture"],
        description=" ".join(f"{s.name}: {100 * so_far.get(s.name, 0.0):.1f} %." for s in series),
        series=series,
    )


ACCURACY, MARGIN = "dev_accuracy", "dev_margin"


def judged_pairs(steps: Lines) -> Lines:
    """The steps at which a phase on pairs was validated; none of another phase.

    Step 0 is the reference itself: every margin is zero, up to rounding.
    """
    return [line for line in steps if ACCURACY in line and MARGIN in line]


def pairs_sentence(found: Lines) -> str:
    """What the last validation says, and which had the widest margin; empty without any."""
    judged = [line for line in found if line["step"]]
    return sentences("pairs.txt", judged=judged)[0] if judged else ""


def pairs_charts(found: Lines) -> list[Chart]:
    """Accuracy and margin over the phase; none of fewer than two validations after the start."""
    right = [(float(line["tokens"]), 100 * line[ACCURACY]) for line in found if line["step"]]
    wide = [(float(line["tokens"]), line[MARGIN]) for line in found]
    if len(right) < 2:
        return []
    low, high = with_margin([0.0, *(margin for _, margin in wide)])
    return [
        Chart(
            **CHARTS["accuracy"],
            description=f"From {right[0][1]:.1f} % to {right[-1][1]:.1f} %.",
            series=[Series("accuracy", right, "held", is_named=False, has_dots=True)],
        ),
        Chart(
            **CHARTS["margin"],
            description=f"From {wide[0][1]:.3f} to {wide[-1][1]:.3f}.",
            series=[Series("margin", wide, "held", is_named=False, has_dots=True)],
            low=low,
            high=high,
        ),
    ]
