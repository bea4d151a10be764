"""Checkpoints: whole or set aside, the best and the newest kept, disk space asked for before."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from endonym.errors import Damaged, StoreError
from endonym.train import checkpoint
from endonym.train.checkpoint import TrainState, save

FILES = ("weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"b": torch.full((3,), value), "a": torch.full((2, 2), value)}


def save_step(work: Path, step: int, *, best: int = 0) -> None:
    validations = [{"step": step, "nats": 0.1 + 0.2, "bits": 1 / 3}]
    state = TrainState(step=step, best_step=best, best_nats=0.1 + 0.2, validations=validations)
    save(work, state, tensors(step), {"a.exp_avg": torch.full((2, 2), step / 3)})


def steps_kept(work: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in work.glob("step-*") if not path.suffix)


def test_what_was_saved_is_read_back_exactly(tmp_path: Path) -> None:
    save_step(tmp_path, 500, best=500)
    found = checkpoint.last(tmp_path)
    assert found.folder.name == "step-000500"
    validations = [{"step": 500, "nats": 0.1 + 0.2, "bits": 1 / 3}]
    assert found.state == TrainState(500, 500, 0.1 + 0.2, 0, validations, False)
    weights, optimizer_state = found.weights(), found.optimizer_state()
    assert all(torch.equal(weights[name], value) for name, value in tensors(500).items())
    assert torch.equal(optimizer_state["a.exp_avg"], torch.full((2, 2), 500 / 3))


def test_training_that_goes_back_finds_the_best_it_knew_then(tmp_path: Path) -> None:
    """Best at 50, good at 70; a better loss at 80 comes while steps are being skipped."""
    validations: list[dict[str, float]] = []
    for step, nats, good in ((50, 2.0, 50), (60, 2.2, 60), (70, 2.1, 70), (80, 1.9, 70)):
        validations.append({"step": step, "nats": nats, "bits": 0.0})
        best = min(validations, key=lambda each: each["nats"])
        state = TrainState(step, int(best["step"]), best["nats"], 0, list(validations))
        state.good_step = good
        save(tmp_path, state, tensors(step), {})
    back = checkpoint.back_to(tmp_path, 70)
    assert back.state.best_step == 50
    assert torch.equal(checkpoint.at(tmp_path, 50).weights()["b"], tensors(50)["b"])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.99])
def test_one_flipped_bit_sets_the_newest_aside(tmp_path: Path, name: str, share: float):
    save_step(tmp_path, 10)
    save_step(tmp_path, 20)
    path = tmp_path / "step-000020" / name
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1
    path.write_bytes(bytes(data))
    told: list[Path] = []
    found = checkpoint.last(tmp_path, told.append)
    assert found.state.step == 10
    assert told == [tmp_path / "step-000020.damaged"]
    checkpoint.last(tmp_path, told.append)
    assert len(told) == 1, "what was set aside before is told once"
    assert (tmp_path / "step-000020.damaged" / name).read_bytes() == bytes(data)
    assert steps_kept(tmp_path) == [10]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_added_file_is_damage_too(tmp_path: Path, name: str) -> None:
    for step, harm in ((10, Path.unlink), (20, lambda path: shutil.copy(path, f"{path}.copy"))):
        save_step(tmp_path, step)
        harm(tmp_path / f"step-{step:06d}" / name)
        with pytest.raises(Damaged):
            checkpoint.at(tmp_path, step)
    assert checkpoint.last(tmp_path) is checkpoint.last(tmp_path / "never") is None


def test_a_step_that_is_damaged_twice_is_set_aside_twice(tmp_path: Path) -> None:
    for _ in range(2):
        save_step(tmp_path, 10)
        (tmp_path / "step-000010" / "state.json").write_text("{", encoding="utf-8")
        assert checkpoint.last(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["step-000010.damaged"]


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    save_step(tmp_path, 10)
    shutil.copytree(tmp_path / "step-000010", tmp_path / "step-000020.new")
    found = checkpoint.last(tmp_path)
    assert found.state.step == 10
    save_step(tmp_path, 15)  # validations are timed: step 20 need not come again
    assert not (tmp_path / "step-000020.new").exists()


def test_the_best_and_the_two_newest_are_kept(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 50):
        save_step(tmp_path, step, best=20 if step >= 20 else 10)
    assert steps_kept(tmp_path) == [20, 40, 50]
    for step in (999_999, 1_000_000):
        save_step(tmp_path, step, best=step)
    assert steps_kept(tmp_path) == [999_999, 1_000_000]
    found = checkpoint.last(tmp_path)
    assert found.state.step == 1_000_000


@pytest.mark.parametrize(("saves", "kept"), [(1, 3), (3, 5), (4, 6), (100, 6)])
def test_disk_space_for_the_checkpoints_to_come_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int, kept: int
) -> None:
    usage = namedtuple("usage", "total used free")
    needed = 12 * 1_000_000 * kept
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed - 1))
    with pytest.raises(StoreError, match="checkpoints need") as caught:
        checkpoint.check_disk_space(tmp_path / "not" / "yet", 1_000_000, saves)
    assert caught.value.where == str(tmp_path / "not" / "yet")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed))
    checkpoint.check_disk_space(tmp_path, 1_000_000, saves)
    with pytest.raises(StoreError, match="checkpoints need"):
        checkpoint.check_disk_space(tmp_path, 1_000_000, saves, 4)


def test_validations_are_counted_from_the_best_one_on() -> None:
    state, seen = TrainState(), list[tuple[bool, int]]()
    for step, nats in enumerate((3.0, 3.0, 3.1, 2.9, 2.95), 1):
        state.step = step
        seen.append((state.note_validation(nats, 1.0), state.validations_since_best))
    assert seen == [(True, 0), (False, 1), (False, 2), (True, 0), (False, 1)]
    assert (state.best_step, state.best_nats) == (4, 2.9)
