"""Validations of answers and of pairs, on held-out examples."""

import math
from pathlib import Path

import pytest
from made_conversations import toy_inputs
from toys import lively_decoder, toy_config, train_config

from endonym.train.distributed import ALONE

CONFIG = toy_config(vocab=24, context=32)


def test_the_loss_of_answers_is_per_learnt_token(tmp_path: Path) -> None:
    decoder = lively_decoder(CONFIG)
    inputs = toy_inputs(tmp_path / "a", "chat", decoder, tmp_path / "work")
    phase = train_config(context=32, objective="chat", eval_tokens=10_000)
    found = inputs.validate(decoder, phase, ALONE)
    assert found.n_tokens == inputs.dev.totals()["learnt"]
    expected = found.nats * found.n_tokens / math.log(2) / inputs.dev.totals()["bytes"]
    assert found.bits_per_byte == pytest.approx(expected)
    assert not found.figures


def test_pairs_tell_accuracy_and_margin(tmp_path: Path) -> None:
    decoder = lively_decoder(CONFIG)
    inputs = toy_inputs(tmp_path / "a", "preferences", decoder, tmp_path / "work")
    phase = train_config(context=32, objective="preferences", eval_tokens=10_000, beta=0.5)
    start = inputs.validate(decoder, phase, ALONE)
    assert start.nats == pytest.approx(math.log(2), abs=1e-5)
    assert start.figures["margin"] == pytest.approx(0.0, abs=1e-4)
    assert start.figures["accuracy"] == 0.5  # every pair is a tie, whatever its rounding
    moved = inputs.validate(lively_decoder(CONFIG, seed=3), phase, ALONE)
    assert moved.n_tokens == len(inputs.dev) // 2
    assert abs(moved.figures["margin"]) > 0.1
    assert 0 <= moved.figures["accuracy"] <= 1
