"""Finds the model that `[model] folder` names: a run, a model artefact or a transformers folder."""

from pathlib import Path

from endonym.device import program
from endonym.disk import read_if_good
from endonym.errors import RecipeError
from endonym.store import Store

PLAN, CONFIG = "plan.json", "config.json"
WHERE = "model.folder"


def base_model(named: Path) -> Path:
    """The folder with the model's `config.json`: of a run, that of its last phase.

    Raises RecipeError if there is none, or none yet.
    """
    if (named / CONFIG).is_file():
        return named
    if not (named / PLAN).is_file():
        what = "is not there" if not named.exists() else "holds no model"
        raise RecipeError(
            f"{named.name} {what}",
            where=WHERE,
            do="Name a run's folder (runs/NAME), a model artefact (store/model/ID) or a folder in "
            "the transformers format: its path starts at the recipe's folder.",
        )
    plan = read_if_good(named / PLAN)
    stages = [each for each in plan.get("stages", []) if each.get("stage") == "model"]
    store = Store((named / str(plan.get("store", ""))).resolve())
    made = store.folder("model", stages[-1]["id"] if stages else "none")
    if not (made / "manifest.json").is_file():
        raise RecipeError(
            f"the run {named.name} has no finished model yet",
            where=WHERE,
            do=f"Finish it: {program()} run {plan.get('recipe', named)}",
        )
    return made
