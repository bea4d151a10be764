"""Memory: what fits is chosen, what ends is met with half the rows; an error says what to do."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import toy_config, toy_decoder, train_config, write_toy_shards

from endonym.errors import OutOfMemory
from endonym.model.count import parameters
from endonym.train import memory_budget, step
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training
from endonym.train.memory_budget import (
    explained_memory_errors,
    phase_bytes,
    teachers_bytes,
    within_memory,
)

CUDA = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 8 GiB"
CPU = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096000 bytes."
MPS = "MPS backend out of memory (MPS allocated: 9 GB). Tried to allocate 300.00 MiB on it"
VOCAB = 24


def too_big() -> None:
    """Ask torch for more memory than any machine has."""
    torch.empty(1 << 55)


@pytest.mark.parametrize("error", [RuntimeError(CUDA), RuntimeError(CPU), MemoryError()])
def test_rows_are_halved_until_they_fit(error: Exception) -> None:
    calls: list[object] = []

    def gather(rows: int) -> str:
        calls.append(rows)
        if rows > 2:
            raise error
        return "done"

    assert within_memory(gather, 11, lambda: calls.append("forget")) == ("done", 2)
    assert calls == [11, "forget", 6, "forget", 3, "forget", 2]


ASKED = [(CUDA, "2.7 GB more"), (CPU, "4.1 MB more"), (MPS, "314.6 MB more")]


@pytest.mark.parametrize(
    ("message", "asked"), [*ASKED, ("you tried to allocate 4096000", "4.1 MB more")]
)
def test_one_row_too_large_is_told(message: str, asked: str, monkeypatch: pytest.MonkeyPatch):
    """Of the GPU that says so, or of the machine."""
    free = {"cpu": 1_200_000, "cuda:0": 3_400_000}
    monkeypatch.setattr(memory_budget, "free_memory_bytes", free.__getitem__)
    there = "3.4 MB" if message == CUDA else "1.2 MB"

    def gather(rows: int) -> None:
        raise RuntimeError(message)

    with pytest.raises(OutOfMemory, match=f"{asked} was asked for, {there} are free") as caught:
        within_memory(gather, 4, lambda: None)
    assert "more blocks in recompute" in caught.value.do


def test_no_more_memory_is_counted_than_for_a_whole_batch() -> None:
    """A micro-batch is at least a row, and at most the batch."""
    sizes = (1, 16, 32, 64, 128)
    phases = {size: train_config(batch_tokens=64, micro_tokens=size) for size in sizes}
    needed = {size: phase_bytes(toy_config(), phase) for size, phase in phases.items()}
    assert needed[1] == needed[16] < needed[32] < needed[64] == needed[128]


def test_what_a_phase_says_is_counted() -> None:
    keys = {"batch_tokens": 64, "micro_tokens": 64}
    phase, wide = train_config(**keys), toy_config(context=512)
    in_long_rows = phase.but(context=512)
    plain = phase_bytes(toy_config(), phase)
    assert phase_bytes(wide, in_long_rows, 4) < phase_bytes(wide, in_long_rows)
    assert phase_bytes(wide, phase) == plain, "a row is as long as the recipe says"
    assert phase_bytes(toy_config(), train_config(**keys, average="ema")) > plain
    for more in ({"optimizer": "muon"}, {"recompute": 1}, {"adapt": {"rank": 2}}):
        assert phase_bytes(toy_config(), train_config(**keys, **more)) < plain, more


def test_every_teacher_is_counted_where_it_reads() -> None:
    """Weights and hidden states of each, beside the phase or before it; a larger one takes more."""
    shape, deep = toy_config(context=16), toy_config(context=16, layers=6)
    phase = train_config(batch_tokens=64, micro_tokens=32)
    alone = phase_bytes(shape, phase)
    needed = [phase_bytes(shape, phase, teachers=[shape] * n) - alone for n in range(4)]
    each = 4 * (parameters(shape).total + 32 * shape.dim)
    assert needed[0] == 0
    assert [b - a for a, b in pairwise(needed[1:])] == [each, each]
    assert needed[1] > each, "what a block or the logits take, once"
    assert phase_bytes(shape, phase, teachers=[deep]) > alone + needed[1]
    before = [teachers_bytes(16, [shape] * n) for n in range(3)]
    assert before[0] == 0
    assert before[2] - before[1] == 4 * (parameters(shape).total + 8192 * shape.dim)


def test_memory_that_torch_itself_cannot_get_is_recognised() -> None:
    with pytest.raises(OutOfMemory, match="asked for"), explained_memory_errors("phase pretrain"):
        too_big()


def test_other_errors_are_not_about_memory() -> None:
    def gather(rows: int) -> None:
        raise RuntimeError("expected scalar type Float but found BFloat16")

    with pytest.raises(RuntimeError, match="expected scalar type"):
        within_memory(gather, 4, lambda: None)
    with pytest.raises(KeyError), explained_memory_errors("phase pretrain"):
        raise KeyError("out of memory")


Corpus = Callable[[str], TrainingInputs]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    def made(name: str) -> TrainingInputs:
        random = np.random.default_rng(8)
        documents = [random.integers(1, VOCAB, size).tolist() for size in (30, 9, 22, 14, 25)]
        shards = write_toy_shards(tmp_path / name / "shards", documents, documents, vocab=VOCAB)
        return TrainingInputs(*shards, tmp_path / name / "checkpoints", unigram_nats=99.0)

    return made


def training(work: TrainingInputs, **keys: object) -> Training:
    settings: dict[str, object] = {"steps": 6, "batch_tokens": 128, "lr": 1e-2, "clip": 0.1}
    settings |= {"number_format": "bf16", "eval_every_steps": 3, "recompute": 0}
    phase = train_config(**settings | keys)
    return Training(toy_decoder(toy_config(vocab=VOCAB, dropout=0.2)), phase, work, seed=3)


def starve(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let memory end in the backward pass of whatever has more than `most` rows."""
    tried: list[int] = []

    whole = step.accumulate_gradients

    def accumulate(*arguments: Any, rows: int, **keys: Any) -> torch.Tensor:
        tried.append(rows)
        found = whole(*arguments, rows=rows, **keys)
        if rows > most:  # The gradients it has made must not be counted again.
            raise torch.OutOfMemoryError(CUDA)
        return found

    monkeypatch.setattr(step, "accumulate_gradients", accumulate)
    return tried


def test_smaller_parts_of_a_step_stay_small(corpus: Corpus, monkeypatch: pytest.MonkeyPatch):
    expected = training(corpus("small"), micro_tokens=32)
    planned = [report.nats for report in expected.reports()]
    tried = starve(monkeypatch, 2)
    work = corpus("starved")
    run = training(work)
    reports = []
    for report in run.reports():
        reports.append(report)
        if report.step == 4:
            break
    assert tried == [8, 4, 2, 2, 2, 2]
    (event,) = [event for report in reports for event in report.events]
    assert (event.event, event.step) == ("smaller_micro_batch", 1)
    assert "2 rows at a time" in event.message
    again = training(work)
    assert again.resume() == 3
    reports = reports[:4] + list(again.reports())
    assert tried[6:] == [2, 2, 2]
    assert str([report.nats for report in reports]) == str(planned)
    for name, weight in expected.optimizer.weights().items():
        assert torch.equal(again.optimizer.weights()[name], weight)


def test_a_row_that_never_fits_ends_training(corpus: Corpus, monkeypatch: pytest.MonkeyPatch):
    tried = starve(monkeypatch, 0)
    free = {"cuda:0": 7_000, "cpu": 0}
    monkeypatch.setattr(memory_budget, "free_memory_bytes", free.__getitem__)
    with pytest.raises(OutOfMemory, match=r"7\.0 kB are free"):
        list(training(corpus("hopeless")).reports())
    assert tried == [8, 4, 2, 1]
