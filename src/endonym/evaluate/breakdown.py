"""Bits per byte by position and by length, calibration, and the surprise of single tokens.

All of it is what one reading of the texts says of each token (`generate/reading.py`). What is kept
is small: sums in bins with their intervals, and the beginnings of a few texts.

Calibration is of the likeliest token in each place: of those to which the model gives about 30 %,
30 % should be right. The expected calibration error is the mean distance of both, weighted by the
tokens in each bin: Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599,
equation 3, with bins of equal width; here ten of them, there fifteen.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from endonym.evaluate.score import NoInterval, ratio
from endonym.script.letters import LETTER
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:  # These import torch, which a report does without.
    from endonym.evaluate.bits import Texts
    from endonym.generate.reading import TokenNats

BINS = "bins.json"
SURPRISES = "surprises.json"
"""The files of an evaluation that hold its bins, and the surprise of some tokens."""
EDGES = (0, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
"""Bytes at which bins of positions and lengths begin. Not tokens: models with other tokenizers have
the same bins."""
SHARES = tuple(number / 10 for number in range(10))
"""Probabilities at which bins of confidence begin."""
SHOWN_TEXTS = 4
SHOWN_CHARS = 500

By = Literal["position", "length", "confidence"]
PerToken = Sequence[NDArray[Any]]
"""Of each text the values of its tokens."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A part of the tokens of texts. split, text: as in Score.

    by "position": tokens that begin so many bytes behind the beginning of their text; by "length":
    those of texts of so many bytes, of which only the beginning may be read; value is bits per
    byte, and size counts bytes. by "confidence": those in whose place the likeliest token has such
    a probability; value is the share of places where that token stands, expected its mean
    probability, and size counts tokens.

    begin is in the bin and end is not; None: it has no end. low, high, no_interval: 95 % interval,
    as in Score. n_documents: texts that have such tokens; n_groups: groups of neighbours of these.
    """

    split: str
    text: Literal["document", "block"]
    by: By
    begin: float
    end: float | None
    value: float
    low: float | None
    high: float | None
    n_documents: int
    size: int
    expected: float | None = None
    n_groups: int | None = None
    no_interval: NoInterval | None = None


@dataclass(frozen=True, slots=True)
class Surprise:
    """The beginning of a text, in pieces of whole letters, each with the bits of its tokens.

    split, text, source: as in Score. is_cut: the text goes on.
    """

    split: str
    text: Literal["document", "block"]
    source: str
    pieces: Sequence[tuple[str, float]]
    is_cut: bool


def bins(texts: "Texts", read: "Sequence[TokenNats]", *, split: str) -> Iterator[Bin]:
    """The bins that have tokens, by position, length (of documents) and confidence, in order.

    read: what a model has said of each text.
    """
    make = partial(_bins, texts, split)
    sizes = [texts.tokenizer.document_token_sizes(ids) for ids in texts.ids]
    bits = [each.nats / math.log(2) for each in read]
    begins = [np.cumsum(size) - size for size in sizes]
    yield from make("position", EDGES, places=begins, values=bits, sizes=sizes)
    if texts.text == "document":  # Blocks are of one length.
        wholes = [size.sum() for size in sizes] if texts.lengths is None else texts.lengths
        lengths = [np.full(len(size), whole) for size, whole in zip(sizes, wholes, strict=True)]
        yield from make("length", EDGES, places=lengths, values=bits, sizes=sizes)
    chances = [np.exp(-each.likeliest) for each in read]
    are_right = [each.is_likeliest for each in read]
    yield from make("confidence", SHARES, places=chances, values=are_right)


def _bins(
    texts: "Texts",
    split: str,
    by: By,
    edges: Sequence[float],
    *,
    places: PerToken,
    values: PerToken,
    sizes: PerToken | None = None,
) -> Iterator[Bin]:
    """The ratio of the values' sum to that of the sizes in each bin that has tokens.

    places: what says the bin of each token. Without sizes each token counts one, and the mean of
    the places is the expected value.
    """
    parts = [np.searchsorted(edges, place, side="right") - 1 for place in places]

    def sums(of_tokens: PerToken) -> NDArray[Any]:
        """Of each text in each bin."""
        weighed = zip(parts, of_tokens, strict=True)
        return np.array([np.bincount(part, each, minlength=len(edges)) for part, each in weighed])

    totals = sums(values)
    counts = sums([np.ones(len(part)) for part in parts] if sizes is None else sizes).astype(int)
    expected = sums(places) if sizes is None else None
    sources = np.array(texts.sources)
    for number, begin in enumerate(edges):
        has = counts[:, number] > 0
        if not has.any():
            continue
        groups = None if texts.groups is None else texts.groups[has]
        count = counts[has, number]
        own = ratio(totals[has, number], count, sources[has], groups, is_mean=False)
        if by == "confidence":
            own = own.within(0.0, 1.0)  # a share
        size = int(count.sum())
        yield Bin(
            split=split,
            text=texts.text,
            by=by,
            begin=begin,
            end=edges[number + 1] if number + 1 < len(edges) else None,
            **asdict(own),
            n_documents=int(has.sum()),
            n_groups=int(has.sum()) if groups is None else len(np.unique(groups)),
            size=size,
            expected=None if expected is None else float(expected[has, number].sum()) / size,
        )


def calibration_error(found: Sequence[Bin]) -> float | None:
    """The expected calibration error of bins by confidence; None without any."""
    size = sum(each.size for each in found)
    distances = (each.size * abs(each.value - (each.expected or 0.0)) for each in found)
    return sum(distances) / size if size else None


def surprises(texts: "Texts", read: "Sequence[TokenNats]", *, split: str) -> Iterator[Surprise]:
    """The beginnings of a few texts, evenly spaced within each source, whatever a model says there.

    read: what a model has said of each text.
    """
    from endonym.evaluate.bits import spaced_sample

    for index in spaced_sample(texts.sources, SHOWN_TEXTS):
        # A character has four bytes at most, and a token one at least.
        ids = texts.ids[index][: 4 * SHOWN_CHARS].tolist()
        pieces = letters(texts.tokenizer, ids, (read[index].nats / math.log(2)).tolist())
        ends = np.cumsum([len(text) for text, _ in pieces])
        some = pieces[: int(np.searchsorted(ends, SHOWN_CHARS, side="right"))]
        is_cut = len(some) < len(pieces)
        yield Surprise(split, texts.text, texts.sources[index], some, is_cut)


def letters(
    tokenizer: Tokenizer, ids: Sequence[int], bits: Sequence[float]
) -> list[tuple[str, float]]:
    """Ids as texts with their bits. Those that hold parts of one letter with its signs are joined.

    bits: of each id.
    """
    parts = list[tuple[str, float]]()
    done = 0
    for text, count in tokenizer.pieces(ids):
        parts.append((text, float(sum(bits[done : done + count]))))
        done += count
    whole = "".join(text for text, _ in parts)
    ends = {letter.end() for letter in LETTER.finditer(whole)}
    found = list[tuple[str, float]]()
    waiting = ""
    waiting_bits = 0.0
    end = 0
    for text, of_text in parts:
        waiting += text
        waiting_bits += of_text
        end += len(text)
        if end in ends:
            found.append((waiting, waiting_bits))
            waiting = ""
            waiting_bits = 0.0
    return found
