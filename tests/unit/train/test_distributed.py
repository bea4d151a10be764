"""Shares, parts, ranks and phases; laws/test_processes_agree.py trains in several processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from endonym import device
from endonym.data.batches import Batch
from endonym.device import ProcessInfo, process_info
from endonym.errors import LostProcess
from endonym.train import distributed
from endonym.train.distributed import ALONE, Group, called


@pytest.mark.parametrize("count", [0, 1, 3, 6, 7, 64])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_shares_are_disjoint_whole_and_nearly_equal(count: int, size: int) -> None:
    shares = [Group(rank, size).share(count) for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(count))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == -(-count // size)


def batch(rows: int) -> Batch:
    numbers = torch.arange(1, rows * 8 + 1).view(rows, 8)
    return Batch(numbers, numbers + 1, torch.zeros_like(numbers))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_every_process_makes_equally_many_parts_and_blank_ones_weigh_nothing(rows: int) -> None:
    made = []
    for rank in range(4):
        group = Group(rank, 4)
        share = replace(batch(len(group.share(10))), whole_rows=10)
        parts = list(group.micro_batches(share, rows, is_sharded=True))
        made.append(len(parts))
        real = [part.tokens_BT for part, weight in parts if weight]
        assert torch.equal(torch.cat(real), share.tokens_BT)
        assert all(part.tokens_BT.shape == (1, 8) for part, weight in parts if not weight)
    assert len(set(made)) == 1


def test_without_shards_no_part_is_blank() -> None:
    assert list(Group(3, 4).micro_batches(batch(0), 2, is_sharded=False)) == []


def test_one_process_alone_has_no_blank_part_and_sends_nothing() -> None:
    parts = ALONE.micro_batches(batch(5), 2, is_sharded=True)
    assert [weight for _, weight in parts] == [1, 1, 1]
    assert ALONE.broadcast({"step": 3}) == {"step": 3}
    assert ALONE.is_any(True)
    assert not ALONE.is_any(False)
    assert ALONE.stream() == () != Group(0, 2).stream() != Group(1, 2).stream()
    assert ALONE.add_up([], torch.tensor(2.5)) == (torch.tensor(2.5), False)
    assert ALONE.add_up([], torch.tensor(2.5), ran_short=True)[1]
    assert ALONE.least(3) == 3
    with called("cpu") as group:
        assert group is ALONE


def test_gradients_travel_in_pieces_and_a_missing_one_as_zeros(monkeypatch: pytest.MonkeyPatch):
    sent: list[int] = []

    def doubled(tensor: torch.Tensor) -> None:
        """As if another process had the same gradients, and one for the last of them too."""
        sent.append(tensor.numel())
        tensor *= 2
        if len(sent) == 1:
            tensor[-1] = 1

    monkeypatch.setattr(distributed.dist, "all_reduce", doubled)
    monkeypatch.setattr(distributed, "PIECE_ELEMENTS", 10)
    sizes = [4, 4, 4, 20, 3]
    masters = [nn.Parameter(torch.zeros(size)) for size in sizes]
    for number, master in enumerate(masters[:3]):
        master.grad = torch.full_like(master, number + 1.0)
    nats, is_short = Group(0, 2).add_up(masters, torch.tensor(1.5))
    assert float(nats) == 3.0
    assert not is_short
    assert sent == [7, 8, 7]
    assert [float(m.grad[0]) for m in masters[:3] if m.grad is not None] == [2.0, 4.0, 6.0]
    assert masters[3].grad is None
    assert masters[4].grad is not None


TWO_PHASES = """
from endonym.train import distributed
from endonym.device import process_info

def work(group):
    print(group.broadcast({"phase": len(done)} if process_info().rank == 0 else None))
    done.append(group.size)

done = []
if process_info().rank:
    distributed.follow(work, "cpu")
else:
    for _ in range(3):
        with distributed.called("cpu") as group:
            work(group)
    distributed.dismiss()
"""


def test_each_phase_of_a_run_brings_the_processes_together_anew(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_PHASES],
            env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", **info.variables()},
            stdout=subprocess.PIPE,
            text=True,
        )
        for info in (ProcessInfo(rank, 2, rank, 2, str(tmp_path / "meet")) for rank in range(2))
    ]
    said = [process.communicate(timeout=60)[0].splitlines() for process in started]
    assert said == [[str({"phase": number}) for number in range(3)]] * 2


def test_a_rank_is_read_as_torchrun_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process_info() == ProcessInfo()
    said = ProcessInfo(rank=5, size=8, local_rank=1, local_size=4)
    for name, value in said.variables().items():
        monkeypatch.setenv(name, value)
    assert process_info() == said
    monkeypatch.setenv("WORLD_SIZE", "many")
    assert process_info() == ProcessInfo()


def test_processes_share_the_cores_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "cores", lambda: 8)
    for name, value in ProcessInfo(0, 3, 0, 3).variables().items():
        monkeypatch.setenv(name, value)
    assert device.threads() == 2
    monkeypatch.setattr(device, "cores", lambda: 2)
    assert device.threads() == 1


GLOO = "[/pytorch/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:3401"
FAULTS = [
    (GLOO, LostProcess, "has ended or cannot be reached"),
    ("NCCL communicator was aborted on rank 1.", LostProcess, "has ended or cannot be reached"),
    ("mat1 and mat2 shapes cannot be multiplied (8x32 and 64x32)", RuntimeError, "shapes"),
]


@pytest.mark.parametrize(("message", "kind", "said"), FAULTS)
def test_a_lost_process_is_one_message(message: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said), distributed.translated_distributed_errors():
        raise RuntimeError(message)
