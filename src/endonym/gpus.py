"""GPUs of this machine: which there are, and why torch does not compute on one.

Imports torch only where a GPU seems to be there.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

NVIDIA, AMD, PCI = Path("/proc/driver/nvidia"), Path("/dev/kfd"), Path("/sys/bus/pci/devices")
NVIDIA_VENDOR, DISPLAYS = "0x10de", ("0x0300", "0x0302")
"""Of PCI: the vendor, and the classes of graphics cards and of accelerators without a display."""
QUERY = "name,memory.used,memory.total,utilization.gpu"
ANSWER_SECONDS = 10.0
IDLE_SHARE = 0.1
"""A GPU is idle if no more of its memory and time is in use."""
BUILDS = "https://pytorch.org/get-started/locally"
DRIVERS = "https://www.nvidia.com/drivers"


class Gpu(NamedTuple):
    """An NVIDIA GPU. has_driver: whether the system can use it at all."""

    name: str
    is_idle: bool = True
    has_driver: bool = True


def nvidia_gpus() -> list[Gpu]:
    """The NVIDIA GPUs here: as their driver lists them, or else as they stand on the PCI bus."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=ANSWER_SECONDS
        )
        return [_listed(line) for line in answer.stdout.splitlines() if line.count(",") >= 3]
    gpus = list[Gpu]()
    for file in sorted(NVIDIA.glob("gpus/*/information")):
        with suppress(OSError):
            lines = file.read_text(encoding="utf-8").splitlines()
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
            gpus += [Gpu(name) for name in names[:1]]
    return gpus or _without_driver()


def _listed(line: str) -> Gpu:
    """A GPU by a line of nvidia-smi. A number that it does not know is "[N/A]"."""
    name, *numbers = (part.strip() for part in line.rsplit(",", 3))
    used, total, busy = (float(each) if each.isdigit() else None for each in numbers)
    has_memory = used is None or not total or used <= IDLE_SHARE * total
    return Gpu(name, has_memory and (busy or 0.0) <= 100 * IDLE_SHARE)


def _without_driver() -> list[Gpu]:
    """NVIDIA GPUs on the PCI bus of Linux."""
    gpus = list[Gpu]()
    for folder in sorted(PCI.glob("*")):
        with suppress(OSError):
            vendor = (folder / "vendor").read_text(encoding="ascii").strip()
            kind = (folder / "class").read_text(encoding="ascii").strip()
            if vendor == NVIDIA_VENDOR and kind.startswith(DISPLAYS):
                gpus.append(Gpu("an NVIDIA GPU", has_driver=NVIDIA.is_dir()))
    return gpus


def unused_gpu() -> str:
    """A line on an idle GPU that is not used, and how to use it; empty if there is none."""
    if _hidden():
        return ""  # somebody does not want it used
    gpus = nvidia_gpus()
    idle = [gpu for gpu in gpus if gpu.is_idle]
    if sys.platform == "darwin":
        import torch

        if torch.backends.mps.is_available():
            return "the GPU of this Mac is not used: --device mps uses it, which was never tried"
    elif idle or (AMD.exists() and not gpus):
        import torch

        if torch.cuda.is_available():
            name = idle[0].name if idle else torch.cuda.get_device_name(0)
            return (
                f"{name} is idle and not used: --device cuda computes on it. A training that has "
                "begun on the processor can continue there, rounded differently"
            )
        if idle:
            why, do = why_no_cuda(gpus)
            return f"{idle[0].name} is not used: {why}. {do}"
    return ""


def _hidden() -> str:
    """The environment variable that hides all GPUs from torch; empty if none does."""
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        value = os.environ.get(name)
        if value is not None and value.strip() in ("", "-1", "NoDevFiles", "none", "void"):
            return name
    return ""


def why_no_cuda(gpus: list[Gpu] | None = None) -> tuple[str, str]:
    """Why torch has no device called cuda, and what to do. gpus: as `nvidia_gpus` lists them.

    The causes: a build of torch without CUDA, a variable that hides all GPUs, no GPU, no driver, or
    one that is too old for the build.
    """
    import torch

    gpus = nvidia_gpus() if gpus is None else gpus
    seen = f"{gpus[0].name} is here" if gpus else "no NVIDIA GPU was found either"
    build = f"torch {torch.__version__}"
    if torch.version.hip is None and not torch.backends.cuda.is_built():
        if sys.platform == "darwin":
            return f"{build} is a build for Macs", "The GPU of a Mac is called mps: --device mps."
        plain = torch.__version__.partition("+")[0]
        index = "https://download.pytorch.org/whl/cu126"
        do = (
            f"Install a build with CUDA: pip install --force-reinstall torch=={plain} --index-url "
            f"{index} (the number is the version of CUDA: {BUILDS} lists them)."
        )
        return f"{build} is a build without CUDA ({seen})", do if gpus else _no_gpu(do)
    if name := _hidden():
        return f"{name}={os.environ[name]!r} hides every GPU", f"Unset {name}, or set it to 0."
    if torch.version.hip is not None:
        do = f"Install AMD's driver, or, for an NVIDIA GPU, a build with CUDA: {BUILDS}."
        return f"{build} is a build for AMD GPUs (ROCm {torch.version.hip}), which finds none", do
    reason = _failure()
    build += f" is built for CUDA {torch.version.cuda}"
    if "too old" in reason:
        do = f"Install a newer driver ({DRIVERS}), or torch for an older CUDA: {BUILDS}."
        return f"{build}, but the NVIDIA driver is too old for it ({reason})", do
    has_driver = NVIDIA.is_dir() or any(gpu.has_driver for gpu in gpus)
    if "no NVIDIA driver" in reason or not has_driver:
        do = f"Install the driver: {DRIVERS}."
        why = f"{build}, but there is no NVIDIA driver ({seen})"
        return why, do if gpus else _no_gpu(do)
    do = "Ask nvidia-smi whether the GPU works; in a container, start it with access to GPUs."
    return f"{build}, but finds no GPU ({reason or seen})", do


def _no_gpu(do: str) -> str:
    """Advice for a machine on which no GPU is seen."""
    return f"Leave --device out. If there is a GPU: {do}"


def _failure() -> str:
    """What torch says when CUDA is started, in one line; empty if it starts."""
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().split("\n", maxsplit=1)[0][:160]
    return ""
