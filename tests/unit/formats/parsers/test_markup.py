"""Encodings of pages, their main text, and what they say of themselves."""

import pytest
from text_samples import FRENCH, KHMER, TATAR

from endonym.formats.parsers.markup import (
    declared,
    decoded,
    page_meta,
    page_text,
    readable,
    whole_text,
)
from endonym.formats.parsers.unit import Refused


def test_utf8_is_taken_as_such_whatever_page_or_server_say():
    data = f'<meta charset="iso-8859-1"><p>{FRENCH[0]}'.encode()
    assert decoded(data, "windows-1252", None) == (data.decode(), "utf-8")
    assert decoded(b"\xef\xbb\xbf" + data, None, None)[0] == data.decode()


@pytest.mark.parametrize(
    ("head", "of_server", "name"),
    [
        ("<meta charset=windows-1251>", "", "cp1251"),
        ("<META HTTP-EQUIV=x CONTENT='text/html; charset=koi8-r'>", "", "koi8-r"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "", "cp1252"),
        ("<meta charset=windows-1251>", "koi8-r", "koi8-r"),
        ("<meta charset=rot13>", "", ""),
        ("<meta charset=idna>", "utf-7", ""),
        ("<meta charset=gb2312>", "", "gbk"),
        ("<meta charset=x-unknown>", "idna2", ""),
        ("", "", ""),
    ],
)
def test_what_is_declared_is_pythons_name(head: str, of_server: str, name: str):
    assert declared(head.encode(), of_server) == name


@pytest.mark.parametrize("sentences", [TATAR, FRENCH, KHMER])
@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_known_by_its_signs(sentences: list[str], name: str):
    html = f"<html><body><p>{sentences[0]}</p><p>{sentences[1]}</p></body></html>"
    for server in (None, name, "utf-8"):
        assert decoded(html.encode(name), server, None) == (html, name)


def test_a_declared_encoding_that_does_not_fit_is_refused():
    with pytest.raises(Refused, match="says that it is") as caught:
        readable(bytes(range(128, 256)) * 4, "cp1253")
    assert caught.value.reason == "invalid_bytes"
    with pytest.raises(Refused):
        decoded(bytes(range(128, 256)) * 4, None, None)


def test_paragraphs_stand_apart_and_khmer_marks_stay():
    marked = KHMER[0].replace("ខ្ញុំ", "\u200bខ្ញុំ\u200b")
    html = f"<html><body><p>{marked}</p><p>{TATAR[0]}<br>{TATAR[1]}</p></body></html>"
    assert whole_text(html) == f"{marked}\n\n{TATAR[0]}\n{TATAR[1]}"


def test_a_page_of_nothing_but_short_lines_is_read_as_a_whole():
    assert page_text("<html><body><a href=x>Баш бит</a></body></html>") == "Баш бит"


def test_a_page_says_title_language_address_and_date():
    html = (
        "<html lang=tt><head><title> Кояш\n чыкты </title>"
        "<link rel=canonical href='https://a.b/c'>"
        "<meta property='article:published_time' content='2026-01-02'></head></html>"
    )
    assert page_meta(html) == {
        "title": "Кояш чыкты",
        "language": "tt",
        "url": "https://a.b/c",
        "date": "2026-01-02",
    }
    assert page_meta("") == {}
