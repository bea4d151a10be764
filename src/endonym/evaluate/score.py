"""Scores: metrics with units, counts and confidence intervals."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
SEED = 0
FEWEST_DOCUMENTS, FEWEST_OF_SOURCE = 10, 5
"""Fewest groups of neighbours for an interval: in all, and in each source of a mean."""
SOURCE_BYTES, JUDGED_BYTES = 300_000, 2_000
"""Fewest bytes of a source in all, and of its scored text, to be part of a mean over sources: a few
sentences must not weigh as much as books. The first bound decides in most cases, so that the mean
is over the same sources for every seed."""
CHUNK_DRAWS = 50
BITS = "bits_per_byte"

Sources = NDArray[Any]
"""The source of each document, by name or number."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number. low, high: 95 % bootstrap interval over documents, neighbours drawn together;
    None for fewer than FEWEST_DOCUMENTS.

    source None is the total. model: "model", "uniform", "unigram", "bigram", "compressor",
    "model_on_sample": the model on the compressor's sample of the documents, or "before": the
    pretrained model that training went on from.

    weighting, of a total: "bytes" is the ratio of sums over all documents; "sources" is the
    unweighted mean over sources. There is none where fewer than two sources are averaged.
    averaged: the names of these sources; small ones are left out (SOURCE_BYTES).

    text: "document": each document is read alone; "block": neighbouring short ones are read
    together, and n_documents counts blocks.

    deviation: standard deviation over the compressor's ends of the training text; None for other
    models. sampled_from: number of all documents if the score is of a sample, else None.
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
        sizes = (self.tokens[which], self.bytes[which], self.chars[which])
        return Measured(self.nats[which], *sizes, draws, groups)


METRICS = (
    (BITS, "bits", "bytes", 1 / math.log(2)),
    ("bits_per_character", "bits", "chars", 1 / math.log(2)),
    ("nats_per_token", "nats", "tokens", 1.0),
)


def scores(
    measured: Measured,
    *,
    sources: Sources | None = None,
    with_tokens: bool = True,
    **frame: Any,
) -> list[Score]:
    """Bits per byte, bits per character, nats per token, perplexity; each with its interval.

    sources: of each document, for means over sources. frame: the other fields of Score.
    """
    frame |= {
        "n_documents": len(measured.nats),
        "n_bytes": int(measured.bytes.sum()),
        "n_chars": int(measured.chars.sum()),
        "n_tokens": int(measured.tokens.sum()) if with_tokens else 0,
        "weighting": "bytes" if sources is None else "sources",
        "averaged": () if sources is None else tuple(map(str, np.unique(sources))),
    }
    found: list[Score] = []
    for metric, unit, size, scale in METRICS:
        if size == "tokens" and not with_tokens:
            continue
        sizes = getattr(measured, size)
        value, low, high = ratio(measured.nats * scale, sizes, sources, measured.groups)
        spread = None if measured.draws is None else deviation(measured.draws, sizes, sources)
        spread = None if spread is None else spread * scale
        found.append(Score(metric, value, unit, low, high, deviation=spread, **frame))
        if size == "tokens":
            powers = [None if x is None else math.exp(min(x, 700)) for x in (value, low, high)]
            found.append(Score("perplexity", powers[0] or 0.0, "", powers[1], powers[2], **frame))
    return found


def ratio(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.int64],
    sources: Sources | None = None,
    groups: NDArray[np.int64] | None = None,
) -> tuple[float, float | None, float | None]:
    """The ratio of sums, and its 95 % bootstrap interval over the pairs, or over groups of them.

    sources: of each pair; then the mean over sources of the ratios, with a bootstrap within each
    source. groups: as in Measured, within one source each. Of n groups n - 1 are drawn at a time,
    so that the spread is not underestimated for small n. No interval for fewer than
    FEWEST_DOCUMENTS groups, or FEWEST_OF_SOURCE in a source.

    Source: Efron 1979, with ratios of sums in each draw. Rao and Wu 1988, Resampling inference with
    complex survey data (several sources, n - 1). Davison and Hinkley 1997, Bootstrap methods, 3.8
    (data in groups).
    """
    value = _value(numerators, denominators, sources)
    if groups is not None:
        _, firsts, groups = np.unique(groups, return_index=True, return_inverse=True)
        numerators = np.bincount(groups, weights=numerators).astype(np.float64)
        denominators = np.bincount(groups, weights=denominators).astype(np.int64)
        sources = None if sources is None else sources[firsts]
    fewest = FEWEST_DOCUMENTS if sources is None else FEWEST_OF_SOURCE
    parts = _parts(len(numerators), sources)
    if len(numerators) < FEWEST_DOCUMENTS or min(map(len, parts)) < fewest:
        return value, None, None
    low, high = np.percentile(draws(numerators, denominators, sources), [2.5, 97.5])
    return value, float(low), float(high)


def _parts(count: int, sources: Sources | None) -> list[NDArray[np.intp]]:
    """The indices of each source's documents; of all in one part without sources."""
    if sources is None:
        return [np.arange(count)]
    return [np.flatnonzero(sources == name) for name in np.unique(sources)]


def _value(
    numerators: NDArray[np.float64], denominators: NDArray[np.int64], sources: Sources | None
) -> float:
    """The mean over sources of the ratios of sums."""
    parts = _parts(len(numerators), sources)
    ratios = [numerators[part].sum() / max(1, denominators[part].sum()) for part in parts]
    return float(sum(ratios) / max(1, len(ratios)))


def draws(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.int64],
    sources: Sources | None = None,
) -> NDArray[np.float64]:
    """The value in DRAWS samples of n - 1 documents with replacement, with a fixed seed."""
    generator = np.random.Generator(np.random.Philox(key=SEED))
    parts = _parts(len(numerators), sources)
    total = np.zeros(DRAWS)
    for part in parts:
        over, under, found = numerators[part], denominators[part], []
        for _ in range(0, DRAWS, CHUNK_DRAWS):
            chosen = generator.integers(0, len(part), size=(CHUNK_DRAWS, len(part) - 1))
            found.append(over[chosen].sum(1) / np.maximum(1, under[chosen].sum(1)))
        total += np.concatenate(found)
    return total / len(parts)


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
    for score in found:
        if (score.metric, score.model, score.source, score.weighting, score.text) == wanted:
            return score
    return None


def headline(
    found: Sequence[Score], *, model: str, metric: str = BITS, text: str = "document"
) -> Score | None:
    """The main score of one split's text: the mean over sources, or the total if there is none."""
    given: dict[str, Any] = {"metric": metric, "model": model, "source": None, "text": text}
    return find(found, **given, weighting="sources") or find(found, **given)
