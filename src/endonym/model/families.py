"""The table of architectures: a family is a row of defaults, never a class. Imports no torch."""

from typing import Any

from endonym.errors import ShapeError
from endonym.model.config import FfnConfig, MixerConfig, ModelConfig, ModelKeys

FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3": {
        "norm": "rms",
        "norm_epsilon": 1e-6,
        "position": "rope",
        "parallel": False,
        "bias": False,
        "query_key_norm": True,
        "rope_base": 10_000.0,
        "ffn": "gated",
        "activation": "silu",
    },
    "llama": {
        "norm": "rms",
        "norm_epsilon": 1e-6,
        "position": "rope",
        "parallel": False,
        "bias": False,
        "query_key_norm": False,
        "rope_base": 10_000.0,
        "ffn": "gated",
        "activation": "silu",
    },
    "gpt2": {
        "norm": "layer",
        "norm_epsilon": 1e-5,
        "position": "learned",
        "parallel": False,
        "bias": True,
        "query_key_norm": False,
        "rope_base": 10_000.0,
        "ffn": "plain",
        "activation": "gelu",
    },
}
GPT2_FIXED = ("kv_heads", "head_width", "query_key_norm")
"""Mixer keys that GPT-2's own format cannot say."""


def resolve(keys: ModelKeys, *, vocab: int, context: int) -> ModelConfig:
    """Lay a recipe's keys over its family's row.

    Raises ShapeError, naming the key, if the sizes do not fit.
    """
    if keys.dim is None or keys.layers is None or keys.mixer.heads is None:
        raise ShapeError("a shape needs dim, layers and mixer.heads", where="model")
    row = FAMILIES[keys.family]
    config = ModelConfig(
        family=keys.family,
        vocab=vocab,
        context=context,
        dim=keys.dim,
        layers=keys.layers,
        norm=row["norm"],
        norm_epsilon=_first(keys.norm_epsilon, row["norm_epsilon"]),
        position=row["position"],
        parallel=row["parallel"],
        bias=row["bias"],
        tied=_first(keys.tied, True),
        dropout=_first(keys.dropout, 0.0),
        mixer=_mixer(keys, row),
        ffn=FfnConfig(
            kind=row["ffn"],
            activation=row["activation"],
            hidden=_first(keys.ffn.hidden, _ffn_width(keys.dim, gated=row["ffn"] == "gated")),
        ),
    )
    _check(keys, config)
    return config


def _mixer(keys: ModelKeys, row: dict[str, Any]) -> MixerConfig:
    """The mixer's row with the recipe's keys over it."""
    heads = keys.mixer.heads or 1
    return MixerConfig(
        heads=heads,
        kv_heads=_first(keys.mixer.kv_heads, heads),
        head_width=_first(keys.mixer.head_width, (keys.dim or 0) // heads),
        query_key_norm=_first(keys.mixer.query_key_norm, row["query_key_norm"]),
        rope_base=_first(keys.mixer.rope_base, row["rope_base"]),
    )


def _ffn_width(dim: int, *, gated: bool) -> int:
    """4·dim, or 8/3·dim rounded up to 256: about the same parameters, and rows K-quants accept."""
    return -(-8 * dim // 3 // 256) * 256 if gated else 4 * dim


def _first(given: Any, default: Any) -> Any:
    """The recipe's value, or the row's."""
    return default if given is None else given


def _check(keys: ModelKeys, config: ModelConfig) -> None:
    """Refuse shapes that cannot be built or exported."""
    mixer = config.mixer
    if keys.mixer.head_width is None and config.dim % mixer.heads:
        raise ShapeError(
            f"dim {config.dim} is not divisible by {mixer.heads} heads",
            where="model.mixer.heads",
            do="Choose heads that divide dim, or give mixer.head_width.",
        )
    if mixer.heads % mixer.kv_heads:
        raise ShapeError(
            f"{mixer.heads} heads are not divisible by {mixer.kv_heads} kv_heads",
            where="model.mixer.kv_heads",
            do="Choose kv_heads that divide heads.",
        )
    if config.position == "rope" and mixer.head_width % 2:
        raise ShapeError(
            f"rotary positions turn pairs of channels, but a head has {mixer.head_width}",
            where="model.mixer.head_width",
            do="Choose an even head width.",
        )
    if config.position == "learned":
        fixed = [name for name in GPT2_FIXED if getattr(keys.mixer, name) is not None]
        if fixed or not config.tied:
            raise ShapeError(
                f"{keys.family} has no {fixed[0] if fixed else 'untied head'}",
                where=f"model.mixer.{fixed[0]}" if fixed else "model.tied",
                do='Leave the key out, or choose family = "llama" or "qwen3".',
            )
