"""Documents from units."""

from pathlib import Path

import pytest
from text_samples import FRENCH, TATAR, kept, reasons, refused, write

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Expansion
from endonym.formats.parsers.unit import Unit
from endonym.formats.readers import parsed
from endonym.formats.readers.parsed import Parser, Tally, documents, read_parsed

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
    assert kept(found) == ["\n\n".join(TATAR[:3])]
    (document,) = [each for each in found if isinstance(each, Document)]
    assert document.meta == {"title": "Әкият", "chapters": "2", "method": "a+b"}
    assert (document.id, document.raw_bytes) == ("a.odd#1", 150)
    assert reasons(found) == {"blank": 1}
    assert [each.id for each in made(UNITS, BOOK, document="page")] == [
        *("a.odd#1", "a.odd#2", "a.odd#3"),
    ]


def test_units_that_are_no_book_stay_apart_and_may_be_divided():
    assert len(kept(made(UNITS, PAGES))) == 2
    found = made(UNITS, PAGES, document="blank_lines")
    assert kept(found) == TATAR[:3]
    assert [each.id for each in found if isinstance(each, Document)] == [
        *("a.odd#1.1", "a.odd#1.2", "a.odd#3.1"),
    ]
    assert kept(made([Unit(1, "а\nб\n\nв")], PAGES, document="line")) == ["а", "б", "в"]
    assert kept(made([Unit(1, "а\n\nб\n\n\nв")], PAGES, document="blank_lines", blank_lines=2)) == [
        "а\n\nб",
        "в",
    ]


def test_a_book_that_is_too_long_is_a_reject_and_is_not_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parsed, "MAX_DOCUMENT_BYTES", 100)
    units: list[Unit | Reject] = [Unit(n, each, {}, 10) for n, each in enumerate(TATAR, 1)]
    (refusal,) = made(units, BOOK)
    assert isinstance(refusal, Reject)
    assert (refusal.reason, refusal.raw_bytes) == ("too_long", 60)


def test_what_is_lost_is_counted_as_the_text_it_would_have_had():
    tally = Tally(ORIGIN, PAGES, 1_000)
    assert isinstance(tally.taken(Unit(1, TATAR[0], {}, 100)), Unit)
    lost = tally.taken(Unit(2, reason="parser_crashed", detail="x"))
    assert isinstance(lost, Reject)
    assert lost.raw_bytes == len(TATAR[0]) * 2
    passed = tally.taken(Unit(3, reason="redirect", raw_bytes=70))
    assert isinstance(passed, Reject)
    assert passed.raw_bytes == 70
    rest = tally.taken(Unit(0, reason="truncated"))
    assert isinstance(rest, Reject)
    assert (rest.id, rest.raw_bytes) == ("a.odd", (1_000 - 170) // 2)


def test_a_file_is_read_by_its_parser_and_progress_is_told(tmp_path: Path):
    path = write(tmp_path, "a.odd", ["open", FRENCH[0], "raise", FRENCH[1]])
    told: list[int] = []
    size = path.stat().st_size
    content = Content(iter(()), "", Expansion(size), path, size, told.append)
    source = Source(name="probe", path="a.odd")
    found = list(read_parsed(content, ORIGIN, source, PAGES))
    assert kept(found) == FRENCH[:2]
    assert [each.reason for each in refused(found)] == ["parser_failed"]
    assert refused(found)[0].id == "a.odd#2"
    assert sum(told) == sum(len(each) for each in FRENCH[:2])


def test_a_unit_with_a_reason_or_without_a_visible_sign_is_a_reject():
    tally = Tally(Origin("one", "a.pdf", 1000), Parser("module", "page", text_share=0.5), 1000)
    for unit, reason in (
        (Unit(1, TATAR[0], {}, 100), None),
        (Unit(2, TATAR[0], {}, 100, "too_long", "so long"), "too_long"),
        (Unit(3, " \n ", {}, 100), "blank"),
    ):
        found = tally.taken(unit)
        assert (found.reason if isinstance(found, Reject) else None) == reason
    assert (tally.texts, tally.text_bytes, tally.used) == (1, 2 * len(TATAR[0]), 300)
