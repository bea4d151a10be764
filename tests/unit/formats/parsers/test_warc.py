"""Web archives, answer by answer; whole files are in readers/test_warc.py."""

from pathlib import Path

import pytest
from made_documents import arc, http, warc, xhtml
from text_samples import PERSIAN, TATAR, in_cp1256, write

from endonym.formats.parsers.unit import Refused
from endonym.formats.parsers.warc import warc_units

PAGE = http(xhtml(TATAR[:1]).encode())


def test_units_begin_where_they_are_asked_to(tmp_path: Path):
    records = [("response", f"http://a/{n}", PAGE) for n in range(250)]
    path = write(tmp_path, "a.warc", warc(records))
    found = list(warc_units(str(path), 240, {}))
    assert [each.number for each in found if each is not None] == list(range(240, 251))
    assert found[:2] == [None, None]
    older = write(tmp_path, "a.arc", arc([(f"http://a/{n}", PAGE) for n in range(9)]))
    numbers = [each.number for each in warc_units(str(older), 8, {}) if each is not None]
    assert numbers == [8, 9]


def test_an_encoding_of_the_recipe_holds_for_every_page(tmp_path: Path):
    body = f"<p>{TATAR[0]}</p>".encode("utf-16-le")
    path = write(tmp_path, "a.warc", warc([("response", "http://a", http(body))]))
    (unit,) = warc_units(str(path), 1, {"encoding": "utf-16-le"})
    assert unit is not None
    assert unit.text == TATAR[0]


def test_the_script_of_an_archive_decides_on_the_encoding_of_its_pages(tmp_path: Path):
    body = in_cp1256("\n".join(f"<p>{each}</p>" for each in PERSIAN))
    path = write(
        tmp_path, "a.warc", warc([("response", "http://a", http(body, "Content-Type: text/html"))])
    )
    found = [*warc_units(str(path), 1, {"script": "arabic"}), *warc_units(str(path), 1, {})]
    assert [(each.reason, each.meta.get("encoding")) for each in found if each is not None] == [
        ("", "cp1256"),
        ("unknown_encoding", None),
    ]


def test_the_servers_word_on_the_encoding_counts_where_it_is_not_utf8(tmp_path: Path):
    text = "Утром мы пошли в лес, потому что погода была очень хорошая."
    head = "Content-Type: text/html; charset=koi8-r"
    data = warc([("response", "http://a", http(f"<p>{text}</p>".encode("koi8-r"), head))])
    (unit,) = warc_units(str(write(tmp_path, "a.warc", data)), 1, {})
    assert unit is not None
    assert (unit.text, unit.meta["encoding"]) == (text, "koi8-r")


def test_a_page_whose_body_was_cut_is_no_document(tmp_path: Path):
    body = b"fff\r\n" + xhtml(TATAR[:1]).encode()
    cut = http(body, "Content-Type: text/html\r\nTransfer-Encoding: chunked")
    path = write(tmp_path, "a.warc", warc([("response", "http://a/1", cut)]))
    (unit,) = warc_units(str(path), 1, {})
    assert unit is not None
    assert (unit.reason, unit.text) == ("truncated", "")


def test_an_archive_that_ends_in_the_head_of_a_record_is_refused(tmp_path: Path):
    data = warc([("response", f"http://a/{n}", PAGE) for n in range(2)])
    head = data.index(b"WARC/1", 10)
    path = write(tmp_path, "a.warc", data[: head + 60])
    found = warc_units(str(path), 1, {})
    first = next(found)
    assert first is not None
    assert first.number == 1
    with pytest.raises(Refused, match="ends early"):
        list(found)
