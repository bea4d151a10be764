"""Initial weights, as one table: the first pattern that a parameter's name matches decides.

Residual branches start at zero, so that a new model is its embedding alone and learns depth from
the first step on (arXiv:1901.09321 shows why this is safe; nanochat and modded-nanogpt measured
it). The head's deviation keeps the first loss within 0.1 nats of uniform at any width: half the
variance of a logit is 0.045 nats. Where the head is the embedding, a token that has only itself to
go by also predicts itself, with a logit of deviation · dim; at ln(1 + vocab/25) / dim that costs
0.04 nats more.
"""

import math
import re

import torch
from torch import Tensor, nn

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.seed import named_seed

TABLE: tuple[tuple[str, str], ...] = (
    (r"embedding\.weight$", "normal, deviation 0.3 / sqrt(dim); tied, <= ln(1 + vocab/25) / dim"),
    (r"(positions|head)\.weight$", "normal, deviation 0.3 / sqrt(dim)"),
    (r"(mixer\.output|ffn\.down)\.weight$", "zero"),
    (r"norm\.weight$", "one"),
    (r"\.bias$", "zero"),
    (r"\.weight$", "normal, deviation 1 / sqrt(inputs)"),
)
"""Name pattern -> distribution."""

UNLEARNT = (r"mixer\.key\.bias$",)
"""Parameters whose gradient is zero by proof.

A key bias adds the same number, query · bias, to all scores of a query; softmax ignores it.
"""


def initialise(decoder: Decoder, seed: int) -> Decoder:
    """Fill a decoder's weights from the table; each parameter has its own random stream.

    A parameter's values depend on the seed, its name and its shape alone.
    """
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            generator = torch.Generator().manual_seed(named_seed(seed, "init", name))
            fill(parameter, rule_of(name), decoder.config, generator)
    return decoder


def new_decoder(config: ModelConfig, seed: int) -> Decoder:
    """A freshly initialised decoder on the CPU, in fp32."""
    return initialise(Decoder(config), seed)


def rule_of(name: str) -> str:
    """The table's entry for a parameter."""
    return next(rule for pattern, rule in TABLE if re.search(pattern, name))


def fill(
    parameter: Tensor | nn.Parameter, rule: str, config: ModelConfig, generator: torch.Generator
) -> None:
    """Write one parameter by its rule."""
    if rule == "zero":
        parameter.zero_()
    elif rule == "one":
        parameter.fill_(1.0)
    else:
        deviation = 1.0 / math.sqrt(parameter.shape[-1])
        if "0.3 / sqrt(dim)" in rule:
            deviation = 0.3 / math.sqrt(config.dim)
        if "tied" in rule and config.tied:
            deviation = min(deviation, math.log1p(config.vocab / 25) / config.dim)
        parameter.normal_(0.0, deviation, generator=generator)
