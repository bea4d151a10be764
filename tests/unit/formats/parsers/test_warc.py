"""Web archives, answer by answer; whole files are in readers/test_dumps.py."""

from pathlib import Path

import pytest
from made_documents import arc, http, warc, xhtml
from text_samples import PERSIAN, TATAR, in_cp1256, write

from endonym.formats.io.streams import Feed
from endonym.formats.parsers import warc as module
from endonym.formats.parsers.unit import Refused, Unit
from endonym.formats.parsers.warc import Record, arc_records, warc_units

PAGE = http(xhtml(TATAR[:1]).encode())
BODY = TATAR[0].encode()
HTML = "Content-Type: text/html"


def units(folder: Path, answer: bytes, **options: str) -> list[Unit | None]:
    """The units of an archive of one answer."""
    path = write(folder, "a.warc", warc([("response", "http://a", answer)]))
    return [*warc_units(str(path), 1, options)]


def test_units_begin_where_they_are_asked_to(tmp_path: Path):
    data = warc([("response", f"http://a/{n}", PAGE) for n in range(250)])
    path = write(tmp_path, "a.warc", data)
    found = list(warc_units(str(path), 240, {}))
    assert [each.number for each in found if each is not None] == list(range(240, 251))
    assert found[:2] == [None, None]
    older = write(tmp_path, "a.arc", arc([(f"http://a/{n}", PAGE) for n in range(9)]))
    assert [each and each.number for each in warc_units(str(older), 8, {})][-3:] == [None, 8, 9]


def test_the_recipe_the_script_and_the_server_decide_on_the_encoding_of_a_page(tmp_path: Path):
    (unit,) = units(tmp_path, http(f"<p>{TATAR[0]}</p>".encode("utf-16-le")), encoding="utf-16-le")
    assert unit.text == TATAR[0]
    persian = http(in_cp1256("\n".join(f"<p>{each}</p>" for each in PERSIAN)), HTML)
    found = [*units(tmp_path, persian, script="arabic"), *units(tmp_path, persian)]
    said = [(each.reason, each.meta.get("encoding")) for each in found if each is not None]
    assert said == [("", "cp1256"), ("unknown_encoding", None)]
    text = "Утром мы пошли в лес, потому что погода была очень хорошая."
    (unit,) = units(tmp_path, http(f"<p>{text}</p>".encode("koi8-r"), f"{HTML}; charset=koi8-r"))
    assert (unit.text, unit.meta["encoding"]) == (text, "koi8-r")


def test_a_page_whose_body_was_cut_is_no_document(tmp_path: Path):
    body = b"fff\r\n" + xhtml(TATAR[:1]).encode()
    (unit,) = units(tmp_path, http(body, f"{HTML}\r\nTransfer-Encoding: chunked"))
    assert (unit.reason, unit.text) == ("truncated", "")


def test_an_archive_that_ends_in_the_head_of_a_record_is_refused(tmp_path: Path):
    data = warc([("response", f"http://a/{n}", PAGE) for n in range(2)])
    path = write(tmp_path, "a.warc", data[: data.index(b"WARC/1", 10) + 60])
    found = warc_units(str(path), 1, {})
    first = next(found)
    assert first.number == 1
    with pytest.raises(Refused, match="ends early"):
        list(found)


def read(data: bytes) -> list[Record]:
    """The records of an ARC that comes in small pieces."""
    return [*arc_records(Feed(iter([data[n : n + 50] for n in range(0, len(data), 50)])))]


def test_records_of_arc_have_address_kind_date_and_content(monkeypatch: pytest.MonkeyPatch):
    whole = arc([("http://a.b/", BODY)])
    for data in (whole, b"\n\r\n  \n" + whole + b"\n\n"):
        head, found = read(data)
        assert head.meta["url"].startswith("filedesc:")
        meta = {"url": "http://a.b/", "date": "20260102030405", "method": "arc"}
        assert found == (BODY, len(BODY), "text/html", meta)
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 100)  # of a long one only so much is held
    *_, found = read(arc([("http://a.b/", BODY * 90)]))
    assert (len(found.data), found.size) == (100, len(BODY) * 90)


NOT_WHOLE = [
    (arc([("http://a.b/", BODY)])[:-30], "truncated"),
    (b"no head at all\n", "damaged"),
    (b"http://a 1 2 3 x5\n", "damaged"),
    (b"x" * 100_000, "damaged"),
]


@pytest.mark.parametrize(("data", "reason"), NOT_WHOLE)
def test_what_is_no_whole_record_of_arc_is_refused(data: bytes, reason: str):
    with pytest.raises(Refused) as caught:
        read(data)
    assert caught.value.reason == reason
