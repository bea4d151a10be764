"""Scores as an aligned table: the headline, its sources and their shares, all by bytes."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from made_scores import baselines, score

from endonym.evaluate.score import TOO_FEW, UNEVEN, Score
from endonym.evaluate.tables import aligned, score_rows, table
from endonym.log import THIN, columns

Patch = pytest.MonkeyPatch

TOO_SHORT = {"low": None, "high": None, "no_interval": TOO_FEW}
TWO = [
    score("model", 0.725, weighting="sources", n_bytes=100_000, n_documents=6_120),
    score("model", 0.570, n_bytes=100_000, n_documents=6_120),
    score("model", 0.390, source="ជំនួយ", n_bytes=62_000, n_documents=6_000),
    score("model", 1.060, source="роман", n_bytes=38_000, n_documents=120, **TOO_SHORT),
]


def test_the_table_names_models_across_and_sources_down(finished: Path) -> None:
    (path,) = (finished / "store" / "evaluation").glob("*/scores.json")
    found = [Score(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    rows = table(found).splitlines()
    assert rows[0].split()[6:8] == ["bigram", "compressor"]
    # No source has ten test documents, so there is no mean over sources.
    assert [row.split()[0] for row in rows[1:5]] == ["all,", "others", "romanian", "tatar"]
    assert f"{found[0].value:.4f}" in rows[1]


def test_the_headline_comes_first_and_shares_stand_beside_the_sources() -> None:
    *lines, note = table(TWO).splitlines()
    assert lines == [
        "  bits/byte           model  95 % of model  of bytes  documents",
        f"  mean of 2 sources  0.7250  0.6950–0.7550   100.0 %      6{THIN}120",
        "  роман              1.0600        too few    38.0 %        120",
        f"  ជំនួយ                0.3900  0.3600–0.4200    62.0 %      6{THIN}000",
        f"  all, by bytes      0.5700  0.5400–0.6000   100.0 %      6{THIN}120",
    ]
    assert {columns(line) for line in lines} == {63}
    assert note.startswith("  too few: neighbouring documents count as one group")


def test_a_text_of_one_large_document_is_not_said_to_have_too_few() -> None:
    none = {"low": None, "high": None, "no_interval": UNEVEN}
    small = score("model", 1.06, source="роман", n_groups=30, n_bytes=38_000, **none)
    whole = score("model", 0.57, n_groups=60)
    large = score("model", 0.39, source="ជំនួយ", n_groups=30)
    said = table([whole, large, small])
    assert [line.split()[0] for line in said.splitlines() if "uneven" in line] == [
        "роман",
        "uneven:",
    ]
    assert "too few" not in said
    mean = score("model", 0.72, weighting="sources", n_groups=60, **none)
    assert "uneven" in table([mean, whole, large, small]).splitlines()[1]
    few = [replace(each, no_interval=TOO_FEW) for each in (mean, small)]
    assert "too few" in table([few[0], whole, large, few[1]]).splitlines()[1]


def test_an_evaluation_from_before_reasons_were_kept_has_a_general_one() -> None:
    rows = [asdict(score("model", 0.57, n_documents=7, low=None, high=None))]
    del rows[0]["no_interval"]
    lines = table([Score(**row) for row in rows]).splitlines()
    assert lines[1].split()[:5] == ["all", "0.5700", "not", "enough", "text"]
    assert lines[2].startswith("  not enough text: an interval takes 10 groups")


def test_a_mean_has_its_own_share_of_the_text_and_names_what_it_leaves_out() -> None:
    small = score("model", 1.5, source="әкият", n_bytes=700, n_documents=6, low=None, high=None)
    mean = score("model", 0.725, weighting="sources", n_bytes=99_300, n_documents=6_114)
    said = table([mean, *TWO[1:], small])
    assert "  99.3 %      6" in said.splitlines()[1]
    assert "the mean leaves out әкият: it is over sources of at least 300.0 kB" in said
    assert "leaves out" not in table(TWO)


def test_a_single_source_is_not_listed_twice() -> None:
    one = [score("model", 1.2), score("model", 1.2, source="роман"), *baselines()]
    assert [row.split()[0] for row in table(one).splitlines()[1:]] == ["all"]
    (row,) = score_rows(one)
    assert row.of_bytes == 1.0


def test_a_line_of_a_sample_has_a_star_its_count_and_the_model_beside_it() -> None:
    some = {"n_documents": 2_000, "sampled_from": 6_120}
    found = [*TWO[:2], score("compressor", 0.8, weighting="sources", deviation=0.0123, **some)]
    found.append(score("model_on_sample", 0.731, weighting="sources", **some))
    lines = table(found).splitlines()
    assert lines[0].split()[1:8] == ["model", "95", "%", "of", "model", "compressor*", "model*"]
    assert lines[1].split()[4:8] == ["0.7250", "0.6950–0.7550", "0.8000", "0.7310"]
    assert lines[-2].startswith(f"  * of 2{THIN}000 of the 6{THIN}120 documents")
    assert "standard deviation of 0.0123" in lines[-1]


def test_blocks_make_a_table_of_their_own() -> None:
    found = [score("model", 1.3), score("model", 1.1, text="block", n_documents=50)]
    lines = table(found).splitlines()
    assert len(lines) == 6
    assert lines[2] == ""
    assert lines[3].startswith("  blocks: neighbouring lines of lists")
    assert lines[4].startswith("  bits/byte, blocks")
    assert lines[4].split()[-1] == "blocks"
    assert lines[5].split()[-1] == "50"


def test_a_table_wider_than_the_screen_is_cut_between_columns(monkeypatch: Patch) -> None:
    rows = [["bits/byte", *(f"name{n}" for n in range(20))], ["ភាសាខ្មែរ", *["1.0392"] * 20]]
    rows.append(["bigram", "2.1", *[""] * 19])
    assert aligned(rows).count("\n") == 2
    monkeypatch.setenv("COLUMNS", "80")
    lines = aligned(rows).splitlines()
    assert max(map(columns, lines)) <= 80
    assert " ".join(lines).split().count("1.0392") == 20
    assert sum(line.startswith("  bits/byte") for line in lines) == 3
    assert sum(line.startswith("  bigram") for line in lines) == 1


def test_a_column_that_is_wider_than_the_screen_stands_beside_the_first(monkeypatch: Patch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = aligned([["роман", "x" * 50, "1.0392"], ["ជំនួយ", "y" * 50, "1.0412"]]).splitlines()
    assert [len(line.split()) for line in lines] == [2, 2, 0, 2, 2]


def test_columns_are_aligned_by_what_is_seen() -> None:
    first, second = aligned([["ជំនួយ", "1"], ["роман", "100"]]).splitlines()
    assert columns(first) == columns(second)
    assert first.endswith("  1")
    rows = [["a", "b", "1"], ["aa", "bb", "22"]]
    assert aligned(rows, left=2, indent=0) == "a   b    1\naa  bb  22"
