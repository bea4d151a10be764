"""Nats of each held-out document, saved with the scores, so that two models can be compared.

Documents are identified by their text, so models with different tokenizers, corpora and stores can
be compared if they were evaluated on the same texts.
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endonym.evaluate import score

RECORD = np.dtype(
    [
        ("text", "<u8"),
        ("source", "<u8"),
        ("group", "<i8"),
        ("averaged", "?"),
        ("bytes", "<i8"),
        ("nats", "<f8"),
    ]
)
"""text, source: the first eight bytes of the SHA-256 of the text and of its source's name. group:
as in Measured. averaged: whether its source is in the mean over sources."""

KEY = ("text", "source")
"""The fields that tell a document from all others."""

Documents = NDArray[Any]


def documents(
    texts: Iterable[str],
    sources: Sequence[str],
    measured: score.Measured,
    averaged: Collection[str] | None = None,
) -> Documents:
    """Each text with its source, size and nats, in order.

    averaged: the sources in the mean over sources; all if not given.
    """
    found = np.zeros(len(measured.nats), dtype=RECORD)
    found["text"] = _digests(texts)
    found["source"] = _digests(sources)
    found["averaged"] = True if averaged is None else np.isin(sources, sorted(averaged))
    found["bytes"] = measured.bytes
    found["nats"] = measured.nats
    found["group"] = np.arange(len(found)) if measured.groups is None else measured.groups
    return found


def _digests(texts: Iterable[str]) -> NDArray[np.uint64]:
    """The first eight bytes of the SHA-256 of each text, as a number."""
    parts = [hashlib.sha256(text.encode("utf-8")).digest()[:8] for text in texts]
    return np.frombuffer(b"".join(parts), dtype="<u8")


def save(folder: Path, found: Documents) -> None:
    """Write the documents to the folder of the scores."""
    np.save(folder / "documents.npy", found, allow_pickle=False)


def load_documents(folder: Path) -> Documents | None:
    """The documents of an evaluation, sorted by text; None if it saved none with sources."""
    path = folder / "documents.npy"
    return ordered(np.load(path, allow_pickle=False)) if path.is_file() else None


def ordered(found: Documents) -> Documents | None:
    """Sorted by text and source; None for an old format without sources."""
    if found.dtype != RECORD:
        return None
    return found[np.lexsort((found["source"], found["text"]))]


def are_of_same_texts(one: Documents, other: Documents) -> bool:
    """Whether both are of the same texts from the same sources; both are sorted."""
    return all(np.array_equal(one[key], other[key]) for key in KEY)


def are_same(one: Documents, other: Documents) -> bool:
    """Whether both are of the same texts and means over the same sources; both are sorted."""
    return are_of_same_texts(one, other) and np.array_equal(one["averaged"], other["averaged"])


def shared(every: Sequence[Documents]) -> list[Documents]:
    """The documents that all runs have, each text of a source once, in one order.

    every: the documents of each run. A source is in the mean if it is in the mean of all.
    """
    numbers: list[dict[Any, int]] = []
    """Of each run: the number of a document by its text and source."""
    for run in every:
        keys = zip(*(run[name].tolist() for name in KEY), strict=True)
        numbers.append({key: number for number, key in enumerate(keys)})
    common = sorted(set(numbers[0]).intersection(*numbers[1:]))
    found = [
        run[[of_run[key] for key in common]] for run, of_run in zip(every, numbers, strict=True)
    ]
    averaged = np.all([run["averaged"] for run in found], axis=0)
    for run in found:
        run["averaged"] = averaged
    return found


def documents_for_intervals(every: Sequence[Documents]) -> list[Documents]:
    """The documents of each run on which a difference has an interval; [] if there is none.

    every: the same documents of each run, as from `shared`. Of one source: all of them, if its own
    score has an interval. Of several: those of the sources that have enough groups of neighbours,
    of which none has most of the bytes; [] if these are too few together.
    """
    sources = np.unique(every[0]["source"][every[0]["averaged"]])
    enough = [
        source
        for source in sources
        if all(score.are_enough(_group_sizes(run[run["source"] == source])) for run in every)
    ]
    some = list(every)
    if len(sources) > max(1, len(enough)):
        some = [run[np.isin(run["source"], enough)] for run in every]
    return some if all(interval(run)[1] is not None for run in some) else []


def _group_sizes(found: Documents) -> NDArray[Any]:
    """The bytes of each group of neighbours."""
    _, groups = np.unique(found["group"], return_inverse=True)
    return np.bincount(groups, weights=found["bytes"])


def named_in(found: Documents, sources: Sequence[str]) -> list[str]:
    """Those of these sources that have documents here."""
    return [name for name in sources if (found["source"] == _digests([name])[0]).any()]


def counted(found: Documents) -> Documents:
    """Those that a value is over: of the sources in the mean if there are several, or else all."""
    return found[found["averaged"]] if _has_mean(found) else found


def _has_mean(found: Documents) -> bool:
    """Whether several sources are in the mean."""
    return len(np.unique(found["source"][found["averaged"]])) > 1


def group_count(found: Documents) -> int:
    """How many groups of neighbours an interval draws."""
    return len(np.unique(counted(found)["group"]))


def interval(found: Documents) -> tuple[float, float | None, float | None]:
    """Bits per byte, and the low and high end of its interval, which are None if it has none."""
    return mean_interval([found])


def mean_interval(every: Sequence[Documents]) -> tuple[float, float | None, float | None]:
    """The mean over the seeds of a recipe, with its interval as `mean_difference` gives it."""
    of_zero_bits = every[0].copy()
    of_zero_bits["nats"] = 0.0
    return mean_difference(every, [of_zero_bits])


def difference(
    one: Documents, other: Documents, *, comparisons: int = 1
) -> tuple[float, float | None, float | None]:
    """The bits per byte of one model minus the other's, with its interval; as `mean_difference`."""
    return mean_difference([one], [other], comparisons=comparisons)


def mean_difference(
    ones: Sequence[Documents],
    others: Sequence[Documents],
    *,
    are_paired: bool = False,
    comparisons: int = 1,
) -> tuple[float, float | None, float | None]:
    """The mean bits per byte of a recipe's seeds minus that of another's, and the low and high end
    of its 95 % interval.

    All are of the same documents. Of the mean over sources if there are two or more, otherwise over
    all bytes. The interval is over documents, of which both have the same, and, where a recipe has
    several seeds, over seeds together (`score.estimate`). are_paired: both have the same seeds in
    the same order; else the variances of both means add (Welch 1947). comparisons: as in
    `Estimate.interval`. The ends are None where those of `score.ratio` are.
    """
    about = counted(ones[0])
    rows, less = (
        np.array([counted(run)["nats"] for run in each]) / math.log(2) for each in (ones, others)
    )
    found = score.estimate(
        rows - less if are_paired else rows,
        about["bytes"],
        about["source"],
        about["group"],
        is_mean=_has_mean(ones[0]),
        less=None if are_paired else less,
    )
    return found.interval(comparisons)
