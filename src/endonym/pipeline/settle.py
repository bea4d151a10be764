"""When the tokens are counted: every open key is settled by formula, by measuring, by trial."""

from collections.abc import Callable
from pathlib import Path

from endonym.autopilot import resolve
from endonym.autopilot.cautions import caution_of_rows, cautions
from endonym.autopilot.model_size import Choices, Facts
from endonym.autopilot.pace import seconds_a_token
from endonym.autopilot.resolve import ResolvedTraining
from endonym.data.shards import TokenShards
from endonym.errors import OutOfMemory
from endonym.log import Log
from endonym.model.config import ModelConfig
from endonym.pipeline.lockfile import Lock
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact
from endonym.train.config import TrainConfig

FIRST = "phase.0."


def settle(
    recipe: Recipe,
    lock: Lock,
    shards: Artifact,
    identity_of: Callable[[ResolvedTraining], str],
    *,
    machine_file: Path,
    tune_minutes: float | None,
    target: str,
    log: Log,
) -> ResolvedTraining:
    """All that is trained, every key with a value, for a device; what was settled before stays.

    identity_of: the identity of the first phase of a training; rates are tuned for one.
    Says what usually hurts before anything is tried. Raises OutOfMemory if a phase does not fit.
    """
    facts, train = resolve.facts_of(shards), TokenShards(shards.folder, "train")
    choices = resolve.training_choices(recipe, facts, target)
    choices |= resolve.number_formats(recipe, machine_file, target)
    training = resolve.resolve_training(recipe, lock.settle(choices), facts, train.vocab)
    longest = training.pack.longest(train.longest_document)
    memory = resolve.memory_choices(
        recipe, training, lock.choices, longest_document=longest, device=target
    )
    training = training.with_choices(lock.settle(memory))
    _warn(training, facts, longest, machine_file=machine_file, target=target, log=log)
    tuned = _tuned(
        training, lock, shards, identity_of, minutes=tune_minutes, target=target, log=log
    )
    training = training.with_choices(tuned)
    compiling = resolve.compile_choices(
        recipe, training, facts, machine_file=machine_file, target=target
    )
    return training.with_choices(lock.settle(compiling))


def _warn(
    training: ResolvedTraining,
    facts: Facts,
    longest: int,
    *,
    machine_file: Path,
    target: str,
    log: Log,
) -> None:
    """Say what usually hurts. longest: tokens that are read together at most."""
    if caution := caution_of_rows(facts, training.pack):
        log.warn(caution)
    document = training.pack.usual_length(facts.mean_document_tokens)
    for config in training.phases:
        seconds = _seconds_a_token(training, config, machine_file, target=target, document=document)
        found = cautions(
            config, facts, training.pack.context, seconds=seconds, longest_document=longest
        )
        for text in found:
            log.warn(text)


def _seconds_a_token(
    training: ResolvedTraining,
    config: TrainConfig,
    machine_file: Path,
    *,
    target: str,
    document: float,
) -> float | None:
    """About the time of training on one token; None of what cannot be tried on this device."""
    if target != "cpu" and not isinstance(training.model, ModelConfig):
        return None
    try:
        return seconds_a_token(
            training.model, config, machine_file, target=target, document=document
        )
    except OutOfMemory:
        return None


def _tuned(
    training: ResolvedTraining,
    lock: Lock,
    shards: Artifact,
    identity_of: Callable[[ResolvedTraining], str],
    *,
    minutes: float | None,
    target: str,
    log: Log,
) -> Choices:
    """The rates that trials find, or found before for the same training."""
    identity = identity_of(training)
    known = lock.tuned_for(identity)
    if known:
        again = "; --replan forgets it" if minutes is not None else ""
        log.line(f"{'tuned before':<22} {values(known)}{again}")
    elif minutes is not None:
        from endonym.pipeline.tuning import tune

        lock.tune(identity, tune(training, shards, minutes, log=log, target=target))
    elif lock.tuned:
        log.warn(
            f"{values(lock.tuned)} was tuned for another recipe or other texts, and is forgotten; "
            "to keep it, write it into the first [[phase]]"
        )
        lock.tune(identity, {})
    return lock.tuned_for(identity)


def values(choices: Choices) -> str:
    """Choices for the first phase, in a line."""
    return " · ".join(f"{key.removeprefix(FIRST)} = {choices[key].value:g}" for key in choices)
