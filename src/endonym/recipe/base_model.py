"""Finds the model that `[model] folder` names: a run, a model artefact or a transformers folder."""

import os
import shlex
from pathlib import Path

from endonym.device import program
from endonym.disk import is_file
from endonym.errors import RecipeError
from endonym.store import MANIFEST, PLAN, Store, read_plan

CONFIG = "config.json"
WHERE = "model.folder"
ARTEFACT = "STORE/model/ID"


def base_model(named: Path) -> Path:
    """The folder with the model's `config.json`: of a run, that of its last phase.

    Raises RecipeError if there is none, or none yet.
    """
    if is_file(named / CONFIG):
        return named
    if not is_file(named / PLAN):
        what = "holds no model" if os.path.exists(named) else "is not there"  # noqa: PTH110
        raise RecipeError(
            f"{named.name} {what}",
            where=WHERE,
            do="Name a run's folder (runs/NAME), a model artefact (store/model/ID) or a folder in "
            "the transformers format: its path starts at the recipe's folder.",
        )
    plan = read_plan(named)
    store = Store((named / plan["store"]).resolve())
    if not store.root.is_dir():
        raise RecipeError(
            f"the store of the run {named.name} is not found: it should be {store.root}",
            where=WHERE,
            do=f"Put the run back beside its store, or name the model's artefact: {ARTEFACT}.",
        )
    models = [each["id"] for each in plan["stages"] if each["stage"] == "model"]
    made = store.folder("model", models[-1] if models else "none")
    if not (made / MANIFEST).is_file():
        raise RecipeError(
            f"the run {named.name} has no finished model yet",
            where=WHERE,
            do=f"Finish it: {program()} run {shlex.quote(os.path.relpath(named))}",
        )
    return made
