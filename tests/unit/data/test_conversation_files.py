"""Files of conversations: every format gives its records; what cannot be read says why."""

import gzip
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard

from endonym.data.conversation_files import (
    ParsedRecord,
    parsed_records,
    places_in_words,
    read_records,
    several_answers_in_words,
    share_read,
)
from endonym.data.conversations import (
    Messages,
    conversation_of,
)
from endonym.errors import SourceError
from endonym.formats.document import Reject

ASKED, ANSWER = "Алма нинди төстә?", "Кызыл."

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
        found = list(read_records(path))
        assert [each.value for each in found if not isinstance(each, Reject)] == RECORDS
        assert [each.id for each in found] == [f"{path.name}#1", f"{path.name}#3"]


def test_rows_of_parquet_are_records(tmp_path: Path) -> None:
    path = tmp_path / "a.Parquet"
    parquet.write_table(arrow.Table.from_pylist(RECORDS), path)
    found = list(read_records(path))
    assert [each.value for each in found if not isinstance(each, Reject)] == RECORDS
    assert [each.id for each in found] == ["a.Parquet#1", "a.Parquet#2"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="no whole parquet file, after 0 rows: "):
        list(read_records(path))


def test_bad_lines_are_rejects_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = b"[" * 100_000 + b"]" * 100_000
    path.write_bytes(b"{bad\n" + LINES + b"\xff\xfe\n" + deep + b"\n")
    found = list(read_records(path))
    reasons = [each.reason for each in found if isinstance(each, Reject)]
    assert reasons == ["bad_json", "invalid_utf8", "too_deep"]
    assert len(found) == 5


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_that_is_cut_off_is_an_error_with_its_name(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / f"a.jsonl.{'gz' if pack is gzip.compress else 'zst'}"
    lines = b"".join(b'{"prompt": "Ce?", "completion": "%d"}\n' % n for n in range(20_000))
    path.write_bytes(pack(lines)[:-2_000])
    with pytest.raises(SourceError, match="ends early") as caught:
        list(read_records(path))
    assert caught.value.where == str(path)
    assert "again" in caught.value.do


def test_a_line_that_is_too_long_is_told_how_lines_should_be(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr("endonym.formats.io.lines.MAX_DOCUMENT_BYTES", 1_000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[" + b'{"prompt": "Ce?"},' * 100 + b"]\n" + LINES)
    reject, *others = read_records(path)
    assert isinstance(reject, Reject)
    assert reject.reason == "too_long"
    assert "one record" in reject.detail
    assert "document =" not in reject.detail
    assert len(others) == 2


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SourceError, match="jsonl") as caught:
        list(read_records(path))
    assert caught.value.where == str(path)


def test_a_file_without_a_record_is_a_reject_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    os.mkfifo(tmp_path / "b.parquet")
    for name, reason in (("a.jsonl", "empty_file"), ("b.parquet", "not_a_file")):
        (reject,) = read_records(tmp_path / name)
        assert isinstance(reject, Reject)
        assert (reject.reason, reject.id, reject.source) == (reason, name, name)


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
        for _ in read_records(path):
            pass
    assert caught.value.where == str(path)


def test_lines_of_blanks_alone_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b" \t\r\n" + LINES + "\u00a0\n".encode())
    assert [each.id for each in read_records(path)] == ["a.jsonl#2", "a.jsonl#4"]


def test_a_line_of_too_many_values_is_not_parsed(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.formats.readers.records.LARGE_BYTES", 1_000)
    monkeypatch.setattr("endonym.formats.readers.records.MAX_PARTS", 99)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[" + b"{}," * 400 + b"{}]\n" + b"[" + b"{}," * 200 + b"{}]\n")
    large, small = read_records(path)
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
    monkeypatch.setattr("endonym.data.conversation_files.MOST_UNPACKED", 1_000_000)
    lines = [f"{n * 2654435761 % 2**32} {line}\n" for n, line in enumerate(MANY * 20)]
    data = "".join(lines).encode()
    packed = gzip.compress(data)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed[:-9] + b"damaged!!")
    assert share_read(path, 1_000, len(data) // 5) == pytest.approx(0.2, rel=0.2)
    monkeypatch.setattr("endonym.data.conversation_files.MOST_UNPACKED", 64 << 20)
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
    records = list(read_records(path))
    assert not [each for each in records if isinstance(each, Reject)]
    first = 1 if name.endswith("json") else 2
    assert [(each.source, each.id) for each in records] == [
        (name, f"{name}#{n}") for n in (first, first + 1)
    ]
    said = [[m.content for m in conversation_of(each.value).messages] for each in records]
    assert said == [["Cine are cheia?", "Moș Ion, la poartă."], ["Cât costă?", "Doi lei."]]


def test_json_with_an_error_is_said_once_and_where(tmp_path: Path, monkeypatch: Patch) -> None:
    path = tmp_path / "chats.json"
    path.write_text(LISTED.replace("]},", "]}"), encoding="utf-8")
    with pytest.raises(SourceError, match="line 4 column 2") as caught:
        list(read_records(path))
    assert "comma" in (caught.value.do or "")
    one = '{\n "prompt": "Cât costă?",\n "response": "Doi lei."\n}\n'
    path.write_text(one * 2, encoding="utf-8")
    with pytest.raises(SourceError, match="line 5 column 1") as caught:
        list(read_records(path))
    assert "jq -c . FILE.json" in caught.value.do
    path.write_text(one, encoding="utf-8")
    (record,) = read_records(path)
    assert not isinstance(record, Reject)
    assert conversation_of(record.value).messages[1].content == "Doi lei."
    monkeypatch.setattr("endonym.data.conversation_files.MAX_DOCUMENT_BYTES", 100)
    path.write_text(LISTED, encoding="utf-8")
    with pytest.raises(SourceError, match="as a whole") as caught:
        list(read_records(path))
    assert "jq" in (caught.value.do or "")


def test_json_that_lacks_a_line_is_not_read_as_if_it_were_whole(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """Without the first answer the second one would follow the first question."""
    path = tmp_path / "chats.json"
    said = ("Cine are cheia?", "Moș Ion.", "Cât costă?", "Doi lei.")
    roles = ("user", "assistant") * 2
    turns = ",\n".join(
        json.dumps({"role": role, "content": text}, ensure_ascii=False)
        for role, text in zip(roles, said, strict=True)
    )
    path.write_bytes(f'[{{"messages": [\n{turns}\n]}}]'.encode().replace("ș".encode(), b"\xba"))
    with pytest.raises(SourceError, match="line 3, byte 37: this is no utf-8") as caught:
        list(read_records(path))
    assert "this line" in caught.value.do
    monkeypatch.setattr("endonym.formats.io.lines.MAX_DOCUMENT_BYTES", 40)
    with pytest.raises(SourceError, match=r"as a whole: a line has more than .* write one record"):
        list(read_records(path))


@pytest.mark.parametrize("columns", [None, ("ghicitoare", "dezlegări")])
def test_a_table_without_names_of_columns_loses_no_row(columns: Any, tmp_path: Path) -> None:
    path = tmp_path / "chats.tsv"
    path.write_text("Cine are cheia?\tMoș Ion.\nCât costă?\tDoi lei.\n", encoding="utf-8")
    first, second = read_records(path, columns)
    assert isinstance(first, Reject)
    assert (first.reason, first.id) == ("no_columns", "chats.tsv#1")
    assert first.text == "Cine are cheia?\tMoș Ion."
    assert first.detail.endswith('It is: "Cine are cheia?", "Moș Ion."')
    assert not isinstance(second, Reject)
    path.write_text("Ghicitoare\tDezlegări\nCât costă?\tDoi lei.\n", encoding="utf-8")
    found = list(read_records(path, columns))
    assert len(found) == (2 if columns is None else 1)
    path.write_text("\t".join(str(n) * 41 for n in range(9)), encoding="utf-8")
    (long,) = read_records(path, columns)
    assert isinstance(long, Reject)
    assert long.detail.partition(" It is: ")[2].split(", ") == [
        f'"{str(n) * 40}"' for n in range(8)
    ]


def test_columns_whose_names_differ_in_case_alone_stay_two(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    path.write_text("Question, question ,Answer\nQ17,Cât costă?,Doi lei.\n", encoding="utf-8")
    (record,) = read_records(path)
    assert not isinstance(record, Reject)
    assert record.value == {"Question": "Q17", "question": "Cât costă?", "Answer": "Doi lei."}
    numbered = conversation_of(record.value, ("Question", "Answer")).messages
    assert [message.content for message in numbered] == ["Q17", "Doi lei."]
    path.write_text("question,answer,Answer,answer\nA,B,C,D\n", encoding="utf-8")
    with pytest.raises(SourceError, match='"answer" twice'):
        list(read_records(path))


def test_a_table_in_an_encoding_that_nobody_can_guess_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    path.write_bytes("question,answer\nKde?,Vedle řeky, u žlutého mostu.\n".encode("cp1250"))
    with pytest.raises(SourceError, match="not UTF-8, and several") as caught:
        list(read_records(path))
    assert (caught.value.where, caught.value.do) == (str(path), "Save it as UTF-8.")
    assert "name the right" not in caught.value.message


def test_a_row_whose_quotes_do_not_close_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    path.write_text(f'{QA}Cât e masa?,"Doi metri\n', encoding="utf-8")
    *_, reject = read_records(path)
    assert isinstance(reject, Reject)
    assert "quotes that do not close" in reject.detail


def test_of_what_is_left_out_the_first_places_of_some_files_are_named() -> None:
    def reject(place: str, detail: str = "") -> Reject:
        return Reject("bad_json", place, "a", detail, "", 0)

    near = [reject("a.JSON.gz#1", "line 1: no end"), reject("a.JSON.gz#5002", "line 5002: no")]
    assert places_in_words(near) == "2 bad json: a.JSON.gz, records 1 and 5002 (no end)"
    apart = [reject("a.csv", "0 bytes"), reject("b.parquet#7"), reject("c.csv#2", "a row")]
    assert places_in_words([*apart, *(reject(f"{n}.jsonl#{n}") for n in range(6))]) == (
        "1 bad json: a.csv (0 bytes); 1 bad json: b.parquet, record 7; "
        "1 bad json: c.csv, line 2 (a row); 1 bad json: 0.jsonl, line 0; "
        "1 bad json: 1.jsonl, line 1; 1 bad json: 2.jsonl, line 2; 1 bad json: 3.jsonl, line 3; "
        "1 bad json: 4.jsonl, line 4; 1 in 1 other place"
    )
    assert "other" not in places_in_words(reject(f"{n}.jsonl#{n}") for n in range(8))
    for count, last in ((5, "3 and 4"), (6, "4 and 1 more")):
        assert places_in_words(reject(f"a.jsonl#{n}") for n in range(count)).endswith(last)
    many = places_in_words(reject(f"{n}.jsonl#{m}") for n in range(60) for m in range(1250))
    assert many.count(".jsonl") == 8
    assert many.startswith(
        "1\u202f250 bad json: 0.jsonl, lines 0, 1, 2, 3, 4 and 1\u202f245 more; "
    )
    assert many.endswith("; 65\u202f000 in 52 other places")


@pytest.mark.parametrize("name", ["сораулар.csv", "сораулар.jsonl"])
def test_usual_names_are_read_however_they_are_written_and_the_rarer_language_first(
    name: str, tmp_path: Path
) -> None:
    nfd = unicodedata.normalize("NFD", "Întrebare")
    row = {nfd: "Unde?", "Răspuns": "Aici.", "вопрос": "Где?", "ответ": "Тут."}
    names, cells = ",".join(row), ",".join(row.values())
    text = f"{names}\n{cells}\n" if ".csv" in name else json.dumps(row)
    (tmp_path / name).write_text(text, encoding="utf-8")
    (fit,) = parsed_records(tmp_path / name, None, seen={})
    assert not isinstance(fit, Reject)
    assert [each.content for each in fit.value.messages] == ["Unde?", "Aici."]


def test_another_answer_to_a_question_is_told_once_a_question(tmp_path: Path) -> None:
    """Blanks, copies and what follows the first answer make no other answer."""
    said = [
        ("Unde e gara?", "Lângă parc."),
        ("Unde e gara? ", "Lângă parc. "),
        ("Unde e gara?", "În centru."),
        (" Unde e gara?", f"La capătul\n străzii {'.' * 90}"),
        ("Cine vine?", "Nimeni."),
    ]
    rows = [{"question": question, "answer": answer} for question, answer in said]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    talk = [("user", "Cine vine?"), ("assistant", "Nimeni."), ("user", "Da?"), ("assistant", "A")]
    messages = [{"role": role, "content": content} for role, content in talk]
    (tmp_path / "b.jsonl").write_text(json.dumps({"messages": messages}), encoding="utf-8")
    seen, found = dict[bytes, str](), dict[Messages, str]()
    for path in (tmp_path / "a.json", tmp_path / "b.jsonl"):
        fits = parsed_records(path, None, seen=seen)
        found |= [
            fit.several_answers
            for fit in fits
            if isinstance(fit, ParsedRecord) and fit.several_answers
        ]
    assert several_answers_in_words(found) == (
        "1 question has more than one answer, such as “Unde e gara?”: “Lângă parc.” and "
        f"“La capătul străzii {'.' * 61}”"
    )
    assert several_answers_in_words({}) == ""
    two = several_answers_in_words(found | {(): "“Cine vine?”: “Ana.” and “Ion.”"})
    assert two.startswith("2 questions have more than one answer, such as “Unde e gara?”: ")


def test_answers_to_a_question_differ_by_what_stands_before_it(tmp_path: Path) -> None:
    """A better and a worse answer of a pair are no two answers, and are copies as a pair."""
    pair = {"prompt": "Unde e gara?", "chosen": "Lângă parc.", "rejected": "Nu știu."}
    asked = [{"question": "Unde e gara?", "answer": each, "system": each} for each in "ab"]
    turns = [{"role": "user", "content": "Cine vine?"}, {"role": "assistant", "content": "Ana."}]
    talk = {"messages": turns}
    path = tmp_path / "a.jsonl"
    for records, are_pairs, before in (
        (asked, False, ["", ""]),
        ([talk, {"messages": [*turns, turns[0]]}], False, ["", "t/a#1"]),
        ([pair, pair | {"rejected": "În centru."}, pair], True, ["", "", "t/a#1"]),
    ):
        path.write_text("".join(f"{json.dumps(each)}\n" for each in records), encoding="utf-8")
        fits = list(parsed_records(path, None, seen={}, are_pairs=are_pairs, name="t/a"))
        assert [each.before for each in fits if isinstance(each, ParsedRecord)] == before
        assert not any(each.several_answers for each in fits if isinstance(each, ParsedRecord))
