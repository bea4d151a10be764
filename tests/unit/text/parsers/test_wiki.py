"""Dumps, page by page; whole files are in readers/test_wiki.py."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from made_documents import dump
from text_samples import TATAR, write

from endonym.text.parsers.unit import Unit
from endonym.text.parsers.wiki import END, documents, units


def parsed(folder: Path, start: int, count: int) -> list[Unit | None]:
    pages = [(f"{n}", "0", TATAR[n % 6]) for n in range(count)]
    return list(units(str(write(folder, "a.xml", dump(pages))), start, {}))


def test_units_begin_where_they_are_asked_to_and_passing_over_is_said(tmp_path: Path):
    found = parsed(tmp_path, 450, 500)
    assert [each.number for each in found if each is not None] == list(range(450, 501))
    assert found[:2] == [None, None]


def pieces(text: bytes, size: int) -> Iterable[bytes]:
    return (text[n : n + size] for n in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 5, 13, 1_000])
def test_documents_are_parted_wherever_the_pieces_end(size: int):
    one, other = b"<?xml?><mediawiki>a" + END, b"<mediawiki>b" + END
    found = list(documents(iter(pieces(one + b"\n \n" + other + b"\n", size))))
    joined = b"".join(piece + (b"|" if is_end else b"") for piece, is_end in found)
    assert joined == one + b"|" + other + b"|"
