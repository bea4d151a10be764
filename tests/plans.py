"""The plan of a recipe whose texts nobody has counted: for tests of what a plan says."""

from collections.abc import Sequence
from dataclasses import replace

from endonym.autopilot.model_size import Choice, Facts
from endonym.autopilot.resolve import (
    ResolvedTraining,
    resolve_tokenizer,
    resolve_training,
    training_choices,
    unsaid_formats,
)
from endonym.formats.files import RawSet
from endonym.pipeline.plan import plan_data, plan_training
from endonym.pipeline.stage import Stage
from endonym.recipe.recipe import Recipe

FACTS = Facts(1_000_000, 250_000, 30.0)


def resolved(recipe: Recipe, facts: Facts = FACTS, vocab: int = 400) -> ResolvedTraining:
    """All that a recipe trains, for texts of which so much is known; in fp32 where it is open.

    Each source is as much text as all are.
    """
    facts = replace(facts, sources={each.name: facts for each in recipe.source})
    choices = training_choices(recipe, facts, 400)
    choices |= dict.fromkeys(unsaid_formats(recipe), Choice("fp32", ""))
    return resolve_training(recipe, choices, facts, vocab)


def planned(recipe: Recipe, raw: Sequence[RawSet]) -> list[Stage]:
    """Every stage."""
    data = plan_data(recipe, raw, resolve_tokenizer(recipe, {}))
    return [*data.all(), *plan_training(recipe, data, resolved(recipe))]
