"""Everything that goes because it stands elsewhere, in its order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from text_samples import FRENCH, ROMANIAN, TATAR

from endonym.copies.keys import CopyRules, Kind, write_keys
from endonym.copies.removal import Removal, removal_by_keys
from endonym.copies.tables import Tables

LONG, OTHER, THIRD = " ".join(TATAR), " ".join(FRENCH), " ".join(ROMANIAN)


def found(folder: Path, texts: list[str], *kinds: Kind) -> Removal:
    def read(chosen: np.ndarray | None) -> Iterator[str]:
        return (text for n, text in enumerate(texts) if chosen is None or chosen[n])

    rules = CopyRules(frozenset(kinds))
    with Tables(folder / "work") as tables:
        keys = tables.folder / "keys"
        keys.mkdir()
        write_keys(texts, rules, keys / "all")
        return removal_by_keys(tables, keys, read, rules, count=len(texts))


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
