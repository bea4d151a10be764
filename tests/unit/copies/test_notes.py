"""What a corpus says of copies and evaluation texts."""

from pathlib import Path
from typing import Any

from endonym.copies.notes import copies, distinct_names, kept_out, kept_out_of, staying_texts

FILE = {
    "file": "eval.txt", "texts": 60, "too_short": 0, "dropped_documents": 30, "cut_documents": 1,
    "runs": 490, "overlap": 0.0123,
}  # fmt: skip


def card(**found: Any) -> dict[str, Any]:
    return {"total": {"dropped": {}, "rules": {}}, **found}


def test_a_file_is_known_by_its_name_wherever_it_lies() -> None:
    known = card(decontamination=[FILE, {**FILE, "file": "b.txt"}])
    assert list(kept_out(known)) == ["eval.txt", "b.txt"]
    (said,) = kept_out_of(known, "../texts/eval.txt")
    assert said == (
        "Overlap with eval.txt was looked for in the corpus: 30 documents dropped and "
        "1 document shortened for it. 1.2 % of its runs of eight words still stand in the corpus."
    )
    assert kept_out_of(known, "other.txt") == kept_out_of({}, "eval.txt") == []


def test_files_of_one_name_have_an_account_each() -> None:
    paths = [Path("/a/ro/test.txt"), Path("/a/tt/test.txt"), Path("/a/tt/dev.txt")]
    assert distinct_names(paths) == ["ro/test.txt", "tt/test.txt", "dev.txt"]
    assert distinct_names([Path("/a/test.txt")] * 2) == ["test.txt", "test.txt"]
    assert distinct_names([Path("/test.txt"), Path("/a/test.txt")]) == ["/test.txt", "a/test.txt"]
    names = distinct_names(paths)
    known = card(decontamination=[{**FILE, "file": name} for name in names])
    for asked in ("../ro/test.txt", "ro/test.txt", "/a/ro/test.txt"):
        (said,) = kept_out_of(known, asked)
        assert said.startswith("Overlap with ro/test.txt ")
    assert len(kept_out_of(known, "test.txt")) == 2
    assert kept_out_of(known, "fr/test.txt") == []


def test_what_was_not_compared_is_said() -> None:
    none = {**FILE, "dropped_documents": 0, "cut_documents": 0, "too_short": 12}
    assert "no document had any. " in kept_out(card(decontamination=[none]))["eval.txt"]
    said = kept_out(card(decontamination=[none]))["eval.txt"]
    assert said.endswith("; 12 of its 60 texts are too short to be compared.")
    every = {**none, "runs": 0, "overlap": 0.0}
    said = kept_out(card(decontamination=[every]))["eval.txt"]
    assert said.endswith(": no document had any. All its texts are too short to be compared.")


def test_copies_are_counted_with_what_was_left_uncompared() -> None:
    assert copies(card()) == []
    near = {"similarity": 0.8, "crowded": 0, "clusters": 3, "largest": 5}
    known = card(near=near)
    assert copies(known) == []
    known["total"]["dropped"] = {"near": {"records": 9, "bytes": 1}}
    known["total"]["rules"] = {"paragraphs": {"parts": 3}, "near": {"parts": 0}}
    known["total"]["rules"]["decontaminate"] = {"parts": 2}
    first, repeated, overlapping = copies(known)
    said = "(similarity from 0.8 on; the most of one are 4)."
    assert first == f"Near copies dropped: 9, of 3 documents that stay {said}"
    assert repeated == "3 paragraphs that stood in an earlier document were taken out of documents."
    assert overlapping.startswith("2 paragraphs that overlap with evaluation texts were taken")
    known["near"] = {**near, "crowded": 7}
    assert "7 documents resemble so many others" in copies(known)[1]


def test_a_corpus_without_such_files_has_none(tmp_path: Path) -> None:
    assert staying_texts(tmp_path, {"a/b#1"}) == {}
