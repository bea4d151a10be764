"""`endonym evaluate --steps`: the scores of a model after each step whose weights were kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from endonym.commands.evaluate import shards_of
from endonym.commands.load import find_artifact
from endonym.commands.tasks import NO_CORPUS, Shown, write_pairs
from endonym.copies.notes import distinct_names
from endonym.disk import read_json, write_atomic
from endonym.errors import RecipeError
from endonym.evaluate import bits
from endonym.evaluate.items import ACCURACY
from endonym.evaluate.score import BITS, PER_TEXT, Score, headline
from endonym.evaluate.tables import aligned, span
from endonym.export.history import phases_of
from endonym.generate.language_model import LanguageModel
from endonym.log import QUIET, Log, number
from endonym.model.foreign.folder import OUR_WEIGHTS, read_shape
from endonym.model.foreign.weights import load_any
from endonym.pipeline.evaluation import held_texts, judged_items, read_task, read_texts
from endonym.report.page import render
from endonym.report.scores import STYLES
from endonym.report.svg import Chart, Series
from endonym.report.training import with_margin
from endonym.runs.find import resolve_run
from endonym.store import TRAINED, Artifact, Store
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.checkpoint import kept_weights

PAGE = "learning-curves.html"
NO_STEPS = "the weights of single steps were not kept with this model"
HOW = "Write keep_steps = 12 in [[phase]], or --set phase.keep_steps=12, and run again."
NAMES = {BITS: "bits/byte", ACCURACY: "accuracy", PER_TEXT: "bits a text"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Weights after a step of a phase, counted from 1.

    tokens: read until then, those of earlier phases too. model: what the phase has made.
    """

    phase: int
    step: int
    tokens: int
    model: Artifact
    file: Path

    def load(self, device: str) -> LanguageModel:
        """The model with these weights."""
        shape = read_shape(read_json(self.model.folder / "config.json"))
        tokenizer = Tokenizer.load(self.model.folder / "tokenizer.json")
        return LanguageModel(load_any(shape, self.file).to(device), tokenizer)


@dataclass(frozen=True, slots=True)
class Point:
    """The scores after a step, by what was judged: a split of the documents, or a file of items."""

    at: Kept
    scores: dict[str, list[Score]]

    def headlines(self) -> dict[tuple[str, str], Score]:
        """The main score of each, by its metric and what was judged."""
        found = dict[tuple[str, str], Score]()
        for name, part in self.scores.items():
            is_of_items = part[0].metric in (ACCURACY, PER_TEXT)
            score = part[0] if is_of_items else headline(part, model="model")
            assert score is not None, "documents were scored"
            found[score.metric, name] = score
        return found

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        scores = [score for part in self.scores.values() for score in part]
        place = {"phase": self.at.phase, "step": self.at.step, "tokens": self.at.tokens}
        return {**place, "scores": scores}


def kept_of(name: str, store: Store, log: Log) -> list[Kept]:
    """The weights that the phases of a model have kept, in order. Raises RecipeError for none."""
    made = find_artifact(name, store, log)
    phases = phases_of(made) if made is not None and made.stage in TRAINED else []
    found, earlier = list[Kept](), 0
    for place, phase in enumerate(phases, start=1):
        with phase.verify().read_with_care():
            tokens, steps = phase.numbers["tokens"], max(1, phase.numbers["steps"])
            files = kept_weights(phase.folder)
            if files and phase is phases[-1]:  # The model itself ends the curve.
                files |= {phase.numbers["kept_step"]: phase.folder / OUR_WEIGHTS}
            for step, file in sorted(files.items()):
                read = earlier + step * tokens // steps
                found.append(Kept(place, step, read, phase, file))
            earlier += tokens
    if not found:
        raise RecipeError(NO_STEPS, where=name, do=HOW)
    return found


def learning_curves(
    name: str,
    tasks: Sequence[Path],
    pairs: Path | None,
    split: Literal["test", "dev"],
    *,
    store: Store,
    log: Log,
    device: str,
) -> Shown:
    """The scores of a model's held-out documents, and of files of items, at each kept step.

    pairs: a file to write, with minimal pairs of the documents; they are judged, too. A run gets a
    page with the curves. Raises RecipeError if no steps were kept, or if there is nothing to judge.
    """
    kept, read = kept_of(name, store, log), shards_of(name, store)
    if read is None and not tasks:
        raise RecipeError(NO_CORPUS, where=name, do="Give a file of items: --tasks FILE.")
    tokenizer = Tokenizer.load(kept[-1].model.folder / "tokenizer.json")
    if pairs is not None:
        write_pairs(name, tokenizer, pairs, split=split, store=store)
        tasks = [*tasks, pairs]
    named = zip(distinct_names(tasks), tasks, strict=True)
    items = {file: read_task(path, file, log) for file, path in named}
    texts = None if read is None else held_texts(read[0], split, tokenizer, read[1])[0]
    points = list[Point]()
    for each in kept:
        model, told = each.load(device), log if each is kept[0] else QUIET
        scores = dict[str, list[Score]]()
        if texts is not None:
            measured = read_texts(model, texts, told)
            scores[split] = bits.by_source(texts, measured, model="model", split=split)
        scores |= {
            file: judged_items(model, of_file, file, told) for file, of_file in items.items()
        }
        points.append(Point(each, scores))
        said = [f"{head} {score.value:.4f}" for head, score in by_head(points[-1]).items()]
        log.line(f"  step {number(each.step)}: {', '.join(said)}")
    shown, run = "\n".join(aligned(table(points), indent=2)), resolve_run(store, name)
    page = None
    if run is not None:
        page = run / PAGE
        values = {"name": run.name, "rows": table(points), "charts": charts(points)}
        write_atomic(page, render("learning_curves.html", values).encode("utf-8"))
        shown += f"\n\npage  {page}"
    data = {"points": [point.as_dict() for point in points], "page": page and str(page)}
    return data, shown


def by_head(point: Point) -> dict[str, Score]:
    """The main scores of a step by the head of their column, such as "accuracy of pairs.jsonl"."""
    return {f"{NAMES[metric]} of {name}": s for (metric, name), s in point.headlines().items()}


def table(points: Sequence[Point]) -> list[list[str]]:
    """A row for each step, heads first: each score with its 95 % interval."""
    heads = by_head(points[0])
    has_phases = len({point.at.phase for point in points}) > 1
    rows = [["step", "tokens", *(cell for head in heads for cell in (head, "95 %"))]]
    for point in points:
        row = [number(point.at.step), number(point.at.tokens)]
        for score in by_head(point).values():
            row += [f"{score.value:.4f}", span(score)]
        rows.append(row)
    if has_phases:
        phases = ["phase", *(number(point.at.phase) for point in points)]
        rows = [[phase, *row] for phase, row in zip(phases, rows, strict=True)]
    return rows


def charts(points: Sequence[Point]) -> list[Chart]:
    """A chart for each metric: its scores by the tokens that were read, in powers of ten."""
    found: list[Chart] = []
    by_metric: dict[str, list[str]] = {}
    for metric, name in points[0].headlines():
        by_metric.setdefault(metric, []).append(name)
    for metric, names in by_metric.items():
        lines = {
            name: [(float(p.at.tokens), p.headlines()[metric, name].value) for p in points]
            for name in names
        }
        low, high = with_margin([y for line in lines.values() for _, y in line])
        ends = [f"{name} ends at {line[-1][1]:.3f}." for name, line in lines.items()]
        found.append(
            Chart(
                title=f"{NAMES[metric]} by tokens read".capitalize(),
                description=" ".join(ends),
                x_name="tokens read",
                y_name=NAMES[metric],
                series=[
                    Series(name, line, f"run{index % STYLES}", has_dots=True)
                    for index, (name, line) in enumerate(lines.items())
                ],
                low=low,
                high=high,
                has_log_x=True,
            )
        )
    return found
