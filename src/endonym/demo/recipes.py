"""The demos: writes texts that come with endonym or with Python, and a recipe."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from endonym.demo.grammar import fables

FABLES = 6_000
FRENCH_PROMPTS = ("Le renard et", "La tortue et", "L’ours")


def write_french(folder: Path) -> Path:
    """Write fables that the grammar makes, prompts, and the recipe."""
    texts = {
        "fables.txt": "\n\n".join(fables(FABLES)),
        "prompts.txt": "\n".join(FRENCH_PROMPTS),
    }
    return _write_demo(folder, texts, "french.toml")


def write_english(folder: Path) -> Path:
    """Write the topics of Python's help, one a document, and the recipe."""
    topics: dict[str, str] = import_module("pydoc_data.topics").topics
    lines = [json.dumps({"id": name, "text": text}) for name, text in sorted(topics.items())]
    return _write_demo(folder, {"topics.jsonl": "\n".join(lines)}, "english.toml")


DEMOS: dict[str, Callable[[Path], Path]] = {"french": write_french, "english": write_english}


def _write_demo(folder: Path, texts: Mapping[str, str], recipe: str) -> Path:
    """Write texts by their file names and a recipe of this package; returns the recipe's path."""
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "texts" / name).write_text(text + "\n", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_bytes(files("endonym.demo").joinpath(recipe).read_bytes())
    return path
