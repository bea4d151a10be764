"""Finds what a command names: a run by its name or folder, a recipe by its file, folder or run."""

import os.path
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from endonym.device import program
from endonym.errors import RecipeError, quoted
from endonym.store import (
    PLAN,
    USUAL_STORE,
    Artifact,
    Store,
    is_run_of_store,
    open_artifact,
    read_plan,
    run_argument,
)

RECIPE = "recipe.toml"


class NamedRecipe(NamedTuple):
    """A recipe's file, and the store, variant and overrides of the run that was named, if any."""

    path: Path
    store: Store
    variant: str | None = None
    sets: tuple[str, ...] = ()


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's: with a plan, or a store beside it refers to it.

    A project's folder may hold a log.txt, too (`endonym run recipe.toml > log.txt`), may lie in a
    folder called runs, and may be the store itself (`--store .`).
    """
    if not ((folder / RECIPE).is_file() and (folder / "log.txt").is_file()):
        return False
    return (folder / PLAN).is_file() or is_run_of_store(folder.absolute())


def find_run(store: Store, name: str) -> Path:
    """The folder of a run, by whatever `resolve_run` takes.

    Raises RecipeError, which names the runs that are there, if there is no such run.
    """
    run = resolve_run(store, name)
    if run is None:
        raise no_such("run", name, store, where="RUN")
    return run


def no_such(what: str, name: str, store: Store, *, where: str) -> RecipeError:
    """The error for a name that means no run or model: what to do instead."""
    if name and recipe_file(Path(name)) is not None:
        do = f"Run it first: {program()} run {quoted(name)}"
        return RecipeError("this recipe has not been run here yet", where=name, do=do)
    return RecipeError(f"no {what} is called {name}", where=where, do=known_runs(store, name))


def resolve_run(store: Store, name: str) -> Path | None:
    """The folder of a run, by its name, its folder, or a recipe or project with no other run.

    None if there is no such run. Raises RecipeError if there are several.
    """
    run = run_by_name(store, name)
    recipe = recipe_file(Path(name))
    if run is not None or not name:
        return run
    runs = runs_in(Path(name) / "runs") if recipe is None else runs_of(store, recipe)
    if len(runs) > 1:
        listed = ", ".join(run_argument(run, store) for run in runs)
        raise RecipeError(f"{name} has several runs", where="RUN", do=f"Name one: {listed}")
    return runs[0] if runs else None


def run_by_name(store: Store, name: str) -> Path | None:
    """The folder of a run, by its name, its folder or the recipe in it; or None.

    The nearest run of a name counts. Raises RecipeError if two are equally near.
    """
    folder = Path(name).parent if Path(name).name == RECIPE else Path(name)
    if name and is_run(folder):
        return folder if folder.name else Path("..") / Path.cwd().name
    if not re.fullmatch(r"[^/]+", name):
        return None
    for places in _places(store):  # each time equally near ones
        folders = [place / name for place in places if is_run(place / name)]
        if len(folders) > 1:
            listed = ", ".join(map(str, folders))
            do = f"Name one of them by its folder: {listed}"
            raise RecipeError(f"several runs are called {name}", where="RUN", do=do)
        if folders:
            return folders[0]
    return None


def runs_here(store: Store) -> list[Path]:
    """Every run that can be named here, the nearest first."""
    return [run for places in _places(store) for place in places for run in runs_in(place)]


def runs_in(place: Path) -> list[Path]:
    """The runs in a folder of runs."""
    return [path for path in sorted(place.glob("*")) if is_run(path)]


def _places(store: Store) -> Iterator[list[Path]]:
    """Folders of runs, the nearest first: beside the store, above the current folder, below it."""
    yield [store.root.parent / "runs"]
    if store.root != USUAL_STORE:
        return
    above = Path("..")
    for parent in Path.cwd().parents:
        if (parent / USUAL_STORE).is_dir():
            yield [above / "runs"]
        above /= ".."
    for pattern in ("*", "*/*"):
        yield sorted(store.parent / "runs" for store in Path().glob(f"{pattern}/{USUAL_STORE}"))


def known_runs(store: Store, name: str = "") -> str:
    """A sentence with the names of the runs here, after a question about the most similar name."""
    names = list(dict.fromkeys(path.name for path in runs_here(store)))
    folder = Path(name).parent
    recipe_names = [str(path) for path in sorted(folder.glob("*.toml"))]
    recipe_names += [str(path.parent) for path in sorted(folder.glob(f"*/{RECIPE}"))]
    similar = get_close_matches(name, [*names, *recipe_names], n=1) if name else []
    question = f"Did you mean {similar[0]}? " if similar else ""
    return f"{question}Runs here: {', '.join(names) or 'none yet'}."


def find_recipe(store: Store, name: Path) -> NamedRecipe:
    """The recipe that is named by its file, its folder, or a run that it made.

    Raises RecipeError if a run does not know its recipe any more, or if nothing has this name.
    """
    file = recipe_file(name)
    if file is not None:
        return NamedRecipe(file, store)
    run = run_by_name(store, str(name))
    if run is not None:
        return recipe_of(run, store)
    if name.suffix == ".toml" or name.exists():
        return NamedRecipe(name, store)  # Reading it says what is wrong.
    do = known_runs(store, str(name))
    raise RecipeError(f"no recipe or run is called {name}", where="RECIPE", do=do)


def recipe_file(name: Path) -> Path | None:
    """The recipe that is this file or stands in this folder; None for a run's copy."""
    if name.is_dir():
        name /= RECIPE
    is_copy = name.name == RECIPE and is_run(name.parent)
    return name if name.is_file() and not is_copy else None


def recipe_of(run: Path, store: Store) -> NamedRecipe:
    """The recipe that a run was made of. Raises RecipeError if it is not where it was."""
    plan = read_plan(run)
    if "recipe" not in plan:
        do = "Name the recipe's file instead."
        raise RecipeError("this run does not say where its recipe is", where=run, do=do)
    path = _beside(run, plan["recipe"])
    if not path.is_file():
        do = f"{run / RECIPE} holds it as it ran: copy it back beside its texts."
        raise RecipeError("the recipe of this run is not there any more", where=path, do=do)
    return NamedRecipe(path, store_of(run, store), plan["variant"], tuple(plan["sets"]))


def runs_of(store: Store, recipe: Path) -> list[Path]:
    """The runs here that this recipe made. Raises Damaged as `runs_by_recipe`."""
    return runs_by_recipe(store).get(recipe.resolve(), [])


def runs_by_recipe(store: Store) -> dict[Path, list[Path]]:
    """The runs here of every recipe, by its resolved path.

    Raises Damaged if the plan of a run is damaged: it may be a run of any recipe.
    """
    runs: dict[Path, list[Path]] = {}
    for run in runs_here(store):
        if path := read_plan(run).get("recipe"):
            runs.setdefault((run / path).resolve(), []).append(run)
    return runs


def store_of(run: Path, store: Store) -> Store:
    """The store of a run's artefacts; `store` for a run that has no plan yet."""
    root = read_plan(run).get("store")
    return Store(_beside(run, root)) if root else store


def _beside(run: Path, path: str) -> Path:
    """A path that a plan names relative to its run, seen from here; absolute if `run` is."""
    resolved = (run / path).resolve()
    return resolved if run.is_absolute() else Path(os.path.relpath(resolved))


def asked(name: str, model: Artifact | None) -> str:
    """The command that asks the model of a run: `chat` if it has a template for conversations."""
    settings = "tokenizer_config.json"
    if model is None or settings not in model.manifest["files"]:
        return f'generate {name} "…"'
    return f"chat {name}" if "chat_template" in model.json(settings) else f'generate {name} "…"'


def planned(run: Path) -> list[dict[str, Any]]:
    """The stages of a run's plan; empty if it was stopped before it had one."""
    return read_plan(run).get("stages", [])


def planned_artifact(run: Path, store: Store, kind: str) -> Artifact | None:
    """The last artefact of a kind in a run's plan; None if there is none or it is not made yet."""
    ids = [stage["id"] for stage in planned(run) if stage["stage"] == kind]
    return store_of(run, store).find(kind, ids[-1]) if ids else None


def made_artifact(run: Path, store: Store, kind: str, *, until: str = "") -> Artifact:
    """The last artefact of a kind in a run's plan. Raises RecipeError if it is not made yet.

    until: what is added to the command that makes it.
    """
    artifact = planned_artifact(run, store, kind)
    if artifact is None:
        called = run_argument(run, store)
        stages = [each for each in planned(run) if each["stage"] == kind]
        do = f"Make it: {program()} run {called}{until}"
        if any(store_of(run, store).maker(kind, each["id"]) for each in stages):
            do = f"It is being made now; how far it is: {program()} status {called}"
        raise RecipeError(f"this run has no finished {kind} yet", where=run, do=do)
    return artifact


def artifact_by_id(store: Store, kind: str, name: str) -> Artifact | None:
    """The artefact of a kind whose id begins with `name`; None unless there is exactly one."""
    if re.fullmatch("[0-9a-f]{4,64}", name) is None:
        return None
    manifests = [*(store.root / kind).glob(f"{name[:12]}*/manifest.json")]
    return open_artifact(manifests[0].parent) if len(manifests) == 1 else None
