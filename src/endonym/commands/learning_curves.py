"""`endonym evaluate --steps`: the scores of a model after each step whose weights were kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from endonym.autopilot.run_time import EVALUATION_SHARE, LEAST_JUDGED_TOKENS
from endonym.commands.load import find_artifact, shards_of, words_of
from endonym.commands.scoreboard import flores_scores, flores_texts
from endonym.commands.scoring import (
    NO_CORPUS,
    Judging,
    Shown,
    by_items,
    by_probe,
    in_json,
    named,
)
from endonym.commands.tasks import write_pairs
from endonym.data.shards import TokenShards
from endonym.disk import read_json, write_atomic
from endonym.errors import RecipeError
from endonym.evaluate import bits
from endonym.evaluate.items import ACCURACY
from endonym.evaluate.probes import ProbeScore
from endonym.evaluate.score import BITS, PER_TEXT, Score, headline
from endonym.evaluate.tables import aligned, span
from endonym.export.history import phases_of
from endonym.generate.language_model import LanguageModel
from endonym.log import QUIET, Log, folded, number
from endonym.model.foreign.folder import OUR_WEIGHTS, read_shape
from endonym.model.foreign.weights import load_any
from endonym.pipeline.evaluation import held_texts, read_texts
from endonym.pipeline.evaluation_texts import Cutting, overlaps
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
NAMES = {BITS: "bits/byte", PER_TEXT: "bits a text", "macro_f1": "macro-F1"}
AnyScore = Score | ProbeScore


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


class ToJudge(NamedTuple):
    """What is judged beside the held-out documents of a split.

    tasks, flores, probes: files. pairs: a file to write, with minimal pairs of these documents.
    cutting: how `flores` is read. language: of the probes; the recipe's if None.
    """

    split: Literal["test", "dev"]
    tasks: Sequence[Path] = ()
    pairs: Path | None = None
    flores: Path | None = None
    cutting: Cutting = Cutting()
    probes: Sequence[Path] = ()
    language: str | None = None
    fine_tune: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """The scores after a step, by what was judged: a split of the documents, or a file."""

    at: Kept
    scores: dict[str, Sequence[AnyScore]]

    def headlines(self) -> dict[tuple[str, str], AnyScore]:
        """The main scores of each, by their metric and what was judged; of a probe all."""
        found = dict[tuple[str, str], AnyScore]()
        for name, part in self.scores.items():
            own = [each for each in part if isinstance(each, Score)]
            if not own:
                found |= {(each.metric, f"{name}, {each.model}"): each for each in part}
                continue
            is_of_items = own[0].metric in (ACCURACY, PER_TEXT)
            score = own[0] if is_of_items else headline(own, model="model")
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
    found = list[Kept]()
    earlier = 0
    for place, phase in enumerate(phases, start=1):
        with phase.verify().read_with_care():
            tokens = phase.numbers["tokens"]
            steps = max(1, phase.numbers["steps"])
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


def learning_curves(name: str, asked: ToJudge, *, store: Store, log: Log, device: str) -> Shown:
    """The scores of a model's held-out documents, and of what is asked, at each kept step.

    A run gets a page with the curves. Raises RecipeError if no steps were kept, or if there is
    nothing to judge.
    """
    kept = kept_of(name, store, log)
    judged = judged_at_steps(name, asked, kept[-1], store=store, log=log)
    points = list[Point]()
    for each in kept:
        model = each.load(device)
        told = log if each is kept[0] else QUIET
        points.append(Point(each, {key: n.scores(model, log=told) for key, n in judged.items()}))
        said = [f"{head} {_figure(score)}" for head, score in by_head(points[-1]).items()]
        log.line(f"  step {number(each.step)}: {', '.join(said)}")
    texts = {file: n.texts for file, n in judged.items() if n.texts}
    overlap = overlaps(texts, kept[-1].model, log, what="text")
    notes = [f"{file}: {said}" for file, each in overlap.items() for said in each.sentences("text")]
    rows = table(points)
    run = resolve_run(store, name)
    page = None
    shown = "\n".join([aligned(rows), *map(folded, notes)])
    if run is not None:
        page = run / PAGE
        values = {"name": run.name, "rows": rows, "charts": charts(points), "notes": notes}
        write_atomic(page, render("learning_curves.html", values).encode("utf-8"))
        shown += f"\n\npage  {page}"
    data = {"points": [point.as_dict() for point in points], "page": page and str(page)}
    return data | in_json(overlap), shown


def judged_at_steps(
    name: str, asked: ToJudge, last: Kept, *, store: Store, log: Log
) -> dict[str, Judging]:
    """What is judged at each step, by its name. last: the model at the end.

    Of the held-out documents at most EVALUATION_SHARE of the tokens are scored that training read.
    Files of pairs are written last, when all other files have been read.
    """
    read = shards_of(name, store)
    found = dict[str, Judging]()
    tokenizer = Tokenizer.load(last.model.folder / "tokenizer.json")
    ones = [each for each in (asked.flores, asked.pairs) if each is not None]
    files = named([*asked.tasks, *asked.probes, *ones])
    if asked.split in files:
        do = "Give it another name."
        raise RecipeError("a file is called as the split", where=asked.split, do=do)
    if read is not None and not len(TokenShards(read[0], asked.split)):
        read = None  # a recipe of conversations alone
    if read is None and not files:
        raise RecipeError(NO_CORPUS, where=name, do="Give a file of items: --tasks FILE.")
    if read is not None:
        tokens = max(LEAST_JUDGED_TOKENS, int(EVALUATION_SHARE * last.tokens))
        texts, *_ = held_texts(read[0], asked.split, tokenizer, read[1], tokens=tokens)
        found[asked.split] = Judging(partial(document_scores, texts=texts, split=asked.split))
    language = asked.language or words_of(name, store).language
    how = {"fine_tune": asked.fine_tune, "with_baselines": False}
    for file, path in files.items():
        if path == asked.pairs:
            write_pairs(name, tokenizer, path, split=asked.split, store=store)
        if path == asked.pairs or path in asked.tasks:
            found[file] = by_items(path, file, log)
        elif path in asked.probes:
            found[file] = by_probe(path, file, language, **how)
        else:
            texts = flores_texts(path, tokenizer, log, asked.cutting)
            scores = partial(flores_scores, texts=texts, split=file)
            found[file] = Judging(scores, [*texts.each()])
    return found


def document_scores(
    model: LanguageModel, *, texts: bits.Texts, split: str, log: Log
) -> list[Score]:
    """The scores of held-out documents, with a progress bar."""
    return bits.by_source(texts, read_texts(model, texts, log), model="model", split=split)


def by_head(point: Point) -> dict[str, AnyScore]:
    """The main scores of a step by the head of their column, such as "accuracy of pairs.jsonl"."""
    found = point.headlines().items()
    return {f"{NAMES.get(metric, metric)} of {name}": score for (metric, name), score in found}


def _figure(score: AnyScore) -> str:
    """The value of a score, if it has one."""
    return "undefined" if score.value is None else f"{score.value:.4f}"


def table(points: Sequence[Point]) -> list[list[str]]:
    """A row for each step, heads first: each score with its 95 % interval."""
    has_phases = len({point.at.phase for point in points}) > 1
    heads = (cell for head in by_head(points[0]) for cell in (head, "95 %"))
    rows = [[*["phase"] * has_phases, "step", "tokens", *heads]]
    for point in points:
        place = [point.at.phase] * has_phases + [point.at.step, point.at.tokens]
        row = [*map(number, place)]
        for score in point.headlines().values():
            none = "" if isinstance(score, ProbeScore) else None
            row += [_figure(score), span(score, none=none)]
        rows.append(row)
    return rows


def charts(points: Sequence[Point]) -> list[Chart]:
    """A chart for each metric: its scores by the tokens that were read, in powers of ten."""
    by_metric: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for point in points:
        for (metric, name), score in point.headlines().items():
            if score.value is not None:
                line = by_metric.setdefault(metric, {}).setdefault(name, [])
                line.append((float(point.at.tokens), score.value))
    found: list[Chart] = []
    for metric, lines in by_metric.items():
        low, high = with_margin([y for line in lines.values() for _, y in line])
        ends = [f"{name} ends at {line[-1][1]:.3f}." for name, line in lines.items()]
        title = f"{NAMES.get(metric, metric)} by tokens read"
        found.append(
            Chart(
                title=title[0].upper() + title[1:],
                description=" ".join(ends),
                x_name="tokens read",
                y_name=NAMES.get(metric, metric),
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
