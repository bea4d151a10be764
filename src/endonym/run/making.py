"""`endonym run`: execute, then write the report and say what came out."""

import sys
from typing import Any

from endonym.evaluate.score import Score
from endonym.log import Log
from endonym.recipe.recipe import Recipe
from endonym.run import sources
from endonym.run.execute import Run, run_folder, run_recipe
from endonym.run.plan import Stage, plan
from endonym.run.report.page import write_report
from endonym.run.resolve import Lock, estimated, filled
from endonym.run.work import read_json
from endonym.store import Store


def run_and_report(
    recipe: Recipe,
    store: Store,
    log: Log,
    *,
    until: str | None = None,
    replan: bool = False,
    device: str | None = None,
) -> Run:
    """Run a recipe and leave `report.html` in its folder."""
    recipe.require_sources()
    finished = run_recipe(recipe, store, log, until=until, replan=replan, device=device)
    if finished.artifact("model") is not None:
        with store.alone(finished.folder):
            path = write_report(finished, store)
        log.line(f"report: {path}")
    return finished


def scores_of(run: Run) -> list[Score]:
    """Every score that a run's evaluations hold."""
    found: list[Score] = []
    for artifact in run.all("evaluation"):
        path = artifact.folder / "scores.json"
        if path.is_file():
            found += [Score(**each) for each in read_json(path)]
    return found


def as_dict(run: Run) -> dict[str, Any]:
    """The form that `--json` prints."""
    stages = [
        {
            "name": made.stage.name,
            "id": made.artifact.id,
            "made": made.is_new,
            "seconds": round(made.seconds, 3),
        }
        for made in run.made
    ]
    scores = [score.as_dict() for score in scores_of(run)]
    return {"run": str(run.folder), "stages": stages, "scores": scores}


def say_results(run: Run) -> None:
    """What a person wants to see at the end: the scores, a sample, where to look."""
    from endonym.run.judging import table

    out = sys.stdout
    found = scores_of(run)
    for split in dict.fromkeys(score.split for score in found):
        name = "held-out documents" if split == "val" else split
        part = [score for score in found if score.split == split]
        out.write(f"\n{name}\n{table(part)}\n")
    for artifact in run.all("evaluation"):
        path = artifact.folder / "continuations.json"
        for each in read_json(path)[:2] if path.is_file() else []:
            out.write(f"\nsample\n  {each['prompt']}{each['text']}\n")
    report = run.folder / "report.html"
    if report.is_file():
        out.write(f"\nreport  {report}\n")
        out.write(f'next    endonym generate {run.folder.name} "…"\n')


def describe_plan(
    recipe: Recipe, store: Store, log: Log, *, replan: bool = False
) -> list[dict[str, Any]]:
    """What a run would make and what is there, without making anything.

    What an earlier run settled is taken from its plan; the rest is estimated.
    """
    recipe.require_sources()
    raw = sources.hash_all(sources.find(recipe), store, log)
    lock = Lock(run_folder(store, recipe), recipe, raw, replan=replan)
    settled = filled(recipe, {**estimated(recipe, raw)[1], **lock.choices})
    return [
        {"name": stage.name, "id": stage.id[:12], "there": is_there(store, stage)}
        for stage in plan(settled, raw)
    ]


def is_there(store: Store, stage: Stage) -> bool:
    """Whether a stage's artefact is made."""
    return store.find(stage.kind, stage.id) is not None
