"""The loop learns what its steps would learn one by one, each batch at its step's rate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.train.loop import Training, TrainingInputs
from endonym.train.optimizer import Optimizer
from endonym.train.schedule import multiplier
from endonym.train.step import take_step
from endonym.train.validate import validate

STEPS = 9


@pytest.mark.parametrize(
    ("schedule", "warmup_steps"), [("linear", 3), ("cosine", 0), ("constant", 4)]
)
def test_a_phase_is_its_steps_one_by_one(schedule: str, warmup_steps: int, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    documents = [random.integers(1, 24, size).tolist() for size in (30, 9, 22, 14, 25)]
    train, val = write_toy_shards(tmp_path / "shards", documents, documents[:2], vocab=24)
    keys = {"schedule": schedule, "warmup_steps": warmup_steps, "weight_decay": 0.2}
    phase = train_config(steps=STEPS, batch_tokens=32, lr=1e-2, number_format="fp32", **keys)
    looped, stepped = (toy_decoder(toy_config(vocab=24)) for _ in range(2))
    run = Training(looped, phase, TrainingInputs(train, val, tmp_path / "kept", 99.0), seed=3)
    rates = [report.lr for report in run.reports()][1:]
    batches = Batches(Order(train, context=16, seed=3), rows=2)
    optimizer = Optimizer(stepped, phase)
    for step in range(STEPS):
        lr_scale = multiplier(schedule, step=step, steps=STEPS, warmup_steps=warmup_steps)
        assert rates[step] == pytest.approx(1e-2 * lr_scale)
        take_step(stepped, optimizer, batches[step], lr_scale=lr_scale, rows=2)
    for name, weights in optimizer.weights().items():
        assert torch.equal(run.optimizer.weights()[name], weights), name


def test_steps_drop_their_share_of_channels_and_validations_none(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    documents = [random.integers(1, 24, size).tolist() for size in (30, 9, 22, 14, 25)]
    train, val = write_toy_shards(tmp_path / "shards", documents, documents[:2], vocab=24)
    phase = train_config(
        steps=4, batch_tokens=64, lr=1e-2, number_format="fp32", eval_every_steps=2
    )
    decoder = toy_decoder(toy_config(vocab=24, dropout=0.25)).eval()
    zeros: list[float] = []
    decoder.dropout.register_forward_hook(
        lambda _, given, kept: zeros.append(float((kept == 0).float().mean()))
    )
    list(
        Training(
            decoder, phase, TrainingInputs(train, val, tmp_path / "kept", 99.0), seed=3
        ).reports()
    )
    validations, steps = [zeros[n] for n in (0, 3, 6)], [zeros[n] for n in (1, 2, 4, 5)]
    assert len(zeros) == 7
    assert validations == [0.0] * 3
    assert steps == pytest.approx([0.25] * 4, abs=0.06)
    assert len(set(steps)) > 1


def test_validation_reads_as_many_tokens_as_the_phase_says(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    documents = [random.integers(1, 24, size).tolist() for size in (30, 9, 22, 14, 25)]
    train, val = write_toy_shards(tmp_path / "shards", documents[:1], documents, vocab=24)
    seen: list[int] = []
    for tokens in (16, 48, 1000):
        phase = train_config(steps=1, batch_tokens=16, number_format="fp32", eval_tokens=tokens)
        decoder = toy_decoder(toy_config(vocab=24))
        work = TrainingInputs(train, val, tmp_path / f"kept-{tokens}", 99.0)
        first = next(Training(decoder, phase, work, seed=3).reports()).validation
        assert first is not None
        assert first == validate(decoder, val, tokens, "cpu")
        seen.append(first.n_tokens)
    assert seen[0] < seen[1] < seen[2]
