"""GPUs that are there: named where they are not used, and why torch cannot use one."""

import os
from pathlib import Path

import pytest

from endonym import device, gpus
from endonym.cli.main import Settings
from endonym.errors import RecipeError

Patch = pytest.MonkeyPatch
IDLE = "NVIDIA GeForce RTX 4090, 312, 24564, 2\n"
BUSY = "NVIDIA GeForce RTX 4090, 20312, 24564, 98\n"
UNSAID = "NVIDIA H200 NVL, [N/A], [N/A], [N/A]\n"
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class Machine:
    """A machine with these GPUs and this build of torch."""

    def __init__(self, folder: Path, monkeypatch: Patch) -> None:
        self.folder, self.patch = folder, monkeypatch
        self.programs = folder / "programs"
        self.programs.mkdir()
        monkeypatch.setenv("PATH", str(self.programs))
        for name in HIDING:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(gpus.sys, "platform", "linux")
        monkeypatch.setattr(gpus, "AMD", folder / "kfd")
        monkeypatch.setattr(gpus, "PCI", folder / "pci")
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
        self.torch()

    def lists(self, answer: str, code: int = 0) -> None:
        """What nvidia-smi answers."""
        file = self.programs / "nvidia-smi"
        file.write_text(f"#!/bin/sh\nprintf '{answer}'\nexit {code}\n", encoding="utf-8")
        file.chmod(0o755)

    def has_card(self) -> None:
        """A card on the PCI bus, of which no driver knows."""
        card = self.folder / "pci" / "0000:01:00.0"
        card.mkdir(parents=True)
        (card / "vendor").write_text("0x10de\n", encoding="ascii")
        (card / "class").write_text("0x030000\n", encoding="ascii")

    def torch(
        self, cuda: str | None = None, hip: str | None = None, fails: str = "", works: bool = False
    ) -> None:
        """A build of torch, and what it says when CUDA is started."""

        def init() -> None:
            if fails:
                raise RuntimeError(fails)

        self.patch.setattr("torch.version.cuda", cuda)
        self.patch.setattr("torch.version.hip", hip)
        self.patch.setattr("torch.backends.cuda.is_built", lambda: cuda is not None)
        self.patch.setattr("torch.cuda.init", init)
        self.patch.setattr("torch.cuda.is_available", lambda: works)
        self.patch.setattr("torch.cuda.device_count", lambda: int(works))
        self.patch.setattr("torch.cuda.get_device_name", lambda number: "AMD Instinct MI300X")

    def refusal(self, name: str = "cuda") -> str:
        with pytest.raises(RecipeError, match=f"^--device: no {name} here") as caught:
            device.pick(name)
        assert caught.value.exit_code == 2
        return f"{caught.value.message}. {caught.value.do}"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: Patch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_an_idle_gpu_is_named_with_how_to_use_it(machine: Machine) -> None:
    assert gpus.unused_gpu() == ""
    machine.torch(cuda="12.8", works=True)
    for answer, name in ((IDLE, "RTX 4090"), (BUSY + UNSAID, "H200 NVL"), (UNSAID, "H200 NVL")):
        machine.lists(answer)
        line = gpus.unused_gpu()
        assert f"{name} is idle and not used: --device cuda computes on it" in line
    at_most = f"NVIDIA A100, 0, 40960, {round(100 * gpus.IDLE_SHARE)}\n"
    machine.lists(at_most)
    assert "A100 is idle" in gpus.unused_gpu()
    for answer in (BUSY, "NVIDIA A100, 39000, 40960, 0\n", "NVIDIA A100, 0, 40960, 55\n"):
        machine.lists(answer)
        assert gpus.unused_gpu() == "", "others use it"


def test_a_gpu_beside_a_torch_without_cuda_is_named_with_the_right_build(machine: Machine) -> None:
    machine.lists(IDLE)
    line = gpus.unused_gpu()
    assert "RTX 4090 is not used: torch" in line
    assert "is a build without CUDA" in line
    assert "pip install --force-reinstall torch==" in line
    assert "--index-url https://download.pytorch.org/whl/cu" in line


def test_a_gpu_whose_driver_does_not_answer_is_found_on_the_bus(machine: Machine) -> None:
    machine.torch(cuda="12.8", works=True)
    machine.lists("NVIDIA-SMI has failed", code=9)
    assert gpus.unused_gpu() == ""
    machine.has_card()
    assert "an NVIDIA GPU is idle and not used" in gpus.unused_gpu()


def test_gpus_that_somebody_hides_are_not_spoken_of(machine: Machine, monkeypatch: Patch) -> None:
    machine.torch(cuda="12.8", works=True)
    machine.lists(IDLE)
    for name in HIDING:
        monkeypatch.setenv(name, "")
        assert gpus.unused_gpu() == ""
        monkeypatch.setenv(name, "0")
        assert gpus.unused_gpu()
        monkeypatch.delenv(name)


def test_gpus_of_amd_and_of_a_mac_are_named_too(machine: Machine, monkeypatch: Patch) -> None:
    (machine.folder / "kfd").touch()
    machine.torch(hip="6.4", works=True)
    assert "AMD Instinct MI300X is idle and not used: --device cuda" in gpus.unused_gpu()
    machine.torch()
    assert gpus.unused_gpu() == "", "perhaps the graphics of a processor"
    monkeypatch.setattr(gpus.sys, "platform", "darwin")
    assert gpus.unused_gpu() == ""
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert "the GPU of this Mac is not used: --device mps" in gpus.unused_gpu()


def test_a_command_says_so_once_and_computes_where_it_did(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a GPU trains differs in number format and batch: it is not chosen for a user."""
    machine.torch(cuda="12.8", works=True)
    machine.lists(IDLE)
    assert Settings().pick_device() == "cpu"
    assert capsys.readouterr().err.count("--device cuda") == 1
    assert Settings(device="cpu").pick_device() == "cpu"
    assert Settings(device="cuda").pick_device() == "cuda"
    assert capsys.readouterr().err == ""


def test_a_build_of_torch_without_cuda_is_told_from_a_missing_driver(machine: Machine) -> None:
    said = machine.refusal()
    assert "is a build without CUDA (no NVIDIA GPU was found either)" in said
    assert "Leave --device out. With a GPU: Install a build with CUDA" in said
    machine.has_card()
    said = machine.refusal()
    assert "is a build without CUDA (an NVIDIA GPU is here)" in said
    assert "Leave --device out" not in said
    machine.torch(cuda="12.8", fails="Found no NVIDIA driver on your system. Please check")
    said = machine.refusal("cuda:0")
    assert "is built for CUDA 12.8, but finds no GPU: Found no NVIDIA driver on your system" in said
    assert "without CUDA" not in said
    assert "Install or update its driver" in said


CAUSES = [
    ("The NVIDIA driver on your system is too old (found version 11040).", "system is too old"),
    ("CUDA driver initialization failed, you might not have a CUDA gpu.", "initialization failed"),
    ("No CUDA GPUs are available", "finds no GPU: No CUDA GPUs are available"),
    ("", "finds no GPU: NVIDIA GeForce RTX 4090 is here"),
]


@pytest.mark.parametrize(("fails", "said"), CAUSES)
def test_what_torch_says_of_a_driver_is_handed_on(fails: str, said: str, machine: Machine) -> None:
    machine.lists(IDLE)
    machine.torch(cuda="13.0", fails=fails)
    assert said in machine.refusal()
    assert "install torch for an older version of the driver" in machine.refusal()


@pytest.mark.parametrize("value", ["", "-1", " "])
def test_a_variable_that_hides_all_gpus_is_named(
    value: str, machine: Machine, monkeypatch: Patch
) -> None:
    machine.lists(IDLE)
    machine.torch(cuda="12.8", fails="No CUDA GPUs are available")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert f"CUDA_VISIBLE_DEVICES={value!r} hides every GPU" in machine.refusal()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "hides" not in machine.refusal()


def test_other_builds_and_other_names_are_told_what_to_say(
    machine: Machine, monkeypatch: Patch
) -> None:
    machine.torch(hip="6.4")
    assert "is built for ROCm 6.4, but finds no GPU" in machine.refusal()
    for name in device.OTHER_NAMES:
        assert "NVIDIA's and AMD's GPUs cuda: --device cuda" in machine.refusal(name)
    assert "This machine has: cpu." in machine.refusal("mps")
    machine.torch()
    monkeypatch.setattr(gpus.sys, "platform", "darwin")
    assert "The GPU of a Mac is called mps" in machine.refusal()
    assert os.environ["PATH"] == str(machine.programs)
