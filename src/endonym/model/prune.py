"""A decoder without some of its layers, heads and feed-forward channels."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from endonym.model.config import AttentionConfig
from endonym.model.decoder import Decoder
from endonym.model.prune_config import Kept, shape_of
from endonym.model.weights import decoder_with


def pruned(decoder: Decoder, kept: Kept) -> Decoder:
    """The decoder with what stays, in fp32, ready to be trained."""
    weights = dict(decoder.state_dict())
    layers = dict[str, Tensor]()
    for number, old in enumerate(kept.layers):
        before = f"blocks.{old}."
        own = {n.removeprefix(before): w for n, w in weights.items() if n.startswith(before)}
        mixer, _ = decoder.config.blocks[old]
        if kept.heads and isinstance(mixer, AttentionConfig):
            own |= _heads(own, mixer, kept.heads[number])
        if kept.channels:
            own |= _channels(own, torch.tensor(kept.channels[number]))
        layers |= {f"blocks.{number}.{name}": weight for name, weight in own.items()}
    others = {name: each for name, each in weights.items() if not name.startswith("blocks.")}
    shape = shape_of(decoder.config, kept)
    return decoder_with(shape, {**others, **layers}, Path(shape.family))


def _heads(
    own: dict[str, Tensor], mixer: AttentionConfig, heads: Sequence[int]
) -> dict[str, Tensor]:
    """The maps of an attention with these heads of keys and values."""
    width = mixer.head_width
    served = mixer.heads // mixer.kv_heads
    queries = [head * served + each for head in heads for each in range(served)]
    rows = {"key": _ranges(heads, width), "value": _ranges(heads, width)}
    rows["query"] = _ranges(queries, width)
    found = {
        f"mixer.{name}.{kind}": own[f"mixer.{name}.{kind}"][rows[name]]
        for name in rows
        for kind in ("weight", "bias")
        if f"mixer.{name}.{kind}" in own
    }
    return {**found, "mixer.output.weight": own["mixer.output.weight"][:, rows["query"]]}


def _ranges(heads: Sequence[int], width: int) -> Tensor:
    """The channels of heads."""
    return (torch.tensor(heads)[:, None] * width + torch.arange(width)).flatten()


def _channels(own: dict[str, Tensor], channels: Tensor) -> dict[str, Tensor]:
    """The maps of a feed-forward with these channels."""
    names = [f"ffn.{name}.{kind}" for name in ("gate", "up") for kind in ("weight", "bias")]
    found = {name: own[name][channels] for name in names if name in own}
    return {**found, "ffn.down.weight": own["ffn.down.weight"][:, channels]}
