"""`endonym compare`: finished runs side by side, and what may be said of their differences.

A difference is paired (each draw takes the same documents for both runs) and is claimed only when
its interval excludes zero. Runs that judged different texts are listed without differences.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from endonym.evaluate.documents import are_same, difference
from endonym.evaluate.score import FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Score
from endonym.log import duration, number
from endonym.run.contenders import Contender
from endonym.run.tables import aligned

BASELINES = ("unigram", "bigram", "compressor")
LEFT_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """Bits per byte more than the best, and the paired 95 %; none below ten documents.

    Of the headlines: where there are several sources, of the means over them.
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
    """Runs, the best first, each with its difference to that one; and the lines they share.

    differences: empty if the runs have not judged the same texts; then the runs stand as given.
    """

    runs: list[Contender]
    differences: list[Difference]
    baselines: list[Score]
    told: list[str]

    @property
    def name(self) -> str:
        """The recipe's name, if they are runs of one; else empty."""
        are_plain = all(run.name == run.folder.name for run in self.runs)
        names = {run.name.partition("@")[0] for run in self.runs}
        return names.pop() if are_plain and len(names) == 1 else ""

    def short(self, run: Contender) -> str:
        """A run's name beside others of its recipe: its variant."""
        return (self.name and run.name.partition("@")[2]) or run.name


def compare(runs: Sequence[Contender]) -> Comparison:
    """Put runs side by side."""
    baselines = [line for name in BASELINES if (line := _shared(name, runs)) is not None]
    trouble = _trouble(runs)
    if trouble:
        return Comparison(list(runs), [], baselines, [trouble, *_remarks(runs, baselines)])
    ordered = sorted(runs, key=lambda run: run.score.value)
    first = ordered[0].documents
    others = [run.documents for run in ordered]
    differences = [
        Difference(*difference(each, first))
        for each in others
        if each is not None and first is not None
    ]
    told = [*_verdict(ordered, differences), *_remarks(ordered, baselines)]
    return Comparison(ordered, differences, baselines, told)


def _trouble(runs: Sequence[Contender]) -> str:
    """Why the runs' scores cannot be subtracted; empty if they can."""
    old = [run.name for run in runs if run.documents is None]
    if old:
        return (
            f"{_listed(old)} kept no scores of single documents with their sources, "
            "so no difference is shown. "
            "Run again: only the scoring is done anew."
        )
    first, *others = runs
    if any(set(each.score.averaged) != set(first.score.averaged) for each in others):
        means = [f"{run.name}: {_listed(run.score.averaged) or 'all bytes'}" for run in runs]
        return (
            f"The scores of these runs are means over different sources ({'; '.join(means)}), "
            "so no difference is shown."
        )
    if all(_same(first, each) for each in others):
        return ""
    sizes = [
        f"{run.name}: {number(run.score.n_documents)} of {number(run.score.n_bytes)} bytes"
        for run in runs
    ]
    return (
        f"These runs were not scored on the same {first.score.split} documents of the same sources "
        f"({'; '.join(sizes)}), so no difference is shown."
    )


def _same(one: Contender, other: Contender) -> bool:
    """Whether two runs have judged the same texts."""
    mine, theirs = one.documents, other.documents
    return mine is not None and theirs is not None and are_same(mine, theirs)


def _shared(model: str, runs: Sequence[Contender]) -> Score | None:
    """A baseline that is the same for every run."""
    found = [run.scores.get(model) for run in runs]
    values = {each and (round(each.value, 6), each.n_bytes) for each in found}
    return found[0] if len(values) == 1 else None


def _baseline_name(line: Score) -> str:
    """A baseline's name, with what it is of if that is not all."""
    if line.sampled_from is None:
        return line.model
    return f"{line.model} ({number(line.n_documents)} of {number(line.sampled_from)} documents)"


def _verdict(runs: Sequence[Contender], differences: Sequence[Difference]) -> list[str]:
    """Who is best, and who cannot be told apart from it."""
    best = runs[0]
    texts = f"{number(best.score.n_documents)} {best.score.split} documents"
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


def _remarks(runs: Sequence[Contender], baselines: Sequence[Score]) -> list[str]:
    """What a reader of the table must know."""
    told: list[str] = []
    shown = {line.model for line in baselines}
    apart = [n for n in BASELINES if n not in shown and any(n in run.scores for run in runs)]
    if apart:
        told.append(f"Not the same for all of them, so not shown: {_listed(apart)}.")
    there = {run.name: run.scores.get("model_on_sample") for run in runs}
    values = [f"{name} {each.value:.4f}" for name, each in there.items() if each is not None]
    if "compressor" in shown and values:
        told.append(f"On the documents of the compressor's line: {_listed(values)}.")
    averaged = {tuple(sorted(run.score.averaged)) for run in runs}
    if len(averaged) == 1 and (names := averaged.pop()):
        told.append(
            f"Bits per byte are means over the sources {_listed(names)}, each counted alike."
        )
    if len({run.machine for run in runs}) > 1:
        told.append(
            "They were not all trained on one processor and as many threads: times differ by it."
        )
    if runs[0].score.split == "test":
        told.append(
            "To choose one of them, compare their dev scores, so that test stays unseen: "
            '[[evaluate]] split = "dev", then compare --split dev.'
        )
    return [
        *told,
        "Intervals are over documents, of one training each; another seed may move a run by more.",
    ]


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cells(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table: its heads, and a row for each run and each baseline, as texts."""
    beside = ["to the best", "paired 95 %"] if found.differences else []
    heads = ["run", "family", "parameters", "tokens", "epochs", "bits/byte", "95 %"]
    heads += [*beside, "training", "tokens/s", "kept step"]
    rows = [
        [*_shape_cells(run), *_score_cells(run.score), *_beside(found, place), *_pace_cells(run)]
        for place, run in enumerate(found.runs)
    ]
    empty = [""] * (len(heads) - 7)
    rows += [
        [_baseline_name(line), "", "", "", "", *_score_cells(line), *empty]
        for line in found.baselines
    ]
    return heads, rows


def _shape_cells(run: Contender) -> list[str]:
    total, active = run.parameters
    size = number(total) + (f" ({number(active)} active)" if active != total else "")
    return [run.name, run.shape.family, size, number(run.tokens), f"{run.epochs:.2f}"]


def _score_cells(score: Score) -> list[str]:
    span = "–" if score.low is None else f"{score.low:.4f}–{score.high:.4f}"
    return [f"{score.value:.4f}", span]


def _beside(found: Comparison, place: int) -> list[str]:
    """How far a run is behind the best."""
    if not found.differences:
        return []
    each = found.differences[place]
    if place == 0:
        return ["best", ""]
    span = "–" if each.low is None else f"{each.low:+.4f} to {each.high:+.4f}"
    return [f"{each.value:+.4f}", span]


def _pace_cells(run: Contender) -> list[str]:
    last = run.models[-1].numbers
    kept = f"{number(last['kept_step'])} of {number(last['steps'])}"
    if run.speed is None:
        return ["–", "–", kept]
    return [duration(run.seconds), number(run.speed), kept]


def describe(found: Comparison) -> str:
    """The comparison as people read it: an aligned table and what it says."""
    heads, rows = cells(found)
    return "\n".join([*aligned([heads, *rows], left=LEFT_COLUMNS), "", *found.told])


def as_dict(found: Comparison) -> dict[str, Any]:
    """The form that `--json` prints."""
    return {
        "runs": [_run_dict(found, place) for place in range(len(found.runs))],
        "baselines": [line.as_dict() for line in found.baselines],
        "same_documents": bool(found.differences),
        "told": found.told,
    }


def _run_dict(found: Comparison, place: int) -> dict[str, Any]:
    run = found.runs[place]
    last, (total, active) = run.models[-1].numbers, run.parameters
    beside = found.differences[place] if found.differences else None
    return {
        "name": run.name,
        "run": str(run.folder),
        "family": run.shape.family,
        "parameters": total,
        "active_parameters": active,
        "train_tokens": run.tokens,
        "epochs": run.epochs,
        "score": run.score.as_dict(),
        "difference": beside and {**asdict(beside), "is_claimed": beside.is_claimed},
        "seconds": run.seconds or None,
        "tokens_per_second": run.speed,
        "steps": last["steps"],
        "kept_step": last["kept_step"],
    }
