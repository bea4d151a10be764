"""The columns of a table that say where a text comes from, in Parquet and in Arrow."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from text_samples import FRENCH, KHMER, TATAR, kept, reasons, records

from endonym.formats.document import Document, Reject
from endonym.formats.io.origin import Origin
from endonym.formats.provenance import MAX_CHARS
from endonym.formats.readers import columns
from endonym.formats.readers.columns import (
    Row,
    note_columns,
    shown_values,
    text_column,
    value_document,
)

Save = Callable[[Path, dict[str, Any]], Path]


def as_parquet(folder: Path, columns: dict[str, Any]) -> Path:
    parquet.write_table(arrow.table(columns), folder / "a.parquet", row_group_size=2)
    return folder / "a.parquet"


def as_arrow(folder: Path, columns: dict[str, Any]) -> Path:
    table = arrow.table(columns)
    with arrow.ipc.new_stream(folder / "a.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return folder / "a.arrow"


both = pytest.mark.parametrize("save", [as_parquet, as_arrow])


def metas(path: Path, **keys: Any) -> list[dict[str, str]]:
    return [each.meta for each in records(path, **keys) if isinstance(each, Document)]


@both
def test_address_title_date_id_and_licence_travel_with_each_text(tmp_path: Path, save: Save):
    columns = {
        "id": [7, 8, None],
        "text": [TATAR[0], KHMER[0], FRENCH[0]],
        "title": ["Кояш", None, "Le corbeau"],
        "url": arrow.array(["https://a.tt", "https://a.tt", ""]).dictionary_encode(),
        "timestamp": [date(1931, 5, 1), None, date(1668, 3, 31)],
        "licence": ["CC0", "CC0", "CC0"],
        "words": [3, 4, 5],
    }
    assert metas(save(tmp_path, columns)) == [
        {
            "id": "7",
            "title": "Кояш",
            "url": "https://a.tt",
            "date": "1931-05-01",
            "license": "CC0",
        },
        {"id": "8", "url": "https://a.tt", "license": "CC0"},
        {"title": "Le corbeau", "date": "1668-03-31", "license": "CC0"},
    ]


@both
def test_long_broken_and_impossible_values_are_cut_or_left_out(tmp_path: Path, save: Save):
    raw = arrow.array([b"\xff\xfe", ("x" + "ә" * 700).encode(), b"Tan"], arrow.binary())
    columns = {
        "text": TATAR[:3],
        "title": arrow.Array.from_buffers(arrow.string(), 3, raw.buffers()),
        "id": [float("nan"), 2.5, None],
        "date": arrow.array([0, 0, 0], arrow.timestamp("s", tz="Nowhere/Никайда")),
        "author": [["Г. Тукай"]] * 3,
        "license": [True, False, None],
    }
    found = metas(save(tmp_path, columns))
    assert found == [{}, {"title": "x" + "ә" * (MAX_CHARS - 1), "id": "2.5"}, {"title": "Tan"}]


@both
def test_a_time_is_noted_as_the_file_says_it(tmp_path: Path, save: Save):
    times = [datetime(2024, 2, 29, 12, 30), None]
    columns = {"text": TATAR[:2], "created": arrow.array(times, arrow.timestamp("s"))}
    assert metas(save(tmp_path, columns)) == [{"date": "2024-02-29 12:30:00"}, {}]


@both
def test_the_column_of_texts_is_no_note_and_two_of_one_name_are_none(tmp_path: Path, save: Save):
    columns = {"title": TATAR[:2], "url": ["https://a.tt"] * 2}
    assert metas(save(tmp_path, columns), column="title") == [{"url": "https://a.tt"}] * 2
    schema = arrow.schema([("text", "string"), ("url", "string"), ("url", "string")])
    assert note_columns(schema, "text") == {}
    assert text_column(schema, "url") is None


@pytest.mark.timeout(60)
def test_an_arrow_file_that_repeats_one_value_without_end_is_a_bomb(tmp_path: Path):
    """Decoded as a whole, these five thousand rows take a gigabyte and more."""
    repeated = arrow.DictionaryArray.from_arrays(
        arrow.array([0] * 5_000, arrow.int32()), arrow.array(["ә" * (1 << 17)])
    )
    table = arrow.table({"text": repeated, "title": repeated})
    with arrow.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    found = records(tmp_path / "a.arrow")
    assert reasons(found) == {"bomb": 1}
    assert 0 < len(kept(found)) < 4_000


def test_offsets_in_the_middle_of_a_column_that_lead_out_of_it_are_seen():
    """Checked at their ends only, they were followed into memory that is not the file's."""
    offsets = arrow.array([0, 4, 1 << 30, 12], arrow.int32()).buffers()[1]
    column = arrow.Array.from_buffers(
        arrow.string(), 3, [None, offsets, arrow.py_buffer(b"Tan ata, bar")]
    )
    with pytest.raises(arrow.ArrowInvalid):
        list(shown_values(column))


def test_a_column_is_named_by_its_number_from_the_first_to_the_last():
    table = arrow.table({"a": TATAR[:1], "n": [1], "b": KHMER[:1]})
    found = [text_column(table.schema, number) for number in (1, 2, 3, 4)]
    assert found == ["a", None, "b", None]
    assert text_column(table.schema, "b") == "b"
    assert text_column(table.schema, None) is None


def test_a_value_may_be_as_long_as_a_document(monkeypatch: pytest.MonkeyPatch):
    value = TATAR[0].encode()
    origin = Origin("one", "a.parquet")
    monkeypatch.setattr(columns, "MAX_DOCUMENT_BYTES", len(value))
    assert isinstance(value_document(1, Row(value, {}, len(value)), origin), Document)
    found = value_document(2, Row(value + b".", {}, len(value) + 1), origin)
    assert isinstance(found, Reject)
    assert (found.reason, found.raw_bytes) == ("too_long", len(value) + 1)
