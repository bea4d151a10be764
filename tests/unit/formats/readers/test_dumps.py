"""Web archives (WARC, WET, ARC) and dumps of MediaWiki."""

import bz2
import gzip
import lzma
import time
import zlib
from pathlib import Path

import pytest
from made_documents import arc, dump, http, warc, xhtml
from text_samples import FRENCH, TATAR, gzipped, kept, reasons, records, refused, write

from endonym.formats.document import Document, Reject

A, B = "https://a.рф/1", "https://b.рф/2"
PAGE, OTHER = xhtml(TATAR, "Урман").encode(), xhtml(FRENCH).encode()
BESIDE = [("warcinfo", "", b"software: made"), ("request", A, b"GET / HTTP/1.1\r\n\r\n")]
BOTH = [*BESIDE, ("response", A, http(PAGE)), ("response", B, http(OTHER))]
TEXTS = ["\n\n".join(TATAR), "\n\n".join(FRENCH)]
HEAD = "Content-Type: text/html; charset=utf-8\r\n"


def read(folder: Path, name: str, data: bytes | str, **keys: object) -> list[Document | Reject]:
    return records(write(folder, name, data), **keys)


def test_answers_are_documents_with_their_address_and_other_records_are_none(tmp_path: Path):
    """What the page itself claims of address and date does not count."""
    claims = '<link rel="canonical" href="https://c.рф"/><meta name="date" content="1999"/></head>'
    page = PAGE.replace(b"</head>", claims.encode())
    data = [*BESIDE, ("response", A, http(page)), ("response", B, http(OTHER))]
    found = read(tmp_path, "a.warc", warc(data))
    assert kept(found) == TEXTS
    (first, _) = found
    assert isinstance(first, Document)
    meta = {"title": "Урман", "url": A, "date": "2026-01-02T03:04:05Z", "method": "warc"}
    assert (first.id, first.meta) == ("a.warc#1", meta)


def test_an_archive_may_be_packed_as_a_whole_or_record_by_record(tmp_path: Path):
    data = warc(BOTH)
    for ending, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        assert kept(read(tmp_path, f"a.warc.{ending}", pack(data))) == TEXTS
        if ending != "gz":
            cut = read(tmp_path, f"b.warc.{ending}", pack(data)[:-40])
            assert set(reasons(cut)) == {"truncated"}
    parts = b"".join(gzip.compress(warc([each])) for each in BOTH)
    assert kept(read(tmp_path, "c.warc.gz", parts)) == TEXTS


def test_texts_of_wet_and_pages_of_arc_are_read(tmp_path: Path):
    text = "\n".join(TATAR)
    data = gzip.compress(warc([("conversion", A, text.encode())], media="text/plain"))
    assert kept(read(tmp_path, "a.warc.wet.gz", data)) == [text]
    data = arc([(A, http(PAGE)), (B, http(b"x", "Content-Type: image/png"))])
    for name, content in (("a.arc", data), ("a.arc.gz", gzip.compress(data))):
        found = read(tmp_path, name, content)
        assert (kept(found), reasons(found)) == (TEXTS[:1], {"not_a_page": 1})


def test_what_is_no_page_or_a_bomb_is_counted_and_a_lie_of_its_packing_is_none(tmp_path: Path):
    bomb = gzip.compress(b"a" * 100_000_000)
    answers = [
        http(PAGE, status="404 Not Found"),
        http(b"\xff\xd8", "Content-Type: image/jpeg"),
        http(b"{}", "Content-Type: application/json"),
        http(b"", HEAD),
        http(bomb, f"{HEAD}Content-Encoding: gzip"),
        http(PAGE, f"{HEAD}Content-Encoding: gzip"),
        http(zlib.compress(PAGE), f"{HEAD}Content-Encoding: deflate"),
        http(PAGE, f"{HEAD}Transfer-Encoding: chunked"),
    ]
    began = time.monotonic()
    found = read(tmp_path, "a.warc", warc([("response", A, each) for each in answers]))
    assert time.monotonic() - began < 120
    assert kept(found) == TEXTS[:1] * 3
    assert reasons(found) == {"not_a_page": 3, "blank": 1, "bomb": 1}
    assert "404" in refused(found)[0].detail


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cut", [5, 700, 1_200])
def test_an_archive_that_is_cut_never_gives_half_a_page(tmp_path: Path, packed: bool, cut: int):
    parts = [warc([each]) for each in BOTH[2:]]
    data = b"".join(map(gzip.compress, parts)) if packed else b"".join(parts)
    cut = cut if not packed else cut // 5
    found = read(tmp_path, f"a.warc{'.gz' if packed else ''}", data[:-cut])
    assert set(kept(found)) <= set(TEXTS)
    if len(kept(found)) < 2:
        assert set(reasons(found)) == {"truncated"}


@pytest.mark.parametrize("data", [b"not an archive\r\n" * 50, b"WARC/1.0\r\n", b"filedesc: x"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes):
    found = read(tmp_path, "a.warc", data)
    assert set(reasons(found)) <= {"truncated", "damaged", "no_text", "other_kind"}
    assert (bool(found), kept(found)) == (True, [])


PAGES = [
    ("Казан", "0", f"'''Казан''' — {TATAR[0]}"),
    ("Бәхәс:Казан", "1", "бәхәс"),
    ("Кояшкай", "0", "#ЮНӘЛТҮ [[Кояш]]"),
    ("Агыйдел", "0", TATAR[1]),
    ("Буш", "0", ""),
]
NAME = "a-pages-articles.xml"


@pytest.mark.parametrize(
    "name", ["tt-pages-articles.xml", "ttwiki-latest-pages-articles.xml.bz2", "ttwiki-1.xml.gz"]
)
def test_articles_are_documents_and_other_pages_are_counted(tmp_path: Path, name: str):
    text = dump(PAGES)
    data = {"bz2": bz2.compress(text.encode()), ".gz": gzipped(text)}.get(name[-3:], text)
    found = read(tmp_path, name, data)
    assert kept(found) == [f"Казан — {TATAR[0]}", TATAR[1]]
    assert reasons(found) == {"not_article": 1, "redirect": 1, "blank": 1}
    (first, *_) = found
    assert isinstance(first, Document)
    assert first.id == f"{name}#1"
    url = "https://tt.wikipedia.org/wiki/%D0%9A%D0%B0%D0%B7%D0%B0%D0%BD"
    said = {"title": "Казан", "date": "2026-01-02T03:04:05Z", "url": url, "method": "wiki"}
    assert first.meta == said


def test_dumps_of_another_name_or_one_after_another_are_read(tmp_path: Path):
    assert reasons(read(tmp_path, "export.xml", dump(PAGES))) == {"unsupported_format": 1}
    assert len(kept(records(tmp_path / "export.xml", format="wiki"))) == 2
    text = "\n\n".join(["<?xml version='1.0'?>" + dump(PAGES)] * 5)
    assert len(kept(read(tmp_path, NAME, text))) == 10


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_dump_that_is_cut_keeps_its_whole_pages_and_says_so(tmp_path: Path, share: float):
    whole = [f"{n} {TATAR[n % 6]}" for n in range(500)]
    data = dump([(f"{n}", "0", text) for n, text in enumerate(whole)]).encode()
    for name, content in (("a-pages-x.xml", data), ("b-pages-x.xml.bz2", bz2.compress(data))):
        found = read(tmp_path, name, content[: int(len(content) * share)])
        assert kept(found) == whole[: len(kept(found))]
        assert "ends early" in refused(found)[-1].detail
        assert reasons(found) == {"truncated": 1}


NO_DUMPS = [
    ("<TEI><body>юк</body></TEI>", "no dump of MediaWiki"),
    ("<mediawiki><page></pag></mediawiki>", "no whole page"),
    ("\x01бу XML түгел", "no whole page"),
]


@pytest.mark.parametrize(("text", "detail"), NO_DUMPS)
def test_what_is_no_dump_is_refused(tmp_path: Path, text: str, detail: str):
    (refusal,) = refused(read(tmp_path, NAME, text))
    assert refusal.reason == "damaged"
    assert detail in refusal.detail


def test_entities_of_a_bomb_are_not_expanded(tmp_path: Path):
    text = dump([("a", "0", "ХАХА x")]).replace("ХАХА", "&b;")
    head = '<!DOCTYPE m [<!ENTITY a "ха"><!ENTITY b "&a;&a;&a;&a;">]>'
    assert not any("хаха" in each for each in kept(read(tmp_path, NAME, head + text)))


@pytest.mark.timeout(360)
@pytest.mark.parametrize("sign", ["{{", "[[", "{|", "<ref>", "'''''"])
def test_markup_without_end_is_one_page(tmp_path: Path, sign: str):
    middle = f"{sign * 100_000} {TATAR[1]}"
    found = read(
        tmp_path, NAME, dump([("a", "0", TATAR[0]), ("b", "0", middle), ("c", "0", TATAR[2])])
    )
    texts = kept(found)
    assert (texts[0], texts[-1], len(found)) == (TATAR[0], TATAR[2], 3)


def test_bytes_of_pages_add_up_to_the_file(tmp_path: Path):
    text = dump([(f"{n}", str(n % 2), f"{n} {TATAR[n % 6]}" * 50) for n in range(300)])
    found = read(tmp_path, NAME, text)
    assert sum(each.raw_bytes for each in found) == pytest.approx(len(text.encode()), rel=0.01)
