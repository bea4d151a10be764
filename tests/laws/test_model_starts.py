"""Laws 8 and 10: a new model is uniform, and every one of its parameters learns."""

import math
import re

import pytest
import torch
from laws.shapes import SHAPES, shape, some_tokens
from torch.nn import functional as F
from unlearnt import UNLEARNT, is_unlearnt

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES
from endonym.model.init import new_decoder

SIZES = [(64, 512), (256, 257), (384, 4096)]
"""Widths and vocabularies that the autopilot chooses, and bytes."""
HEADS_TIED = [
    (family, variant)
    for family in FAMILIES
    for variant in ("plain", "untied")
    if f"{family}-{variant}" in SHAPES
]


@pytest.mark.parametrize(("family", "variant"), HEADS_TIED)
@pytest.mark.parametrize(("dim", "vocab"), SIZES)
@torch.no_grad()
def test_a_new_model_holds_every_token_equally_likely(
    family: str, variant: str, dim: int, vocab: int
) -> None:
    config = shape(family, variant, vocab=vocab, dim=dim, context=128, layers=1)
    tokens_BT = some_tokens(5, 129, vocab=vocab)
    logits_BTV = new_decoder(config, 11).logits(tokens_BT[:, :-1])
    loss = F.cross_entropy(logits_BTV.flatten(0, 1), tokens_BT[:, 1:].flatten())
    assert abs(loss.item() - math.log(vocab)) < 0.1


def gradients(decoder: Decoder, seed: int) -> dict[str, torch.Tensor]:
    """The gradient of every parameter on random rows."""
    tokens_BT = some_tokens(4, 32, seed=seed)
    decoder.zero_grad()
    hidden_BTD, penalty = decoder(tokens_BT[:, :-1])
    logits_BTV = decoder.readout.logits(hidden_BTD)
    loss = F.cross_entropy(logits_BTV.flatten(0, 1), tokens_BT[:, 1:].flatten())
    (loss + penalty).backward()
    found = {name: parameter.grad for name, parameter in decoder.named_parameters()}
    assert all(gradient is not None for gradient in found.values())
    return {name: gradient.clone() for name, gradient in found.items()}


def two_steps(config: ModelConfig) -> dict[str, float]:
    """The largest slope of each parameter over two steps of plain descent."""
    decoder = new_decoder(config, 4).double()
    largest: dict[str, float] = {}
    for seed in (1, 2):
        for name, slope in gradients(decoder, seed).items():
            assert torch.isfinite(slope).all(), name
            largest[name] = max(largest.get(name, 0.0), slope.abs().max().item())
        with torch.no_grad():
            for parameter in decoder.parameters():
                parameter -= 1.0 * parameter.grad
    return largest


def test_every_parameter_learns_within_two_steps(config: ModelConfig) -> None:
    for name, slope in two_steps(config).items():
        assert is_unlearnt(name, config) or slope > 1e-9, name


def test_the_exceptions_are_unlearnt_indeed(config: ModelConfig) -> None:
    slopes = two_steps(config)
    for name in (name for name in slopes if is_unlearnt(name, config)):
        learnt = slopes[re.sub(r"mixer\.(query|key).*", "mixer.value.weight", name)]
        assert slopes[name] < 1e-6 * learnt, name


def test_every_exception_stands_for_a_parameter_that_exists() -> None:
    names = {name for config in SHAPES.values() for name, _ in Decoder(config).named_parameters()}
    assert any(re.search(UNLEARNT, name) for name in names)
