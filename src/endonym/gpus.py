"""GPUs of this machine: which there are, and why torch does not compute on one.

Imports torch only where a GPU seems to be there.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

AMD = Path("/dev/kfd")
PCI = Path("/sys/bus/pci/devices")
NVIDIA_VENDOR = "0x10de"
DISPLAYS = ("0x0300", "0x0302")
"""Of PCI: the vendor, and the classes of graphics cards and of accelerators without a display."""
QUERY = "name,memory.used,memory.total,utilization.gpu"
ANSWER_SECONDS = 10.0
IDLE_SHARE = 0.1
"""A GPU is idle if no more of its memory and time is in use."""
BUILDS = "https://pytorch.org/get-started/locally"
INDEX = "https://download.pytorch.org/whl/cu126"
DRIVERS = "https://www.nvidia.com/drivers"
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""Environment variables that hide all GPUs from torch if they are empty or -1."""


class Gpu(NamedTuple):
    """An NVIDIA GPU."""

    name: str
    is_idle: bool = True


def nvidia_gpus() -> list[Gpu]:
    """The NVIDIA GPUs here: as their driver lists them, or else one if it is on the PCI bus."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=ANSWER_SECONDS
        )
        return [_listed(line) for line in answer.stdout.splitlines() if line.count(",") >= 3]
    for folder in PCI.glob("*"):
        with suppress(OSError):
            vendor = (folder / "vendor").read_text(encoding="ascii").strip()
            kind = (folder / "class").read_text(encoding="ascii")
            if vendor == NVIDIA_VENDOR and kind.startswith(DISPLAYS):
                return [Gpu("an NVIDIA GPU")]
    return []


def _listed(line: str) -> Gpu:
    """A GPU by a line of nvidia-smi. A number that it does not know is "[N/A]"."""
    name, *numbers = (part.strip() for part in line.rsplit(",", 3))
    used, total, busy = (int(each) if each.isdigit() else 0 for each in numbers)
    return Gpu(name, used <= IDLE_SHARE * total and busy <= 100 * IDLE_SHARE)


def unused_gpu() -> str:
    """A line on an idle GPU that is not used, and how to use it; empty if there is none."""
    if _hidden():
        return ""  # somebody does not want it used
    gpus = nvidia_gpus()
    idle = [gpu.name for gpu in gpus if gpu.is_idle]
    if sys.platform == "darwin":
        import torch

        if torch.backends.mps.is_available():
            return "the GPU of this Mac is not used: --device mps uses it, which was never tried"
    elif idle or (AMD.exists() and not gpus):
        import torch

        if torch.cuda.is_available():
            name = idle[0] if idle else torch.cuda.get_device_name(0)
            return (
                f"{name} is idle and not used: --device cuda computes on it. A training that has "
                "begun on the processor can continue there, rounded differently"
            )
        if idle:
            why, do = why_no_cuda(gpus)
            return f"{idle[0]} is not used: {why}. {do}"
    return ""


def _hidden() -> str:
    """The environment variable that hides all GPUs from torch; empty if none does."""
    return next((name for name in HIDING if os.environ.get(name, "0").strip() in ("", "-1")), "")


def why_no_cuda(gpus: list[Gpu] | None = None) -> tuple[str, str]:
    """Why torch has no device called cuda, and what to do. gpus: as `nvidia_gpus` lists them.

    The causes: a build of torch without CUDA, a variable that hides all GPUs, or what torch says
    when it starts CUDA, such as that there is no driver, or one that is too old.
    """
    import torch

    gpus = nvidia_gpus() if gpus is None else gpus
    seen = f"{gpus[0].name} is here" if gpus else "no NVIDIA GPU was found either"
    build = f"torch {torch.__version__}"
    needs = "" if gpus else "Leave --device out. With a GPU: "
    if torch.version.hip is None and not torch.backends.cuda.is_built():
        why = f"{build} is a build without CUDA ({seen})"
        if sys.platform == "darwin":
            return why, "The GPU of a Mac is called mps: --device mps."
        package = f"torch=={torch.__version__.partition('+')[0]}"
        return why, (
            f"{needs}Install a build with CUDA: pip install --force-reinstall {package} "
            f"--index-url {INDEX} (the number is the version of CUDA: {BUILDS} lists them)."
        )
    if name := _hidden():
        return f"{name}={os.environ[name]!r} hides every GPU", f"Unset {name}, or set it to 0."
    try:
        torch.cuda.init()
        reason = seen
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0][:160]
    made_for = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
    return f"{build} is built for {made_for}, but finds no GPU: {reason}", (
        f"{needs}Install or update its driver (NVIDIA's: {DRIVERS}), or install torch for an older "
        f"version of the driver ({BUILDS}); in a container, start it with access to GPUs."
    )
