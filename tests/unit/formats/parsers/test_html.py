"""Web pages: their encodings, their main text, what they say; files are in readers."""

from pathlib import Path

import pytest
from text_samples import FRENCH, KHMER, PERSIAN, TATAR, in_cp1256, write

from endonym.formats.parsers import html as module
from endonym.formats.parsers.html import declared, decoded, html_units, page_meta, page_text, parsed
from endonym.formats.parsers.unit import Refused


def test_a_page_is_one_unit_of_its_whole_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path, "a.html", f"<p>{TATAR[0]}</p>")
    (unit,) = html_units(str(path), 1, {})
    assert (unit.number, unit.text, unit.raw_bytes) == (1, TATAR[0], path.stat().st_size)
    assert list(html_units(str(path), 2, {})) == []
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", unit.raw_bytes - 1)
    with pytest.raises(Refused, match="bytes; a page may have"):
        html_units(str(path), 1, {})


def test_the_script_of_a_page_decides_on_its_encoding(tmp_path: Path):
    data = in_cp1256("\n".join(f"<p>{each}</p>" for each in PERSIAN))
    path = write(tmp_path, "a.html", data)
    (unit,) = html_units(str(path), 1, {"script": "arabic"})
    assert unit.meta["encoding"] == "cp1256"
    assert in_cp1256(PERSIAN[0]).decode("cp1256") in unit.text
    with pytest.raises(Refused, match="not UTF-8"):
        next(html_units(str(path), 1, {}))


MAILS = [
    "From: <Saved by Blink>\r\nSubject: Урман\r\nMIME-Version: 1.0\r\nContent-Type: "
    'multipart/related;\r\n\ttype="text/html"',
    "\nMIME-Version: 1.0\ncontent-type:\n multipart/related; boundary=x",
]


@pytest.mark.parametrize("head", MAILS)
def test_a_page_saved_as_a_mail_is_refused(tmp_path: Path, head: str):
    saved = f"{head}\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>{TATAR[0]}</p>"
    (unit,) = html_units(str(write(tmp_path, "a.html", saved)), 1, {})
    assert (unit.text, unit.reason) == ("", "unsupported_format")
    assert unit.raw_bytes == len(saved.encode())
    assert unit.detail == "a web page saved as MHTML; save it as HTML"
    (unit,) = html_units(str(write(tmp_path, "b.html", f"<pre>{saved}</pre>")), 1, {})
    assert TATAR[0] in unit.text


def test_utf8_is_taken_as_such_whatever_page_or_server_say():
    data = f'<meta charset="iso-8859-1"><p>{FRENCH[0]}'.encode()
    assert decoded(data, "windows-1252", None) == (data.decode(), "utf-8")
    assert decoded(b"\xef\xbb\xbf" + data, "iso-2022-jp", None)[0] == data.decode()
    # But for letters that are written in ASCII; and what is not UTF-8 is looked at.
    assert decoded("日本語".encode("iso-2022-jp"), "iso-2022-jp", None)[0] == "日本語"
    assert decoded(in_cp1256("\n".join(PERSIAN)), "utf-8", None, "arabic")[1] == "cp1256"


DECLARED = [
    ("<meta charset=windows-1251>", "", "cp1251"),
    ("<META HTTP-EQUIV=x CONTENT='text/html; charset=koi8-r'>", "", "koi8-r"),
    ('<?xml version="1.0" encoding="ISO-8859-1"?>', "", "cp1252"),
    ("<meta charset=windows-1251>", "koi8-r", "koi8-r"),
    ("<meta charset=rot13>", " 'KOI8-R' ", "koi8-r"), ("<meta charset=idna>", "utf-7", ""),
    ("<meta charset=gb2312>", "", "gbk"), ("<meta charset=x-unknown>", "idna2", ""), ("", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("head", "of_server", "name"), DECLARED)
def test_what_is_declared_is_pythons_name(head: str, of_server: str, name: str):
    assert declared(head.encode(), of_server) == name


@pytest.mark.parametrize("sentences", [TATAR, FRENCH, KHMER])
@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_known_by_its_signs(sentences: list[str], name: str):
    for html in (f"<p>{sentences[0]}</p><p>{sentences[1]}</p>", f"<p>{sentences[0][:4]}/"):
        for server in (None, name, "utf-8"):
            assert decoded(html.encode(name), server, None) == (html, name)


def test_a_declared_encoding_that_does_not_fit_is_refused():
    for of_server in ("cp1253", None):
        with pytest.raises(Refused) as caught:
            decoded(bytes(range(128, 256)) * 4, of_server, None)
        assert of_server is None or caught.value.reason == "invalid_bytes"
    whole = "中文" * 49  # Of a hundred letters two may mean nothing.
    assert decoded(whole.encode("gbk") + b"\xff" * 2, "gbk", None) == (whole + "\ufffd" * 2, "gbk")
    with pytest.raises(Refused, match="says that it is gbk"):
        decoded(whole.encode("gbk") + b"\xff" * 3, "gbk", None)


def test_paragraphs_stand_apart_and_khmer_marks_stay():
    marked = KHMER[0].replace("ខ្ញុំ", "\u200bខ្ញុំ\u200b")
    html = f"<html><body><p>{marked}</p><p>{TATAR[0]}<br>{TATAR[1]}</p></body></html>"
    assert page_text(parsed(html), only_main=False) == f"{marked}\n\n{TATAR[0]}\n{TATAR[1]}"
    beside = (
        "<ul><li>Алма  \t бар</ul><img alt=рәсем><noscript>юк</noscript><div class=pager>2</div>"
    )
    whole = parsed(f"<html><body><pre>Бер   ике</pre>{beside}</body></html>")
    assert page_text(whole, only_main=False) == "Бер ике\nАлма бар\n2"
    # One of nothing but short lines is read as a whole.
    assert page_text(parsed("<html><body><a href=x>Баш бит</a></body></html>")) == "Баш бит"


def test_a_page_says_title_language_address_and_date():
    html = (
        "<html lang=tt><head><title> Кояш\n чыкты </title>"
        "<link rel=canonical href='https://a.b/c'>"
        "<meta property='Article:Published_Time' content='2026-01-02'>"
        "<meta name=date content='1999'></head></html>"
    )
    said = {"title": "Кояш чыкты", "language": "tt", "url": "https://a.b/c", "date": "2026-01-02"}
    assert page_meta(parsed(html)) == said
    assert page_meta(parsed("")) == {}
    assert page_meta(parsed(f"<title>{'а' * 999}</title>")) == {"title": "а" * 300}
