"""Files of items: what a model finds likelier of several texts, or how likely it finds one.

An item has a context, options that may follow it, and which of them is right. A minimal pair has
two options and mostly no context; a text whose bits are asked for has one. So choice tasks, cloze,
minimal pairs and the second halves of sentences are judged by the same code.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.data.conversation_files import places_in_words, read_records
from endonym.data.conversations import Unfit
from endonym.disk import packaged_tables
from endonym.errors import SourceError
from endonym.evaluate.score import BITS, Measured, Score, ratio, scores
from endonym.evaluate.tables import TOO_FEW, aligned
from endonym.formats.document import Reject
from endonym.log import number
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from endonym.generate.language_model import LanguageModel

TASK = "task.json"
"""The file of an evaluation's artefact with the scores of a task."""
WORDS: dict[str, Any] = packaged_tables("endonym.evaluate", "items.toml")
FIELDS: dict[str, list[str]] = WORDS["fields"]
"""The names that a field of an item may have, the usual one first."""
ACCURACY, PER_BYTE, PER_TEXT = "accuracy", "accuracy_per_byte", "bits_per_text"
"""Choices by the whole log-probability of an option, and by that of a byte; bits of a text."""
Numbers = NDArray[np.float64]


class Item(NamedTuple):
    """What is judged. answer: which option is right; None if there is one, whose bits are asked.

    group: its phenomenon or topic; empty if none is named.
    """

    context: str
    options: tuple[str, ...]
    answer: int | None
    group: str = ""


def read_items(path: Path) -> tuple[list[Item], str]:
    """The items of a file of JSON lines or a table, and in words which of its records are none.

    Raises SourceError if there are none, or if some have an answer and others have not.
    """
    items, rejects = list[Item](), list[Reject]()
    for record in read_records(path):
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        try:
            items.append(item_of(record.value))
        except Unfit as unfit:
            rejects.append(record.reject(unfit.reason, unfit.detail))
    left_out = places_in_words(rejects)
    if not items:
        raise SourceError(f"no items: {left_out}", where=str(path), do=WORDS["advice"])
    if len({item.answer is None for item in items}) > 1:
        raise SourceError(WORDS["mixed"], where=str(path), do=WORDS["advice"])
    return items, left_out


def item_of(record: Any) -> Item:
    """The item in a record. Raises Unfit."""
    if not isinstance(record, dict):
        raise Unfit("bad_item", "a record is an object with named fields")
    field = partial(_field, record)
    group, context = field("group") or "", field("context") or ""
    good, bad, options, text = map(field, ("good", "bad", "options", "text"))
    if good is not None and bad is not None:
        options, answer = [good, bad], 0
    elif options is not None:
        answer = _answer(options, field("answer"))
    elif text is not None:
        options, answer = [text], None
    else:
        raise Unfit("bad_item", WORDS["no_options"].format(found=", ".join(map(str, record))))
    if not all(isinstance(each, str) for each in (group, context, *options)):
        raise Unfit("bad_item", "context, options and group are texts")
    if not all(each.strip() for each in options):
        raise Unfit("empty_option", "an option is empty")
    if len(set(options)) < len(options):
        raise Unfit("equal_options", "two options are the same")
    bare = context.rstrip()  # As in the harness: a token mostly begins with the blank before it.
    options = [context[len(bare) :] + each for each in options]
    return Item(bare, tuple(options), answer, group)


def _field(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field under one of its names, or None."""
    return next((record[each] for each in FIELDS[name] if record.get(each) is not None), None)


def _answer(options: Any, answer: Any) -> int:
    """The number of the right option, which is given as a number, a letter or the option itself."""
    if not isinstance(options, list) or len(options) < 2:
        raise Unfit("bad_item", "options is a list of two texts or more")
    if isinstance(answer, str) and answer in options:
        return options.index(answer)
    if isinstance(answer, str) and len(answer) == 1 and answer.isascii() and answer.isalpha():
        answer = ord(answer.lower()) - ord("a")
    if isinstance(answer, str) and answer.isdecimal():
        answer = int(answer)
    if type(answer) is not int or not 0 <= answer < len(options):
        raise Unfit("no_answer", WORDS["no_answer"].format(answer=answer, most=len(options) - 1))
    return answer


def judge(
    model: "LanguageModel", items: Sequence[Item], advance: Callable[[int], None]
) -> Measured:
    """The nats of all options of all items, in order, and their sizes.

    advance: called with 1 for each.

    An option is read as its context goes on with it: the ids of both together, of which as many are
    context as the context has alone. So does EleutherAI's lm-evaluation-harness (`_encode_pair`).
    """
    from endonym.generate.reading import read_nats  # torch, which a report does without

    pairs = [(item.context, option) for item in items for option in item.options]
    read = [_ids(*pair, model.tokenizer) for pair in pairs]
    every = read_nats(model.decoder, [ids for ids, _ in read], model.tokenizer.end_id)
    nats = list[float]()
    for (_, begin), of_tokens in zip(read, every, strict=True):
        nats.append(float(of_tokens[begin:].sum()))
        advance(1)
    return Measured(
        nats=np.array(nats),
        tokens=np.array([len(ids) - begin for ids, begin in read]),
        bytes=np.array([len(option.encode("utf-8")) for _, option in pairs]),
        chars=np.array([len(option) for _, option in pairs]),
    )


def _ids(context: str, option: str, tokenizer: Tokenizer) -> tuple[NDArray[np.int64], int]:
    """The ids of both together, and how many of the first ones are the context's."""
    begin = len(tokenizer.encode(context)) if context else 0
    return np.array(tokenizer.encode(context + option), dtype=np.int64), begin


def item_scores(items: Sequence[Item], judged: Measured, *, task: str) -> Iterator[Score]:
    """The mean over groups, all items, and each group: accuracy, or bits where no answer is asked.

    task: what is said as the split of each score. The intervals are over items, within groups.
    """
    groups = np.array([item.group for item in items])
    names = np.unique(groups)
    if len(names) > 1:
        yield from _scores(items, judged, groups, task=task, is_mean=True)
    yield from _scores(items, judged, groups, task=task)
    for name in names if len(names) > 1 else ():
        some = [item for item in items if item.group == name]
        part = judged.only(np.repeat(groups == name, [len(item.options) for item in items]))
        yield from _scores(some, part, np.full(len(some), name), task=task, source=str(name))


def _scores(
    items: Sequence[Item],
    judged: Measured,
    groups: NDArray[Any],
    *,
    task: str,
    source: str | None = None,
    is_mean: bool = False,
) -> Iterator[Score]:
    """The scores of some items together."""
    about: dict[str, Any] = {"model": "model", "split": task, "source": source}
    ones = np.ones(len(items), dtype=np.int64)
    made = partial(
        Score,
        n_documents=len(items),
        n_bytes=int(judged.bytes.sum()),
        n_chars=int(judged.chars.sum()),
        n_tokens=int(judged.tokens.sum()),
        weighting="sources" if is_mean else "bytes",
        averaged=tuple(map(str, np.unique(groups))) if is_mean else (),
        n_groups=len(items),
        **about,
    )
    if items[0].answer is None:
        value, low, high = ratio(judged.nats / math.log(2), ones, groups, is_mean=is_mean)
        yield made(metric=PER_TEXT, value=value, unit="bits", low=low, high=high)
        yield from scores(judged, sources=groups, is_mean=is_mean, **about)
        return
    for metric, costs in ((ACCURACY, judged.nats), (PER_BYTE, judged.nats / judged.bytes)):
        right = are_right(items, costs)
        value, low, high = ratio(right.astype(np.float64), ones, groups, is_mean=is_mean)
        yield made(metric=metric, value=value, unit="", low=low, high=high)


def are_right(items: Sequence[Item], costs: Numbers) -> NDArray[np.bool_]:
    """Whether the right option of each item costs less than every other; a tie is wrong.

    costs: of all options, in order.
    """
    ends = np.cumsum([len(item.options) for item in items])
    right = list[bool]()
    for item, part in zip(items, np.split(costs, ends[:-1]), strict=True):
        assert item.answer is not None, "a choice"
        right.append(bool((np.delete(part, item.answer) > part[item.answer]).all()))
    return np.array(right)


def cells(found: Sequence[Score]) -> list[list[str]]:
    """The scores of one file, heads first: the mean over groups, then all, then each group."""
    is_choice = any(score.metric == ACCURACY for score in found)
    first, second = (ACCURACY, PER_BYTE) if is_choice else (PER_TEXT, BITS)
    others = {(s.source, s.weighting): s.value for s in found if s.metric == second}
    rows = [list(WORDS["heads"]["choices" if is_choice else "texts"])]
    for score in found:
        if score.metric == first:
            name = score.source or ("mean of groups" if score.weighting == "sources" else "all")
            span = TOO_FEW if score.low is None else f"{score.low:.4f}–{score.high:.4f}"
            other = f"{others[score.source, score.weighting]:.4f}"
            rows.append([name, f"{score.value:.4f}", span, other, number(score.n_documents)])
    return rows


def table(found: Sequence[Score]) -> str:
    """The scores of one file as aligned text."""
    return "\n".join(aligned(cells(found), indent=2))
