"""Conversations and pairs in records; what cannot be learnt says why."""

import re
import unicodedata
from typing import Any

import pytest

from endonym.data.conversations import (
    Message,
    Unfit,
    conversation_of,
    pair_of,
    unread_fields,
)

ASKED, ANSWER, OTHER = "Алма нинди төстә?", "Кызыл.", "Зәңгәр."
PLAIN = (Message("user", ASKED), Message("assistant", ANSWER))
BRIEF = "Sois bref."
SYSTEM = Message("system", BRIEF)
TURNS = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": ANSWER}]
TEXT = f"\n\nHuman: {ASKED}\n\nAssistant:"


def message(role: str, content: object, **keys: object) -> dict[str, Any]:
    return {"role": role, "content": content, **keys}


def chat(*said: str) -> list[dict[str, Any]]:
    return [message(*each) for each in zip(("user", "assistant") * 3, said, strict=False)]


PIECES = [{"type": "text", "text": part} for part in ("Алма ", "нинди төстә?")]
THOUGHT = {"type": "reasoning", "text": "Алма кызыл яки яшел була."}


CONVERSATIONS = [
    {"messages": chat(ASKED, ANSWER)},
    {"conversations": TURNS},
    {"prompt": ASKED, "completion": ANSWER},
    {"prompt": ASKED, "response": ANSWER},
    {"question": ASKED, "answer": ANSWER},
    {"instruction": ASKED, "input": "", "output": ANSWER},
    {"prompt": chat(ASKED), "completion": [message("assistant", ANSWER)]},
    {"messages": [message("user", PIECES, tool_calls=None), {"from": "GPT", "value": ANSWER}]},
    {"prompt": TEXT, "response": ANSWER},
    {"Prompt ": ASKED, "RESPONSE": ANSWER, "Weight": "72 kg"},
    {"prompt": ASKED, "Prompt": OTHER, "response": ANSWER, "Response": OTHER},
    {"сорау": ASKED, "җавап": ANSWER, "question": OTHER, "answer": OTHER},
    {"instruction": OTHER, "output": OTHER, "вопрос": OTHER, "ответ": OTHER}
    | {"Întrebare": ASKED, "Răspuns": ANSWER},
]


@pytest.mark.parametrize("record", CONVERSATIONS)
def test_every_usual_form_is_the_same_conversation(record: dict[str, Any]) -> None:
    assert conversation_of(record) == (PLAIN, 0, "")


def said_by(text: str, role: str = "user") -> Message:
    return Message(role, text)


TRANSLATE = {"instruction": "Traduis.", "input": "le pain", "output": "pâine"}
BREAD = Message("assistant", "pâine")


COLUMNS = [
    ({**TRANSLATE, "system": BRIEF}, (SYSTEM, Message("user", "Traduis.\n\nle pain"), BREAD)),
    ({**TRANSLATE, "context": "Sus."}, (Message("user", "Traduis.\n\nle pain\n\nSus."), BREAD)),
    ({"Conversations": TURNS, "System": BRIEF}, (SYSTEM, *PLAIN)),
    ({"conversations": TURNS, "system_prompt": BRIEF}, (SYSTEM, *PLAIN)),
    ({"prompt": ASKED, "system": BRIEF, "output": 1, "response": ANSWER}, (SYSTEM, *PLAIN)),
    ({"messages": [message("system", BRIEF), *TURNS], "system": BRIEF}, (SYSTEM, *PLAIN)),
    ({"question": "А?", "Context": "Б.", "answer": ANSWER}, (said_by("А?\n\nБ."), PLAIN[1])),
    (
        {"prompt": "Și apoi?", "History": [[ASKED, ANSWER]], "completion": "Gata."},
        (*PLAIN, said_by("Și apoi?"), Message("assistant", "Gata.")),
    ),
]


def test_columns_may_have_any_names() -> None:
    record = {"ID": "7", "ghicitoare": ASKED, "dezlegări": ANSWER}
    with pytest.raises(Unfit, match="the columns are: ID, ghicitoare, dezlegări"):
        conversation_of(record)
    usual = conversation_of({"question": ASKED, "answer": ANSWER})
    assert conversation_of(record, ("Ghicitoare", " dezlegări")) == usual
    assert conversation_of({"сорау": ASKED, "җавап": ANSWER}) == usual


@pytest.mark.parametrize(
    "names", [("întrebare", "răspuns"), ("질문", "답변"), ("ἐρώτησις", "ἀπόκρισις")]
)
def test_names_of_columns_may_be_in_another_normal_form(names: tuple[str, str]) -> None:
    usual = conversation_of({"question": ASKED, "answer": ANSWER})
    apart = [unicodedata.normalize("NFD", name) for name in names]
    assert apart != list(names)
    for written, (asking, answering) in ((apart, names), (names, apart)):
        record = dict(zip(written, (ASKED, ANSWER), strict=True))
        assert conversation_of(record, (asking, answering)) == usual


@pytest.mark.parametrize(("record", "messages"), COLUMNS)
def test_no_column_beside_a_conversation_is_lost(record: Any, messages: Any) -> None:
    assert conversation_of(record).messages == messages


def test_no_column_beside_a_pair_is_lost() -> None:
    sides = {"chosen": ANSWER, "rejected": OTHER}
    whole = {"chosen": chat(ASKED, ANSWER), "rejected": chat(ASKED, OTHER)}
    asked = Message("user", "Traduis.\n\nle pain")
    assert pair_of({"instruction": "Traduis.", "input": "le pain", **sides}).prompt == (asked,)
    for before in ({}, {"prompt": ASKED}, {"prompt": chat(ASKED)}):
        assert pair_of({"system": BRIEF, **before, **whole}).prompt == (SYSTEM, PLAIN[0])
    told = {name: [message("system", BRIEF), *whole[name]] for name in whole}
    for system in ({}, {"system": BRIEF}):
        assert pair_of({"prompt": ASKED, **system, **told}).prompt == (SYSTEM, PLAIN[0])


def test_what_follows_the_last_answer_is_left_out_and_told() -> None:
    record = {"messages": chat("Ce este?", "O pâine.", "Și apoi?")}
    found = conversation_of(record)
    assert found.cut == 1
    assert found.messages[-1] == Message("assistant", "O pâine.")
    assert found.prompt == (Message("user", "Ce este?"),)


UNFIT = [
    ([ASKED], "not_object: this is a list, "),
    ({"text": ASKED, "су": 1}, "no_columns: no messages, and no prompt .*; .* are: text, су$"),
    ({"messages": []}, "no_answer"),
    ({"messages": chat(ASKED)}, "no_answer"),
    ({"prompt": ASKED, "completion": None}, 'no_answer: "completion" is null'),
    ({"prompt": ASKED, "completion": " \n"}, "empty_answer: message 2, "),
    ({"prompt": "", "completion": ANSWER}, "empty_prompt: message 1, "),
    ({"messages": [message("assistant", ANSWER)]}, "no_prompt"),
    ({"messages": [{"role": "баба", "content": ASKED}]}, "unknown_role: message 1 is of 'баба'"),
    ({"messages": [{"content": ASKED}]}, "unknown_role"),
    ({"messages": [{"role": ["user"], "content": ASKED}]}, "unknown_role"),
    ({"messages": "су"}, 'not_messages: "messages" is'),
    ({"messages": TURNS, "context": "Бу алма."}, 'unused_column: "context" .* of "messages"'),
    ({"prompt": TURNS[:1], "input": "Б.", "completion": ""}, 'unused_column: "input" .*"prompt"'),
    ({"prompt": ASKED, "history": ["а"], "completion": ANSWER}, "unused_column"),
    ({"prompt": TURNS[:1], "history": [["а", "б"]], "completion": ANSWER}, "unused_column"),
    ({"messages": [message("system", "Parle."), *TURNS], "system": BRIEF}, "two_systems"),
    ({"messages": [*TURNS, message("system", BRIEF), *TURNS]}, "late_system"),
    ({"messages": [TURNS[0], {**TURNS[1], "tool_calls": [1]}]}, 'tool_calls: .* 2 has "tool_c'),
    ({"messages": [TURNS[0], {**TURNS[1], "function_call": {"name": "f"}}]}, "tool_calls"),
    ({"messages": [1]}, "not_messages"),
    ({"messages": [message("user", [*PIECES, THOUGHT])]}, "not_text: .* 1 holds list"),
    ({"prompt": ASKED, "completion": 7}, "not_text: completion holds int, not text"),
    ({"prompt": ASKED, "completion": "\ud800"}, "lone_surrogates: completion "),
]


@pytest.mark.parametrize(("record", "reason"), UNFIT)
def test_what_cannot_be_learnt_says_why(record: Any, reason: str) -> None:
    with pytest.raises(Unfit) as caught:
        conversation_of(record)
    assert re.match(reason, f"{caught.value.reason}: {caught.value.detail}")
    assert caught.value.detail


SIDE = message("assistant", OTHER)


PAIRS = [
    {"prompt": ASKED, "chosen": ANSWER, "rejected": OTHER},
    {"Question": ASKED, "Chosen": ANSWER, "Rejected": OTHER},
    {"prompt": ASKED, "chosen": chat(ASKED, ANSWER), "rejected": chat(ASKED, OTHER)},
    {"chosen": chat(ASKED, ANSWER), "rejected": chat(ASKED, OTHER)},
    {"prompt": chat(ASKED), "chosen": chat(ASKED, ANSWER)[1:], "rejected": [SIDE]},
    {"chosen": f"{TEXT} {ANSWER}", "rejected": f"{TEXT} {OTHER}"},
]


@pytest.mark.parametrize("record", PAIRS)
def test_every_usual_form_is_the_same_pair(record: dict[str, Any]) -> None:
    assert pair_of(record) == ((Message("user", ASKED),), ANSWER, OTHER)


UNFIT_PAIRS = [
    ({"prompt": ASKED, "chosen": ANSWER}, "no_columns: no rejected; .* are: prompt, chosen"),
    ({"prompt": ASKED}, "no_columns: no chosen and no rejected; "),
    ({"prompt": ASKED, "chosen": ANSWER, "rejected": ANSWER}, "equal_sides"),
    ({"prompt": ASKED, "chosen": ANSWER, "rejected": f" {ANSWER}\n"}, "equal_sides"),
    ({"prompt": ASKED, "chosen": [], "rejected": ANSWER}, "no_answer: chosen does"),
    ({"chosen": chat("а", "б"), "rejected": chat("а", "в"), "context": "А"}, "unused_column"),
    ({"chosen": ANSWER, "rejected": OTHER}, "no_prompt"),
    ({"prompt": ASKED, "chosen": ANSWER, "rejected": ""}, "empty_answer"),
    ({"chosen": chat("а", "б"), "rejected": chat("в", "б")}, "no_common_prompt"),
    ({"chosen": chat("а", "б"), "rejected": chat("а")}, "no_answer: rejected does"),
]


@pytest.mark.parametrize(("record", "reason"), UNFIT_PAIRS)
def test_a_pair_that_cannot_be_learnt_says_why(record: Any, reason: str) -> None:
    with pytest.raises(Unfit) as caught:
        pair_of(record)
    assert re.match(reason, f"{caught.value.reason}: {caught.value.detail}")


def weighed(*weights: Any) -> list[dict[str, Any]]:
    """Turns of a question and an answer, each answer with a weight; None is left out."""
    turns: list[dict[str, Any]] = []
    for number, weight in enumerate(weights):
        keys = {} if weight is None else {"weight": weight}
        turns.append(message("user", f"{ASKED} {number}"))
        turns.append(message("assistant", f"{ANSWER} {number}", **keys))
    return turns


@pytest.mark.parametrize(
    ("weights", "learnt", "cut"),
    [((0, 1), "01", 0), ((0.0, None, 1.0), "011", 0), ((1, 0), "1", 2), ((1, 0, 0), "1", 4)],
)
def test_an_answer_of_weight_0_is_unlearnt(weights: tuple[Any, ...], learnt: str, cut: int):
    found = conversation_of({"messages": weighed(*weights)})
    answers = [each for each in found.messages if each.role == "assistant"]
    assert "".join(str(int(each.is_learnt)) for each in answers) == learnt
    assert found.cut == cut


@pytest.mark.parametrize("weight", [0.5, 2, -1, "0.5", [], float("nan")])
def test_another_weight_is_a_reject(weight: Any) -> None:
    said = r"message 4, an answer, has the weight .* known are 0 .* and 1"
    with pytest.raises(Unfit, match=said) as caught:
        conversation_of({"messages": weighed(1, weight)})
    assert caught.value.reason == "bad_weight"
    with pytest.raises(Unfit, match='each answer has "weight": 0') as caught:
        conversation_of({"messages": weighed(0, 0)})
    assert caught.value.reason == "nothing_learnt"


WEIGHED = [
    {"prompt": "Сәлам!", "completion": "Рәхмәт, яхшы."},
    {"messages": weighed(1)},
    {"prompt": "Bună!", "chosen": "Salut!", "rejected": "Nu."},
]


@pytest.mark.parametrize("record", WEIGHED)
@pytest.mark.parametrize("weight", [None, 1, 1.0, 0.7, "1", 72, "72 kg", [], float("nan")])
def test_a_weight_of_a_record_changes_nothing_and_is_noted(record: dict[str, Any], weight: Any):
    read = pair_of if "chosen" in record else conversation_of
    weighed = {**record, "weight": weight}
    assert read(weighed) == read(record)
    assert unread_fields(weighed)["weight"] == (weight not in (None, 1, "1", []))


@pytest.mark.parametrize("record", WEIGHED)
@pytest.mark.parametrize(
    "said",
    [{"weight": 0}, {"train": False}, {"label": "false"}, {"mask": True}, {"loss_mask": [0, 1]}],
)
def test_a_record_that_is_not_to_be_learnt_is_a_reject_that_names_the_field(
    record: dict[str, Any], said: dict[str, Any]
) -> None:
    read = pair_of if "chosen" in record else conversation_of
    with pytest.raises(Unfit, match=f'"{next(iter(said))}"'):
        read({**record, **said})


@pytest.mark.parametrize("name", ["reasoning_content", "thinking", "documents", "tools"])
def test_what_a_pair_cannot_hold_is_a_reject_that_names_the_field(name: str) -> None:
    pair = {"prompt": "Bună!", "chosen": "Salut!", "rejected": "Nu."}
    with pytest.raises(Unfit, match=f'"{name}"'):
        pair_of({**pair, name: [{"name": "a"}] if name in ("tools", "documents") else "Să văd."})


def test_two_thoughts_of_a_record_are_a_reject_and_one_is_read() -> None:
    record = {"prompt": "Сәлам!", "response": "Рәхмәт, яхшы.", "reasoning_content": "Уйлыйм."}
    assert conversation_of({**record, "thinking": "Уйлыйм."}) == conversation_of(record)
    with pytest.raises(Unfit, match="several thoughts"):
        conversation_of({**record, "thinking": "Башка уй."})


@pytest.mark.parametrize(
    "said",
    [{"Weight": 0}, {"TRAIN": False}, {"is_masked": True}, {"compute_loss": "0"}, {"no_loss": 1}],
)
def test_a_turn_says_in_any_case_and_by_any_usual_name_that_it_is_not_learnt(
    said: dict[str, Any],
) -> None:
    first, answer, question, last = weighed(1, 1)
    read = conversation_of({"messages": [first, {**answer, **said}, question, last]})
    assert [each.is_learnt for each in read.messages if each.role == "assistant"] == [False, True]
    assert not unread_fields({"messages": [first, {**answer, **said}, question, last]})


@pytest.mark.parametrize("weight", [None, 0, 0.0, 1, 0.7, "1", 72, float("nan")])
@pytest.mark.parametrize("role", ["user", "system"])
def test_a_weight_of_what_is_no_answer_changes_nothing_and_is_noted(role: str, weight: Any) -> None:
    told = {"role": role, "content": "Сәлам!"}
    bare = {"messages": [told, *weighed(0, 1)]}
    noted = {"messages": [{**told, "weight": weight}, *weighed(0, 1)]}
    assert conversation_of(noted) == conversation_of(bare)
    assert unread_fields(noted)["weight"] == (weight not in (None, 0))


def test_of_weights_of_answers_none_is_unread() -> None:
    assert not unread_fields({"messages": weighed(0, 1, 0.5)})
    assert not unread_fields({"prompt": ASKED, "chosen": weighed(0), "rejected": weighed(1)})
    assert unread_fields({"chosen": [{"from": "human", "value": ASKED, "weight": 1}]})
    assert not unread_fields(["weight"])


EMPTY = message("assistant", "", weight=0)


def test_an_answer_that_is_not_learnt_may_be_empty() -> None:
    failed = [message("user", "Ce faci?"), EMPTY, *weighed(1)]
    found = conversation_of({"messages": failed})
    assert found.messages[1] == Message("assistant", "", is_learnt=False)
    assert found.prompt == (Message("user", "Ce faci?"),)
    with pytest.raises(Unfit, match="message 2, an answer, is empty"):
        conversation_of({"messages": [failed[0], {**EMPTY, "weight": 1}, *weighed(1)]})


@pytest.mark.parametrize("content", ["", "Bonjour, je t'écoute."])
def test_a_conversation_may_open_with_an_answer_that_is_not_learnt(content: str) -> None:
    opening = {**EMPTY, "content": content}
    found = conversation_of({"messages": [opening, *weighed(1, 1)]})
    assert found.prompt == (Message("assistant", content, is_learnt=False), said_by(f"{ASKED} 0"))
    learnt = [message("assistant", "Bonjour."), *weighed(1)]
    for messages in (learnt, [opening, *weighed(None, 1)[1:]]):
        with pytest.raises(Unfit, match="no question stands before the first answer that is"):
            conversation_of({"messages": messages})


def test_a_greeting_after_a_system_message_is_no_answer_to_a_prompt() -> None:
    system = {"role": "system", "content": BRIEF}
    greeting = {**EMPTY, "content": "Bonjour, je t'écoute."}
    found = conversation_of({"messages": [system, greeting, *weighed(1, 1)]})
    assert found.prompt[-1] == Message("user", f"{ASKED} 0")
    assert len(found.prompt) == 3
    with pytest.raises(Unfit, match="no question stands before"):
        conversation_of({"messages": [system, {**greeting, "weight": 1}, *weighed(1)]})


def test_weights_of_a_prompt_say_nothing_in_a_pair_but_a_side_must_be_learnt() -> None:
    sides = {"chosen": weighed(1, 1), "rejected": [*weighed(0), *weighed(None, None)[2:]]}
    sides["rejected"][-1]["content"] = "Яшел."
    turns = ((f"{ASKED} 0", "user"), (f"{ANSWER} 0", "assistant"), (f"{ASKED} 1", "user"))
    assert pair_of(sides).prompt == tuple(said_by(*each) for each in turns)
    sides["rejected"][-1]["weight"] = 0
    with pytest.raises(Unfit, match='the last answer of rejected has "weight": 0'):
        pair_of(sides)


@pytest.mark.parametrize("nothing", ["", None, []])
def test_an_empty_prompt_beside_whole_conversations_is_none(nothing: Any) -> None:
    sides = {"chosen": f"{TEXT} {ANSWER}", "rejected": f"{TEXT} {OTHER}"}
    assert pair_of({"prompt": nothing, **sides}) == (PLAIN[:1], ANSWER, OTHER)


def test_blanks_around_the_turns_of_a_text_are_no_part_of_them() -> None:
    text = f"{TEXT}  {ANSWER}\n\n\nHuman: Рәхмәт!\n\nAssistant: Зинһар. "
    whole = (*PLAIN, Message("user", "Рәхмәт!"), Message("assistant", "Зинһар."))
    record = {"conversation": None, "prompt": text[:-9], "response": "Зинһар."}
    assert conversation_of(record) == (whole, 0, "")
    found = pair_of({"chosen": text, "rejected": text.replace("Зинһар", "Юк")})
    assert found == (whole[:-1], "Зинһар.", "Юк.")
