"""The demos: writes texts that come with endonym or with Python, and a recipe."""

import json
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from endonym.demo.grammar import fables

GENERATED_FABLES = 5_000
FRENCH_PROMPTS = ("Le renard et", "La tortue et", "Un matin d’hiver,")

FRENCH = """\
# A small storyteller, trained for a few minutes on French fables that a grammar generates.
# It is evaluated on unseen fables of the same grammar, and on fables written by hand: the gap
# between the two shows what a model does not learn from text of one kind.
name = "demo-french"
language = "fr"
seed = 42

[[source]]
name = "grammar"
path = "texts/fables.txt"
document = "blank_lines"

[clean]
normalize = ["nfc", "spaces"]
min_chars = 200
script = "latin"
min_script_share = 0.9
dedup = ["exact"]

[split]
val_documents = 200

[tokenizer]
kind = "bpe"
vocab = 2_048

[pack]
context = 256

[model]
family = "qwen3"
dim = 192
layers = 4
mixer.heads = 3

[[phase]]
name = "pretrain"
tokens = 1_500_000
batch_tokens = 2_048
lr = 4e-3
embedding_lr = 1.6e-2
warmup_steps = 40
schedule = "linear"
weight_decay = 0.1

[[evaluate]]
kind = "bits"                          # held-out fables of the grammar

[[evaluate]]
kind = "bits"
file = "texts/handwritten.txt"         # fables written by people

[[evaluate]]
kind = "prompts"
file = "texts/prompts.txt"
max_tokens = 200
temperature = 0.6

[[export]]
format = "huggingface"
"""

ENGLISH = """\
# English prose that comes with every Python: the language reference (PSF licence), 465 kB.
name = "demo-english"
language = "en"
seed = 42

[[source]]
name = "topics"
path = "texts/topics.jsonl"

[clean]
normalize = ["nfc", "spaces"]
dedup = ["exact"]

[split]
val_share = 0.05

[tokenizer]
kind = "bpe"
vocab = 1_024

[pack]
context = 256

[model]
family = "qwen3"
dim = 128
layers = 4
mixer.heads = 2
dropout = 0.1

[[phase]]
name = "pretrain"
tokens = 1_000_000
batch_tokens = 2_048
lr = 4e-3
embedding_lr = 1.6e-2
warmup_steps = 25
schedule = "linear"
weight_decay = 0.3

[[evaluate]]
kind = "bits"

[[export]]
format = "huggingface"
"""


def write_french(folder: Path) -> Path:
    """Write generated fables to train on, hand-written ones to evaluate on, and the recipe."""
    texts = folder / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    generated = "\n\n".join(fables(GENERATED_FABLES)) + "\n"
    (texts / "fables.txt").write_text(generated, encoding="utf-8")
    # Empty lines separate documents, so a fable may have none.
    by_hand = [
        "\n".join(line for line in text.splitlines() if line.strip()) for text in hand_written("fr")
    ]
    (texts / "handwritten.txt").write_text("\n\n".join(by_hand) + "\n", encoding="utf-8")
    (texts / "prompts.txt").write_text("\n".join(FRENCH_PROMPTS) + "\n", encoding="utf-8")
    return _write_recipe(folder, FRENCH)


def write_english(folder: Path) -> Path:
    """Write the topics of Python's help, one a document, and the recipe."""
    texts = folder / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    topics: dict[str, str] = import_module("pydoc_data.topics").topics
    lines = [json.dumps({"id": name, "text": text}) for name, text in sorted(topics.items())]
    (texts / "topics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return _write_recipe(folder, ENGLISH)


DEMOS: dict[str, Callable[[Path], Path]] = {"french": write_french, "english": write_english}


def hand_written(language: str) -> list[str]:
    """The package's hand-written fables in fr, ro, tt, km or en, in the order of their files."""
    folder = files("endonym.demo") / "fables" / language
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".txt")), key=str)
    return [path.read_text(encoding="utf-8").strip() for path in paths]


def _write_recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path
