"""`report.html`: what a run made and how good it is, in one file that needs nothing else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from endonym.disk import read_json, write_atomic
from endonym.evaluate.score import BITS, Score, find
from endonym.evaluate.tables import by_text
from endonym.log import duration, read_jsonl, size
from endonym.model.count import parameters
from endonym.model.describe import parts_in_words
from endonym.model.foreign.folder import read_shape
from endonym.pipeline.execute import Made, Run, recipe_text
from endonym.report.copied import Copied, longest_copied
from endonym.report.corpus import corpus_card, tokenizer_card
from endonym.report.formatting import counted, cut, shown, whole
from endonym.report.scores import METRICS, gap, group, splits, verdict
from endonym.report.svg.bars import Bars, draw_bars
from endonym.report.svg.curves import Chart, draw_all
from endonym.report.training import Moment, Phase, moments, phase, started
from endonym.store import Artifact, Store
from endonym.text.corpus import CARD, Corpus

WIDE, NARROW = 760.0, 350.0
MOMENTS_SHOWN = 6
BASELINES = ("bigram", "unigram", "uniform", "compressor")


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage's artefact and what it took."""

    name: str
    short: str
    full: str
    size: str
    seconds: str
    note: str


def write_report(run: Run, store: Store) -> Path:
    """Write `report.html` into the run's folder; sections without data are left out."""
    path = run.folder / "report.html"
    write_atomic(path, page(run, store).encode("utf-8"))
    return path


def page(run: Run, store: Store) -> str:
    """The report as HTML."""
    return render("report.html", gather(run, store))


def render(template: str, values: dict[str, Any]) -> str:
    """A page of this folder with its values in place."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: dict[str, Any] = {"cut": cut, "shown": shown, "number": whole, "counted": counted}
    drawings: dict[str, Any] = {"figures": figures, "bars": both_bars}
    environment.filters.update(words)
    environment.globals.update(drawings)
    return environment.get_template(template).render(values) + "\n"


def figures(charts: Sequence[Chart]) -> list[str]:
    """Charts for a screen and for a phone; the style sheet shows the ones that fit."""
    drawn = zip(draw_all(charts, WIDE), draw_all(charts, NARROW), strict=True)
    return [_figure(wide, narrow) for wide, narrow in drawn]


def both_bars(bars: Bars) -> str:
    """Bars for a screen and for a phone."""
    return _figure(draw_bars(bars, WIDE), draw_bars(bars, NARROW))


def _figure(wide: str, narrow: str) -> str:
    """Both, each in a box that the style sheet shows or hides. Drawings escape their own texts."""
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def gather(run: Run, store: Store) -> dict[str, Any]:
    """All that the page shows."""
    found = _scores(run.all("evaluation"))
    kind = "as it came" if run.recipe.model.folder else run.recipe.tokenizer.kind
    models = [made for made in run.made if made.stage.kind == "model"]
    phases = [each for made in models if (each := phase(made, store, _levels(found))) is not None]
    written = moments(models, store)
    prompts = list(_continuations(run.all("evaluation")))
    texts = [text for moment in written for _, text in moment.texts]
    texts += [each["text"] for each in prompts]
    corpus = run.artifact("corpus")
    parts = splits(found)
    return {
        "name": run.recipe.run_name,
        "language": run.recipe.language,
        "verdict": verdict(parts.get("test") or next(iter(parts.values()), []), kind),
        "facts": _facts(run, phases),
        "groups": [
            group(each) for part in parts.values() for each in by_text(part) if _has_bits(each)
        ],
        "metrics": [name for _, name, _ in METRICS],
        "gap": gap(found, kind),
        "phases": phases,
        "samples": _some(written),
        "prompts": prompts,
        "copied": _copied(texts, corpus),
        "copied_from": sum(map(len, texts)),
        "corpus": corpus_card(corpus),
        "tokenizer": tokenizer_card(
            run.artifact("tokenizer"), kind, corpus, run.artifact("shards")
        ),
        "model": _model(run),
        "stages": [_stage(made, store) for made in run.made],
        "machine": _machine(models, store),
        "speeds": [(p.name, p.tokens / p.seconds) for p in phases if p.seconds and p.tokens],
        "recipe": recipe_text(run.recipe),
    }


def _scores(evaluations: Sequence[Artifact]) -> list[Score]:
    """Every score that the evaluations hold."""
    paths = [artifact.folder / "scores.json" for artifact in evaluations]
    return [Score(**each) for path in paths if path.is_file() for each in read_json(path)]


def _has_bits(part: Sequence[Score]) -> bool:
    return any(score.metric == BITS and score.source is None for score in part)


def _levels(found: Sequence[Score]) -> dict[str, float]:
    """The baselines on the corpus's test documents: over all bytes, as the validations are."""
    part = [score for score in found if score.split == "test"]
    totals = [find(part, metric=BITS, model=name, source=None) for name in BASELINES]
    return {each.model: each.value for each in totals if each is not None}


def _continuations(evaluations: Sequence[Artifact]) -> Iterator[dict[str, Any]]:
    """What the finished model made of the recipe's prompts."""
    for artifact in evaluations:
        path = artifact.folder / "continuations.json"
        yield from read_json(path) if path.is_file() else []


def _some(written: Sequence[Moment]) -> list[Moment]:
    """A few moments, evenly spread, the first and the last among them."""
    last = len(written) - 1
    places = sorted({round(n * last / (MOMENTS_SHOWN - 1)) for n in range(MOMENTS_SHOWN)})
    return [written[place] for place in places] if written else []


def _copied(texts: Sequence[str], corpus: Artifact | None) -> Copied | None:
    """The longest span that the samples share with training text."""
    if corpus is None or not any(texts) or not (corpus.folder / CARD).is_file():
        return None
    return longest_copied(texts, Corpus(corpus.folder).documents("train"))


def _facts(run: Run, phases: Sequence[Phase]) -> list[tuple[str, str]]:
    """The few numbers that stand under the verdict."""
    found: list[tuple[str, str]] = []
    model, corpus = run.artifact("model"), run.artifact("corpus")
    if model is not None and "parameters" in model.numbers:
        found.append(("parameters", whole(model.numbers["parameters"])))
    if corpus is not None and (corpus.folder / CARD).is_file():
        train = read_json(corpus.folder / CARD)["total"]["kept"]["train"]
        found.append(("training text", size(train["text_bytes"])))
    if model is not None and "epochs" in model.numbers:
        found.append(("passes over it", f"{model.numbers['epochs']:.1f}"))
    seconds = sum(each.seconds for each in phases)
    return [*found, ("training time", duration(seconds))] if seconds else found


def _model(run: Run) -> dict[str, Any] | None:
    """Shape, parameters by place, and what was chosen for the recipe and why."""
    artifact = run.artifact("model")
    if artifact is None or not (artifact.folder / "config.json").is_file():
        return None
    shape = read_shape(read_json(artifact.folder / "config.json"))
    counted = parameters(shape)
    places = {name: getattr(counted, name) for name in ("embedding", "positions", "blocks", "head")}
    return {
        "shape": shape,
        "parts": parts_in_words(shape),
        "places": [(name, value) for name, value in places.items() if value],
        "total": counted.total,
        "choices": _choices(run.folder / "plan.json"),
        "phases": [
            {"name": made.stage.name.removeprefix("model "), **made.artifact.numbers, "phase": each}
            for made, each in zip(
                (made for made in run.made if made.stage.kind == "model"),
                run.training.phases if run.training else (),
                strict=False,
            )
        ],
    }


def _choices(plan: Path) -> list[tuple[str, str, str]]:
    """Key, value and reason of everything that the recipe left out or trials found."""
    if not plan.is_file():
        return []
    known = read_json(plan)
    choices: dict[str, Any] = known.get("choices", {})
    choices |= (known.get("tuned") or {}).get("choices", {})
    return [
        (key, value if isinstance(value, str) else json.dumps(value), reason)
        for key, (value, reason) in choices.items()
    ]


def _stage(made: Made, store: Store) -> StageRow:
    """Name, identity, size and time of a stage."""
    full = made.artifact.manifest["id"]
    ends = [
        line
        for line in read_jsonl(store.journal(made.stage.kind, full))
        if line.get("event") == "finished"
    ]
    seconds = ends[-1]["wall_seconds"] if ends else made.seconds
    return StageRow(
        name=made.stage.name,
        short=made.artifact.id,
        full=full,
        size=size(made.artifact.bytes()),
        seconds=duration(seconds) if ends or made.is_new else "–",
        note="" if made.is_new else "there already",
    )


def _machine(models: Sequence[Made], store: Store) -> list[tuple[str, str]]:
    """Where the last phase was trained, and with what."""
    if not models:
        return []
    last = models[-1]
    note = started(store.journal(last.stage.kind, last.artifact.manifest["id"]))
    found = [(key, str(note[key])) for key in ("processor", "threads") if key in note]
    return [*found, *((name, str(value)) for name, value in note.get("versions", {}).items())]
