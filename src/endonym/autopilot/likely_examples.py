"""Estimates what the conversations or preference pairs of a phase are as examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from endonym.autopilot.model_size import Facts
from endonym.data.config import FEWEST_DIVIDED, VAL_SHARE
from endonym.data.conversation_files import (
    ParsedRecord,
    parsed_records,
    places_in_words,
    several_answers_in_words,
    share_read,
)
from endonym.data.conversations import Conversation, Pair
from endonym.data.example_tokens import packed
from endonym.data.examples import (
    advice,
    held_out_prompts,
    prompt_key,
    require_usable,
    without_system,
)
from endonym.formats.document import Reject
from endonym.formats.reasons import in_words
from endonym.formats.source_errors import source_error
from endonym.log import counted, number
from endonym.recipe.recipe import Recipe
from endonym.tokenizer.chat_template import ANSWERING
from endonym.train.config import Phase

if TYPE_CHECKING:
    from endonym.tokenizer.tokenizer import Tokenizer

SAMPLE_RECORDS = 2_000
TINY_SHARE = 1e-9
USUAL_EXAMPLE_BYTES = 1_000.0
USUAL_ANSWER_BYTES = 600.0
"""Of conversations that nobody has yet."""
TEMPLATE_TOKENS = 8
"""Of a message: its role, and where it begins and ends."""


def estimated_examples(
    recipe: Recipe,
    context: int,
    bytes_per_token: float,
    *,
    sizes: Mapping[str, int] | None = None,
    tokenizer: "Tokenizer | None" = None,
) -> dict[int, Facts]:
    """What the data of each phase will be as examples, by the first records of its files.

    sizes: bytes of what phases will read, by name; of usual examples where there are no files yet.
    tokenizer: counts the tokens, if there is one already, or one like it; else bytes_per_token.
    Raises SourceError if no record can be used, or too few.
    """
    facts = dict[int, Facts]()
    sizes = sizes or {}
    held_out = np.zeros(0, dtype=np.uint64)
    for index, phase in enumerate(recipe.phase):
        if phase.reads_texts:
            continue
        made, weights, rejects = _read(recipe, index)
        said = [_said(each.value) for each in made]
        lengths = _lengths([contents for contents, _ in said], bytes_per_token, tokenizer)
        fits = lengths <= context  # the others will be rejected
        seed = recipe.split.seed
        all_keys = [prompt_key(record.value.prompt, seed) for record in made]
        keys = np.array(all_keys, dtype=np.uint64)[fits]
        is_dev = np.zeros(len(made), dtype=bool)
        is_dev[fits] = held_out_prompts(keys, recipe.chat.val_share, held_out)
        held_out = np.union1d(held_out, keys[is_dev[fits]])
        # Of each record: itself, its examples, their tokens, and the bytes of its answers.
        several = (each.several_answers for each in made if each.several_answers)
        sizes_of = [sum(len(each.encode()) for each in answers) for _, answers in said]
        figures = [(1, 1 + phase.is_of_pairs, *e) for e in zip(lengths, sizes_of, strict=True)]
        table = np.array(figures, dtype=float).reshape(-1, 4) * np.array(weights).reshape(-1, 1)
        is_few = len(np.unique(keys)) < FEWEST_DIVIDED and set(weights) <= {1} and not held_out.size
        if phase.objective == "chat" and recipe.chat.val_share is None and is_few:
            system = _lengths([_system(each) for each in made], bytes_per_token, tokenizer)
            table = np.concatenate((table, _again(made, table, system, context)))
            is_dev = np.zeros(len(table), dtype=bool)
            lengths = table[:, 2]
        sums = table.sum(axis=0)
        held = table[is_dev].sum(axis=0)
        if phase.name in sizes and not made:
            sums = np.array((1.0, 1.0, USUAL_EXAMPLE_BYTES / bytes_per_token, USUAL_ANSWER_BYTES))
            held = sums * (recipe.chat.val_share or VAL_SHARE)
        if phase.name in sizes:
            times = sizes[phase.name] / (sums[2] * bytes_per_token)
            sums = sums * times
            held = held * times
        records, examples, tokens, answer_bytes = (sums - held).tolist()
        dropped = Counter(each.reason for each in rejects)
        rows = _rows(lengths[~is_dev], tokens, context)
        dev_rows = _rows(lengths[is_dev], held[2], context) if held[0] else rows
        facts[index] = Facts(
            int(answer_bytes),
            int(tokens),
            tokens / max(1.0, examples),
            row_positions=rows * context,
            records=round(records),
            dev_documents=round(held[0]),
            dev_tokens=dev_rows * context,
            dropped=dropped,
            faults=places_in_words(rejects) if dropped.keys() - {"duplicate"} else "",
            several_answers=several_answers_in_words(dict(several)),
        )
    return facts


def _read(recipe: Recipe, index: int) -> tuple[list[ParsedRecord], list[float], list[Reject]]:
    """The first records of a phase's files, for how many of all each stands, and rejects.

    Raises SourceError if no record can be used, or too few.
    """
    phase = recipe.phase[index]
    rejects = list[Reject]()
    seen = dict[bytes, str]()
    read = [_first_records(path, phase, rejects, seen) for path in recipe.data_files(index)]
    made = [each for some, _ in read for each in some]
    are_all = all(weight == 1 for _, weight in read)
    _require_some(phase, rejects, len(made), most=recipe.chat.max_rejected if are_all else 1)
    return made, [weight for some, weight in read for _ in some], rejects


def _system(made: ParsedRecord) -> list[str]:
    """The system messages of a conversation."""
    assert isinstance(made.value, Conversation)
    return [said.content for said in made.value.messages if said.role == "system"]


def _again(
    made: Sequence[ParsedRecord],
    table: NDArray[np.float64],
    system: NDArray[np.float64],
    context: int,
) -> NDArray[np.float64]:
    """The figures of more examples of few conversations, as `make_examples` writes them.

    These are no records. table: the figures of the records. system: the tokens of their system
    messages. Of records that are too long for a row there are none.
    """
    fits = table[:, 2] <= context
    made = [*compress(made, fits)]
    table = table[fits]
    system = system[fits]
    asked = [tuple(without_system(each.value.prompt)) for each in made]
    is_bare = (system > 0) & np.array([asked.count(each) == 1 for each in asked], dtype=bool)
    turns = [len(_said(each.value)[1]) for each in made]
    singles = np.array(turns) == 1 if turns.count(1) > 1 else np.zeros(len(made), dtype=bool)
    bare = table - [1, 0, 0, 0]
    joined = table - [1, 0, 0, 0]
    bare[:, 2] -= system
    joined[is_bare] = bare[is_bare]
    joined[:, 2] += bare[singles, 2].mean() if singles.any() else 0
    more = np.concatenate((bare[is_bare], joined[singles]))
    return more[more[:, 2] <= context]


def _require_some(phase: Phase, rejects: Sequence[Reject], n_made: int, *, most: float) -> None:
    """Raise SourceError if no record can be used, or if more than the share `most` cannot."""
    dropped = Counter(each.reason for each in rejects)
    firsts = {each.reason: each for each in reversed(rejects)}
    if rejects and not n_made:
        ((reason, count),) = dropped.most_common(1)
        where = f"phase {phase.name}: data"
        do = advice(reason, firsts[reason])
        words = {"records": counted(len(rejects), "record"), "why": in_words(reason)}
        raise source_error("none_fits", where, advice=do, count=number(count), **words)
    require_usable(dropped, firsts, len(rejects) + n_made, most)


def _first_records(
    path: Path, phase: Phase, rejects: list[Reject], seen: dict[bytes, str]
) -> tuple[list[ParsedRecord], float]:
    """The first records of a file, and for how many of its records each of them stands.

    rejects, seen: get what makes no examples, and what does.
    """
    made = list[ParsedRecord]()
    line_bytes = 0
    fits = parsed_records(path, phase.columns, seen=seen, are_pairs=phase.is_of_pairs)
    for place, fit in enumerate(fits):
        if place == SAMPLE_RECORDS:
            return made, 1 / max(TINY_SHARE, share_read(path, place, line_bytes))
        if isinstance(fit, ParsedRecord) and not fit.before:
            made.append(fit)
            line_bytes += len(fit.record.raw.encode()) + 1  # with the end of the line
            continue
        rejects.append(fit if isinstance(fit, Reject) else fit.copy())
        line_bytes += rejects[-1].raw_bytes + 1
    return made, 1.0


def _said(value: Conversation | Pair) -> tuple[list[str], list[str]]:
    """The contents of the messages in a record's examples, and those of its answers."""
    if isinstance(value, Conversation):
        answers = [each.content for each in value.messages if each.role == ANSWERING]
        return [each.content for each in value.messages], answers
    prompt = [each.content for each in value.prompt]
    answers = [value.chosen, value.rejected]
    return [*prompt, value.chosen, *prompt, value.rejected], answers


def _lengths(
    made: Sequence[Sequence[str]], bytes_per_token: float, tokenizer: "Tokenizer | None"
) -> NDArray[np.float64]:
    """The tokens of each record by its contents, with those of the template."""
    texts = [text for contents in made for text in contents]
    sizes = [len(text.encode()) / bytes_per_token for text in texts]
    if tokenizer is not None:
        sizes = map(len, tokenizer.encode_many(texts))
    left = iter(sizes)
    return np.array([sum(TEMPLATE_TOKENS + next(left) for _ in contents) for contents in made])


def _rows(lengths: NDArray[np.float64], tokens: float, context: int) -> int:
    """The rows of examples with so many tokens in all, if they have such lengths."""
    if not len(lengths):
        return max(1, ceil(tokens / context))
    whole = np.clip(np.ceil(lengths), 1, context).astype(np.int64)
    rows = len(packed(whole, context).starts) - 1
    return max(1, ceil(rows * tokens / lengths.sum()))
