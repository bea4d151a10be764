"""Conversations and preference pairs as ids: read, rendered, encoded, split and written.

An example is one document: the ids of its template filled with its messages, as a server reads
them, and for each whether it is learnt. The first id is read alone: nothing stands before it from
which it could be predicted. A preference pair is two examples, the chosen and the rejected one,
which follow each other.

The folder holds ids.bin and learnt.bin (raw, little-endian; u1 for learnt) without the first ids,
which are in examples.json, or in openings.npy if they differ, offsets.npy (where each example
begins, and the end), dev.npy (which are held out), held_out.npy (the keys of their prompts,
which later phases hold out, too), examples.json, the tokenizer with the
template, and dropped/REASON.jsonl.gz with every record that is left out.
"""

import json
import random
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.copies.held_out.split import digest
from endonym.data.chat_layout import Layout, Layouts, learning_only
from endonym.data.config import FEWEST_DIVIDED, VAL_SHARE, ExampleSettings
from endonym.data.conversation_files import (
    ParsedRecord,
    Record,
    parsed_records,
    several_answers_in_words,
)
from endonym.data.conversations import Conversation, Message, Messages, Unfit, unread_fields
from endonym.data.example_tokens import ExampleOrder, ExampleTokens, figures
from endonym.data.kept_out import KeptOut
from endonym.data.shards import id_type
from endonym.device import program
from endonym.disk import Json, packaged_tables
from endonym.errors import CorpusError
from endonym.formats.document import SHOWN_CHARS, Reject
from endonym.formats.document_files import DROPPED, GzipLines, reject_line
from endonym.formats.source_errors import source_error
from endonym.log import counted, number
from endonym.tokenizer.chat_template import ANSWERING, CHATML, template_of
from endonym.tokenizer.tokenizer import Ids, Tokenizer
from endonym.workers import Advance

BATCH_RECORDS = 1024
SHOWN_REASONS = 6
HELD_OUT = "held_out"
TOO_LONG = "longer_than_context"
ADVICE: dict[str, str] = packaged_tables("endonym.data", "advice.toml")
ALLOWED = ("duplicate", "commented", "nothing_learnt", "unwanted_answer", HELD_OUT)
"""Reasons that do not count as rejected: the data are not at fault, or say so themselves."""
Side = tuple[Sequence[Message], Layout]
"""The messages of an example, and their layout."""
Example = tuple[int, Ids, NDArray[np.bool_]]
"""The first id of an example, the ids after it, and which of these are learnt."""


class Prepared(NamedTuple):
    """A record whose contents are not encoded yet.

    sides: the messages and the layout of each example; both sides of a pair. given: as in a
    Conversation.
    """

    record: Record
    prompt: Sequence[Message]
    sides: Sequence[Side]
    given: str = ""


def with_template(tokenizer: Tokenizer, template: str | None) -> Tokenizer:
    """The tokenizer, changed to have a chat template: this one, else its own, else ChatML.

    A new template begins with the start token that a tokenizer from elsewhere puts before texts:
    transformers and llama.cpp then read a conversation alike.
    """
    if template is not None or tokenizer.chat_template is None:
        tokenizer.chat_template = CHATML if template is None else template
        tokenizer.turn_ends = ()
        if tokenizer.around is not None and tokenizer.before == (tokenizer.start_id,):
            tokenizer.chat_template = template_of(tokenizer).opened
    return tokenizer


def make_examples(
    paths: Sequence[Path],
    tokenizer: Tokenizer,
    settings: ExampleSettings,
    *,
    out: Path,
    advance: Advance,
    kept_out: KeptOut | None = None,
    held_out: Sequence[int] = (),
) -> Json:
    """Write the examples of some files; returns what was counted.

    tokenizer: with a chat template, whose end of a turn is noted in it. advance: called with the
    number of records read. kept_out: texts that judge the model; a record with a message that
    shares text with them is left out, whatever its system message says. held_out: the keys of
    prompts that earlier phases hold out.

    Raises RecipeError for a template that cannot be used, SourceError if too many records are
    rejected, and CorpusError if too few are left.
    """
    # Both sides of a pair stand in one row.
    longest = settings.context // (2 if settings.is_of_pairs else 1)
    layouts = Layouts(template_of(tokenizer), tokenizer, longest)
    layouts.probe()  # A broken template ends this before anything is read.
    seen = dict[bytes, str]()
    are_pairs = settings.is_of_pairs
    fits = chain.from_iterable(
        parsed_records(path, settings.columns, seen=seen, are_pairs=are_pairs) for path in paths
    )
    # Where some are held out, or were by an earlier phase, each is learnt as it is; pairs always.
    are_as_they_are = settings.val_share is not None or len(held_out) > 0 or are_pairs
    few = list[Prepared]()
    are_many = are_as_they_are
    with ExampleWriter(out, tokenizer, settings, held_out) as writer:
        while batch := list(islice(fits, BATCH_RECORDS)):  # for the tokenizer's threads
            prepared = list[Prepared]()
            for item in batch:
                result = item if isinstance(item, Reject) else _prepared(item, layouts, writer)
                if isinstance(result, Reject):
                    writer.reject(result)
                else:
                    prepared.append(result)
            apart = _apart(prepared, kept_out, writer) if kept_out else prepared
            added = writer.add(apart)
            few += [] if are_many else added
            are_many = are_many or writer.prompts >= FEWEST_DIVIDED
            advance(len(batch))
        if not are_many:
            writer.add_again(_again(few, layouts, settings.seed))
        tokenizer.turn_ends = tuple(layouts.turn_ends.values())
        counted = writer.finish()
    for split in ("train", "dev"):
        tokens = ExampleTokens(out, split)
        rows = ExampleOrder(tokens, context=settings.context, seed=0).rows_per_epoch
        counted[split] = figures(tokens, rows, settings.context)
    return counted


def _prepared(fit: ParsedRecord, layouts: Layouts, writer: "ExampleWriter") -> Prepared | Reject:
    """The messages of a record with their layouts, or why it is left out."""
    record = fit.record
    value = fit.value
    writer.unread.update(unread_fields(record.value))
    writer.several_answers |= [fit.several_answers] if fit.several_answers else []
    if fit.before:
        return fit.copy()
    try:
        if isinstance(value, Conversation):
            messages = value.messages
            roles = [message.role for message in messages]
            examples = layouts.of(roles, value.given)
            is_learnt = [message.is_learnt for message in messages]
            if not all(is_learnt):
                learning = (learning_only(layout, is_learnt) for layout in examples)
                examples = [layout for layout in learning if layout]
            writer.cut += value.cut > 0
            sides = [(messages, layout) for layout in examples]
            return Prepared(record, value.prompt, sides, value.given)
        roles = [*(each.role for each in value.prompt), ANSWERING]
        (layout,) = layouts.of(roles, is_last_only=True)
    except Unfit as unfit:
        return record.reject(unfit.reason, unfit.detail)
    answers = (Message(ANSWERING, each) for each in (value.chosen, value.rejected))
    return Prepared(record, value.prompt, [((*value.prompt, each), layout) for each in answers])


def _again(prepared: list[Prepared], layouts: Layouts, seed: int) -> list[Prepared]:
    """More examples of few conversations.

    Those of one question: with another of them before it, which is read and not learnt. A model
    that has learnt single questions alone mixes the answer to a second one with that to the first
    (docs/log.md). Those with a system message: without it, as `chat` asks them, unless others ask
    the same question.
    """
    pick = random.Random(seed)
    found = list[Prepared]()
    singles = [n for n, each in enumerate(prepared) if [*map(_turns, each.sides)] == [1]]
    asked = Counter(tuple(without_system(each.prompt)) for each in prepared)
    for n, each in enumerate(prepared):
        own = each.sides[0][0]
        rest = without_system(own)
        is_bare = len(rest) < len(own) and asked[tuple(without_system(each.prompt))] == 1
        with suppress(Unfit):
            if is_bare and all(said.is_learnt for said in own):
                roles = [said.role for said in rest]
                bare = [(rest, layout) for layout in layouts.of(roles, each.given)]
                found.append(each._replace(sides=bare))
        if n not in singles or len(singles) < 2:
            continue
        place = singles.index(n) + pick.randrange(1, len(singles))
        before = without_system(prepared[singles[place % len(singles)]].sides[0][0])
        joined = [*own[: 0 if is_bare else len(own) - len(rest)], *before, *rest]
        with suppress(Unfit):
            roles = [said.role for said in joined]
            (layout,) = layouts.of(roles, each.given, is_last_only=True)
            found.append(each._replace(sides=[(joined, layout)]))
    return found


def without_system(messages: Iterable[Message]) -> list[Message]:
    """The messages that are no system message."""
    return [said for said in messages if said.role != "system"]


def _turns(side: Side) -> int:
    """The answers of an example."""
    return sum(said.role == ANSWERING for said in side[0])


def _apart(prepared: list[Prepared], kept_out: KeptOut, writer: "ExampleWriter") -> list[Prepared]:
    """The records of which no message shares text with what is kept out; rejects the others.

    Nothing of a system message is learnt, and one may stand in every record: it is not compared.
    """
    contents_by_record = [
        {message.content for side, _ in each.sides for message in side if message.role != "system"}
        for each in prepared
    ]
    shared = kept_out.shared_by(sorted(set[str]().union(*contents_by_record)))
    apart = list[Prepared]()
    for each, contents in zip(prepared, contents_by_record, strict=True):
        if own := contents & shared:
            detail = f"shares text with held-out or evaluation texts: {min(own)[:SHOWN_CHARS]}"
            writer.reject(each.record.reject(HELD_OUT, detail))
        else:
            apart.append(each)
    return apart


class ExampleWriter:
    """Writes examples as they come. A context manager."""

    def __init__(
        self,
        out: Path,
        tokenizer: Tokenizer,
        settings: ExampleSettings,
        held_out: Sequence[int] = (),
    ) -> None:
        self.out = out
        self.tokenizer = tokenizer
        self.settings = settings
        self.held_out = np.array(held_out, dtype=np.uint64)
        self.kind = id_type(tokenizer.vocab)
        self.cut = 0
        self.unread = Counter[str]()
        self.several_answers = dict[Messages, str]()
        self._lengths = list[int]()
        self._keys = list[int]()
        self._openings = list[int]()
        self._counts = list[int]()
        self._turns = list[int]()
        self._records = self._again = 0
        self._dropped: Counter[str] = Counter()
        self._first: dict[str, Reject] = {}
        self._reject_files: dict[str, GzipLines] = {}
        self._open = ExitStack()

    def __enter__(self) -> "ExampleWriter":
        self.out.mkdir(parents=True, exist_ok=True)
        self._ids = self._open.enter_context((self.out / "ids.bin").open("wb"))
        self._learnt = self._open.enter_context((self.out / "learnt.bin").open("wb"))
        return self

    def __exit__(self, *details: Any) -> None:
        self._open.__exit__(*details)

    def reject(self, reject: Reject) -> None:
        """Count a record that is left out, and write it down."""
        self._records += 1
        self._dropped[reject.reason] += 1
        if reject.reason not in self._first:
            self._first[reject.reason] = reject
            folder = self.out / DROPPED
            folder.mkdir(exist_ok=True)
            file = GzipLines(folder, f"{reject.reason}.jsonl.gz")
            self._reject_files[reject.reason] = self._open.enter_context(file)
        self._reject_files[reject.reason].line(reject_line(reject))

    @property
    def prompts(self) -> int:
        """How many different prompts were written."""
        return len({*self._keys})

    def add(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        """Encode and write records; those that are longer than a row are rejected. The others."""
        context = self.settings.context
        is_pair = self.settings.is_of_pairs
        added = list[Prepared]()
        for each, examples in self._encoded(prepared):
            sizes = [len(example) for _, example, _ in examples]
            size = sum(sizes) if is_pair else max(sizes)
            if size > context:
                what = "both sides have" if is_pair else "it has"
                detail = f"{what} {size} tokens; a row has {context}"
                self.reject(each.record.reject(TOO_LONG, detail))
                continue
            self._records += 1
            self._write(each, examples)
            added.append(each)
        return added

    def add_again(self, prepared: Sequence[Prepared]) -> None:
        """Encode and write more examples of records that were added, as far as they fit."""
        for each, examples in self._encoded(prepared):
            if max(len(example) for _, example, _ in examples) <= self.settings.context:
                self._write(each, examples)
                self._again += 1

    def _encoded(self, prepared: Sequence[Prepared]) -> Iterator[tuple[Prepared, list[Example]]]:
        """Records with their examples."""
        said = (message for each in prepared for side, _ in each.sides for message in side)
        contents = list(dict.fromkeys(message.content for message in said))
        ids = dict(zip(contents, self.tokenizer.encode_many(contents), strict=True))
        for each in prepared:
            yield each, [self._example(side, ids) for side in each.sides]

    def _write(self, each: Prepared, examples: Sequence[Example]) -> None:
        """Write a record's examples."""
        self._turns.append(_turns(each.sides[0]))
        self._lengths += [len(example) for _, example, _ in examples]
        self._keys.append(prompt_key(each.prompt, self.settings.seed))
        self._counts.append(len(examples))
        for opening, example, is_learnt in examples:
            self._openings.append(opening)
            self._ids.write(example.astype(self.kind).tobytes())
            self._learnt.write(is_learnt.astype(np.uint8).tobytes())

    def _example(self, side: Side, ids_of: Mapping[str, Ids]) -> Example:
        """The first id of a layout with its contents, the ids after it, and which of these are
        learnt."""
        messages, layout = side
        parts = [
            each.ids if each.message is None else ids_of[messages[each.message].content]
            for each in layout
        ]
        ids = np.concatenate(parts)
        learnt = np.repeat([each.is_learnt for each in layout], [len(part) for part in parts])
        whole = np.array(self.tokenizer.chat_ids(ids.tolist()), dtype=np.int64)
        first = 1 - (len(whole) - len(ids))  # 0 if the tokenizer put its start token there
        return int(whole[0]), whole[1:], learnt[first:]

    def finish(self) -> Json:
        """Write the index, and return what was counted.

        Raises SourceError if too many records were rejected, CorpusError if too few are left.
        """
        self._open.close()  # what is left out can be read even if the rest is refused
        keys = np.array(self._keys, dtype=np.uint64)
        is_dev = held_out_prompts(keys, self.settings.val_share, self.held_out)
        if is_dev.all():
            left = f"no example to learn from is left of {counted(self._records, 'record')}"
            left += f", {number(len(keys))} of which an earlier phase holds out" * bool(keys.size)
            left += f"; dropped were:\n{_shown(self._dropped)}" * bool(self._dropped)
            raise CorpusError(left, where="phase.data", do=_advice(self._dropped, self._first))
        require_usable(self._dropped, self._first, self._records, self.settings.max_rejected)
        arrays = {
            "offsets": np.concatenate(([0], np.cumsum(self._lengths))).astype("<i8"),
            "dev": np.repeat(is_dev, self._counts),
            "held_out": np.union1d(keys[is_dev], self.held_out),
            "bytes": self.tokenizer.byte_counts.astype("<i8"),
        }
        for name, array in arrays.items():
            np.save(self.out / f"{name}.npy", array, allow_pickle=False)
        tokenizer = self.tokenizer
        description = self.settings.model_dump(include={"objective", "context"})
        description |= {"vocab": tokenizer.vocab, "end": tokenizer.end_id}
        openings = np.array(self._openings, dtype="<i8")
        is_one = bool((openings == openings[0]).all())
        description |= {"opening": self._openings[0] if is_one else None}
        if not is_one:
            np.save(self.out / "openings.npy", openings, allow_pickle=False)
        text = json.dumps(description, ensure_ascii=False, sort_keys=True)
        (self.out / "examples.json").write_text(text, encoding="utf-8")
        return {
            "objective": self.settings.objective,
            "records": self._records,
            "kept": len(keys) - self._again,
            "held_out": int(is_dev.sum()),
            "turns": statistics.median_high(self._turns),
            "cut": self.cut,
            "unread": dict(self.unread.most_common()),
            "dropped": dict(sorted(self._dropped.items())),
            "several_answers": several_answers_in_words(self.several_answers),
        }


def require_usable(
    dropped: Counter[str], first: Mapping[str, Reject], n_records: int, most: float
) -> None:
    """Raise SourceError if more than the share `most` of so many records cannot be used.

    first: the first one of each reason.
    """
    unusable = Counter({why: n for why, n in dropped.items() if why not in ALLOWED})
    if (share := unusable.total() / max(1, n_records)) > most:
        words = {"share": share, "records": n_records, "most": most, "reasons": _shown(dropped)}
        raise source_error("many_rejected", "phase.data", advice=_advice(unusable, first), **words)


def _shown(dropped: Counter[str]) -> str:
    """The most frequent reasons, a line each."""
    return "\n".join(f"    {n:>10,} {reason}" for reason, n in dropped.most_common(SHOWN_REASONS))


def _advice(dropped: Counter[str], first: Mapping[str, Reject]) -> str:
    """What to do about the reason for which most records were dropped."""
    reason = dropped.most_common(1)[0][0] if dropped else "duplicate"
    all_shown = ADVICE["all"].format(program=program()) if dropped else ""
    return " ".join(filter(None, (advice(reason, first.get(reason)), all_shown)))


def advice(reason: str, first: Reject | None) -> str:
    """What to do about records that are left out. first: the first one with this reason."""
    return ADVICE.get(reason, ADVICE["others"]).format(first=first, program=program())


def prompt_key(prompt: Sequence[Message], seed: int) -> int:
    """The keyed hash of a prompt, without blanks around its contents: 64 bits."""
    messages = [[message.role, message.content.strip()] for message in prompt]
    text = json.dumps(messages, ensure_ascii=False).encode("utf-8")
    return int.from_bytes(digest(text, seed)[:8], "little")


def read_held_out(folder: Path) -> list[int]:
    """The keys of the prompts that the examples of a folder hold out, and those before them."""
    return np.load(folder / "held_out.npy").tolist()


def held_out_prompts(
    keys: NDArray[np.uint64], share: float | None, earlier: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Which examples are held out: prompts whose keys are below the share of all keys, or earlier.

    share: as the recipe says, if it does; else VAL_SHARE, and nothing of few prompts. If none is
    below it, the one with the smallest key; if all are, all but the one with the largest that is
    not among the earlier keys, those of prompts that an earlier phase holds out.
    """
    was_held_out = np.isin(keys, earlier)
    if was_held_out.all() or (share is None and len(np.unique(keys)) < FEWEST_DIVIDED):
        return was_held_out
    limit = np.uint64(min(share or VAL_SHARE, 1.0) * float(2**64 - 2**11))
    is_dev = was_held_out | (keys < limit)
    if not is_dev.any():
        is_dev = keys == keys.min()
    if is_dev.all():
        is_dev = keys != keys[~was_held_out].max()
    return is_dev
