"""Dumps, page by page; whole files are in readers/test_dumps.py."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from made_documents import dump
from text_samples import TATAR, kept, records, refused, write

from endonym.formats.parsers import wiki
from endonym.formats.parsers.unit import Refused, Unit
from endonym.formats.parsers.wiki import divided, wiki_units


def parsed(folder: Path, start: int, count: int) -> list[Unit | None]:
    pages = [(f"{n}", "0", TATAR[n % 6]) for n in range(count)]
    return list(wiki_units(str(write(folder, "a.xml", dump(pages))), start, {}))


def test_units_begin_where_they_are_asked_to_and_passing_over_is_said(tmp_path: Path):
    found = parsed(tmp_path, 450, 500)
    assert [each.number for each in found if each is not None] == list(range(450, 501))
    assert found[:2] == [None, None]


def pieces(text: bytes, size: int) -> Iterable[bytes]:
    return (text[n : n + size] for n in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 5, 13, 1_000])
def test_pages_are_parted_wherever_the_pieces_end(size: int):
    one = b"<mediawiki><siteinfo/><page>a</page>\n<page>b</page></mediawiki>\n"
    found = list(divided(iter(pieces(one + one, size))))
    assert [page for _, page in found] == [b"<page>a</page>", b"<page>b</page>"] * 2
    assert b"".join(before + page for before, page in found) + b"</mediawiki>\n" == one + one


def reasons_of(folder: Path, text: str | bytes) -> list[tuple[int, str, str]]:
    path = write(folder, "a.xml", text)
    found = [each for each in wiki_units(str(path), 1, {}) if each is not None]
    assert sum(each.raw_bytes for each in found) == path.stat().st_size
    return [(each.number, each.text, each.reason) for each in found]


@pytest.mark.parametrize(
    "bad",
    ["&юк;", "\x01", "<b>", "</text>", "<page>" * 100_000, "&#xD800;", "ә" * 5_100_000],
    ids=["entity", "control", "open", "closed", "deep", "half", "long"],
)
def test_a_page_that_is_no_xml_loses_nothing_but_itself(tmp_path: Path, bad: str):
    whole = dump([("А", "0", TATAR[0]), ("Б", "0", "БОЗЫК"), ("В", "0", TATAR[1])])
    found = reasons_of(tmp_path, whole.replace("БОЗЫК", bad))
    assert found == [(1, TATAR[0], ""), (2, "", "damaged"), (3, TATAR[1], "")]


def test_a_page_without_end_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wiki, "MAX_PAGE_BYTES", 200_000)
    pages = [("А", "0", TATAR[0]), ("Б", "0", TATAR[2] * 9_000), ("В", "0", TATAR[1])]
    found = reasons_of(tmp_path, dump(pages))
    assert found == [(1, TATAR[0], ""), (2, "", "too_long"), (3, TATAR[1], "")]


def test_a_dump_that_ends_between_two_pages_is_said_to_end_early(tmp_path: Path):
    whole = dump([("А", "0", TATAR[0])]).removesuffix("</mediawiki>")
    with pytest.raises(Refused, match="ends early"):
        reasons_of(tmp_path, whole)


OTHERS = [("model", each) for each in ("json", "css", "javascript", "Scribunto", "flow-board")]
OTHERS += [("format", "text/css"), ("format", "application/json")]


@pytest.mark.parametrize(("key", "other"), OTHERS)
def test_a_page_of_another_model_or_format_is_no_article(tmp_path: Path, key: str, other: str):
    data = dump([("Мәче", "0", TATAR[0]), ("Җәдвәл", "0", TATAR[1]), ("Эт", "0", TATAR[2])])
    first, second, third = data.split("<text>", 2)
    usual = {"model": "wikitext", "format": "text/x-wiki"}[key]
    named = f"{first}<{key}>{usual}</{key}><text>{second}<{key}>{other}</{key}><text>{third}"
    found = records(write(tmp_path, "ttwiki-pages-articles.xml", named))
    assert kept(found) == [TATAR[0], TATAR[2]]
    (refusal,) = refused(found)
    assert refusal.reason == "not_article"
    assert other in refusal.detail
