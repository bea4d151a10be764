"""The text that describes a model. Imports no torch."""

from itertools import groupby

from endonym.log import number
from endonym.model.config import (
    AttentionConfig,
    ExpertsConfig,
    FfnConfig,
    Mamba2Config,
    MixerConfig,
    ModelConfig,
)
from endonym.model.foreign.folder import AnyModelConfig


def parts_text(shape: AnyModelConfig) -> str:
    """The parts of the blocks: "4 heads of 64, gated feed-forward of 512"."""
    if not isinstance(shape, ModelConfig):
        return "computed by transformers"
    parts = [*map(_mixer, shape.mixers), *filter(None, map(_ffn, shape.ffns))]
    counted = [(part, len(list(alike))) for part, alike in groupby(parts)]
    return ", ".join(f"{count} × {part}" if count > 1 else part for part, count in counted)


def _mixer(mixer: MixerConfig) -> str:
    """One mixer: "16 heads of 64 on 4, window of 512", "mamba of 1 024, state of 16"."""
    if not isinstance(mixer, AttentionConfig):
        inner = f"{number(mixer.inner)} channels"
        if isinstance(mixer, Mamba2Config):
            inner = f"{mixer.heads} heads of {mixer.head_width}"
        return f"{mixer.kind} with {inner}, state of {mixer.state}"
    shared = f" on {mixer.kv_heads}" if mixer.kv_heads != mixer.heads else ""
    reach = f", window of {number(mixer.window)}" if mixer.window else ""
    plural = "s" if mixer.heads > 1 else ""
    return f"{mixer.heads} head{plural} of {mixer.head_width}{shared}{reach}"


def _ffn(ffn: FfnConfig | ExpertsConfig) -> str:
    """One feed-forward: "gated feed-forward of 2 816", "2 of 8 experts of 512"."""
    if isinstance(ffn, ExpertsConfig):
        return f"{ffn.active} of {ffn.experts} experts of {number(ffn.hidden)}"
    return "" if ffn.kind == "none" else f"{ffn.kind} feed-forward of {number(ffn.hidden)}"
