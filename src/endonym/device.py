"""What this machine is and can: devices, threads, number formats, memory, disk.

torch is imported inside the functions that need it, so that who asks for less does not pay for it.
"""

import ctypes
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from endonym.errors import RecipeError

PROBE_SECONDS = 2.0
WORTH_CASTING = 1.3
CONTROL_GROUPS, CORES = Path("/sys/fs/cgroup"), Path("/proc/cpuinfo")
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Names of glibc's `mallopt`, from its malloc.h."""
NEVER, LARGE_BYTES = 2**31 - 1, 1 << 18
MAPPINGS = 1 << 16
"""How many mappings of their own tensors may have: glibc's default."""
SPINS = "20000"
"""How often a waiting thread looks before it sleeps; GNU's own number is 300,000."""
MEETING = "ENDONYM_MEETING"
"""The file by which processes that `--processes` started find one another."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """Which of a training's processes this one is: in all, and on this machine.

    meeting: the file where they meet; empty where torchrun started them, which has its own way.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    meeting: str = ""

    def variables(self) -> dict[str, str]:
        """The environment by which a process knows its place, in torchrun's words."""
        numbers = (self.rank, self.size, self.local_rank, self.local_size)
        return {**dict(zip(VARIABLES, map(str, numbers), strict=True)), MEETING: self.meeting}


VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def process_info() -> ProcessInfo:
    """This process's place, as its launcher says; alone if none does."""
    said = [os.environ.get(name, "") for name in VARIABLES]
    if not all(each.isdigit() for each in said):
        return ProcessInfo()
    rank, size, local_rank, local_size = map(int, said)
    return ProcessInfo(rank, size, local_rank, local_size, os.environ.get(MEETING, ""))


def cores() -> int:
    """Processor cores that this process may use: those of a container, where it says."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(here, _container_cores() or here)


def _container_cores() -> int | None:
    """Whole cores' worth of time that a control group allows; None where there is no limit."""
    try:
        most, period = (CONTROL_GROUPS / "cpu.max").read_text(encoding="utf-8").split()
        return max(1, round(int(most) / int(period)))
    except (OSError, ValueError):  # No such group, or its limit is the word "max".
        return None


def threads() -> int:
    """Threads to compute with: OMP_NUM_THREADS if it says a number, else one a core.

    Processes of one training share the cores of their machine.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return max(1, cores() // process_info().local_size)


def wait_briefly() -> None:
    """Have threads that wait for each other give up their core after a moment; before torch loads.

    GNU's OpenMP lets them spin for milliseconds, which is for machines that do nothing else: beside
    one busy program two threads took 70 times as long, and with this 8 times (docs/log.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def with_huge_pages() -> dict[str, str]:
    """This environment, for a program that forks often with much memory: fewer pages to name.

    With 700 MB a fork took 12 ms of processor time instead of 52 (docs/log.md). What a person has
    set stays; only glibc knows it.
    """
    return {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", **os.environ}


def processor() -> str:
    """The processor's name, as people know it."""
    return _said_of_cores("model name") or platform.processor() or platform.machine()


def units() -> str:
    """What the processor's cores can do, in Linux's words; empty elsewhere."""
    return _said_of_cores("flags", "Features")


def _said_of_cores(*names: str) -> str:
    """What Linux says of the first core under one of these names; empty if it says nothing."""
    try:
        for line in CORES.read_text(encoding="utf-8").splitlines():
            if line.startswith(names):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def free_memory_bytes(target: str = "cpu") -> int:
    """Memory that can be taken now without swapping, within what a container may take.

    Processes of one training share it as they share the cores.
    """
    if target.startswith("cuda"):
        import torch

        # What torch keeps of freed tensors is there for the next ones, though not for others.
        kept = torch.cuda.memory_reserved(target) - torch.cuda.memory_allocated(target)
        return torch.cuda.mem_get_info(target)[0] + kept
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable"):
                free = int(line.split()[1]) * 1024
    except OSError:
        pass
    return min([free, *_left_to_containers()]) // process_info().local_size


def _left_to_containers() -> list[int]:
    """What control groups still allow: limit less use, pages of files that can go not counted.

    Version 2 first, then version 1; nothing where there is no limit.
    """
    found: list[int] = []
    for folder, limit, used in (
        (CONTROL_GROUPS, "memory.max", "memory.current"),
        (CONTROL_GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            most = int((folder / limit).read_text(encoding="utf-8"))
            now = int((folder / used).read_text(encoding="utf-8"))
            lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):  # No such group, or its limit is the word "max".
            continue
        counted = dict(line.split(maxsplit=1) for line in lines)
        found.append(most - now + int(counted.get("inactive_file", 0)))
    return found


def pick(name: str | None) -> str:
    """The device to use: the one asked for, else the CPU.

    A GPU is taken only when asked for: number formats and speeds are measured on the CPU so far.
    One of NVIDIA's is let round the factors of fp32 matrix products to TF32 from then on, which is
    several times as fast (`torch.set_float32_matmul_precision`).
    Raises RecipeError if the one asked for is not here.
    """
    import torch

    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if name is None:
        return "cpu"
    kind, _, which = name.partition(":")
    if name not in present and (kind not in present or which != "0"):
        raise RecipeError(
            f"no {name} here",
            where="--device",
            do=f"This machine has: {', '.join(present)}.",
        )
    if kind == "cuda" and which and process_info().size > 1:
        raise RecipeError(
            f"{process_info().size} processes on {name}",
            where="--device",
            do=f"Say --device {kind}: each process takes one of its own.",
        )
    if kind == "cuda":
        torch.set_float32_matmul_precision("high")
    if name == "cuda" and process_info().size > 1:
        name = f"cuda:{process_info().local_rank}"
        torch.cuda.set_device(name)
    return name


def prepare() -> None:
    """Before any work: as many threads as this process may use, and freed memory kept at hand.

    Bit-exactness holds for one thread count.
    """
    import torch

    keep_freed_memory()
    if torch.get_num_threads() != threads():
        torch.set_num_threads(threads())


def keep_freed_memory(*, keeps: bool = True) -> bool:
    """What becomes of freed memory: kept for the next tensor, or given back to the system.

    Kept, the default, is faster: otherwise every tensor above 32 MB comes as pages that the system
    clears one by one, a fifth of a step. But glibc splits what it keeps: the peak of training was
    up to 2.26 times the bytes of its tensors (benchmarks/memory.py). Given back, each large tensor
    is a mapping of its own: smaller, and half as much processor time again (4 layers of 256
    channels), for where memory is short. glibc before about 2.35 refuses thresholds above 32 MB: it
    is told to make no mapping at all instead. Returns whether both settings were taken: never where
    the C library is not glibc, and nothing is changed. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    size = NEVER if keeps else LARGE_BYTES
    trims = bool(mallopt(TRIM_THRESHOLD, size))
    maps = bool(mallopt(MMAP_THRESHOLD, size))
    if not keeps or not maps:
        maps = bool(mallopt(MMAP_MAX, 0 if keeps else MAPPINGS))
    return trims and maps


def versions() -> dict[str, str]:
    """What a journal needs to explain a difference."""
    from importlib.metadata import version

    names = ("endonym", "torch", "numpy", "tokenizers")
    found = {name: version(name) for name in names}
    return {**found, "python": platform.python_version(), "platform": platform.platform()}


def _matmul_rate(number_format: str, seconds: float) -> float:
    """Floating-point operations a second of the matrix products of a small model."""
    import torch

    kind = torch.bfloat16 if number_format == "bf16" else torch.float32
    a, b = torch.randn(2048, 512, dtype=kind), torch.randn(512, 1024, dtype=kind)
    torch.mm(a, b)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(4):
            torch.mm(a, b)
        best = min(best, (time.perf_counter() - start) / 4)
    return 2 * 2048 * 512 * 1024 / best


def probe_number_formats() -> dict[str, float]:
    """Best rate of fp32 and bf16 matrix products here, in operations a second; two seconds."""
    prepare()
    return {name: _matmul_rate(name, PROBE_SECONDS / 2) for name in ("fp32", "bf16")}


def faster_format(rates: dict[str, float]) -> str:
    """bf16 if its products are clearly faster; casts and roundings must be paid for."""
    return "bf16" if rates["bf16"] > WORTH_CASTING * rates["fp32"] else "fp32"
