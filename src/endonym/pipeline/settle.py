"""Settles every open key of training when the tokens are counted; `plan.json` keeps the choices."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from endonym.autopilot import resolve
from endonym.autopilot.cautions import (
    caution_of_empty,
    caution_of_rows,
    cautions,
    cautions_of_starts,
)
from endonym.autopilot.machine import seconds_a_token
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.resolve import ResolvedTraining
from endonym.autopilot.run_time import in_proportion, paces_here, promised_parts
from endonym.autopilot.workload import Workload
from endonym.config import config_value, written_value
from endonym.data.shards import TokenShards
from endonym.device import has_bf16_units
from endonym.errors import Damaged, OutOfMemory, RecipeError
from endonym.formats.files import RawSet
from endonym.log import Log
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import folder_files
from endonym.pipeline.made_by import Fresh, code_hash
from endonym.pipeline.plan import DataStages, plan_examples
from endonym.pipeline.sources import file_identity
from endonym.recipe.recipe import Recipe
from endonym.store import PLAN, Artifact, Store, fingerprint, read_plan
from endonym.tokenizer.tokenizer import Tokenizer

SLOW_BF16 = (
    "it computes in bf16, for which this processor has no units: steps take several times as long. "
    'Set number_format = "fp32", or, if the recipe says "auto", run it with --replan. Either '
    "trains the phase from its beginning"
)


class Lockfile:
    """The choices made for one recipe and its inputs, kept in the run's `plan.json`.

    raw: the hashed files of the sources. is_known: whether the file there is of this recipe and
    these inputs. code: the hash of the code that made the choices. other_values: of kept choices
    what would be chosen now. fresh: as of `Fresh.salts`. versions: of the stages, by name, when the
    plan was last written.
    """

    def __init__(self, run: Path, recipe: Recipe, raw: Sequence[RawSet], *, replan: bool) -> None:
        self.path = run / PLAN
        folder = recipe.model_folder
        self.recipe = recipe
        self.raw = raw
        pretrained = [] if folder is None else folder_files(folder)
        inputs = [*(each.listing() for each in raw), *map(file_identity, pretrained)]
        keys = recipe.model_dump(mode="json", exclude_unset=True)
        identity: dict[str, Any] = {"recipe": keys, "variant": recipe.variant}
        self.key = fingerprint(identity | {"sets": list(recipe.sets), "inputs": inputs})
        self.choices: Choices = {}
        self.other_values: dict[str, Any] = {}
        try:
            before = read_plan(run)
        except Damaged:
            if not replan:
                raise
            before = {}
        self.fresh: dict[str, str] = before.get("fresh", {})
        self.versions = {each["name"]: each["version"] for each in before.get("stages", [])}
        data = {} if replan else before
        self.is_known = data.get("key") == self.key
        self.code: str = data.get("code") or code_hash("choices")
        if self.is_known:
            self.choices = {key: Choice(*pair) for key, pair in data["choices"].items()}
        tuned: dict[str, Any] = data.get("tuned") or {"stage": "", "choices": {}}
        self.tuned_stage: str = tuned["stage"]
        self.tuned = {key: Choice(*pair) for key, pair in tuned["choices"].items()}

    def tuned_for(self, training: str) -> Choices:
        """The result of tuning, if it was for this very training; else nothing.

        A changed recipe or text makes another training; a changed evaluation does not.
        """
        return self.tuned if self.tuned_stage == training else {}

    def keep(self, wanted: Choices) -> Choices:
        """For each wanted key the choice made before, or else this one, which is remembered."""
        for key, choice in wanted.items():
            kept = self.choices.setdefault(key, choice)
            if config_value(kept.value) != config_value(choice.value):
                self.other_values[key] = choice.value
        return {key: self.choices[key] for key in wanted}

    def as_json(self, stages: Sequence[Any], store: Store) -> dict[str, Any]:
        """The lockfile: choices with their reasons, and every stage with its identity."""
        run = self.path.parent.resolve()
        tuned = {"stage": self.tuned_stage, "choices": _pairs(self.tuned)}
        return {
            "key": self.key,
            "recipe": os.path.relpath(self.recipe.path.resolve(), run),
            "variant": self.recipe.variant,
            "sets": list(self.recipe.sets),
            "code": self.code,
            "choices": _pairs(self.choices),
            "fresh": self.fresh,
            "tuned": tuned if self.tuned else None,
            "store": os.path.relpath(store.root.resolve(), run),
            "stages": [
                {"name": stage.name, "id": stage.id[:12], **stage.declared()} for stage in stages
            ],
        }

    def other_choices(self) -> str:
        """What to say of choices that other code made and this code would not; empty of none."""
        if self.code == code_hash("choices") or not self.other_values:
            return ""
        told = [
            f"{key} = {written_value(self.choices[key].value)} (now {written_value(value)})"
            for key, value in self.other_values.items()
        ]
        return f"choices of other code are kept: {' · '.join(told)}; --replan chooses again"


def _pairs(choices: Choices) -> dict[str, list[Any]]:
    """Choices as JSON: the value and the reason by key."""
    return {key: list(choice) for key, choice in sorted(choices.items())}


FIRST = "phase.0."


def settle(
    recipe: Recipe,
    lock: Lockfile,
    shards: Artifact,
    identity_of: Callable[[ResolvedTraining], str],
    *,
    examples: Mapping[int, Artifact],
    machine_file: Path,
    tune_minutes: float | None,
    target: str,
    log: Log,
) -> ResolvedTraining:
    """A training in which every key has a value, for a device; earlier choices stay.

    identity_of: the identity of a training's first phase, for which learning rates are tuned.
    examples: of phases that learn from conversations or preference pairs, by their numbers.
    Warns of harmful settings before anything is tried. Raises OutOfMemory if a phase does not fit.
    """
    facts = resolve.facts_of(shards)
    train = TokenShards(shards.folder, "train")
    example_facts = {n: resolve.facts_of_examples(artifact) for n, artifact in examples.items()}
    facts = replace(facts, examples=example_facts)
    choices = resolve.training_choices(recipe, facts, train.vocab, target)
    choices |= resolve.number_formats(recipe, machine_file, target)
    training = resolve.resolve_training(recipe, lock.keep(choices), facts, train.vocab)
    pack = training.pack
    longest = pack.longest(train.longest_document)
    memory = resolve.memory_choices(recipe, training, lock.choices, target, longest=longest)
    training = training.with_choices(lock.keep(memory))
    of_texts = [caution_of_empty(facts), caution_of_rows(facts, pack)]
    for warning in filter(None, [*of_texts, *cautions_of_starts(recipe)]):
        log.warn(warning)
    length = pack.usual_length(facts.mean_document_tokens)
    for number, config in enumerate(training.phases):
        kept = lock.choices.get(f"phase.{number}.keep")
        if kept is not None and config.objective == "chat":
            log.line(f"{f'phase {config.name}':<22} keeps its {kept.value} step: {kept.reason}")
        seconds = None
        if target == "cpu" or isinstance(training.model, ModelConfig):
            with suppress(OutOfMemory):
                work = Workload(training.model, config, target, length)
                seconds = seconds_a_token(work, machine_file)
        most = longest if number not in example_facts else None
        data = example_facts.get(number, facts)
        for warning in cautions(config, data, pack.context, seconds=seconds, longest=most):
            log.warn(warning)
        if target == "cpu" and config.number_format == "bf16" and not has_bf16_units():
            log.warn(f"phase {config.name}: {SLOW_BF16}")
    tune = None
    if tune_minutes is not None:
        from endonym.pipeline import tuning

        tune = partial(tuning.tune, training, shards, tune_minutes, log=log, target=target)
    # The learning rates found by tuning, now or earlier for the training of this identity.
    identity = identity_of(training)
    if earlier := lock.tuned_for(identity):
        advice = "; --replan forgets it" if tune is not None else ""
        log.line(f"{'tuned before':<22} {values(earlier)}{advice}")
    elif tune is not None:
        lock.tuned = tune()
        lock.tuned_stage = identity
    elif lock.tuned:
        log.warn(
            f"{values(lock.tuned)} was tuned for another recipe, other texts or an older endonym, "
            "and is not used; to keep it, write it into the first [[phase]]"
        )
        lock.tuned = {}
    training = training.with_choices(lock.tuned_for(identity))
    compiling = resolve.compile_choices(recipe, training, length, machine_file, target=target)
    training = training.with_choices(lock.keep(compiling))
    if target == "cpu" and (paces := paces_here(training, facts, machine_file)):
        parts = promised_parts(recipe, training, facts, paces)
        log.line(f"{'expected':<22} {in_proportion(parts)}")
    return training


def with_examples(
    recipe: Recipe, facts: Facts, data: DataStages, store: Store, *, fresh: Fresh
) -> Facts:
    """The facts of the texts with those of each phase's examples.

    Examples are counted if they are made already, and estimated otherwise. fresh: which of them are
    made again.
    """
    planned = plan_examples(recipe, data, resolve.context_choice(recipe, facts).value)
    stages = {number: fresh.renewed(stage) for number, stage in planned.items()}
    artifacts = {number: store.find(stage.kind, stage.id) for number, stage in stages.items()}
    counted = {n: resolve.facts_of_examples(each) for n, each in artifacts.items() if each}
    if len(counted) < len(planned):
        made = store.find("tokenizer", data.tokenizer.id)
        tokenizer = made and Tokenizer.load(made.folder / "tokenizer.json")
        counted = {**resolve.likely_examples(recipe, facts, tokenizer=tokenizer), **counted}
    return replace(facts, examples=counted)


def require_tunable(recipe: Recipe) -> None:
    """Raise RecipeError if `--tune` cannot tune the first phase."""
    phase = recipe.phase[0]
    if not phase.reads_texts:
        raise RecipeError(
            f'the first phase has objective = "{phase.objective}"',
            where="--tune",
            do="Only a first phase that reads texts is tuned: leave --tune out.",
        )
    if phase.distill is not None and phase.distill.model is not None:
        raise RecipeError(
            "the first phase learns from another model",
            where="--tune",
            do="Short trainings without the teacher do not show which rates are good with it: "
            "leave --tune out.",
        )
    if phase.prune is not None:
        raise RecipeError(
            "the first phase prunes its model",
            where="--tune",
            do="Short trainings of the whole model do not show which rates suit the pruned one: "
            "leave --tune out.",
        )


def values(choices: Choices) -> str:
    """Choices for the first phase, as one line."""
    return " · ".join(f"{key.removeprefix(FIRST)} = {choices[key].value:g}" for key in choices)
