"""A disk that fills up at any stage: a sentence, exit code 1, nothing half-made, and the same
command completes to the same bytes once there is space. And a disk that cannot be written."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from endonym.store import Store
from endonym.train import checkpoint

SIZES = ("24k", "48k", "96k", "160k", "512k", "900k", "1600k", "2000k")
ENOUGH = "32m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory that `resize` makes larger."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZES[0]}", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def remount(path: Path, options: str) -> None:
    """Give the file system another size, or make it read-only."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


def artefacts(store: Path) -> dict[str, bytes]:
    """Every file of every whole artefact."""
    found = [artifact.verify() for artifact in Store(store).artifacts()]
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for artifact in found
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file()
    }


def test_a_full_disk_ends_in_a_sentence_and_the_same_command_goes_on(
    small_disk: Path,
    small_recipe: Callable[[Path], Path],
    finished: Path,
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    monkeypatch.setattr(checkpoint, "check_disk_space", lambda *_, **__: None)
    whole, reached = artefacts(finished / "store"), []
    for size in SIZES:
        remount(small_disk, f"size={size}")
        said = command("run", recipe, "--store", small_disk / "store", "--json")
        if said.code == 0:
            break
        assert said.code == 1
        error = said.json()["error"]
        assert error["kind"] == "StoreError", error
        assert "the disk is full" in error["message"]
        made = artefacts(small_disk / "store")
        assert made.items() <= whole.items()
        reached.append(len(made))
    assert reached == sorted(reached)
    assert len(set(reached)) >= 3
    remount(small_disk, f"size={ENOUGH}")
    assert command("run", recipe, "--store", small_disk / "store").code == 0
    assert artefacts(small_disk / "store") == whole
    assert not list((small_disk / "store").glob("*/*.part"))


def test_training_does_not_start_where_its_checkpoints_would_not_fit(
    small_disk: Path,
    small_recipe: Callable[[Path], Path],
    command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    remount(small_disk, "size=2m")
    said = command("run", recipe, "--store", small_disk / "store", "--json")
    assert said.code == 1
    assert "checkpoints need" in said.json()["error"]["message"]
    assert not list((small_disk / "store" / "model").glob("*.part/step-*"))


def test_a_store_that_cannot_be_written_is_said_and_can_still_be_read(
    small_disk: Path,
    small_recipe: Callable[[Path], Path],
    command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    store = small_disk / "store"
    remount(small_disk, f"size={ENOUGH}")
    assert command("run", recipe, "--store", store, "--set", "phase.0.steps=2").code == 0
    remount(small_disk, "ro")
    said = command("run", recipe, "--store", store, "--json")
    assert said.code == 1
    assert "cannot write here" in said.json()["error"]["message"]
    assert "--store" in said.json()["error"]["do"]
    assert command("status", "--store", store).code == 0
    assert command("look", "kechkena+phase.0.steps=2", "--store", store).code == 0
    said = command(
        "generate", "kechkena+phase.0.steps=2", "Таң", "--max-tokens", "3", "--store", store
    )
    assert (said.code, said.out[:3]) == (0, "Таң")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a folder that forbids it")
def test_a_folder_that_forbids_writing_is_said(
    small_recipe: Callable[[Path], Path], command: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path / "project")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    said = command("run", recipe, "--store", closed / "store", "--json")
    assert said.code == 1
    assert "cannot write here" in said.json()["error"]["message"]
