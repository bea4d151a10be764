"""Lets a model write, and measures it beside held-out text (`evaluate/writing.py`)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from endonym.evaluate.score import Score
from endonym.evaluate.writing import Written, writing_scores
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log
from endonym.script.letters import beginning
from endonym.tokenizer.tokenizer import Tokenizer

TEXTS, AT_ONCE = 48, 16
"""Texts for each temperature, and how many are written at once."""
TEMPERATURES = (0.0, 0.8, 1.0)
PROMPT_CHARS = 24
"""Of a held-out text so much is given to the model, less the word that is cut there."""


class Asked(NamedTuple):
    """What is written. prompts: the beginnings of held-out texts if there are none."""

    prompts: Sequence[str]
    max_tokens: int
    seed: int


def score_writing(
    model: LanguageModel,
    held_out: Sequence[str],
    training: Iterable[str],
    asked: Asked,
    *,
    log: Log,
) -> list[Score]:
    """The scores of what a model writes at each temperature, and those of held-out texts.

    Both are at most `max_tokens` long.
    """
    drawn = held_out[:: 1 + (len(held_out) - 1) // TEXTS]
    parts = [divided(text) for text in drawn]
    prompts = asked.prompts or [prompt for prompt, _ in parts]
    others = [cut(rest, model.tokenizer, asked.max_tokens) for _, rest in parts]
    groups = dict[str, list[Written]]()
    with log.progress("writing, to judge it", len(TEMPERATURES) * len(prompts)) as advance:
        for temperature in TEMPERATURES:
            written = groups.setdefault(f"temperature {temperature:g}", [])
            for first in range(0, len(prompts), AT_ONCE):
                batch = prompts[first : first + AT_ONCE]
                seeds = range(asked.seed + first, asked.seed + first + len(batch))
                samplings = [Sampling(temperature=temperature, seed=seed) for seed in seeds]
                texts = model.generate_many(batch, max_tokens=asked.max_tokens, samplings=samplings)
                written += [Written("".join(each), each.finish_reason == "end") for each in texts]
                advance(len(batch))
    return list(writing_scores(groups, others, training))


def divided(text: str) -> tuple[str, str]:
    """The beginning of a text, as a prompt, and the rest of it."""
    begin = beginning(text, PROMPT_CHARS)
    words, blank, _ = begin.rpartition(" ")
    prompt = words if blank and words.strip() and len(begin) < len(text) else begin
    return prompt, text[len(prompt) :]


def cut(text: str, tokenizer: Tokenizer, most: int) -> Written:
    """The first tokens of a text, and whether these are all."""
    ids = tokenizer.encode(text)
    return Written(tokenizer.decode(ids[:most]), len(ids) <= most)
