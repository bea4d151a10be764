"""Files of items: what a model finds likelier of several texts, or how likely it finds one.

An item has a context, options that may follow it, and which of them is right. A minimal pair has
two options and mostly no context; a text whose bits are asked for has one. So choice tasks, cloze,
minimal pairs and the second halves of sentences are judged by the same code.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from endonym.data.conversation_files import has_records, places_in_words, read_records
from endonym.data.conversations import Unfit, text_of
from endonym.disk import packaged_tables
from endonym.errors import SourceError, printable
from endonym.evaluate.score import BITS, PER_TEXT, Measured, Numbers, Score, ratio, scores, share
from endonym.evaluate.tables import span
from endonym.formats.document import Reject
from endonym.log import counted, listed, number
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from endonym.generate.language_model import LanguageModel

TASK = "task.json"
"""The file of an evaluation's artefact with the scores of a task."""
WORDS: dict[str, Any] = packaged_tables("endonym.evaluate", "items.toml")
SHOWN_TEXT = 80
PAST = "answer_past_options"
"""Why a record is left out whose answer is the number of its options."""
ACCURACY = "accuracy"
PER_BYTE = "accuracy_per_byte"
"""Choices by the whole log-probability of an option, and by that of a byte; bits of a text."""
Ids = NDArray[np.int64]


class Item(NamedTuple):
    """What is judged. answer: which option is right; None if there is one, whose bits are asked.

    group: its phenomenon or topic; empty if none is named. blanks: what stands between the context
    and each option.
    """

    context: str
    options: tuple[str, ...]
    answer: int | None
    group: str = ""
    blanks: str = ""

    @property
    def texts(self) -> list[str]:
        """Each option as it is read: after the context."""
        return [self.context + self.blanks + option for option in self.options]

    @property
    def right(self) -> str:
        """The right option, or the only one, as it is read."""
        return self.texts[self.answer or 0]


class ItemFile(NamedTuple):
    """The items of a file. In words: which of its records are none, and which fields are not read;
    empty if all are."""

    items: list[Item]
    left_out: str
    unread: str


T = TypeVar("T")


def fitting(
    path: Path, words: Mapping[str, Any], make: Callable[[dict[Any, Any]], tuple[T, Iterable[str]]]
) -> tuple[list[T], list[Reject], dict[str, None]]:
    """What the records of a file hold, those that hold nothing, and the fields that are not read.

    words: messages, and in `fields` the names that a field may have, the usual one first. make:
    what a record holds, and its fields that are not read; raises Unfit. Raises SourceError if this
    is no file of records.
    """
    if not has_records(path):
        raise SourceError(words["no_format"], where=path, do=words["advice"])
    fields: dict[str, list[str]] = words["fields"]
    found = list[T]()
    rejects = list[Reject]()
    unread = dict[str, None]()
    for record in read_records(path, (*fields, *chain.from_iterable(fields.values()))):
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        try:
            if not isinstance(record.value, dict):
                raise Unfit("bad_item", "a record is an object with named fields")
            each, others = make(record.value)
        except Unfit as unfit:
            rejects.append(record.reject(unfit.reason, unfit.detail))
            continue
        found.append(each)
        unread |= dict.fromkeys(others)
    return found, rejects, unread


def read_items(path: Path) -> ItemFile:
    """The items of a file of JSON lines or a table.

    Raises SourceError if there are none, if some have an answer and others have not, or if the
    answers are counted from 1.
    """
    items, rejects, unread = fitting(path, WORDS, item_of)
    left_out = places_in_words(rejects)
    if not items:
        raise SourceError(f"no items: {left_out}", where=path, do=WORDS["advice"])
    if len({item.answer is None for item in items}) > 1:
        raise SourceError(WORDS["mixed"], where=path, do=WORDS["advice"])
    if any(each.reason == PAST for each in rejects) and all(item.answer != 0 for item in items):
        raise SourceError(WORDS["from_1"], where=path, do=WORDS["count_from_0"])
    return ItemFile(items, left_out, names_in_words(unread))


def item_of(record: dict[Any, Any]) -> tuple[Item, list[str]]:
    """The item in a record, and the names of its fields that are not read. Raises Unfit."""
    names = _names(record)
    if {"good", "bad"} <= names.keys():
        options = [record[names["good"]], record[names["bad"]]]
        answer = 0
    elif "options" in names:
        options = record[names["options"]]
        answer = _answer(options, record.get(names.get("answer")))
    elif "text" in names:
        options = [record[names["text"]]]
        answer = None
    else:
        raise Unfit("bad_item", WORDS["no_options"].format(found=names_in_words(record)))
    options = tuple(text_of(each, "an option") for each in options)
    if not all(each.strip() for each in options):
        raise Unfit("empty_option", "an option is empty")
    if len(set(options)) < len(options):
        raise Unfit("equal_options", "two options are the same")
    before = (record[names[each]] for each in ("context", "question") if each in names)
    context = "\n".join(text for value in before if (text := text_of(value, "the context")))
    bare = context.rstrip()  # As in the harness: a token mostly begins with the blank before it.
    item = Item(bare, options, answer, _group(record.get(names.get("group"))), context[len(bare) :])
    unread = record.keys() - names.values()
    return item, [name for name in record if name in unread and record[name] is not None]


def names_of(record: Mapping[str, Any], fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The fields that a record has, with their names in it. fields: the usual names of each."""
    found = {
        field: next((name for name in usual if record.get(name) is not None), "")
        for field, usual in fields.items()
    }
    return {field: name for field, name in found.items() if name}


def _names(record: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an item that a record has and that are read, with their names in it.

    Raises Unfit if it has those of two forms: an answer belongs to options, and a text has none.
    """
    names = names_of(record, WORDS["fields"])
    if {"good", "bad"} <= names.keys():
        unread = {"options", "answer", "text"}
        # A whole sentence: MultiBLiMP's files also have its beginning, as `prefix`.
        unread |= {"context", "question"} if names["good"] in WORDS["whole"] else set()
        return {field: name for field, name in names.items() if field not in unread}
    if "text" in names and (other := names.get("options") or names.get("answer")):
        raise Unfit("bad_item", WORDS["two_forms"].format(text=names["text"], other=other))
    return names


def names_in_words(names: Iterable[Any]) -> str:
    """Names of fields, for a sentence."""
    return listed([printable(name) or '""' for name in names])


def _group(value: Any) -> str:
    """The name of a group, which may be a number."""
    if isinstance(value, int | float):
        value = str(value)
    return "" if value is None else text_of(value, "the group")


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
        detail = WORDS["no_answer"].format(answer=answer, most=len(options) - 1)
        raise Unfit(PAST if answer == len(options) else "no_answer", detail)
    return answer


def judge(
    model: "LanguageModel", items: Sequence[Item], advance: Callable[[int], None]
) -> Measured:
    """The nats of all options of all items, in order, and the sizes of the tokens that have them.

    advance: called with 1 for each. The nats of an option without a token are NaN.

    An option is read as its context goes on with it: the ids of both together. The tokens of a text
    are those behind as many as its context has alone, as in EleutherAI's lm-evaluation-harness
    (`_encode_pair`) and Goldfish. Deviation: where an option goes on with the last word of its
    context, this would leave out a part of the option, or all of it, which then costs nothing (the
    harness stops there). So the tokens of all options of a choice begin where the ids of one of
    them first differ from those of the context alone. So do those of a text that would have none.

    A context that does not fit into a window of the model together with an option loses its
    beginning, as in the harness. An option that alone does not fit is read in several windows; the
    harness does not judge it.
    """
    from endonym.evaluate.bits import Texts  # These import torch, which a report does without.
    from endonym.generate.reading import read_nats, window_tokens

    window = window_tokens(model.decoder, model.tokenizer.document_start)
    read = list(_encoded(items, model.tokenizer, window))
    every = read_nats(model.decoder, [ids for ids, _ in read], model.tokenizer.document_start)
    nats = list[float]()
    for (ids, begin), of_tokens in zip(read, every, strict=True):
        nats.append(float(of_tokens[begin:].sum()) if begin < len(ids) else math.nan)
        advance(1)
    return Texts([ids[begin:] for ids, begin in read], (), model.tokenizer).measured(nats)


def _encoded(items: Sequence[Item], tokenizer: Tokenizer, window: int) -> Iterator[tuple[Ids, int]]:
    """The ids of each option with its context, and how many of the first ones are the context's."""
    contexts = tokenizer.encode_documents([item.context for item in items])
    together = iter(tokenizer.encode_documents([text for item in items for text in item.texts]))
    for item, context in zip(items, contexts, strict=True):
        every = [next(together) for _ in item.options]
        begin = len(context) if item.context else 0
        if item.answer is not None or len(every[0]) <= begin:
            begin = min(_common(context, ids) for ids in every)
        for ids in every:
            is_choice = item.answer is not None
            yield _with_its_end(ids, begin, window) if is_choice else (ids, begin)


def _with_its_end(ids: Ids, begin: int, window: int) -> tuple[Ids, int]:
    """The same ids with as much of the context's end as fits into a window with the option, and the
    token that opens a text."""
    too_many = len(ids) + 1 - window
    if too_many <= 0 or len(ids) - begin >= window:
        return ids, begin
    return ids[too_many:], begin - too_many


def long_options(items: Sequence[Item], judged: Measured, window: int) -> str:
    """In words, how many choices have an option that does not fit into a window of the model; empty
    if none has."""
    is_long = np.logical_or.reduceat(judged.tokens >= window, _firsts(items))
    is_choice = np.array([item.answer is not None for item in items])
    count = int((is_long & is_choice).sum())
    found = counted(count, "item")
    return WORDS["long_options"].format(found=found, window=window) if count else ""


def _common(one: Ids, other: Ids) -> int:
    """How many ids two texts have in common at their beginning."""
    size = min(len(one), len(other))
    differing = np.flatnonzero(one[:size] != other[:size])
    return int(differing[0]) if len(differing) else size


def with_tokens(items: Sequence[Item], judged: Measured) -> tuple[Sequence[Item], Measured, str]:
    """The items whose options all have a token; and in words which have not, empty if all have."""
    lacks = np.logical_or.reduceat(np.isnan(judged.nats), _firsts(items))
    if not lacks.any():
        return items, judged, ""
    kept = [item for item, is_out in zip(items, lacks, strict=True) if not is_out]
    text = printable(" | ".join(items[int(lacks.argmax())].texts))[:SHOWN_TEXT]
    found = counted(len(items) - len(kept), "item")
    said = WORDS["no_tokens"].format(found=found, text=text)
    return kept, judged.only(np.repeat(~lacks, [len(item.options) for item in items])), said


def _firsts(items: Sequence[Item]) -> Ids:
    """The number of each item's first option among the options of all."""
    return np.cumsum([0, *(len(item.options) for item in items[:-1])])


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
        ones = np.ones(len(items), dtype=np.int64)
        mean = ratio(judged.nats / math.log(2), ones, groups, is_mean=is_mean)
        yield made(metric=PER_TEXT, unit="bits", **asdict(mean))
        yield from scores(judged, sources=groups, is_mean=is_mean, **about)
        return
    # As written, also where a token holds the end of the context: as the harness's `acc_bytes`.
    sizes = np.array([len(option.encode("utf-8")) for item in items for option in item.options])
    for metric, costs in ((ACCURACY, judged.nats), (PER_BYTE, judged.nats / sizes)):
        value, low, high = share(are_right(items, costs), groups, is_mean=is_mean)
        yield made(metric=metric, value=value, unit="", low=low, high=high)


def are_right(items: Sequence[Item], costs: Numbers) -> NDArray[np.bool_]:
    """Whether the right option of each item costs less than every other; a tie is wrong.

    costs: of all options, in order.
    """
    firsts = _firsts(items)
    right = firsts + np.array([item.answer for item in items])
    others = costs.copy()
    others[right] = np.inf
    return np.minimum.reduceat(others, firsts) > costs[right]


def cells(found: Sequence[Score]) -> list[list[str]]:
    """The scores of one file, heads first: the mean over groups, then all, then each group."""
    is_choice = any(score.metric == ACCURACY for score in found)
    first, second = (ACCURACY, PER_BYTE) if is_choice else (PER_TEXT, BITS)
    others = {(s.source, s.weighting): s.value for s in found if s.metric == second}
    rows = [list(WORDS["heads"]["choices" if is_choice else "texts"])]
    for score in found:
        if score.metric == first:
            name = "mean of groups" if score.weighting == "sources" else "all"
            name = name if score.source is None else score.source or "no group"
            other = f"{others[score.source, score.weighting]:.4f}"
            rows.append([name, f"{score.value:.4f}", span(score), other, number(score.n_documents)])
    return rows
