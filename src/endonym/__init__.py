"""endonym makes a language model of your own language from your own texts, and measures it.

    model = endonym.load("my-tatar")                # a run, a model artefact, a transformers folder
    print(model.generate("Кояшлы көндә"))           # a continuation
    for piece in model.stream("Кояшлы көндә"): ...  # the same, piece by piece
    print(model.score("Кояш чыкты."))               # bits per byte

`endonym.new`, `endonym.Recipe.load` and `endonym.make` lead there from a folder of texts.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endonym.commands.api import load, make, new, proofreader, with_adapter
    from endonym.errors import EndonymError
    from endonym.generate.language_model import LanguageModel
    from endonym.generate.sample import Sampling
    from endonym.pipeline.execute import Run
    from endonym.recipe.recipe import Recipe
    from endonym.store import Store

_HOMES = {
    "EndonymError": "endonym.errors",
    "LanguageModel": "endonym.generate.language_model",
    "Recipe": "endonym.recipe.recipe",
    "Run": "endonym.pipeline.execute",
    "Sampling": "endonym.generate.sample",
    "Store": "endonym.store",
    "load": "endonym.commands.api",
    "make": "endonym.commands.api",
    "new": "endonym.commands.api",
    "proofreader": "endonym.commands.api",
    "with_adapter": "endonym.commands.api",
}
"""Public names and the modules that define them."""

__all__ = [
    "EndonymError",
    "LanguageModel",
    "Recipe",
    "Run",
    "Sampling",
    "Store",
    "load",
    "make",
    "new",
    "proofreader",
    "with_adapter",
]


def __dir__() -> list[str]:
    """The public names, for completion and `dir(endonym)`."""
    return [*__all__]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import endonym` is fast.

    Sets how long waiting threads spin, unless torch is already imported.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'endonym' has no attribute {name!r}")
    from endonym.device import wait_briefly

    wait_briefly()
    return getattr(importlib.import_module(_HOMES[name]), name)
