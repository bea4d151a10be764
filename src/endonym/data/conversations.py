"""Conversations and preference pairs, from records with the usual names of columns.

messages ([{role, content}]), conversations ([{from, value}], as in ShareGPT), prompt and completion
or response, question and answer, instruction and output (as in Alpaca). `input` and `context`
follow the question, `history` comes before it, `system` or `system_prompt` before everything. A
preference pair has chosen and rejected: answers to a prompt, or whole conversations with a common
beginning, also as one text with "Human:" and "Assistant:" (as in Anthropic's HH). Their other names
stand in columns.toml: those of OpenAI, Argilla, Axolotl, LLaMA-Factory and ms-swift.

What a record says about its turns is obeyed: that answers are not to be learnt ("weight": 0,
"train": false, "masked": true) or are bad ("label": false), thoughts ("reasoning_content"), and
tools. What cannot be obeyed makes the record unfit. Other fields of a turn are not read, and
counted.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

from endonym.cleaning.normalize import composed
from endonym.disk import Json, packaged_tables
from endonym.formats.parsers.unit import WithReason
from endonym.mappings import without_none
from endonym.tokenizer.chat_template import ANSWERING, THOUGHTS

Fields = Mapping[str, Any]
"""A record, or a turn of it, by the names of its columns."""
COLUMNS: Json = packaged_tables("endonym.data", "columns.toml")
ROLES: dict[str, str] = {name: role for role, names in COLUMNS["roles"].items() for name in names}
"""Roles by the names that data sets have for them."""
SIDES = ("chosen", "rejected")
USUAL: set[str] = {
    *chain.from_iterable(COLUMNS[name] for name in ("messages", *SIDES)),
    *chain.from_iterable(COLUMNS["answered"]),
}
"""The usual names of columns that hold a conversation or a part of one."""
VERDICTS: list[str] = COLUMNS["verdicts"]
FLAGS: tuple[str, ...] = (*COLUMNS["learns"], *COLUMNS["hides"])
"""What says of a turn whether it is learnt."""
TEXT_COLUMNS = THOUGHTS[:2]
"""Thoughts in a column of their own. One called "reasoning" often holds something else."""
TEMPLATE_COLUMNS = ("tools", "chat_template_kwargs")
READ = {
    "role",
    "from",
    "content",
    "value",
    *FLAGS,
    *COLUMNS["calls"],
    *COLUMNS["parts"],
}
"""Fields of a turn that are read, or make a record unfit."""
OWN_NAMES = {"messages", "add_generation_prompt", "continue_final_message", *TEMPLATE_COLUMNS}
"""Names of what a template gets that no data set sets."""
TURN = re.compile(r"\n\n(Human|Assistant):[ ]?")


class Message(NamedTuple):
    """What one side says. is_learnt: of an answer, whether the model learns to write it.

    A thought is a message of its own before its answer; its role is one of THOUGHTS.
    """

    role: str
    content: str
    is_learnt: bool = True


Messages = tuple[Message, ...]


class Conversation(NamedTuple):
    """Messages that end with an answer to learn. cut: how many after it were left out.

    given: what the chat template gets beside them, as JSON by name, such as `tools`.
    """

    messages: Messages
    cut: int = 0
    given: str = ""

    @property
    def prompt(self) -> Messages:
        """What stands before the first answer and its thought, but for a greeting that opens the
        conversation."""
        roles = [message.role for message in self.messages]
        end = roles.index(ANSWERING, roles.index("user"))
        return self.messages[: end - (roles[end - 1] in THOUGHTS)]

    @property
    def answer(self) -> Message:
        """The first answer after the prompt."""
        rest = self.messages[len(self.prompt) :]
        return next(message for message in rest if message.role == ANSWERING)


class Pair(NamedTuple):
    """A prompt with a better and a worse answer."""

    prompt: Messages
    chosen: str
    rejected: str


class Unfit(WithReason):
    """Why a record cannot be learnt from: a reason to count by, and a sentence."""


def conversation_of(record: Any, columns: tuple[str, str] | None = None) -> Conversation:
    """The conversation in a record, up to the last answer that is learnt. Raises Unfit.

    columns: of the question and of its answer, beside those of the usual names.
    """
    fields = _fields(record)
    _require_good(fields)
    messages = _conversation(record, fields, columns)
    answers = [index for index, each in enumerate(messages) if each.role == ANSWERING]
    if not answers:
        raise Unfit("no_answer", "nobody answers in this conversation")
    learnt = [index for index in answers if messages[index].is_learnt]
    if not learnt:
        raise Unfit("nothing_learnt", f"each answer has {_said_unlearnt(record)}")
    kept = messages[: learnt[-1] + 1]
    _require_content(kept)
    if not any(each.role == "user" for each in kept[: learnt[0]]):
        raise Unfit("no_prompt", "no question stands before the first answer that is learnt")
    n_cut = sum(message.role not in THOUGHTS for message in messages[len(kept) :])
    return Conversation(kept, n_cut, _given(fields))


def pair_of(record: Any) -> Pair:
    """The preference pair in a record. Raises Unfit."""
    fields = _pair_fields(_fields(record))
    if missing := [name for name in SIDES if fields.get(name) is None]:
        raise _no_columns(record, f"no {' and no '.join(missing)}")
    _require_good(fields)
    if _given(fields):
        raise Unfit("tools", '"tools" is not read in preference pairs')
    sides = [_messages_of(fields[name], name, ANSWERING) for name in SIDES]
    is_whole = any(message.role == "user" for side in sides for message in side)
    asking = next((name for name in COLUMNS["asked"] if fields.get(name)), "")
    if is_whole and asking in (*COLUMNS["messages"], "input"):
        asking = ""  # The sides hold the whole conversation, and `messages` one of them.
    question = _question(fields, asking) if asking else ()
    if not is_whole and question and question[-1].role == ANSWERING:
        if question[-1:] not in sides:
            raise Unfit(
                "no_common_prompt",
                f'"{asking}" ends with an answer that is neither chosen nor rejected',
            )
        question = question[:-1]
    if not asking:
        _require_unused(fields, "chosen")
    chosen, rejected = (_with_system(_joined(question, side), fields) for side in sides)
    thoughts = [message.role for message in (*chosen, *rejected) if message.role in THOUGHTS]
    if thoughts := [*_said(fields, TEXT_COLUMNS), *thoughts]:
        raise Unfit("thoughts", f'"{thoughts[0]}" is not read in preference pairs')
    if _stripped(chosen) == _stripped(rejected):
        raise Unfit("equal_sides", "chosen and rejected are the same, but for blanks at the ends")
    for name, each in (("chosen", chosen), ("rejected", rejected)):
        if not each or each[-1].role != ANSWERING:
            raise Unfit("no_answer", f"{name} does not end with an answer")
        if not each[-1].is_learnt:
            said = _said_unlearnt({name: fields[name]})
            raise Unfit("nothing_learnt", f"the last answer of {name} has {said}")
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


def unread_fields(record: Any) -> Counter[str]:
    """How often a record and its turns have fields that say something and are not read, by name.

    A record is learnt as if its own weight were 1 if it is not 0, and all that is no answer as if
    it were 0.
    """
    unread = Counter[str]()
    if not isinstance(record, dict):
        return unread
    fields = _lowered(record)
    unread["weight"] += _is_unread_weight(fields, learnt=True)
    for name in (*VERDICTS, *FLAGS, *THOUGHTS):
        value = fields.get(name)
        is_read = name in ("weight", *TEXT_COLUMNS) or _says_learnt(name, value) is not None
        unread[name] += not is_read and not _is_nothing(value)
    for turn in _turns(fields):
        is_answer = _role(turn) == ANSWERING
        unread["weight"] += not is_answer and _is_unread_weight(turn, learnt=False)
        known = {*READ, *(THOUGHTS if is_answer else ())}
        for name, value in turn.items():
            is_read = name in known or _says_learnt(name, value) is not None
            unread[name] += not is_read and not _is_nothing(value)
    return +unread


def _is_unread_weight(fields: Fields, *, learnt: bool) -> bool:
    """Whether a record or a turn has another weight than the one it is read with."""
    weight = fields.get("weight")
    return not _is_nothing(weight) and _says_learnt("weight", weight) is not learnt


def _turns(fields: Fields) -> Iterator[Fields]:
    """All turns in the columns of a record, as far as they have a role."""
    for value in fields.values():
        items: Sequence[Any] = value if isinstance(value, list) else [value]
        for item in items:
            turn = _lowered(item) if isinstance(item, dict) else {}
            if "role" in turn or "from" in turn:
                yield turn
            elif isinstance(item, dict) and isinstance(value, dict) and "messages" in item:
                yield from _turns({"messages": item["messages"]})


def _is_nothing(value: Any) -> bool:
    """Whether a field says nothing: null, a text without a visible letter, or an empty list."""
    return value in (None, [], {}) or (isinstance(value, str) and not value.strip())


def _said(fields: Fields, names: Iterable[str]) -> list[str]:
    """Which of these columns say something; false and 0 say nothing."""
    return [name for name in names if fields.get(name) and not _is_nothing(fields[name])]


def _said_unlearnt(record: Fields) -> str:
    """The fields with which answers of a record say that they are not learnt, as in JSON."""
    said = {
        f'"{name}": {json.dumps(turn[name])}': None
        for turn in _turns(record)
        if _role(turn) == ANSWERING
        for name in (*FLAGS, *VERDICTS)
        if _says_learnt(name, turn.get(name)) is False
    }
    return " or ".join(said)


def _fields(record: Any) -> Fields:
    """The columns of a record, also by their names in small letters.

    Raises Unfit if it is no object.
    """
    if not isinstance(record, dict):
        raise Unfit("not_object", f"this is a {type(record).__name__}, not an object")
    fields: Fields = record
    given = {name: value for name, value in fields.items() if not _is_nothing(value)}
    return {**_lowered(fields), **given}


def _lowered(fields: Fields) -> Fields:
    """A record or a turn with its names in small letters. Of two spellings one may say nothing."""
    lowered: Fields = {}
    for name, value in fields.items():
        small = composed(name).strip().lower()
        if small not in lowered or not _is_nothing(value):
            lowered[small] = value
    return lowered


def _conversation(record: Fields, fields: Fields, columns: tuple[str, str] | None) -> Messages:
    """The messages of a record, by whichever columns it has; `columns` come first.

    fields: as `_fields` gives them.
    """
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
    raise _no_columns(record, "no messages, and no prompt with its answer")


def _answered(fields: Fields, asking: str, answering: str) -> Messages:
    """The messages of a record that has a column of the question and one of its answer."""
    if fields[answering] is None:
        raise Unfit("no_answer", f'"{answering}" is null')
    question = _question(fields, asking)
    answer = _messages_of(fields[answering], answering, ANSWERING)
    thoughts = _said(fields, TEXT_COLUMNS)
    if thoughts and isinstance(fields[answering], list):
        raise _without_place(thoughts[0], answering)
    thought = _thoughts({name: fields[name] for name in thoughts}, "the record")
    return _with_system((*question, *thought, *answer), fields)


def _question(fields: Fields, asking: str) -> Messages:
    """The question in the column `asking`, with what it is about, after the history."""
    question = _messages_of(fields[asking], asking, "user")
    names = _said(fields, COLUMNS["added"])
    added = [text_of(fields[name], name) for name in names if name != asking]
    if isinstance(fields[asking], list) or len(question) != 1:
        _require_unused(fields, asking)
    elif added:
        question = (Message("user", "\n\n".join([question[0].content, *added])),)
    history = fields.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(turn, list) and len(turn) == 2 for turn in history
    ):
        raise Unfit("unused_column", '"history" is no list of questions with their answers')
    earlier = [
        Message(role, text_of(said, "history"))
        for turn in history
        for role, said in zip(("user", ANSWERING), turn, strict=True)
    ]
    return (*earlier, *question)


def _require_unused(fields: Fields, beside: str) -> None:
    """Raise Unfit if a column says something that has no place in the messages of another."""
    for name in _said(fields, (*COLUMNS["added"], "history", *TEXT_COLUMNS)):
        if name != beside:
            raise _without_place(name, beside)


def _without_place(name: str, beside: str) -> Unfit:
    return Unfit("unused_column", f'"{name}" has no place beside the messages of "{beside}"')


def _require_good(fields: Fields) -> None:
    """Raise Unfit if a record is not to be learnt, or has pictures and the like."""
    if attached := _said(fields, COLUMNS["attached"]):
        raise Unfit("unused_column", f'"{attached[0]}" cannot be read')
    for name in (*VERDICTS, *FLAGS):
        value = fields.get(name)
        # A list of texts or numbers is of classes.
        if value and isinstance(value, list) and (name in FLAGS or bool in map(type, value)):
            raise Unfit("bad_weight", f'"{name}" is a list: it belongs in the turns, one in each')
        if _says_learnt(name, value) is False:
            if name in VERDICTS:
                raise Unfit("unwanted_answer", f'"{name}" is false: the answer is not one to learn')
            raise Unfit("nothing_learnt", f'the record has "{name}": {json.dumps(value)}')


def _says_learnt(name: str, value: Any) -> bool | None:
    """Whether a field says that a turn or a record is learnt; None if it says nothing of that.

    A truth may be written as a table does. A verdict is no number, which would be of a class.
    """
    if isinstance(value, str):
        value = value.strip().lower().removesuffix(".0")
        value = {"true": True, "1": 1, "false": False, "0": 0}.get(value)
    if name in VERDICTS:
        return value if isinstance(value, bool) else None
    if name not in FLAGS or value not in (0, 1):
        return None
    return bool(value) != (name in COLUMNS["hides"])


def _given(fields: Fields) -> str:
    """What the chat template gets beside the messages, as JSON by name; "" for nothing.

    Both columns may be JSON in a text, as in tables. Raises Unfit for other values.
    """
    values: Json = {}
    for name, kind in zip(TEMPLATE_COLUMNS, (list, dict), strict=True):
        value = fields.get(name)
        if _is_nothing(value):
            continue
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise Unfit("tools", f'"{name}" is no JSON') from None
        if _is_nothing(value):
            continue
        if not isinstance(value, kind):
            expected = "list" if kind is list else "object"
            raise Unfit("tools", f'"{name}" is a {type(value).__name__}, not a JSON {expected}')
        values[name] = value
    options = without_none(values.pop("chat_template_kwargs", {}))
    if taken := [name for name in options if name in OWN_NAMES]:
        raise Unfit("tools", f'"chat_template_kwargs" sets "{taken[0]}"')
    values |= options
    return json.dumps(values, ensure_ascii=False) if values else ""


def _pair_fields(fields: Fields) -> Fields:
    """The columns of a pair by their first names: chosen and rejected.

    OpenAI's `input` holds the question and its tools. ms-swift has the chosen answer at the end of
    the messages.
    """
    asked: Any = fields.get("input")
    if isinstance(asked, dict):
        fields = {**fields, "input": None, **asked}
    sides = {
        side: next((fields[n] for n in COLUMNS[side] if fields.get(n) is not None), None)
        for side in SIDES
    }
    if sides["chosen"] is None and sides["rejected"] is not None:
        for name in COLUMNS["messages"]:
            messages: Any = fields.get(name)
            last = messages[-1] if isinstance(messages, list) and messages else None
            if isinstance(last, dict) and _role(_lowered(last)) == ANSWERING:
                fields = {**fields, name: messages[:-1]}
                sides["chosen"] = messages[-1:]
                break
    return {**fields, **sides}


def _with_system(messages: Messages, fields: Fields) -> Messages:
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
    if isinstance(value, dict):
        value = [value]
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
    messages = list[Message]()
    for number, each in enumerate(map(_lowered, value), 1):
        where = f"message {number}"
        role = _role(each)
        if role == "calling":
            raise Unfit("tool_calls", f"{where} is a call of a tool, which is not learnt")
        if role is None:
            name_of_role = str(each.get("role", each.get("from")))[:40]
            raise Unfit(
                "unknown_role", f"{where} is of {name_of_role!r}; known are {', '.join(ROLES)}"
            )
        if calls := _said(each, COLUMNS["calls"]):
            raise Unfit("tool_calls", f'{where} has "{calls[0]}", which is not learnt')
        if parts := _said(each, COLUMNS["parts"]):
            raise Unfit("part_of_answer", f'{where} has "{parts[0]}": answers are learnt whole')
        is_learnt = _is_learnt(each, role, where)
        content = each.get("content")
        content = each.get("value") if content is None else content  # tables have both columns
        if role == ANSWERING:
            messages += [said._replace(is_learnt=is_learnt) for said in _thoughts(each, where)]
            if isinstance(content, list):
                content = [piece for piece in content if not _is_thought(piece)]
        messages.append(Message(role, _content(content, where), is_learnt))
    return tuple(messages)


def _thoughts(message: Fields, where: str) -> list[Message]:
    """What was thought before an answer, if anything: in a field, or in a piece of the content."""
    content = message.get("content")
    pieces = [piece for piece in content if _is_thought(piece)] if isinstance(content, list) else []
    said = [(name, message.get(name)) for name in THOUGHTS]
    said += [(piece["type"], piece.get(piece["type"], piece.get("text"))) for piece in pieces]
    thoughts = [
        Message(name, text_of(value, f'{where}, "{name}",'))
        for name, value in said
        if not _is_nothing(value)
    ]
    if len({thought.content for thought in thoughts}) > 1:
        names = ", ".join(thought.role for thought in thoughts)
        raise Unfit("thoughts", f"{where} has several thoughts: {names}")
    return thoughts[:1]


def _is_thought(piece: Any) -> bool:
    """Whether a piece of a content is a thought."""
    return isinstance(piece, dict) and piece.get("type") in THOUGHTS


def _role(message: Fields) -> str | None:
    """Who says a message; None if that is not known."""
    name = message.get("role") or message.get("from")
    return ROLES.get(name.strip().lower()) if isinstance(name, str) else None


def _is_learnt(message: Fields, role: str, where: str) -> bool:
    """Whether a turn may be learnt: an answer is, unless one of its fields says otherwise.

    Raises Unfit for a field that cannot be obeyed: a value between 0 and 1, or a question to learn.
    """
    is_answer = role == ANSWERING
    for name in FLAGS:
        value = message.get(name)
        if value is None or (name == "weight" and not is_answer):
            continue
        is_learnt = _says_learnt(name, value)
        if is_learnt is None:
            said = f"{where}, {'an answer' if is_answer else 'no answer'}, has the {name} "
            known = "known are 0 or false, and 1 or true"
            raise Unfit("bad_weight", f"{said}{str(value)[:40]!r}; {known}")
        if is_learnt and not is_answer:
            detail = f'{where}, of the {role}, has "{name}": {json.dumps(value)}'
            raise Unfit("learnt_question", f"{detail}, but only answers are learnt")
    says = [_says_learnt(name, message.get(name)) for name in (*FLAGS, *VERDICTS)]
    return not is_answer or False not in says


def _content(value: Any, where: str) -> str:
    """The content of a message, also as a list of pieces of text."""
    if value is None:
        return ""
    if isinstance(value, list):
        pieces: list[Any] = value
        kinds = [p.get("type") if isinstance(p, dict) else type(p).__name__ for p in pieces]
        for kind in kinds:
            if kind != "text":
                what = f'list with a piece of type "{str(kind)[:40]}"'
                raise Unfit("not_text", f"{where} holds {what}, not text")
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


def _no_columns(fields: Fields, what: str) -> Unfit:
    columns = ", ".join(str(key)[:40] for key in list(fields)[:8])
    return Unfit("no_columns", f"{what}; the columns are: {columns}")
