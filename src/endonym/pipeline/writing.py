"""Lets a model write, and measures it beside held-out text (`evaluate/writing.py`)."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from endonym.errors import RecipeError
from endonym.evaluate.score import Score
from endonym.evaluate.writing import HELD_OUT, Groups, Written, writing_scores
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.generate.sample import beginning as encoded_beginning
from endonym.log import Log, listed
from endonym.pipeline.evaluation_texts import learnt_by
from endonym.script.letters import GAP, beginning
from endonym.store import Artifact
from endonym.tokenizer.tokenizer import Tokenizer

TEXTS = 48
AT_ONCE = 16
"""Texts for each temperature, and how many are written at once."""
SAMPLINGS = (
    Sampling(temperature=0.0),
    Sampling(temperature=0.8),
    Sampling(temperature=1.0, top_p=1.0),
)
"""The likeliest token; what is usual; and the model's own distribution, of which nothing is cut."""
PROMPT_CHARS = 24
"""Of a held-out text so much is given to the model, less the word that is cut there."""
SEARCHED_BYTES = 100_000_000
"""About so much training text is searched for what a model has written."""
LOST = "known words and copies are not looked for in {lost}: not in this store"
FAR = 16
"""So many times as much text as is needed follows each place: it is cut by tokens later on."""


class ToWrite(NamedTuple):
    """What is written. prompts: the beginnings of held-out texts if there are none. task: its name,
    which is said as the split of the scores."""

    prompts: Sequence[str]
    max_tokens: int
    seed: int
    task: str


class Training(NamedTuple):
    """Texts and answers that a model was trained on, and the share that they are of all.

    Both are None if none of them is known.
    """

    texts: Iterator[str] | None
    share: float | None


def training_of(model: Artifact | None, log: Log, most: int = SEARCHED_BYTES) -> Training:
    """What a model, its bases and teachers read, at most so many bytes of it, evenly spread.

    model: as in `learnt_by`. Warns of what the store does not hold. Lists of sentences are joined.
    """
    learnt = learnt_by(model)
    if learnt.lost:
        log.warn(LOST.format(lost=listed(learnt.lost)))
    if not learnt.parts:
        return Training(None, None)
    share = min(1.0, most / max(1, sum(part.n_bytes for part in learnt.parts)))
    return Training(chain.from_iterable(part.joined(share) for part in learnt.parts), share)


class Writing(NamedTuple):
    """What was written and held-out texts beside it, in groups, and their scores."""

    scores: list[Score]
    groups: Groups


def judge_writing(
    model: LanguageModel,
    held_out: Sequence[str],
    training: Iterable[str] | None,
    asked: ToWrite,
    *,
    log: Log,
) -> Writing:
    """Let a model write at each temperature, and score it beside as many held-out texts.

    All are at most `max_tokens` long. training: None if it is not known. Raises RecipeError if
    there are neither prompts nor held-out texts.
    """
    count = len(asked.prompts) or TEXTS
    chars = most_chars(model.tokenizer, held_out, asked.max_tokens)
    begun = [divided(text) for text in drawn(held_out, count, chars)]
    if not (asked.prompts or begun):
        do = "Give prompts, or take a run that holds some out: [split], or more text."
        raise RecipeError("there is no held-out text to go on from", where=asked.task, do=do)
    prompts = asked.prompts or [prompt for prompt, _ in begun]
    groups = dict[str, list[Written]]()
    with log.progress("writing, to judge it", len(SAMPLINGS) * len(prompts)) as advance:
        for sampling in SAMPLINGS:
            written = groups.setdefault(f"temperature {sampling.temperature:g}", [])
            for first in range(0, len(prompts), AT_ONCE):
                batch = prompts[first : first + AT_ONCE]
                seeds = range(asked.seed + first, asked.seed + first + len(batch))
                samplings = [replace(sampling, seed=seed) for seed in seeds]
                made = model.generate_many(batch, max_tokens=asked.max_tokens, samplings=samplings)
                for prompt, each in zip(batch, made, strict=True):
                    text = text_of(model.tokenizer, each.ids)[n_given(model, prompt) :]
                    written.append(Written(text, each.finish_reason == "end", prompt))
                advance(len(batch))
    others = [cut(rest, model.tokenizer, asked.max_tokens, prompt) for prompt, rest in begun]
    scores = [*writing_scores(groups, others, training, task=asked.task)]
    return Writing(scores, {**groups, HELD_OUT: others} if others else groups)


def most_chars(tokenizer: Tokenizer, held_out: Sequence[str], max_tokens: int) -> int:
    """About how many characters a prompt has together with the text behind it."""
    some = [text[:1000] for text in held_out[:: 1 + len(held_out) // TEXTS]]
    n_tokens = sum(map(len, tokenizer.encode_many(some)))
    return PROMPT_CHARS + max_tokens * sum(map(len, some)) // max(1, n_tokens)


def drawn(texts: Sequence[str], count: int, chars: int) -> list[str]:
    """Texts from evenly spread places on: `count` of them, or fewer if there is too little text.

    The places are the beginnings of texts, and lines or words within them. From one to the next are
    `chars` characters at least.
    """
    half = max(1, chars // 2)
    places = [
        (text, begin)
        for text in texts
        for begin in range(0, max(1, len(text) - chars - half), chars + half)
        if text.strip()
    ]
    count = min(count, len(places))
    chosen = [places[n * len(places) // count] for n in range(count)]
    starts = [(text, _start(text, begin, begin + half)) for text, begin in chosen]
    return [text[start : start + FAR * chars] for text, start in starts]


def _start(text: str, begin: int, end: int) -> int:
    """Where the first line begins in this part of a text, or else the first word."""
    if not begin:
        return 0
    line = text.find("\n", begin, end)
    gap = GAP.search(text, begin, end)
    return line + 1 if line >= 0 else gap.end() if gap else begin


def divided(text: str) -> tuple[str, str]:
    """The beginning of a text, as a prompt, and the rest of it; half of a short one each."""
    begin = beginning(text, min(PROMPT_CHARS, len(text) // 2))
    words, blank, _ = begin.rpartition(" ")
    prompt = words if blank and words.strip() else begin
    return prompt, text[len(prompt) :]


def cut(text: str, tokenizer: Tokenizer, most: int, prompt: str = "") -> Written:
    """A text as a model would have written it: at most so many tokens, its end among them."""
    ids = tokenizer.encode(text)
    return Written(text_of(tokenizer, ids[:most]), len(ids) < most, prompt)


def n_given(model: LanguageModel, prompt: str) -> int:
    """How many first characters of what follows a prompt are the prompt's: a blank at its end."""
    spelled = model.spelled(prompt)
    return len(spelled) - len(encoded_beginning(spelled)[0])


def text_of(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """What was written, with U+FFFD for bytes that are no UTF-8.

    An unfinished character at the end is left out: the text was cut there.
    """
    data = b"".join(map(tokenizer.bytes_of, ids))
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
