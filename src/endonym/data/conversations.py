"""Conversations and preference pairs, from records with the usual names of columns.

messages ([{role, content}]), conversations ([{from, value}], as in ShareGPT), prompt and completion
or response, question and answer, instruction and output (as in Alpaca). `input` and `context`
follow the question, `history` comes before it, `system` or `system_prompt` before everything. A
preference pair has chosen and rejected: answers to a prompt, or whole conversations with a common
beginning, also as one text with "Human:" and "Assistant:" (as in Anthropic's HH). An answer with
"weight": 0 (as in OpenAI's format) is read and not learnt; elsewhere a weight is not read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

from endonym.cleaning.normalize import composed
from endonym.disk import packaged_tables
from endonym.tokenizer.chat_template import ANSWERING

COLUMNS: dict[str, Any] = packaged_tables("endonym.data", "columns.toml")
ROLES: dict[str, str] = {name: role for role, names in COLUMNS["roles"].items() for name in names}
"""Roles by the names that data sets have for them."""
USUAL: frozenset[str] = frozenset(
    ("chosen", "rejected", *COLUMNS["messages"], *chain.from_iterable(COLUMNS["answered"]))
)
"""The usual names of columns that hold a conversation or a part of one."""
NAMES = {*USUAL, *COLUMNS["added"], "history", "system", "system_prompt"}
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


def conversation_of(record: Any, columns: tuple[str, str] | None = None) -> Conversation:
    """The conversation in a record, up to the last answer that is learnt. Raises Unfit.

    columns: of the question and of its answer, beside those of the usual names.
    """
    messages = _conversation(_fields(record), columns)
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


def written(names: Iterable[str], name: str) -> str | None:
    """How a column that a recipe names is written among these names; None if it is not there.

    In NFC both are the same, or else in small letters.
    """
    forms = {composed(each): each for each in names}
    small = {form.strip().lower(): each for form, each in forms.items()}
    return forms.get(composed(name), small.get(composed(name).strip().lower()))


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
    """The columns of a record, also by the usual names as they are written in small letters.

    Raises Unfit if it is no object.
    """
    if not isinstance(record, dict):
        raise Unfit("not_object", f"this is a {type(record).__name__}, not an object")
    fields: Mapping[str, Any] = record
    usual = {composed(name).strip().lower(): value for name, value in fields.items()}
    return {name: value for name, value in usual.items() if name in NAMES} | {**fields}


def _conversation(fields: Mapping[str, Any], columns: tuple[str, str] | None) -> Messages:
    """The messages of a record, by whichever columns it has; `columns` come first."""
    if columns is not None:
        asking, answering = (written(fields, name) for name in columns)
        if asking is not None and answering is not None:
            return _answered(fields, asking, answering)
    for name in COLUMNS["messages"]:
        if fields.get(name) is not None:
            _require_unused(fields, name)
            return _with_system(_messages(fields[name], name), fields)
    for asking, answering in COLUMNS["answered"]:
        if asking in fields and answering in fields:
            return _answered(fields, asking, answering)
    raise _no_columns(fields, "no messages, and no prompt with its answer")


def _answered(fields: Mapping[str, Any], asking: str, answering: str) -> Messages:
    """The messages of a record that has a column of the question and one of its answer."""
    if fields[answering] is None:
        raise Unfit("no_answer", f'"{answering}" is null')
    question = _question(fields, asking)
    answer = _messages_of(fields[answering], answering, ANSWERING)
    return _with_system((*question, *answer), fields)


def _question(fields: Mapping[str, Any], asking: str) -> Messages:
    """The question in the column `asking`, with what it is about, after the history."""
    question = _messages_of(fields[asking], asking, "user")
    added = [text_of(fields[name], name) for name in COLUMNS["added"] if fields.get(name)]
    if isinstance(fields[asking], list) or len(question) != 1:
        _require_unused(fields, asking)
    elif added:
        question = (Message("user", "\n\n".join([question[0].content, *added])),)
    history = fields.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(turn, list) and len(turn) == 2 for turn in history
    ):
        raise Unfit("unused_column", '"history" is no list of questions with their answers')
    turns = [(text_of(ask, "history"), text_of(answer, "history")) for ask, answer in history]
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
    system = Message("system", text_of(prompt, "system"))
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
    text = text_of(value, name)
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
            return "".join(text_of(piece.get("text"), where) for piece in pieces)
    return text_of(value, where)


def text_of(value: Any, where: str) -> str:
    """A string that UTF-8 can hold. Raises Unfit; where: the name of its field."""
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
