"""Scores: metrics with units, counts and confidence intervals."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST_DOCUMENTS = 10
FEWEST_OF_SOURCE = 5
"""Fewest groups of neighbours for an interval: in all, and in each source."""
FEW_GROUPS = 30
"""Of fewer groups an interval is rough: of ten whose bits are as skewed as an exponential
distribution it covers 88 to 90 % (benchmarks/intervals.py)."""
LARGEST_SHARE = 0.3
"""Where one group has more of the bytes of its source, there is no interval: what it says can be
compared with little. Of groups with 40 %, intervals are too wide: they hold the truth in 98 %."""
LENGTH_SHARE = 0.15
LENGTH_T = 2.0
VARIED_LENGTHS = 0.75
"""From when bits are said to depend on the length of documents (`depends_on_length`)."""
NoInterval = Literal["too few", "uneven"]
TOO_FEW: NoInterval = "too few"
UNEVEN: NoInterval = "uneven"
"""Why a value has no interval: fewer groups than FEWEST_DOCUMENTS or FEWEST_OF_SOURCE, or one with
more than LARGEST_SHARE. They are kept with scores, and shown."""
SOURCE_BYTES = 300_000
JUDGED_BYTES = 2_000
"""Fewest bytes of a source in all, and of its scored text, to be part of a mean over sources: a few
sentences must not weigh as much as books. The first bound decides in most cases, so that the mean
is over the same sources for every seed."""
BITS = "bits_per_byte"
PER_TEXT = "bits_per_text"
NORMAL = 1.959964
"""The quantile of a normal distribution for 95 %."""
MOST_FREEDOM = 1e4

Numbers = NDArray[np.float64]
Sizes = NDArray[np.int64]
Sources = NDArray[Any]
"""The source of each document, by name or number."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number. low, high: 95 % interval over documents within each source, neighbours
    together; None where `ratio` gives none. Of an accuracy that of `share`.

    source None is the total. model: "model", "uniform", "unigram", "bigram", "compressor",
    "model_on_sample": the model on the compressor's sample of the documents, "before": the
    pretrained model that training went on from, or "ensemble": the mean probability of the members
    of its phase, or else of the last phase of texts.

    weighting, of a total: "bytes" is the ratio of sums over all documents; "sources" is the
    unweighted mean over sources. There is none where fewer than two sources are averaged.
    averaged: the names of these sources; small ones are left out (SOURCE_BYTES).

    text: "document": each document is read alone; "block": neighbouring short ones are read
    together, and n_documents counts blocks.

    deviation: standard deviation over the compressor's ends of the training text; None for other
    models. sampled_from: number of all documents if the score is of a sample, else None.
    held_out_bytes: of the source or of all, if only a part of them was scored. n_groups: over how
    many groups of neighbours its interval is. no_interval: why there is none; also None in
    evaluations from before it was kept. of_lengths: whether bits depend on the length of documents
    so much that the interval holds for documents of about these lengths alone.
    """

    metric: str
    value: float
    unit: str
    low: float | None
    high: float | None
    n_documents: int
    n_bytes: int
    n_chars: int
    n_tokens: int
    source: str | None
    model: str
    split: str
    weighting: Literal["bytes", "sources"] = "bytes"
    averaged: Sequence[str] = ()
    text: Literal["document", "block"] = "document"
    deviation: float | None = None
    sampled_from: int | None = None
    held_out_bytes: int | None = None
    n_groups: int | None = None
    no_interval: NoInterval | None = None
    of_lengths: bool = False

    @property
    def has_few_groups(self) -> bool:
        """Whether its interval rests on so few groups that it is rough."""
        return self.n_groups is not None and self.n_groups < FEW_GROUPS


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval; None for one that `ratio` does not give, with the reason."""

    value: float
    low: float | None
    high: float | None
    no_interval: NoInterval | None = None

    def within(self, least: float, most: float) -> "Interval":
        """The same with an interval that does not leave the scale."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(least, self.low), high=min(most, self.high))

    def excludes(self, value: float) -> bool:
        """Whether there is an interval, and this value is not in it."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Measured:
    """Nats of documents under one model, and the documents' sizes; arrays of one length.

    draws: if nats are means over several measurements, these, (draws, documents).
    groups: neighbouring documents share a number; None if each is alone. Neighbours are similar, so
    an interval that drew them one by one would be too narrow.
    """

    nats: Numbers
    tokens: Sizes
    bytes: Sizes
    chars: Sizes
    draws: Numbers | None = None
    groups: Sizes | None = None

    def only(self, which: NDArray[Any]) -> "Measured":
        """Some of the documents, by mask or by indices."""
        draws = None if self.draws is None else self.draws[:, which]
        groups = None if self.groups is None else self.groups[which]
        nats = self.nats[which]
        tokens = self.tokens[which]
        n_bytes = self.bytes[which]
        chars = self.chars[which]
        return Measured(nats, tokens, n_bytes, chars, draws, groups)


METRICS = (
    (BITS, "bits", "bytes", 1 / math.log(2)),
    ("bits_per_character", "bits", "chars", 1 / math.log(2)),
    ("nats_per_token", "nats", "tokens", 1.0),
)


def scores(
    measured: Measured,
    *,
    model: str,
    split: str,
    source: str | None = None,
    sources: Sources | None = None,
    is_mean: bool = False,
    with_tokens: bool = True,
    text: Literal["document", "block"] = "document",
    sampled_from: int | None = None,
) -> list[Score]:
    """Bits per byte, bits per character, nats per token, perplexity; each with its interval.

    sources: of each document, if they are of several. is_mean: whether the value is the mean over
    these. with_tokens: whether the model has tokens to count. The others are fields of Score.
    """
    averaged = sources if is_mean else None
    make_score = partial(
        Score,
        n_documents=len(measured.nats),
        n_groups=len(measured.nats if measured.groups is None else np.unique(measured.groups)),
        n_bytes=int(measured.bytes.sum()),
        n_chars=int(measured.chars.sum()),
        n_tokens=int(measured.tokens.sum()) if with_tokens else 0,
        source=source,
        model=model,
        split=split,
        weighting="sources" if is_mean else "bytes",
        averaged=() if averaged is None else tuple(map(str, np.unique(averaged))),
        text=text,
        sampled_from=sampled_from,
        of_lengths=depends_on_length(measured.nats, measured.bytes, measured.groups),
    )
    found: list[Score] = []
    for metric, unit, size, scale in METRICS:
        if size == "tokens" and not with_tokens:
            continue
        sizes = getattr(measured, size)
        nats = measured.nats * scale
        own: dict[str, Any] = asdict(ratio(nats, sizes, sources, measured.groups, is_mean=is_mean))
        spread = None if measured.draws is None else deviation(measured.draws, sizes, averaged)
        spread = None if spread is None else spread * scale
        found.append(make_score(metric=metric, unit=unit, deviation=spread, **own))
        if size == "tokens":
            own |= {k: math.exp(min(x, 700)) for k, x in own.items() if isinstance(x, float)}
            found.append(make_score(metric="perplexity", unit="", **own))
    return found


def depends_on_length(nats: Numbers, sizes: Sizes, groups: Sizes | None = None) -> bool:
    """Whether nats per byte depend on the length of documents, or of groups of them.

    Then a few long documents decide the ratio of sums, and other documents would not be as long:
    where lengths are lognormal and bits fall by a twentieth for each e-fold of length, an interval
    holds the ratio of all such documents in 90 instead of 95 % (benchmarks/intervals.py). So the
    interval is said to be of documents of these lengths.

    It is so if lengths vary (their effective number is below VARIED_LENGTHS of the groups), the
    slope of nats per byte over the logarithm of the length is LENGTH_T times its standard error,
    and the line explains LENGTH_SHARE of the variance of the ratio.
    """
    if groups is not None:
        _, groups = np.unique(groups, return_inverse=True)
        nats = np.bincount(groups, weights=nats).astype(np.float64)
        sizes = np.bincount(groups, weights=sizes).astype(np.int64)
    nats = nats[sizes > 0]
    sizes = sizes[sizes > 0]
    if len(sizes) < FEWEST_DOCUMENTS:
        return False
    shares = sizes / sizes.sum()
    if (shares**2).sum() * len(sizes) * VARIED_LENGTHS < 1:
        return False
    lengths = np.log(sizes)
    rates = nats / sizes
    centred = lengths - lengths.mean()
    slope = float((centred * rates).sum() / (centred**2).sum())
    residuals = rates - rates.mean() - slope * centred
    error = math.sqrt((residuals**2).sum() / (len(sizes) - 2) / (centred**2).sum())
    by_length = slope * (lengths - (shares * lengths).sum())
    whole = ((shares * (rates - (shares * rates).sum())) ** 2).sum()
    explained = ((shares * by_length) ** 2).sum()
    return abs(slope) > LENGTH_T * error and bool(explained > LENGTH_SHARE * whole)


def mean_bits(judged: Measured, *, split: str) -> Score:
    """The mean of the bits of a text, which compares texts that say the same in other languages."""
    ones = np.ones_like(judged.bytes)
    found, *_ = scores(replace(judged, bytes=ones), model="model", split=split)
    return replace(found, metric=PER_TEXT, n_bytes=int(judged.bytes.sum()))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and how far it may be off: variances of independent errors that add, each with its
    degrees of freedom. There are none where an interval would say nothing; then no_interval says
    why."""

    value: float
    parts: tuple[tuple[float, float], ...] = ()
    no_interval: NoInterval | None = None

    def interval(self, comparisons: int = 1) -> tuple[float, float | None, float | None]:
        """The value with the low and the high end of its 95 % interval, which are None without one.

        comparisons: of so many intervals all hold together in 95 % of cases (Bonferroni).

        The quantile of Student's t is the mean of those of the parts, by their variances: Cochran
        and Cox 1957, Experimental designs, 4.14. One for degrees of freedom that are estimated, as
        by Satterthwaite, covers too little where one part has one or two (benchmarks/intervals.py).
        """
        if not self.parts:
            return self.value, None, None
        variance = sum(each for each, _ in self.parts)
        quantiles = [(each, t_quantile(free, 0.025 / comparisons)) for each, free in self.parts]
        reach = sum(each * quantile for each, quantile in quantiles) / max(1e-300, variance) ** 0.5
        return self.value, self.value - reach, self.value + reach


def ratio(
    numerators: Numbers,
    denominators: Sizes,
    sources: Sources | None = None,
    groups: Sizes | None = None,
    *,
    is_mean: bool = True,
) -> Interval:
    """The ratio of sums, and its 95 % interval over the pairs or groups of them (`estimate`).

    Its low end is not below 0 where no numerator is.
    """
    found = estimate(numerators, denominators, sources, groups, is_mean=is_mean)
    value, low, high = found.interval()
    if low is not None and (numerators >= 0).all():
        low = max(0.0, low)
    return Interval(value, low, high, found.no_interval)


def estimate(
    numerators: Numbers,
    denominators: Sizes,
    sources: Sources | None = None,
    groups: Sizes | None = None,
    *,
    is_mean: bool = True,
    less: Numbers | None = None,
) -> Estimate:
    """The ratio of sums, and its error over the pairs, or over groups of them.

    numerators: one of each pair, or rows of them, (seeds, pairs), of which the value is the mean;
    then the variance over seeds is a part of its own. less: of another model, whose value is taken
    off. sources: of each pair, which are taken as they are: the error is that within them. is_mean:
    whether the value is the mean over sources of the ratios; otherwise the ratio of the sums of
    all. groups: as in Measured, within one source each.

    There is no interval for fewer than FEWEST_DOCUMENTS groups, for fewer than FEWEST_OF_SOURCE in
    a source, or where one group is more than LARGEST_SHARE of its source. In a ratio of all sums,
    sources of too few groups count as one with others, and LARGEST_SHARE is of all: a title page
    does not decide there.

    The variance over groups is that of the linearised ratio: the squared residuals of the groups'
    ratios by their squared shares of the denominator, each divided by what a residual lacks of the
    spread of a ratio (MacKinnon and White 1985, HC2). Its degrees of freedom are the effective
    number of groups less one (Kish 1965, Survey sampling: of unequal shares 1 / sum of squares);
    those of several sources, or of two models' seeds, add (Satterthwaite 1946). What seeds do to
    single groups is in both variances; it is taken off that over groups (Cameron, Gelbach and
    Miller 2011, Robust inference with multiway clustering).
    """
    models = [np.atleast_2d(each) for each in (numerators, less) if each is not None]
    mean = models[0].mean(0) - (models[1].mean(0) if len(models) > 1 else 0.0)
    value = _value(mean, denominators, sources if is_mean else None)
    if groups is not None:
        _, firsts, groups = np.unique(groups, return_index=True, return_inverse=True)
        models = [
            np.array([np.bincount(groups, weights=row) for row in rows], dtype=np.float64)
            for rows in models
        ]
        denominators = np.bincount(groups, weights=denominators).astype(np.int64)
        sources = None if sources is None else sources[firsts]
    parts = _parts(len(denominators), sources)
    if not is_mean:
        parts = _few_together(parts)
    if (why := _no_interval(denominators, parts, is_mean=is_mean)) is not None:
        return Estimate(value, no_interval=why)
    weights = [1 / len(parts) for _ in parts]
    if not is_mean:
        weights = [denominators[part].sum() / max(1, denominators.sum()) for part in parts]
    errors = [
        _errors([each[:, part] for each in models], denominators[part], weight)
        for part, weight in zip(parts, weights, strict=True)
    ]
    over_seeds: list[tuple[float, float]] = []
    for number, rows in enumerate(models):
        if (seeds := len(rows)) > 1:
            values = np.sum([each.of_seeds[number] for each in errors], axis=0)
            over_seeds.append((float(values.var(ddof=1)) / seeds, seeds - 1.0))
    over_groups = added([(each.variance, each.freedom) for each in errors])
    return Estimate(value, (over_groups, *([added(over_seeds)] if over_seeds else [])))


def _no_interval(
    sizes: Sizes, parts: Sequence[NDArray[Any]], *, is_mean: bool
) -> NoInterval | None:
    """Why there is no interval, if there is none: see `estimate`. parts: by source."""
    wholes = [sizes[part] for part in parts] if is_mean else [sizes]
    if len(sizes) < FEWEST_DOCUMENTS or min(map(len, wholes)) < FEWEST_OF_SOURCE:
        return TOO_FEW
    return None if all(map(are_enough, wholes)) else UNEVEN


def are_enough(sizes: NDArray[Any]) -> bool:
    """Whether groups of these sizes suffice of a source for an interval."""
    return len(sizes) >= FEWEST_OF_SOURCE and largest_share(sizes) <= LARGEST_SHARE


class _Errors(NamedTuple):
    """Of a source: the variance over groups with its freedom, and for each model what the source
    adds to the value of each seed."""

    variance: float
    freedom: float
    of_seeds: list[Numbers]


def _errors(models: Sequence[Numbers], sizes: Sizes, weight: float) -> _Errors:
    """The errors of a ratio, or of a difference of two, with this weight in a value.

    models: numerators of each, (seeds, groups).
    """
    whole = max(1, sizes.sum())
    shares = sizes / whole
    concentration = max(float((shares**2).sum()), 1e-9)
    lack = np.maximum(1 + concentration - 2 * shares, 1e-9)
    means = list[Numbers]()
    of_seeds = list[Numbers]()
    both = 0.0
    for rows in models:
        ratios = rows.sum(1) / whole
        seeds = len(rows)
        residuals = weight * (rows / whole - shares * ratios[:, None])
        means.append(residuals.mean(0))
        of_seeds.append(weight * ratios)
        apart = float(((residuals - means[-1]) ** 2 / lack).sum())
        both += apart / (seeds * max(1, seeds - 1))
    mean = means[0] - (means[1] if len(means) > 1 else 0.0)
    variance = max(0.0, float((mean**2 / lack).sum()) - both)
    return _Errors(variance, max(1.0, 1 / concentration - 1), of_seeds)


def added(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of variances, and its degrees of freedom (Satterthwaite 1946)."""
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    return variance, variance**2 / spread if spread else max(freedom for _, freedom in parts)


@lru_cache(4096)
def t_quantile(freedom: float, tail: float = 0.025) -> float:
    """The quantile of Student's t with this probability above it; freedom need not be whole, and
    more than 10,000 count as so many.

    The probability above t = √freedom / tan angle is in proportion to the integral of
    sin^(freedom − 1) from 0 to the angle, here by Gauss and Legendre: right to 3e-6 of t.
    """
    freedom = min(freedom, MOST_FREEDOM)
    nodes, weights = _quadrature()
    log_area = math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2) + math.log(math.pi) / 2
    low = 0.0
    high = math.pi / 2
    for _ in range(50):
        angle = (low + high) / 2
        above = angle * float(weights @ np.sin(angle * nodes) ** (freedom - 1))
        low, high = (angle, high) if above < tail * math.exp(log_area) else (low, angle)
    return math.sqrt(freedom) / math.tan((low + high) / 2)


@cache
def _quadrature() -> tuple[Numbers, Numbers]:
    """Points between 0 and 1, closer at 0, and their weights in a mean over this range."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return ((nodes + 1) / 2) ** 2, (nodes + 1) / 2 * weights


def share(
    is_right: NDArray[np.bool_], groups: NDArray[Any], *, is_mean: bool
) -> tuple[float, float, float]:
    """The share of items that are right, and its 95 % interval.

    groups: of each item. is_mean: the mean over groups of their shares; otherwise that of all.

    Wilson's interval (1927), which has a width where all are right, too. Of several groups the
    variance is that within them. The number of items is then the effective one, with which one
    share would have this variance: Korn and Graubard 1998, Confidence intervals for proportions
    with small expected number of positive counts estimated from survey data. A group of one item
    has no variance of its own and takes that of all.
    """
    _, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    shares = np.bincount(numbers, weights=is_right) / counts
    value = float(shares.mean() if is_mean else is_right.mean())
    weights = np.full(len(counts), 1 / len(counts)) if is_mean else counts / len(is_right)
    size = 1 / float((weights**2 / counts).sum())
    of_all = value * (1 - value)
    if len(counts) > 1:
        own = shares * (1 - shares) / np.maximum(1, counts - 1)
        variance = float((weights**2 * np.where(counts > 1, own, of_all)).sum())
        size = of_all / variance if variance else size
    return value, *wilson(value, size)


def wilson(value: float, size: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of so many items."""
    square = NORMAL**2 / size
    middle = (value + square / 2) / (1 + square)
    reach = math.sqrt(square * (value * (1 - value) + square / 4)) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


Parts = list[NDArray[np.intp]]
"""The indices of each source's documents or groups."""


def _parts(count: int, sources: Sources | None) -> Parts:
    """The indices of each source's documents; of all in one part without sources."""
    if sources is None:
        return [np.arange(count)]
    return [np.flatnonzero(sources == name) for name in np.unique(sources)]


def _few_together(parts: Parts) -> Parts:
    """The parts of fewer than FEWEST_OF_SOURCE groups joined to one, behind the others.

    If they are too few even together, the smallest of the others is joined to them.
    """
    parts = sorted(parts, key=len)
    few = [part for part in parts if len(part) < FEWEST_OF_SOURCE]
    enough = parts[len(few) :]
    if few and enough and sum(map(len, few)) < FEWEST_OF_SOURCE:
        few.append(enough.pop(0))
    return [*enough, np.concatenate(few)] if few else enough


def largest_share(sizes: NDArray[Any]) -> float:
    """The largest size as a share of their sum."""
    return float(sizes.max() / max(1, sizes.sum()))


def _value(numerators: Numbers, denominators: Sizes, sources: Sources | None) -> float:
    """The mean over sources of the ratios of sums; without sources, the ratio of all sums."""
    parts = _parts(len(numerators), sources)
    ratios = [numerators[part].sum() / max(1, denominators[part].sum()) for part in parts]
    return float(sum(ratios) / max(1, len(ratios)))


def deviation(nats: Numbers, sizes: Sizes, sources: Sources | None = None) -> float | None:
    """Standard deviation of the value over rows of nats, (draws, documents); None of one row."""
    values = [_value(row, sizes, sources) for row in nats]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def find(
    found: Sequence[Score],
    *,
    metric: str,
    model: str,
    source: str | None,
    weighting: str = "bytes",
    text: str = "document",
) -> Score | None:
    """The score of a metric, a model and a source, or None."""
    wanted = (metric, model, source, weighting, text)
    keys = attrgetter("metric", "model", "source", "weighting", "text")
    return next((score for score in found if keys(score) == wanted), None)


def headline(
    found: Sequence[Score], *, model: str, metric: str = BITS, text: str = "document"
) -> Score | None:
    """The main score of one split's text: the mean over sources, or the total if there is none."""
    find_total = partial(find, found, metric=metric, model=model, source=None, text=text)
    return find_total(weighting="sources") or find_total(weighting="bytes")
