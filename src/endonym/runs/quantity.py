"""The one quantity by which finished runs are compared: bits per byte of the same documents.

The column of the table, the order, the differences, all intervals, and the means over seeds are of
it. It is over the documents that all runs share, of the sources that are in the mean of all, and
that have enough documents for an interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from endonym.evaluate.documents import (
    Documents,
    are_of_same_texts,
    are_same,
    interval,
    named_in,
    shared,
    with_enough,
)
from endonym.evaluate.score import FEWEST_DOCUMENTS, FEWEST_OF_SOURCE
from endonym.log import listed, number
from endonym.runs.finished_runs import FinishedRun


@dataclass(frozen=True, slots=True)
class Bits:
    """Bits per byte with a 95 % interval over documents, if there is one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the runs are compared by.

    documents: of each run, the same ones in the same order; none if the runs share too few, and
    then each run stands with its own score. bits: of each run. sources: the names of those that
    the mean is over; empty if it is over all bytes. is_whole: whether these are all documents and
    sources that each run was scored on. notes: what was left out, and why.
    """

    documents: list[Documents]
    bits: list[Bits]
    sources: list[str]
    is_whole: bool
    notes: list[str]

    @classmethod
    def of(cls, runs: Sequence[FinishedRun]) -> "Quantity":
        """The quantity that all these runs have."""
        own = [Bits(run.score.value, run.score.low, run.score.high) for run in runs]
        common, notes = _common(runs)
        if not common:
            return cls([], own, [], False, notes)
        documents, more_notes = _with_intervals(runs, common)
        own_documents = [run.documents for run in runs if run.documents is not None]
        is_whole = all(map(are_same, documents, own_documents))
        bits = own if is_whole else [Bits(*interval(of_run)) for of_run in documents]
        averaged = _averaged(runs, documents[0])
        sources = averaged if len(averaged) > 1 else []
        return cls(documents, bits, sources, is_whole, notes + more_notes)


def _common(runs: Sequence[FinishedRun]) -> tuple[list[Documents], list[str]]:
    """The documents that all runs were scored on, and a note if they are not all of each.

    None, and why, if the runs share too few.
    """
    old = [run.name for run in runs if run.documents is None]
    if old:
        return [], [
            f"{listed(old)} kept no scores of single documents with their sources, "
            "so no difference is shown. "
            "Run again: only the scoring is done anew."
        ]
    own = [run.documents for run in runs if run.documents is not None]
    if all(are_same(own[0], each) for each in own[1:]):
        return own, []
    common = shared(own)
    is_enough = bool(with_enough(common))
    kept = _averaged(runs, common[0])
    over = listed(kept) if kept else "all bytes"
    if all(are_of_same_texts(own[0], each) for each in own):
        opening = "The means of these runs are over different sources"
        if not is_enough:
            return [], [f"{opening}, and too few documents are in all: no difference is shown."]
        return common, [f"{opening}: all figures here are over {over}, which all share."]
    sizes = "; ".join(f"{run.name}: {number(run.score.n_documents)}" for run in runs)
    opening = f"These runs were scored on different {runs[0].score.split} documents ({sizes})"
    if not is_enough:
        return [], [
            f"{opening} and share {number(len(common[0]))} from the same "
            "sources: too few, so no difference is shown."
        ]
    note = f"{opening}: all figures here are over the {number(len(common[0]))} that all share"
    return common, [f"{note}, of {over}." if kept else f"{note}."]


def _with_intervals(
    runs: Sequence[FinishedRun], found: list[Documents]
) -> tuple[list[Documents], list[str]]:
    """The documents whose differences have intervals: of all sources of the mean, or of some.

    And a note if they are of some, or if there are no intervals.
    """
    some, split = with_enough(found), runs[0].score.split
    if some and len(some[0]) == len(found[0]):
        return found, []
    if not some:
        return found, [
            f"No difference of two runs has an interval: it takes {FEWEST_DOCUMENTS} {split} "
            f"documents, neighbours counted as one, and {FEWEST_OF_SOURCE} of each source, none "
            "with most of its text."
        ]
    averaged = _averaged(runs, found[0])
    kept = named_in(some[0], averaged)
    left = [name for name in averaged if name not in kept]
    return some, [
        f"Too few {split} documents for an interval, of fewer than {FEWEST_OF_SOURCE} groups of "
        f"neighbours, or most of the text in one: {listed(left)}. So all figures here are over "
        f"{listed(kept)} alone: {number(len(some[0]))} documents. Each report has the others."
    ]


def _averaged(runs: Sequence[FinishedRun], documents: Documents) -> list[str]:
    """The sources in the mean over sources of any run that have documents here."""
    names = sorted({str(name) for run in runs for name in run.score.averaged})
    return named_in(documents[documents["averaged"]], names)
