"""Files of records, and conversations and pairs in them; what cannot be learnt says why."""

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard

from endonym.data.conversations import (
    Message,
    Unfit,
    conversation_of,
    has_unread_weight,
    pair_of,
    read_records,
    share_read,
)
from endonym.errors import SourceError
from endonym.formats.document import Reject

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
]


@pytest.mark.parametrize("record", CONVERSATIONS)
def test_every_usual_form_is_the_same_conversation(record: dict[str, Any]) -> None:
    assert conversation_of(record) == (PLAIN, 0)


def said_by(text: str, role: str = "user") -> Message:
    return Message(role, text)


TRANSLATE = {"instruction": "Traduis.", "input": "le pain", "output": "pâine"}
BREAD = Message("assistant", "pâine")


COLUMNS = [
    ({**TRANSLATE, "system": BRIEF}, (SYSTEM, Message("user", "Traduis.\n\nle pain"), BREAD)),
    ({**TRANSLATE, "context": "Sus."}, (Message("user", "Traduis.\n\nle pain\n\nSus."), BREAD)),
    ({"conversations": TURNS, "system": BRIEF}, (SYSTEM, *PLAIN)),
    ({"conversations": TURNS, "system_prompt": BRIEF}, (SYSTEM, *PLAIN)),
    ({"prompt": ASKED, "system": BRIEF, "output": 1, "response": ANSWER}, (SYSTEM, *PLAIN)),
    ({"messages": [message("system", BRIEF), *TURNS], "system": BRIEF}, (SYSTEM, *PLAIN)),
    ({"question": "А?", "context": "Б.", "answer": ANSWER}, (said_by("А?\n\nБ."), PLAIN[1])),
    (
        {"prompt": "Și apoi?", "history": [[ASKED, ANSWER]], "completion": "Gata."},
        (*PLAIN, said_by("Și apoi?"), Message("assistant", "Gata.")),
    ),
]


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
    {"question": ASKED, "chosen": ANSWER, "rejected": OTHER},
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


@pytest.mark.parametrize("weight", [0.5, 2, -1, "0", True, [], float("nan")])
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
@pytest.mark.parametrize("weight", [None, 1, 1.0, 0, 0.7, "1", 72, "72 kg", [], float("nan")])
def test_a_weight_of_a_record_changes_nothing_and_is_noted(record: dict[str, Any], weight: Any):
    read = pair_of if "chosen" in record else conversation_of
    weighed = {**record, "weight": weight}
    assert read(weighed) == read(record)
    assert has_unread_weight(weighed) == (weight not in (None, 1))


@pytest.mark.parametrize("weight", [None, 0, 0.0, 1, 0.7, "1", 72, float("nan")])
@pytest.mark.parametrize("role", ["user", "system"])
def test_a_weight_of_what_is_no_answer_changes_nothing_and_is_noted(role: str, weight: Any) -> None:
    told = {"role": role, "content": "Сәлам!"}
    bare = {"messages": [told, *weighed(0, 1)]}
    noted = {"messages": [{**told, "weight": weight}, *weighed(0, 1)]}
    assert conversation_of(noted) == conversation_of(bare)
    assert has_unread_weight(noted) == (weight not in (None, 0))


def test_of_weights_of_answers_none_is_unread() -> None:
    assert not has_unread_weight({"messages": weighed(0, 1, 0.5)})
    assert not has_unread_weight({"prompt": ASKED, "chosen": weighed(0), "rejected": weighed(1)})
    assert has_unread_weight({"chosen": [{"from": "human", "value": ASKED, "weight": 1}]})
    assert not has_unread_weight(["weight"])


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
    assert conversation_of(record) == (whole, 0)
    found = pair_of({"chosen": text, "rejected": text.replace("Зинһар", "Юк")})
    assert found == (whole[:-1], "Зинһар.", "Юк.")


Patch = pytest.MonkeyPatch

RECORDS = [
    {"prompt": "Ce?", "completion": "O pâine."},
    {"prompt": "Нәрсә?", "completion": "Икмәк."},
]
LINES = "".join(json.dumps(each, ensure_ascii=False) + "\n\n" for each in RECORDS).encode()


def test_lines_are_read_however_they_are_packed(tmp_path: Path) -> None:
    packed = {"jsonl": LINES, "JSONL.GZ": gzip.compress(LINES)}
    for ending, data in (packed | {"ndjson.zst": zstandard.compress(LINES)}).items():
        path = tmp_path / f"a.{ending}"
        path.write_bytes(data)
        found = list(read_records(path, "a"))
        assert [each.value for each in found if not isinstance(each, Reject)] == RECORDS
        assert [each.id for each in found] == [f"{path.name}#1", f"{path.name}#3"]


def test_rows_of_parquet_are_records(tmp_path: Path) -> None:
    path = tmp_path / "a.Parquet"
    parquet.write_table(arrow.Table.from_pylist(RECORDS), path)
    found = list(read_records(path, "a"))
    assert [each.value for each in found if not isinstance(each, Reject)] == RECORDS
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="no whole parquet file, after 0 rows: "):
        list(read_records(path, "a"))


def test_bad_lines_are_rejects_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = b"[" * 100_000 + b"]" * 100_000
    path.write_bytes(b"{bad\n" + LINES + b"\xff\xfe\n" + deep + b"\n")
    found = list(read_records(path, "a"))
    reasons = [each.reason for each in found if isinstance(each, Reject)]
    assert reasons == ["bad_json", "invalid_utf8", "too_deep"]
    assert len(found) == 5


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_that_is_cut_off_is_an_error_with_its_name(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / f"a.jsonl.{'gz' if pack is gzip.compress else 'zst'}"
    lines = b"".join(b'{"prompt": "Ce?", "completion": "%d"}\n' % n for n in range(20_000))
    path.write_bytes(pack(lines)[:-2_000])
    with pytest.raises(SourceError, match="ends early") as caught:
        list(read_records(path, "a"))
    assert caught.value.where == str(path)
    assert "again" in caught.value.do


def test_a_line_that_is_too_long_is_told_how_lines_should_be(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr("endonym.formats.io.lines.MAX_DOCUMENT_BYTES", 1_000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[" + b'{"prompt": "Ce?"},' * 100 + b"]\n" + LINES)
    reject, *others = read_records(path, "a")
    assert isinstance(reject, Reject)
    assert reject.reason == "too_long"
    assert "one conversation" in reject.detail
    assert "document =" not in reject.detail
    assert len(others) == 2


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SourceError, match="jsonl") as caught:
        list(read_records(path, "a"))
    assert caught.value.where == str(path)


def test_a_file_without_a_record_is_a_reject_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    os.mkfifo(tmp_path / "b.parquet")
    for name, reason in (("a.jsonl", "empty_file"), ("b.parquet", "not_a_file")):
        (reject,) = read_records(tmp_path / name, "а")
        assert isinstance(reject, Reject)
        assert (reject.reason, reject.id, reject.source) == (reason, name, "а")


SAID = {"lines": "end: it unpacks", "zstd": "end: it unpacks", "dictionary": "0 rows it unpacks"}


@pytest.mark.parametrize("packed", SAID)
def test_a_file_that_unpacks_to_far_more_than_it_holds_is_an_error(packed: str, tmp_path: Path):
    """In a dictionary a value stands once, so that no row group tells its size."""
    path = tmp_path / ("a.jsonl.zst" if packed == "lines" else "a.parquet")
    record = {"prompt": "а" * (1 << 20)}
    if packed == "lines":
        path.write_bytes(zstandard.compress(json.dumps(record).encode() + b"\n") * 12)
    else:
        table, is_dictionary = arrow.Table.from_pylist([record] * 36), packed == "dictionary"
        parquet.write_table(table, path, compression="zstd", use_dictionary=is_dictionary)
    with pytest.raises(SourceError, match=SAID[packed]) as caught:
        for _ in read_records(path, "a"):
            pass
    assert caught.value.where == str(path)


def test_lines_of_blanks_alone_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b" \t\r\n" + LINES + "\u00a0\n".encode())
    assert [each.id for each in read_records(path, "a")] == ["a.jsonl#2", "a.jsonl#4"]


def test_a_line_of_too_many_values_is_not_parsed(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.formats.readers.records.LARGE_BYTES", 1_000)
    monkeypatch.setattr("endonym.formats.readers.records.MAX_PARTS", 99)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[" + b"{}," * 400 + b"{}]\n" + b"[" + b"{}," * 200 + b"{}]\n")
    large, small = read_records(path, "a")
    assert isinstance(large, Reject)
    assert (large.reason, "99 objects" in large.detail) == ("too_deep", True)
    assert not isinstance(small, Reject), "small ones are not counted"


MANY = [json.dumps({"prompt": f"Нәрсә {n}?", "completion": "Икмәк."}) for n in range(4_000)]


@pytest.mark.parametrize("ending", ["", ".GZ", ".zst"])
def test_the_share_of_a_file_that_was_read_is_that_of_its_lines(tmp_path: Path, ending: str):
    data = "".join(f"{line}\n" for line in MANY).encode()
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[ending.lower()]
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(pack(data))
    assert share_read(path, 1_000, len(data) // 4) == pytest.approx(0.25, rel=0.01)
    assert share_read(path, 4_000, len(data)) == pytest.approx(1.0, rel=0.01)
    assert share_read(path, 9_000, 2 * len(data)) == 1.0


def test_the_beginning_of_a_large_file_says_how_much_it_holds(tmp_path: Path, monkeypatch: Patch):
    """So nothing is told of damage behind it."""
    monkeypatch.setattr("endonym.data.conversations.MOST_UNPACKED", 1_000_000)
    lines = [f"{n * 2654435761 % 2**32} {line}\n" for n, line in enumerate(MANY * 20)]
    data = "".join(lines).encode()
    packed = gzip.compress(data)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed[:-9] + b"damaged!!")
    assert share_read(path, 1_000, len(data) // 5) == pytest.approx(0.2, rel=0.2)
    monkeypatch.setattr("endonym.data.conversations.MOST_UNPACKED", 64 << 20)
    with pytest.raises(SourceError, match="to its end"):
        share_read(path, 1_000, len(data) // 5)


def test_the_share_of_a_table_is_that_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.PARQUET"
    parquet.write_table(arrow.Table.from_pylist(RECORDS * 4), path)
    assert share_read(path, 2, 10**9) == 0.25
    assert share_read(path, 20, 10**9) == 1.0


QA = 'Question,Answer\nCine are cheia?,"Moș Ion, la poartă."\nCât costă?,Doi lei.\n'
LISTED = """[
 {"conversations": [{"from": "human", "value": "Cine are cheia?"},
                    {"from": "gpt", "value": "Moș Ion, la poartă."}]},
 {"user": "Cât costă?", "assistant": "Doi lei."}
]"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chats.csv", QA),
        ("chats.csv", "Question;Answer\nCine are cheia?;Moș Ion, la poartă.\nCât costă?;Doi lei."),
        (
            "chats.tsv",
            "user\tassistant\nCine are cheia?\tMoș Ion, la poartă.\nCât costă?\tDoi lei.",
        ),
        ("chats.json", LISTED),
    ],
)
def test_tables_and_lists_are_conversations(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    records = list(read_records(path, name))
    assert not [each for each in records if isinstance(each, Reject)]
    said = [[m.content for m in conversation_of(each.value).messages] for each in records]
    assert said == [["Cine are cheia?", "Moș Ion, la poartă."], ["Cât costă?", "Doi lei."]]


def test_json_with_an_error_is_said_once_and_where(tmp_path: Path, monkeypatch: Patch) -> None:
    path = tmp_path / "chats.json"
    path.write_text(LISTED.replace("]},", "]}"), encoding="utf-8")
    with pytest.raises(SourceError, match="line 4 column 2") as caught:
        list(read_records(path, "a"))
    assert "comma" in (caught.value.do or "")
    path.write_text('{\n "prompt": "Cât costă?",\n "response": "Doi lei."\n}\n', encoding="utf-8")
    (record,) = read_records(path, "a")
    assert not isinstance(record, Reject)
    assert conversation_of(record.value).messages[1].content == "Doi lei."
    monkeypatch.setattr("endonym.data.conversations.MAX_DOCUMENT_BYTES", 100)
    path.write_text(LISTED, encoding="utf-8")
    with pytest.raises(SourceError, match="as a whole") as caught:
        list(read_records(path, "a"))
    assert "jq" in (caught.value.do or "")


def test_a_row_whose_quotes_do_not_close_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    path.write_text(f'{QA}Cât e masa?,"Doi metri\n', encoding="utf-8")
    *_, reject = read_records(path, "a")
    assert isinstance(reject, Reject)
    assert "quotes that do not close" in reject.detail
