"""Rows of keys that two documents share; on a cluster: corpus/test_making.py."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from text_samples import KHMER, numbered

from endonym.copies.keys import CopyRules, key_files, key_rows, sharers, write_keys
from endonym.copies.removal import removal_by_keys
from endonym.copies.tables import Tables

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


def write_all(texts: list[str], folder: Path) -> CopyRules:
    """The keys of texts in several files."""
    folder.mkdir()
    asked = CopyRules(frozenset({"exact", "near", "paragraphs"}))
    for first in range(0, len(texts), PER_FILE):
        write_keys(texts[first : first + PER_FILE], asked, folder / f"{first:05d}", first=first)
    return asked


def test_of_the_planted_texts_these_many_go(tmp_path: Path) -> None:
    texts, keys = planted(), tmp_path / "keys"
    asked = write_all(texts, keys)

    def read(chosen: np.ndarray | None) -> Iterator[str]:
        return (text for n, text in enumerate(texts) if chosen is None or chosen[n])

    with Tables(tmp_path / "tables") as tables:
        found = removal_by_keys(tables, keys, read, asked, count=len(texts))
    # Equal: 43 in Tatar, 17 in Khmer. Near, in Tatar alone (the Khmer texts are too short): 28 with
    # a sentence more, one in capitals, one of two paragraphs. Of 24 such paragraphs 20 are left.
    lost = [len(each) for each in (found.exact.documents, found.near.documents)]
    assert [*lost, len(found.cuts.documents)] == [43 + 17, 28 + 1 + 1, 20]
