"""The guard: strange steps are skipped, harmed weights are given up, and a kill changes nothing."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batch, Batches
from endonym.errors import NonFiniteLoss, TrainingError
from endonym.train import inputs, loop, loss_guard, step
from endonym.train.checkpoint import TrainState
from endonym.train.inputs import TrainingInputs, ValidationResult
from endonym.train.loop import Report, Training
from endonym.train.step import Stepped

Patch = pytest.MonkeyPatch
VOCAB = 24


@pytest.fixture
def work(tmp_path: Path) -> TrainingInputs:
    return corpus(tmp_path)


def corpus(folder: Path) -> TrainingInputs:
    """Documents that count upwards: easy to learn."""
    starts = np.random.default_rng(8).integers(1, VOCAB, 12)
    documents = [[1 + (int(s) + n) % (VOCAB - 1) for n in range(20)] for s in starts]
    train, dev = write_toy_shards(folder / "shards", documents, documents[:2], vocab=VOCAB)
    return TrainingInputs(train, dev, folder / "checkpoints", unigram_nats=99.0)


def training(work: TrainingInputs, **keys: object) -> Training:
    settings = {"steps": 14, "batch_tokens": 32, "lr": 1e-2, "number_format": "fp32"}
    settings |= {"eval_every_steps": 4, "eval_tokens": 64}
    phase = train_config(**settings | keys)
    return Training(toy_decoder(toy_config(vocab=VOCAB, dropout=0.1)), phase, work, seed=3)


def spoil(
    monkeypatch: pytest.MonkeyPatch, is_spoilt: Callable[[TrainState], bool], nats: float = math.nan
) -> Callable[[Training], Training]:
    """Let the steps of a training that are spoilt show this loss."""
    watched: list[Training] = []

    def take_step(*given: Any, refuses: Callable[[Stepped], str], **more: Any) -> Stepped:
        if not is_spoilt(watched[-1].state):
            return step.take_step(*given, refuses=refuses, **more)
        spoilt = Stepped(nats, 1.0)
        found = step.take_step(*given, refuses=lambda _: refuses(spoilt), **more)
        return replace(spoilt, rows=found.rows, refused=found.refused)

    monkeypatch.setattr(loop, "take_step", take_step)

    def watch(run: Training) -> Training:
        watched.append(run)
        return run

    return watch


def usual(count: int = 150) -> TrainState:
    """A loss that falls from 5 to 3 nats with noise, gradients of norm 0.8 to 1.25."""
    random = np.random.default_rng(0)
    nats = np.linspace(5, 3, count) + 0.1 * random.standard_normal(count)
    logs = 0.22 * np.clip(random.standard_normal(count), -1, 1)
    state = TrainState()
    for loss, log in zip(nats, logs, strict=True):
        loss_guard.note_good(Stepped(float(loss), math.exp(log)), state)
    return state


def test_what_is_far_above_the_last_steps_is_a_problem_and_what_is_below_is_none() -> None:
    state = usual()
    assert loss_guard.reason_to_skip(Stepped(3.1, 1.0), state) == ""
    assert loss_guard.reason_to_skip(Stepped(5.5, 2.0), state) == ""
    assert loss_guard.reason_to_skip(Stepped(0.01, 1e-9), state) == ""
    assert loss_guard.reason_to_skip(Stepped(0.01, 0.0), state) == ""
    assert "a loss of 8.50 nats" in loss_guard.reason_to_skip(Stepped(8.5, 1.0), state)
    assert "a gradient of norm 9" in loss_guard.reason_to_skip(Stepped(3.1, 9.0), state)


def test_nothing_is_strange_before_a_hundred_steps_but_what_is_no_number() -> None:
    state = usual(99)
    assert loss_guard.reason_to_skip(Stepped(99.0, 1e9), state) == ""
    assert "the loss is not" in loss_guard.reason_to_skip(Stepped(math.inf, 1.0), state)
    assert "the gradient is not" in loss_guard.reason_to_skip(Stepped(3.0, math.nan), state)
    loss_guard.note_good(Stepped(3.0, 1.0), state)
    assert loss_guard.reason_to_skip(Stepped(99.0, 1.0), state)


def test_two_hundred_steps_are_remembered() -> None:
    state = usual(350)
    assert len(state.recent_nats) == len(state.recent_log_norms) == 200
    assert max(state.recent_nats) < 4.5


def test_strange_rows_are_skipped(work: TrainingInputs, monkeypatch: pytest.MonkeyPatch):
    read = Batches.part

    def spoilt(batches: Batches, number: int, rows: range) -> Batch:
        batch = read(batches, number, rows)
        if number == 120:
            batch = Batch(batch.tokens_BT, batch.targets_BT.flip(1), batch.documents_BT)
        return batch

    monkeypatch.setattr(Batches, "part", spoilt)
    run = training(work, steps=124, eval_every_steps=124, schedule="constant")
    skipped: list[Report] = []
    before: dict[str, torch.Tensor] = {}
    for report in run.reports():
        held = {**run.optimizer.weights(), **run.optimizer.state()}
        if report.is_skipped:
            skipped.append(report)
            assert all(torch.equal(before[name], held[name]) for name in before)
        elif report.step > 119:
            assert any(not torch.equal(before.get(n, t[:0]), t) for n, t in held.items())
        before = {name: tensor.clone() for name, tensor in held.items()}
    (report,) = skipped
    assert report.step == 121
    (event,) = report.events
    assert "a loss of" in event.message
    assert "sigma above" in event.message
    assert event.numbers == {"first_row": 240, "last_row": 241}
    assert (run.state.step, run.state.skipped, run.state.updates) == (124, 1, 123)
    assert run.state.skipped_in_row == run.state.rollbacks == 0
    assert len(run.state.recent_nats) == 123


def test_three_in_a_row_go_back(work: TrainingInputs, monkeypatch: pytest.MonkeyPatch):
    watch = spoil(monkeypatch, lambda state: 5 <= state.step < 9 and not state.rollbacks)
    run = watch(training(work, save_every_steps=1))
    read: list[int] = []
    part = Batches.part
    monkeypatch.setattr(Batches, "part", lambda of, n, rows: read.append(n) or part(of, n, rows))
    reports, kept = [], []
    for report in run.reports():
        reports.append(report)
        if report.is_rolled_back:
            kept = sorted(path.name for path in work.folder.iterdir())
            assert run.state.skipped_in_row == run.state.skipped == 0
    steps = [report.step for report in reports]
    assert steps == [*range(9), 5, *range(6, 15)]
    assert [r.step for r in reports if r.is_skipped] == [6, 7, 8]
    assert read == [*range(8), *range(5, 14)]
    assert kept[-1] == "step-000005"
    back = reports[9].events[0]
    told = {"event": "rolled_back", "step": 8, "rollbacks": 0, "to_step": 5, "lr_scale": 0.5}
    assert back.as_dict().items() >= told.items()
    assert reports[9].seconds == 0
    assert reports[9].validation is None
    assert reports[10].lr == pytest.approx(reports[6].lr / 2)
    assert reports[-1].lr == pytest.approx(1e-2 / 2 / 14)
    assert run.state.is_finished


def plain(reports: list[Report]) -> list[tuple[object, ...]]:
    parts = attrgetter("step", "lr", "nats", "gradient_norm", "validation", "events")
    return [tuple(map(str, parts(report))) for report in reports]


STOPS = {"fp32": [(6, False), (11, True)], "bf16": [(13, False), (10, True)]}


@pytest.mark.parametrize("number_format", STOPS)
def test_kills_change_nothing(number_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Step 3 is skipped alone; 9 to 11 in a row, twice; the checkpoints are of 0, 3, 4, 6, 8 …

    is_saved: stopped by Ctrl-C, which saves, except after step 11: there the weights are given up.
    """

    def is_spoilt(state: TrainState) -> bool:
        return state.step == 2 or (8 <= state.step < 11 and state.rollbacks < 2)

    watch = spoil(monkeypatch, is_spoilt)
    keys = {"save_every_steps": 3, "number_format": number_format, "eval_every_steps": 4}
    whole = watch(training(corpus(tmp_path / "whole"), **keys))
    expected = plain(list(whole.reports()))
    assert whole.state.rollbacks == 2
    for stop, is_saved in STOPS[number_format]:
        work = corpus(tmp_path / f"killed-{stop}-{is_saved}")
        killed = watch(training(work, **keys))
        for number, _ in enumerate(killed.reports()):
            if number == stop:
                if is_saved:
                    killed.save()
                break
        resumed = watch(training(work, **keys))
        first = resumed.resume()
        found = plain(list(resumed.reports()))
        assert found == expected[-len(found) :]
        assert found[0][0] == str(first + 1)
        assert resumed.state == whole.state
        for part in ("state", "weights"):
            one, two = (getattr(run.optimizer, part)() for run in (whole, resumed))
            assert all(torch.equal(one[name], tensor) for name, tensor in two.items())
            assert one.keys() == two.keys()


def test_what_the_clock_has_saved_is_not_gone_back_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a training returns to after harm depends on its recipe, not on how fast it was."""
    watch = spoil(monkeypatch, lambda state: state.step >= 11 and not state.rollbacks)
    whole = watch(training(corpus(tmp_path / "fast"), steps=20, eval_every_steps=8))
    expected = plain(list(whole.reports()))
    hours = itertools.count(1e6, 3600.0)
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(hours))
    work = corpus(tmp_path / "slow")
    slow, seen = watch(training(work, steps=20, eval_every_steps=8)), list[Report]()
    for report in slow.reports():
        seen.append(report)
        is_harmed = report.is_skipped or report.is_rolled_back
        assert is_harmed or (work.folder / f"step-{report.step:06d}").is_dir()
    assert plain(seen) == expected
    assert sum(report.step == 9 for report in seen) == 2


def test_a_fresh_start_may_be_gone_back_to(work: TrainingInputs, monkeypatch: pytest.MonkeyPatch):
    watch = spoil(monkeypatch, lambda state: not state.rollbacks)
    run = watch(training(work, steps=4))
    assert [report.step for report in run.reports()] == [0, 1, 2, 3, 0, 1, 2, 3, 4]
    assert [seen["step"] for seen in run.state.validations] == [0, 4]
    assert run.optimizer.state()


RETURNS = [(math.nan, NonFiniteLoss, "not a finite number"), (50.0, TrainingError, "sigma above")]


@pytest.mark.parametrize(("nats", "kind", "match"), RETURNS)
def test_after_three_returns_the_rate_is_named(
    nats: float, kind: type[TrainingError], match: str, tmp_path: Path, monkeypatch: Patch
) -> None:
    work = corpus(tmp_path)
    monkeypatch.setattr(loss_guard, "TRUSTED", 2)
    watch = spoil(monkeypatch, lambda state: state.step >= 6, nats)
    seen: list[Report] = []
    with pytest.raises(TrainingError, match=match) as caught:
        seen.extend(watch(training(work)).reports())
    assert type(caught.value) is kind
    assert caught.value.where.startswith("step 9, rows 16 to 17")
    assert str(work.folder) in caught.value.where
    assert "lr: it was 0.01, at last 0.00125" in caught.value.do


@pytest.mark.parametrize("part", ["weights", "optimizer_state"])
def test_weights_that_are_no_numbers_are_never_kept(part: str, work: TrainingInputs) -> None:
    run = training(work)
    reports = run.reports()
    for _ in range(8):
        last = next(reports)
    assert last.step == 7
    held = run.optimizer.weights() if part == "weights" else run.optimizer.state()
    with torch.no_grad():
        next(iter(held.values())).fill_(math.inf)
    run.save()
    assert sorted(path.name for path in work.folder.iterdir()) == ["step-000000", "step-000004"]
    lost = next(reports)
    assert lost.step == 8
    assert lost.validation is None
    assert (lost.events[-1].event, lost.events[-1].step) == ("lost", 8)
    assert next(reports).is_rolled_back
    assert run.state.step == 4
    assert [report.step for report in reports] == list(range(5, 15))
    for folder in work.folder.iterdir():
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        assert state["skipped_in_row"] == 0


def test_a_held_out_nan_is_a_problem_too(work: TrainingInputs, monkeypatch: pytest.MonkeyPatch):
    validate, validations = inputs.validate, []

    def spoilt(*arguments: object, **named: object) -> object:
        validations.append(1)
        seen = validate(*arguments, **named)  # type: ignore[arg-type]
        return seen if len(validations) != 3 else type(seen)(math.nan, math.nan, {}, 1)

    monkeypatch.setattr(inputs, "validate", spoilt)
    reports = list(training(work).reports())
    assert [report.step for report in reports] == [*range(9), 4, *range(5, 15)]
    nothing = ValidationResult(math.nan, math.nan, {}, 1)
    monkeypatch.setattr(inputs, "validate", lambda *_, **__: nothing)
    with pytest.raises(NonFiniteLoss, match="before anything was learnt"):
        list(training(corpus(work.folder / "again")).reports())


UNUSUAL = [(2.29, 1.0, False), (2.31, 1.0, True), (0.1, 1e-9, False)]


@pytest.mark.parametrize(
    ("nats", "norm", "is_skipped"), [*UNUSUAL, (2.0, 1.8, False), (2.0, 1.85, True)]
)
def test_a_step_is_unusual_only_beside_a_hundred_others(nats: float, norm: float, is_skipped: bool):
    """These are all alike, so the least deviations count."""
    state = TrainState(recent_nats=[2.0] * 100, recent_log_norms=[0.0] * 100)
    assert bool(loss_guard.reason_to_skip(Stepped(nats, norm), state)) is is_skipped
    few = TrainState(recent_nats=[2.0] * 99, recent_log_norms=[0.0] * 99)
    assert loss_guard.reason_to_skip(Stepped(nats, norm), few) == ""


@pytest.mark.parametrize(("warmup", "expected"), [(0, 100), (50, 100), (80, 160)])
def test_a_model_has_twice_the_warmup_to_beat_unigrams(warmup: int, expected: int):
    config = train_config(steps=1_000, warmup_steps=warmup)
    told = [{"step": 0, "nats": 3.5, "bits": 0.0}]
    for best, at in ((3.1, expected - 1), (3.0, expected)):
        state = TrainState(step=at, best_nats=best, validations=told)
        loss_guard.require_learning(state, config, 3.0)
    late = TrainState(step=expected, best_nats=3.1, validations=told)
    for lr, advice in ((1e-3, "too high"), (9e-5, "too low")):
        with pytest.raises(TrainingError, match="learns nothing") as caught:
            loss_guard.require_learning(late, config.but(lr=lr), 3.0)
        assert advice in caught.value.do
    loss_guard.require_learning(TrainState(step=expected), config, 3.0)
