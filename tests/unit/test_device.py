"""What this machine is and can: threads, memory, devices, number formats."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import endonym
from endonym import device
from endonym.errors import RecipeError

HELD = """
import torch
from endonym import device

def held():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmRSS"))

def use_and_free(megabytes):
    before, tensor = held(), torch.ones(megabytes << 18)
    del tensor
    return held() - before

device.prepare()
print(use_and_free(64))
device.keep_freed_memory(keeps=False)
print(use_and_free(192))
"""
"""What of some MB stays with a process that has freed them, each way."""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_is_kept_by_who_is_prepared_and_given_back_where_it_is_short() -> None:
    command = [sys.executable, "-c", HELD]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    kept, given_back = map(int, found.stdout.split())
    assert kept > 60
    assert given_back < 10


THRESHOLDS = [
    (True, False, {"trim": 2**31 - 1, "map": 2**31 - 1}),
    (True, True, {"trim": 2**31 - 1, "most": 0}),
    (False, True, {"trim": 1 << 18, "map": 1 << 18, "most": 1 << 16}),
]


@pytest.mark.parametrize(("keeps", "is_old", "thresholds"), THRESHOLDS)
def test_a_c_library_that_refuses_large_thresholds_maps_nothing(
    keeps: bool, is_old: bool, thresholds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {device.TRIM_THRESHOLD: "trim", device.MMAP_THRESHOLD: "map", device.MMAP_MAX: "most"}
    taken: dict[str, int] = {}

    def mallopt(name: int, value: int) -> int:
        if is_old and names[name] == "map" and value > 32 << 20:
            return 0
        taken[names[name]] = value
        return 1

    library = SimpleNamespace(mallopt=mallopt)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: library)
    assert device.keep_freed_memory(keeps=keeps)
    assert taken == thresholds


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("0", 5), ("many", 5), ("", 5)])
def test_threads_are_as_many_as_asked(monkeypatch: pytest.MonkeyPatch, asked: str, threads: int):
    monkeypatch.setattr(device, "cores", lambda: 5)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert device.threads() == threads
    monkeypatch.setattr(device, "process_info", lambda: device.ProcessInfo(local_size=2))
    assert device.threads() == (threads if asked == "3" else 2)


def test_cores_are_those_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert device.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert device.cores() == len(before)


@pytest.mark.parametrize(("limit", "here", "cores"), [
    ("200000 100000", 8, 2), ("150000 100000", 8, 2), ("20000 100000", 8, 1),
    ("900000 100000", 4, 4), ("max 100000", 4, 4), (None, 4, 4),
])  # fmt: skip
def test_a_container_has_as_many_cores_as_it_is_given_time_of(
    limit: str | None, here: int, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(here)))
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit + "\n", encoding="utf-8")
    assert device.cores() == cores


def test_half_precision_must_be_clearly_faster_to_be_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "has_bf16_units", lambda: True)
    monkeypatch.setattr(device, "attends_in_bf16", lambda: True)
    assert device.faster_format({"fp32": 100.0, "bf16": 129.0}) == "fp32"
    assert device.faster_format({"fp32": 100.0, "bf16": 131.0}) == "bf16"
    monkeypatch.setattr(device, "attends_in_bf16", lambda: False)
    assert device.faster_format({"fp32": 100.0, "bf16": 131.0}) == "fp32"


ATTENDS = """
import torch
from endonym import device
x = torch.ones(2, 4, 512, 32).bfloat16()
if device.faster_format({"fp32": 1.0, "bf16": 9.0}) == "bf16":
    torch.nn.functional.scaled_dot_product_attention(x, x, x)
"""


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_half_precision_is_chosen_only_where_attention_is_computed_in_it(capability: str) -> None:
    given = os.environ | {"ATEN_CPU_CAPABILITY": capability}
    subprocess.run([sys.executable, "-c", ATTENDS], env=given, check=True)


def test_half_precision_is_chosen_here_only_if_attention_is_computed_in_it() -> None:
    exec(ATTENDS, {})


def test_a_device_that_is_not_here_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert device.pick(None) == "cpu"
    assert device.pick("cpu") == "cpu"
    with pytest.raises(RecipeError, match=r"^--device: no cuda here") as caught:
        device.pick("cuda")
    assert caught.value.exit_code == 2
    assert caught.value.do.endswith("This machine has: cpu.")


def test_a_gpu_is_taken_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    precisions: list[str] = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", precisions.append)
    assert device.pick(None) == "cpu"
    assert device.pick("cpu") == "cpu"
    assert precisions == []
    assert device.pick("cuda") == "cuda"
    assert device.pick("cuda:1") == "cuda:1"
    assert precisions == ["high", "high"]
    for absent in ("cuda:2", "cuda:x", "cuda:1:0"):
        with pytest.raises(RecipeError, match=f"no {absent} here") as caught:
            device.pick(absent)
        assert caught.value.do == "This machine has: cpu, cuda, cuda:0, cuda:1."
    taken: list[str] = []
    monkeypatch.setattr("torch.cuda.set_device", taken.append)
    monkeypatch.setattr(device, "process_info", lambda: device.ProcessInfo(3, 4, 1, 2))
    assert [device.pick("cuda")] == taken == ["cuda:1"]
    with pytest.raises(RecipeError, match=r"^--device: 4 processes on cuda:1") as caught:
        device.pick("cuda:1")
    assert caught.value.exit_code == 2


def test_the_versions_that_explain_a_difference_are_all_named() -> None:
    found = device.versions()
    names = {"endonym", "torch", "numpy", "tokenizers", "python", "platform"}
    assert set(found) - {"commit"} == names, "the commit is known in a checkout alone"
    assert found["endonym"] == "0.1.0"


def test_free_memory_is_some_and_no_more_than_there_is() -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 10_000_000 < device.free_memory_bytes() <= whole


def test_a_gpu_says_itself_what_of_its_memory_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what torch keeps of tensors that are no more."""
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda target: (len(target), 100))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda target: 50)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda target: 20)
    assert device.free_memory_bytes("cuda:1") == 6 + 30


CPUS = [
    ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
    ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
    ({"amx_tile": True, "amx_bf16": True}, True),
    ({"neon": True, "fp16_arith": True, "bf16": False, "sve_max_length": 256}, False),
    ({"neon": True, "bf16": True, "architecture": "aarch64"}, True),
    ({"cpu_name": "a bf16 in a name is no unit"}, False),
]


@pytest.mark.parametrize(("capabilities", "has_units"), CPUS)
def test_a_processor_says_whether_it_has_units_for_bf16(
    capabilities: dict[str, object], has_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in device.ISA_LIMITS:
        monkeypatch.delenv(name, raising=False)
    library = SimpleNamespace(_is_mkldnn_bf16_supported=lambda: True)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)
    monkeypatch.setattr("torch.ops.mkldnn", library)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities)
    assert device.has_bf16_units() is has_units
    chosen = device.faster_format({"fp32": 1.0, "bf16": 9.0})
    assert (chosen == "bf16") <= has_units, "a measurement does not make units"
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    assert not device.has_bf16_units(), "as in torch on a Mac"


WITHOUT_UNITS = """
from endonym import device
device.PROBE_SECONDS = 0.5
print(device.has_bf16_units(), device.faster_format({"fp32": 1.0, "bf16": 9.0}))
rates = device.probe_number_formats()
print(device.faster_format(rates), device.looks_odd(rates))
"""


@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE", "avx512_core_vnni"])
def test_a_processor_without_units_never_trains_in_bf16(isa: str) -> None:
    """However busy it is: oneDNN is kept from using them. A real run takes longer to measure."""
    given = os.environ | {"ONEDNN_MAX_CPU_ISA": isa, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WITHOUT_UNITS]
    found = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "fp32", "fp32", "False"]


class SlowProducts:
    """A clock, and products that take so many seconds a row; others slow some of them down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **a_row: float) -> None:
        self.now, self.a_row = 0.0, a_row
        self.busy = lambda now: 1.0
        monkeypatch.setattr(device, "PROBE_SECONDS", 2.0)
        monkeypatch.setattr(torch, "mm", self.mm)
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def mm(self, a: torch.Tensor, b: torch.Tensor) -> None:
        name = "bf16" if a.dtype == torch.bfloat16 else "fp32"
        self.now += len(a) * self.a_row[name] * self.busy(self.now)


def test_products_that_take_a_second_are_measured_in_fewer_rows(monkeypatch: pytest.MonkeyPatch):
    """As of bf16 on a processor without instructions for it."""
    monkeypatch.setattr(device, "has_bf16_units", lambda: False)
    products = SlowProducts(monkeypatch, fp32=1e-6, bf16=5e-4)
    rates = device.probe_number_formats()
    assert rates["fp32"] == pytest.approx(2 * 512 * 1024 / 1e-6)
    assert rates["bf16"] == pytest.approx(2 * 512 * 1024 / 5e-4)
    assert products.now < 3.5


@pytest.mark.parametrize("period", [0.4, 1.1, 2.6])
def test_programs_that_come_and_go_slow_both_formats_alike(
    period: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of the time everything takes ten times as long; bf16 has units, twice as fast."""
    monkeypatch.setattr(device, "has_bf16_units", lambda: True)
    products = SlowProducts(monkeypatch, fp32=1e-6, bf16=5e-7)
    products.busy = lambda now: 10.0 if now % period < 0.7 * period else 1.0
    rates = device.probe_number_formats()
    assert rates["bf16"] / rates["fp32"] == pytest.approx(2.0, rel=0.01)


def test_a_probe_that_contradicts_the_processor_is_odd(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "has_bf16_units", lambda: False)
    SlowProducts(monkeypatch, fp32=2e-5, bf16=5e-6)
    rates = device.probe_number_formats()
    assert device.looks_odd(rates)
    assert device.faster_format(rates) == "fp32"


def groups(folder: Path, limits: dict[str, str]) -> None:
    for name, text in limits.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


LIMITS = [
    ({"memory.max": "1000\n", "memory.current": "700\n"}, 450),
    ({"memory.max": "max\n", "memory.current": "700\n"}, None),
    ({"memory/memory.limit_in_bytes": "900", "memory/memory.usage_in_bytes": "500"}, 550),
    ({}, None),
]


@pytest.mark.parametrize(("limits", "free"), LIMITS)
def test_what_is_free_is_what_a_container_may_still_take(
    limits: dict[str, str], free: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "CONTROL_GROUPS", tmp_path)
    for process_info in {Path(name).parent for name in limits}:
        limits = {**limits, str(process_info / "memory.stat"): "anon 400\ninactive_file 150\n"}
    groups(tmp_path, limits)
    found = device.free_memory_bytes()
    assert found == free if free is not None else found > 1 << 20
    monkeypatch.setattr(device, "process_info", lambda: device.ProcessInfo(local_size=2))
    assert free is None or device.free_memory_bytes() == found // 2


def test_threads_that_wait_sleep_soon_unless_the_user_says_how(monkeypatch: pytest.MonkeyPatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # So that what is set below is undone.
        monkeypatch.delenv(name)
    assert endonym.Sampling is not None, "the first use of the package"
    assert 1_000 <= int(os.environ["GOMP_SPINCOUNT"]) < 300_000, "GNU's own"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    device.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    device.wait_briefly()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_huge_pages_are_asked_for_unless_set_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setenv("АВЫЛ", "Казан арты")
    found = device.with_huge_pages()
    assert (found["GLIBC_TUNABLES"], found["АВЫЛ"]) == ("glibc.malloc.hugetlb=1", "Казан арты")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert device.with_huge_pages()["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1"


def test_an_apple_cpu_says_its_name_and_no_other_system_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sysctl"
    program.write_text('#!/bin/sh\necho "$2: Apple M2"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for system, name in (("darwin", "machdep.cpu.brand_string: Apple M2"), ("linux", "")):
        monkeypatch.setattr(device.sys, "platform", system)
        device._apple_name.cache_clear()
        assert device._apple_name() == name
    device._apple_name.cache_clear()
