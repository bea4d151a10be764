"""`endonym compare`: finished runs side by side, and whether their differences are significant.

A difference is paired (each draw takes the same documents for both runs) and is claimed only when
its interval excludes zero. Runs that were scored on different texts, as after one source was left
out, are compared on the documents that all share; with too few of these there is no difference.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from endonym.commands.finished_runs import FinishedRun
from endonym.commands.seeds import have_several_seeds, seed_groups, seed_notes
from endonym.evaluate.documents import Documents, are_same, bits_per_byte, difference, shared
from endonym.evaluate.score import FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Score
from endonym.evaluate.tables import aligned
from endonym.log import duration, folded, number

BASELINES = ("unigram", "bigram", "compressor")
LIKE_PARAMETERS = 1.02
"""Numbers of parameters within this factor are called alike."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Bits per byte above the best run, with a paired 95 % interval; none below ten documents.

    With several sources: of the means over them.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def is_claimed(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, the best first, each with its difference to that one; and the shared baselines.

    differences: empty if the runs share too few texts; then their order is as given. documents:
    how many the differences are over.
    """

    runs: list[FinishedRun]
    differences: list[Difference]
    baselines: list[Score]
    notes: list[str]
    documents: int = 0

    @property
    def name(self) -> str:
        """The recipe's name, if they are runs of one; else empty."""
        are_plain = all(run.name == run.folder.name for run in self.runs)
        names = {re.split("[@+]", run.name)[0] for run in self.runs}
        return names.pop() if are_plain and len(names) == 1 else ""

    @property
    def split(self) -> str:
        """Whose documents were scored: test or dev."""
        return self.runs[0].score.split

    @property
    def is_of_seeds(self) -> bool:
        """Whether these are one recipe under several seeds: there is nothing to choose."""
        groups = seed_groups(self.runs)
        return len(groups) == 1 and have_several_seeds(groups)

    @property
    def first(self) -> FinishedRun:
        """The run to go on with: the best; with seeds, the best recipe under its own seed."""
        groups = seed_groups(self.runs)
        return groups[0].own if have_several_seeds(groups) else self.runs[0]

    def short(self, run: FinishedRun) -> str:
        """A run's variant and overrides, if all are runs of one recipe; else its name."""
        return run.name.removeprefix(self.name).removeprefix("@") or run.name


def compare(runs: Sequence[FinishedRun]) -> Comparison:
    """Put runs side by side."""
    baselines = [line for name in BASELINES if (line := _shared(name, runs)) is not None]
    found, note = _documents(runs)
    if not found:
        return Comparison(list(runs), [], baselines, [note, *_remarks(runs, baselines)])
    parts = sorted(zip(runs, found, strict=True), key=lambda pair: bits_per_byte(pair[1]))
    ordered, first = [run for run, _ in parts], parts[0][1]
    differences = [Difference(*difference(each, first)) for _, each in parts]
    groups = seed_groups(ordered)
    verdict = [] if have_several_seeds(groups) else _verdict(ordered, differences, len(first))
    notes = [*seed_notes(groups), *([note] if note else []), *verdict]
    notes += _remarks(ordered, baselines)
    return Comparison(ordered, differences, baselines, notes, len(first))


def _documents(runs: Sequence[FinishedRun]) -> tuple[list[Documents], str]:
    """The documents on which the runs are compared, and a note if they are not all of each.

    None, and why, if the runs share too few.
    """
    old = [run.name for run in runs if run.documents is None]
    if old:
        return [], (
            f"{_listed(old)} kept no scores of single documents with their sources, "
            "so no difference is shown. "
            "Run again: only the scoring is done anew."
        )
    own = [run.documents for run in runs if run.documents is not None]
    if all(are_same(own[0], each) for each in own[1:]):
        return own, ""
    common = shared(own)
    sizes = [f"{run.name}: {number(run.score.n_documents)}" for run in runs]
    opening = f"These runs were scored on different {runs[0].score.split} documents"
    if difference(common[0], common[-1])[1] is None:
        return [], (
            f"{opening} ({'; '.join(sizes)}) and share {number(len(common[0]))} from the same "
            "sources: too few, so no difference is shown."
        )
    return common, (
        f"{opening} ({'; '.join(sizes)}): differences are over the {number(len(common[0]))} that "
        "all share, and so is the order."
    )


def _shared(model: str, runs: Sequence[FinishedRun]) -> Score | None:
    """A baseline that is the same for every run."""
    scores = [run.scores.get(model) for run in runs]
    values = {each and (round(each.value, 6), each.n_bytes) for each in scores}
    return scores[0] if len(values) == 1 else None


def _verdict(
    runs: Sequence[FinishedRun], differences: Sequence[Difference], documents: int
) -> list[str]:
    """Which run is best, and which ones are not significantly worse."""
    best = runs[0]
    texts = f"{number(documents)} {best.score.split} documents"
    if best.score.low is None:
        return [
            f"{best.name} needs the fewest bits per byte, but no difference is claimed: it takes "
            f"{FEWEST_DOCUMENTS} {best.score.split} documents, neighbours counted as one, and "
            f"{FEWEST_OF_SOURCE} of each source."
        ]
    pairs = zip(runs[1:], differences[1:], strict=True)
    near = [run.name for run, each in pairs if not each.is_claimed]
    if not near:
        return [
            f"{best.name} needs the fewest bits per byte, and the interval of every difference "
            f"to it excludes zero (paired over the same {texts})."
        ]
    return [
        f"{best.name} needs the fewest bits per byte; {_listed(near)} cannot be told apart from "
        f"it (paired over the same {texts})."
    ]


def _remarks(runs: Sequence[FinishedRun], baselines: Sequence[Score]) -> list[str]:
    """Notes that a reader of the table needs."""
    notes = [*_beaten_by(runs, baselines), *_apart_in_size(runs)]
    shown = {line.model for line in baselines}
    apart = [n for n in BASELINES if n not in shown and any(n in run.scores for run in runs)]
    if apart:
        notes.append(f"Not the same for all of them, so not shown: {_listed(apart)}.")
    there = {run.name: run.scores.get("model_on_sample") for run in runs}
    values = [f"{name} {each.value:.4f}" for name, each in there.items() if each is not None]
    if "compressor" in shown and values:
        notes.append(f"On the documents of the compressor's line: {_listed(values)}.")
    averaged = {tuple(sorted(run.score.averaged)) for run in runs}
    if len(averaged) == 1 and (names := averaged.pop()):
        notes.append(
            f"Bits per byte are means over the sources {_listed(names)}, each counted alike."
        )
    if len({run.machine for run in runs}) > 1:
        notes.append(
            "They were not all trained on one processor and as many threads: times differ by it."
        )
    groups = seed_groups(runs)
    if runs[0].score.split == "test" and len(groups) > 1:
        notes.append(
            "To choose one of them, compare their dev scores, so that test stays unseen: "
            '[[evaluate]] split = "dev", then compare --split dev.'
        )
    notes.append("Intervals in the table are over documents, of one training each.")
    if not have_several_seeds(groups):
        notes[-1] += " Another seed may move a run by more: endonym run RECIPE --seeds 3."
    return notes


def _beaten_by(runs: Sequence[FinishedRun], baselines: Sequence[Score]) -> list[str]:
    """A note if every model loses to a baseline that needs no training."""
    best = min(run.score.value for run in runs)
    better = [line for line in baselines if line.sampled_from is None and line.value < best]
    if not better:
        return []
    names = _listed([f"{line.model} ({line.value:.4f})" for line in better])
    return [
        f"Every model loses to {names}, without any training: the best has {best:.4f} bits per "
        "byte. These models need more steps or more text before they are worth comparing."
    ]


def _apart_in_size(runs: Sequence[FinishedRun]) -> list[str]:
    """A note on how far the numbers of parameters differ."""
    by_size = sorted(runs, key=lambda run: run.parameters[0])
    (least, _), (most, _) = by_size[0].parameters, by_size[-1].parameters
    if most <= least * LIKE_PARAMETERS:
        return []
    return [
        f"Parameters differ by a factor of {most / least:.2f}: {number(least)} "
        f"({by_size[0].name}) to {number(most)} ({by_size[-1].name})."
    ]


def _listed(names: Sequence[str]) -> str:
    """Names joined for a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table as texts: its head, and a row for each run and each baseline."""
    has_differences = bool(comparison.differences) and not comparison.is_of_seeds
    beside = ["to the best", "paired 95 %"] if has_differences else []
    heads = ["run", "bits/byte", "95 %", *beside, "family", "parameters", "tokens", "epochs"]
    heads += ["training", "tokens/s", "kept step"]
    rows: list[list[str]] = []
    for index, run in enumerate(comparison.runs):
        total, active = run.parameters
        size = number(total) + (f" ({number(active)} active)" if active != total else "")
        row = [run.name, *_score_cells(run.score)]
        if has_differences:
            each = comparison.differences[index]
            span = "–" if each.low is None else f"{each.low:+.4f} to {each.high:+.4f}"
            row += [f"{each.value:+.4f}", span] if index else ["best", ""]
        row += [run.shape.family, size, number(run.tokens), f"{run.epochs:.2f}"]
        row += ["–", "–"] if run.speed is None else [duration(run.seconds), number(run.speed)]
        last = run.models[-1].numbers
        rows.append([*row, f"{number(last['kept_step'])} of {number(last['steps'])}"])
    for line in comparison.baselines:
        name = line.model
        if line.sampled_from is not None:
            name += f" ({number(line.n_documents)} of {number(line.sampled_from)} documents)"
        rows.append([name, *_score_cells(line), *[""] * (len(heads) - 3)])
    return heads, rows


def _score_cells(score: Score) -> list[str]:
    span = "–" if score.low is None else f"{score.low:.4f}–{score.high:.4f}"
    return [f"{score.value:.4f}", span]


def describe(comparison: Comparison) -> str:
    """The comparison as text: an aligned table and its notes."""
    heads, rows = cells(comparison)
    notes = map(folded, comparison.notes)
    return "\n".join([*aligned([heads, *rows]), "", *notes])


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The form that `--json` prints."""
    runs: list[dict[str, Any]] = []
    for index, run in enumerate(comparison.runs):
        last, (total, active) = run.models[-1].numbers, run.parameters
        beside = comparison.differences[index] if comparison.differences else None
        runs.append(
            {
                "name": run.name,
                "run": str(run.folder),
                "variant": run.plan.get("variant"),
                "sets": run.plan.get("sets", []),
                "seed": run.seed,
                "lr": run.lr,
                "family": run.shape.family,
                "parameters": total,
                "active_parameters": active,
                "train_tokens": run.tokens,
                "epochs": run.epochs,
                "score": run.score.as_dict(),
                "dev_bits_per_byte": run.dev_score and run.dev_score.value,
                "difference": beside and {**asdict(beside), "is_claimed": beside.is_claimed},
                "seconds": run.seconds or None,
                "tokens_per_second": run.speed,
                "steps": last["steps"],
                "kept_step": last["kept_step"],
            }
        )
    return {
        "runs": runs,
        "baselines": [line.as_dict() for line in comparison.baselines],
        "same_documents": bool(comparison.differences),
        "shared_documents": comparison.documents,
        "seeds": [group.as_dict() for group in seed_groups(comparison.runs)],
        "notes": comparison.notes,
    }
