"""The demos: writes texts that come with endonym or with Python, and a recipe."""

import json
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from endonym.demo.grammar import fables

GENERATED_FABLES = 2_000
UNSEEN_FABLES = 10
"""Hand-written fables that only the evaluation reads; the others are training text."""
FRENCH_PROMPTS = ("Le renard et", "La tortue et", "Un matin d’hiver,")


def write_french(folder: Path) -> Path:
    """Write generated and hand-written fables to train on, others to judge by, and the recipe."""
    # Blank lines separate documents, so a hand-written fable loses its own.
    by_hand = [re.sub(r"\n\s*\n", "\n", text) for text in hand_written("fr")]
    texts = {
        "fables.txt": "\n\n".join(fables(GENERATED_FABLES)),
        "handwritten-train.txt": "\n\n".join(by_hand[UNSEEN_FABLES:]),
        "handwritten.txt": "\n\n".join(by_hand[:UNSEEN_FABLES]),
        "prompts.txt": "\n".join(FRENCH_PROMPTS),
    }
    return _write_demo(folder, texts, "french.toml")


def write_english(folder: Path) -> Path:
    """Write the topics of Python's help, one a document, and the recipe."""
    topics: dict[str, str] = import_module("pydoc_data.topics").topics
    lines = [json.dumps({"id": name, "text": text}) for name, text in sorted(topics.items())]
    return _write_demo(folder, {"topics.jsonl": "\n".join(lines)}, "english.toml")


DEMOS: dict[str, Callable[[Path], Path]] = {"french": write_french, "english": write_english}


def hand_written(language: str) -> list[str]:
    """The package's hand-written fables in fr, ro, tt, km or en, in the order of their files."""
    folder = files("endonym.demo") / "fables" / language
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".txt")), key=str)
    return [path.read_text(encoding="utf-8").strip() for path in paths]


def _write_demo(folder: Path, texts: Mapping[str, str], recipe: str) -> Path:
    """Write texts by their file names and a recipe of this package; returns the recipe's path."""
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "texts" / name).write_text(text + "\n", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_bytes(files("endonym.demo").joinpath(recipe).read_bytes())
    return path
