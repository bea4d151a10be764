"""Tables of Arrow: parquet, and folders of Hugging Face datasets."""

import gzip
import struct
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from strange_files import parquet_file
from text_samples import FRENCH, KHMER, TATAR, kept, reasons, records, refused, write

from endonym.formats.document import MAX_CHARS, Document
from endonym.formats.io import streams
from endonym.formats.parsers.unit import Refused
from endonym.formats.readers import arrow as module
from endonym.formats.readers.arrow import batch_rows, note_columns, shown_values, text_column
from endonym.survey.format_guess import arrow_guess

TEXTS = TATAR + KHMER
Save = Callable[[Path, dict[str, Any]], Path]


def as_parquet(folder: Path, columns: dict[str, Any]) -> Path:
    parquet.write_table(arrow.table(columns), folder / "a.parquet", row_group_size=4)
    return folder / "a.parquet"


def as_stream(
    folder: Path, columns: dict[str, Any], *, name: str = "a.arrow", as_file: bool = False
) -> Path:
    """As `Dataset.save_to_disk` writes it: the format for streams; or that for files."""
    table, path = arrow.table(columns), folder / name
    make = arrow.ipc.new_file if as_file else arrow.ipc.new_stream
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as sink, make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return path


def as_file(folder: Path, columns: dict[str, Any]) -> Path:
    return as_stream(folder, columns, as_file=True)


both = pytest.mark.parametrize("save", [as_parquet, as_stream])


def metas(path: Path, **keys: Any) -> list[dict[str, str]]:
    return [each.meta for each in records(path, **keys) if isinstance(each, Document)]


@pytest.mark.parametrize("save", [as_parquet, as_stream, as_file])
def test_the_text_column_is_read_in_order(tmp_path: Path, save: Save):
    texts = TEXTS * 30
    path = save(tmp_path, {"n": list(range(len(texts))), "text": texts, "tt": KHMER[:1] * 270})
    found = records(path)
    assert kept(found) == texts
    assert found[-1].id == f"{path.name}#{len(texts)}"
    for column in ("tt", 3):
        assert kept(records(path, column=column)) == KHMER[:1] * 270
    (refusal,) = refused(records(path, column="nowhere"))
    assert refusal.reason == "no_column"
    assert "tt (string)" in refusal.detail


@pytest.mark.parametrize("save", [as_parquet, as_stream])
@pytest.mark.parametrize("kind", [arrow.large_string(), arrow.string()])
def test_long_strings_and_empty_values_are_read(tmp_path: Path, save: Save, kind: object):
    values = arrow.array([TATAR[0], None, TATAR[0]], kind)
    for column in (values, values.dictionary_encode()):
        assert kept(records(save(tmp_path, {"text": column}))) == [TATAR[0], "", TATAR[0]]


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
    both = {"url": "https://a.tt", "license": "CC0"}
    assert metas(save(tmp_path, columns)) == [
        {"id": "7", "title": "Кояш", "date": "1931-05-01", **both},
        {"id": "8", **both},
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
    times = [datetime(2024, 2, 29, 12, 30), None]
    columns = {"text": TATAR[:2], "created": arrow.array(times, arrow.timestamp("s"))}
    assert metas(save(tmp_path, columns)) == [{"date": "2024-02-29 12:30:00"}, {}]


def chosen(schema: arrow.Schema, column: str | int | None) -> str | None:
    try:
        return text_column(schema, column)
    except Refused:
        return None


def test_columns_are_chosen_by_name_or_number_and_two_of_one_name_are_none(tmp_path: Path):
    columns = {"title": TATAR[:2], "url": ["https://a.tt"] * 2}
    assert metas(as_parquet(tmp_path, columns), column="title") == [{"url": "https://a.tt"}] * 2
    schema = arrow.schema([("text", "string"), ("url", "string"), ("url", "string")])
    assert (note_columns(schema, "text"), chosen(schema, "url")) == ({}, None)
    schema = arrow.schema([("a", "string"), ("n", "int64"), ("b", "string")])
    found = [chosen(schema, column) for column in (1, 2, 3, 4, "b", None)]
    assert found == ["a", None, "b", None, "b", None]
    twice = arrow.Table.from_arrays([arrow.array(TATAR[:2]), arrow.array(KHMER[:2])], ["text"] * 2)
    parquet.write_table(twice, tmp_path / "b.parquet")
    (refusal,) = refused(records(tmp_path / "b.parquet"))
    assert refusal.detail.count("text (string)") == 2


def test_a_bad_value_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    longest = TATAR[0].encode()
    monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", len(longest))
    raw = arrow.array([longest, b"\xff\xfe", longest + b"."], arrow.binary())
    texts = arrow.Array.from_buffers(arrow.string(), 3, raw.buffers())
    found = records(as_parquet(tmp_path, {"text": texts}))
    assert kept(found) == TATAR[:1]
    rejects = [(each.reason, each.id, each.raw_bytes) for each in refused(found)]
    too_long = ("too_long", "a.parquet#3", len(longest) + 1)
    assert rejects == [("invalid_utf8", "a.parquet#2", 2), too_long]
    found = records(as_stream(tmp_path, {"text": texts, "id": ["\u178f" * 900] * 3}))
    assert (kept(found), reasons(found)) == (TATAR[:1], {"invalid_utf8": 1, "too_long": 1})


def test_a_folder_of_a_data_set_is_read_without_its_caches_and_notes(tmp_path: Path):
    as_stream(tmp_path, {"text": TATAR}, name="d/train/data-00000-of-00002.arrow")
    as_stream(tmp_path, {"text": KHMER}, name="d/train/data-00001-of-00002.arrow")
    as_stream(tmp_path, {"text": TATAR}, name="d/train/cache-1a2b3c4d5e6f7a8b.arrow")
    write(tmp_path, "d/train/dataset_info.json", "{}")
    write(tmp_path, "d/dataset_dict.json", "{}")
    found = records(tmp_path / "d")
    assert (kept(found), reasons(found)) == (TEXTS, {"unsupported_format": 3})


@pytest.mark.parametrize("cut", [10, 200, 600])
def test_a_file_that_is_cut_keeps_its_whole_batches(tmp_path: Path, cut: int):
    path = as_stream(tmp_path, {"text": TEXTS * 9})
    found = records(write(tmp_path, "b.arrow", path.read_bytes()[:-cut]))
    assert kept(found) == (TEXTS * 9)[: len(kept(found))]
    assert set(reasons(found)) <= {"damaged"}
    path = as_parquet(tmp_path, {"text": TATAR})
    (refusal,) = refused(records(write(tmp_path, "b.parquet", path.read_bytes()[: -cut // 10])))
    assert (refusal.reason, refusal.raw_bytes) == ("damaged", path.stat().st_size - cut // 10)


def test_damaged_bytes_are_rejects_and_no_crash(tmp_path: Path):
    data = bytearray(as_stream(tmp_path, {"text": TEXTS}).read_bytes())
    for at in range(len(data) // 3, len(data), 37):
        data[at] ^= 0x5A
    found = records(write(tmp_path, "b.arrow", bytes(data)))
    assert found
    assert set(reasons(found)) <= {"damaged", "invalid_utf8", "no_column", "too_long"}
    assert reasons(records(write(tmp_path, "c.arrow", b"ARROW1 no"))) == {"damaged": 1}
    whole = as_parquet(tmp_path, {"text": (TATAR + TATAR)[:12]}).read_bytes()
    for place in range(0, len(whole), 5):
        changed = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        assert "reader_failed" not in reasons(records(write(tmp_path, "b.parquet", changed)))


def test_an_offset_in_the_middle_or_an_index_that_leads_out_is_a_reject(tmp_path: Path):
    """Checked at their ends only, they were followed into memory that is not the file's."""
    offsets = arrow.array([0, 4, 1 << 30, 12], arrow.int32()).buffers()[1]
    buffers = [None, offsets, arrow.py_buffer(b"Tan ata, bar")]
    with pytest.raises(arrow.ArrowInvalid):
        list(shown_values(arrow.Array.from_buffers(arrow.string(), 3, buffers)))
    path = as_stream(tmp_path, {"text": ["Таң ата, кошлар сайрый."] * 40})
    data, size = bytearray(path.read_bytes()), len("Таң ата, кошлар сайрый.".encode())
    struct.pack_into("<i", data, data.index(struct.pack("<3i", 0, size, 2 * size)) + 8, 1 << 30)
    assert reasons(records(write(tmp_path, "b.arrow", bytes(data)))) == {"damaged": 1}
    index = arrow.array([0, 77], arrow.int32())
    coded = arrow.DictionaryArray.from_arrays(index, TATAR, safe=False)
    path = as_stream(tmp_path, {"text": coded})
    assert set(reasons(records(path))) == {"damaged"}
    with path.open("rb") as file:
        assert arrow_guess(file) == ({}, "not a whole Arrow file")


def test_packed_files_are_read(tmp_path: Path):
    packed = gzip.compress(as_parquet(tmp_path, {"text": TATAR}).read_bytes())
    assert kept(records(write(tmp_path, "b.parquet.gz", packed))) == TATAR


def compressed(path: Path, texts: list[str], *, as_file: bool = False) -> Path:
    """An Arrow file whose batches are compressed."""
    table, options = arrow.table({"text": texts}), arrow.ipc.IpcWriteOptions(compression="zstd")
    make = arrow.ipc.new_file if as_file else arrow.ipc.new_stream
    with path.open("wb") as sink, make(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return path


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 100_000)
    assert kept(records(compressed(tmp_path / "a.arrow", TATAR, as_file=True))) == TATAR
    path = compressed(tmp_path / "b.arrow", ["ә" * 1_000_000] * 9, as_file=True)
    (refusal,) = refused(records(path))
    assert (refusal.reason, refusal.id) == ("bomb", "b.arrow")
    with path.open("rb") as file:
        assert arrow_guess(file)[0] == {}
    table = arrow.table({"text": ["ә" * 1_000_000] * 3})
    parquet.write_table(table, tmp_path / "c.parquet", compression="zstd", use_dictionary=False)
    (refusal,) = refused(records(tmp_path / "c.parquet"))
    assert (refusal.reason, refusal.id) == ("bomb", "c.parquet")
    assert "after" not in refusal.detail
    beside = table.add_column(1, "title", arrow.array(TATAR[:3]))
    parquet.write_table(beside, tmp_path / "c.parquet", compression="zstd", use_dictionary=False)
    assert kept(records(tmp_path / "c.parquet", column="title")) == TATAR[:3]
    names = [f"{number}: {TATAR[number % len(TATAR)]}" for number in range(2_000)]
    coded = arrow.array(names).dictionary_encode()
    assert kept(records(as_stream(tmp_path, {"text": coded}))) == names


def test_a_batch_that_claims_a_terabyte_takes_no_memory_here(tmp_path: Path):
    texts = [f"{number}: {text}" * 9 for number, text in enumerate(TATAR)]
    size = struct.pack("<q", len("".join(texts).encode()))
    data = compressed(tmp_path / "b.arrow", texts).read_bytes()
    assert data.count(size) == 1
    path = write(tmp_path, "a.arrow", data.replace(size, struct.pack("<q", 1 << 40)))
    (refusal,) = refused(records(path))
    assert refusal.reason == "bomb"
    assert "of memory" in refusal.detail
    with path.open("rb") as file:
        assert arrow_guess(file)[0] == {}


@pytest.mark.timeout(360)
def test_a_value_that_is_repeated_without_end_is_a_bomb(tmp_path: Path):
    """Decoded as a whole, these thousands of rows take gigabytes."""
    index = arrow.array([0] * 5_000, arrow.int32())
    repeated = arrow.DictionaryArray.from_arrays(index, arrow.array(["ә" * (1 << 17)]))
    long = arrow.DictionaryArray.from_arrays([0] * 5_000, ["ә" * (1 << 20)])
    parquet_file(tmp_path, "a.parquet", long)
    stream = as_stream(tmp_path, {"text": repeated, "title": repeated})
    for path in (stream, tmp_path / "a.parquet"):
        found = records(path)
        assert reasons(found) == {"bomb": 1}
        assert 0 < len(kept(found)) < 4_000


@pytest.mark.timeout(180)
def test_long_values_come_in_small_batches_and_many_distinct_ones_in_few(tmp_path: Path):
    """Each batch comes with the whole dictionary: in batches of 256, a million took 22 s."""
    parquet_file(tmp_path, "rows.parquet", ["ә" * (4 << 20)] * 6 + TATAR)
    found = records(tmp_path / "rows.parquet")
    assert [len(text) for text in kept(found)] == [4 << 20] * 6 + list(map(len, TATAR))
    assert batch_rows(parquet.ParquetFile(tmp_path / "rows.parquet")) < 256
    texts = [f"{TATAR[0][:9]} {number}" for number in range(100_000)]
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"text": texts}), path, dictionary_pagesize_limit=1 << 30)
    assert len(texts) / batch_rows(parquet.ParquetFile(path)) < 3
    assert kept(records(path)) == texts


def test_a_value_beside_the_text_that_is_far_too_long_is_no_note(tmp_path: Path):
    columns = {"text": TATAR[:2], "title": ["ә" * (8 << 20)] * 2, "url": ["https://a.tt", None]}
    assert metas(as_parquet(tmp_path, columns)) == [{"url": "https://a.tt"}, {}]
