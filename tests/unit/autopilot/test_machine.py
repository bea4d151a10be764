"""What is measured of a machine, remembered and promised: paces, compilation."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toys import train_config

from endonym import device
from endonym.autopilot import machine, probe
from endonym.autopilot.machine import (
    Pace,
    choose_compile,
    expected_here,
    matrix_rates,
    measured_pace,
    promised_here,
    promised_seconds,
    remembered,
    saved_measurement,
    saved_rates,
    seconds_a_token,
    small_shape,
    usual_shape,
    usual_training,
)
from endonym.autopilot.workload import Workload
from endonym.errors import OutOfMemory
from endonym.log import number
from endonym.model.adapt_config import Adapt
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.count import flops_per_token
from endonym.model.families import resolve
from endonym.store import read_if_whole
from endonym.train import compile as compiler
from endonym.train.config import TrainConfig

SHAPE = resolve(ModelKeys(dim=64, layers=2, mixer=MixerKeys(heads=1)), vocab=1000, context=64)
PHASE = train_config(number_format="fp32", batch_tokens=128, context=64)
ADAPT = Adapt(rank=4).resolved()
RATES = {"fp32": 2e11, "bf16": 2e12}


def refuse() -> float:
    """A measurement that must not be made."""
    raise AssertionError("measured although it was known")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store" / "machine.json"


def test_a_measurement_is_made_once_and_a_second_key_keeps_the_first(file: Path) -> None:
    assert saved_measurement(file, "speed") is None
    assert remembered(file, "speed", lambda: 5_400.0) == 5_400.0
    remembered(file, "matmul", lambda: {"fp32": 2.0, "bf16": 3.0})
    assert remembered(file, "speed", refuse) == saved_measurement(file, "speed") == 5_400.0
    assert saved_measurement(file, "matmul") == {"fp32": 2.0, "bf16": 3.0}
    assert saved_measurement(file, "another key") is None


def test_a_store_carried_to_another_machine_is_measured_anew_and_each_forgets_its_own(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.forget(file)
    assert not file.exists()
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    remembered(file, "speed", lambda: 1.0)
    monkeypatch.setattr(device, "processor", lambda: "Apple M1 Pro")
    assert saved_measurement(file, "speed") is None
    assert remembered(file, "speed", lambda: 2.0) == 2.0
    assert len(read_if_whole(file)) == 2
    machine.forget(file)
    assert remembered(file, "speed", lambda: 3.0) == 3.0
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    assert remembered(file, "speed", refuse) == 1.0


def test_another_number_of_threads_or_other_units_are_another_machine(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = tmp_path / "cpuinfo"
    monkeypatch.setattr(device, "CORES", cores)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for units, speed in (("avx2 amx_tile", 1.0), ("avx2", 2.0), ("avx2 amx_tile", 1.0)):
        lines = "processor : 0\nmodel name : Rented Processor\nflags : " + units
        cores.write_text(lines + "\n", encoding="utf-8")
        assert device.processor() == "Rented Processor"
        assert remembered(file, "speed", lambda speed=speed: speed) == speed
    assert len(read_if_whole(file)) == 2
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "cores", lambda: 8)
    remembered(file, "speed", lambda: 8.0)
    monkeypatch.setattr(device, "cores", lambda: 2)
    assert saved_measurement(file, "speed") is None
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert saved_measurement(file, "speed") == 8.0


def test_a_broken_memory_is_measured_again(tmp_path: Path) -> None:
    broken = tmp_path / "machine.json"
    broken.write_text('{"half', encoding="utf-8")
    assert saved_measurement(broken, "speed") is None
    assert remembered(broken, "speed", lambda: 3.0) == 3.0


def probed(monkeypatch: pytest.MonkeyPatch, *rates: tuple[float, float]) -> list[dict[str, float]]:
    """What probes of the number formats will measure, one after the other."""
    left = [{"fp32": fp32, "bf16": bf16} for fp32, bf16 in rates]
    monkeypatch.setattr(device, "probe_number_formats", lambda: left.pop(0))
    monkeypatch.setattr(device, "attends_in_bf16", lambda: True)
    return left


def test_one_busy_minute_does_not_choose_the_number_format_of_a_store(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor without units for bf16, whose fp32 was slowed down by other programs."""
    monkeypatch.setattr(device, "has_bf16_units", lambda: False)
    left = probed(monkeypatch, (3e9, 2e10), (6e10, 2e10))
    busy = matrix_rates(file)
    assert busy == {"fp32": 3e9, "bf16": 2e10}
    assert usual_training(busy).number_format == "fp32", "bf16 has no units here"
    assert matrix_rates(file) == {"fp32": 6e10, "bf16": 2e10}, "the first one was odd"
    assert not left
    assert matrix_rates(file) == saved_rates(file) == {"fp32": 6e10, "bf16": 2e10}


def test_units_for_bf16_that_seemed_slow_once_are_measured_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16_units", lambda: True)
    left = probed(monkeypatch, (6e10, 5e9), (5e10, 9e11), (1.0, 1.0))
    assert usual_training(matrix_rates(file)).number_format == "fp32"
    assert usual_training(matrix_rates(file)).number_format == "bf16"
    assert matrix_rates(file) == {"fp32": 6e10, "bf16": 9e11}
    assert len(left) == 1, "nothing is odd any more"


def test_a_processor_that_stays_odd_is_measured_three_times_and_no_more(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16_units", lambda: True)
    probed(monkeypatch, (6e10, 1e10), (5e10, 2e10), (7e10, 1e10))
    for _ in range(5):
        rates = matrix_rates(file)
    assert rates == {"fp32": 7e10, "bf16": 2e10}
    assert usual_training(rates).number_format == "fp32"


def of_tokens(tokens: int) -> TrainConfig:
    return PHASE.but(steps=tokens // PHASE.batch_tokens)


@pytest.fixture
def paced(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Rates of products here, a compiler, and what probes will measure, one after the other."""

    def prepared(*fields: dict[str, float], rate: float = 1e9) -> list[float]:
        left = list(fields)
        remembered(file, "matmul_per_second", lambda: {"fp32": rate, "bf16": rate})
        monkeypatch.setattr(device, "has_bf16_units", lambda: False)
        monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
        monkeypatch.setattr(probe, "pace", lambda *_, **__: left.pop(0))
        return left

    return prepared


def test_compiling_pays_once_training_is_long_enough() -> None:
    found = Pace(plain=1_000.0, compiled=1_250.0, compile_seconds=20.0)
    assert (found.tokens_in(60), found.tokens_in(3600)) == (60_000, 3580 * 1250)
    assert [found.pays(tokens) for tokens in (90_000, 110_000)] == [False, True]
    five = Pace(plain=1_000.0, compiled=2_000.0, compile_seconds=5.0)
    assert [five.pays(tokens) for tokens in (10_000, 10_001)] == [False, True]
    for never in (Pace(1_000.0), Pace(1_000.0, 1_000.0), Pace(1_000.0, 900.0, 1.0)):
        assert not never.pays(10**9)
    assert Pace(1_000.0, 900.0).best == 1_000.0
    assert [bool(Pace(400.0, others=cores).doubt) for cores in (0.5, 0.51)] == [False, True]


def test_the_formula_is_of_the_products_and_of_what_stands_beside_them() -> None:
    """Which grows with the channels of all layers, and is known by the small shape's pace."""
    shape, small, rate = usual_shape(320, 6, 4096, 256), small_shape(), 1e11
    assert promised_seconds(shape, rate) == pytest.approx(flops_per_token(shape) / (rate * 0.3))
    for pace in (None, Pace(5_000.0)):
        assert promised_seconds(shape, rate, pace, adapt=ADAPT) < promised_seconds(
            shape, rate, pace
        )
    beside = 1 / 5_000 - flops_per_token(small) / (rate * 0.8)
    assert beside > 0
    whole = flops_per_token(shape) / (rate * 0.8) + beside * (320 * 6) / (128 * 4)
    assert promised_seconds(shape, rate, Pace(5_000.0)) == pytest.approx(whole)
    found = Pace(plain=20_000.0, compiled=30_000.0, compile_seconds=9.0)
    assert promised_seconds(small, RATES["bf16"], found) == pytest.approx(1 / 30_000)
    # Faster than its products could be: the products are what is left.
    assert promised_seconds(small, RATES["bf16"], Pace(1e9)) > 1e-6


def test_the_time_of_a_token_is_a_formula_of_the_processors_products(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16_units", lambda: False)
    remembered(file, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 5e8})
    for kind, rate in (("fp32", 1e9), ("bf16", 5e8)):
        for row in (64, 16):
            work = Workload(SHAPE, train_config(number_format=kind, context=row))
            expected = flops_per_token(SHAPE, row) / (0.3 * rate)
            assert seconds_a_token(work, file) == pytest.approx(expected)


def test_the_pace_that_new_measured_is_known_to_those_who_only_look(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Workload(SHAPE, usual_training(RATES))
    adapters, rate = Workload(SHAPE, usual.config.but(adapt=ADAPT)), RATES["bf16"]
    assert promised_here(usual, RATES, file) == promised_seconds(SHAPE, rate)
    assert promised_here(adapters, RATES, file) == promised_seconds(SHAPE, rate, adapt=ADAPT)
    monkeypatch.setattr(probe, "pace", lambda *_, **__: {"plain": 1_000.0})
    narrow, exact = (
        Workload(small_shape(), usual_training(RATES, number_format=kind))
        for kind in ("bf16", "fp32")
    )
    measured_pace(narrow, file)
    assert promised_here(narrow, RATES, file) == pytest.approx(1 / 1_000)
    # A chat phase has smaller batches of the same shape: what its own shape took is nearer.
    monkeypatch.setattr(probe, "pace", lambda *_, **__: {"plain": 300.0, "compiled": 900.0})
    measured_pace(usual, file)
    short = Workload(SHAPE, usual.config.but(batch_tokens=512))
    assert promised_here(short, RATES, file) == pytest.approx(1 / 900)
    own = promised_seconds(SHAPE, rate, Pace(300.0, 900.0), adapt=ADAPT, reference=SHAPE)
    assert promised_here(adapters, RATES, file) == own < 1 / 900
    # Nobody measured it in fp32, whose products are a tenth as fast.
    slow = promised_seconds(small_shape(), RATES["fp32"])
    assert promised_here(exact, RATES, file) == pytest.approx(slow)


def test_a_short_phase_is_not_measured_but_compiled_if_a_measurement_is_there(
    file: Path, paced: Callable[..., list[float]]
) -> None:
    short = of_tokens(10_000)
    left = paced({"plain": 1_000.0, "compiled": 1_300.0, "compile_seconds": 0.5}, rate=1e11)
    choice = choose_compile(Workload(SHAPE, short), file)
    assert (choice.value, "too short" in choice.reason, len(left)) == ("off", True, 1)
    measured_pace(Workload(SHAPE, short), file)  # `new` does it.
    assert choose_compile(Workload(SHAPE, short), file).value == "on"
    assert expected_here(Workload(SHAPE, short), file) == 1 / 1_300.0
    assert (
        expected_here(Workload(SHAPE, of_tokens(1_280)), file) == 1 / 1_000.0
    )  # It gains nothing.


@pytest.mark.parametrize(
    ("fields", "value", "said"),
    [
        ({"compiled": 1_300.0, "compile_seconds": 9.0}, "on", f"{number(1_300)} with it"),
        ({"failure": "no Python.h"}, "off", "the compiler here fails: no Python.h"),
        ({"compiled": 1_300.0, "others": 1.04}, "on", ", while other programs took 1.0 cores fr"),
    ],
)
def test_long_phases_are_measured_once(
    file: Path,
    paced: Callable[..., list[float]],
    fields: dict[str, float],
    value: str,
    said: str,
) -> None:
    paced({"plain": 1_000.0, **fields})
    for _ in range(2):
        choice = choose_compile(Workload(SHAPE, of_tokens(10**9)), file)
        assert choice.value == value
        assert said in choice.reason


def test_what_memory_cannot_hold_is_not_compiled_and_not_remembered(
    file: Path, paced: Callable[..., list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> dict[str, float]:
        raise OutOfMemory("4 GB more was asked for")

    paced()
    monkeypatch.setattr(probe, "pace", no_memory)
    choice = choose_compile(Workload(SHAPE, of_tokens(10**9)), file)
    assert (choice.value, "no memory" in choice.reason) == ("off", True)
    assert [list(each) for each in read_if_whole(file).values()] == [["matmul_per_second"]]


def test_a_pace_holds_for_one_shape_however_strong_its_dropout(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    monkeypatch.setattr(probe, "pace", lambda *_, **__: {"plain": speeds.pop()})
    changes = (
        ({}, 1.0),
        ({"dropout": 0.1}, 2.0),
        ({"dropout": 0.4}, 2.0),
        ({"mixer": MixerKeys(heads=1, window=16)}, 3.0),
        ({"mixer": MixerKeys(heads=2)}, 4.0),
        ({"family": "llama"}, 5.0),
        ({}, 1.0),
    )
    for change, speed in changes:
        keys = {"dim": 64, "layers": 2, "mixer": MixerKeys(heads=1)} | change
        shape = resolve(ModelKeys.model_validate(keys), vocab=1000, context=64)
        assert measured_pace(Workload(shape, PHASE), file).plain == speed
    assert measured_pace(Workload(SHAPE, PHASE), file, compiles=False).plain == 6.0
    others = [{"batch_tokens": 256}, {"optimizer": "muon"}, {"number_format": "bf16"}]
    phases = ({}, {"lr": 5e-4}, {"steps": 900}, {"adapt": ADAPT}, *others)
    keys = {Workload(SHAPE, PHASE.but(**each)).key for each in phases}
    assert len(keys | {Workload(SHAPE, PHASE.executed(micro_tokens=64)).key}) == 6


def test_long_documents_have_a_pace_of_their_own_where_rows_are_cut(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(probe, "pace", lambda work, **_: seen.append(work.length) or {"plain": 1.0})
    for context, document in ((64, 20), (64, 60), (1024, 20.4), (1024, 900.0), (1024, 9_000.0)):
        shape = usual_shape(64, 2, 1000, context)
        work = Workload(shape, PHASE.but(context=context), document=document)
        measured_pace(work, file)
    assert seen == [32, 32, 1024]


def test_a_gpu_is_measured_by_its_own_steps_and_remembered_by_its_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def plain(decoder: object, config: TrainConfig, device: str, document: int) -> float:
        measured.append(f"as written on {device}, documents of {document}")
        return float(1 << 20)

    def both(work: Workload, **_: bool) -> dict[str, float]:
        measured.append(f"both on {work.target}, documents of {work.length}")
        return {"plain": 1e6, "compiled": 2e6, "compile_seconds": 30.0}

    monkeypatch.setattr(device, "probe_number_formats", lambda: pytest.fail("asked the processor"))
    monkeypatch.setattr(compiler, "unsupported_reason", lambda shape, device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: f"GPU of {name}")
    monkeypatch.setattr(probe, "plain", plain)
    monkeypatch.setattr(probe, "pace", both)
    short, long = (
        choose_compile(Workload(SHAPE, of_tokens(tokens), "cuda:1", 32.0), file)
        for tokens in ((120 << 20) - 128, 120 << 20)
    )
    assert (short.value, short.reason) == ("off", "about 2 min of training: too short to pay")
    assert long.value == "on"
    assert measured == [f"{how} on cuda:1, documents of 32" for how in ("as written", "both")]
    (keys,) = read_if_whole(file).values()
    assert all("on GPU of cuda:1" in key for key in keys)


def test_a_usual_shape_has_heads_of_sixty_four_channels() -> None:
    heads = [usual_shape(dim, 2, 300, 32).mixers[0].model_dump()["heads"] for dim in (32, 64, 320)]
    assert heads == [1, 1, 5]
