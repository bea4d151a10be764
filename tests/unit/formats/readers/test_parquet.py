"""Parquet."""

import gzip
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from strange_files import parquet_file
from text_samples import KHMER, TATAR, kept, records, refused, write

from endonym.formats.io import streams
from endonym.formats.readers.parquet import batch_rows, text_rows


def saved(folder: Path, columns: dict[str, object]) -> Path:
    path = folder / "a.parquet"
    parquet.write_table(arrow.table(columns), path, row_group_size=4)
    return path


def test_the_text_column_is_read_in_order(tmp_path: Path):
    texts = (TATAR + KHMER) * 100
    found = records(saved(tmp_path, {"n": list(range(len(texts))), "text": texts}))
    assert kept(found) == texts
    assert found[-1].id == f"a.parquet#{len(texts)}"


@pytest.mark.parametrize("column", ["tt", 2])
def test_a_column_is_found_by_name_or_number(tmp_path: Path, column: str | int):
    path = saved(tmp_path, {"n": [1, 2], "tt": TATAR[:2]})
    assert kept(records(path, column=column)) == TATAR[:2]


def test_strings_in_a_dictionary_and_empty_values_are_read(tmp_path: Path):
    values = arrow.array([TATAR[0], None, TATAR[0]]).dictionary_encode()
    assert kept(records(saved(tmp_path, {"text": values}))) == [TATAR[0], "", TATAR[0]]


def test_a_value_that_is_no_utf8_is_refused_alone(tmp_path: Path):
    raw = arrow.array([TATAR[0].encode(), b"\xff\xfe", TATAR[1].encode()], arrow.binary())
    texts = arrow.Array.from_buffers(arrow.string(), 3, raw.buffers())
    found = records(saved(tmp_path, {"text": texts}))
    assert kept(found) == TATAR[:2]
    (refusal,) = refused(found)
    assert (refusal.reason, refusal.id, refusal.raw_bytes) == ("invalid_utf8", "a.parquet#2", 2)


@pytest.mark.parametrize("column", [None, "n", "nowhere", 9])
def test_a_file_without_the_string_column_is_refused_with_its_columns(
    tmp_path: Path, column: str | int | None
):
    (refusal,) = records(saved(tmp_path, {"n": [1], "tt": TATAR[:1]}), column=column)
    assert refusal.reason == "no_column"
    assert "tt (string)" in refusal.detail


def test_two_columns_of_one_name_are_none(tmp_path: Path):
    columns = [arrow.array(TATAR[:2]), arrow.array(KHMER[:2])]
    parquet.write_table(arrow.Table.from_arrays(columns, ["text"] * 2), tmp_path / "a.parquet")
    (refusal,) = records(tmp_path / "a.parquet")
    assert refusal.reason == "no_column"
    assert refusal.detail.count("text (string)") == 2


def test_a_changed_byte_never_ends_in_a_fault(tmp_path: Path):
    whole = saved(tmp_path, {"text": (TATAR + TATAR)[:12]}).read_bytes()
    for place in range(0, len(whole), 3):
        changed = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        assert records(write(tmp_path, "b.parquet", changed))


def test_a_cut_file_is_refused(tmp_path: Path):
    path = saved(tmp_path, {"text": TATAR})
    path.write_bytes(path.read_bytes()[:-20])
    (refusal,) = records(path)
    assert refusal.reason == "damaged"
    assert refusal.raw_bytes == path.stat().st_size


def test_a_packed_file_is_read(tmp_path: Path):
    packed = gzip.compress(saved(tmp_path, {"text": TATAR}).read_bytes())
    assert kept(records(write(tmp_path, "b.parquet.gz", packed))) == TATAR


@pytest.mark.timeout(30)
def test_long_values_come_in_small_batches(tmp_path: Path):
    parquet_file(tmp_path, "rows.parquet", ["ә" * (4 << 20)] * 6 + TATAR)
    found = records(tmp_path / "rows.parquet")
    assert [len(text) for text in kept(found)] == [4 << 20] * 6 + list(map(len, TATAR))
    assert batch_rows(parquet.ParquetFile(tmp_path / "rows.parquet")) < 256


@pytest.mark.timeout(30)
def test_a_value_that_is_repeated_without_end_is_a_bomb(tmp_path: Path):
    repeated = arrow.DictionaryArray.from_arrays([0] * 5_000, ["ә" * (1 << 20)])
    parquet_file(tmp_path, "a.parquet", repeated)
    found = records(tmp_path / "a.parquet")
    assert 0 < len(kept(found)) < 100
    assert [each.reason for each in refused(found)] == ["bomb"]


def test_many_distinct_values_come_in_few_batches(tmp_path: Path):
    """Each batch comes with the whole dictionary: in batches of 256, a million took 22 s."""
    texts = [f"{TATAR[0][:9]} {number}" for number in range(100_000)]
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"text": texts}), path, dictionary_pagesize_limit=1 << 30)
    n_rows = batch_rows(parquet.ParquetFile(path))
    assert len(texts) / n_rows < 3
    with path.open("rb") as file:
        assert [row.text.decode() for row in text_rows(file, "text", n_rows)] == texts


def test_a_value_beside_the_text_that_is_far_too_long_is_no_note(tmp_path: Path):
    columns = {"text": TATAR[:2], "title": ["ә" * (8 << 20)] * 2, "url": ["https://a.tt", None]}
    found = records(saved(tmp_path, columns))
    assert [each.meta for each in found] == [{"url": "https://a.tt"}, {}]


def test_what_says_that_it_is_a_bomb_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 1_000)
    path = tmp_path / "a.parquet"
    table = arrow.table({"text": ["ә" * 1_000_000] * 3})
    parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    (refusal,) = records(path)
    assert (refusal.reason, refusal.id) == ("bomb", "a.parquet")
    assert "after" not in refusal.detail
