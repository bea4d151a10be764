"""A `transformers` class as data: which models it supports, and its keys. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from endonym.model.config import AttentionConfig, ExpertsConfig, FfnConfig, MixerConfig, ModelConfig

Json = dict[str, Any]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class HFArchitecture:
    """A class of `transformers`. Its keys are those of `config.json`.

    misfit: why it does not support a model, or None. to_json: our sizes in its keys. to_keys: our
    recipe keys from its keys; a KeyError is a missing key. names: our tensor names to its, with `*`
    for the layer and `+` for the expert. joined: its name of queries, keys and values as one
    tensor, "side by side" or "by group" of heads that share keys. transposed: pattern of tensors
    that it stores as inputs × outputs, unlike us. required: keys that we never write, with the
    only value we support. harmless: keys that change no logit, or that `to_keys` reads completely.
    elsewhere: keys with which, if they are true, only `transformers` computes the model. aliases:
    older names of keys. assumed: defaults of keys. may_be_null: keys for which null is not the
    default.
    """

    family: str
    model_type: str
    architecture: str
    misfit: Callable[[ModelConfig], str | None]
    to_json: Callable[[ModelConfig], Json]
    to_keys: Callable[[Json], Json]
    names: Callable[[ModelConfig], Mapping[str, str]]
    joined: str = ""
    joined_how: Literal["side by side", "by group"] = "by group"
    transposed: str = ""
    context_key: str = "max_position_embeddings"
    required: Json = field(default_factory=dict[str, Any])
    harmless: frozenset[str] = frozenset()
    elsewhere: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    assumed: Json = field(default_factory=dict[str, Any])
    may_be_null: tuple[str, ...] = ()


def first_of(*reasons: tuple[bool, str]) -> str | None:
    """The first reason whose condition is true, or None."""
    return next((reason for holds, reason in reasons if holds), None)


def attention_of(config: ModelConfig) -> AttentionConfig | None:
    """The attention of every layer, if all layers have the same."""
    mixer = the_mixer(config)
    return mixer if isinstance(mixer, AttentionConfig) else None


Classic = tuple[AttentionConfig, FfnConfig]


def classic_of(config: ModelConfig, position: str) -> Classic | str:
    """The attention and plain feed-forward of GPT-2, GPT-NeoX and Falcon, or why it does not fit.

    They use LayerNorm, and the heads' widths add up to the model's.
    """
    mixer, ffn = attention_of(config), the_ffn(config)
    if mixer is None or not isinstance(ffn, FfnConfig):
        return "layers that are not alike, or not attention and a dense feed-forward"
    misfit = first_of(
        (config.norm != "layer", f'norm = "{config.norm}"'),
        (config.position != position, f'position = "{config.position}"'),
        (config.logit_cap is not None, "logit_cap"),
        (ffn.kind != "plain", f'ffn.kind = "{ffn.kind}"'),
        (mixer.heads * mixer.head_width != config.dim, "head_width"),
        (mixer.query_key_norm, "query_key_norm"),
        (mixer.window is not None, "a window"),
    )
    return misfit or (mixer, ffn)


def sure(part: Any, kind: type[Part]) -> Part:
    """The part, with the type that `misfit` has checked."""
    assert isinstance(part, kind), "a row is asked only for shapes that it fits"
    return part


def the_mixer(config: ModelConfig) -> MixerConfig | None:
    """The mixer of every layer, if all have the same."""
    return config.mixers[0] if len(set(config.mixers)) == 1 else None


def the_ffn(config: ModelConfig) -> FfnConfig | ExpertsConfig | None:
    """The feed-forward of every layer, if all have the same."""
    return config.ffns[0] if len(set(config.ffns)) == 1 else None


def with_parts(names: Mapping[str, str], *parts: str) -> dict[str, str]:
    """Names of modules as names of their parameters."""
    return {f"{ours}.{p}": f"{theirs}.{p}" for ours, theirs in names.items() for p in parts}
