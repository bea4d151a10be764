"""The report's training section: curves, sources, preference pairs, over-fitting, and samples."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from endonym.export.history import events, journal_of
from endonym.log import number
from endonym.pipeline.execute import Made
from endonym.report.formatting import SENTENCES, sentences
from endonym.report.svg import CHARTS, Chart, Mark, Points, Series, nice_ticks, smoothed, thinned

RAW_POINTS = 400
SMOOTH_POINTS = 240
LEAST_WINDOW = 7
HEADROOM = 0.06
"""Space above and below the curves, as a share of their range."""
FIRST_SHARE = 0.04
"""Share of the training, from its start, that does not set the range of the y axis."""

UNIFORM_SHARE = 0.35
"""The chart may grow by this share of its height to show the uniform baseline."""

BASELINES = ("uniform", "unigram", "bigram")
LEVELLED = 0.002
"""Dev loss that rose by no more than this share of its lowest value is called level."""
SOURCES_DRAWN = 6
MOST_EPOCHS = 12

Lines = list[dict[str, Any]]
"""Lines of the journal of a training."""
Levels = dict[str, float]
"""Bits per byte under each baseline, by its name."""
BITS = "dev_bits_per_byte"
OF_SOURCE = "dev_bits_per_byte/"
"""Keys of the journal: bits per byte of the dev documents, and of those of a source."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation on the dev documents. bits: per byte of them; sources: those of each."""

    step: int
    tokens: int
    epoch: float
    bits: float
    sources: dict[str, float]


@dataclass(frozen=True, slots=True)
class SampledStep:
    """A step at which samples were written. texts: pairs of prompt and continuation."""

    phase: str
    step: int
    epoch: float | None
    texts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PhaseCurves:
    """A model stage: its name, its curves and what they say.

    seconds, tokens: of all steps. starts: how often its training was started.
    """

    name: str
    charts: list[Chart]
    notes: list[str]
    legend: str
    seconds: float
    tokens: int
    starts: int


def validations_of(lines: Lines) -> list[Validation]:
    """The validations on the dev documents that a journal tells of, in order."""
    return [
        Validation(e["step"], e["tokens"], e["epoch"], e[BITS], by_source(e, OF_SOURCE))
        for e in events(lines, "step")
        if BITS in e
    ]


def dev_points(validations: Sequence[Validation]) -> list[tuple[float, float]]:
    """Bits per byte of the dev documents by tokens seen, at each validation."""
    return [(float(each.tokens), each.bits) for each in validations]


def by_source(line: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The values of a line whose keys are a prefix and the name of a source."""
    return {k.removeprefix(prefix): line[k] for k in line if k.startswith(prefix)}


def overfitting(validations: Sequence[Validation], train: Points) -> str:
    """A sentence about where dev loss was lowest. train: training loss by tokens seen."""
    if len(validations) < 2:
        return ""
    best = min(validations, key=lambda each: each.bits)
    last = validations[-1]
    n_after = sum(each.step > best.step for each in validations)
    rise = last.bits - best.bits
    losses_before = [loss for tokens, loss in train if tokens <= best.tokens]
    losses_after = [loss for tokens, loss in train if tokens >= last.tokens]
    if not n_after:
        name = "still_falling"
    elif rise <= LEVELLED * best.bits:
        name = "level"
    elif best.step == 0:
        name = "best_at_start"
    elif losses_before and losses_after and losses_after[-1] >= losses_before[-1]:
        name = "rose"
    else:
        name = "began"
    worse = "the one after it was" if n_after == 1 else f"the {n_after} after it were"
    sentence = SENTENCES["overfitting"][name]
    step = number(best.step)
    return sentence.format(step=step, best=best, last=last, rise=rise, worse=worse)


def phase_curves(made: Made, learnt: Collection[str] = ()) -> PhaseCurves | None:
    """A model stage's name, its curves and what they say; None if its journal is gone.

    learnt: the phases whose validations read what they learn, as none of it is held out.
    """
    name = made.stage.name.removeprefix("model ")
    which = "learnt" if name in learnt else "held-out"
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
    notes = [] if name in learnt else [overfitting(validations, train)]
    kept_step = made.artifact.numbers.get("kept_step")
    last_step = made.artifact.numbers.get("steps")
    if kept_step and last_step:
        kept = f"those of step {number(kept_step)} of {number(last_step)}"
        kept = "the last ones" if kept_step == last_step else kept
        notes.append(f"The final weights are {kept}.")
    config = made.artifact.manifest["config"].get("phase", {})
    planned = {each["name"]: each["share"] for each in config.get("sources", ())}
    parts = slices(steps)
    pairs = judged_pairs(steps)
    notes += [mixture_sentence(parts, planned), pairs_sentence(pairs, which)]
    charts = [
        _loss(raw, train, validations, steps=steps, levels=dev_baselines(lines)),
        _by_source(validations, steps),
        *pairs_charts(pairs),
        mixture_chart(parts),
        _rates(steps),
    ]
    drawn = [chart for chart in charts if chart is not None]
    return PhaseCurves(
        name=name,
        charts=drawn,
        notes=[sentence for sentence in notes if sentence],
        legend=_legend(drawn[0], which),
        seconds=sum(line.get("seconds", 0.0) for line in steps),
        tokens=steps[-1]["tokens"] - steps[0]["tokens"],
        starts=len(events(lines, "started")),
    )


def with_margin(values: Sequence[float]) -> tuple[float, float]:
    """The range of an axis: that of the values, with some space above and below."""
    low = min(values)
    high = max(values)
    margin = (high - low) * HEADROOM or 0.05
    return low - margin, high + margin


def dev_baselines(lines: Lines) -> Levels:
    """Bits per byte of the dev documents under the baselines; empty without texts."""
    found = events(lines, "baselines")
    return {name: found[-1][name] for name in BASELINES} if found else {}


def _loss(
    raw: Points, train: Points, validations: list[Validation], *, steps: Lines, levels: Levels
) -> Chart:
    """Training and dev loss, and the baselines as horizontal lines.

    raw, train: training loss of each step, and smoothed. levels: the baselines by name.
    """
    dev = dev_points(validations)
    first_tokens = steps[-1]["tokens"] * FIRST_SHARE
    points = [*train, *dev]
    values = [loss for tokens, loss in points if tokens >= first_tokens]
    values = values or [loss for _, loss in points]
    values += [levels[name] for name in ("bigram", "unigram") if name in levels]
    low = min(values)
    high = max(values)
    uniform = levels.get("uniform", high)
    high = uniform if high < uniform < high + (high - low) * UNIFORM_SHARE else high
    low, high = with_margin((low, high))
    marks = epoch_marks(steps)
    if dev:
        tokens, bits = min(dev, key=lambda point: point[1])
        marks.append(Mark(tokens, f"best {bits:.3f}", bits, is_strong=True))
    series = [
        Series("raw", thinned(raw, RAW_POINTS), "raw", is_named=False),
        Series("training", thinned(train, SMOOTH_POINTS), "train"),
        Series("dev", dev, "held", has_dots=True),
    ]
    described: list[str] = []
    if dev:
        described.append(f"Dev loss goes from {dev[0][1]:.2f} to {dev[-1][1]:.2f}.")
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


def _legend(chart: Chart, which: str) -> str:
    """How to read the loss chart, and which baselines lie outside its y range."""
    text = f"Faint: each step; solid: their running mean; dots: validations on {which} text."
    if chart.levels:
        text += " Horizontal lines: baselines, on the dev documents."
    low = chart.low or -math.inf
    high = chart.high or math.inf
    outside = [f"{n} ({bits:.2f})" for n, bits in chart.levels.items() if not low <= bits <= high]
    return f"{text} Outside the chart: {' and '.join(outside)}." if outside else text


def epoch_marks(steps: Lines) -> list[Mark]:
    """A mark where each pass over the text ends; every second, fifth … if there are many."""
    last = steps[-1]
    if not last["tokens"] or last["epoch"] < 1:
        return []
    every = max(1.0, nice_ticks(0.0, last["epoch"], MOST_EPOCHS)[1])
    tokens_an_epoch = last["tokens"] / last["epoch"]
    epochs = [every * n for n in range(1, int(last["epoch"] / every + 1e-6) + 1)]
    names = [f"epoch {epochs[0]:g}", *(f"{epoch:g}" for epoch in epochs[1:])]
    return [Mark(e * tokens_an_epoch, name) for e, name in zip(epochs, names, strict=True)]


def _by_source(validations: Sequence[Validation], steps: Lines) -> Chart | None:
    """Dev loss of each source, if there are several."""
    points = [(each.tokens, each.sources) for each in validations]
    series = source_series(points, has_dots=True)
    first_tokens = steps[-1]["tokens"] * FIRST_SHARE
    values = [bits for each in series for tokens, bits in each.points if tokens >= first_tokens]
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
            f"source{place}",
            has_dots=has_dots,
        )
        for place, name in enumerate(names, 1)
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


def sampled_steps(made: Sequence[Made]) -> list[SampledStep]:
    """The samples that the models wrote during training, by step."""
    by_step: dict[tuple[str, int], SampledStep] = {}
    for each in made:
        lines = journal_of(each.artifact)
        epochs = {line["step"]: line["epoch"] for line in events(lines, "step")}
        name = each.stage.name.removeprefix("model ")
        for line in events(lines, "sample"):
            step = line["step"]
            new = SampledStep(phase=name, step=step, epoch=epochs.get(step), texts=[])
            sampled = by_step.setdefault((each.artifact.id, step), new)
            sampled.texts.append((line["prompt"], line["text"]))
    return list(by_step.values())


PREFIX = "read_tokens/"
"""Begins the keys of a journal that count the tokens read of a source so far."""
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
    last_step = lines[-1]["step"]
    read_before: dict[str, int] = {}
    parts: list[Slice] = []
    for part in range(1, SLICES + 1):
        line = next(each for each in lines if each["step"] * SLICES >= part * last_step)
        read = by_source(line, PREFIX)
        added = {name: count - read_before.get(name, 0) for name, count in read.items()}
        if total := sum(added.values()):
            shares = {name: count / total for name, count in added.items()}
            everything = sum(read.values())
            so_far = {name: count / everything for name, count in read.items()}
            parts.append(Slice(line["tokens"], shares, so_far))
            read_before = read
    return parts


def largest_deviation(parts: list[Slice], planned: Mapping[str, float]) -> float:
    """The largest difference of a source's share of all read so far from its planned share.

    At the end of any hundredth of the phase.
    """
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


ACCURACY = "dev_accuracy"
MARGIN = "dev_margin"


def judged_pairs(steps: Lines) -> Lines:
    """The steps at which a phase on pairs was validated; none of another phase.

    Step 0 is the reference itself: every margin is zero, up to rounding.
    """
    return [line for line in steps if ACCURACY in line and MARGIN in line]


def pairs_sentence(validations: Lines, which: str = "held-out") -> str:
    """What the last validation says, and which had the widest margin; empty without any.

    which: the pairs are "held-out" or "learnt".
    """
    after_start = [line for line in validations if line["step"]]
    if not after_start:
        return ""
    last = after_start[-1]
    widest = max(after_start, key=lambda line: line[MARGIN])
    words = SENTENCES["pairs"]
    accuracy = 100 * last[ACCURACY]
    step = number(last["step"])
    text = words["last"].format(which=which, accuracy=accuracy, step=step, margin=last[MARGIN])
    if widest is not last:
        text += words["widest"].format(step=number(widest["step"]), margin=widest[MARGIN])
    return f"{text}."


def pairs_charts(validations: Lines) -> list[Chart]:
    """Accuracy and margin over the phase; none of fewer than two validations after the start."""
    accuracy = [(float(e["tokens"]), 100 * e[ACCURACY]) for e in validations if e["step"]]
    margins = [(float(line["tokens"]), line[MARGIN]) for line in validations]
    if len(accuracy) < 2:
        return []
    low, high = with_margin([0.0, *(margin for _, margin in margins)])
    return [
        Chart(
            **CHARTS["accuracy"],
            description=f"From {accuracy[0][1]:.1f} % to {accuracy[-1][1]:.1f} %.",
            series=[Series("accuracy", accuracy, "held", is_named=False, has_dots=True)],
        ),
        Chart(
            **CHARTS["margin"],
            description=f"From {margins[0][1]:.3f} to {margins[-1][1]:.3f}.",
            series=[Series("margin", margins, "held", is_named=False, has_dots=True)],
            low=low,
            high=high,
        ),
    ]
