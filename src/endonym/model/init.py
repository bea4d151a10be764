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
    (r"(mixer\.output|ffn\.down)\.weight$", "zero; or normal, deviation 1 / sqrt(2 layers inputs)"),
    (r"norm\.weight$", "one"),
    (r"mixer\.skip$", "one"),
    (r"mixer\.(step\.bias|step_bias)$", "softplus of it log-uniform in 0.001 to 0.1"),
    (r"mixer\.A_log$", "ln 1, 2, 3, … along the last axis"),
    (r"(\.bias|ffn\.balance)$", "zero"),
    (r"\.weight$", "normal, deviation 1 / sqrt(inputs)"),
)
"""Name pattern -> distribution. Steps and decays: arXiv:2312.00752, section 3.6."""

UNLEARNT = r"mixer\.key\.bias$"
"""Parameters whose gradient is zero by proof, where nothing turns the keys.

A key bias adds the same number, query · bias, to all scores of a query; softmax ignores it. With
rotary positions the number depends on the key's place, and the bias learns.
"""


def is_unlearnt(name: str, config: ModelConfig) -> bool:
    """True for a parameter that cannot learn in this shape.

    Under a window of one key a token sees itself whatever it asks: no query or key learns.
    """
    layer = re.match(r"blocks\.(\d+)\.mixer\.(query|key)", name)
    if layer and getattr(config.mixer_at(int(layer[1])), "window", None) == 1:
        return True
    return config.position != "rope" and re.search(UNLEARNT, name) is not None


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
    if rule == "one":
        parameter.fill_(1.0)
    elif rule.startswith("softplus"):
        ends = math.log(0.001), math.log(0.1)
        steps = torch.empty(parameter.shape).uniform_(*ends, generator=generator).exp()
        parameter.copy_(steps + torch.log(-torch.expm1(-steps)))
    elif rule.startswith("ln"):
        count = torch.arange(1.0, parameter.shape[-1] + 1)
        parameter.copy_(count.log().expand(parameter.shape))
    elif rule == "zero" or (rule.startswith("zero") and config.residual_init == "zero"):
        parameter.zero_()
    else:
        deviation = _deviation(parameter, rule, config)
        parameter.normal_(0.0, deviation, generator=generator)


def _deviation(parameter: Tensor, rule: str, config: ModelConfig) -> float:
    """Of a normal distribution, by its rule."""
    if "0.3 / sqrt(dim)" in rule:
        deviation = 0.3 / math.sqrt(config.dim)
        if "tied" in rule and config.tied:
            return min(deviation, math.log1p(config.vocab / 25) / config.dim)
        return deviation
    layers = 2 * config.layers if "2 layers" in rule else 1
    return 1.0 / math.sqrt(parameter.shape[-1] * layers)
