"""Validations of answers and of pairs, on held-out examples."""

import math
from pathlib import Path

import numpy as np
import pytest
from made_conversations import toy_inputs
from toys import lively_decoder, toy_config, train_config

from endonym.train.distributed import ALONE
from endonym.train.inputs import reference

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


def test_figures_of_pairs_are_those_of_their_log_probabilities(tmp_path: Path) -> None:
    """Those of both decoders, by train/reference.py."""
    decoder, moved = lively_decoder(CONFIG), lively_decoder(CONFIG, seed=3)
    inputs = toy_inputs(tmp_path / "a", "preferences", decoder, tmp_path / "work")
    phase = train_config(context=32, objective="preferences", eval_tokens=10_000, beta=0.5)
    found = inputs.validate(moved, phase, ALONE)
    folder = tmp_path / "moved"
    logs = reference(
        lambda: moved, inputs.dev, context=32, folder=folder, device="cpu", group=ALONE
    )
    gains = 0.5 * (logs - inputs.references["dev"]).reshape(-1, 2)
    margins = gains[:, 0] - gains[:, 1]
    assert (margins < 0).any()
    assert (margins > 0).any()
    assert found.n_tokens == len(margins) == len(inputs.dev) // 2
    assert found.figures["accuracy"] == (margins > 0).mean()
    assert found.figures["margin"] == pytest.approx(margins.mean(), rel=1e-4)
    assert found.nats == pytest.approx(np.log1p(np.exp(-margins)).mean(), rel=1e-4)
    ids = [inputs.dev.answers(number)[0] for number in range(0, len(inputs.dev), 2)]
    n_bytes = inputs.dev.byte_counts[np.concatenate(ids)].sum()
    assert found.bits_per_byte == pytest.approx(-logs[::2].sum() / math.log(2) / n_bytes, rel=1e-4)
