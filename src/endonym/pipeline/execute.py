"""Makes the missing artefacts, stage after stage. Can be interrupted and repeated at any point."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from endonym.autopilot import resolve
from endonym.autopilot.resolve import ResolvedTraining
from endonym.autopilot.text_size import measure, samples_of
from endonym.device import pick
from endonym.disk import translated_disk_errors, write_atomic
from endonym.errors import EndonymError, RecipeError
from endonym.formats.files import RawSet
from endonym.log import Log, append_jsonl, duration, size
from endonym.pipeline import sources
from endonym.pipeline.lockfile import Lockfile
from endonym.pipeline.metrics import Metrics, require_packages
from endonym.pipeline.plan import (
    DataStages,
    Stage,
    model_stages,
    plan_data,
    plan_examples,
    plan_training,
    stage_names,
)
from endonym.pipeline.results import result
from endonym.pipeline.settle import settle
from endonym.pipeline.types import StageContext
from endonym.recipe.recipe import Recipe
from endonym.store import RUNS, Artifact, Store, write_sealed
from endonym.survey.odd_sources import source_warnings

FAILURE = "failure.json"
"""In a run's folder: why it failed when it was last run."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished stage: its artefact, whether this run made it, and how long that took."""

    stage: Stage
    artifact: Artifact
    is_new: bool
    seconds: float


@dataclass(slots=True, repr=False)
class Run:
    """A run: its folder, its finished stages, and the resolved training once it is known."""

    folder: Path
    recipe: Recipe
    store: Store
    made: list[Made] = field(default_factory=list)
    training: ResolvedTraining | None = None

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {len(self.made)} finished stages)"

    def artifact(self, kind: str) -> Artifact | None:
        """The last artefact of a kind; the final model, for "model"."""
        artifacts = [each.artifact for each in self.made if each.stage.kind == kind]
        return artifacts[-1] if artifacts else None

    def all(self, kind: str) -> list[Artifact]:
        """Every artefact of a kind, in the plan's order."""
        return [each.artifact for each in self.made if each.stage.kind == kind]

    def language_model(self) -> Any:
        """The final model, ready to generate text."""
        from endonym.generate.language_model import LanguageModel

        model = self.artifact("model")
        assert model is not None
        return LanguageModel.load(model.folder)


def run_recipe(
    recipe: Recipe,
    store: Store,
    log: Log,
    *,
    until: str | None = None,
    replan: bool = False,
    tune_minutes: float | None = None,
    device: str | None = None,
    workers: int | str | None = None,
) -> Run:
    """Make every missing artefact of a recipe, in order.

    tune_minutes: how long short trainings may search for better rates before the first phase.
    workers: how many processes make the corpus, or "ray"; chosen by its size if None.
    """
    last = last_stage(recipe, until)
    require_packages(recipe)
    target = "cpu" if device is None else pick(device)
    folder = run_folder(store, recipe)
    with translated_disk_errors(folder):
        store.claim(folder, recipe.path)
        folder.mkdir(parents=True, exist_ok=True)
        log.file = folder / "log.txt"
        write_atomic(folder / "recipe.toml", recipe.as_run().encode("utf-8"))
        raw = sources.hash_all(sources.find(recipe, store, log), store, log)
        run = Run(folder, recipe, store)
        lock = Lockfile(run.folder, recipe, raw, replan=replan)
        given = {"machine_file": store.root / "machine.json", "tune_minutes": tune_minutes}
        resolved = partial(settle, recipe, lock, **given, target=target, log=log)
        metrics = Metrics(folder, recipe, log)
        with remembered_failure(folder):
            for stage in planned_stages(run, raw, lock, resolved, log=log):
                made = make(stage, store, log, device, metrics=metrics, workers=workers)
                run.made.append(made)
                if stage.name == last:
                    break
        with store.alone(folder):
            metrics.end(is_whole=last is None)
    return run


def planned_stages(
    run: Run,
    raw: list[RawSet],
    lock: Lockfile,
    resolved: Callable[..., ResolvedTraining],
    *,
    log: Log,
) -> Iterator[Stage]:
    """The data stages, then, with tokens counted and every key resolved, the rest.

    Each stage is made before the next is asked for. Until there is a corpus, odd sources are
    warned of.
    """
    recipe, store = run.recipe, run.store
    samples = cache(lambda: samples_of(raw))
    chosen = lock.keep(resolve.vocab_choice(recipe, lambda: measure(samples(), recipe.clean)))
    data = plan_data(recipe, raw, resolve.resolve_tokenizer(recipe, chosen))
    known = data.all()
    if not store.folder(data.corpus.kind, data.corpus.id).is_dir():
        limit = recipe.clean.max_unreadable
        for warning in source_warnings(samples(), recipe.language, limit):
            log.warn(warning)
    store.refer(run.folder, {stage.id: stage.kind for stage in known}, is_whole=False)
    if not lock.is_known:
        write_sealed(lock.path, lock.as_json(known, store))
    yield from known
    shards = run.artifact("shards")
    assert shards is not None
    context = resolve.context_choice(recipe, resolve.facts_of(shards))
    if recipe.pack.context is None:
        context = lock.keep({"pack.context": context})["pack.context"]
    planned = plan_examples(recipe, data, context.value)
    yield from planned.values()
    made = {each.stage.id: each.artifact for each in run.made}
    examples = {number: made[stage.id] for number, stage in planned.items()}
    first = partial(first_identity, recipe, data)
    run.training = resolved(shards, first, examples=examples)
    rest = plan_training(recipe, data, run.training)
    write_sealed(lock.path, lock.as_json([*known, *rest], store))
    store.refer(run.folder, {stage.id: stage.kind for stage in [*known, *rest]})
    yield from (each for each in rest if each.kind != "examples")


def first_identity(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> str:
    """The identity of the first phase."""
    return model_stages(recipe, data, training)[0].id


def make(
    stage: Stage,
    store: Store,
    log: Log,
    device: str | None = None,
    *,
    metrics: Metrics | None = None,
    workers: int | str | None = None,
) -> Made:
    """The stage's artefact: found and verified, or made now from its inputs.

    metrics: of the run, which follow the training of a model. workers: that make a corpus.
    """
    following = metrics if stage.kind == "model" else None
    made = _made(stage, store, log, device, metrics=following, workers=workers)
    if metrics is not None and stage.kind == "model":
        metrics.add_finished(stage.name, store.journal(stage.kind, stage.id))
    return made


def _made(
    stage: Stage,
    store: Store,
    log: Log,
    device: str | None,
    *,
    metrics: Metrics | None,
    workers: int | str | None,
) -> Made:
    """The artefact; metrics: of the run, if the stage is a training."""
    found = store.find(stage.kind, stage.id)
    if found is not None:
        log.line(f"{stage.name:<22} {found.id}  there already")
        store.tidy(found)
        return Made(stage, found.verify(), False, 0.0)
    log.line(f"{stage.name:<22} {stage.id[:12]}  …")
    started = time.perf_counter()
    with store.workspace(
        stage.kind, stage.id, waiting=lambda who: log.line(f"  waiting: {who}")
    ) as at:
        if at is None:
            found = store.find(stage.kind, stage.id)
            assert found is not None
            return Made(stage, found.verify(), False, time.perf_counter() - started)
        if not stage.resumes:
            at.journal.unlink(missing_ok=True)
        inputs: dict[str, Artifact] = {}
        for name, upstream in stage.inputs.items():
            artifact = store.find(upstream.kind, upstream.id)
            assert artifact is not None, f"{stage.name} was started before {upstream.name}"
            inputs[name] = artifact
        following = metrics and metrics.following(stage.name, stage.id, at.journal)
        ctx = StageContext(at.out, at.work, at.journal, inputs, log, device, metrics, workers)
        with following or nullcontext():
            numbers = stage.make(stage.config, ctx)
        manifest = {**stage.declared(), "id": stage.id, "numbers": numbers}
        artifact = store.publish(at, manifest)
    seconds = time.perf_counter() - started
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    append_jsonl(
        store.journal(stage.kind, stage.id),
        {"event": "finished", "at": finished, "wall_seconds": round(seconds, 3)},
    )
    told = result(stage.kind, numbers)
    if told:
        log.line(f"  {told}")
    for warning in numbers.get("warnings", []) if stage.kind == "corpus" else []:
        log.warn(warning)
    log.line(f"{'':<22} {artifact.id}  {size(artifact.bytes())} in {duration(seconds)}")
    return Made(stage, artifact, True, seconds)


@contextmanager
def remembered_failure(folder: Path) -> Generator[None]:
    """Keep in the run's folder why it failed, for `status`, until it is run again."""
    path = folder / FAILURE
    path.unlink(missing_ok=True)
    try:
        yield
    except EndonymError as error:
        with suppress(OSError):  # The disk may be full.
            write_sealed(path, error.as_dict())
        raise


def run_folder(store: Store, recipe: Recipe) -> Path:
    """The folder of this run's readable files, beside the store."""
    return store.root.parent / RUNS / recipe.run_name


def last_stage(recipe: Recipe, until: str | None) -> str | None:
    """The name of the last stage that `--until` means, by its name, its kind or the part after it.

    Raises RecipeError if the recipe has no such stage.
    """
    if until is None:
        return None
    names = [(name, kind, name.partition(" ")[2]) for name, kind in stage_names(recipe)]
    meant = [each[0] for each in names if until in each]
    if not meant:
        known = ", ".join(sorted({term for each in names for term in each if term}))
        raise RecipeError(f"no stage is called {until}", where="--until", do=f"Stages: {known}.")
    return meant[-1]
