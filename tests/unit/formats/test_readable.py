"""How much of raw texts cannot be read, and when that ends a run."""

from collections import Counter

import pytest

from endonym.formats import readable
from endonym.formats.readable import (
    FEW_RECORDS,
    Reading,
    allowance,
    judged_share,
    loss_in_words,
    too_much,
)


def reading(source: str, good: int, bad: int, reason: str = "bad_row", size: int = 80) -> Reading:
    """So many good and bad records, all of one size."""
    made = Reading(source)
    for _ in range(good):
        made.add(size)
    for _ in range(bad):
        made.add(size, reason, f"{source}.csv", "line 7: the row has 5 columns, not 3")
    return made


def test_two_bad_rows_of_a_small_table_end_nothing_beside_a_large_text() -> None:
    assert too_much([reading("small", 100, 2), reading("large", 40_000, 0)], 0.01) is None


@pytest.mark.parametrize("good", [0, 3, 100])
def test_a_few_bad_records_end_nothing_whatever_else_there_is(good: int) -> None:
    assert too_much([reading("only", good, FEW_RECORDS)], 0.01) is None
    assert too_much([reading("only", good, FEW_RECORDS)], 0.0) is not None


def test_one_bad_row_may_be_longer_than_all_others() -> None:
    long = reading("ro", 2_000, 0)
    long.add(50_000_000, "bad_row", "ro.csv", "line 3: the row has 21 columns, not 2")
    assert too_much([long], 0.01) is None
    assert long.share > 0.99


def test_many_bad_records_are_judged_against_all_sources() -> None:
    few, many = reading("a", 1_000, 30), reading("b", 9_000, 0)
    assert too_much([few, many], 0.01) is None
    error = too_much([few], 0.01)
    assert "2.9% of all bytes cannot be read, above clean.max_unreadable = 0.01" in error.message
    assert "2,400 bytes  bad_row  a.csv" in error.message
    assert error.where == 'source "a"'
    assert "max_unreadable = 0.06 in [clean]" in error.do


def test_a_damaged_file_counts_by_its_bytes_though_it_is_one_record() -> None:
    texts = reading("a", 900, 0)
    texts.add(8_000, "truncated", "a.txt.gz", "the gzip file ends early")
    assert judged_share([texts], 0.01) == 0.1
    assert too_much([texts], 0.01) is not None
    assert too_much([texts], 0.1) is None


@pytest.mark.parametrize("reason", ["reader_failed", "cleaning_failed"])
def test_a_few_faults_of_our_own_code_end_nothing_and_many_do(reason: str) -> None:
    texts = reading("tt", 100, 0)
    for number in range(FEW_RECORDS + 1):
        assert too_much([texts], 0.01) is None
        texts.add(8_000, reason, f"{number}.txt", "a fault of endonym, not of your file")
    error = too_much([texts], 0.01)
    assert f"8,000 bytes  {reason}  0.txt" in error.message
    assert too_much([texts], 1.0) is None


def test_damaged_files_make_no_bad_records_of_themselves() -> None:
    texts = reading("a", 900, FEW_RECORDS)
    for number in range(20):
        texts.add(100, "truncated", f"{number}.txt.gz", "the gzip file ends early")
    assert texts.bad_records == FEW_RECORDS
    # So few rows still count for nothing, and the damaged files by their bytes.
    assert judged_share([texts], 0.001) == 2_000 / texts.bytes


def test_a_source_of_which_nothing_can_be_read_is_an_error_however_small() -> None:
    wrong = reading("wrong", 0, 12, "no_text_field")
    error = too_much([wrong, reading("large", 100_000, 90)], 0.01)
    assert error.where == 'source "wrong"'
    assert "nothing of this source can be read" in error.message
    assert too_much([wrong, reading("large", 100_000, 0)], 1.0) is None


def test_files_that_are_not_meant_to_be_read_count_for_nothing() -> None:
    texts = reading("a", 100, 0)
    texts.add(10_000_000, "unsupported_format", "a.djvu")
    assert (texts.records, texts.bytes) == (100, 8_000)


def test_what_is_allowed_lets_the_same_texts_pass() -> None:
    for texts in ([reading("a", 50, 30)], [reading("a", 1_000, 30), reading("b", 10, 500)]):
        limit = allowance(texts, 0.01)
        assert limit > 0.01
        assert too_much(texts, limit) is None
    assert allowance([reading("a", 10_000, 20)], 0.01) == 0.01
    damaged = reading("a", 993, 0)
    damaged.add(7 * 80, "truncated", "a.txt.gz", "the gzip file ends early")
    assert allowance([damaged], 0.01) == 0.02, "an estimate of 0.7 % may be 1.4 %"


def test_a_sample_stands_for_a_whole_file() -> None:
    whole = Reading("a")
    whole.include(reading("a", 98, 2), 50)
    assert (whole.records, whole.bad_records) == (5_000, 100)
    assert whole.lost == Counter({"bad_row  a.csv": 8_000})
    assert too_much([whole], 0.01) is not None
    assert whole.example == "line 7: the row has 5 columns, not 3"


def test_much_that_is_left_out_is_said_with_an_example() -> None:
    assert loss_in_words(reading("a", 1_000, 5)) == ""
    text = loss_in_words(reading("a", 90, 10))
    assert text.startswith("10.0% of its bytes cannot be read, and are left out: bad_row  a.csv")
    assert "line 7: the row has 5 columns, not 3" in text


def test_what_is_lost_may_be_as_much_as_the_limit() -> None:
    texts = reading("a", 900, 100)
    assert judged_share([texts], 0.0999) == 0.1
    assert too_much([texts], 0.1) is None
    assert too_much([texts], 0.0999) is not None
    # Bad records are few up to the limit's share of all records.
    assert judged_share([reading("a", 989, 11)], 0.011) == 0
    assert judged_share([reading("a", 989, 11)], 0.0109) == 0.011


def test_a_hundredth_is_left_out_in_silence() -> None:
    assert loss_in_words(reading("a", 99, 1)) == ""
    assert "2.0% of its bytes" in loss_in_words(reading("a", 98, 2))


def test_four_documents_are_the_least() -> None:
    assert readable.too_few(4) == ""
    assert readable.too_few(3.2).startswith("documents left: 3; ")
