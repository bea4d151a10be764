"""Folders of Hugging Face datasets (Arrow)."""

import struct
from pathlib import Path

import pyarrow as arrow
import pytest
from text_samples import KHMER, TATAR, kept, reasons, records, write

from endonym.formats.io import streams
from endonym.survey.format_guess import arrow_guess

TEXTS = TATAR + KHMER


def saved(folder: Path, name: str, columns: dict[str, object], *, as_file: bool = False) -> Path:
    """As `Dataset.save_to_disk` writes it: the format for streams; or that for files."""
    table = arrow.table(columns)
    make = arrow.ipc.new_file if as_file else arrow.ipc.new_stream
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as sink, make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return path


@pytest.mark.parametrize("as_file", [False, True])
def test_the_text_column_is_read_in_order_in_both_formats(tmp_path: Path, as_file: bool):
    columns = {"n": list(range(len(TEXTS))), "text": TEXTS}
    found = records(saved(tmp_path, "data-00000-of-00001.arrow", columns, as_file=as_file))
    assert kept(found) == TEXTS
    assert found[0].id == "data-00000-of-00001.arrow#1"


def test_a_folder_of_a_data_set_is_read_without_its_caches_and_notes(tmp_path: Path):
    saved(tmp_path, "d/train/data-00000-of-00002.arrow", {"text": TATAR})
    saved(tmp_path, "d/train/data-00001-of-00002.arrow", {"text": KHMER})
    saved(tmp_path, "d/train/cache-1a2b3c4d5e6f7a8b.arrow", {"text": TATAR})
    write(tmp_path, "d/train/dataset_info.json", "{}")
    write(tmp_path, "d/dataset_dict.json", "{}")
    found = records(tmp_path / "d")
    assert kept(found) == TEXTS
    assert reasons(found) == {"unsupported_format": 3}


@pytest.mark.parametrize("kind", [arrow.large_string(), arrow.string()])
def test_long_strings_dictionaries_and_empty_values_are_read(tmp_path: Path, kind: object):
    values = arrow.array([TATAR[0], None, TATAR[1]], kind)
    for name, column in (("a.arrow", values), ("b.arrow", values.dictionary_encode())):
        assert kept(records(saved(tmp_path, name, {"text": column}))) == [TATAR[0], "", TATAR[1]]


def test_a_column_is_found_by_its_name(tmp_path: Path):
    path = saved(tmp_path, "a.arrow", {"n": [1], "tt": TATAR[:1]})
    assert kept(records(path, column="tt")) == TATAR[:1]
    assert reasons(records(path)) == {"no_column": 1}


@pytest.mark.parametrize("cut", [10, 200, 600])
def test_a_file_that_is_cut_keeps_its_whole_batches(tmp_path: Path, cut: int):
    path = saved(tmp_path, "a.arrow", {"text": TEXTS * 9})
    path.write_bytes(path.read_bytes()[:-cut])
    found = records(path)
    assert kept(found) == (TEXTS * 9)[: len(kept(found))]
    assert set(reasons(found)) <= {"damaged"}


def test_damaged_offsets_are_a_reject_and_no_crash(tmp_path: Path):
    path = saved(tmp_path, "a.arrow", {"text": TEXTS})
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data), 37):
        data[at] ^= 0x5A
    path.write_bytes(bytes(data))
    found = records(path)
    assert found
    assert set(reasons(found)) <= {"damaged", "invalid_utf8", "no_column", "too_long"}


def test_what_is_no_arrow_is_refused(tmp_path: Path):
    assert reasons(records(write(tmp_path, "a.arrow", b"ARROW1 no"))) == {"damaged": 1}


def test_an_offset_in_the_middle_or_an_index_that_leads_out_is_a_reject(tmp_path: Path):
    path = saved(tmp_path, "a.arrow", {"text": ["Таң ата, кошлар сайрый."] * 40})
    data, size = bytearray(path.read_bytes()), len("Таң ата, кошлар сайрый.".encode())
    at = data.index(struct.pack("<3i", 0, size, 2 * size))
    struct.pack_into("<i", data, at + 8, 1_500_000_000)
    assert reasons(records(write(tmp_path, "b.arrow", bytes(data)))) == {"damaged": 1}
    coded = arrow.DictionaryArray.from_arrays(
        arrow.array([0, 77], arrow.int32()), TATAR, safe=False
    )
    path = saved(tmp_path, "c.arrow", {"text": coded})
    assert set(reasons(records(path))) == {"damaged"}
    with path.open("rb") as file:
        assert arrow_guess(file) == ({}, "not a whole Arrow file")


def test_a_bomb_is_not_unpacked_and_a_compressed_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 100_000)
    for name, texts in (("a.arrow", TATAR), ("b.arrow", ["ә" * 1_000_000] * 9)):
        table = arrow.table({"text": texts})
        options = arrow.ipc.IpcWriteOptions(compression="zstd")
        path = tmp_path / name
        with path.open("wb") as sink, arrow.ipc.new_file(sink, table.schema, options=options) as f:
            f.write_table(table)
    assert kept(records(tmp_path / "a.arrow")) == TATAR
    (refusal,) = records(tmp_path / "b.arrow")
    assert (refusal.reason, refusal.id) == ("bomb", "b.arrow")
    with (tmp_path / "b.arrow").open("rb") as file:
        assert arrow_guess(file)[0] == {}


def test_a_dictionary_that_batches_share_is_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 100_000)
    names = [f"{number}: {TATAR[number % len(TATAR)]}" for number in range(2_000)]
    coded = arrow.array(names).dictionary_encode()
    assert kept(records(saved(tmp_path, "a.arrow", {"text": coded}))) == names


def test_a_batch_that_claims_a_terabyte_takes_no_memory_here(tmp_path: Path):
    texts = [f"{number}: {text}" * 9 for number, text in enumerate(TATAR)]
    size, options = len("".join(texts).encode()), arrow.ipc.IpcWriteOptions(compression="zstd")
    table = arrow.table({"text": texts})
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    data = sink.getvalue().to_pybytes()
    assert data.count(struct.pack("<q", size)) == 1
    claim = data.replace(struct.pack("<q", size), struct.pack("<q", 1 << 40))
    (refusal,) = records(write(tmp_path, "a.arrow", claim))
    assert refusal.reason == "bomb"
    assert "of memory" in refusal.detail
    with (tmp_path / "a.arrow").open("rb") as file:
        assert arrow_guess(file)[0] == {}
