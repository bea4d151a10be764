"""Where documents stand in their corpus."""

from pathlib import Path

import numpy as np
from text_samples import numbered
from unit.text.test_exact import chunk

from endonym.text.chunks import CLEAN, read_chunk, write_chunk
from endonym.text.placing import NUMBERS, Placing


def numbers(folder: Path, placing: Placing, made: Path, dropped: list[int]) -> np.ndarray:
    """The numbers of a chunk's documents."""
    path = folder / f"{made.stem}.npy"
    placing.add(made, np.array(dropped, dtype=np.int32), path)
    found = np.load(path)
    assert found.dtype == NUMBERS
    return found


def in_files(path: Path, of: list[int]) -> Path:
    """The same chunk with its rows in these files."""
    columns = [read_chunk(path)[name].to_pylist() for name in CLEAN.names]
    columns[CLEAN.get_field_index("file")] = of
    columns[CLEAN.get_field_index("bytes")] = [70] * len(of)
    write_chunk(path.parent, path.name, CLEAN, columns)
    return path


def test_positions_follow_one_another_and_leave_one_out_where_a_file_begins(
    tmp_path: Path,
) -> None:
    lines = numbered(9)
    first = in_files(chunk(tmp_path, 0, [*lines[:4], None, lines[4]]), [0, 0, 0, 1, 1, 2])
    second = in_files(chunk(tmp_path, 1, lines[5:7]), [2, 4])
    other = in_files(chunk(tmp_path, 2, lines[7:]), [0, 0])
    placing = Placing()
    placing.begin_source(0)
    found = [numbers(tmp_path, placing, first, [1]), numbers(tmp_path, placing, second, [])]
    placing.begin_source(5)
    found.append(numbers(tmp_path, placing, other, []))
    assert [each["row"].tolist() for each in found] == [[0, 2, 3, 5], [0, 1], [0, 1]]
    assert [each["position"].tolist() for each in found] == [[1, 2, 4, 6], [7, 10], [12, 13]]
    blocks = [number for each in found for number in each["block"].tolist()]
    assert blocks == sorted(blocks)
    assert len({blocks[1], blocks[2], blocks[3], blocks[5], blocks[6]}) == 5
    assert placing.documents == 8
