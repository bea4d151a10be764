"""Initial weights: the first pattern in a table that matches a parameter's name decides.

Residual branches start at zero, so that a new model is its embedding alone (arXiv:1901.09321;
nanochat and modded-nanogpt measured it). The head's standard deviation keeps the first loss within
0.1 nats of uniform at any width: half the variance of a logit is 0.045 nats. With a tied head each
token also predicts itself, with a logit of deviation · dim; at ln(1 + vocab/25) / dim that costs
0.04 nats more.
"""

import math
import re
from collections.abc import Callable

import torch
from torch import Tensor

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.seed import named_seed

HEAD_SCALE = 0.3
Rule = Callable[[Tensor, ModelConfig, torch.Generator], None]
"""Fills one parameter in place."""


def embedding(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """Normal, deviation 0.3 / sqrt(dim); at most ln(1 + vocab/25) / dim where it is the head."""
    deviation = HEAD_SCALE / math.sqrt(config.dim)
    if config.tied:
        deviation = min(deviation, math.log1p(config.vocab / 25) / config.dim)
    parameter.normal_(0.0, deviation, generator=generator)


def head(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """Normal, deviation 0.3 / sqrt(dim)."""
    parameter.normal_(0.0, HEAD_SCALE / math.sqrt(config.dim), generator=generator)


def residual_output(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """Zero; or normal, deviation 1 / sqrt(2 layers inputs)."""
    if config.residual_init == "zero":
        zeros(parameter, config, generator)
        return
    deviation = 1.0 / math.sqrt(parameter.shape[-1] * 2 * config.layers)
    parameter.normal_(0.0, deviation, generator=generator)


def matrix(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """Normal, deviation 1 / sqrt(inputs)."""
    parameter.normal_(0.0, 1.0 / math.sqrt(parameter.shape[-1]), generator=generator)


def ones(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """One."""
    parameter.fill_(1.0)


def zeros(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """Zero."""
    parameter.zero_()


def step_bias(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """Such that its softplus is log-uniform from 0.001 to 0.1.

    Source: arXiv:2312.00752, section 3.6.
    """
    ends = math.log(0.001), math.log(0.1)
    steps = torch.empty(parameter.shape).uniform_(*ends, generator=generator).exp()
    parameter.copy_(steps + torch.log(-torch.expm1(-steps)))  # the inverse of softplus


def log_counts(parameter: Tensor, config: ModelConfig, generator: torch.Generator) -> None:
    """ln 1, 2, 3, … along the last axis. Source: arXiv:2312.00752, section 3.6."""
    count = torch.arange(1.0, parameter.shape[-1] + 1)
    parameter.copy_(count.log().expand(parameter.shape))


TABLE: tuple[tuple[str, Rule], ...] = (
    (r"embedding\.weight$", embedding),
    (r"(positions|head)\.weight$", head),
    (r"(mixer\.output|ffn\.down)\.weight$", residual_output),
    (r"norm\.weight$", ones),
    (r"mixer\.skip$", ones),
    (r"mixer\.(step\.bias|step_bias)$", step_bias),
    (r"mixer\.A_log$", log_counts),
    (r"(\.bias|ffn\.balance)$", zeros),
    (r"\.weight$", matrix),
)
"""Name pattern -> distribution."""


def initialise(decoder: Decoder, seed: int) -> Decoder:
    """Fill a decoder's weights from the table.

    A parameter's values depend on the seed, its name and its shape alone.
    """
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            generator = torch.Generator().manual_seed(named_seed(seed, "init", name))
            rule_of(name)(parameter, decoder.config, generator)
    return decoder


def new_decoder(config: ModelConfig, seed: int) -> Decoder:
    """A freshly initialised decoder on the CPU, in fp32."""
    return initialise(Decoder(config), seed)


def rule_of(name: str) -> Rule:
    """The table's entry for a parameter."""
    return next(rule for pattern, rule in TABLE if re.search(pattern, name))
