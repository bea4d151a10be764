"""The verdict and the gap: what the report says of the scores, in words."""

import pytest
from made_scores import baselines, score

from endonym.run.report.scores import gap, group, verdict
from endonym.run.report.words import JOINER


def test_the_verdict_of_a_good_model_stands_beside_what_needs_no_learning() -> None:
    found = verdict([score("model", 1.20), *baselines()])
    assert " ".join(found).replace("\xa0", " ").replace(JOINER, "") == (
        "On 412 held-out documents the model needs 1.20 bits per byte (95 %: 1.17–1.23); counting "
        "pairs of word pieces needs 2.31, a compressor primed with the same text 1.40. "
        "It predicts these texts better than all that needs no learning."
    )


def test_the_verdict_says_that_a_model_near_uniform_has_learnt_nothing() -> None:
    assert "learnt next to nothing" in verdict([score("model", 3.0), *baselines()])[-1]


def test_the_verdict_says_that_a_model_is_worse_than_counting_pairs() -> None:
    assert "worse than counting pairs" in verdict([score("model", 2.5), *baselines()])[-1]


def test_the_verdict_says_that_the_compressor_is_better() -> None:
    assert "the compressor still predicts" in verdict([score("model", 1.64), *baselines()])[-1]


@pytest.mark.parametrize(("value", "rival"), [(2.33, "counting pairs"), (1.41, "the compressor")])
def test_the_verdict_claims_no_difference_inside_the_interval(value: float, rival: str) -> None:
    told = verdict([score("model", value), *baselines()])[-1]
    assert told == f"It cannot be told apart from {rival}."


def test_below_ten_documents_the_verdict_has_no_interval_and_says_so() -> None:
    few = {"low": None, "high": None, "n_documents": 7}
    told = verdict([score("model", 1.20, **few), *baselines(**few)])
    assert "95" not in told[0]
    assert "fewer than 10 documents" in told[-1]
    assert group([score("model", 1.20, **few)]).rows[0].cells[1] == "too few"


def test_the_verdict_without_baselines_is_one_sentence() -> None:
    assert len(verdict([score("model", 1.64)])) == 1
    assert verdict([]) == []


def test_the_verdict_says_on_how_many_documents_the_compressor_was_tried() -> None:
    found = [score("model", 1.64), score("compressor", 1.40, n_documents=20)]
    assert "compressor primed with the same text needs 1.40 (on 20 of them)" in verdict(found)[0]
    assert "20 of the 412 documents" in group(found).notes[0]


def test_a_gap_between_two_texts_is_explained() -> None:
    away = {"split": "fables.txt", "n_documents": 30}
    found = [score("model", 0.9), *baselines(), score("model", 2.4, **away), *baselines(**away)]
    compared = gap(found)
    assert compared is not None
    bars, told = compared
    assert [bar.name for bar in bars.bars] == ["held-out documents", "fables.txt"]
    assert "1.50 more" in told[0]
    assert "the kind of text that it was trained on" in told[0]


def test_a_gap_inside_its_uncertainty_is_not_claimed() -> None:
    compared = gap([score("model", 1.60), score("model", 1.63, split="other.txt")])
    assert compared is not None
    assert "within its uncertainty" in compared[1][0]
    assert gap([score("model", 1.60)]) is None
