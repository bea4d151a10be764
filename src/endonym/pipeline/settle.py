"""Settles every open key of training when the tokens are counted."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from endonym.autopilot import resolve
from endonym.autopilot.cautions import caution_of_rows, cautions, cautions_of_starts
from endonym.autopilot.machine import seconds_a_token
from endonym.autopilot.model_size import Choices, Facts
from endonym.autopilot.resolve import ResolvedTraining
from endonym.data.shards import TokenShards
from endonym.errors import OutOfMemory
from endonym.log import Log
from endonym.model.config import ModelConfig
from endonym.pipeline.lockfile import Lockfile
from endonym.pipeline.plan import DataStages, plan_examples
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact, Store

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
    facts, train = resolve.facts_of(shards), TokenShards(shards.folder, "train")
    own = {number: resolve.facts_of_examples(each) for number, each in examples.items()}
    facts = replace(facts, examples=own)
    choices = resolve.training_choices(recipe, facts, train.vocab, target)
    choices |= resolve.number_formats(recipe, machine_file, target)
    training = resolve.resolve_training(recipe, lock.keep(choices), facts, train.vocab)
    longest = training.pack.longest(train.longest_document)
    memory = resolve.memory_choices(
        recipe, training, lock.choices, longest_document=longest, device=target
    )
    training = training.with_choices(lock.keep(memory))
    document = training.pack.usual_length(facts.mean_document_tokens)
    if caution := caution_of_rows(facts, training.pack):
        log.warn(caution)
    for caution in cautions_of_starts(recipe):
        log.warn(caution)
    for number, config in enumerate(training.phases):
        seconds = None
        if target == "cpu" or isinstance(training.model, ModelConfig):
            with suppress(OutOfMemory):
                seconds = seconds_a_token(
                    training.model, config, machine_file, target=target, document=document
                )
        context = training.pack.context
        most = longest if number not in own else None
        here = own.get(number, facts)
        for text in cautions(config, here, context, seconds=seconds, longest_document=most):
            log.warn(text)
    tuned = _tuned(
        training, lock, shards, identity_of, minutes=tune_minutes, target=target, log=log
    )
    training = training.with_choices(tuned)
    compiling = resolve.compile_choices(
        recipe, training, facts, machine_file=machine_file, target=target
    )
    return training.with_choices(lock.keep(compiling))


def with_examples(recipe: Recipe, facts: Facts, data: DataStages, store: Store) -> Facts:
    """Facts of texts with those of examples: counted if they are made, estimated otherwise."""
    planned = plan_examples(recipe, data, resolve.context_choice(recipe, facts).value)
    made = {number: store.find(each.kind, each.id) for number, each in planned.items()}
    known = {number: resolve.facts_of_examples(each) for number, each in made.items() if each}
    if len(known) < len(planned):
        known = {**resolve.likely_examples(recipe, facts), **known}
    return replace(facts, examples=known)


def _tuned(
    training: ResolvedTraining,
    lock: Lockfile,
    shards: Artifact,
    identity_of: Callable[[ResolvedTraining], str],
    *,
    minutes: float | None,
    target: str,
    log: Log,
) -> Choices:
    """The learning rates found by tuning, now or earlier for the same training."""
    identity = identity_of(training)
    known = lock.tuned_for(identity)
    if known:
        again = "; --replan forgets it" if minutes is not None else ""
        log.line(f"{'tuned before':<22} {values(known)}{again}")
    elif minutes is not None:
        from endonym.pipeline.tuning import tune

        lock.keep_tuned(identity, tune(training, shards, minutes, log=log, target=target))
    elif lock.tuned:
        log.warn(
            f"{values(lock.tuned)} was tuned for another recipe, other texts or an older endonym, "
            "and is not used; to keep it, write it into the first [[phase]]"
        )
        lock.keep_tuned(identity, {})
    return lock.tuned_for(identity)


def values(choices: Choices) -> str:
    """Choices for the first phase, as one line."""
    return " · ".join(f"{key.removeprefix(FIRST)} = {choices[key].value:g}" for key in choices)
