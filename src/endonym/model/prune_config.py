"""What a phase takes out of a model, and the shape that is left. Imports no torch.

A head of keys and values goes with all the heads of queries that it serves. Every layer loses as
many heads and channels, so that transformers and llama.cpp can hold the shape.
"""

from typing import NamedTuple

from pydantic import model_validator

from endonym.config import Config
from endonym.errors import ShapeError
from endonym.model.config import (
    AttentionConfig,
    ExpertsConfig,
    FfnConfig,
    MixerConfig,
    ModelConfig,
    Share,
)
from endonym.model.foreign.folder import AnyModelConfig


class Prune(Config):
    """Parts that a phase takes out of the model before it trains, as shares of each kind.

    Those go that the model needs least, measured on training text; of every layer as many.
    """

    heads: Share = 0.0
    """of each layer's heads of keys and values; the heads of queries that use them go with them"""
    ffn: Share = 0.0
    """of each layer's feed-forward channels"""
    layers: Share = 0.0
    """of the layers"""

    @model_validator(mode="after")
    def takes_something(self) -> "Prune":
        """Refuse a table without a share."""
        if not (self.heads or self.ffn or self.layers):
            raise ValueError("it takes out nothing: give a share of heads, ffn or layers")
        return self


class Kept(NamedTuple):
    """What stays of a decoder.

    layers: their numbers. heads: of each of these, its heads of keys and values. channels: of each,
    those of its feed-forward. Both are empty where all stay.
    """

    layers: list[int]
    heads: list[list[int]]
    channels: list[list[int]]


def shape_of(config: ModelConfig, kept: Kept) -> ModelConfig:
    """The shape of what stays."""
    mixers, ffns = zip(*(config.blocks[number] for number in kept.layers), strict=True)
    if kept.heads:
        mixers = tuple(
            mixer.model_copy(
                update={"heads": len(some) * mixer.heads // mixer.kv_heads, "kv_heads": len(some)}
            )
            if isinstance(mixer, AttentionConfig)
            else mixer
            for mixer, some in zip(mixers, kept.heads, strict=True)
        )
    if kept.channels:
        ffns = tuple(
            ffn.model_copy(update={"hidden": len(some)}) if isinstance(ffn, FfnConfig) else ffn
            for ffn, some in zip(ffns, kept.channels, strict=True)
        )
    alike = {"mixers": mixers, "ffns": ffns}
    alike = {name: parts[:1] if len({*parts}) == 1 else parts for name, parts in alike.items()}
    return config.model_copy(update={"layers": len(kept.layers), **alike})


def shape_without(config: AnyModelConfig, prune: Prune) -> ModelConfig:
    """The shape that is left if it is the first layers that stay, before anything is measured.

    Raises ShapeError if a share takes out nothing or all, if some layer has no such parts, also one
    that goes (any of them may stay), or if transformers computes the model.
    """
    if not isinstance(config, ModelConfig):
        raise ShapeError(
            "only models of endonym's own families can be pruned",
            where="prune",
            do="Leave prune out, or go on from a model of one of these families.",
        )
    layers = [*range(left(config.layers, prune.layers, "layers"))]
    counts = [parts_left(*block, prune) for block in config.blocks][: len(layers)]
    heads, channels = ([[*range(count)] for count in some] for some in zip(*counts, strict=True))
    return shape_of(config, Kept(layers, heads * bool(prune.heads), channels * bool(prune.ffn)))


def parts_left(mixer: MixerConfig, ffn: FfnConfig | ExpertsConfig, prune: Prune) -> tuple[int, int]:
    """How many heads and channels are left of a layer; 0 of what is not pruned there."""
    heads = channels = 0
    if prune.heads:
        if not isinstance(mixer, AttentionConfig):
            raise _no_such_parts("heads")
        heads = left(mixer.kv_heads, prune.heads, "heads")
    if prune.ffn:
        if not isinstance(ffn, FfnConfig) or not ffn.hidden:
            raise _no_such_parts("ffn")
        channels = left(ffn.hidden, prune.ffn, "ffn")
    return heads, channels


def _no_such_parts(name: str) -> ShapeError:
    return ShapeError(
        "not every layer has such parts",
        where=f"prune.{name}",
        do="Heads are of attention, and ffn is of feed-forwards without experts.",
    )


def left(count: int, share: float, name: str) -> int:
    """How many of so many parts are left. Raises ShapeError if none is, or if all are."""
    found = count - round(count * share)
    if share and found in (0, count):
        what = "all" if found == 0 else "none"
        do = f"Give a share from {1 / count:.3g} to {(count - 1) / count:.3g}, or leave it out."
        raise ShapeError(
            f"{share:g} of {count} takes out {what} of them",
            where=f"prune.{name}",
            do=do if count > 1 else "Leave it out: there is only one.",
        )
    return found
