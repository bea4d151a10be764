"""Rows of a cleaned chunk."""

import json
from pathlib import Path

from text_samples import ROMANIAN, TATAR

from endonym.copies.held_out.split import digest
from endonym.corpus.cleaned import Cleaned
from endonym.formats.chunks import read_chunk
from endonym.formats.document import ARTICLE, Document, Reject


def test_documents_and_rejects_are_written_in_their_order(tmp_path: Path) -> None:
    rows = Cleaned("ил", 7)
    meta = json.dumps({ARTICLE: "tat#3", "title": "Таң"})
    rows.add(Document(TATAR[0], "a#1", "ил", rows.noted(meta)), meta, 4, 99)
    gone = Reject("near", "a#2", "ил", "similarity 0.9", ROMANIAN[0], stayed="ил/a#1")
    rows.add(gone, meta, 4, 50)
    rows.write(tmp_path, "0")
    first, second = read_chunk(tmp_path / "0.arrow").to_pylist()
    assert rows.documents == 1
    assert (first["text"], first["meta"], first["size"], first["file"]) == (TATAR[0], meta, 99, 4)
    assert first["digest"] == digest(TATAR[0].encode(), 7)
    assert first["article"] == digest(b"tat#3", 7)
    assert (second["reason"], second["stayed"], second["meta"]) == ("near", "ил/a#1", None)
    assert (second["digest"], second["article"]) == (None, None)


def test_notes_are_read_once_for_neighbours_that_share_them() -> None:
    rows = Cleaned("ил", 7)
    meta = '{"method": "txt"}'
    assert rows.noted(meta) is rows.noted(meta)
    assert rows.noted('{"method": "csv"}') == {"method": "csv"}
