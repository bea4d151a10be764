"""The report's training section: over-fitting, sources, preference pairs."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from artefacts import ID, artefact_of
from made_conversations import toy_inputs
from toys import toy_config, toy_decoder, train_config

from endonym.log import append_jsonl
from endonym.report.training import (
    Validation,
    dev_baselines,
    epoch_marks,
    judged_pairs,
    largest_deviation,
    mixture_chart,
    mixture_sentence,
    overfitting,
    pairs_charts,
    pairs_sentence,
    phase_curves,
    slices,
    source_series,
)
from endonym.store import Store
from endonym.train.loop import Training, as_metrics


def validations(*bits: float) -> list[Validation]:
    return [Validation(10 * n, 1000 * n, n / 2, value, {}) for n, value in enumerate(bits)]


FALLING = [(float(x), 3.0 - x / 10_000) for x in range(0, 6000, 100)]


def test_over_fitting_began_after_the_best_validation() -> None:
    text = overfitting(validations(3.0, 2.0, 1.8, 1.9, 2.1), FALLING)
    assert text.startswith("Over-fitting began after step 20 (epoch 1.0)")
    assert "the 2 after it were worse, the last by 0.300" in text
    assert "the one after it was worse" in overfitting(validations(3.0, 1.8, 2.4), FALLING)


NO_OVERFITTING = [
    ([3.0, 2.0, 1.8], FALLING, "still falling"),
    ([3.0, 1.8, 1.8001], FALLING, "level after it"),
    ([1.5, 1.6, 1.7], FALLING, "No validation was better than the start"),
    ([3.0, 2.0, 1.8, 2.4], [(x, -y) for x, y in FALLING], "Dev loss rose after step 20"),
]


@pytest.mark.parametrize(("bits", "losses", "said"), NO_OVERFITTING)
def test_what_is_no_over_fitting_is_not_called_so(bits: list[float], losses: Any, said: str):
    assert said in overfitting(validations(*bits), losses)


@pytest.mark.parametrize("learnt", [{"sft"}, {"texts"}, set()])
def test_only_of_a_phase_that_validates_on_what_it_learns_no_over_fitting_is_said(
    tmp_path: Path, learnt: set[str]
) -> None:
    """Whatever other phases learn."""
    store = Store(tmp_path)
    model = artefact_of(store.folder("model", ID), stage="model", id=ID, config={}, numbers={})
    model.folder.mkdir(parents=True)
    for each in validations(3.0, 2.0, 1.8, 1.9, 2.1):
        line = {"event": "step", "step": each.step, "tokens": each.tokens, "epoch": each.epoch}
        line |= {"dev_bits_per_byte": each.bits, "train_bits_per_byte": each.bits, "lr": 1e-3}
        append_jsonl(store.journal("model", ID), line)
    names = [f"model {name}" for name in ("texts", "sft")]
    made = [SimpleNamespace(artifact=model, stage=SimpleNamespace(name=name)) for name in names]
    curves = [phase_curves(cast(Any, each), learnt) for each in made]
    said = {each.name for each in curves if each and "Over-fitting" in "".join(each.notes)}
    assert said == {"texts", "sft"} - learnt


def test_the_lines_of_the_chart_are_baselines_on_the_text_of_its_dots() -> None:
    guesses = {"uniform": 3.2, "unigram": 2.5, "bigram": 1.9}
    lines = [{"event": "baselines", "step": 0, **guesses}, {"event": "step", "step": 8}]
    assert dev_baselines(lines) == guesses
    assert dev_baselines(lines[1:]) == {}


def test_many_epochs_get_few_marks() -> None:
    marks = epoch_marks([{"tokens": 100_000, "epoch": 40.0}])
    assert [mark.name for mark in marks] == ["epoch 5", *map(str, range(10, 45, 5))]
    assert marks[0].x == pytest.approx(12_500)
    assert epoch_marks([{"tokens": 100, "epoch": 0.4}]) == []
    assert [mark.name for mark in epoch_marks([{"tokens": 900, "epoch": 1}])] == ["epoch 1"]


def test_up_to_six_sources_are_drawn() -> None:
    counts = [len(source_series([(9, dict.fromkeys("абвгдеж"[:n], 1.0))])) for n in range(1, 8)]
    assert counts == [0, 2, 3, 4, 5, 6, 0]


def sources_journal(steps: int, **shares: float) -> list[dict[str, Any]]:
    """Steps of 1,000 tokens; the tokens read of each source are summed up."""
    lines: list[dict[str, Any]] = [{"step": 0, "tokens": 0}]
    for step in range(1, steps + 1):
        read = {f"read_tokens/{k}": round(1000 * step * v) for k, v in shares.items()}
        lines.append({"step": step, "tokens": 1000 * step, **read})
    return lines


def test_shares_are_those_within_each_hundredth() -> None:
    lines = sources_journal(400, web=1.0, books=0.0)
    for line in lines[201:]:
        line["read_tokens/web"], line["read_tokens/books"] = 200_000, line["tokens"] - 200_000
    parts = slices(lines)
    assert len(parts) == 100
    assert [each.shares for each in parts[:50]] == [{"web": 1.0, "books": 0.0}] * 50
    assert [each.shares for each in parts[50:]] == [{"web": 0.0, "books": 1.0}] * 50
    assert parts[-1].so_far == {"web": 0.5, "books": 0.5}
    assert largest_deviation(parts, {"web": 0.5, "books": 0.5}) == 0.5
    assert largest_deviation(parts[:50], {"web": 1.0}) == 0.0
    three = slices(sources_journal(200, web=0.2, books=0.4, news=0.4))
    planned = {"web": 0.5, "books": 0.25, "news": 0.25}
    assert largest_deviation(three, planned) == pytest.approx(0.3), "too little counts as well"


def test_a_phase_of_fewer_steps_than_hundredths_is_cut_at_its_steps() -> None:
    found = slices(sources_journal(3, web=0.5, books=0.5))
    assert [each.tokens for each in found] == [1000, 2000, 3000]


def test_the_report_says_what_was_read_and_draws_it() -> None:
    parts = slices(sources_journal(200, web=0.1, books=0.9))
    assert mixture_sentence(parts, {"web": 0.1, "books": 0.9}) == (
        "Read, by the journal: web 10.0% · books 90.0% of the tokens; what was read so far was "
        "within 0.00 points of the recipe at every hundredth of the phase."
    )
    drawn = mixture_chart(parts)
    assert [series.name for series in drawn.series] == ["books", "web"]
    assert drawn.series[0].points[7] == (16_000.0, pytest.approx(90.0))
    assert mixture_chart(slices(sources_journal(200, web=1.0))) is None
    assert slices([{"step": 0, "tokens": 0}, {"step": 1, "tokens": 9}]) == []
    assert mixture_sentence([], {"web": 1.0}) == ""


def pairs_journal(*figures: tuple[float, float]) -> list[dict[str, Any]]:
    """A step of 1,000 tokens without a validation before each one with it."""
    lines: list[dict[str, Any]] = []
    for number, (accuracy, margin) in enumerate(figures):
        step = 2 * number
        lines.append({"step": step, "tokens": 1000 * step})
        lines[-1] |= {"dev_nats": 0.6, "dev_accuracy": accuracy, "dev_margin": margin}
        lines.append({"step": step + 1, "tokens": 1000 * step + 1000})
    return lines


LINES = pairs_journal((0.25, 0.0), (0.5, 0.125), (0.875, 0.75), (0.75, 0.5))


def test_validations_of_pairs_are_read_from_the_journal_and_other_steps_are_not() -> None:
    assert judged_pairs(LINES) == LINES[::2]
    assert judged_pairs([{"step": 3, "tokens": 9, "dev_nats": 1.0}]) == []


def test_the_sentence_is_of_the_last_validation_and_of_the_widest_margin() -> None:
    found = judged_pairs(LINES)
    assert pairs_sentence(found) == (
        "Of the held-out pairs 75.0% are judged rightly at step 6, by a margin of 0.500 on "
        "average; the margin was widest at step 4 (0.750)."
    )
    assert pairs_sentence(found[:3]) == (
        "Of the held-out pairs 87.5% are judged rightly at step 4, by a margin of 0.750 on average."
    )
    assert pairs_sentence(found, "learnt").startswith("Of the learnt pairs 75.0%")
    assert pairs_sentence(found[:1]) == pairs_sentence([]) == ""


def test_the_charts_leave_out_the_accuracy_of_margins_of_zero() -> None:
    accuracy, margin = pairs_charts(judged_pairs(LINES))
    assert accuracy.series[0].points == [(2000.0, 50.0), (4000.0, 87.5), (6000.0, 75.0)]
    assert (accuracy.low, accuracy.high) == (0.0, 100.0)
    assert margin.series[0].points[0] == (0.0, 0.0)
    assert margin.series[0].points[2] == (4000.0, 0.75)
    assert margin.low < 0 < 0.75 < margin.high
    assert pairs_charts(judged_pairs(LINES)[:2]) == pairs_charts([]) == []


def test_margins_below_zero_are_drawn_too() -> None:
    (_, margin) = pairs_charts(judged_pairs(pairs_journal((0.5, 0.0), (0.4, -0.2), (0.3, -0.5))))
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
    assert [each["step"] for each in found] == [0, 2, 4]
    assert found[0]["dev_margin"] == pytest.approx(0.0, abs=1e-4)
    assert all(0 <= each["dev_accuracy"] <= 1 for each in found)
    assert all(math.isfinite(each["dev_margin"]) for each in found)
    assert len(pairs_charts(found)) == 2
    assert f"step {found[-1]['step']}" in pairs_sentence(found)
