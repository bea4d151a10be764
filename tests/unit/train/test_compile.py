"""Compiled blocks are the same blocks."""

import copy
import importlib.util
import shutil

import pytest
import torch

from endonym.data.batches import Batch
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.model.keys import MixerKeys, ModelKeys
from endonym.train.compile import compile_blocks, obstacle, uncompiled
from endonym.train.step import batch_nats

DENSE = resolve(ModelKeys(dim=16, layers=1, mixer=MixerKeys(heads=1)), vocab=300, context=8)
needs_compiler = pytest.mark.skipif(obstacle(DENSE) is not None, reason="no C++ compiler here")


def packed_batch(vocab: int, rows: int, length: int) -> Batch:
    """Random tokens; every row has its own documents."""
    draw = torch.Generator().manual_seed(1)
    tokens_BT = torch.randint(0, vocab, (rows, length), generator=draw)
    cuts_B1 = torch.randint(1, length, (rows, 1), generator=draw)
    documents_BT = (torch.arange(length) >= cuts_B1).long()
    return Batch(tokens_BT, tokens_BT.roll(-1, 1), documents_BT)


@needs_compiler
@pytest.mark.parametrize("family", ["qwen3", "falcon"])
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_has_the_same_loss_and_gradients(family: str) -> None:
    keys = ModelKeys.model_validate(
        {"family": family, "dim": 32, "layers": 2, "mixer": {"heads": 2}, "residual_init": "scaled"}
    )
    plain = new_decoder(resolve(keys, vocab=300, context=24), 0).train()
    compiled = copy.deepcopy(plain)
    compile_blocks(compiled)
    for seed in (1, 2):
        torch.manual_seed(seed)
        batch = packed_batch(300, 3, 24)
        losses = [batch_nats(each, batch) for each in (plain, compiled)]
        for loss in losses:
            loss.backward()
        torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=0)
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-4)
    counted = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert counted > 0, "nothing was compiled"
    with uncompiled():
        compiled(torch.zeros((1, 5), dtype=torch.int64))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == counted


def test_what_is_not_compiled_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def reason(**keys: object) -> str | None:
        given = ModelKeys.model_validate({"dim": 32, "layers": 1, "mixer": {"heads": 1}, **keys})
        return obstacle(resolve(given, vocab=300, context=8))

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert reason() is None
    assert "kernels of their own" in (reason(family="mamba2", mixer={}) or "")
    assert "expert" in (reason(family="moe") or "")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "no C++ compiler" in (reason() or "")


def test_a_gpu_needs_triton_and_no_compiler_of_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert obstacle(DENSE, "cuda") is None
    assert obstacle(DENSE, "cuda:1") is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "no Triton" in (obstacle(DENSE, "cuda:1") or "")
    assert "mps" in (obstacle(DENSE, "mps") or "")
