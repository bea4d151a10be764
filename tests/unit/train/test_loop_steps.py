"""The loop learns what its steps would learn one by one, each batch at its step's rate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_config, toy_decoder, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.train.config import Phase
from endonym.train.loop import Training, Work
from endonym.train.optimizer import Optimizer
from endonym.train.schedule import multiplier
from endonym.train.step import take_step

STEPS = 9


@pytest.mark.parametrize(
    ("schedule", "warmup_steps"), [("linear", 3), ("cosine", 0), ("constant", 4)]
)
def test_a_phase_is_its_steps_one_by_one(schedule: str, warmup_steps: int, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    documents = [random.integers(1, 24, size).tolist() for size in (30, 9, 22, 14, 25)]
    train, val = write_toy_shards(tmp_path / "shards", documents, documents[:2], vocab=24)
    keys = {"schedule": schedule, "warmup_steps": warmup_steps, "weight_decay": 0.2}
    phase = Phase(steps=STEPS, batch_tokens=32, lr=1e-2, number_format="fp32", **keys)
    looped, stepped = (toy_decoder(toy_config(vocab=24)) for _ in range(2))
    run = Training(looped, phase, Work(train, val, tmp_path / "kept", 99.0), seed=3)
    told = [report.lr for report in run.reports()][1:]
    batches = Batches(Order(train, context=16, seed=3), rows=2)
    optimizer = Optimizer(stepped, phase, "fp32")
    for step in range(STEPS):
        share = multiplier(schedule, step=step, steps=STEPS, warmup_steps=warmup_steps)
        assert told[step] == pytest.approx(1e-2 * share)
        take_step(stepped, optimizer, batches[step], share=share, rows=2, where="")
    for name, weights in optimizer.weights().items():
        assert torch.equal(run.optimizer.weights()[name], weights), name
