"""Checks the adapters of a recipe when the model's shape is known: do they fit it and the exports?

Imports torch only for an export of an adapter.
"""

from collections.abc import Sequence

from endonym.errors import ExportError, ShapeError
from endonym.export.config import ADAPTERS
from endonym.model.adapt_config import require_adaptable
from endonym.model.foreign.folder import AnyModelConfig
from endonym.recipe.checks import unfit_adapter
from endonym.recipe.problems import Problem
from endonym.recipe.recipe import Recipe
from endonym.train.config import TrainConfig


def require_adapters(recipe: Recipe, shape: AnyModelConfig, phases: Sequence[TrainConfig]) -> None:
    """Raise RecipeError, with lines, for adapters that do not fit the model or an export.

    Only the adapter of the last phase is exported.
    """
    problems: list[Problem] = []
    for number, phase in enumerate(phases):
        try:
            require_adaptable(shape, phase.adapt, recipe.model_folder)
        except ShapeError as error:
            problems.append(unfit_adapter(number, error))
    recipe.refuse(problems or _inexpressible(recipe, shape, phases[-1]))


def _inexpressible(recipe: Recipe, shape: AnyModelConfig, last: TrainConfig) -> list[Problem]:
    """What formats cannot hold of the last phase's adapter."""
    problems: list[Problem] = []
    for number, export in enumerate(recipe.export):
        if export.format not in ADAPTERS or last.adapt is None:
            continue
        from endonym.export.adapter_export import require_form

        try:
            require_form(export, shape, last.adapt)
        except ExportError as error:
            path, about = ("export", number, "format"), (("phase", len(recipe.phase) - 1, "adapt"),)
            message = f"{error.message}."
            problems.append(Problem(path, message, error.do, at_value=True, about=about))
    return problems
