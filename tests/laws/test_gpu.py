"""On an NVIDIA GPU every family trains, validates, goes on and generates as on the CPU."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from laws.test_another_device import CASES, assert_close, trained, written
from laws.test_answers import CONTEXT, VOCAB, phase
from toys import distinct_documents, lively_decoder, toy_config, toy_decoder, write_toy_shards

from endonym.model.families import FAMILIES
from endonym.model.kernels import varlen
from endonym.model.span import Span
from endonym.model.weights import narrow
from endonym.train.compile import unsupported_reason
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("default"),  # torch and Triton warn of their own ways to compile
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
CUDA = torch.device("cuda")
HEAD_WIDTHS = (16, 32, 64, 96, 128)
ROUNDING = {"fp32": 1e-3, "bf16": 0.1}
"""Largest relative difference of losses from those in fp32 on the CPU."""


def losses(reports: list[Any]) -> list[float]:
    """Of each step and each validation."""
    found = [each.nats for each in reports if not math.isnan(each.nats)]
    assert len(found) > 3
    return found


@pytest.mark.parametrize(("family", "objective"), CASES)
def test_training_and_validating_gives_the_numbers_of_the_cpu(
    family: str, objective: str, tmp_path: Path
) -> None:
    there = trained(tmp_path, family, objective, "cuda")
    assert_close(there, trained(tmp_path, family, objective, "cpu"), ROUNDING["fp32"])


@pytest.mark.parametrize("family", FAMILIES)
def test_generating_and_scoring_gives_the_answers_of_the_cpu(family: str) -> None:
    there, here = written(family, "cuda"), written(family, "cpu")
    assert there[0] == here[0]
    assert there[1] == pytest.approx(here[1], rel=ROUNDING["fp32"])


@pytest.mark.parametrize("width", HEAD_WIDTHS)
def test_the_kernel_for_packed_documents_equals_the_dense_mask(width: int) -> None:
    assert varlen.unsupported_reason(CUDA, torch.bfloat16, width) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_documents_in_bf16_are_near_those_in_fp32(family: str) -> None:
    decoder = lively_decoder(toy_config(family, vocab=VOCAB, context=CONTEXT))
    ids_BT = torch.randint(VOCAB, (2, CONTEXT), generator=torch.Generator().manual_seed(0))
    documents_BT = torch.arange(CONTEXT).ge(CONTEXT // 3).long().expand(2, -1)
    with torch.no_grad():
        wanted_BTD, _ = decoder(ids_BT, Span.packed(documents_BT))
        narrow(decoder.to(CUDA))
        found_BTD, _ = decoder(ids_BT.to(CUDA), Span.packed(documents_BT.to(CUDA)))
    gap = (found_BTD.float().cpu() - wanted_BTD).norm() / wanted_BTD.norm()
    assert float(gap) < ROUNDING["bf16"]


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_or_not_and_in_both_formats_the_losses_are_those_of_the_cpu(
    family: str, number_format: str, tmp_path: Path
) -> None:
    shape = toy_config(family, vocab=VOCAB, context=CONTEXT)
    documents, _ = distinct_documents([5, 4, 9, 3, 2])
    found: list[list[float]] = []
    for device, compiles in (("cpu", False), ("cuda", False), ("cuda", True)):
        if compiles and unsupported_reason(shape, device) is not None:
            continue
        home = tmp_path / f"{device}-{compiles}"
        train, dev = write_toy_shards(home, documents * 9, documents, vocab=VOCAB)
        inputs = TrainingInputs(train, dev, home, unigram_nats=9.0, device=device)
        asked = "fp32" if device == "cpu" else number_format
        config = phase("next_token", asked, steps=6, compile="on" if compiles else "off")
        training = Training(toy_decoder(shape).to(device), config, inputs, seed=1)
        found.append(losses(list(training.reports())))
    for each in found[1:]:
        assert each == pytest.approx(found[0], rel=ROUNDING[number_format])
