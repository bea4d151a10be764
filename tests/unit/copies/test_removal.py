"""Everything that goes because it stands elsewhere, in its order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from text_samples import FRENCH, ROMANIAN, TATAR

from endonym.copies.keys import Kind, key_files, write_keys
from endonym.copies.removal import Removal, removal_by_keys, repeated_paragraphs, repeated_texts
from endonym.copies.tables import Tables
from endonym.formats.config import Clean

LONG, OTHER, THIRD = " ".join(TATAR), " ".join(FRENCH), " ".join(ROMANIAN)


def found(folder: Path, texts: list[str], *kinds: Kind) -> Removal:
    def read(numbers: np.ndarray) -> Iterator[str]:
        return (texts[number] for number in numbers.tolist())

    clean = Clean(dedup=kinds)
    with Tables(folder / "work") as tables:
        keys = tables.folder / "keys"
        keys.mkdir()
        for first, last in ((0, 3), (3, len(texts))):
            write_keys(texts[first:last], clean, keys / f"{first}", first=first)
        return removal_by_keys(tables, keys, read, clean.near_similarity)


TEXTS = [LONG, OTHER, LONG, LONG.upper(), f"{LONG}\n\n{THIRD}\n\n{OTHER}", f"{LONG} Шул гына."]


def test_each_kind_finds_its_own(tmp_path: Path) -> None:
    assert found(tmp_path, TEXTS, "exact").exact.documents.tolist() == [2]
    assert found(tmp_path, TEXTS, "near").near.documents.tolist() == [0, 2, 3]
    assert found(tmp_path, TEXTS, "paragraphs").cuts.documents.tolist() == [2, 3, 4, 4]
    nothing = found(tmp_path, [], "exact", "near", "paragraphs")
    assert not len(nothing.exact.documents) + len(nothing.near.documents)


def test_copies_go_first_and_paragraphs_of_what_is_left(tmp_path: Path) -> None:
    every = found(tmp_path, TEXTS, "paragraphs", "near", "exact")
    assert every.exact.documents.tolist() == [2]
    assert every.near.documents.tolist() == [0, 3]
    cuts = zip(every.cuts.documents.tolist(), every.cuts.paragraphs.tolist(), strict=True)
    assert list(cuts) == [(4, 2)]


def test_an_exact_copy_names_the_text_that_stays_in_the_end(tmp_path: Path) -> None:
    every = found(tmp_path, TEXTS, "near", "exact")
    assert every.exact.stayed.tolist() == [5]
    assert every.near.stayed.tolist() == [5, 5]


def test_what_paragraphs_leave_of_several_documents_stays_once(tmp_path: Path) -> None:
    foot = "Барлык хокуклар сакланган."
    texts = [LONG, *[f"{LONG}\n\n{foot}"] * 2, f"{OTHER}\n\n{LONG}", f"{LONG}\n\n{foot}\n", OTHER]
    every = found(tmp_path / "a", texts, "paragraphs")
    assert every.cuts.documents.tolist() == [1, 2, 3, 4, 5]
    assert every.emptied.tolist() == [2, 4]
    with_exact = found(tmp_path / "b", [*texts[:5], foot], "paragraphs", "exact")
    assert with_exact.exact.documents.tolist() == [2]
    assert with_exact.emptied.tolist() == [1, 4]
    # A text that itself loses a paragraph stands nowhere else.
    texts = [OTHER, f"{OTHER}\n\n{LONG}\n\n{foot}", f"{LONG}\n\n{foot}"]
    assert found(tmp_path / "c", texts, "paragraphs", "exact").emptied.tolist() == []


NONE = np.zeros(0, dtype=np.int64)
LONG, OTHER, THIRD = " ".join(TATAR), " ".join(FRENCH), " ".join(TATAR[::-1])


def test_the_first_of_equal_texts_stays_whatever_the_order_of_files(tmp_path: Path) -> None:
    texts = [TATAR[0], TATAR[1], TATAR[0], f"{TATAR[1]} ", TATAR[0], TATAR[1]]
    for first in (4, 2, 0):
        asked = Clean(dedup=("exact",))
        write_keys(texts[first : first + 2], asked, tmp_path / f"{first}", first=first)
    files = key_files(tmp_path, "exact")
    with Tables(tmp_path / "work") as tables:
        for some in (files, files[::-1]):
            found = repeated_texts(tables, some)
            assert found.documents.tolist() == [2, 4, 5]
            assert found.stayed.tolist() == [0, 0, 1]
            assert (found.similarity == 1).all()


def cut(folder: Path, texts: list[str], gone: np.ndarray = NONE) -> list[tuple[int, int]]:
    write_keys(texts, Clean(dedup=("paragraphs",)), folder / "0")
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
