"""From a recipe to artefacts: plan the stages, make what is missing, write the report.

The package is also the public verb `endonym.run`: Python gives a package's name to its parent as
soon as any part of it is imported, so it answers a call with `endonym.run.api.run`.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from endonym.recipe.recipe import Recipe
    from endonym.run.execute import Run


class Verb(ModuleType):
    """A module that can be called."""

    def __call__(
        self, recipe: "Recipe", *, store: str | Path = "store", quiet: bool = False
    ) -> "Run":
        """Make every missing artefact of a recipe, as `endonym run` does."""
        from endonym.run import api

        return api.run(recipe, store=store, quiet=quiet)


sys.modules[__name__].__class__ = Verb
