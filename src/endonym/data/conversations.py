"""Conversations and preference pairs, from records with the usual names of columns.

messages ([{role, content}]), conversations ([{from, value}], as in ShareGPT), prompt and completion
or response, question and answer, instruction and output (as in Alpaca). `input` and `context`
follow the question, `history` comes before it, `system` or `system_prompt` before everything. A
preference pair has chosen and rejected: answers to a prompt, or whole conversations with a common
beginning, also as one text with "Human:" and "Assistant:" (as in Anthropic's HH). An answer with
"weight": 0 (as in OpenAI's format) is read and not learnt; elsewhere a weight is not read.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.disk import packaged_tables
from endonym.errors import SourceError, first_line, printable
from endonym.formats.document import Reject
from endonym.formats.files import RawFile, not_a_file, size_on_disk
from endonym.formats.io import streams
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Content, Origin
from endonym.formats.io.encoding import utf8_stream
from endonym.formats.io.formats import COMPRESSIONS, unpacked_name
from endonym.formats.io.lines import Lines, readable_lines
from endonym.formats.reader import no_access
from endonym.formats.readers.records import json_value, value_of
from endonym.formats.readers.tables import TableRow, broken_row, csv_rows, tsv_rows
from endonym.tokenizer.chat_template import ANSWERING


class Record(NamedTuple):
    """A record, its id (`file#line`), the name of its source, and its raw text."""

    id: str
    source: str
    value: Any
    raw: str


LINES, TABLES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv"), (".parquet",)
BATCH_ROWS = 1024
MOST_UNPACKED = 64 << 20
"""Bytes of lines that are unpacked to estimate how many a compressed file holds."""
LONG_LINE = (
    f"a record may have {MAX_DOCUMENT_BYTES >> 20} MiB: a line is one JSON object with one "
    "conversation. A large JSON list of them becomes such lines by jq -c '.[]' FILE.json > "
    "FILE.jsonl"
)


def require_format(path: Path) -> None:
    """Raise SourceError for a file whose name does not say that it can be read."""
    name = path.name.lower()
    if not (unpacked_name(name).endswith(LINES) or name.endswith(TABLES)):
        raise SourceError(
            "conversations are read from .jsonl, .json, .csv, .tsv (also .gz, .zst, .bz2, .xz) and "
            ".parquet",
            where=printable(str(path)),
            do="Write one JSON object a line, or a table whose first row names a question and an "
            "answer.",
        )


def read_records(path: Path, source: str) -> Iterator[Record | Reject]:
    """The records of a file, and rejects. Raises SourceError if the disk does not give them all."""
    require_format(path)
    origin = Origin(source, printable(path.name), size_on_disk(path))
    try:
        if refusal := not_a_file(path):
            yield origin.whole_file("not_a_file", refusal)
        elif not origin.raw_bytes:
            yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
        elif path.name.lower().endswith(TABLES):
            yield from _rows(path, origin)
        else:
            yield from _lines(path, origin)
    except OSError as error:
        raise no_access(RawFile(path=path, name=path.name), error) from error


def share_read(path: Path, records: int, line_bytes: int) -> float:
    """The share of a file, 0 to 1, that was read with so many records. line_bytes: of their lines.

    A parquet file says how many rows it has. Of compressed lines the first MOST_UNPACKED bytes say
    how many all of them are. Raises SourceError for damaged compressed lines.
    """
    name, total = path.name.lower(), size_on_disk(path)
    if name.endswith(TABLES):
        return min(1.0, records / max(1, parquet.read_metadata(path).num_rows))
    unpacked_bytes = 0
    if compression := COMPRESSIONS.get(path.suffix.lower(), ""):
        with path.open("rb") as raw:
            # In small pieces, so that little is read that is not unpacked yet.
            packed: streams.Stream = iter(lambda: raw.read(streams.ZSTD_PIECE_BYTES), b"")
            for piece in _whole(streams.unpacked(packed, compression), path):
                unpacked_bytes += len(piece)
                if unpacked_bytes > MOST_UNPACKED:
                    break
            total = unpacked_bytes * total / max(1, raw.tell())
    return min(1.0, line_bytes / max(1, total))


def _lines(path: Path, origin: Origin) -> Iterator[Record | Reject]:
    """The records of JSON lines, of a JSON list or of a table. Blank lines are none."""
    with path.open("rb") as raw:
        compression = COMPRESSIONS.get(path.suffix.lower(), "")
        expansion = streams.Expansion(origin.raw_bytes)
        packed = streams.uncompressed(raw)
        content = Content(packed, compression, expansion, origin.raw_bytes, path)
        _, stream = utf8_stream(content.stream(), "utf-8")
        lines = readable_lines(_whole(stream, path), origin, "utf-8")
        kind = Path(unpacked_name(path.name.lower())).suffix
        if kind in (".csv", ".tsv"):
            yield from _table_rows(tsv_rows(lines) if kind == ".tsv" else csv_rows(lines), origin)
        elif kind == ".json":
            yield from _listed(lines, path, origin)
        else:
            yield from _line_records(lines, origin)


def _line_records(lines: Lines, origin: Origin) -> Iterator[Record | Reject]:
    """The records of JSON lines."""
    for item in lines:
        if isinstance(item, Reject):
            yield replace(item, detail=LONG_LINE) if item.reason == "too_long" else item
            continue
        number, line = item
        if line.strip():
            value = value_of(number, line, origin)
            record = Record(f"{origin.name}#{number}", origin.source, value, line)
            yield value if isinstance(value, Reject) else record


def _listed(lines: Lines, path: Path, origin: Origin) -> Iterator[Record | Reject]:
    """The records of a file that is one JSON list, of at most MAX_DOCUMENT_BYTES, or of lines.

    Raises SourceError for a list that is larger, and for JSON over several lines with an error.
    """
    held = list[tuple[int, str] | Reject]()
    size = 0
    for item in lines:
        held.append(item)
        size += 0 if isinstance(item, Reject) else len(item[1])
        if size > MAX_DOCUMENT_BYTES:
            break
    text = "\n".join(item[1] for item in held if not isinstance(item, Reject))
    opening = text.lstrip().partition("\n")[0].rstrip()
    goes_on = opening == "{" or (opening.startswith("[") and not opening.endswith("]"))
    is_large = size > MAX_DOCUMENT_BYTES
    try:
        value = json_value("" if is_large else text)
    except (ValueError, RecursionError) as error:
        if goes_on:
            why = f"it has more than {MAX_DOCUMENT_BYTES >> 20} MiB" if is_large else error
            raise SourceError(
                f"this JSON cannot be read as a whole: {why}",
                where=printable(str(path)),
                do="Write one object a line: jq -c '.[]' FILE.json > FILE.jsonl"
                if is_large
                else "Look at this line and the one above it: perhaps a comma or a quote is "
                "missing, or one is too many.",
            ) from error
        yield from _line_records(chain(held, lines), origin)
        return
    yield from (item for item in held if isinstance(item, Reject))
    for number, each in enumerate(value if isinstance(value, list) else [value], 1):
        raw = json.dumps(each, ensure_ascii=False)
        yield Record(f"{origin.name}#{number}", origin.source, each, raw)


def _table_rows(rows: Iterator[TableRow | Reject], origin: Origin) -> Iterator[Record | Reject]:
    """The rows of a table as records, by the names in its first row."""
    names: list[str] | None = None
    for row in rows:
        if isinstance(row, Reject):
            yield row
        elif not row.whole or (names and len(row.fields) != len(names)):
            yield broken_row(row, len(names or ()), origin)
        elif names is None:
            names = [name.strip().lower() for name in row.fields]
        else:
            value = dict(zip(names, row.fields, strict=True))
            yield Record(f"{origin.name}#{row.number}", origin.source, value, row.raw)


def _whole(stream: streams.Stream, path: Path) -> Iterator[bytes]:
    """The pieces of a stream. Raises SourceError where it is damaged."""
    for piece in stream:
        if isinstance(piece, streams.Damage):
            raise _damaged(path, piece.detail)
        yield piece


def _damaged(path: Path, why: str) -> SourceError:
    """The error of a file of which only a part can be read."""
    return SourceError(
        f"the file cannot be read to its end: {why}",
        where=printable(str(path)),
        do="Fetch or write the file again. If nothing but this part is left of it, write its "
        "records to a new file.",
    )


def _rows(path: Path, origin: Origin) -> Iterator[Record | Reject]:
    """The rows of a parquet table, in small batches."""
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            metadata, expansion = table.metadata, streams.Expansion(origin.raw_bytes)
            groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
            if not expansion.has_room(sum(group.total_byte_size for group in groups)):
                raise _damaged(path, expansion.message())
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                if not expansion.has_room(batch.nbytes):
                    raise _damaged(path, f"after {number:,} rows {expansion.message()}")
                for row in batch.to_pylist():
                    number += 1
                    yield Record(f"{origin.name}#{number}", origin.source, row, str(row))
    except (arrow.ArrowException, ValueError, IndexError, OverflowError) as error:
        why = f"no whole parquet file, after {number:,} rows: {first_line(error)}"
        raise _damaged(path, why) from error


COLUMNS: dict[str, Any] = packaged_tables("endonym.data", "columns.toml")
ROLES: dict[str, str] = {name: role for role, names in COLUMNS["roles"].items() for name in names}
"""Roles by the names that data sets have for them."""
TURN = re.compile(r"\n\n(Human|Assistant):[ ]?")


class Message(NamedTuple):
    """What one side says. is_learnt: of an answer, whether the model learns to write it."""

    role: str
    content: str
    is_learnt: bool = True


Messages = tuple[Message, ...]


class Conversation(NamedTuple):
    """Messages that end with an answer to learn. cut: how many after it were left out."""

    messages: Messages
    cut: int = 0

    @property
    def prompt(self) -> Messages:
        """What stands before the first answer, but for a greeting that opens the conversation."""
        roles = [message.role for message in self.messages]
        return self.messages[: roles.index(ANSWERING, roles.index("user"))]


class Pair(NamedTuple):
    """A prompt with a better and a worse answer."""

    prompt: Messages
    chosen: str
    rejected: str


class Unfit(Exception):
    """Why a record cannot be learnt from: a reason to count by, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


def conversation_of(record: Any) -> Conversation:
    """The conversation in a record, up to the last answer that is learnt. Raises Unfit."""
    messages = _conversation(_fields(record))
    answers = [index for index, each in enumerate(messages) if each.role == ANSWERING]
    if not answers:
        raise Unfit("no_answer", "nobody answers in this conversation")
    learnt = [index for index in answers if messages[index].is_learnt]
    if not learnt:
        raise Unfit("nothing_learnt", 'each answer has "weight": 0')
    kept = messages[: learnt[-1] + 1]
    _require_content(kept)
    if not any(each.role == "user" for each in kept[: learnt[0]]):
        raise Unfit("no_prompt", "no question stands before the first answer that is learnt")
    return Conversation(kept, len(messages) - len(kept))


def pair_of(record: Any) -> Pair:
    """The preference pair in a record. Raises Unfit."""
    fields = _fields(record)
    if missing := [name for name in ("chosen", "rejected") if fields.get(name) is None]:
        raise _no_columns(fields, f"no {' and no '.join(missing)}")
    asking = next((name for name in ("prompt", "question", "instruction") if fields.get(name)), "")
    question = _question(fields, asking) if asking else ()
    if not asking:
        _require_unused(fields, "chosen")
    sides = [_messages_of(fields[name], name, ANSWERING) for name in ("chosen", "rejected")]
    chosen, rejected = (_with_system(_joined(question, side), fields) for side in sides)
    if _stripped(chosen) == _stripped(rejected):
        raise Unfit("equal_sides", "chosen and rejected are the same, but for blanks at the ends")
    for name, each in (("chosen", chosen), ("rejected", rejected)):
        if not each or each[-1].role != ANSWERING:
            raise Unfit("no_answer", f"{name} does not end with an answer")
        if not each[-1].is_learnt:
            raise Unfit("nothing_learnt", f'the last answer of {name} has "weight": 0')
    # Weights of messages in a prompt say nothing.
    prompt, other_prompt = (
        tuple(message._replace(is_learnt=True) for message in side[:-1])
        for side in (chosen, rejected)
    )
    if prompt != other_prompt:
        raise Unfit("no_common_prompt", "chosen and rejected differ before their last answers")
    if not any(each.role == "user" for each in chosen[:-1]):
        raise Unfit("no_prompt", "no question stands before the answers")
    _require_content(chosen)
    _require_content(rejected)
    return Pair(prompt, chosen[-1].content, rejected[-1].content)


def has_unread_weight(record: Any) -> bool:
    """Whether a record has a weight that says something and is not that of an answer.

    A record is learnt as if its own weight were 1, and all that is no answer as if it were 0.
    """
    if not isinstance(record, dict):
        return False
    fields: Mapping[str, Any] = record
    items = (each for value in fields.values() if isinstance(value, list) for each in value)
    others = (each for each in items if isinstance(each, dict) and _role(each) != ANSWERING)
    weights = (message.get("weight") for message in others)
    return fields.get("weight") not in (None, 1) or any(each not in (None, 0) for each in weights)


def _fields(record: Any) -> Mapping[str, Any]:
    """The columns of a record. Raises Unfit if it is no object."""
    if not isinstance(record, dict):
        raise Unfit("not_object", f"this is a {type(record).__name__}, not an object")
    return record


def _conversation(fields: Mapping[str, Any]) -> Messages:
    """The messages of a record, by whichever columns it has."""
    for name in COLUMNS["messages"]:
        if fields.get(name) is not None:
            _require_unused(fields, name)
            return _with_system(_messages(fields[name], name), fields)
    for asking, answering in COLUMNS["answered"]:
        if asking in fields and answering in fields:
            break
    else:
        raise _no_columns(fields, "no messages, and no prompt with its answer")
    if fields[answering] is None:
        raise Unfit("no_answer", f'"{answering}" is null')
    question = _question(fields, asking)
    answer = _messages_of(fields[answering], answering, ANSWERING)
    return _with_system((*question, *answer), fields)


def _question(fields: Mapping[str, Any], asking: str) -> Messages:
    """The question in the column `asking`, with what it is about, after the history."""
    question = _messages_of(fields[asking], asking, "user")
    added = [_text(fields[name], name) for name in COLUMNS["added"] if fields.get(name)]
    if isinstance(fields[asking], list) or len(question) != 1:
        _require_unused(fields, asking)
    elif added:
        question = (Message("user", "\n\n".join([question[0].content, *added])),)
    history = fields.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(turn, list) and len(turn) == 2 for turn in history
    ):
        raise Unfit("unused_column", '"history" is no list of questions with their answers')
    turns = [(_text(ask, "history"), _text(answer, "history")) for ask, answer in history]
    earlier = [(Message("user", ask), Message(ANSWERING, answer)) for ask, answer in turns]
    return (*(message for turn in earlier for message in turn), *question)


def _require_unused(fields: Mapping[str, Any], beside: str) -> None:
    """Raise Unfit if a column says something that has no place in the messages of another."""
    for name in (*COLUMNS["added"], "history"):
        if fields.get(name):
            raise Unfit("unused_column", f'"{name}" has no place beside the messages of "{beside}"')


def _with_system(messages: Messages, fields: Mapping[str, Any]) -> Messages:
    """The messages after the one of the column `system`, if they do not begin with it.

    Raises Unfit for a system message behind one of another role.
    """
    if any(before.role != "system" == each.role for before, each in pairwise(messages)):
        raise Unfit("late_system", "a system message does not open the conversation")
    prompt = fields.get("system") or fields.get("system_prompt")
    if not prompt:
        return messages
    system = Message("system", _text(prompt, "system"))
    if not messages or messages[0].role != "system":
        return (system, *messages)
    if messages[0] != system:
        raise Unfit("two_systems", "the column and the first message are different system prompts")
    return messages


def _joined(prompt: Messages, side: Messages) -> Messages:
    """A side of a pair after its prompt, which it may repeat, with or without a system message."""
    if side[: len(prompt)] == prompt:
        return side
    system = prompt[:1] if prompt[0].role == "system" else ()
    question = prompt[len(system) :]
    if question and side[: len(question)] == question:
        return (*system, *side)
    if side and side[0].role == "system" and side[1 : 1 + len(prompt)] == prompt:
        return side
    return (*prompt, *side)


def _stripped(messages: Messages) -> list[tuple[str, str]]:
    """Messages without blanks around their contents."""
    return [(message.role, message.content.strip()) for message in messages]


def _messages_of(value: Any, name: str, role: str) -> Messages:
    """The messages in a column: a list of them, a text with turns, or a text that is one message.

    name: of the column. role: of a text that is one message.
    """
    if isinstance(value, list):
        return _messages(value, name)
    text = _text(value, name)
    pieces = TURN.split(text)
    if len(pieces) == 1 or pieces[0].strip():
        return (Message(role, text),)
    turns = zip(pieces[1::2], pieces[2::2], strict=True)
    sides = {"Human": "user", "Assistant": ANSWERING}
    messages = [Message(sides[side], content.strip()) for side, content in turns]
    if messages[-1] == Message(ANSWERING, ""):  # "…\n\nAssistant:" asks for the answer
        messages.pop()
    return tuple(messages)


def _messages(value: Any, name: str) -> Messages:
    """A list of messages, each with a role and its content."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Unfit("not_messages", f'"{name}" is no list of messages')
    messages: list[Message] = []
    for number, each in enumerate(value, 1):
        role = _role(each)
        if role is None:
            name_of_role = str(each.get("role", each.get("from")))[:40]
            detail = f"message {number} is of {name_of_role!r}; known are {', '.join(ROLES)}"
            raise Unfit("unknown_role", detail)
        if calls := [key for key in COLUMNS["calls"] if each.get(key)]:
            raise Unfit("tool_calls", f'message {number} has "{calls[0]}", which is not learnt')
        content = each.get("content", each.get("value"))
        is_learnt = role != ANSWERING or _is_learnt(each.get("weight"), f"message {number}")
        messages.append(Message(role, _content(content, f"message {number}"), is_learnt))
    return tuple(messages)


def _role(message: Mapping[str, Any]) -> str | None:
    """Who says a message; None if that is not known."""
    name = message.get("role", message.get("from"))
    return ROLES.get(name.lower()) if isinstance(name, str) else None


def _is_learnt(value: Any, where: str) -> bool:
    """Whether an answer with this "weight" is learnt; one without a weight, or with null, is."""
    if value is None:
        return True
    if isinstance(value, bool) or value not in (0, 1):
        problem = f"{where}, an answer, has the weight {str(value)[:40]!r}"
        raise Unfit("bad_weight", f"{problem}; known are 0 (read only) and 1 (learnt)")
    return bool(value)


def _content(value: Any, where: str) -> str:
    """The content of a message, also as a list of pieces of text."""
    if value is None:
        return ""
    if isinstance(value, list):
        pieces: Sequence[Any] = value
        if all(isinstance(piece, dict) and piece.get("type") == "text" for piece in pieces):
            return "".join(_text(piece.get("text"), where) for piece in pieces)
    return _text(value, where)


def _text(value: Any, where: str) -> str:
    """A string that UTF-8 can hold."""
    if not isinstance(value, str):
        raise Unfit("not_text", f"{where} holds {type(value).__name__}, not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Unfit("lone_surrogates", f"{where} holds escapes of half a character") from None
    return value


def _require_content(messages: Messages) -> None:
    """Raise Unfit for a question, or an answer that is learnt, without a visible letter."""
    for number, each in enumerate(messages, 1):
        if each.role == ANSWERING and each.is_learnt and not each.content.strip():
            raise Unfit("empty_answer", f"message {number}, an answer, is empty")
        if each.role == "user" and not each.content.strip():
            raise Unfit("empty_prompt", f"message {number}, a question, is empty")


def _no_columns(fields: Mapping[str, Any], what: str) -> Unfit:
    columns = ", ".join(str(key)[:40] for key in list(fields)[:8])
    return Unfit("no_columns", f"{what}; the columns are: {columns}")
