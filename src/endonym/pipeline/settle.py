"""Filling in what is still open when the tokens are counted: by formula, by measuring, by trial."""

from pathlib import Path

from endonym.autopilot import resolve
from endonym.autopilot.cautions import caution_of_rows, cautions
from endonym.autopilot.model_size import Choices
from endonym.autopilot.pace import seconds_a_token
from endonym.autopilot.resolve import filled
from endonym.errors import OutOfMemory
from endonym.log import Log
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import Shape
from endonym.pipeline.lockfile import Lock
from endonym.pipeline.plan import plan
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact
from endonym.text.files import RawSet
from endonym.train.config import Phase

FIRST = "phase.0."


def settled(
    recipe: Recipe,
    raw: list[RawSet],
    lock: Lock,
    shards: Artifact,
    *,
    machine_file: Path,
    tune_minutes: float | None,
    target: str,
    log: Log,
) -> Recipe:
    """The recipe with every key filled in, for a device; what was settled before stays.

    Says what usually hurts before anything is tried. Raises OutOfMemory if a phase does not fit.
    """
    facts = resolve.facts_of(shards)
    choices = lock.settle(resolve.training_choices(recipe, facts, target))
    choices |= lock.settle(resolve.number_formats(recipe, machine_file, target))
    recipe = filled(recipe, choices)
    shape, longest = resolve.shape_of(recipe, shards), resolve.longest_document(recipe, shards)
    room = resolve.room_choices(
        recipe, shape, lock.choices, longest_document=longest, device=target
    )
    recipe = filled(recipe, lock.settle(room))
    document = recipe.pack.usual_length(facts.mean_document_tokens)
    if caution := caution_of_rows(facts, recipe.pack):
        log.warn(caution)
    for phase in recipe.phase:
        seconds = _seconds_a_token(shape, phase, machine_file, target, document)
        _warn(phase, shape, shards, seconds, longest, log)
    recipe = _tuned(recipe, raw, lock, shards, minutes=tune_minutes, target=target, log=log)
    compilings = resolve.compilings(recipe, shards, machine_file, target)
    return filled(recipe, lock.settle(compilings))


def _seconds_a_token(
    shape: Shape, phase: Phase, machine_file: Path, target: str, document: float
) -> float | None:
    """About the time of training on one token; None of what cannot be tried on this device."""
    if target != "cpu" and not isinstance(shape, ModelConfig):
        return None
    try:
        return seconds_a_token(shape, phase, machine_file, target, document)
    except OutOfMemory:
        return None


def _warn(
    phase: Phase, shape: Shape, shards: Artifact, seconds: float | None, longest: int, log: Log
) -> None:
    """Say what usually hurts. seconds: of a token. longest: the longest document, in tokens."""
    facts = resolve.facts_of(shards)
    for text in cautions(phase, facts, shape.context, seconds=seconds, longest_document=longest):
        log.warn(text)


def _tuned(
    recipe: Recipe,
    raw: list[RawSet],
    lock: Lock,
    shards: Artifact,
    *,
    minutes: float | None,
    target: str,
    log: Log,
) -> Recipe:
    """The recipe with the rates that trials find, or found before for the same training."""
    stages = plan(recipe, raw)
    known = lock.tuned_for(stages)
    if known:
        again = "; --replan forgets it" if minutes is not None else ""
        log.line(f"{'tuned before':<22} {values(known)}{again}")
    elif minutes is not None:
        from endonym.pipeline.tuning import tune

        lock.tune(stages, tune(recipe, shards, minutes, log, target))
    elif lock.tuned:
        log.warn(
            f"{values(lock.tuned)} was tuned for another recipe or other texts, and is forgotten; "
            "to keep it, write it into the first [[phase]]"
        )
        lock.tune(stages, {})
    return filled(recipe, lock.tuned_for(stages))


def values(choices: Choices) -> str:
    """Choices for the first phase, in a line."""
    return " · ".join(f"{key.removeprefix(FIRST)} = {choices[key].value:g}" for key in choices)
