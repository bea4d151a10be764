"""Compiled blocks are the same blocks, alone and in training."""

import copy
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from toys import toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batch
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.train import loop
from endonym.train.compile import compile_blocks, compiler_failure, uncompiled, unsupported_reason
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training
from endonym.train.objectives import CROSS_ENTROPY

DENSE = resolve(ModelKeys(dim=16, layers=1, mixer=MixerKeys(heads=1)), vocab=300, context=8)
needs_compiler = pytest.mark.skipif(
    unsupported_reason(DENSE) is not None, reason="no C++ compiler here"
)


VOCAB, STEPS, SAVED = 24, 6, 3


@pytest.fixture
def graphs() -> Iterator[Callable[[], int]]:
    """How many graphs were compiled since the test began, which finds nothing compiled."""
    counters = torch._dynamo.utils.counters
    torch._dynamo.reset()
    counters.clear()
    yield lambda: counters["stats"]["unique_graphs"]
    torch._dynamo.reset()


def training(folder: Path, compiles: str, layers: int = 1, recompute: int = 0) -> Training:
    """A phase with dropout, a batch in two parts; it validates every third step."""
    documents = [[1 + (7 * n + 3 * k * n) % (VOCAB - 1) for k in range(5 + n)] for n in range(20)]
    train, dev = write_toy_shards(folder / "shards", documents, documents[5:12], vocab=VOCAB)
    settings = {
        "steps": STEPS,
        "batch_tokens": 64,
        "micro_tokens": 32,
        "lr": 3e-3,
        "eval_every_steps": SAVED,
        "eval_tokens": 64,
        "number_format": "fp32",
        "compile": compiles,
        "recompute": recompute,
    }
    config = toy_config(vocab=VOCAB, layers=layers, dropout=0.2)
    work = TrainingInputs(train, dev, folder / "checkpoints", unigram_nats=99.0)
    return Training(toy_decoder(config), train_config(**(settings)), work, seed=1)


def nats(one: Training, until: int = STEPS) -> dict[int, tuple[float, float]]:
    """Loss of each step and of its validation, up to a step."""
    found: dict[int, tuple[float, float]] = {}
    for report in one.reports():
        if report.step:
            found[report.step] = (report.nats, report.validation.nats if report.validation else 0.0)
        if report.step == until:
            break
    return found


@needs_compiler
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_training_learns_what_a_plain_one_does_and_goes_on_bit_for_bit(
    tmp_path: Path, graphs: Callable[[], int]
) -> None:
    expected = nats(training(tmp_path / "plain", "off"))
    assert graphs() == 0
    whole = training(tmp_path / "whole", "on")
    found = nats(whole)
    assert graphs() > 0
    assert found.keys() == expected.keys()
    for step, losses in found.items():
        assert losses == pytest.approx(expected[step], rel=1e-5)
    first = nats(training(tmp_path / "killed", "on"), until=SAVED)
    torch._dynamo.reset()
    resumed = training(tmp_path / "killed", "on")
    assert resumed.resume() == SAVED
    compiled = graphs()
    assert first | nats(resumed) == found
    assert graphs() > compiled
    weights = resumed.optimizer.weights()
    assert all(torch.equal(weights[n], t) for n, t in whole.optimizer.weights().items())


@needs_compiler
def test_a_compiler_that_fails_in_training_says_what_to_do(
    prepared: Path, broken_compiler: dict[str, str]
) -> None:
    store = prepared.parent / "store"
    arguments = ["--store", store, "--until", "model", "--set", "phase.0.compile=on"]
    command = [sys.executable, "-m", "endonym.cli.main", "run", prepared, *arguments]
    done = subprocess.run(command, env=broken_compiler, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the compiler here fails: main.cpp:5: fatal error: Python.h" in done.stderr
    assert 'Set compile = "off" in the phase' in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_of_a_step_is_no_compilers() -> None:
    assert compiler_failure(ValueError("nothing compiled here")) is None
    assert compiler_failure(MemoryError()) is None
    assert compiler_failure(ModuleNotFoundError("No module named 'flash'", name="flash")) is None


def test_what_was_compiled_and_may_not_be_loaded_is_the_compilers() -> None:
    found = ImportError("/tmp/x.so: failed to map segment", path="/tmp/x.so")
    assert compiler_failure(found) == "/tmp/x.so: failed to map segment"


@needs_compiler
@pytest.mark.filterwarnings("ignore")
def test_validations_and_samples_compile_nothing(
    tmp_path: Path, graphs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []

    def validate(*given: object, **named: object) -> object:
        before = graphs()
        seen = see(*given, **named)  # type: ignore[arg-type]
        compiled.append(graphs() - before)
        return seen

    see = loop.validate
    monkeypatch.setattr(loop, "validate", validate)
    one = training(tmp_path, "on")
    nats(one)
    assert compiled == [0, 0, 0]
    before = graphs()
    assert before > 0
    with one.for_evaluation(), torch.inference_mode():
        for length in (1, 5, 16):
            one.whole_decoder().eval()(torch.zeros((1, length), dtype=torch.int64))
    assert graphs() == before


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
def test_a_compiled_model_has_the_same_loss_and_gradients(
    family: str, graphs: Callable[[], int]
) -> None:
    keys = ModelKeys.model_validate(
        {"family": family, "dim": 32, "layers": 2, "mixer": {"heads": 2}, "residual_init": "scaled"}
    )
    plain = new_decoder(resolve(keys, vocab=300, context=24), 0).train()
    compiled = copy.deepcopy(plain)
    compile_blocks(compiled)
    for seed in (1, 2):
        torch.manual_seed(seed)
        batch = packed_batch(300, 3, 24)
        losses = [CROSS_ENTROPY.loss(each, batch).objective for each in (plain, compiled)]
        for loss in losses:
            loss.backward()
        torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=0)
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-4)
    counted = graphs()
    assert counted > 0, "nothing was compiled"
    with uncompiled():
        compiled(torch.zeros((1, 5), dtype=torch.int64))
    assert graphs() == counted


@needs_compiler
@pytest.mark.filterwarnings("ignore")
def test_blocks_that_are_not_computed_again_are_compiled_all_the_same(
    tmp_path: Path, graphs: Callable[[], int]
) -> None:
    seen: list[dict[int, tuple[float, float]]] = []
    for blocks, compiles in ((0, "off"), (1, "on"), (2, "on")):
        before = graphs()
        one = training(tmp_path / f"{blocks}", compiles, layers=2, recompute=blocks)
        seen.append(nats(one))
        assert (graphs() > before) == (blocks == 1)
    for found in seen[1:]:
        for step, losses in found.items():
            assert losses == pytest.approx(seen[0][step], rel=1e-5)


def test_what_is_not_compiled_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def reason(**keys: object) -> str | None:
        given = ModelKeys.model_validate({"dim": 32, "layers": 1, "mixer": {"heads": 1}, **keys})
        return unsupported_reason(resolve(given, vocab=300, context=8))

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert reason() is None
    assert "kernels of their own" in (reason(family="mamba2", mixer={}) or "")
    assert "expert" in (reason(family="moe") or "")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "no C++ compiler" in (reason() or "")


def test_a_gpu_needs_triton_and_no_compiler_of_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert unsupported_reason(DENSE, "cuda") is None
    assert unsupported_reason(DENSE, "cuda:1") is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "no Triton" in (unsupported_reason(DENSE, "cuda:1") or "")
    assert "mps" in (unsupported_reason(DENSE, "mps") or "")
