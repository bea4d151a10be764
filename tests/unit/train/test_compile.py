"""Compiled blocks are the same blocks, alone and in training."""

import copy
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from toys import toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.train import inputs
from endonym.train.compile import (
    compile_blocks,
    compiler_failure,
    explained_errors,
    uncompiled,
    unsupported_reason,
)
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


def training(folder: Path, compiles: str, recompute: int = 1) -> Training:
    """Two blocks with dropout, a batch in two parts; validates every third step."""
    documents = [[1 + (7 * n + 3 * k * n) % (VOCAB - 1) for k in range(5 + n)] for n in range(20)]
    shards = write_toy_shards(folder / "shards", documents, documents[5:12], vocab=VOCAB)
    keys = {"steps": STEPS, "batch_tokens": 64, "micro_tokens": 32, "lr": 3e-3}
    keys |= {"eval_every_steps": SAVED, "eval_tokens": 64, "number_format": "fp32"}
    phase = train_config(**keys, compile=compiles, recompute=recompute)
    decoder = toy_decoder(toy_config(vocab=VOCAB, layers=2, dropout=0.2))
    work = TrainingInputs(*shards, folder / "checkpoints", unigram_nats=99.0)
    return Training(decoder, phase, work, seed=1)


def nats(one: Training) -> dict[int, tuple[float, float]]:
    """Loss of each step and of its validation."""
    return {
        report.step: (report.nats, report.validation.nats if report.validation else 0.0)
        for report in one.reports()
        if report.step
    }


@needs_compiler
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_training_learns_what_a_plain_one_does_and_goes_on_bit_for_bit(
    tmp_path: Path, graphs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block that is not computed again is compiled. Validations and samples compile nothing."""
    compiled: list[int] = []

    def validate(*given: object, **named: object) -> object:
        before = graphs()
        seen = see(*given, **named)  # type: ignore[arg-type]
        compiled.append(graphs() - before)
        return seen

    see = inputs.validate
    monkeypatch.setattr(inputs, "validate", validate)
    expected = nats(training(tmp_path / "plain", "off", recompute=0))
    assert graphs() == 0
    whole = training(tmp_path / "whole", "on")
    found = nats(whole)
    before = graphs()
    assert before > 0
    assert found.keys() == expected.keys()
    for step, losses in found.items():
        assert losses == pytest.approx(expected[step], rel=1e-5)
    with whole.for_evaluation(), torch.inference_mode():
        for length in (1, 16):
            whole.whole_decoder().eval()(torch.zeros((1, length), dtype=torch.int64))
    assert (graphs(), set(compiled)) == (before, {0})
    torch._dynamo.reset()
    shutil.rmtree(tmp_path / "whole" / "checkpoints" / f"step-{STEPS:06d}")
    resumed = training(tmp_path / "whole", "on")
    assert resumed.resume() == SAVED
    before = graphs()
    assert nats(resumed) == {step: losses for step, losses in found.items() if step > SAVED}
    assert graphs() > before
    weights = resumed.optimizer.weights()
    assert all(torch.equal(weights[n], t) for n, t in whole.optimizer.weights().items())


@needs_compiler
@pytest.mark.filterwarnings("ignore")
def test_blocks_that_are_computed_again_are_not_compiled(tmp_path: Path) -> None:
    for count, plain in ((2, [True, True]), (1, [True, False])):
        blocks = training(tmp_path, "on", recompute=count).decoder.blocks
        assert [block._compiled_call_impl is None for block in blocks] == plain


@needs_compiler
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_has_the_same_loss_and_gradients(graphs: Callable[[], int]) -> None:
    keys = {"dim": 32, "layers": 1, "mixer": {"heads": 2}, "residual_init": "scaled"}
    shape = resolve(ModelKeys.model_validate({"family": "falcon", **keys}), vocab=300, context=24)
    plain = new_decoder(shape, 0).train()
    compiled = copy.deepcopy(plain)
    compile_blocks(compiled)
    draw = torch.Generator().manual_seed(1)
    for _ in range(2):
        tokens_BT = torch.randint(0, 300, (3, 24), generator=draw)
        documents_BT = (torch.arange(24) >= torch.randint(1, 24, (3, 1), generator=draw)).long()
        batch = Batch(tokens_BT, tokens_BT.roll(-1, 1), documents_BT)
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


def test_a_compilers_failure_is_told_from_an_error_of_a_step() -> None:
    Failed = type("Failed", (Exception,), {"__module__": "torch._inductor.exc"})
    said = "the compiler has stopped\nmain.cpp:5: fatal error: Python.h: no such file"
    failed = RuntimeError("backend failed")
    failed.__cause__ = Failed(said)
    match = r"the compiler here fails: main\.cpp:5: fatal error"
    with pytest.raises(TrainingError, match=match) as caught, explained_errors():
        raise failed
    assert 'Set compile = "off" in the phase' in caught.value.do
    not_loaded = ImportError("/tmp/x.so: failed to map segment", path="/tmp/x.so")
    assert compiler_failure(not_loaded) == "/tmp/x.so: failed to map segment"
    for error in (ValueError("nothing"), ModuleNotFoundError("No module named 'x'", name="x")):
        assert compiler_failure(error) is None
        with pytest.raises(type(error)), explained_errors():
            raise error


NOT_COMPILED = [
    ({}, "cpu", "g++", None),
    ({"family": "mamba2", "mixer": {}}, "cpu", "g++", "kernels of their own"),
    ({"family": "moe"}, "cpu", "g++", "expert"),
    ({}, "cpu", "triton", "no C++ compiler"),
    ({}, "cuda", "triton", None),
    ({}, "cuda:1", "triton", None),
    ({}, "cuda:1", "g++", "no Triton"),
    ({}, "mps", "g++", "mps"),
]


@pytest.mark.parametrize(("keys", "device", "tools", "reason"), NOT_COMPILED)
def test_what_is_not_compiled_says_why(
    keys: dict[str, object],
    device: str,
    tools: str,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name == tools else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == tools else None)
    given = ModelKeys.model_validate({"dim": 32, "layers": 1, "mixer": {"heads": 1}, **keys})
    found = unsupported_reason(resolve(given, vocab=300, context=8), device)
    assert found is None if reason is None else reason in (found or "")


def test_a_training_that_is_not_compiled_does_not_load_the_compiler(tmp_path: Path) -> None:
    """To import it takes seconds. Activation checkpointing does need it."""
    tests = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    command = [sys.executable, "-c", PLAIN, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{STEPS} steps", "no compiler"]


PLAIN = """
import sys
from pathlib import Path
from unit.train.test_compile import nats, training
print(len(nats(training(Path(sys.argv[1]), "off", recompute=0))), "steps")
print("compiler" if "torch._dynamo" in sys.modules else "no compiler")
"""
