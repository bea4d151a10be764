"""`endonym status`: runs and their stages, read from their files."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from endonym.commands.filled import filled
from endonym.errors import EndonymError, RecipeError, printable
from endonym.pipeline import sources
from endonym.pipeline.execute import FAILURE, counts_of
from endonym.pipeline.made_by import CodeNotes
from endonym.pipeline.plan import named_files
from endonym.recipe.recipe import Recipe
from endonym.runs import find
from endonym.store import Store, open_artifact, read_if_whole, run_argument


def status(store: Store, name: str | None) -> list[dict[str, Any]]:
    """Every run here, or those that the name of a run or a recipe means, with their stages."""
    if name is None:
        runs = find.runs_here(store)
    elif (recipe := find.recipe_file(Path(name))) is not None:
        runs = find.runs_of(store, recipe)
    else:
        runs = [find.find_run(store, name)]
    return [status_of(run, store) for run in runs]


def unrun(store: Store, name: str | None) -> list[Path]:
    """The recipe of this name, or those in the current folder and below it, if not yet run."""
    around = store.root.parent
    files = [*around.glob(find.RECIPE), *sorted(around.glob(f"*/{find.RECIPE}"))]
    named = map(find.recipe_file, files if name is None else [Path(name)])
    recipes = [recipe for recipe in named if recipe is not None]
    runs = find.runs_by_recipe(store) if recipes else {}
    return [recipe for recipe in recipes if recipe.resolve() not in runs]


def status_of(run: Path, store: Store) -> dict[str, Any]:
    """The state of each stage of a run, and why it failed when it was last run."""
    stages = stages_of(run, store)
    called = run_argument(run, store)
    return {
        "run": str(run),
        "called": called,
        **compared_with_recipe(run, store),
        "stages": stages,
        "is_planned": any(each["stage"] == "model" for each in find.planned(run)),
        "asked": find.asked(called, find.planned_artifact(run, store, "model")),
        "failure": read_if_whole(run / FAILURE),
    }


def stages_of(run: Path, store: Store) -> list[dict[str, Any]]:
    """Each stage of a run: its state, who makes it, the last step that training has saved, and how
    the code that made it differs from today's.
    """
    stages = list[dict[str, Any]]()
    run_store = find.store_of(run, store)
    notes = CodeNotes(run_store)
    for stage in find.planned(run):
        folder = run_store.folder(stage["stage"], stage["id"])
        work = run_store.work_folder(stage["stage"], stage["id"])
        made = open_artifact(folder) if folder.is_dir() else None
        state = "done" if made else "started" if work.is_dir() else "missing"
        n_bytes = made.bytes() if made else 0
        maker = run_store.maker(stage["stage"], stage["id"]) if state == "started" else ""
        steps = sorted(path.name for path in work.glob("step-*") if path.suffix == "")
        # An artefact of the stage source names files, and does not hold them.
        counted = counts_of(made) if made and made.stage == "source" else ""
        note = ", ".join(each for each in (counted, maker, *steps[-1:]) if each)
        stages.append({"name": stage["name"], "id": stage["id"], "bytes": n_bytes, "note": note})
        other = notes.other_code(stage["name"], stage["stage"], stage["id"]) if made else None
        stages[-1]["other_code"] = other and {**other._asdict(), "text": str(other)}
        stages[-1] |= {"state": "running" if maker else state, "step": "".join(steps[-1:])}
    return stages


def compared_with_recipe(run: Path, store: Store) -> dict[str, Any]:
    """What a run's recipe says by now, if it can be read.

    is_changed: something else than when it ran; comments do not matter. changed: the files that it
    reads and that are new, changed or gone since. beside: what is to be said of texts beside them.
    fault: why its recipe cannot be read now.
    """
    is_changed = False
    told = list[str]()
    names = list[str]()
    fault = ""
    with suppress(EndonymError, OSError, ValueError):
        origin = find.recipe_of(run, store)
        try:
            recipe = Recipe.load(origin.path, variant=origin.variant, sets=origin.sets)
        except RecipeError as error:
            return {"is_changed": True, "changed": names, "beside": told, "fault": str(error)}
        is_changed = recipe.is_other_than((run / find.RECIPE).read_text(encoding="utf-8"))
        told = sources.words_of(sources.beside(recipe, store), recipe)
        run_store = find.store_of(run, store)
        ids = [each["id"] for each in find.planned(run) if each["stage"] == "source"]
        read = [made for each in ids if (made := run_store.find("source", each)) is not None]
        if 0 < len(read) == len(ids):
            found = sources.changed(recipe, run_store, read, named_files(recipe))
            names = [*map(printable, found)]
    return {"is_changed": is_changed, "changed": names, "beside": told, "fault": fault}


def describe_status(runs: list[dict[str, Any]], recipes: Sequence[Path] = ()) -> str:
    """Runs and stages as aligned text, with the next command. recipes: those not yet run."""
    return filled("status.txt", runs=runs, recipes=recipes)
