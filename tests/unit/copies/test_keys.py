"""Keys of documents in files: how damaged a copy is, and which rows share a key."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, numbered

from endonym.copies import letters
from endonym.copies.keys import Kind, accents, damage, key_files, key_rows, sharers, write_keys
from endonym.copies.removal import removal_by_keys
from endonym.copies.tables import Tables
from endonym.formats.config import Clean

TEXTS = [*TATAR, "…", TATAR[0].upper(), *FRENCH, *KHMER, *ROMANIAN]
ALL = Clean(dedup=("exact", "near", "paragraphs"))


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
    write_keys(TATAR, Clean(dedup=("exact",)), tmp_path / "0")
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
    write_keys([f"{'ә' * 99}\n\n{'ә' * 100}"], ALL, tmp_path / "1")
    assert pq.read_table(tmp_path / "1.paragraphs.parquet")["paragraph"].to_pylist() == [1]


def test_a_long_text_has_rows_of_two_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = " ".join(TATAR).upper()
    monkeypatch.setattr("endonym.copies.shingles.LONG_CHARS", 150)
    monkeypatch.setattr(letters, "BATCH_CHARS", 75)
    monkeypatch.setattr("endonym.script.fold.PORTION_CHARS", 90)
    write_keys([text, text[:140], text[:70], "…" * 100], ALL, tmp_path / "0")
    table = pq.read_table(tmp_path / "0.near.parquet").to_pydict()
    places = list(zip(table["document"], table["level"], strict=True))
    own = (len(text) // 150).bit_length()
    assert places == [(0, own), (0, own + 1), (1, 0), (1, 1), (2, 0)]
    assert own > 0
    whole = Clean(dedup=("near",))
    monkeypatch.undo()
    write_keys([text], whole, tmp_path / "1")
    (known,) = pq.read_table(tmp_path / "1.near.parquet").to_pylist()
    assert known["accents"] > 0 < known["damage"]
    for name in ("letters", "damage", "accents", "high", "low"):
        assert table[name][0] == table[name][1] == known[name]


def test_keys_that_could_not_all_be_written_leave_nothing(tmp_path: Path) -> None:
    def texts() -> Iterator[str]:
        yield "а" * letters.BATCH_CHARS
        yield TATAR[0]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_keys(texts(), ALL, tmp_path / "0")
    assert list(tmp_path.iterdir()) == []


def test_good_texts_show_no_damage() -> None:
    assert not damage([*TATAR, *FRENCH, *KHMER, "", "1917"]).any()


def test_lost_letters_look_alikes_and_capitals_show() -> None:
    look_alikes = TATAR[0].replace("а", "a").replace("у", "y")
    lost = TATAR[0].replace("ү", "\ufffd").replace("и", "\ufffd")
    found = damage([TATAR[0], look_alikes, lost, TATAR[0].upper(), TATAR[0]])
    assert found[0] == found[4] == 0
    assert (found[1:4] >= 5).all()
    assert found[3] > 70


def test_a_text_does_not_mix_with_the_one_before_it() -> None:
    assert not damage(["Кояш", "soleil", "", "көн"]).any()


def test_accents_of_letters_are_counted_and_cedillas_count_half() -> None:
    texts = ["și", "şi", "si", "", "бай", "баи\u0306", "сло\u0301во", "ខ្ញុំ", "a\0é"]
    assert accents(texts).tolist() == [2, 1, 0, 0, 2, 2, 0, 0, 2]


def test_signs_are_counted_in_a_hundred_characters_and_rounded_down() -> None:
    assert damage(["\ufffd" + "ә" * 98, "\ufffd" + "ә" * 100]).tolist() == [1, 0]
    # Each place where the alphabets meet; a blank between them is none.
    assert damage(["бaр" + "ә" * 97, "б aр" + "ә" * 96, "Windows бар"]).tolist() == [2, 1, 0]
    half = ["АБвг" + "1" * 96, "АБВг" + "1" * 96]
    assert damage(half).tolist() == [0, 3]


PER_FILE = 190


def test_documents_share_a_key_with_another_one_not_with_themselves() -> None:
    keys = np.array([7, 5, 7, 9, 9, 5, 3, 7], dtype=np.uint64)
    documents = np.array([0, 1, 2, 3, 3, 4, 5, 0])
    assert sharers(keys, documents).tolist() == [0, 1, 2, 4]
    assert sharers(keys[:0], documents[:0]).tolist() == []


def test_the_rows_of_files_say_which_documents_share_something(tmp_path: Path) -> None:
    texts = planted()
    write_all(texts, tmp_path / "keys")
    for kind in ("exact", "near", "paragraphs"):
        files = key_files(tmp_path / "keys", kind)
        assert len(files) > 2
        parts = list(key_rows({"item": [str(path) for path in files]}))
        keys, documents = (np.concatenate([each[n] for each in parts]) for n in ("key", "document"))
        owners: dict[int, set[int]] = {}
        for key, document in zip(keys.tolist(), documents.tolist(), strict=True):
            owners.setdefault(key, set()).add(document)
        expected = set[int]().union(*(each for each in owners.values() if len(each) > 1))
        assert sharers(keys, documents).tolist() == sorted(expected)
        copy = texts.index(texts[0], 1)
        assert {0, copy} <= expected
        assert not {4, 5} & expected  # Nothing is planted of these.


def planted() -> list[str]:
    """Texts in Tatar and Khmer with copies, near copies, and paragraphs of others."""
    every = numbered(900)
    tatar = [" ".join(every[place : place + 3]) for place in range(0, len(every), 3)]
    khmer = [f"{text}{number}" for number, text in enumerate(KHMER * 50)]
    near = [f"{text} Шул гына инде." for text in tatar[::11]]
    of_two = [f"{one}\n\n{two}" for one, two in zip(tatar[::13], khmer, strict=False)]
    return [*tatar, *khmer, *tatar[::7], *khmer[::9], *near, *of_two, tatar[1].upper()]


def write_all(texts: list[str], folder: Path) -> Clean:
    """The keys of texts in several files."""
    folder.mkdir()
    asked = Clean(dedup=("exact", "near", "paragraphs"))
    for first in range(0, len(texts), PER_FILE):
        write_keys(texts[first : first + PER_FILE], asked, folder / f"{first:05d}", first=first)
    return asked


def test_of_the_planted_texts_these_many_go(tmp_path: Path) -> None:
    texts, keys = planted(), tmp_path / "keys"
    asked = write_all(texts, keys)

    def read(numbers: np.ndarray) -> Iterator[str]:
        return (texts[number] for number in numbers.tolist())

    with Tables(tmp_path / "tables") as tables:
        found = removal_by_keys(tables, keys, read, asked.near_similarity)
    # Equal: 43 in Tatar, 17 in Khmer. Near, in Tatar alone (the Khmer texts are too short): 28 with
    # a sentence more, one in capitals, one of two paragraphs. Of 24 such paragraphs 20 are left.
    lost = [len(each) for each in (found.exact.documents, found.near.documents)]
    assert [*lost, len(found.cuts.documents)] == [43 + 17, 28 + 1 + 1, 20]
