"""Shards on disk, and what cannot be in shards; the rest is in laws/test_processes_agree.py."""

from pathlib import Path

import pytest
import torch
from toys import toy_config, toy_decoder, train_config

from endonym.errors import Damaged, TrainingError
from endonym.train.distributed import Group
from endonym.train.sharding import load_shards, save_shards, shard

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is")


def test_what_is_written_in_shards_is_read_whole(tmp_path: Path) -> None:
    tensors = {"blocks.0.norm.weight": torch.arange(5.0), "step": torch.tensor([[1.5]])}
    save_shards(tensors, tmp_path / "weights")
    assert {path.suffix for path in (tmp_path / "weights").iterdir()} == {".safetensors"}
    found = load_shards(tmp_path / "weights")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], each) for name, each in tensors.items())


def test_a_cut_shard_is_reported(tmp_path: Path) -> None:
    save_shards({"weight": torch.arange(100.0)}, tmp_path / "weights")
    (file,) = (tmp_path / "weights").iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(Damaged, match="cannot be read"):
        load_shards(tmp_path / "weights")


def test_a_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(OSError, match="weights"):
        save_shards({"weight": torch.arange(100.0)}, tmp_path / "weights")


def test_state_spaces_are_not_in_shards_in_bf16() -> None:
    decoder = toy_decoder(toy_config("mamba", vocab=24, context=16))
    phase = train_config(shard="weights", number_format="bf16")
    with pytest.raises(TrainingError, match="state spaces") as refused:
        shard(decoder, phase, Group(0, 2))
    assert 'number_format = "fp32"' in refused.value.do
