"""One quantity for the column, the order, the differences and the means over seeds."""

from pathlib import Path

import pytest
from made_contenders import SENTENCES, contender

from endonym.runs.compare import as_dict, cells, compare
from endonym.runs.comparison_page import as_csv
from endonym.runs.quantity import Quantity

NATS = [40.0 + n % 7 for n in range(len(SENTENCES))]
SOURCES = ["роман"] * 13 + ["хикәя"] * 13 + ["мәкаль"] * 4
"""The four proverbs are too few for an interval."""


def test_runs_of_the_same_documents_keep_their_own_scores(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, [x + d for x in NATS]) for n, d in (("a", 0), ("b", 1))]
    found = Quantity.of(runs)
    assert found.is_whole
    assert [each.value for each in found.bits] == [run.score.value for run in runs]
    assert found.notes == found.sources == []


def test_what_is_left_out_of_differences_is_left_out_of_the_column(tmp_path: Path) -> None:
    """By the four proverbs the worse run would be ahead."""
    lucky = [x + 2 if n < 26 else x - 30 for n, x in enumerate(NATS)]
    runs = [
        contender(tmp_path, name, nats, sources=SOURCES)
        for name, nats in (("плохо", lucky), ("яхшы", NATS))
    ]
    assert runs[0].score.value < runs[1].score.value
    found = compare(runs)
    assert [run.name for run in found.runs] == ["яхшы", "плохо"]
    column = [float(row[1]) for row in cells(found)[1:]]
    assert column == sorted(column)
    assert found.differences[1].value == pytest.approx(found.bits[1].value - found.bits[0].value)
    assert found.notes[0].startswith("яхшы needs the fewest")
    (told,) = Quantity.of(runs).notes
    assert "of neighbours, or most of the text in one: мәкаль." in told
    assert any("means over the sources роман and хикәя" in note for note in found.notes)
    data = as_dict(found)
    line = as_csv(data).splitlines()[1]
    assert str(data["runs"][0]["compared"]["value"]) in line


def test_runs_that_share_nothing_stand_with_their_own_scores(tmp_path: Path) -> None:
    runs = [
        contender(tmp_path, "a", NATS[:15], texts=SENTENCES[:15]),
        contender(tmp_path, "b", NATS[15:], texts=SENTENCES[15:]),
    ]
    found = Quantity.of(runs)
    assert not found.documents
    assert [each.value for each in found.bits] == [run.score.value for run in runs]
    assert "share 0 from the same sources" in found.notes[0]


def test_of_one_source_that_is_left_no_mean_over_sources_is_said(tmp_path: Path) -> None:
    sources = ["роман"] * 26 + ["мәкаль"] * 4
    runs = [
        contender(tmp_path, n, [x + d for x in NATS], sources=sources)
        for n, d in (("a", 0), ("b", 1))
    ]
    assert Quantity.of(runs).sources == []
    assert not any("means over the sources" in note for note in compare(runs).notes)


def test_a_run_whose_documents_are_all_shared_is_not_whole_beside_one_with_more(
    tmp_path: Path,
) -> None:
    runs = [
        contender(tmp_path, "a", NATS[:24], texts=SENTENCES[:24]),
        contender(tmp_path, "b", [*NATS[:24], *[90.0] * 6], texts=SENTENCES),
    ]
    found = Quantity.of(runs)
    assert not found.is_whole
    assert found.bits[0].value == pytest.approx(runs[0].score.value)
    assert found.bits[1].value == pytest.approx(found.bits[0].value)
    assert found.bits[1].value < runs[1].score.value
