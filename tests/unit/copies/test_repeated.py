"""Texts and paragraphs that stood before."""

from pathlib import Path

import numpy as np
from text_samples import FRENCH, TATAR

from endonym.copies.keys import CopyRules, key_files, write_keys
from endonym.copies.removal import repeated_paragraphs, repeated_texts
from endonym.copies.tables import Tables

NONE = np.zeros(0, dtype=np.int64)
LONG, OTHER, THIRD = " ".join(TATAR), " ".join(FRENCH), " ".join(TATAR[::-1])


def test_the_first_of_equal_texts_stays_whatever_the_order_of_files(tmp_path: Path) -> None:
    texts = [TATAR[0], TATAR[1], TATAR[0], f"{TATAR[1]} ", TATAR[0], TATAR[1]]
    for first in (4, 2, 0):
        asked = CopyRules(frozenset({"exact"}))
        write_keys(texts[first : first + 2], asked, tmp_path / f"{first}", first=first)
    files = key_files(tmp_path, "exact")
    with Tables(tmp_path / "work") as tables:
        for some in (files, files[::-1]):
            found = repeated_texts(tables, some)
            assert found.documents.tolist() == [2, 4, 5]
            assert found.stayed.tolist() == [0, 0, 1]
            assert (found.similarity == 1).all()


def cut(folder: Path, texts: list[str], gone: np.ndarray = NONE) -> list[tuple[int, int]]:
    write_keys(texts, CopyRules(frozenset({"paragraphs"})), folder / "0")
    with Tables(folder / "work") as tables:
        found = repeated_paragraphs(tables, key_files(folder, "paragraphs"), gone)
    return list(zip(found.documents.tolist(), found.paragraphs.tolist(), strict=True))


def test_paragraphs_of_earlier_documents_go_and_those_of_the_first_stay(tmp_path: Path) -> None:
    texts = [f"{LONG}\n\n{OTHER}", THIRD, f"{TATAR[0]}\n\n{LONG.upper()}", f"{OTHER}\n\n{LONG}"]
    assert cut(tmp_path, texts) == [(2, 1), (3, 0), (3, 1)]


def test_a_refrain_within_one_document_stays_and_goes_from_the_next(tmp_path: Path) -> None:
    assert cut(tmp_path, [f"{LONG}\n\n{OTHER}\n\n{LONG}", f"{LONG}\n\n{LONG}"]) == [(1, 0), (1, 1)]


def test_a_document_that_is_dropped_saves_no_paragraph_of_others(tmp_path: Path) -> None:
    texts = [LONG, f"{LONG}\n\n{OTHER}", LONG]
    assert cut(tmp_path, texts, np.array([0])) == [(2, 0)]
