"""Records of ARC."""

import pytest
from made_documents import arc
from text_samples import TATAR

from endonym.formats.io.streams import Feed
from endonym.formats.parsers.arc import arc_records, next_line
from endonym.formats.parsers.unit import Refused

BODY = TATAR[0].encode()


def feed(data: bytes) -> Feed:
    return Feed(iter([data[n : n + 50] for n in range(0, len(data), 50)]))


def test_records_have_address_kind_date_and_content():
    head, found = arc_records(feed(arc([("http://a.b/", BODY)])), 1_000)
    assert head.url.startswith("filedesc:")
    assert (found.url, found.media_type, found.date, found.content) == (
        *("http://a.b/", "text/html", "20260102030405"),
        BODY,
    )


def test_of_a_long_record_only_so_much_is_held():
    *_, found = arc_records(feed(arc([("http://a.b/", BODY * 90)])), 100)
    assert (len(found.content), found.size) == (100, len(BODY) * 90)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (arc([("http://a.b/", BODY)])[:-30], "truncated"),
        (b"no head at all\n", "damaged"),
        (b"http://a 1 2 3 x5\n", "damaged"),
        (b"x" * 100_000, "damaged"),
    ],
)
def test_what_is_no_whole_record_is_refused(data: bytes, reason: str):
    with pytest.raises(Refused) as caught:
        list(arc_records(feed(data), 1_000))
    assert caught.value.reason == reason


def test_blank_lines_are_passed_over():
    assert next_line(feed(b"\n\r\n  \nabc d\nx")) == b"abc d"
    assert next_line(feed(b"\n\n")) == b""
