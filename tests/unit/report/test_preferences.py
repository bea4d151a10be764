"""What the report says of preference pairs, by a journal and by a real phase."""

import math
from pathlib import Path
from typing import Any

import pytest
from made_conversations import toy_inputs
from toys import toy_config, toy_decoder, train_config

from endonym.report.preferences import Judged, charts, judged_pairs, sentence
from endonym.train.loop import Training, as_metrics


def journal(*figures: tuple[float, float]) -> list[dict[str, Any]]:
    """A step of 1,000 tokens without a validation before each one with it."""
    lines: list[dict[str, Any]] = []
    for number, (accuracy, margin) in enumerate(figures):
        step = 2 * number
        lines.append({"step": step, "tokens": 1000 * step})
        lines[-1] |= {"dev_nats": 0.6, "dev_accuracy": accuracy, "dev_margin": margin}
        lines.append({"step": step + 1, "tokens": 1000 * step + 1000})
    return lines


LINES = journal((0.25, 0.0), (0.5, 0.125), (0.875, 0.75), (0.75, 0.5))


def test_validations_of_pairs_are_read_from_the_journal_and_other_steps_are_not() -> None:
    assert judged_pairs(LINES) == [
        Judged(0, 0, 0.25, 0.0),
        Judged(2, 2000, 0.5, 0.125),
        Judged(4, 4000, 0.875, 0.75),
        Judged(6, 6000, 0.75, 0.5),
    ]
    assert judged_pairs([{"step": 3, "tokens": 9, "dev_nats": 1.0}]) == []


def test_the_sentence_is_of_the_last_validation_and_of_the_widest_margin() -> None:
    found = judged_pairs(LINES)
    assert sentence(found) == (
        "Of the held-out pairs 75.0% are judged rightly at step 6, by a margin of 0.500 on "
        "average; the margin was widest at step 4 (0.750)."
    )
    assert sentence(found[:3]) == (
        "Of the held-out pairs 87.5% are judged rightly at step 4, by a margin of 0.750 on average."
    )
    assert sentence(found[:1]) == sentence([]) == ""


def test_the_charts_leave_out_the_accuracy_of_margins_of_zero() -> None:
    accuracy, margin = charts(judged_pairs(LINES))
    assert accuracy.series[0].points == [(2000.0, 50.0), (4000.0, 87.5), (6000.0, 75.0)]
    assert (accuracy.low, accuracy.high) == (0.0, 100.0)
    assert margin.series[0].points[0] == (0.0, 0.0)
    assert margin.series[0].points[2] == (4000.0, 0.75)
    assert margin.low is not None
    assert margin.high is not None
    assert margin.low < 0 < 0.75 < margin.high
    assert charts(judged_pairs(LINES)[:2]) == charts([]) == []


def test_margins_below_zero_are_drawn_too() -> None:
    (_, margin) = charts(judged_pairs(journal((0.5, 0.0), (0.4, -0.2), (0.3, -0.5))))
    assert margin.low is not None
    assert margin.low < -0.5


@pytest.mark.parametrize("objective", ["preferences", "chat"])
def test_a_real_phase_on_pairs_has_both_in_its_journal(objective: str, tmp_path: Path) -> None:
    shape = toy_config(vocab=24, context=32)
    keys = {"steps": 4, "batch_tokens": 64, "eval_every_steps": 2, "eval_tokens": 320, "beta": 0.5}
    if objective == "chat":
        del keys["beta"]
    work = toy_inputs(tmp_path / "a", objective, toy_decoder(shape), tmp_path / "work")
    config = train_config(context=32, objective=objective, **keys)
    reports = list(Training(toy_decoder(shape), config, work, seed=1).reports())
    found = judged_pairs([as_metrics(each) for each in reports])
    if objective == "chat":
        assert found == []
        return
    assert [each.step for each in found] == [0, 2, 4]
    assert found[0].margin == pytest.approx(0.0, abs=1e-4)
    assert all(0 <= each.accuracy <= 1 and math.isfinite(each.margin) for each in found)
    assert len(charts(found)) == 2
    assert f"step {found[-1].step}" in sentence(found)
