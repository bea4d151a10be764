"""The loop: its steps one by one, reports in their frame, saves on time, stops before harm."""

import gc
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clipping import NEWEST_SHARE, norm_of
from toys import distinct_documents, toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.errors import TrainingError
from endonym.model.decoder import Decoder
from endonym.train import checkpoint, inputs, loop
from endonym.train.inputs import TrainingInputs, ValidationResult
from endonym.train.loop import Report, Training, as_metrics, journal_lines
from endonym.train.loss_guard import TrainingEvent
from endonym.train.optimizer import Optimizer
from endonym.train.schedule import lr_scale
from endonym.train.step import Stepped, take_step

VOCAB = 24


@pytest.fixture
def work(tmp_path: Path) -> TrainingInputs:
    random = np.random.default_rng(8)
    documents = [random.integers(1, VOCAB, size).tolist() for size in (30, 9, 22, 14, 25)]
    train, dev = write_toy_shards(tmp_path / "shards", documents, documents[:2], vocab=VOCAB)
    return TrainingInputs(train, dev, tmp_path / "checkpoints", unigram_nats=99.0)


def training(work: TrainingInputs, **keys: object) -> Training:
    settings = {"steps": 12, "batch_tokens": 32, "lr": 1e-2, "number_format": "fp32"}
    phase = train_config(**settings | keys)
    return Training(toy_decoder(toy_config(vocab=VOCAB)), phase, work, seed=3)


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the validations will find, one after another."""
    planned: list[float] = []
    seen: Iterator[float] = iter(planned)

    def validate(*_: object, **__: object) -> ValidationResult:
        return ValidationResult(nats=next(seen), bits_per_byte=1.0, sources={}, n_tokens=32)

    monkeypatch.setattr("endonym.train.inputs.validate", validate)
    return planned


def saved(work: TrainingInputs) -> list[str]:
    return sorted(path.name for path in work.folder.iterdir())


def test_a_batch_smaller_than_a_row_is_one_row(work: TrainingInputs) -> None:
    small = training(work, batch_tokens=1, micro_tokens=1)
    assert small.batches.tokens == 16
    assert small.micro_rows == 1


def test_bits_of_training_are_by_the_bytes_of_what_batches_hold(work: TrainingInputs) -> None:
    run = training(work, steps=2)
    run.batches.__dict__["bytes_per_position"] = 0.375  # as if tokens were split
    *_, last = run.reports()
    assert run.batches.order.bytes_per_position > 1
    assert last.bits_per_byte == pytest.approx(last.nats / math.log(2) / 0.375)


def test_reports_begin_before_the_first_step_and_carry_their_frame(work: TrainingInputs) -> None:
    run = training(work, eval_every_steps=5, warmup_steps=3, schedule="linear")
    reports = list(run.reports())
    assert [report.step for report in reports] == list(range(13))
    assert [report.step for report in reports if report.validation] == [0, 5, 10, 12]
    assert [report.tokens for report in reports] == [32 * step for step in range(13)]
    assert reports[12].epoch == pytest.approx(12 * 32 / 105)
    lr_scales = [0.25, 0.5, 0.75, 1.0, 8 / 9, 7 / 9]
    assert [report.lr for report in reports[1:7]] == pytest.approx([1e-2 * s for s in lr_scales])
    assert reports[1].nats == pytest.approx(math.log(VOCAB), abs=0.1)
    assert reports[12].nats < reports[1].nats
    assert math.isnan(reports[0].nats)
    assert reports[0].seconds == 0 < reports[1].seconds


def test_validation_joins_the_sources_that_training_joins(tmp_path: Path) -> None:
    documents, line_end = distinct_documents([3, 2, 4, 2, 5, 3] * 40)
    shards = write_toy_shards(tmp_path, documents, documents, vocab=line_end + 1, line_end=line_end)
    work = TrainingInputs(*shards, tmp_path / "checkpoints", unigram_nats=99.0, join=("letters",))
    config = train_config(steps=1, batch_tokens=32, lr=1e-2, number_format="fp32")
    decoder = toy_decoder(toy_config(vocab=line_end + 1))
    run = Training(decoder, config, work, seed=3)
    assert (run.batches[0].targets_BT == line_end).any()
    first = next(run.reports()).validation
    tokens = config.eval_tokens
    assert first == inputs.validate(decoder, work.dev, tokens, "cpu", join=("letters",))
    assert first != inputs.validate(decoder, work.dev, tokens, "cpu")


def test_bits_a_byte_of_a_report_count_end_of_text_as_no_bytes(work: TrainingInputs) -> None:
    train: TokenShards = work.train
    n_bytes = sum(int(train.byte_counts[train.document(n).ids].sum()) for n in range(len(train)))
    report = list(training(work, steps=1).reports())[1]
    expected = report.nats / math.log(2) / (n_bytes / 105)
    assert report.bits_per_byte == pytest.approx(expected)


def test_a_checkpoint_is_kept_after_every_save_and_validation(work: TrainingInputs) -> None:
    found: dict[int, list[str]] = {}
    for report in training(work, eval_every_steps=6, save_every_steps=4).reports():
        found[report.step] = saved(work)
        if report.step in (4, 12):
            assert checkpoint.at(work.folder, report.step).state.lines == journal_lines(report)
    assert found[0] == found[3] == ["step-000000"]
    assert found[4] == ["step-000000", "step-000004"]
    assert found[7][-2:] == ["step-000004", "step-000006"]
    assert found[12][-2:] == ["step-000008", "step-000012"]


def clocked(monkeypatch: pytest.MonkeyPatch, step_seconds: float) -> None:
    """A clock that each step moves on."""
    now = [1000.0]

    def slow_step(*given: Any, **more: Any) -> Stepped:
        now[0] += step_seconds
        return take_step(*given, **more)

    monkeypatch.setattr(loop, "take_step", slow_step)
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])


RARELY = {"steps": 40, "eval_every_steps": 40, "save_every_steps": 40}


@pytest.mark.parametrize(("seconds", "steps"), [
    (1.0, {}), (30.0, {4, 34}), (125.0, {1, 9, 17, 25, 33}), (1e4, set(range(1, 40))),
])  # fmt: skip
def test_the_first_minutes_are_saved_however_long_steps_take(
    seconds: float, steps: set[int], work: TrainingInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And later a quarter of an hour is lost at most, also after going on."""
    clocked(monkeypatch, seconds)
    run, seen = training(work, **RARELY), set[int]()
    for report in run.reports():
        seen |= {report.step} if f"step-{report.step:06d}" in saved(work) else set()
        if report.step == 36:
            break
    assert seen == {0, *(step for step in steps if step <= 36)}
    resumed = training(work, **RARELY)
    assert resumed.resume() == max(seen)
    first = next(iter(resumed.reports())).step
    assert f"step-{first:06d}" in saved(work) or seconds < 120


def test_patience_stops_after_so_many_validations(work: TrainingInputs, losses: list[float]):
    losses += [3.0, 2.5, 2.6, 2.4, 2.5, 2.4, 2.7, 2.0]
    run = training(work, eval_every_steps=1, patience=3)
    reports = list(run.reports())
    assert [report.is_best for report in reports] == [True, True, False, True, *[False] * 3]
    assert run.state.is_finished
    assert (run.state.best_step, run.state.best_nats) == (3, 2.4)
    again = training(work, eval_every_steps=1, patience=3)
    assert again.resume() == 6
    assert list(again.reports()) == []
    assert torch.equal(again.weights()["norm.weight"], run.weights()["norm.weight"])


def test_the_best_weights_are_handed_on(work: TrainingInputs, losses: list[float]):
    losses += [3.0, 2.0, 2.5, 2.5]
    run = training(work, eval_every_steps=4)
    kept = {}
    for report in run.reports():
        if report.step == 4:
            kept = {name: tensor.clone() for name, tensor in run.optimizer.weights().items()}
    assert all(torch.equal(run.weights()[name], tensor) for name, tensor in kept.items())
    assert not torch.equal(kept["norm.weight"], run.optimizer.weights()["norm.weight"])
    run.config = run.config.but(**{"keep": "last"})
    assert torch.equal(run.weights()["norm.weight"], run.optimizer.weights()["norm.weight"])


@pytest.mark.parametrize("average", ["ema", "tail"])
def test_the_average_is_judged(work: TrainingInputs, average: str, monkeypatch: pytest.MonkeyPatch):
    run = training(work, eval_every_steps=4, average=average, average_share=0.5)
    shown: dict[int, torch.Tensor] = {}
    losses = iter([9.0, 8.0, 5.0, 7.0])

    def validate(decoder: Decoder, *_: object, **__: object) -> ValidationResult:
        shown[run.state.step] = decoder.norm.weight.detach().clone()
        return ValidationResult(nats=next(losses), bits_per_byte=1.0, sources={}, n_tokens=32)

    monkeypatch.setattr("endonym.train.inputs.validate", validate)
    own: list[torch.Tensor] = []
    for _ in run.reports():
        own.append(run.optimizer.weights()["norm.weight"].clone())
    assert torch.equal(shown[4], own[4]) is (average == "tail")
    assert not torch.equal(shown[8], own[8])
    assert torch.equal(run.weights()["norm.weight"], shown[8])
    if average == "tail":
        torch.testing.assert_close(shown[8], (own[7] + own[8]) / 2)
        torch.testing.assert_close(shown[12], sum(own[7:13]) / 6)
    run.config = run.config.but(**{"keep": "last"})
    assert torch.equal(run.weights()["norm.weight"], shown[12])
    inputs = TrainingInputs(work.train, work.dev, work.folder / "plain", 99.0)
    plain = training(inputs, eval_every_steps=4)
    losses = iter([9.0, 8.0, 5.0, 7.0])
    list(plain.reports())
    assert torch.equal(plain.optimizer.weights()["norm.weight"], own[12])


def test_the_average_of_the_last_steps_is_handed_on(work: TrainingInputs, losses: list[float]):
    losses += [9.0, 5.0, 8.0, 7.0]
    run = training(work, eval_every_steps=4, keep="average", average_share=0.5)
    own = [run.optimizer.weights()["norm.weight"].clone() for _ in run.reports()]
    found = run.weights()["norm.weight"]
    assert run.state.best_step == 4
    torch.testing.assert_close(found, sum(own[7:13]) / 6)
    for other in (own[4], own[12]):
        assert not torch.allclose(found, other, atol=1e-7)
    assert not torch.equal(own[4], own[12])


def test_the_schedule_s_end_and_its_cooldown_reach_the_rate(work: TrainingInputs) -> None:
    run = training(work, schedule="wsd", cooldown=0.5, final_lr=0.25)
    rates = [report.lr for report in run.reports()][1:]
    assert rates[:7] == [1e-2] * 7
    assert rates[7:] == pytest.approx([1e-2 * (1 - 0.75 * n / 6) for n in range(1, 6)])


def test_a_harmful_phase_returns_its_first_weights(work: TrainingInputs, losses: list[float]):
    losses += [1.0, 1.1, 1.2, 1.3]
    run = training(work, eval_every_steps=4)
    list(run.reports())
    start = toy_decoder(toy_config(vocab=VOCAB)).state_dict()
    assert run.state.best_step == 0
    assert all(torch.equal(run.weights()[name], tensor) for name, tensor in start.items())


def test_a_kill_before_the_first_step_begins_anew(work: TrainingInputs) -> None:
    next(training(work).reports())
    run = training(work)
    assert run.resume() == 0
    assert next(run.reports()).step == 0
    assert [seen["step"] for seen in run.state.validations] == [0]


def test_a_model_above_unigrams_is_stopped(work: TrainingInputs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.train.loss_guard.LEARNT_BY", 6)
    hopeless = TrainingInputs(work.train, work.dev, work.folder, unigram_nats=0.5)
    reports = training(hopeless, eval_every_steps=2).reports()
    seen = [next(reports).step for _ in range(6)]
    assert seen == [0, 1, 2, 3, 4, 5]
    said = r"after 6 steps .* above the unigram line of 0\.50"
    with pytest.raises(TrainingError, match=said) as caught:
        next(reports)
    assert "too high (try a third of it)" in caught.value.do


def test_memory_is_given_back_to_the_collector_unless_it_was_frozen_before(work: TrainingInputs):
    """Even when nobody reads on."""
    gc.unfreeze()
    reports = training(work).reports()
    next(reports)
    assert gc.get_freeze_count() > 0
    del reports
    assert gc.get_freeze_count() == 0
    gc.freeze()
    list(training(work, steps=1).reports())
    assert gc.get_freeze_count() > 0  # and so it stays: later trainings walk through no objects


@pytest.mark.parametrize(("schedule", "warmup"), [("linear", 3), ("cosine", 0), ("constant", 4)])
def test_a_phase_is_its_steps_one_by_one(schedule: str, warmup: int, work: TrainingInputs) -> None:
    keys = {"schedule": schedule, "warmup_steps": warmup, "weight_decay": 0.2, "steps": 9}
    run = training(work, **keys)
    rates = [report.lr for report in run.reports()][1:]
    batches = Batches(Order(work.train, context=16, seed=3), rows=2)
    decoder = toy_decoder(toy_config(vocab=VOCAB))
    optimizer = Optimizer(decoder, run.config)
    for step in range(9):
        share = lr_scale(run.config, step)
        assert rates[step] == pytest.approx(1e-2 * share)
        take_step(optimizer, batches[step], lr_scale=share, rows=2)
    for name, weights in optimizer.weights().items():
        assert torch.equal(run.optimizer.weights()[name], weights), name


def test_steps_drop_their_share_of_channels_and_validations_none(work: TrainingInputs) -> None:
    keys = {"batch_tokens": 64, "lr": 1e-2, "number_format": "fp32", "eval_every_steps": 2}
    decoder = toy_decoder(toy_config(vocab=VOCAB, dropout=0.25)).eval()
    zeros: list[float] = []
    note = lambda _, given, kept: zeros.append(float((kept == 0).float().mean()))  # noqa: E731
    decoder.dropout.register_forward_hook(note)
    list(Training(decoder, train_config(steps=4, **keys), work, seed=3).reports())
    validations, steps = [zeros[n] for n in (0, 3, 6)], [zeros[n] for n in (1, 2, 4, 5)]
    assert len(zeros) == 7
    assert validations == [0.0] * 3
    assert steps == pytest.approx([0.25] * 4, abs=0.06)
    assert len(set(steps)) > 1


def test_validation_reads_as_many_tokens_as_the_phase_says(work: TrainingInputs) -> None:
    seen: list[int] = []
    for tokens in (16, 1000):
        run = training(work, steps=1, eval_tokens=tokens)
        first = next(run.reports()).validation
        assert first == inputs.validate(run.decoder, work.dev, tokens, "cpu")
        seen.append(first.n_tokens)
    assert seen[0] < seen[1]


@pytest.mark.parametrize("clip", [None, 0.05, 1e6])
def test_a_phase_clips_at_its_norm_or_at_one(clip: float | None, work: TrainingInputs):
    run = training(work, steps=1, batch_tokens=64, **({} if clip is None else {"clip": clip}))
    with torch.no_grad():  # a loss, and a gradient, far from where training begins
        run.decoder.readout.weight_VD.mul_(30.0)
    report = list(run.reports())[1]
    assert 2.0 < report.gradient_norm < 1e6
    optimizer_state = [run.optimizer.state()[f"{name}.exp_avg"] for name in run.optimizer.names]
    expected = min(report.gradient_norm, clip or 1.0)
    assert norm_of(optimizer_state) == pytest.approx(NEWEST_SHARE * expected, rel=1e-4)


def report(*events: str) -> Report:
    """A step in which such things happened."""
    nan, told = math.nan, tuple(TrainingEvent(event, 6, "", 0) for event in events)
    return Report(6, 192, 1.8, nan, nan, 1e-2, nan, seconds=0.5, events=told)


def test_a_step_is_skipped_or_taken_back_only_where_an_event_says_so() -> None:
    found = {
        events: (report(*events).is_skipped, report(*events).is_rolled_back)
        for events in [(), ("smaller_micro_batch",), ("lost",), ("skipped",), ("rolled_back",)]
    }
    assert list(found.values()) == [(False, False)] * 3 + [(True, False), (False, True)]
    assert report("smaller_micro_batch", "skipped").is_skipped
    assert report("lost", "rolled_back").is_rolled_back


def test_the_lines_of_a_step_are_its_problems_and_then_its_figures() -> None:
    pairs = ValidationResult(0.6, 1.5, {}, 9, {"accuracy": 0.75, "margin": 0.25})
    seen = replace(report("rolled_on"), events=report("skipped").events, validation=pairs)
    problem, line = journal_lines(seen)
    assert (problem["event"], problem["step"], line["tokens"]) == ("skipped", line["step"], 192)
    assert line | {"seconds": 0.5} == as_metrics(seen)
    assert (line["dev_nats"], line["dev_accuracy"], line["dev_margin"]) == (0.6, 0.75, 0.25)
    assert "train_nats" not in line


def test_a_report_without_a_step_has_no_figures_of_one() -> None:
    """Such as that of the validation before the first step."""
    before = as_metrics(replace(report(), nats=2.0, bits_per_byte=3.0, seconds=0.0))
    after = as_metrics(replace(report(), nats=2.0, bits_per_byte=3.0))
    assert after.keys() - before.keys() == {"train_nats", "train_bits_per_byte", "gradient_norm"}
    assert "train_bits_per_byte" not in as_metrics(replace(report(), bits_per_byte=0.0))


def test_the_tokens_read_are_told_of_several_sources_only() -> None:
    assert as_metrics(replace(report(), read={"tatar": 96})) == as_metrics(report())
    both = {"read_tokens/tatar": 64, "read_tokens/khmer": 32}
    assert both.items() <= as_metrics(replace(report(), read={"tatar": 64, "khmer": 32})).items()
