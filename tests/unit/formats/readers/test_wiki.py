"""Dumps of MediaWiki."""

import bz2
from pathlib import Path

import pytest
from made_documents import dump
from text_samples import TATAR, gzipped, kept, reasons, records, refused, write

from endonym.formats.document import Document

PAGES = [
    ("Казан", "0", f"'''Казан''' — {TATAR[0]}"),
    ("Бәхәс:Казан", "1", "бәхәс"),
    ("Кояшкай", "0", "#ЮНӘЛТҮ [[Кояш]]"),
    ("Агыйдел", "0", TATAR[1]),
    ("Буш", "0", ""),
]


@pytest.mark.parametrize(
    "name", ["tt-pages-articles.xml", "ttwiki-latest-pages-articles.xml.bz2", "ttwiki-1.xml.gz"]
)
def test_articles_are_documents_and_other_pages_are_counted(tmp_path: Path, name: str):
    text = dump(PAGES)
    data = {"bz2": bz2.compress(text.encode()), ".gz": gzipped(text)}.get(name[-3:], text)
    found = records(write(tmp_path, name, data))
    assert kept(found) == [f"Казан — {TATAR[0]}", TATAR[1]]
    assert reasons(found) == {"not_article": 1, "redirect": 1, "blank": 1}
    (first, *_) = found
    assert isinstance(first, Document)
    assert first.id == f"{name}#1"
    assert first.meta == {
        "title": "Казан",
        "date": "2026-01-02T03:04:05Z",
        "url": "https://tt.wikipedia.org/wiki/%D0%9A%D0%B0%D0%B7%D0%B0%D0%BD",
        "method": "wiki",
    }


def test_a_dump_of_another_name_is_read_where_the_recipe_says_what_it_is(tmp_path: Path):
    path = write(tmp_path, "export.xml", dump(PAGES))
    assert reasons(records(path)) == {"unsupported_format": 1}
    assert len(kept(records(path, format="wiki"))) == 2


def test_dumps_that_follow_one_another_are_all_read(tmp_path: Path):
    text = "\n\n".join(["<?xml version='1.0'?>" + dump(PAGES)] * 5)
    assert len(kept(records(write(tmp_path, "a-pages-articles.xml", text)))) == 10


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_dump_that_is_cut_keeps_its_whole_pages_and_says_so(tmp_path: Path, share: float):
    text = dump([(f"{n}", "0", f"{n} {TATAR[n % 6]}") for n in range(500)])
    whole = [f"{n} {TATAR[n % 6]}" for n in range(500)]
    for name, data in (("a", text.encode()), ("b", bz2.compress(text.encode()))):
        suffix = ".bz2" if name == "b" else ""
        path = write(tmp_path, f"{name}-pages-x.xml{suffix}", data[: int(len(data) * share)])
        found = records(path)
        assert kept(found) == whole[: len(kept(found))]
        assert "ends early" in refused(found)[-1].detail
        assert reasons(found) == {"truncated": 1}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("<TEI><body>юк</body></TEI>", "no dump of MediaWiki"),
        ("<mediawiki><page></pag></mediawiki>", "no whole page"),
        ("\x01бу XML түгел", "no whole page"),
    ],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, text: str, detail: str):
    (refusal,) = records(write(tmp_path, "a-pages-articles.xml", text))
    assert refusal.reason == "damaged"
    assert detail in refusal.detail


def test_entities_of_a_bomb_are_not_expanded(tmp_path: Path):
    text = dump([("a", "0", "ХАХА x")]).replace("ХАХА", "&b;")
    head = '<!DOCTYPE m [<!ENTITY a "ха"><!ENTITY b "&a;&a;&a;&a;">]>'
    found = records(write(tmp_path, "a-pages-articles.xml", head + text))
    assert not any("хаха" in each for each in kept(found))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "wikitext",
    ["{{" * 100_000, "[[" * 100_000, "{|" * 100_000, "<ref>" * 100_000, "'''''" * 100_000],
    ids=["templates", "links", "tables", "references", "bold"],
)
def test_markup_without_end_is_one_page_of_which_its_neighbours_do_not_suffer(
    tmp_path: Path, wikitext: str
):
    pages = [("a", "0", TATAR[0]), ("b", "0", f"{wikitext} {TATAR[1]}"), ("c", "0", TATAR[2])]
    found = records(write(tmp_path, "a-pages-articles.xml", dump(pages)))
    texts = kept(found)
    assert (texts[0], texts[-1]) == (TATAR[0], TATAR[2])
    assert len(found) == 3


def test_bytes_of_pages_add_up_to_the_file(tmp_path: Path):
    text = dump([(f"{n}", "0", f"{n} {TATAR[n % 6]}" * 50) for n in range(300)])
    path = write(tmp_path, "a-pages-articles.xml", text)
    found = records(path)
    assert sum(each.raw_bytes for each in found) == pytest.approx(path.stat().st_size, rel=0.01)
