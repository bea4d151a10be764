"""Makes the missing artefacts, stage after stage. Can be interrupted and repeated at any point."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2

from endonym.autopilot import resolve
from endonym.autopilot.resolve import ResolvedTraining
from endonym.autopilot.text_size import measure, samples_of
from endonym.corpus.corpus import is_of_few
from endonym.data.teacher_cache import require_room
from endonym.device import pick
from endonym.disk import translated_disk_errors, write_atomic
from endonym.errors import EndonymError, RecipeError
from endonym.evaluate.items import read_items
from endonym.evaluate.probe_file import read_probe
from endonym.evaluate.probes import require_scikit_learn
from endonym.evaluate.prompts import read_prompts
from endonym.export.history import spelling_of
from endonym.export.markdown import templates_in
from endonym.formats.reasons import in_words
from endonym.log import Log, append_jsonl, counted, duration, number, size
from endonym.pipeline import plan, sources
from endonym.pipeline.made_by import FIXED, CodeNotes, Fresh, OtherCode
from endonym.pipeline.metrics import Metrics, require_packages
from endonym.pipeline.settle import Lockfile, require_tunable, settle
from endonym.pipeline.stage import VERSIONS, Numbers, Stage, StageContext
from endonym.recipe.recipe import Recipe
from endonym.store import RUNS, Artifact, Store, write_sealed
from endonym.survey.odd_sources import source_warnings

FAILURE = "failure.json"
"""In a run's folder: why it failed when it was last run."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished stage: its artefact, whether this run made it, and how long that took.

    other_code: how the code that made it, or a part of it, differs from today's.
    """

    stage: Stage
    artifact: Artifact
    is_new: bool
    seconds: float
    other_code: OtherCode | None = None


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
        return next(reversed(self.all(kind)), None)

    def all(self, kind: str) -> list[Artifact]:
        """Every artefact of a kind, in the plan's order."""
        return [each.artifact for each in self.made if each.stage.kind == kind]

    def language_model(self) -> Any:
        """The final model, ready to generate text."""
        from endonym.generate.language_model import LanguageModel

        made = self.all("model")[-1]
        model = LanguageModel.load(made.folder)
        model.spelled = spelling_of(made)
        return model


def run_recipe(
    recipe: Recipe,
    store: Store,
    log: Log,
    *,
    until: str | None = None,
    fresh: Sequence[str] = (),
    replan: bool = False,
    tune_minutes: float | None = None,
    device: str | None = None,
    workers: int | str | None = None,
) -> Run:
    """Make every missing artefact of a recipe, in order.

    fresh: names of stages that other code may have made, to be made again by today's.
    tune_minutes: how long short trainings may search for better rates before the first phase.
    workers: how many processes make the corpus, or "ray"; chosen by its size if None. Why a run
    failed is kept in its folder, for `status`, until it is run again.
    """
    last = last_stage(recipe, until)
    require_packages(recipe)
    require_evaluation_files(recipe)
    if tune_minutes is not None:
        require_tunable(recipe)
    fresh_names = fresh_stages(recipe, fresh)
    require_other_run(recipe, store)
    target = "cpu" if device is None else pick(device)
    folder = run_folder(store, recipe)
    with translated_disk_errors(folder):
        store.claim(folder, recipe.path)
        folder.mkdir(parents=True, exist_ok=True)
        log.file = folder / "log.txt"
        write_atomic(folder / "recipe.toml", recipe.as_run().encode("utf-8"))
        raw = sources.hash_all(sources.find(recipe, store, log), store, log)
        files = counted(sum(len(each.files) for each in raw), "file")
        extent = f"{counted(len(raw), 'source')}, {files}, {size(sum(e.bytes() for e in raw))}"
        log.line(f"{'texts':<22} {extent}; every detail: {log.file}")
        run = Run(folder, recipe, store)
        metrics = Metrics(folder, recipe, log)
        lock = Lockfile(run.folder, recipe, raw, replan=replan)
        notes = CodeNotes(store)
        renewal = Fresh(notes, lock.fresh, fresh_names)
        resolved = partial(
            settle,
            recipe,
            lock,
            machine_file=store.root / "machine.json",
            tune_minutes=tune_minutes,
            target=target,
            log=log,
        )
        (folder / FAILURE).unlink(missing_ok=True)
        try:
            for stage in planned_stages(run, lock, resolved, log, renewal=renewal):
                if told := other_version(stage, lock, store):
                    log.warn(told)
                made = make(stage, store, log, metrics=metrics, device=device, workers=workers)
                run.made.append(made)
                if stage.name == last:
                    break
        except EndonymError as error:
            with suppress(OSError):  # The disk may be full.
                write_sealed(folder / FAILURE, error.as_dict())
            raise
        with store.alone(folder):
            metrics.end(is_whole=last is None)
        stages = [made.stage for made in run.made if made.stage.kind not in FIXED]
        if unknown := [each.name for each in stages if not notes.is_known(each.kind, each.id)]:
            told = "made before endonym noted its code, so perhaps by other code"
            log.detail(f"{told}: {', '.join(unknown)}")
    return run


def other_version(stage: Stage, lock: Lockfile, store: Store) -> str:
    """What to say of a stage that is made again because endonym makes it in another way now."""
    before = lock.versions.get(stage.name)
    now = VERSIONS[stage.kind]
    if before in (None, now) or store.find(stage.kind, stage.id) is not None:
        return ""
    return (
        f"{stage.name}: endonym makes it in another way than when this was last run (version "
        f"{before} of this stage, now {now}): it is made again, and so is what follows from it"
    )


def planned_stages(
    run: Run,
    lock: Lockfile,
    resolved: Callable[..., ResolvedTraining],
    log: Log,
    *,
    renewal: Fresh,
) -> Iterator[Stage]:
    """The data stages, then, with tokens counted and every key resolved, the rest.

    Each stage is made before the next is asked for. Until there is a corpus, odd sources are
    warned of. resolved: `settle` for this recipe, without the shards and the examples. renewal: the
    stages that are made again.
    """
    recipe = run.recipe
    store = run.store
    samples = cache(lambda: samples_of(lock.raw, log))
    chosen = lock.keep(resolve.vocab_choice(recipe, lambda: measure(samples(), recipe.clean)))
    data = plan.plan_data(recipe, lock.raw, resolve.resolve_tokenizer(recipe, chosen))
    data = data.renewed(renewal.renewed)
    data_stages = data.all()
    if not store.folder(data.corpus.kind, data.corpus.id).is_dir():
        limit = recipe.clean.max_unreadable
        for warning in source_warnings(samples(), recipe.language, limit):
            log.warn(warning)
        if recipe.keeps_teachers:
            facts, likely = resolve.estimated(recipe, samples(), "cpu", chosen)
            vocab = resolve.likely_vocab(recipe, likely, facts)
            for warning in plan.room_warnings(recipe, store, facts, vocab):
                log.warn(warning)
    store.refer(run.folder, {stage.id: stage.kind for stage in data_stages}, is_whole=False)
    if not lock.is_known or renewal.names:
        write_sealed(lock.path, lock.as_json(data_stages, store))
    yield from data_stages
    (shards,), (tokenizer,) = run.all("shards"), run.all("tokenizer")
    if recipe.teachers:
        from endonym.pipeline.teaching import require_same_ids  # It imports torch.

        require_same_ids(recipe, tokenizer, shards)
    context = resolve.context_choice(recipe, resolve.facts_of(shards))
    if recipe.pack.context is None:
        context = lock.keep({"pack.context": context})["pack.context"]
    planned = plan.plan_examples(recipe, data, context.value)
    yield from map(renewal.renewed, planned.values())
    examples = dict(zip(planned, run.all("examples"), strict=True))
    run.training = resolved(
        shards, lambda each: plan.model_stages(recipe, data, each)[0].id, examples=examples
    )
    if told := lock.other_choices():
        log.warn(told)
    training_stages = [*map(renewal.renewed, plan.plan_training(recipe, data, run.training))]
    teachers = [each for each in training_stages if each.kind == "teacher"]
    new = [each for each in teachers if store.find(each.kind, each.id) is None]
    require_room(store.root, sum(plan.teacher_bytes(each, store) for each in new))
    write_sealed(lock.path, lock.as_json([*data_stages, *training_stages], store))
    store.refer(run.folder, {stage.id: stage.kind for stage in [*data_stages, *training_stages]})
    yield from (each for each in training_stages if each.kind != "examples")


def make(
    stage: Stage,
    store: Store,
    log: Log,
    *,
    metrics: Metrics | None = None,
    device: str | None = None,
    workers: int | str | None = None,
) -> Made:
    """The stage's artefact: found and verified, or made now from its inputs.

    metrics: of the run, which follow the training of a model. device, workers: as in StageContext.
    """
    metrics = metrics if stage.kind == "model" else None
    notes = CodeNotes(store)
    artifact = store.find(stage.kind, stage.id)
    if artifact is not None:
        log.detail(f"{stage.name:<22} {artifact.id}")
        say_stage(stage, "there already", log)
        store.tidy(artifact)
        made = Made(stage, artifact.verify(), is_new=False, seconds=0.0)
    else:
        context = partial(StageContext, log=log, device=device, metrics=metrics, workers=workers)
        made = _make_now(stage, store, log, context, notes=notes)
    other = notes.other_code(stage.name, stage.kind, stage.id)
    if other is not None:
        other.say(log)
        made = replace(made, other_code=other)
    if metrics is not None:
        metrics.add_finished(stage.name, store.journal(stage.kind, stage.id))
    return made


def _make_now(
    stage: Stage, store: Store, log: Log, context: Callable[..., StageContext], *, notes: CodeNotes
) -> Made:
    """The artefact, made here, or by another process that was waited for.

    context: makes the StageContext, of which it lacks out, work, journal and inputs.
    """
    log.detail(f"{stage.name:<22} {stage.id[:12]}  …")
    started = time.perf_counter()
    with store.workspace(
        stage.kind, stage.id, waiting=lambda who: log.line(f"  waiting: {who}")
    ) as part:
        if part is None:
            artifact = store.find(stage.kind, stage.id)
            assert artifact is not None, "the other process has made it"
            seconds = time.perf_counter() - started
            return Made(stage, artifact.verify(), is_new=False, seconds=seconds)
        if not stage.resumes:
            part.journal.unlink(missing_ok=True)
        inputs: dict[str, Artifact] = {}
        for name, upstream in stage.inputs.items():
            artifact = store.find(upstream.kind, upstream.id)
            assert artifact is not None, f"{stage.name} was started before {upstream.name}"
            inputs[name] = artifact
        notes.begin(stage, continues=any(path != part.out for path in part.work.iterdir()))
        ctx = context(out=part.out, work=part.work, journal=part.journal, inputs=inputs)
        following = ctx.metrics and ctx.metrics.following(stage.name, stage.id, part.journal)
        with following or nullcontext():
            numbers = stage.make(stage.config, ctx)
        notes.end(stage)
        artifact = store.publish(part, {**stage.declared(), "id": stage.id, "numbers": numbers})
    seconds = time.perf_counter() - started
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = {"event": "finished", "at": now, "wall_seconds": round(seconds, 3)}
    append_jsonl(store.journal(stage.kind, stage.id), line)
    log.detail(f"{'':<22} {artifact.id}  {size(artifact.bytes())} in {duration(seconds)}")
    counts = result(stage.kind, numbers)
    say_stage(stage, " · ".join(filter(None, [counts, duration(seconds)])), log)
    for warning in numbers.get("warnings", []) if stage.kind == "corpus" else []:
        (log.detail if is_of_few(warning) else log.warn)(warning)
    return Made(stage, artifact, is_new=True, seconds=seconds)


def say_stage(stage: Stage, what: str, log: Log) -> None:
    """The one line of a finished stage. Those of sources are many, and shown with `-v` only."""
    say = log.detail if stage.kind == "source" else log.line
    say(f"{stage.name:<22} {what}")


def run_folder(store: Store, recipe: Recipe) -> Path:
    """The folder of this run's readable files, beside the store."""
    return store.root.parent / RUNS / recipe.run_name


def require_evaluation_files(recipe: Recipe) -> None:
    """Raise RecipeError for a file of items, prompts or examples that no model can be judged on."""
    for path in recipe.task_files:
        read_items(path)
    for path in recipe.prompt_files:
        read_prompts(path)
    for path in recipe.probe_files:
        require_scikit_learn()
        read_probe(path, recipe.language)


def require_other_run(recipe: Recipe, store: Store) -> None:
    """Raise RecipeError if a run would replace the run whose model it goes on from or learns from.

    The plan of that run names the model, and would be lost before it is read.
    """
    named = {"model.folder": recipe.model.folder}
    for n, phase in enumerate(recipe.phase):
        named[f"phase.{n}.distill.model"] = phase.distill and phase.distill.model
    folder = run_folder(store, recipe).resolve()
    for where, name in named.items():
        if name is not None and (recipe.folder / name).resolve() == folder:
            message = f"the run {recipe.run_name} would learn from itself, and replace itself"
            do = 'Give the new run another name: name = "…" in the recipe, or --set name=…'
            raise RecipeError(message, where=where, do=do)


def last_stage(recipe: Recipe, until: str | None) -> str | None:
    """The name of the last stage that `--until` means, by its name, its kind or the part after it.

    Raises RecipeError if the recipe has no such stage.
    """
    if until is None:
        return None
    return _stages_called(until, plan.stage_names(recipe), where="--until")[-1]


def fresh_stages(recipe: Recipe, fresh: Sequence[str]) -> frozenset[str]:
    """The names of all stages that `--fresh` means: by their name, their kind or the part after it.

    Raises RecipeError if there is no such stage among those that do more than list files.
    """
    if not fresh:
        return frozenset()
    names = [name for name in plan.stage_names(recipe) if name.split(" ")[0] not in FIXED]
    matches = [_stages_called(term, names, where="--fresh") for term in fresh]
    return frozenset(itertools.chain(*matches))


def _stages_called(term: str, names: Sequence[str], *, where: str) -> list[str]:
    """The stages that a term means, among those of these names. Raises RecipeError for none."""
    terms = {name: (name, *name.split(" ", 1)) for name in names}
    matches = [name for name in names if term in terms[name]]
    if not matches:
        do = f"Stages: {', '.join(sorted({*itertools.chain(*terms.values())}))}."
        raise RecipeError(f"no stage is called {term}", where=where, do=do)
    return matches


SHOWN_REASONS = 4
"""Reasons for which records were dropped that the log names."""
NO_TEXTS = "no texts: the recipe has no [[source]]"
"""Of a recipe that learns from conversations alone."""


def result(kind: str, numbers: Numbers) -> str:
    """What was counted while an artefact of this kind was made; empty if there is nothing to say.

    >>> result("tokenizer", {"vocab": 512, "held_out": {"total": {"bytes_per_token": 2.517}}})
    '512 ids · 2.52 bytes a token on dev text'
    """
    dropped_records = dict[str, int]()
    encodings = dict[str, int]()
    if kind == "examples":
        dropped_records = numbers["dropped"]
    elif kind == "corpus" and numbers["sources"]:
        total: dict[str, Any] = numbers["total"]
        dropped_records = {reason: n["records"] for reason, n in total["dropped"].items()}
        encodings = {k: n for k, n in total["encodings"].items() if not k.startswith("utf-")}
    values = {"kind": kind, "numbers": numbers, "encodings": encodings, "no_texts": NO_TEXTS}
    figures = _counts_template().render(values, dropped=dropped_in_words(dropped_records))
    return " · ".join(figure for figure in figures.splitlines() if figure)


@cache
def _counts_template() -> jinja2.Template:
    """The template of `result`. To compile it takes far longer than to fill it in."""
    environment = templates_in(Path(__file__).parent)
    environment.filters["in_words"] = in_words
    return environment.get_template("counts.txt")


def counts_of(artifact: Artifact) -> str:
    """The same of a finished one; empty if the version that made it did not count that."""
    with artifact.read_with_care(), suppress(jinja2.UndefinedError):
        return result(artifact.stage, artifact.numbers)
    return ""


def dropped_in_words(counts: Mapping[str, int]) -> str:
    """How many records were dropped, and the most frequent reasons. counts: by reason."""
    if not counts:
        return "none dropped"
    sorted_counts = sorted(((count, reason) for reason, count in counts.items()), reverse=True)
    shown = [f"{number(n)} {in_words(reason)}" for n, reason in sorted_counts[:SHOWN_REASONS]]
    others = [count for count, _ in sorted_counts[SHOWN_REASONS:]]
    if others:
        shown.append(f"{number(sum(others))} for other reasons")
    return f"{number(sum(counts.values()))} dropped ({', '.join(shown)})"
