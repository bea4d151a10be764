"""XML of strangers."""

import time

import pytest
from text_samples import TATAR

from endonym.formats.parsers.unit import Refused
from endonym.formats.parsers.xml import lxml_etree, safe_options, xml_root


def test_a_whole_document_is_parsed_without_comments():
    root = xml_root(f"<a><!-- юк --><b>{TATAR[0]}</b></a>".encode(), "a.xml")
    assert [(each.tag, each.text) for each in root] == [("b", TATAR[0])]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "head",
    [
        f'<!ENTITY l0 "ха">{LAUGHS}',
        '<!ENTITY l9 SYSTEM "file:///etc/passwd">',
        '<!ENTITY l9 SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % p SYSTEM "file:///etc/passwd">%p;<!ENTITY l9 "x">',
    ],
    ids=["laughs", "file", "address", "parameter"],
)
def test_entities_are_refused_and_neither_expanded_nor_fetched(head: str):
    began = time.monotonic()
    with pytest.raises(Refused, match=r"entities|no whole XML") as caught:
        xml_root(f"<!DOCTYPE a [{head}]><a>&l9;</a>".encode(), "a.xml")
    assert caught.value.reason == "damaged"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("text", ["", "<a>", "<a></b>", "<a>" * 1_000 + "</a>" * 1_000, "күк"])
def test_what_is_no_whole_or_too_deep_is_refused(text: str):
    with pytest.raises(Refused, match=r"a\.xml is no whole XML"):
        xml_root(text.encode(), "a.xml")


def test_the_options_are_those_of_the_library():
    lxml_etree().XMLParser(**safe_options())
