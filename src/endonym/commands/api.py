"""The Python API: run a recipe, load a model."""

from pathlib import Path

from endonym.commands.load import load_model
from endonym.commands.run import run_and_report
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.pipeline.execute import Run
from endonym.recipe.recipe import Recipe
from endonym.store import Store


def make(recipe: Recipe, *, store: str | Path = "store", quiet: bool = False) -> Run:
    """Make every missing artefact of a recipe, as `endonym run` does."""
    return run_and_report(recipe, Store(Path(store)), Log(quiet=quiet))


def load(model: str | Path, *, store: str | Path = "store") -> LanguageModel:
    """The language model of a run, a model artefact or a transformers folder."""
    return load_model(str(model), Store(Path(store)))
