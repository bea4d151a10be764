"""The counts of a corpus, and signs that a kept text is not quite in order."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.corpus import corpus_stats
from endonym.disk import packaged_tables
from endonym.errors import CorpusError
from endonym.formats.document import Reject


def source_stats() -> corpus_stats.SourceStats:
    """Two documents of 4 and 6 bytes kept, one refused record of 5 bytes."""
    made = corpus_stats.SourceStats("tt", files=1)
    for size in (4, 6, 5):
        made.read.update(records=1, bytes=size)
    made.drop(Reject("bad_json", "a#1", "tt"), 5, "a")
    made.kept["train"].update(documents=1, bytes=4)
    made.kept["test"].update(documents=1, bytes=6)
    return made


def test_what_is_read_is_kept_or_dropped():
    source_stats().balance()


@pytest.mark.parametrize("field", ["documents", "bytes"])
def test_a_lost_record_or_byte_is_an_error(field: str):
    made = source_stats()
    made.kept["train"][field] = 0
    with pytest.raises(CorpusError, match="do not balance"):
        made.balance()


def test_the_unreadable_share_leaves_out_what_was_not_meant_to_be_read():
    made = source_stats()
    assert (made.reading().share, made.reading().bad_records) == (5 / 15, 1)
    made.read.update(records=1, bytes=1_000_000)
    made.drop(Reject("unsupported_format", "b.pdf", "tt"), 1_000_000, "b.pdf")
    assert (made.reading().share, made.reading().records) == (5 / 15, 3)
    assert corpus_stats.SourceStats("empty").reading().share == 0.0


def test_sources_add_up():
    both = corpus_stats.total([source_stats(), source_stats()])
    assert both["read"] == {"records": 6, "bytes": 30}
    assert both["kept"]["test"]["bytes"] == 12
    assert both["dropped"] == {"bad_json": {"records": 2, "bytes": 10}}


def test_reasons_are_listed_the_most_frequent_first():
    made = source_stats()
    for _ in range(3):
        made.drop(Reject("min_chars", "a#1", "tt"), 1, "a")
    lines = corpus_stats.reasons_table([made]).split("\n")
    assert [line.split() for line in lines] == [["3", "min_chars"], ["1", "bad_json"]]


def test_counts_of_parts_add_up_to_those_of_the_whole():
    whole = corpus_stats.SourceStats("tt")
    for part in range(3):
        made = corpus_stats.SourceStats("tt")
        for number in range(15):
            made.read.update(records=1, bytes=number)
            made.drop(Reject("truncated", f"{part}-{number}.gz", "tt", "cut"), number)
        made.changed_documents = 2
        whole.add(made.counts())
    assert (whole.read["records"], whole.read["bytes"], whole.changed_documents) == (45, 315, 6)
    assert (whole.dropped["truncated"]["records"], whole.dropped["truncated"]["bytes"]) == (45, 315)
    assert len(whole.damages) == corpus_stats.MAX_DAMAGES
    assert whole.damages[14:16] == ["0-14.gz: cut", "1-0.gz: cut"]
    assert sum(whole.unreadable.values()) == 315
    whole.balance()


def test_a_record_that_cannot_be_read_is_named_by_its_file():
    made = corpus_stats.SourceStats("tt")
    made.drop(Reject("bad_json", "one/a.jsonl#7", "tt"), 5)
    made.drop(Reject("bad_json", "one/a.jsonl#8", "tt"), 6, "one.zip")
    made.drop(Reject("min_chars", "one/a.jsonl#9", "tt"), 7)
    assert made.unreadable == {"bad_json  one/a.jsonl": 5, "bad_json  one.zip": 6}


def test_good_text_has_no_warning():
    assert [
        text for text in TATAR + KHMER + ROMANIAN + FRENCH if corpus_stats.text_warnings(text)
    ] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("ខុ្ញំ", "ខុ្ញំ for ខ្ញុំ"), ("ក្្រោម", "ក្្រោ for ក្រោ"), ("គេា", "គេា for គោ"), ("តេ្រ", "តេ្រ for ត្រេ")],
)
def test_an_example_of_khmer_out_of_order_stands_beside_what_is_meant(text: str, said: str):
    assert corpus_stats.warning_example(f"ខ្ញុំទៅ {text}ផ្សារ", "khmer_order") == said


WARNED = [
    ("ខុ្ញំទៅផ្សារ", "khmer_order", "ខុ្ញំ for ខ្ញុំ"),
    ("Бер. Күк й\ufffdзе", "replacement", "й\ufffdзе"),
    ("ә" * 50 + "\ufffd", "replacement", "ә" * 40),
    ("Бер. К?чле җил", "lost_letters", "К?чле"),
]


@pytest.mark.parametrize(("text", "warning", "named"), WARNED)
def test_each_is_found_and_its_warning_shows_where(text: str, warning: str, named: str):
    assert corpus_stats.text_warnings(text) == {warning: named}
    said = packaged_tables("endonym.corpus", "warnings.toml")[warning]
    assert f"as in {named}" in said.format(example=named)
