"""What a machine's pace decides: how much is read in an hour, and whether compiling pays."""

from pathlib import Path

import pytest
import torch
from toys import train_config

from endonym import device
from endonym.autopilot import machine, pace, probe
from endonym.autopilot.model_size import DOCUMENT_TOKENS, Choice
from endonym.autopilot.pace import (
    Pace,
    choose_compile,
    expected_here,
    measured_pace,
    promised_here,
    promised_seconds,
    seconds_a_token,
    small_shape,
    usual_shape,
    usual_training,
)
from endonym.errors import OutOfMemory
from endonym.log import number
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.count import flops_per_token
from endonym.model.families import resolve
from endonym.store import read_if_whole
from endonym.train import compile as compiler
from endonym.train.config import TrainConfig

SHAPE = resolve(ModelKeys(dim=64, layers=2, mixer=MixerKeys(heads=1)), vocab=1000, context=64)
PHASE = train_config(number_format="fp32", batch_tokens=128)


def of_tokens(tokens: int) -> TrainConfig:
    return PHASE.but(steps=tokens // PHASE.batch_tokens)


def test_compiling_pays_once_training_is_long_enough() -> None:
    found = Pace(plain=1_000.0, compiled=1_250.0, compile_seconds=20.0)
    assert not found.pays(90_000)  # 90 s against 20 + 72
    assert found.pays(110_000)  # 110 s against 20 + 88
    assert not Pace(plain=1_000.0).pays(10**9)
    assert not Pace(plain=1_000.0, compiled=900.0, compile_seconds=1.0).pays(10**9)


def test_an_hour_holds_as_much_as_the_faster_way_reads() -> None:
    found = Pace(plain=1_000.0, compiled=1_250.0, compile_seconds=20.0)
    assert found.tokens_in(60) == 60_000
    assert found.tokens_in(3600) == 3580 * 1250


RATES = {"fp32": 2e11, "bf16": 2e12}


def test_the_pace_of_the_small_shape_is_what_the_formula_promises_for_it() -> None:
    small = Pace(plain=20_000.0, compiled=30_000.0, compile_seconds=9.0)
    assert promised_seconds(small_shape(), RATES["bf16"], small) == pytest.approx(1 / 30_000)
    # Faster than its products could be: the products are what is left.
    assert promised_seconds(small_shape(), RATES["bf16"], Pace(1e9)) > 1e-6


def test_what_is_beside_products_grows_with_the_channels_of_all_layers() -> None:
    keys = ModelKeys(dim=128, layers=8, mixer=MixerKeys(heads=2))
    deep = resolve(keys, vocab=2048, context=256)
    slow, fast = Pace(10_000.0), Pace(20_000.0)
    rate = RATES["bf16"]
    gap = promised_seconds(deep, rate, slow) - promised_seconds(deep, rate, fast)
    assert gap == pytest.approx(2 * (1 / 10_000 - 1 / 20_000))


def test_the_pace_that_new_measured_is_known_to_those_who_only_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    assert promised_here(SHAPE, RATES, file, "bf16") == promised_seconds(SHAPE, RATES["bf16"])
    monkeypatch.setattr(probe, "pace", lambda *_: {"plain": 1_000.0})
    measured_pace(small_shape(), usual_training(RATES, number_format="bf16"), file)
    assert promised_here(small_shape(), RATES, file, "bf16") == pytest.approx(1 / 1_000)
    # Nobody measured it in fp32, whose products are a tenth as fast.
    slow = promised_seconds(small_shape(), RATES["fp32"])
    assert promised_here(small_shape(), RATES, file, "fp32") == pytest.approx(slow)


def test_short_phases_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e11, "bf16": 1e11})
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    monkeypatch.setattr(pace, "measured_pace", lambda *_, **__: pytest.fail("measured"))
    choice = choose_compile(SHAPE, of_tokens(10_000), file)
    assert choice.value == "off"
    assert "too short" in choice.reason


def test_a_short_phase_is_compiled_if_a_measurement_is_there_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e11, "bf16": 1e11})
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    known = {"plain": 1_000.0, "compiled": 1_300.0, "compile_seconds": 0.5}
    monkeypatch.setattr(probe, "pace", lambda *_: known)
    short = of_tokens(10_000)
    measured_pace(SHAPE, short, file)  # `new` does it.
    assert choose_compile(SHAPE, short, file).value == "on"
    assert expected_here(SHAPE, short, file, DOCUMENT_TOKENS) == 1 / 1_300.0


def test_long_phases_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 1e9})
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    measured = [{"plain": 1_000.0, "compiled": 1_300.0, "compile_seconds": 9.0}]
    monkeypatch.setattr(probe, "pace", lambda *_: measured.pop())
    for _ in range(2):
        choice = choose_compile(SHAPE, of_tokens(10**9), file)
        assert choice.value == "on"
        assert f"{number(1_300)} with it" in choice.reason


def test_a_compiler_that_fails_is_named_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 1e9})
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    measured = [{"plain": 1_000.0, "failure": "Python.h: No such file"}]
    monkeypatch.setattr(probe, "pace", lambda *_: measured.pop())
    for _ in range(2):
        choice = choose_compile(SHAPE, of_tokens(10**9), file)
        assert choice == Choice("off", "the compiler here fails: Python.h: No such file")


def test_a_pace_beside_others_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 1e9})
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    slow = {"plain": 400.0, "compiled": 500.0, "compile_seconds": 9.0, "others": 1.04}
    monkeypatch.setattr(probe, "pace", lambda *_: slow)
    choice = choose_compile(SHAPE, of_tokens(10**9), file)
    assert choice.reason.endswith(", while other programs took 1.0 cores from it")
    assert not Pace(400.0, others=0.2).doubt


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": 0.1},
        {"mixer": MixerKeys(heads=1, window=16)},
        {"mixer": MixerKeys(heads=2)},
        {"family": "llama"},
    ],
    ids=str,
)
def test_a_pace_holds_for_one_shape_alone(
    change: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = [1_000.0, 2_000.0]
    monkeypatch.setattr(probe, "pace", lambda *_: {"plain": speeds.pop()})
    keys = {"dim": 64, "layers": 2, "mixer": MixerKeys(heads=1)} | change
    other = resolve(ModelKeys.model_validate(keys), vocab=1000, context=64)
    for shape, speed in ((SHAPE, 2_000.0), (other, 1_000.0), (SHAPE, 2_000.0)):
        assert measured_pace(shape, PHASE, tmp_path / "machine.json").plain == speed


def test_long_documents_have_a_pace_of_their_own_where_rows_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def steps(shape: object, phase: object, device: str, document: int) -> dict[str, float]:
        seen.append(document)
        return {"plain": 1_000.0}

    monkeypatch.setattr(probe, "pace", steps)
    for context, document in ((64, 20), (64, 60), (1024, 20.4), (1024, 900.0), (1024, 9_000.0)):
        shape = usual_shape(64, 2, 1000, context)
        measured_pace(shape, PHASE, tmp_path / "machine.json", document=document)
    assert seen == [32, 32, 1024]


def test_how_strong_dropout_is_changes_no_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = [1_000.0]
    monkeypatch.setattr(probe, "pace", lambda *_: {"plain": speeds.pop()})
    for dropout in (0.1, 0.4):
        shape = usual_shape(64, 2, 1000, 64, dropout=dropout)
        assert measured_pace(shape, PHASE, tmp_path / "machine.json").plain == 1_000.0


def test_a_shape_without_a_compiler_is_paced_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "unsupported_reason", lambda shape, device: "no compiler")
    found = measured_pace(SHAPE, PHASE, tmp_path / "machine.json")
    assert found.plain > 0
    assert found.compiled is None


def test_what_memory_cannot_hold_is_not_compiled_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> dict[str, float]:
        raise OutOfMemory("4 GB more was asked for")

    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 1e9})
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    monkeypatch.setattr(probe, "pace", no_memory)
    choice = choose_compile(SHAPE, of_tokens(10**9), file)
    assert choice.value == "off"
    assert "no memory" in choice.reason
    (known,) = read_if_whole(file).values()
    assert list(known) == ["matmul_per_second"]


def test_a_gpu_is_measured_by_its_own_steps_and_remembered_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def steps(decoder: object, config: TrainConfig, device: str, document: int) -> float:
        measured.append(f"as written on {device}, documents of {document}")
        return 1e6

    def both(shape: object, phase: TrainConfig, device: str, document: int) -> dict[str, float]:
        measured.append(f"both on {device}, documents of {document}")
        return {"plain": 1e6, "compiled": 2e6, "compile_seconds": 30.0}

    monkeypatch.setattr(device, "probe_number_formats", lambda: pytest.fail("asked the processor"))
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: f"GPU of {name}")
    monkeypatch.setattr(probe, "plain", steps)
    monkeypatch.setattr(probe, "pace", both)
    file = tmp_path / "machine.json"
    short = choose_compile(SHAPE, of_tokens(10_000_000), file, target="cuda:1", document=32.0)
    assert (short.value, short.reason) == ("off", "about 10 s of training: too short to pay")
    assert (
        choose_compile(SHAPE, of_tokens(10**9), file, target="cuda:1", document=32.0).value == "on"
    )
    assert measured == [f"{how} on cuda:1, documents of 32" for how in ("as written", "both")]
    (known,) = read_if_whole(file).values()
    assert all("on GPU of cuda:1" in key for key in known)


def test_the_time_of_a_token_is_a_formula_of_the_processors_products(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 5e8})
    for kind, rate in (("fp32", 1e9), ("bf16", 5e8)):
        phase = train_config(number_format=kind)
        expected = flops_per_token(SHAPE) / (0.3 * rate)
        assert seconds_a_token(SHAPE, phase, file) == pytest.approx(expected)


def test_the_formula_is_of_the_products_and_of_what_stands_beside_them() -> None:
    shape, rate = usual_shape(320, 6, 4096, 256), 1e11
    assert promised_seconds(shape, rate) == pytest.approx(flops_per_token(shape) / (rate * 0.3))
    small = small_shape()
    beside = 1 / 5_000 - flops_per_token(small) / (rate * 0.8)
    assert beside > 0
    whole = flops_per_token(shape) / (rate * 0.8) + beside * (320 * 6) / (128 * 4)
    assert promised_seconds(shape, rate, Pace(5_000.0)) == pytest.approx(whole)


def test_a_usual_shape_has_heads_of_sixty_four_channels() -> None:
    heads = [usual_shape(dim, 2, 300, 32).mixers[0].model_dump()["heads"] for dim in (32, 64, 320)]
    assert heads == [1, 1, 5]


def test_compiling_that_gains_nothing_does_not_pay() -> None:
    assert not Pace(plain=1_000.0, compiled=1_000.0).pays(10**6)
    assert not Pace(plain=1_000.0, compiled=2_000.0, compile_seconds=5.0).pays(10_000)
    assert Pace(plain=1_000.0, compiled=2_000.0, compile_seconds=5.0).pays(10_001)
    assert Pace(1_000.0, 900.0).best == 1_000.0
    assert Pace(1_000.0).seconds(500, is_compiled=True) == 0.5
