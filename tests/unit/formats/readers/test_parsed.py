"""Documents from units."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from text_samples import FRENCH, TATAR, kept, reasons, refused, write

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content, Origin
from endonym.formats.io.streams import Expansion
from endonym.formats.parsers.unit import Unit
from endonym.formats.readers import parsed, plain
from endonym.formats.readers.parsed import Parser, documents, read_parsed

BOOK = Parser("bad_parsers:units", "chapter", 0.5, is_joined=True)
PAGES = Parser("bad_parsers:units", "page", 0.5)
ORIGIN = Origin("probe", "a.odd", 1_000)


def made(found: list[Unit | Reject], parser: Parser, **keys: object) -> list[Document | Reject]:
    source = Source.model_validate({"name": "probe", "path": "a.odd", **keys})
    return list(documents(found, ORIGIN, source, parser))


UNITS: list[Unit | Reject] = [
    Unit(1, "\n\n".join(TATAR[:2]), {"title": "Әкият", "part": "x", "method": "a"}, 100),
    ORIGIN.reject("blank", "", record=2),
    Unit(3, TATAR[2], {"method": "b"}, 50),
]


def test_the_units_of_a_book_are_one_document_or_one_each():
    found = made(UNITS, BOOK)
    (document,) = [each for each in found if isinstance(each, Document)]
    assert document.text == "\n\n".join(TATAR[:3])
    assert document.meta == {"title": "Әкият", "chapters": "2", "method": "a+b"}
    assert (document.id, document.raw_bytes) == ("a.odd#1", 150)
    assert reasons(found) == {"blank": 1}
    ids = [each.id for part in ("page", "line") for each in made(UNITS, BOOK, document=part)]
    assert ids == [f"a.odd#{number}" for number in ("1", "2", "3", "2", "1.1", "1.3", "1.5")]


def test_units_that_are_no_book_stay_apart_and_may_be_divided():
    assert len(kept(made(UNITS, PAGES))) == 2
    found = made(UNITS, PAGES, document="blank_lines")
    assert kept(found) == TATAR[:3]
    ids = [each.id for each in found if isinstance(each, Document)]
    assert ids == ["a.odd#1.1", "a.odd#1.2", "a.odd#3.1"]
    assert sum(each.raw_bytes for each in found) == pytest.approx(150, abs=4)
    assert kept(made([Unit(1, "а\nб\n\nв")], PAGES, document="line")) == ["а", "б", "в"]
    verse = made([Unit(1, "а\n\nб\n\n\nв")], PAGES, document="blank_lines", blank_lines=2)
    assert kept(verse) == ["а\n\nб", "в"]


def test_parts_end_with_a_paragraph_and_a_speaker_stays_with_what_he_says(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(plain, "PART_BYTES", 300)
    speeches = [each for name in ("ХӘЛИЛ.", "ГАЛИЯБАНУ.") * 20 for each in (name, TATAR[1])]
    halves = [speeches[:31], speeches[31:]]  # the first page ends with the name of a speaker
    units: list[Unit | Reject] = [
        Unit(n, "\n\n".join(half), {"page": str(n)}, 500) for n, half in enumerate(halves, 1)
    ]
    units.insert(1, ORIGIN.reject("blank", "", record=2))
    found = made(units, BOOK, document="part")
    parts = [each for each in found if isinstance(each, Document)]
    assert "\n\n".join(kept(found)).split("\n\n") == speeches
    assert reasons(found) == {"blank": 1}
    assert {part.text.split("\n\n")[0] for part in parts} <= {"ХӘЛИЛ.", "ГАЛИЯБАНУ."}
    assert {part.text.split("\n\n")[-1] for part in parts} == {TATAR[1]}
    assert all(300 <= len(part.text.encode()) < 600 for part in parts[:-1])
    assert sum(part.raw_bytes for part in parts) == pytest.approx(1_000, rel=0.15)
    assert (parts[0].meta, parts[0].id) == ({"page": "1", "part_of": "a.odd"}, "a.odd#1")
    # One paragraph of many lines is divided all the same.
    verse = "\n".join(TATAR * 20)
    assert len(kept(made([Unit(1, verse)], BOOK, document="part"))) > 2
    # A heading, or the name of a speaker, goes with what follows.
    long = " ".join(TATAR * 99).encode()[:290].decode(errors="ignore")
    play = "\n\n".join([long, "ГАЛИМӘ", TATAR[0] * 3] * 6)
    parts = kept(made([Unit(1, play)], BOOK, document="part"))
    assert len(parts) > 2
    assert not any(each.endswith("ГАЛИМӘ") for each in parts)


def test_a_book_that_is_too_long_is_a_reject_and_is_not_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parsed, "MAX_DOCUMENT_BYTES", 2 + sum(map(len, TATAR)))
    units: list[Unit | Reject] = [Unit(n, each, {}, 10) for n, each in enumerate(TATAR, 1)]
    (refusal,) = refused(made(units, BOOK))
    assert (refusal.reason, refusal.raw_bytes) == ("too_long", 60)


def read(path: Path, raw_bytes: int, advance: list[int]) -> list[Document | Reject]:
    content = Content(iter(()), "", Expansion(raw_bytes), raw_bytes, path, advance.append)
    return list(read_parsed(content, ORIGIN, Source(name="probe", path="a.odd"), PAGES))


def test_what_is_lost_is_counted_as_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path, "a.odd", b"\x01" * 1_000)
    units = [
        Unit(1, TATAR[0], {}, 100),
        Unit(2, reason="parser_crashed", detail="x"),
        Unit(3, reason="redirect", raw_bytes=70),
        Unit(4, " \n ", {}, 30),
        Unit(0, reason="truncated"),
    ]

    def parsed_units(*_: object, **__: object) -> Iterator[Unit]:
        yield from units

    monkeypatch.setattr(parsed.isolation, "parsed_units", parsed_units)
    found = read(path, 1_000, [])
    assert [(each.id, getattr(each, "reason", ""), each.raw_bytes) for each in found] == [
        ("a.odd#1", "", 100),
        ("a.odd#2", "parser_crashed", len(TATAR[0]) * 2),
        ("a.odd#3", "redirect", 70),
        ("a.odd#4", "blank", 30),
        ("a.odd", "truncated", (1_000 - 200) // 2),
    ]
    units[:1] = []  # nothing was read that would tell how much text a unit has
    assert [each.raw_bytes for each in read(path, 500, [])] == [250, 35, 15, (500 - 50) // 2]


def test_a_file_is_read_by_its_parser_and_progress_is_told(tmp_path: Path):
    path = write(tmp_path, "a.odd", ["open", FRENCH[0], "raise", FRENCH[1]])
    advance: list[int] = []
    found = read(path, path.stat().st_size, advance)
    assert kept(found) == FRENCH[:2]
    assert [(each.reason, each.id) for each in refused(found)] == [("parser_failed", "a.odd#2")]
    assert sum(advance) == sum(len(each) for each in FRENCH[:2])
