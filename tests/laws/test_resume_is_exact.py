"""Law 13: ten steps equal four, a checkpoint, and six, bit for bit."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder, toy_config, toy_decoder, train_config, write_toy_shards
from typed_texts import typed_inputs

from endonym.model.families import FAMILIES
from endonym.model.lora import adapted
from endonym.model.weights import load_tensors
from endonym.train.config import SourceShare, TrainConfig
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Report, Training

STEPS = 10
SAVED = 4
VOCAB = 24
FORMATS = ("fp32", "bf16")


def phase_of(number_format: str, **keys: object) -> TrainConfig:
    """Four rows a batch, two in memory at once; the text is read three times over."""
    settings = {
        "steps": STEPS,
        "batch_tokens": 64,
        "micro_tokens": 32,
        "lr": 3e-3,
        "warmup_steps": 5,
        "weight_decay": 0.1,
        "eval_every_steps": SAVED,
        "eval_tokens": 64,
        "save_every_steps": SAVED,
        "number_format": number_format,
    }
    sources = keys.pop("sources", ())
    return train_config(**settings | keys).but(sources=sources)


def corpus(folder: Path) -> TrainingInputs:
    random = np.random.default_rng(4)
    documents = [random.integers(1, VOCAB, size).tolist() for size in random.integers(1, 40, 10)]
    train, dev = write_toy_shards(
        folder / "shards", documents, documents[:4], vocab=VOCAB, sources=("web", "books")
    )
    return TrainingInputs(train, dev, folder / "checkpoints", unigram_nats=99.0)


def reports_until(step: int, killed: Training) -> list[Report]:
    """The reports up to a step, after which no other step is computed."""
    first: list[Report] = []
    for report in killed.reports():
        first.append(report)
        if report.step == step:
            break
    return first


def assert_same_training(resumed: Training, whole: Training) -> None:
    """The same weights, also as they are handed on, averages, optimizer state and counts."""
    assert_same_tensors(resumed.optimizer.weights(), whole.optimizer.weights())
    assert_same_tensors(resumed.optimizer.state(), whole.optimizer.state())
    assert_same_tensors(resumed.average.state(), whole.average.state())
    assert_same_tensors(resumed.weights(), whole.weights())
    assert resumed.state == whole.state


def training(work: TrainingInputs, family: str, phase: TrainConfig) -> Training:
    if family == "hybrid":
        config = shape("mamba2", "hybrid", vocab=VOCAB, context=16, dropout=0.1)
    else:
        config = toy_config(family, vocab=VOCAB, context=16, dropout=0.1)
    if phase.adapt is None:
        return Training(toy_decoder(config), phase, work, seed=1)
    decoder = adapted(lively_decoder(config, noise=0.1).train(), phase.adapt, 1)
    return Training(decoder, phase, work, seed=1)


def without_clock(reports: list[Report]) -> list[dict[str, object]]:
    """Reports as plain values; a number that is none is written as text, to be comparable."""
    flat = [dataclasses.asdict(dataclasses.replace(report, seconds=0.0)) for report in reports]
    return [
        {k: "nan" if isinstance(v, float) and math.isnan(v) else v for k, v in each.items()}
        for each in flat
    ]


def assert_same_tensors(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


MUON = {"optimizer": "muon", "normalise": True}
MIXTURE = (SourceShare(name="books", share=0.7, first_row=3), SourceShare(name="web", share=0.3))
ADAMW_WAYS: dict[str, dict[str, object]] = {
    "adamw-cautious": {"cautious": True, "decay_schedule": "constant"},
    "adamw-ema": {"average": "ema", "schedule": "cosine"},
    "adamw-tail": {"average": "tail", "average_share": 0.8, "schedule": "wsd"},
    "adamw-mixture": {"sources": MIXTURE, "keep": "average"},
}
MUON_WAYS: dict[str, dict[str, object]] = {
    "muon": MUON,
    "muon-ema": MUON | {"average": "ema", "cautious": True, "final_lr": 0.2},
    "muon-late-tail": MUON | {"average": "tail", "average_share": 0.3, "keep": "last"},
    "muon-mixture": MUON | {"sources": MIXTURE, "cautious": True},
}
"""Ways of training that have state of their own; tails begin before the save, and after it."""
WAYS = ADAMW_WAYS | MUON_WAYS
ADAPTED_WAYS: dict[str, dict[str, object]] = {
    "lora": {"adapt": {"rank": 2, "dropout": 0.2}},
    "dora-ema": {"adapt": {"rank": 2, "dora": True}, "average": "ema"},
    "lora-muon": MUON | {"adapt": {"rank": 2}, "keep": "last"},
}
"""Phases that train adapters alone; their checkpoints hold nothing of the base."""
PLAIN_WAYS = ("adamw-cautious", "muon", "muon-mixture")
"""Those without an average of the weights."""


def cases() -> list[tuple[str, str, str]]:
    """Every family with AdamW in one format and with Muon in the other; the ways in turn."""
    return [
        (
            family,
            number_format,
            list(ADAMW_WAYS if (index + turn) % 2 else MUON_WAYS)[index // 2 % 4],
        )
        for index, family in enumerate([*FAMILIES, "hybrid"])
        for turn, number_format in enumerate(FORMATS)
    ]


def adapted_cases() -> list[tuple[str, str, str]]:
    """Every family, with the formats and the kinds of adapters in turn."""
    return [
        (family, FORMATS[index % 2], list(ADAPTED_WAYS)[index % 3])
        for index, family in enumerate([*FAMILIES, "hybrid"])
    ]


@pytest.mark.parametrize(("family", "number_format", "way"), adapted_cases())
def test_an_adapted_phase_goes_on_from_its_adapter_alone(
    family: str, number_format: str, way: str, tmp_path: Path
) -> None:
    phase = phase_of(number_format, **ADAPTED_WAYS[way])
    whole = training(corpus(tmp_path / "whole"), family, phase)
    expected = list(whole.reports())
    work = corpus(tmp_path / "killed")
    first = reports_until(SAVED, training(work, family, phase))
    kept = load_tensors(work.folder / f"step-{SAVED:06d}" / "weights.safetensors")
    assert kept.keys() == whole.weights().keys()
    assert all(".adapters." in name for name in kept)
    resumed = training(work, family, phase)
    assert resumed.resume() == SAVED
    found = first + list(resumed.reports())
    assert without_clock(found) == without_clock(expected)
    assert_same_training(resumed, whole)


def test_every_way_is_tried_in_both_formats() -> None:
    tried = {(number_format, way) for _, number_format, way in cases()}
    assert tried == {(number_format, way) for number_format in FORMATS for way in WAYS}


@pytest.mark.parametrize(("family", "number_format", "way"), cases())
def test_ten_steps_equal_four_and_a_checkpoint_and_six(
    family: str, number_format: str, way: str, tmp_path: Path
) -> None:
    phase = phase_of(number_format, **WAYS[way])
    whole = training(corpus(tmp_path / "whole"), family, phase)
    expected = list(whole.reports())
    assert whole.batches.epochs(SAVED) < 2 < whole.batches.epochs(STEPS)
    work = corpus(tmp_path / "killed")
    killed = training(work, family, phase)
    first = reports_until(SAVED, killed)
    resumed = training(work, family, phase)
    assert resumed.resume() == SAVED
    found = first + list(resumed.reports())
    assert without_clock(found) == without_clock(expected)
    assert_same_training(resumed, whole)
    assert bool(whole.average.state()) is (way not in PLAIN_WAYS)


def test_a_phase_of_typed_words_goes_on_with_the_same_words(tmp_path: Path) -> None:
    phase = phase_of("fp32", objective="autocorrect")

    def training_in(folder: Path) -> Training:
        inputs = typed_inputs(folder)
        config = toy_config("llama", vocab=inputs.train.vocab, context=32, dropout=0.1)
        return Training(toy_decoder(config), phase, inputs, seed=1)

    whole = training_in(tmp_path / "whole")
    expected = list(whole.reports())
    assert not whole.batches[0].weights_BT.equal(whole.batches[1].weights_BT)
    first = reports_until(SAVED, training_in(tmp_path / "killed"))
    resumed = training_in(tmp_path / "killed")
    assert resumed.resume() == SAVED
    found = first + list(resumed.reports())
    assert without_clock(found) == without_clock(expected)
    assert_same_training(resumed, whole)


def test_a_kill_between_checkpoints_repeats_what_was_lost_and_ends_the_same(
    tmp_path: Path,
) -> None:
    phase = phase_of("fp32", eval_every_steps=2)
    whole = training(corpus(tmp_path / "whole"), "qwen3", phase)
    list(whole.reports())
    work = corpus(tmp_path / "killed")
    for stop in (3, 5, 7):
        killed = training(work, "qwen3", phase)
        killed.resume()
        for report in killed.reports():
            if report.step == stop:
                break
    resumed = training(work, "qwen3", phase)
    assert resumed.resume() == 6
    list(resumed.reports())
    assert_same_tensors(resumed.weights(), whole.weights())
    assert resumed.state == whole.state
    assert sum(whole.state.read.values()) == STEPS * phase.batch_tokens


def test_dropout_is_drawn_anew_at_every_step_yet_not_by_what_was_drawn_before(
    tmp_path: Path,
) -> None:
    phase = phase_of("fp32")
    nats = []
    for noise in (0, 1):
        one = training(corpus(tmp_path / str(noise)), "llama", phase)
        found, seeds = [], set()
        for report in one.reports():
            torch.rand(1 + noise * 5)
            if report.step:
                seeds.add(torch.initial_seed())
                found.append(report.nats)
        nats.append(found)
        assert len(seeds) == STEPS
    assert nats[0] == nats[1]


@pytest.mark.parametrize("number_format", FORMATS)
def test_the_best_weights_are_handed_on_after_a_kill_past_them(
    number_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nats = {0: 3.3, 2: 3.0, 4: 2.5, 6: 2.9, 8: 2.7, 10: 2.9}
    work = corpus(tmp_path)
    kept: dict[str, torch.Tensor] = {}
    current = training(work, "gpt2", phase_of(number_format, eval_every_steps=2))
    patch_validations(monkeypatch, nats)
    for report in current.reports():
        if report.step == 4:
            kept = {name: tensor.clone() for name, tensor in current.optimizer.weights().items()}
        if report.step == 8:
            break
    resumed = training(work, "gpt2", phase_of(number_format, eval_every_steps=2))
    assert resumed.resume() == 8
    list(resumed.reports())
    assert resumed.state.best_step == 4
    assert_same_tensors(resumed.weights(), kept)
    last = training(work, "gpt2", phase_of(number_format, eval_every_steps=2, keep="last"))
    last.resume()
    assert_same_tensors(last.weights(), resumed.optimizer.weights())
    assert any(not torch.equal(kept[name], value) for name, value in last.weights().items())


def patch_validations(monkeypatch: pytest.MonkeyPatch, nats: dict[int, float]) -> None:
    """Let the validations find these losses, in their order."""
    from endonym.train.inputs import ValidationResult

    left = iter(nats.values())

    def validate(*_: object, **__: object) -> ValidationResult:
        return ValidationResult(nats=next(left), bits_per_byte=1.0, sources={}, n_tokens=64)

    monkeypatch.setattr("endonym.train.inputs.validate", validate)
