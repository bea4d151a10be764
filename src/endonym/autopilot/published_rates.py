"""Learning rates that others use for models of 0.1 to 2 billion parameters. Imports no torch.

Our own rates were tried with up to 5 million parameters. A rate of 1e-2 that teaches a model of two
million parameters makes one of 135 million forget what it knew.
"""

from math import log
from typing import NamedTuple

from endonym.autopilot.model_size import Choice
from endonym.log import number

TRIED_WEIGHTS = 25_000_000
PUBLISHED_WEIGHTS = 85_000_000
"""Weights in blocks up to which rates are ours, and from which they are those of others. GPT-2 with
124 million parameters has 85 million of them in its blocks."""
LAW_WEIGHTS = 1_208_000_000
"""Of GPT-3 XL, whose rate is a third of that of GPT-3 Small with PUBLISHED_WEIGHTS."""
LAW_LRS = 6e-4, 2e-4
"""Peak learning rates of both, trained from nothing: arXiv:2005.14165, table 2.1."""
LAW_SOURCE = "GPT-3 has 6e-4 for 125 million and 2e-4 for 1.3 billion (arXiv:2005.14165, table 2.1)"


class Published(NamedTuple):
    """A learning rate, and who uses it."""

    lr: float
    source: str


PUBLISHED = {
    "chat": Published(2e-5, "trl's example and default (trl/scripts/sft.py)"),
    "preferences": Published(
        1e-6, "SmolLM2 of 135 million parameters (alignment-handbook, recipes/smollm2/dpo)"
    ),
}
"""Of phases that train all weights of a model that can write already, by their objective."""
ADAPTERS = {
    "chat": Published(2e-4, "QLoRA (arXiv:2305.14314, table 9), trl/scripts/sft.py"),
    "preferences": Published(
        1e-5, "ten times that of all weights (alignment-handbook, recipes/smollm2/dpo)"
    ),
    "texts": Published(2e-4, "QLoRA (arXiv:2305.14314, table 9)"),
}
"""The same of phases that train adapters; "texts" stands for objectives that read these."""


def from_nothing(weights: int | None) -> Published:
    """The peak learning rate of a model with random weights: a power of the weights in blocks.

    None: as if there were PUBLISHED_WEIGHTS.
    """
    most, least = LAW_LRS
    power = log(most / least) / log(LAW_WEIGHTS / PUBLISHED_WEIGHTS)
    times_smaller = PUBLISHED_WEIGHTS / (weights or PUBLISHED_WEIGHTS)
    return Published(most * times_smaller**power, LAW_SOURCE)


def towards(tried: Choice, published: Published, weights: int | None) -> Choice:
    """The rate of a model with so many weights in its blocks; None: as if it were small.

    tried: what would hold for a small model. Between both sizes the logarithm of the rate is
    linear in the logarithm of the weights.
    """
    if weights is None or weights <= TRIED_WEIGHTS:
        return tried
    share = min(1.0, log(weights / TRIED_WEIGHTS) / log(PUBLISHED_WEIGHTS / TRIED_WEIGHTS))
    lr = float(f"{tried.value ** (1 - share) * published.lr**share:.2g}")
    if share == 1:
        return Choice(lr, published.source)
    between = f"between {tried.value:g}, which suits small models, and {published.lr:.2g}"
    return Choice(lr, f"{between} for {number(PUBLISHED_WEIGHTS)} weights: {published.source}")
