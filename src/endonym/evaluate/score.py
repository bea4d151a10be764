"""A score: a metric with its unit, its counts, and its uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
SEED = 0
FEWEST_DOCUMENTS = 10
CHUNK_DRAWS = 50


@dataclass(frozen=True, slots=True)
class Score:
    """One number. low and high: 95 % of bootstrap draws over documents; None below ten documents.

    source None is the total. model: "model", "uniform", "unigram", "bigram" or "compressor".
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

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one model said of documents: nats, and the documents' sizes; arrays of one length."""

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    bytes: NDArray[np.int64]
    chars: NDArray[np.int64]

    def only(self, which: NDArray[Any]) -> "Measured":
        """The documents where `which` is true, or at these places."""
        return Measured(self.nats[which], self.tokens[which], self.bytes[which], self.chars[which])


METRICS = (
    ("bits_per_byte", "bits", "bytes", 1 / math.log(2)),
    ("bits_per_character", "bits", "chars", 1 / math.log(2)),
    ("nats_per_token", "nats", "tokens", 1.0),
)


def scores(
    measured: Measured, *, model: str, source: str | None, split: str, with_tokens: bool = True
) -> list[Score]:
    """Bits per byte, bits per character, nats per token, perplexity; each with its interval."""
    counts = {
        "n_documents": len(measured.nats),
        "n_bytes": int(measured.bytes.sum()),
        "n_chars": int(measured.chars.sum()),
        "n_tokens": int(measured.tokens.sum()) if with_tokens else 0,
    }
    frame: dict[str, Any] = {**counts, "source": source, "model": model, "split": split}
    found: list[Score] = []
    for metric, unit, size, scale in METRICS:
        if size == "tokens" and not with_tokens:
            continue
        sizes = getattr(measured, size)
        value, low, high = ratio(measured.nats * scale, sizes)
        found.append(Score(metric, value, unit, low, high, **frame))
        if size == "tokens":
            powers = [None if x is None else _power(x) for x in (value, low, high)]
            found.append(Score("perplexity", powers[0] or 0.0, "", powers[1], powers[2], **frame))
    return found


def _power(nats: float) -> float:
    return math.exp(min(nats, 700.0))


def ratio(
    numerators: NDArray[np.float64], denominators: NDArray[np.int64]
) -> tuple[float, float | None, float | None]:
    """Sum over sum, and its 95 % interval by bootstrap over the pairs.

    Source: Efron 1979; the ratio of sums is drawn as a whole, so that long documents weigh as
    they do in the value.
    """
    value = float(numerators.sum() / max(1, denominators.sum()))
    count = len(numerators)
    if count < FEWEST_DOCUMENTS:
        return value, None, None
    low, high = np.percentile(draws(numerators, denominators), [2.5, 97.5])
    return value, float(low), float(high)


def draws(numerators: NDArray[np.float64], denominators: NDArray[np.int64]) -> NDArray[np.float64]:
    """The ratio in DRAWS samples of the documents, with replacement, fixed seed."""
    generator = np.random.Generator(np.random.Philox(key=SEED))
    count, found = len(numerators), []
    for _ in range(0, DRAWS, CHUNK_DRAWS):
        chosen = generator.integers(0, count, size=(CHUNK_DRAWS, count))
        found.append(numerators[chosen].sum(1) / np.maximum(1, denominators[chosen].sum(1)))
    return np.concatenate(found)


def find(found: Sequence[Score], *, metric: str, model: str, source: str | None) -> Score | None:
    """The score of a metric, a model and a source, if it was taken."""
    for score in found:
        if (score.metric, score.model, score.source) == (metric, model, source):
            return score
    return None
