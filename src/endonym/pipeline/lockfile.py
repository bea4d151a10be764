"""The choices made for one recipe and its inputs, kept in the run's `plan.json`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.autopilot.model_size import Choice, Choices
from endonym.formats.files import RawSet
from endonym.model.foreign.folder import folder_files
from endonym.pipeline.sources import file_identity
from endonym.recipe.recipe import Recipe
from endonym.store import PLAN, Store, fingerprint, read_plan

FORM = 6
"""Version of the choices: raised when a key takes other values, so that all are made again."""


class Lockfile:
    """The choices made for one recipe and its inputs, kept in the run's `plan.json`."""

    def __init__(self, run: Path, recipe: Recipe, raw: Sequence[RawSet], *, replan: bool) -> None:
        self.path, folder = run / PLAN, recipe.model_folder
        self.recipe = recipe
        pretrained = [] if folder is None else folder_files(folder)
        self.key = fingerprint(
            {
                "form": FORM,
                "recipe": recipe.model_dump(mode="json", exclude_unset=True),
                "variant": recipe.variant,
                "sets": list(recipe.sets),
                "inputs": [*(each.listing() for each in raw), *map(file_identity, pretrained)],
            }
        )
        self.choices: Choices = {}
        self.tuned: Choices = {}
        self.tuned_stage = ""
        data = {} if replan else read_plan(run)
        self.is_known = data.get("key") == self.key
        if self.is_known:
            self.choices = {key: Choice(*pair) for key, pair in data["choices"].items()}
        if tuned := data.get("tuned"):
            self.tuned_stage = tuned["stage"]
            self.tuned = {key: Choice(*pair) for key, pair in tuned["choices"].items()}

    def keep_tuned(self, training: str, choices: Choices) -> None:
        """Remember the result of tuning, and the identity of the untuned training."""
        self.tuned, self.tuned_stage = choices, training

    def tuned_for(self, training: str) -> Choices:
        """The result of tuning, if it was for this very training; else nothing.

        A changed recipe or text makes another training; a changed evaluation does not.
        """
        return self.tuned if self.tuned_stage == training else {}

    def keep(self, wanted: Choices) -> Choices:
        """For each wanted key the choice made before, or else this one, which is remembered."""
        for key, choice in wanted.items():
            self.choices.setdefault(key, choice)
        return {key: self.choices[key] for key in wanted}

    def as_json(self, stages: Sequence[Any], store: Store) -> dict[str, Any]:
        """The lockfile: choices with their reasons, and every stage with its identity."""
        tuned = {"stage": self.tuned_stage, "choices": _pairs(self.tuned)}
        run = self.path.parent.resolve()
        return {
            "key": self.key,
            "recipe": os.path.relpath(self.recipe.path.resolve(), run),
            "variant": self.recipe.variant,
            "sets": list(self.recipe.sets),
            "choices": _pairs(self.choices),
            "tuned": tuned if self.tuned else None,
            "store": os.path.relpath(store.root.resolve(), run),
            "stages": [
                {"name": stage.name, "id": stage.id[:12], **stage.declared()} for stage in stages
            ],
        }


def _pairs(choices: Choices) -> dict[str, list[Any]]:
    return {key: list(choice) for key, choice in sorted(choices.items())}
