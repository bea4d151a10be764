"""On another device than the CPU no tensor is left behind, and every number is the same.

What that cannot show stands in tests/elsewhere.py.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from elsewhere import ELSEWHERE, WrongDevice, another_device, register
from laws.test_answers import CONTEXT, VOCAB, phase
from laws.test_resume_is_exact import without_clock
from made_conversations import toy_inputs
from text_samples import KHMER, TATAR
from toys import (
    distinct_documents,
    lively_decoder,
    toy_config,
    toy_decoder,
    toy_tokenizer,
    write_toy_shards,
)
from typed_texts import typed_inputs

from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.model.families import FAMILIES
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training
from endonym.train.objectives import OBJECTIVES

CASES = [(family, objective) for family in FAMILIES for objective in OBJECTIVES]
TURNS = [(family, list(OBJECTIVES)[n % len(OBJECTIVES)]) for n, family in enumerate(FAMILIES)]
"""Every family, with the objectives in turn; tests/laws/test_gpu.py tries all of both."""
MUON: dict[str, Any] = {"optimizer": "muon", "normalise": True}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Executor]:
    """A process in which the device exists."""
    spawned = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned, initializer=register) as process:
        yield process


def on(device: str) -> Any:
    return another_device() if device == ELSEWHERE else nullcontext()


def forgotten() -> tuple[list[float], str]:
    """A sum there, and what is said of a tensor that was left behind."""
    with another_device() as device:
        there = torch.ones(3, device=device)
        assert there.device.type == ELSEWHERE
        with pytest.raises(WrongDevice) as error:
            _ = there + torch.ones(3)
        return (there + there).cpu().tolist(), str(error.value)


def test_an_operation_on_two_devices_is_an_error(elsewhere: Executor) -> None:
    numbers, said = elsewhere.submit(forgotten).result()
    assert numbers == [2, 2, 2]
    assert "add" in said


def trained(folder: Path, family: str, objective: str, device: str) -> list[Any]:
    """The reports of four steps with validations; the last two go on from a checkpoint."""
    vocab = toy_tokenizer("keyboard").vocab if objective == "autocorrect" else VOCAB
    shape = toy_config(family, vocab=vocab, context=CONTEXT)
    decoder, home = toy_decoder(shape), folder / device
    inputs: Any
    if objective == "next_token":
        documents, _ = distinct_documents([5, 4, 9, 3, 2])
        train, dev = write_toy_shards(home, documents * 9, documents, vocab=VOCAB)
        inputs = TrainingInputs(train, dev, home, unigram_nats=9.0, device=device)
    elif objective == "autocorrect":
        inputs = typed_inputs(home, device=device)
    else:
        inputs = replace(toy_inputs(home, objective, decoder, home), device=device)
    often: dict[str, Any] = {
        "steps": 4,
        "eval_every_steps": 2,
        "save_every_steps": 2,
        "warmup_steps": 1,
    }
    optimizer: dict[str, Any] = MUON if objective == "next_token" else {}
    config = phase(objective, **often, **optimizer)
    with on(device):
        first = Training(decoder.to(device), config, inputs, seed=1).reports()
        before = [next(first) for _ in range(3)]
        training = Training(toy_decoder(shape).to(device), config, inputs, seed=1)
        assert training.resume() == 2
        return without_clock([*before, *training.reports()])


@pytest.mark.parametrize(("family", "objective"), TURNS)
def test_training_and_validating_there_gives_the_numbers_of_the_cpu(
    elsewhere: Executor, family: str, objective: str, tmp_path: Path
) -> None:
    there = elsewhere.submit(trained, tmp_path, family, objective, ELSEWHERE).result()
    here = trained(tmp_path, family, objective, "cpu")
    assert len(here) == len(there) > 3
    assert_close(there, here)


def written(family: str, device: str) -> tuple[list[Any], Any]:
    """What a model of the family writes with the likeliest tokens, and a score."""
    tokenizer = toy_tokenizer("bpe")
    decoder = lively_decoder(toy_config(family, vocab=tokenizer.vocab, context=CONTEXT))
    prompts = [TATAR[0][:9], KHMER[0][:5]]
    with on(device):
        model = LanguageModel(decoder.to(device), tokenizer)
        greedy = [Sampling(temperature=0.0)] * 2
        answers = model.generate_many(prompts, max_tokens=12, samplings=greedy)
        return [list(each) for each in answers], model.score(TATAR[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_generating_and_scoring_there_gives_the_answers_of_the_cpu(
    elsewhere: Executor, family: str
) -> None:
    there = elsewhere.submit(written, family, ELSEWHERE).result()
    here = written(family, "cpu")
    assert there[0] == here[0]
    assert_close(there[1], here[1])


def assert_close(found: Any, wanted: Any, rel: float = 1e-4) -> None:
    """Equal but for the rounding of other kernels."""
    if isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=rel, abs=rel / 100, nan_ok=True)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name, each in wanted.items():
            assert_close(found[name], each, rel)
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_close(one, other, rel)
    elif hasattr(wanted, "__dataclass_fields__"):
        assert type(found) is type(wanted)
        for name in wanted.__dataclass_fields__:
            assert_close(getattr(found, name), getattr(wanted, name), rel)
    else:
        assert found == wanted
