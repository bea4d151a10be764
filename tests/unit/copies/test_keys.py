"""Keys of documents in files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies import letters
from endonym.copies.keys import CopyRules, Kind, key_files, write_keys

TEXTS = [*TATAR, "…", TATAR[0].upper(), *FRENCH, *KHMER, *ROMANIAN]
ALL = CopyRules(frozenset({"exact", "near", "paragraphs"}))


def rows(folder: Path, kind: Kind) -> list[tuple[int, ...]]:
    """All rows of one kind, in the order of their documents."""
    tables = [pq.read_table(path) for path in key_files(folder, kind)]
    return sorted(row for table in tables for row in zip(*table.to_pydict().values(), strict=True))


@pytest.mark.parametrize("kind", ["exact", "near", "paragraphs"])
def test_parts_of_a_corpus_say_together_what_the_whole_says(tmp_path: Path, kind: Kind) -> None:
    texts = [*TEXTS, "\n\n".join([" ".join(TATAR), " ".join(FRENCH)])]
    (tmp_path / "whole").mkdir()
    write_keys(texts, ALL, tmp_path / "whole" / "0")
    (tmp_path / "parts").mkdir()
    for first, last in ((0, 4), (4, 5), (5, len(texts))):
        write_keys(texts[first:last], ALL, tmp_path / "parts" / f"{first}", first=first)
    whole = rows(tmp_path / "whole", kind)
    assert whole == rows(tmp_path / "parts", kind)
    assert whole
    assert not list(tmp_path.rglob("*.part"))


def test_only_what_is_asked_for_is_written_and_no_text_makes_no_file(tmp_path: Path) -> None:
    write_keys(TATAR, CopyRules(frozenset({"exact"})), tmp_path / "0")
    write_keys([], ALL, tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["0.exact.parquet"]


def test_equal_letters_have_one_digest_and_texts_without_letters_no_row(tmp_path: Path) -> None:
    write_keys(TEXTS, ALL, tmp_path / "0")
    table = pq.read_table(tmp_path / "0.near.parquet")
    digests = dict(zip(table["document"].to_pylist(), table["high"].to_pylist(), strict=True))
    assert 6 not in digests
    assert digests[0] == digests[7]
    assert len(set(digests.values())) == len(digests) - 1
    damage = dict(zip(table["document"].to_pylist(), table["damage"].to_pylist(), strict=True))
    assert damage[0] == 0 < damage[7]


def test_short_paragraphs_have_no_key(tmp_path: Path) -> None:
    long = " ".join(TATAR)
    write_keys([f"{TATAR[0]}\n\n{long}\n\n{TATAR[1]}", long.upper()], ALL, tmp_path / "0")
    table = pq.read_table(tmp_path / "0.paragraphs.parquet").to_pydict()
    assert (table["document"], table["paragraph"]) == ([0, 1], [1, 0])
    assert table["high"][0] == table["high"][1]


def test_a_long_text_has_a_row_for_its_level_and_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(TATAR)
    for name in ("keys", "shingles"):
        monkeypatch.setattr(f"endonym.copies.{name}.LONG_CHARS", 150)
    monkeypatch.setattr(letters, "BATCH_CHARS", 75)
    write_keys([text, text[:140], text[:70], "…" * 100], ALL, tmp_path / "0")
    table = pq.read_table(tmp_path / "0.near.parquet").to_pydict()
    places = list(zip(table["document"], table["level"], strict=True))
    own = (len(text) // 150).bit_length()
    assert places == [(0, own), (0, own + 1), (1, 0), (1, 1), (2, 0)]
    assert own > 0
    whole = CopyRules(frozenset({"near"}))
    monkeypatch.undo()
    write_keys([text], whole, tmp_path / "1")
    (high,) = pq.read_table(tmp_path / "1.near.parquet")["high"].to_pylist()
    assert table["high"][0] == table["high"][1] == high


def test_a_file_that_is_not_finished_has_another_name(tmp_path: Path) -> None:
    def texts():
        yield from TATAR * 3_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_keys(texts(), CopyRules(frozenset({"exact"})), tmp_path / "0")
    assert not key_files(tmp_path, "exact")


def test_digests_of_texts_are_those_of_their_bytes(tmp_path: Path) -> None:
    write_keys(["Кояш", "Кояш ", "Кояш"], CopyRules(frozenset({"exact"})), tmp_path / "0")
    table = pq.read_table(tmp_path / "0.exact.parquet")
    high, low = (np.array(table[name]) for name in ("high", "low"))
    assert high[0] == high[2] != high[1]
    assert low[0] == low[2] != low[1]


def test_keys_that_could_not_all_be_written_leave_nothing(
    tmp_path: Path,
) -> None:
    def texts() -> Iterator[str]:
        yield "а" * letters.BATCH_CHARS
        yield TATAR[0]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_keys(texts(), ALL, tmp_path / "0")
    assert list(tmp_path.iterdir()) == []
