"""Parameters that no training changes, and why."""

import re

from endonym.model.config import ModelConfig

UNLEARNT = r"mixer\.key\.bias$"
"""Parameters whose gradient is always zero without rotary positions.

A key bias adds the same number, query · bias, to all scores of a query, and softmax ignores it.
With rotary positions the number depends on the key's position, and the bias learns.
"""


def is_unlearnt(name: str, config: ModelConfig) -> bool:
    """True for a parameter whose gradient is always zero in this model.

    With a window of one token the attention weights are constant: no query or key learns.
    """
    layer = re.match(r"blocks\.(\d+)\.mixer\.(query|key)", name)
    if layer and getattr(config.blocks[int(layer[1])][0], "window", None) == 1:
        return True
    return config.position != "rope" and re.search(UNLEARNT, name) is not None
