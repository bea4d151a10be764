"""Chunks on disk."""

from pathlib import Path
from typing import Any

import numpy as np
from text_samples import KHMER, TATAR

from endonym.copies.held_out.split import digest
from endonym.formats import chunks
from endonym.formats.document_files import is_whole


def columns() -> list[Any]:
    texts = [*KHMER[:2], "\\xff"]
    numbers = [len(text.encode()) for text in texts]
    reasons = [None, None, "invalid_utf8"]
    names = [digest(text.encode(), 7) for text in KHMER[:2]]
    chars = [*map(len, KHMER[:2]), None]
    metas = ["{}", '{"title": "ទឹក"}', None]
    return [
        texts, ["a#1", "a#2", "a#3"], metas, [0, 0, 1], numbers, reasons, [None, None, "line 3"],
        [*names, None], [*numbers[:2], None], chars, [None] * 3, [None, names[0], None],
        [None, None, "a/b#1"],
    ]  # fmt: skip


def test_what_is_written_is_read_back(tmp_path: Path):
    said = chunks.write_chunk(tmp_path, "00000.arrow", chunks.CLEAN, columns())
    assert is_whole(tmp_path, said)
    table = chunks.read_chunk(tmp_path / "00000.arrow")
    assert table.column_names == chunks.CLEAN.names
    assert [table[name].to_pylist() for name in chunks.CLEAN.names] == columns()


def test_some_columns_are_read_alone(tmp_path: Path):
    chunks.write_chunk(tmp_path, "00000.arrow", chunks.RAW, columns()[: len(chunks.RAW)])
    table = chunks.read_chunk(tmp_path / "00000.arrow", ["id", "reason"])
    assert table.column_names == ["id", "reason"]
    assert table["reason"].to_pylist() == [None, None, "invalid_utf8"]


def test_digests_are_those_of_documents_with_their_rows(tmp_path: Path):
    given = columns()
    given[7] = [given[7][0], None, given[7][1]]
    chunks.write_chunk(tmp_path, "00000.arrow", chunks.CLEAN, given)
    rows, found = chunks.digests(chunks.read_chunk(tmp_path / "00000.arrow", ["digest"]))
    assert rows.tolist() == [0, 2]
    whole = [int.from_bytes(name, "big") for name in (given[7][0], given[7][2])]
    assert [(first << 64) + second for first, second in found.tolist()] == whole


def test_the_same_records_are_the_same_bytes(tmp_path: Path):
    for name in ("a.arrow", "b.arrow"):
        chunks.write_chunk(tmp_path, name, chunks.CLEAN, columns())
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()


def test_half_a_character_is_written_as_an_escape():
    assert chunks.strings(["су", "\ud83d", None]).to_pylist() == ["су", "\\ud83d", None]


def test_lengths_are_in_bytes_and_in_characters():
    texts = chunks.strings([TATAR[0], "", KHMER[0]])
    lengths = [len(TATAR[0].encode()), 0, len(KHMER[0].encode())]
    assert chunks.byte_lengths(texts).tolist() == lengths
    assert chunks.char_lengths(texts).tolist() == [len(TATAR[0]), 0, len(KHMER[0])]


def test_an_array_can_be_read_in_parts(tmp_path: Path):
    said = chunks.write_array(tmp_path, "sides.npy", np.arange(5, dtype=np.int8))
    assert is_whole(tmp_path, said)
    assert np.load(tmp_path / "sides.npy", mmap_mode="r")[3:].tolist() == [3, 4]
