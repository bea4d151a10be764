"""`report.html`: the results of a run in one HTML file that loads nothing else."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from endonym.corpus.corpus import CARD, Corpus
from endonym.disk import write_atomic
from endonym.evaluate import probes
from endonym.evaluate.breakdown import BINS, SURPRISES, Bin, Surprise
from endonym.evaluate.items import TASK, cells
from endonym.evaluate.neighbours import NEIGHBOURS, Gain
from endonym.evaluate.score import BITS, Score
from endonym.evaluate.tables import by_text
from endonym.evaluate.typing_scores import TYPING, typing_cells
from endonym.evaluate.writing import WRITING, writing_cells
from endonym.export.history import events, journal_of
from endonym.model.count import parameters, parts_text
from endonym.model.foreign.folder import read_shape
from endonym.pipeline.evaluation_texts import Overlap
from endonym.pipeline.execute import Made, Run
from endonym.recipe.recipe import Recipe
from endonym.report.closely import Closely, closely
from endonym.report.copied import longest_copied
from endonym.report.corpus import answers_card, corpus_card, tokenizer_card
from endonym.report.first_look import first_look
from endonym.report.formatting import templates
from endonym.report.minimal_pairs import shown_pairs
from endonym.report.outlook import outlook
from endonym.report.scores import METRICS, gap, group, provisos, splits, verdicts
from endonym.report.svg import Bars, Chart, draw_all, draw_bars
from endonym.report.training import SampledStep, phase_curves, sampled_steps
from endonym.script.languages import language_name
from endonym.store import read_plan

WIDE = 900.0
NARROW = 350.0
FIGURE = Markup('<div class="wide">{}</div><div class="narrow">{}</div>')
"""Both drawings; the style sheet shows one."""
SAMPLES_SHOWN = 6


def write_report(run: Run, device: str = "cpu") -> Path:
    """Write `report.html` into the run's folder; sections without data are left out.

    device: on which the final model writes samples, the first time.
    """
    path = run.folder / "report.html"
    write_atomic(path, report_page(run, device).encode("utf-8"))
    return path


def report_page(run: Run, device: str = "cpu") -> str:
    """The report as HTML. device: see `write_report`."""
    return render("report.html", gather(run, device))


def render(template: str, values: dict[str, Any]) -> str:
    """A template of this folder, rendered with these values."""
    drawings: dict[str, Any] = {"figures": figures, "bars": both_bars}
    return templates().get_template(template).render(drawings | values) + "\n"


def figures(charts: Sequence[Chart]) -> list[Markup]:
    """Charts for a screen and for a phone; the style sheet shows the ones that fit."""
    return [*map(FIGURE.format, draw_all(charts, WIDE), draw_all(charts, NARROW))]


def both_bars(bars: Bars) -> Markup:
    """Bars for a screen and for a phone."""
    return FIGURE.format(draw_bars(bars, WIDE), draw_bars(bars, NARROW))


Table = tuple[str, list[list[str]], list[str]]
"""What was judged, its cells, heads first, and what is said of them."""


def gather(run: Run, device: str = "cpu") -> dict[str, Any]:
    """The values of every section of the template."""
    scores = [Score(**row) for row in _rows(run, "scores.json")]
    gains = [Gain(**row) for row in _rows(run, NEIGHBOURS)]
    prompts = _rows(run, "continuations.json")
    models = [made for made in run.made if made.stage.kind == "model"]
    parts = splits(scores)
    learnt = {name for name, _, n in answers_card(run.made) if not n.get("held_out", 1)}
    phases = [each for made in models if (each := phase_curves(made, learnt)) is not None]
    written = sampled_steps(models)
    texts = [text for step in written for _, text in step.texts]
    texts += [prompt["text"] for prompt in prompts]
    corpus = run.artifact("corpus")
    model = run.artifact("model")
    starts = events(journal_of(models[-1].artifact), "started") if models else []
    card = {}
    copied = None
    if corpus is not None and CARD in corpus.manifest["files"]:
        card = corpus.json(CARD)
        copied = longest_copied(texts, Corpus(corpus.folder).documents("train"))
    return {
        "name": run.recipe.title,
        "run_name": run.folder.name,
        "sets": run.recipe.sets,
        "language_code": run.recipe.language,
        "language": language_name(run.recipe.language),
        "outlook": outlook(run, scores, first_look(run, device)),
        "verdict": [*verdicts(scores, card, gains), *_started(run)],
        "numbers": {} if model is None else model.numbers,
        "card": card,
        "groups": [
            group(each)
            for part in parts.values()
            for each in by_text(part)
            if any(score.metric == BITS and score.source is None for score in each)
        ],
        "metrics": [name for _, name, _ in METRICS],
        **_tasks(run, card),
        "minimal_pairs": shown_pairs(run),
        "typing": _of_typing(run),
        "writing": _of_writing(run),
        "gap": gap(scores),
        "closely": _closely(run),
        "phases": phases,
        "samples": _some(written),
        "prompts": prompts,
        "copied": copied,
        "copied_from": sum(map(len, texts)),
        "corpus": corpus_card(corpus),
        "answers": answers_card(run.made),
        "tokenizer": tokenizer_card(
            run.artifact("tokenizer"),
            tokenizer_kind(run.recipe),
            corpus,
            run.artifact("shards"),
            language=run.recipe.language,
        ),
        "model": _model(run, models),
        "stages": [(made, _seconds(made)) for made in run.made],
        "machine": starts[-1] if starts else {},
        "recipe": run.recipe.as_run(),
    }


def _of_typing(run: Run) -> list[tuple[str, list[list[str]]]]:
    """Of each evaluation of typing its name and its table."""
    every = [[Score(**row) for row in each.rows(TYPING)] for each in run.all("evaluation")]
    return [(scores[0].split, typing_cells(scores)) for scores in every if scores]


def _of_writing(run: Run) -> list[dict[str, Any]]:
    """Of each evaluation of writing its name, its table, and what of the training text it read."""
    return [
        {
            "name": rows[0]["split"],
            "rows": writing_cells([Score(**row) for row in rows]),
            "share": each.numbers.get("training_share", 1.0),
        }
        for each in run.all("evaluation")
        if (rows := each.rows(WRITING))
    ]


def tokenizer_kind(recipe: Recipe) -> str:
    """The kind of a recipe's tokenizer, or that it is that of the model before."""
    if recipe.keeps_tokenizer:
        return "as it came"
    if recipe.tokenizer.extend is not None:
        return "as it came, and extended"
    return recipe.tokenizer.kind


def _started(run: Run) -> list[str]:
    """What a model from elsewhere read before each document that judged it."""
    starts = {each.numbers["start"] for each in run.all("evaluation") if "start" in each.numbers}
    return [
        f"Each document was read after {start}, which its makers put between documents, and which "
        "is not scored."
        for start in sorted(starts)
    ]


def _closely(run: Run) -> list[Closely]:
    """A closer look at each text that was judged."""
    found = [Bin(**row) for row in _rows(run, BINS)]
    surprises = [Surprise(**row) for row in _rows(run, SURPRISES)]
    return closely(found, surprises, run.recipe.language)


def _rows(run: Run, file: str) -> list[dict[str, Any]]:
    """The rows of this JSON file in every evaluation that has it."""
    return [row for artifact in run.all("evaluation") for row in artifact.rows(file)]


def _tasks(run: Run, card: dict[str, Any]) -> dict[str, list[Table]]:
    """The tables of files of items, and those of probes."""
    found: dict[str, list[Table]] = {"tasks": [], "probes": []}
    for artifact in run.all("evaluation"):
        overlap = artifact.numbers.get("overlap")
        of_items, of_texts = (
            Overlap(**overlap).sentences(what) if overlap else [] for what in ("item", "text")
        )
        for task, part in splits([Score(**row) for row in artifact.rows(TASK)]).items():
            found["tasks"].append((task, cells(part), provisos(task, card, []) + of_items))
        if part := [probes.ProbeScore(**row) for row in artifact.rows(probes.PROBE)]:
            found["probes"].append((part[0].split, probes.cells(part), of_texts))
    return found


def _some(written: Sequence[SampledStep]) -> list[SampledStep]:
    """A few of these steps, evenly spread, the first and the last among them."""
    last = len(written) - 1
    indices = sorted({round(n * last / (SAMPLES_SHOWN - 1)) for n in range(SAMPLES_SHOWN)})
    return [written[index] for index in indices] if written else []


def _model(run: Run, models: Sequence[Made]) -> dict[str, Any] | None:
    """Shape, parameter counts, phases, and the values chosen for keys that the recipe left out."""
    artifact = run.artifact("model")
    if artifact is None or "config.json" not in artifact.manifest["files"]:
        return None
    shape = read_shape(artifact.json("config.json"))
    plan = read_plan(run.folder)
    tuned = plan.get("tuned") or {}
    choices = plan.get("choices", {}) | tuned.get("choices", {})
    phases = run.training.phases if run.training else ()
    return {
        "shape": shape,
        "parts": parts_text(shape),
        "parameters": parameters(shape),
        "choices": [
            (key, value if isinstance(value, str) else json.dumps(value), reason)
            for key, (value, reason) in choices.items()
        ],
        "phases": [
            {"name": made.stage.name.removeprefix("model "), **made.artifact.numbers, "phase": keys}
            for made, keys in zip(models, phases, strict=False)
        ],
    }


def _seconds(made: Made) -> float | None:
    """How long a stage took; None if it is not known."""
    lines = journal_of(made.artifact)
    ends = events(lines, "finished")
    if not (ends or made.is_new):
        return None
    wall = ends[-1]["wall_seconds"] if ends else made.seconds
    # After an interruption the wall time is that of the last call; the steps have theirs.
    return max(wall, sum(line.get("seconds", 0.0) for line in lines))
