"""JSON lines."""

import json
from pathlib import Path

import pytest
from strange_files import FILES
from text_samples import KHMER, TATAR, kept, records, refused, write

from endonym.formats.document_files import json_line


def line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def test_the_text_and_the_records_own_id_are_read(tmp_path: Path):
    path = write(tmp_path, "a.jsonl", [line(id=7, text=KHMER[0]), line(id=7, text=TATAR[0])])
    found = records(path)
    assert kept(found) == [KHMER[0], TATAR[0]]
    assert [document.meta for document in found] == [{"id": "7"}] * 2
    assert [document.id for document in found] == ["a.jsonl#1", "a.jsonl#2"]


def test_another_field_is_read_by_name_or_by_number(tmp_path: Path):
    path = write(tmp_path, "a.jsonl", [line(n=1, tt=TATAR[0])])
    assert kept(records(path, column="tt")) == kept(records(path, column=2)) == TATAR[:1]


BAD_RECORDS = [
    ('{"text": "өзелгән', "bad_json"),
    ("{'text': 'single'}", "bad_json"),
    ('{"text": "a"}{"text": "b"}', "bad_json"),
    ('{"text": "tab\there"}', "bad_json"),
    ('{"text": ' + "1" * 5000 + "}", "text_not_string"),
    ('{"id": ' + "1" * 5000 + ', "text": }', "bad_json"),
    ('["text"]', "not_object"),
    ("NaN", "not_object"),
    ("null", "not_object"),
    ('{"Text": "a"}', "no_text_field"),
    ('{"text": 42}', "text_not_string"),
    ('{"text": ["a"]}', "text_not_string"),
    ('{"text": "\\ud83d"}', "lone_surrogates"),
    ('{"a":' * 50_000 + "1" + "}" * 50_000, "too_deep"),
    ("[" * 100_000 + "]" * 100_000, "too_deep"),
    ('{"text": [' + "[]," * 600_000 + "[]]}", "too_deep"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD_RECORDS)
def test_a_bad_record_is_refused_alone_by_line(tmp_path: Path, raw: str, reason: str):
    path = write(tmp_path, "a.jsonl", [line(text=TATAR[0]), raw, line(text=TATAR[1])])
    found = records(path)
    assert kept(found) == TATAR[:2]
    (refusal,) = refused(found)
    assert (refusal.reason, refusal.id) == (reason, "a.jsonl#2")
    assert "line 2" in refusal.detail
    assert "holds a dict" not in refusal.detail
    assert refusal.raw_bytes == len(raw.encode())


def test_odd_ids_empty_texts_and_escapes_do_no_harm(tmp_path: Path):
    odd = {
        '{"id": NaN, "text": "a"}': "a",
        '{"id": ' + "9" * 400 + ', "text": "a"}': "a",
        '{"text": null}': "",
        '{"text": " "}': " ",
        '{"text": "\\ud83d\\ude00"}': "😀",  # a pair of surrogates is one character
    }
    found = records(write(tmp_path, "a.jsonl", [*odd, " \t", ""]))
    assert (kept(found), refused(found)) == ([*odd.values()], [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_ends_a_record(tmp_path: Path, end: str):
    content = "\ufeff" + end.join(line(text=text) for text in TATAR)
    assert kept(records(write(tmp_path, "a.jsonl", content))) == TATAR


def test_half_a_character_in_a_key_refuses_the_record_and_is_written_out(tmp_path: Path):
    found = records(write(tmp_path, "key.jsonl", FILES["key.jsonl"]()))
    assert kept(found) == TATAR
    (refusal,) = refused(found)
    assert refusal.reason == "no_text_field"
    assert "\\ud800" in refusal.detail
    assert json_line({"detail": refusal.detail, "own": "\ud800"}).decode()


def test_digits_without_end_take_no_text_away(tmp_path: Path):
    raw = '{"id": ' + "9" * 100_000 + ', "n": 3, "text": "әни"}'
    (found,) = records(write(tmp_path, "a.jsonl", [raw]))
    assert kept([found]) == ["әни"]
    assert found.meta == {"id": "9" * 300}


def test_values_without_end_refuse_one_record_and_prose_with_commas_is_read(tmp_path: Path):
    found = records(write(tmp_path, "a.jsonl", FILES["values.jsonl"]()))
    (refusal,) = refused(found)
    assert refusal.reason == "too_deep"
    assert "2,000,000 commas" in refusal.detail
    text = TATAR[0] * 100_000
    assert kept(records(write(tmp_path, "b.jsonl", line(text=text)))) == [text]
