"""Scores: metrics with units, counts and confidence intervals."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
SEED = 0
FEWEST_DOCUMENTS, FEWEST_OF_SOURCE = 10, 5
"""Fewest groups of neighbours for an interval: in all, and in each source."""
FEW_GROUPS = 30
"""Of fewer groups an interval is rough: a bootstrap's ends are those of a normal distribution, and
Student's t has 4 % wider ones with so many, 8 % wider ones with 17 (Hesterberg 2015)."""
LARGEST_SHARE = 0.5
"""Where one group has more of the bytes of its source, there is no interval: draws with it and
without it are two values, not a spread."""
SOURCE_BYTES, JUDGED_BYTES = 300_000, 2_000
"""Fewest bytes of a source in all, and of its scored text, to be part of a mean over sources: a few
sentences must not weigh as much as books. The first bound decides in most cases, so that the mean
is over the same sources for every seed."""
CHUNK_DRAWS = 50
BITS = "bits_per_byte"
NORMAL = 1.959964
"""The quantile of a normal distribution for 95 %."""

Sources = NDArray[Any]
"""The source of each document, by name or number."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number. low, high: 95 % bootstrap interval over documents, drawn within each source,
    neighbours together; None where `ratio` gives none. Of an accuracy that of `share`.

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
    held_out_bytes: of the source or of all, if only a part of them was scored. n_groups: how many
    groups of neighbours its interval draws.
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

    @property
    def has_few_groups(self) -> bool:
        """Whether its interval rests on so few groups that it is rough."""
        return self.n_groups is not None and self.n_groups < FEW_GROUPS

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Measured:
    """Nats of documents under one model, and the documents' sizes; arrays of one length.

    draws: if nats are means over several measurements, these, (draws, documents).
    groups: neighbouring documents share a number; None if each is alone. Neighbours are similar, so
    an interval that drew them one by one would be too narrow.
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    bytes: NDArray[np.int64]
    chars: NDArray[np.int64]
    draws: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | None = None

    def only(self, which: NDArray[Any]) -> "Measured":
        """Some of the documents, by mask or by indices."""
        draws = None if self.draws is None else self.draws[:, which]
        groups = None if self.groups is None else self.groups[which]
        nats, tokens = self.nats[which], self.tokens[which]
        n_bytes, chars = self.bytes[which], self.chars[which]
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
    )
    found: list[Score] = []
    for metric, unit, size, scale in METRICS:
        if size == "tokens" and not with_tokens:
            continue
        sizes = getattr(measured, size)
        nats = measured.nats * scale
        value, low, high = ratio(nats, sizes, sources, measured.groups, is_mean=is_mean)
        spread = None if measured.draws is None else deviation(measured.draws, sizes, averaged)
        spread = None if spread is None else spread * scale
        found.append(
            make_score(metric=metric, value=value, unit=unit, low=low, high=high, deviation=spread)
        )
        if size == "tokens":
            power, low, high = (
                None if x is None else math.exp(min(x, 700)) for x in (value, low, high)
            )
            found.append(
                make_score(metric="perplexity", value=power or 0.0, unit="", low=low, high=high)
            )
    return found


def ratio(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.int64],
    sources: Sources | None = None,
    groups: NDArray[np.int64] | None = None,
    *,
    is_mean: bool = True,
) -> tuple[float, float | None, float | None]:
    """The ratio of sums, and its 95 % bootstrap interval over the pairs, or over groups of them.

    sources: of each pair; draws are made within each source. is_mean: whether the value is the mean
    over sources of the ratios; otherwise the ratio of the sums of all. groups: as in Measured,
    within one source each. Of n groups n - 1 are drawn at a time, so that the spread is not
    underestimated for small n. There is no interval for fewer than FEWEST_DOCUMENTS groups, for
    fewer than FEWEST_OF_SOURCE in a source, or where one group is more than LARGEST_SHARE of its
    source. In a ratio of all sums, sources of too few groups are drawn together with others, and
    LARGEST_SHARE is of all: a title page does not decide there.

    Source: Efron 1979, with ratios of sums in each draw. Rao and Wu 1988, Resampling inference with
    complex survey data (several sources, n - 1). Davison and Hinkley 1997, Bootstrap methods, 3.8
    (data in groups).
    """
    averaged = sources if is_mean else None
    value = _value(numerators, denominators, averaged)
    if groups is not None:
        _, firsts, groups = np.unique(groups, return_index=True, return_inverse=True)
        numerators = np.bincount(groups, weights=numerators).astype(np.float64)
        denominators = np.bincount(groups, weights=denominators).astype(np.int64)
        sources = None if sources is None else sources[firsts]
    parts = _parts(len(numerators), sources)
    if not is_mean:
        parts = _few_together(parts)
    fewest = min(map(len, parts), default=0)
    are_too_few = len(numerators) < FEWEST_DOCUMENTS or fewest < FEWEST_OF_SOURCE
    wholes = parts if is_mean else [np.arange(len(numerators))]
    if are_too_few or any(largest_share(denominators[part]) > LARGEST_SHARE for part in wholes):
        return value, None, None
    values = draws(numerators, denominators, parts, is_mean=is_mean)
    low, high = np.percentile(values, [2.5, 97.5])
    return value, float(low), float(high)


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
    size, of_all = 1 / float((weights**2 / counts).sum()), value * (1 - value)
    if len(counts) > 1:
        own = shares * (1 - shares) / np.maximum(1, counts - 1)
        variance = float((weights**2 * np.where(counts > 1, own, of_all)).sum())
        size = of_all / variance if variance else size
    return value, *wilson(value, size)


def wilson(value: float, size: float) -> tuple[float, float]:
    """The ends of Wilson's 95 % interval of a share of `size` items."""
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


def _value(
    numerators: NDArray[np.float64], denominators: NDArray[np.int64], sources: Sources | None
) -> float:
    """The mean over sources of the ratios of sums; without sources, the ratio of all sums."""
    parts = _parts(len(numerators), sources)
    ratios = [numerators[part].sum() / max(1, denominators[part].sum()) for part in parts]
    return float(sum(ratios) / max(1, len(ratios)))


def draws(
    numerators: NDArray[np.float64], denominators: NDArray[np.int64], parts: Parts, *, is_mean: bool
) -> NDArray[np.float64]:
    """The value in DRAWS samples of n - 1 of each part with replacement, with a fixed seed.

    is_mean: the mean of the parts' ratios; otherwise the ratio of all sums, where each part keeps
    its size: its sums are scaled by n / (n - 1).
    """
    generator = np.random.Generator(np.random.Philox(key=SEED))
    upper, lower = np.zeros((len(parts), DRAWS)), np.zeros((len(parts), DRAWS))
    for number, part in enumerate(parts):
        for first in range(0, DRAWS, CHUNK_DRAWS):
            chosen = part[generator.integers(0, len(part), size=(CHUNK_DRAWS, len(part) - 1))]
            chunk = slice(first, first + CHUNK_DRAWS)
            upper[number, chunk] = numerators[chosen].sum(1)
            lower[number, chunk] = denominators[chosen].sum(1)
    if is_mean:
        return (upper / np.maximum(1, lower)).mean(0)
    scales = np.array([len(part) / (len(part) - 1) for part in parts])[:, None]
    return (upper * scales).sum(0) / np.maximum(1, (lower * scales).sum(0))


def deviation(
    nats: NDArray[np.float64], sizes: NDArray[np.int64], sources: Sources | None = None
) -> float | None:
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
