"""A small recipe with a phase of each kind: texts, shares of them, conversations, pairs."""

from collections.abc import Callable
from pathlib import Path

from made_conversations import conversations, pairs, write_lines

PHASES = """
[chat]
max_rejected = 0.3

[[phase]]
name = "adapted"
steps = 8
batch_tokens = 256
eval_every_steps = 4
number_format = "fp32"
adapt = { rank = 4 }
sources = { tatar = 0.5, others = 0.5 }

[[phase]]
name = "answers"
objective = "chat"
data = "conversations.jsonl"
steps = 8
batch_tokens = 256
eval_every_steps = 4
number_format = "fp32"

[[phase]]
name = "liked"
objective = "preferences"
data = "pairs.jsonl"
steps = 8
batch_tokens = 256
eval_every_steps = 4
number_format = "fp32"
adapt = { rank = 4 }

[[export]]
format = "gguf-adapter"
"""


def recipe_of_all_kinds(folder: Path, small_recipe: Callable[[Path], Path]) -> Path:
    """The small recipe with a phase of each kind; shares of the sources in the second."""
    recipe = small_recipe(folder)
    text = recipe.read_text("utf-8").replace("steps = 40", "steps = 24")
    recipe.write_text(text.replace("context = 32", "context = 128") + PHASES, "utf-8")
    write_lines(folder / "conversations.jsonl", conversations(24))
    write_lines(folder / "pairs.jsonl", pairs(24))
    return recipe
