"""What was resolved for one recipe and its inputs, kept in the run's `plan.json`."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.autopilot.model_size import Choice, Choices
from endonym.model.foreign.folder import folder_files
from endonym.pipeline.sources import file_identity
from endonym.recipe.recipe import Recipe
from endonym.store import Store, fingerprint
from endonym.text.files import RawSet

FORM = 3
"""Of the choices: raised when a key takes other values, so that those of before are made anew."""


class Lock:
    """What was resolved for one recipe and its inputs, kept in the run's `plan.json`."""

    def __init__(self, run: Path, recipe: Recipe, raw: Sequence[RawSet], *, replan: bool) -> None:
        self.path = run / "plan.json"
        self.key = fingerprint(
            {
                "form": FORM,
                "recipe": recipe.text,
                "variant": recipe.variant,
                "sets": list(recipe.sets),
                "inputs": [*(each.identity() for each in raw), *model_identity(recipe)],
            }
        )
        self.choices: Choices = {}
        self.tuned: Choices = {}
        self.tuned_stage = ""
        self.is_known = False
        if not replan:
            self._read()

    def _read(self) -> None:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        self.is_known = data.get("key") == self.key
        if self.is_known:
            self.choices = {key: Choice(*pair) for key, pair in data["choices"].items()}
        if isinstance(tuned := data.get("tuned"), dict):
            self.tuned_stage = tuned["stage"]
            self.tuned = {key: Choice(*pair) for key, pair in tuned["choices"].items()}

    def tune(self, training: str, choices: Choices) -> None:
        """Remember what trials found, and for which training: its identity, untuned."""
        self.tuned, self.tuned_stage = choices, training

    def tuned_for(self, training: str) -> Choices:
        """What trials found for this very training, which they started from; or else nothing.

        Another rate in the recipe is another training, and so are other texts; another evaluation
        is not.
        """
        return self.tuned if self.tuned_stage == training else {}

    def settle(self, wanted: Choices) -> Choices:
        """Of these choices, what was settled before; the new ones are remembered."""
        for key, choice in wanted.items():
            self.choices.setdefault(key, choice)
        return {key: self.choices[key] for key in wanted}

    def as_json(self, stages: Sequence[Any], store: Store) -> dict[str, Any]:
        """The lockfile: choices with their reasons, and every stage with its identity."""
        tuned = {"stage": self.tuned_stage, "choices": _pairs(self.tuned)}
        return {
            "key": self.key,
            "choices": _pairs(self.choices),
            "tuned": tuned if self.tuned else None,
            "store": os.path.relpath(store.root.resolve(), self.path.parent.resolve()),
            "stages": [
                {"name": stage.name, "id": stage.id[:12], **stage.declared()} for stage in stages
            ],
        }


def model_identity(recipe: Recipe) -> list[dict[str, str]]:
    """The files of the model that training goes on from, by their content."""
    folder = recipe.model_folder
    return [] if folder is None else [file_identity(path) for path in folder_files(folder)]


def _pairs(choices: Choices) -> dict[str, list[Any]]:
    return {key: list(choice) for key, choice in sorted(choices.items())}
