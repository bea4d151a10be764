"""`endonym run`: run a recipe, write its report and print the results."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

from endonym.autopilot.machine import saved_measurement
from endonym.autopilot.text_size import samples_of
from endonym.cleaning.rules import in_order
from endonym.commands.check import (
    Checked,
    cautions_of_study,
    check,
    expected,
    warnings_of_room,
)
from endonym.commands.filled import filled
from endonym.commands.status import stages_of
from endonym.corpus.corpus import is_of_few
from endonym.corpus.corpus_stats import rules_table, total
from endonym.device import pick
from endonym.errors import EndonymError, RecipeError, printable
from endonym.evaluate.items import TASK
from endonym.evaluate.items import cells as task_cells
from endonym.evaluate.probes import PROBE
from endonym.evaluate.score import Score
from endonym.evaluate.tables import aligned, span
from endonym.evaluate.typing_scores import TYPING, typing_cells
from endonym.evaluate.writing import WRITING, writing_cells
from endonym.formats.files import RawSet
from endonym.log import Log, counted, duration, for_screen, listed, number
from endonym.pipeline import sources
from endonym.pipeline.execute import (
    Run,
    dropped_in_words,
    fresh_stages,
    last_stage,
    run_folder,
    run_recipe,
)
from endonym.pipeline.stages import judging_texts
from endonym.recipe.recipe import Recipe
from endonym.report.first_look import first_look
from endonym.report.formatting import cut, terminal_text
from endonym.report.outlook import outlook
from endonym.report.page import write_report
from endonym.report.scores import headlines, splits
from endonym.runs.compare import Comparison, compare
from endonym.runs.find import asked
from endonym.runs.finished_runs import read
from endonym.store import Artifact, Store, run_argument
from endonym.survey.examination import examine

CONTINUATIONS = "continuations.json"
CLEANED_BYTES = 4_000_000
"""Raw bytes that are cleaned to say what cleaning does, before the corpus is made."""
SAMPLE_SHOWN = 100
"""Characters of a sample on the screen."""
TABLES = {TASK: task_cells, WRITING: writing_cells, TYPING: typing_cells}
"""The cells of the scores in a file of an evaluation."""
PROMISED = ("model", "evaluation", "export")
"""The kinds of stages whose time `check` estimates."""


class RunOptions(TypedDict, total=False):
    """What `run_recipe` may be told beside the recipe."""

    until: str | None
    fresh: Sequence[str]
    replan: bool
    tune_minutes: float | None
    device: str | None
    workers: int | str | None


def kept(recipe: Recipe, store: Store) -> str:
    """What a run that was interrupted has kept: its finished stages, and the steps of training."""
    stages = stages_of(run_folder(store, recipe), store)
    done = [each["name"] for each in stages if each["state"] == "done"]
    names = [name for name in done if not name.startswith("source ")]
    steps = [(each["name"], each["step"].removeprefix("step-")) for each in stages if each["step"]]
    names += [f"{name} up to step {number(int(step))}" for name, step in steps]
    what = f"Kept: {listed(names)}" if names else "No stage was finished yet"
    return f"{what}. The same command goes on."


def run_and_report(recipe: Recipe, store: Store, log: Log, **options: Unpack[RunOptions]) -> Run:
    """Run a recipe and write `report.html` into its folder.

    A first run on the CPU ends with the time that `check` expects of it
    and the time it took.
    """
    for told in sources.words_of(sources.beside(recipe, store), recipe):
        log.warn(told)
    recipe.require_sources(log)
    folder = run_folder(store, recipe)
    is_first = not (folder / "plan.json").exists()
    if replaced(recipe, folder):
        log.warn(
            f"the recipe was changed since {recipe.run_name} was run, whose report is replaced. To "
            'keep both, give it another name: name = "…" in the recipe, or --set name=…'
        )
    is_measured = bool(saved_measurement(store.root / "machine.json", "matmul_per_second"))
    is_timed = is_measured and options.get("device") in (None, "cpu")
    promise = dict[str, float]()
    # A tokenizer or conversations that cannot be used are found before the corpus is made.
    if is_first and (is_timed or recipe.model_folder is not None or recipe.learns_answers):
        promise = check(recipe, store).parts
    try:
        finished = run_recipe(recipe, store, log, **options)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(kept(recipe, store)) from stop
    if finished.artifact("model") is not None:
        with store.alone(finished.folder):
            path = write_report(finished, pick(options.get("device") or "cpu"))
        log.detail(f"report: {path}")
        made = [each for each in finished.made if each.stage.kind in PROMISED]
        if promise and is_timed and all(each.is_new for each in made):
            took = duration(sum(each.seconds for each in made))
            log.detail(
                f"from training to export: expected {duration(sum(promise.values()))}, took {took}"
            )
    log.file = None  # What follows is not of this run.
    return finished


def replaced(recipe: Recipe, folder: Path) -> bool:
    """Whether a run will replace the report of a recipe that made another model."""
    report = folder / "report.html"
    ran = folder / "recipe.toml"
    try:
        is_there = report.is_file() and ran.is_file()
        return is_there and recipe.is_other_than(ran.read_text(encoding="utf-8"), of_model=True)
    except (RecipeError, ValueError):
        return True  # A damaged copy: what it said is not known.


def check_all(
    recipes: Sequence[Recipe],
    store: Store,
    log: Log,
    *,
    until: str | None,
    fresh: Sequence[str] = (),
) -> None:
    """Check all recipes before the first of them is run.

    Raises MissingSource or RecipeError with everything that is wrong.
    """
    Recipe.require_all_sources(recipes, log)
    wrong: dict[str, str] = {}
    checks: list[Checked] = []
    for recipe in recipes:
        try:
            checks.append(check(recipe, store))
            last_stage(recipe, until)
            fresh_stages(recipe, fresh)
        except EndonymError as error:
            wrong.setdefault(str(error), recipe.run_name)
    if wrong:
        raise RecipeError("\n\n".join(f"{name}: {error}" for error, name in wrong.items()))
    for warning in cautions_of_study(checks):
        log.warn(warning)


def compared(runs: Sequence[Run]) -> Comparison | None:
    """Compare finished runs on dev documents if all were scored on them, or else on test ones.

    None if they were not all scored on either.
    """
    for split in ("dev", "test"):
        if all(any(score.split == split for score in scores_of(run)) for run in runs):
            return compare([read(run.folder, run.folder.name, split) for run in runs])
    return None


def scores_of(run: Run) -> list[Score]:
    """All scores of a run's evaluations."""
    return [Score(**row) for each in run.all("evaluation") for row in each.rows("scores.json")]


def as_dict(run: Run) -> dict[str, Any]:
    """The form that `--json` prints."""
    stages: list[dict[str, Any]] = []
    for made in run.made:
        stages.append({"name": made.stage.name, "id": made.artifact.id})
        stages[-1] |= {"made": made.is_new, "seconds": round(made.seconds, 3)}
        if made.other_code is not None:
            stages[-1]["other_code"] = made.other_code._asdict()
    scores = [asdict(score) for score in scores_of(run)]
    files = TASK, PROBE, WRITING, TYPING
    scores += [row for each in run.all("evaluation") for f in files for row in each.rows(f)]
    overlap = {
        each.manifest["config"]["task"]: each.numbers["overlap"]
        for each in run.all("evaluation")
        if "overlap" in each.numbers
    }
    return {"run": str(run.folder), "stages": stages, "scores": scores, "overlap": overlap}


def say_results(run: Run, *, is_last: bool = True) -> None:
    """Print scores, a sample, what the report says first, its path and the next command."""
    parts = splits(scores_of(run))
    run_name = printable(run_argument(run.folder, run.store))
    text = filled(
        "results.txt",
        parts=parts,
        tables=tables_of(run),
        standing=standing,
        samples=[row for each in run.all("evaluation") for row in each.rows(CONTINUATIONS)[:2]],
        cut=cut,
        terminal_text=terminal_text,
        warnings=warnings_of(run),
        outlook=outlook(run, scores_of(run), first_look(run)),
        report=run.folder / "report.html",
        called=run_name,
        following=asked(run_name, run.artifact("model")) if is_last else None,
    )
    sys.stdout.write(f"{text}\n" if text else "")


def tables_of(run: Run) -> dict[str, str]:
    """The table of each task and of the texts that were written, by what was judged."""
    tables = dict[str, str]()
    for artifact in run.all("evaluation"):
        for file, cells in TABLES.items():
            for name, part in splits([Score(**row) for row in artifact.rows(file)]).items():
                tables[name] = aligned(cells(part))
    return tables


def standing(part: Sequence[Score]) -> str:
    """One text's headline with its interval, and how it stands to the compressor."""
    by_model = headlines(part)
    mine = by_model["model"]
    other = by_model["compressor"]
    if mine is None:
        return ""
    about = "no interval" if mine.low is None else "95 %"
    text = f"{mine.value:.4f} bits/byte ({about}: {span(mine)})"
    if mine.weighting == "sources":
        text += f", the mean of the {len(mine.averaged)} sources with enough of this text"
    if before := by_model["before"]:
        text += f", before this training {before.value:.4f}"
    if ensemble := by_model["ensemble"]:
        text += f", the members' mean probability {ensemble.value:.4f}"
    if other is not None:
        more = (by_model["model_on_sample"] or mine).value - other.value
        apart = f"{abs(more):.4f} {'more' if more > 0 else 'less'}"
        text += f"; {apart} than a compressor that has read the training text: {other.value:.4f}"
        if sample := by_model["model_on_sample"]:
            documents = counted(sample.n_documents, sample.text)
            text += f" on {documents} of them, where the model needs {sample.value:.4f}"
    return text


def warnings_of(run: Run) -> list[str]:
    """The warnings about the texts; of those that this call has said, only their number."""
    made = next((each for each in run.made if each.stage.kind == "corpus"), None)
    every = made.artifact.numbers.get("warnings", []) if made else []
    warnings = [f"warning: {each}" for each in every if not is_of_few(each)]
    if made is not None and made.is_new and warnings:
        return [f"{counted(len(warnings), 'warning')} about the texts: above, and in the report"]
    return warnings


def describe_plan(
    recipe: Recipe,
    store: Store,
    log: Log,
    *,
    until: str | None = None,
    fresh: Sequence[str] = (),
    replan: bool = False,
    target: str = "cpu",
) -> dict[str, Any]:
    """The stages that a run would make and those that exist, and its tokens; writes nothing.

    Choices of an earlier run are taken from its plan; the rest is estimated.
    """
    recipe.require_sources(log)
    last = last_stage(recipe, until)
    raw = sources.hash_all(sources.find(recipe, store), store, log, is_kept=False)
    given: Any = {"raw": raw, "replan": replan, "fresh": fresh_stages(recipe, fresh)}
    estimate = expected(recipe, samples_of(raw, log), store, target, **given)
    assert estimate.planned is not None, "the texts were hashed"
    stages = estimate.stages(recipe)
    others = estimate.other_code(recipe, store)
    for warning in warnings_of_room(recipe, store, estimate):
        log.warn(warning)
    names = [stage.name for stage in stages]
    listed: list[dict[str, Any]] = []
    for stage in stages[: names.index(last) + 1] if last else stages:
        is_there = store.find(stage.kind, stage.id) is not None
        listed.append({"name": stage.name, "id": stage.id[:12], "there": is_there})
        if stage.name in others:
            others[stage.name].say(log)
            listed[-1]["other_code"] = others[stage.name]._asdict()
    return {
        "run": recipe.run_name,
        "train_tokens": sum(phase.steps * phase.batch_tokens for phase in estimate.training.phases),
        "stages": listed,
        "dropped": {
            recipe.phase[n].name: each.dropped for n, each in estimate.facts.examples.items()
        },
        "cleaning": cleaned(recipe, raw, store.find("corpus", estimate.planned.data.corpus.id)),
    }


def cleaned(recipe: Recipe, raw: Sequence[RawSet], corpus: Artifact | None) -> dict[str, Any]:
    """What each rule did to the texts, or, before the corpus is made, does to a sample of them."""
    if corpus is not None:
        numbers = corpus.numbers["total"]
        is_whole = True
        kept = sum(side["documents"] for side in numbers["kept"].values())
    else:
        examined = examine(
            [(each.source, each.files) for each in raw],
            recipe.clean.model_copy(update={"language": recipe.clean.language or recipe.language}),
            contrast=recipe.clean.contrast_files(recipe.folder),
            evaluation=judging_texts(recipe.evaluation_texts, recipe.task_places),
            limit=CLEANED_BYTES,
        )
        numbers = total(examined.stats)
        is_whole = examined.is_whole
        kept = examined.kept.documents
        numbers["rules"] = rules_table(examined.rules(), numbers["read"]["records"])
    rules = {name: numbers["rules"][name] for name in in_order(numbers["rules"])}
    read = {"documents": numbers["read"]["records"], "bytes": numbers["read"]["bytes"]}
    return {**read, "kept": kept, "is_whole": is_whole, "rules": rules}


def describe_plans(plans: Sequence[dict[str, Any]]) -> str:
    """The stages, whether each is done, and what each rule of cleaning does, with examples."""
    return filled("plans.txt", plans=plans, shown=_shown, dropped_in_words=dropped_in_words)


def _shown(sample: dict[str, str]) -> str:
    """A change, or what was dropped or taken out and why, on one line of the screen."""
    if "before" in sample:
        return for_screen(f"{sample['before']!r} → {sample['after']!r}")
    why = f"  ({sample['why']})" if sample.get("why") else ""
    return for_screen(" ".join(sample["text"].split())[:SAMPLE_SHOWN] + why)
