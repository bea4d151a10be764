"""Where documents stand in their corpus."""

from pathlib import Path

import numpy as np
from made_chunks import chunk, in_files
from text_samples import numbered

from endonym.corpus.cleaned import Cleaned
from endonym.corpus.placing import NUMBERS, Placing
from endonym.formats.document import ARTICLE, Document


def numbers(folder: Path, placing: Placing, made: Path) -> np.ndarray:
    """The numbers of a chunk's documents."""
    path = folder / f"{made.stem}.npy"
    placing.add(made, path)
    found = np.load(path)
    assert found.dtype == NUMBERS
    return found


def test_positions_follow_one_another_and_leave_one_out_where_a_file_begins(
    tmp_path: Path,
) -> None:
    lines = numbered(9)
    first = in_files(
        chunk(tmp_path, 0, [lines[0], None, *lines[2:4], None, lines[4]]), [0, 0, 0, 1, 1, 2]
    )
    second = in_files(chunk(tmp_path, 1, lines[5:7]), [2, 4])
    other = in_files(chunk(tmp_path, 2, lines[7:]), [0, 0])
    placing = Placing()
    placing.begin_source(0)
    found = [numbers(tmp_path, placing, first), numbers(tmp_path, placing, second)]
    placing.begin_source(5)
    found.append(numbers(tmp_path, placing, other))
    assert [each["row"].tolist() for each in found] == [[0, 2, 3, 5], [0, 1], [0, 1]]
    assert [each["position"].tolist() for each in found] == [[1, 2, 4, 6], [7, 10], [12, 13]]
    blocks = [number for each in found for number in each["block"].tolist()]
    assert blocks == sorted(blocks)
    assert len({blocks[1], blocks[2], blocks[3], blocks[5], blocks[6]}) == 5
    assert placing.documents == 8


def test_sentences_of_an_article_are_blocks_with_its_key(tmp_path: Path) -> None:
    lines, rows = numbered(6), Cleaned("a", 7)
    for number, text in enumerate(lines):
        meta = {ARTICLE: f"tat#{number % 2}"} if number in (1, 2, 3) else {}
        rows.add(Document(text, text, "a", meta), "{}", 0, len(text.encode()))
    rows.write(tmp_path, "0")
    placing = Placing()
    placing.begin_source(0)
    own, keys, known = placing.add(tmp_path / "0.arrow", tmp_path / "0.npy")
    assert known == 3
    assert keys[1] == keys[3] == own[1] == own[3] != keys[2] == own[2]
    blocks = np.load(tmp_path / "0.npy")["block"]
    assert len(set(blocks[:5].tolist())) == 5
    assert np.load(tmp_path / "0.npy")["bytes"].tolist() == [len(t.encode()) for t in lines]


def test_a_block_goes_on_over_the_chunks_of_a_file_and_ends_with_it(tmp_path: Path) -> None:
    lines = numbered(8)
    parts = [(lines[:2], [0, 0]), (lines[2:4], [0, 0]), ([None], [0]), (lines[4:6], [0, 1])]
    placing = Placing()
    placing.begin_source(0)
    found = [
        numbers(tmp_path, placing, in_files(chunk(tmp_path, n, texts), files))["block"].tolist()
        for n, (texts, files) in enumerate(parts)
    ]
    first = found[0][0]
    assert found == [[first, first], [first, first], [], [first, found[3][1]]]
    assert found[3][1] > first
    placing.begin_source(2)
    other = numbers(tmp_path, placing, in_files(chunk(tmp_path, 9, lines[6:]), [0, 0]))
    assert min(other["block"]) > found[3][1]
