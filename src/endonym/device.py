"""Devices, threads, number formats and memory of this machine.

torch is imported inside the functions that need it, as the import is slow.
"""

import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from endonym.errors import RecipeError, quoted
from endonym.gpus import why_no_cuda

PROBE_SECONDS = 2.0
WORTH_CASTING = 1.3
FEW_ROWS = 16
OPERATIONS_A_ROW = 2 * 512 * 1024
"""Of the product whose time says how many rows are measured; and what a row of it takes."""
TURNS = 20
"""Number formats are measured in turn, so often."""
ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Environment variables by which a user keeps torch from using parts of the processor."""
ISAS_WITHOUT_BF16 = (
    *("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX10_1_256"),
    *("AVX512_CORE", "AVX512_CORE_VNNI"),
)
"""Values of the first two with which oneDNN emulates bf16. Source: its documentation, "CPU
Dispatcher Control"."""
OTHER_NAMES = ("gpu", "nvidia", "amd", "rocm", "hip")
"""What people call a GPU."""
CONTROL_GROUPS = Path("/sys/fs/cgroup")
CORES = Path("/proc/cpuinfo")
TRIM_THRESHOLD = -1
MMAP_THRESHOLD = -3
MMAP_MAX = -4
"""Names of glibc's `mallopt`, from its malloc.h."""
NEVER = 2**31 - 1
LARGE_BYTES = 1 << 18
MAPPINGS = 1 << 16
"""Number of memory mappings for large tensors: glibc's default."""
SPINS = "20000"
"""How often a waiting thread spins before it sleeps; GNU's default is 300,000."""
MEETING = "ENDONYM_MEETING"
"""Environment variable: the rendezvous file of processes that `--processes` started."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """Rank and number of this training's processes, in all and on this machine.

    meeting: the rendezvous file; empty if torchrun started them.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    meeting: str = ""

    def variables(self) -> dict[str, str]:
        """The environment variables that tell a process its rank, as torchrun sets them."""
        numbers = (self.rank, self.size, self.local_rank, self.local_size)
        return {**dict(zip(VARIABLES, map(str, numbers), strict=True)), MEETING: self.meeting}


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], Any], *numbers: int) -> Generator[None]:
    """Let a handler take these signals within the context, in the main thread."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for each, earlier in before.items():
            signal.signal(each, earlier)


VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def process_info() -> ProcessInfo:
    """This process's rank, from its environment; the only process if nothing is set."""
    values = [os.environ.get(name, "") for name in VARIABLES]
    if not all(each.isdigit() for each in values):
        return ProcessInfo()
    rank, size, local_rank, local_size = map(int, values)
    return ProcessInfo(rank, size, local_rank, local_size, os.environ.get(MEETING, ""))


def program() -> str:
    """How endonym can be called here: by its name if the shell finds it, else as it was called."""
    called = Path(sys.argv[0])
    if called.name == "endonym" and not shutil.which("endonym"):
        return quoted(called)
    return "python -m endonym" if called.parts[-2:] == ("endonym", "__main__.py") else "endonym"


def cores() -> int:
    """CPU cores that this process may use, within the limit of a container if there is one."""
    usable = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    try:
        most, period = (CONTROL_GROUPS / "cpu.max").read_text(encoding="utf-8").split()
        return min(usable, max(1, round(int(most) / int(period))))
    except (OSError, ValueError):  # No control group, or its limit is "max".
        return usable


def threads() -> int:
    """Threads to compute with: OMP_NUM_THREADS if it is set to a number, else one per core.

    Processes of one training share the cores of their machine.
    """
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if setting.isdigit() and int(setting) > 0:
        return int(setting)
    return max(1, cores() // process_info().local_size)


def wait_briefly() -> None:
    """Let threads that wait for each other sleep sooner. Call it before torch is imported.

    GNU's OpenMP lets them spin for milliseconds. Beside one busy program, two threads took 70 times
    as long with that, and 8 times with this setting (docs/log.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def with_huge_pages() -> dict[str, str]:
    """This environment, with huge pages, for a program that uses much memory and forks often.

    With 700 MB a fork took 12 ms of CPU time instead of 52 (docs/log.md). The user's own setting
    stays. Only glibc reads it.
    """
    return {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", **os.environ}


def with_threads(count: int) -> dict[str, str]:
    """This environment, for a program that computes with so many threads."""
    return {**os.environ, "OMP_NUM_THREADS": str(count)}


def processor() -> str:
    """The name of the CPU."""
    return _core_field("model name") or _apple_name() or platform.processor() or platform.machine()


@cache
def _apple_name() -> str:
    """The name of an Apple CPU, such as "Apple M2": Python calls each of them "arm"."""
    if sys.platform != "darwin":
        return ""
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def instruction_sets() -> str:
    """The instruction sets of the CPU, as Linux names them, and what the user does not allow."""
    limits = [f"{name}={os.environ[name]}" for name in ISA_LIMITS if os.environ.get(name)]
    return " ".join([_core_field("flags", "Features"), *limits]).strip()


def _core_field(*names: str) -> str:
    """What Linux says of the first core under one of these names; empty if there is none."""
    with suppress(OSError):
        for line in CORES.read_text(encoding="utf-8").splitlines():
            if line.startswith(names):
                return line.split(":", 1)[1].strip()
    return ""


def free_memory_bytes(target: str = "cpu") -> int:
    """Memory that can be allocated now without swapping, within the limits of a container.

    Of a control group that is: limit - use + reclaimable page cache. Processes of one training on
    this machine get equal parts.
    """
    if target.startswith("cuda"):
        import torch

        # Memory of freed tensors that torch keeps can be used again by this process.
        kept = torch.cuda.memory_reserved(target) - torch.cuda.memory_allocated(target)
        return torch.cuda.mem_get_info(target)[0] + kept
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        available = [line.split()[1] for line in lines if line.startswith("MemAvailable")]
        free = int(available[0]) * 1024 if available else free
    for folder, limit, used in (  # Version 2, then version 1.
        (CONTROL_GROUPS, "memory.max", "memory.current"),
        (CONTROL_GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # No control group, or its limit is "max".
            most = int((folder / limit).read_text(encoding="utf-8"))
            now = int((folder / used).read_text(encoding="utf-8"))
            lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
            parts = dict(line.split(maxsplit=1) for line in lines)
            free = min(free, most - now + int(parts.get("inactive_file", 0)))
    return free // process_info().local_size


def pick(name: str | None) -> str:
    """The device to use: the one asked for, else the CPU.

    A GPU is used only if asked for: number format and batch of a training depend on the device, so
    that a run which began on the CPU would not continue as it began. `gpus.unused_gpu` says that
    there is one. On an NVIDIA GPU, fp32 matrix products then use TF32, which is several times as
    fast (`torch.set_float32_matmul_precision`). Raises RecipeError if the device is not available.
    """
    if name is None:
        return "cpu"
    import torch

    present = ["cpu"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told below, in our own words
        if torch.cuda.is_available():
            present += ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    kind, _, which = name.partition(":")
    if name not in present and (kind not in present or which != "0"):
        # The error for a device that is not available. present: those that are.
        message = f"no {name} here"
        do = f"This machine has: {', '.join(present)}."
        if kind == "cuda" and "cuda" not in present:
            why, advice = why_no_cuda()
            message = f"{message}: {why}"
            do = f"{advice} {do}"
        elif kind in OTHER_NAMES:
            do = f"torch calls NVIDIA's and AMD's GPUs cuda: --device cuda. {do}"
        raise RecipeError(message, where="--device", do=do)
    if kind == "cuda" and which and process_info().size > 1:
        do = f"Say --device {kind}: each process takes one of its own."
        raise RecipeError(f"{process_info().size} processes on {name}", where="--device", do=do)
    if kind == "cuda":
        torch.set_float32_matmul_precision("high")
    if name == "cuda" and process_info().size > 1:
        name = f"cuda:{process_info().local_rank}"
        torch.cuda.set_device(name)
    return name


def prepare() -> None:
    """Set the number of threads and keep freed memory; call it before any computation.

    Results are bit-exact for one number of threads only.
    """
    import torch

    keep_freed_memory()
    if torch.get_num_threads() != threads():
        torch.set_num_threads(threads())


def keep_freed_memory(*, keeps: bool = True) -> bool:
    """Keep freed memory for the next tensor, or return it to the system at once.

    Keeping it, the default, is faster: otherwise the system clears the pages of every tensor above
    32 MB, a fifth of a step. But peak memory was up to 2.26 times the bytes of the tensors, as
    glibc splits what it keeps (benchmarks/memory.py). Returned at once, each large tensor is a
    mapping of its own: that needs less memory and 1.5 times the CPU time (4 layers of 256
    channels). glibc before about 2.35 refuses thresholds above 32 MB: it is set to make no
    mappings at all instead. Returns whether both settings were accepted; never without glibc, where
    nothing is changed. Source: mallopt(3).
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


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that may change results, and the commit of endonym if it is known.

    The commit is the one that pip installed, or the last one of the files of endonym in a checkout;
    "-dirty" follows if they were changed since.
    """
    from importlib.metadata import distribution, version

    names = ("endonym", "torch", "numpy", "tokenizers")
    found = {name: version(name) for name in names}
    origin = json.loads(distribution("endonym").read_text("direct_url.json") or "{}")
    commit = origin.get("vcs_info", {}).get("commit_id") or _commit_of(Path(__file__).parent)
    found |= {"commit": commit} if commit else {}
    return {**found, "python": platform.python_version(), "platform": platform.platform()}


def environment() -> dict[str, Any]:
    """Where figures were computed, as `--json` prints it: versions, processor and threads."""
    machine = {"processor": processor(), "threads": threads()}
    return {"versions": versions(), "machine": machine}


def _commit_of(folder: Path) -> str:
    """The last commit of the files in a folder of a git checkout; empty if they are in none."""
    git = ["git", "-C", str(folder)]
    commands = (["log", "-1", "--format=%H", "--", "."], ["status", "--porcelain", "--", "."])
    try:
        last, changed = (
            subprocess.run([*git, *each], capture_output=True, text=True, check=False).stdout
            for each in commands
        )
    except OSError:  # there is no git
        return ""
    return last.strip() + "-dirty" * bool(last and changed)


def has_bf16_units() -> bool:
    """Whether the CPU has instructions for products of bf16, and torch may use them here.

    On x86 avx512_bf16 or amx_bf16, on ARM bf16. Without them oneDNN converts every number, which is
    several times slower than fp32. False where torch has no oneDNN, as on a Mac: its own products
    of bf16 are slow.
    """
    import torch

    limit = next((os.environ[name] for name in ISA_LIMITS[:2] if os.environ.get(name)), "")
    if limit.upper() in ISAS_WITHOUT_BF16 or not torch.backends.mkldnn.is_available():
        return False
    capabilities = torch.cpu.get_capabilities()
    has_instructions = any(has is True and "bf16" in name for name, has in capabilities.items())
    return has_instructions and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def attends_in_bf16() -> bool:
    """Whether torch's attention kernel computes in bf16 on this CPU.

    torch 2.13 chooses its steps by what the processor can do, and then lacks one of them
    ("pack_vnni2 is only supported ...") if ATEN_CPU_CAPABILITY allows less than AVX-512.
    """
    import torch

    query_BHTK = torch.ones(1, 2, 64, 16, dtype=torch.bfloat16)
    try:
        torch.nn.functional.scaled_dot_product_attention(query_BHTK, query_BHTK, query_BHTK)
    except RuntimeError:
        return False
    return True


def probe_number_formats() -> dict[str, float]:
    """FLOP/s of fp32 and bf16 matrix products on this CPU; takes two seconds.

    Both are measured in turn, so that other programs slow both down, and the fastest product
    counts.
    """
    import torch

    prepare()
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    seconds = PROBE_SECONDS / (len(kinds) * TURNS)  # of a turn of one format
    rows = {name: _rows_within(seconds, kind) for name, kind in kinds.items()}
    rates = dict.fromkeys(kinds, 0.0)
    for _ in range(TURNS):
        for name, kind in kinds.items():
            rates[name] = max(rates[name], _product_rate(rows[name], kind, seconds))
    return rates


def _rows_within(seconds: float, kind: Any) -> int:
    """Rows of a product that takes about so long, 2,048 at most: one of bf16 takes a second on a
    processor that has no instructions for it."""
    rate = max(_product_rate(FEW_ROWS, kind, 0.0) for _ in range(4))
    return max(FEW_ROWS, min(2048, int(seconds * rate / OPERATIONS_A_ROW)))


def _product_rate(rows: int, kind: Any, seconds: float) -> float:
    """FLOP/s of the fastest of the matrix products that are computed in so many seconds.

    They are those of a small model, of so many rows. The first one is not timed.
    """
    import torch

    a = torch.randn(rows, 512, dtype=kind)
    b = torch.randn(512, 1024, dtype=kind)
    torch.mm(a, b)
    fastest = float("inf")
    now = time.perf_counter()
    end = now + seconds
    while fastest == float("inf") or now < end:
        start = now
        torch.mm(a, b)
        now = time.perf_counter()
        fastest = min(fastest, now - start)
    return rows * OPERATIONS_A_ROW / fastest


def looks_odd(rates: dict[str, float]) -> bool:
    """Whether measured rates contradict what the processor has: other programs disturbed them, or
    its units for bf16 cannot be used."""
    return (rates["bf16"] > WORTH_CASTING * rates["fp32"]) != has_bf16_units()


def faster_format(rates: dict[str, float]) -> str:
    """bf16 if its products are clearly faster: casts take time, and it rounds more.

    Never without units for it, whatever was measured, and never where torch cannot compute
    attention in it.
    """
    is_faster = rates["bf16"] > WORTH_CASTING * rates["fp32"]
    return "bf16" if is_faster and has_bf16_units() and attends_in_bf16() else "fp32"
