"""The config of a decoder, with all defaults filled in. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from endonym.config import Config, unset

MOST_HEADS, MOST_HEAD_WIDTH, MOST_CHANNELS = 1 << 14, 1 << 16, 1 << 22
MOST_EXPAND, MOST_CONV, MOST_LAYERS, MOST_EXPERTS = 1 << 10, 1 << 12, 10_000, 10_000
MOST_VOCAB, MOST_CONTEXT = 1 << 28, 1 << 30
"""Far above any model; with them the bytes of every matrix are a 64-bit number."""
Heads = Annotated[int, Field(ge=1, le=MOST_HEADS)]
HeadWidth = Annotated[int, Field(ge=1, le=MOST_HEAD_WIDTH)]
Channels = Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
Inner = Annotated[int, Field(ge=1, le=MOST_CHANNELS * MOST_EXPAND)]
Conv = Annotated[int, Field(ge=1, le=MOST_CONV)]
Tokens = Annotated[int, Field(ge=1, le=MOST_CONTEXT)]
Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]


class RopeScaling(Config):
    """How rotary positions are stretched beyond the context they were learnt in."""

    kind: Literal["linear", "llama3", "yarn"] = Field(
        description="linear (arXiv:2306.15595), llama3 (as Llama 3.1), yarn (arXiv:2309.00071)"
    )
    factor: float = Field(ge=1, description="how many times longer the new context is")
    original_context: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CONTEXT,
        description="tokens of the context before",
        json_schema_extra=unset("none; required for llama3 and yarn"),
    )
    low_turns: float = Field(
        default=1.0, gt=0, description="channels with fewer turns in it are stretched whole"
    )
    high_turns: float | None = Field(
        default=None,
        gt=0,
        description="channels with more turns stay",
        json_schema_extra=unset("llama3: 4, yarn: 32"),
    )
    sharpness: float | None = Field(
        default=None,
        gt=0,
        description="factor on cosine and sine",
        json_schema_extra=unset("yarn: 0.1 ln(factor) + 1"),
    )


class RopeConfig(Config):
    """Rotary positions, resolved: the first `width` channels of a head rotate."""

    base: float
    width: Channels
    scaling: RopeScaling | None = None


class AttentionConfig(Config):
    """Attention, resolved. A key/value head serves `heads / kv_heads` query heads.

    window: keys a token sees, itself included; None is all.
    """

    kind: Literal["attention"] = "attention"
    heads: Heads
    kv_heads: Heads
    head_width: Channels
    query_key_norm: bool
    window: Tokens | None
    rope: RopeConfig | None
    bias: bool
    dropout: float


class MambaConfig(Config):
    """Mamba-1's selective state space, resolved. inner: its channels."""

    kind: Literal["mamba"] = "mamba"
    inner: Inner
    state: HeadWidth
    conv_width: Conv
    step_rank: Channels
    bias: bool


class Mamba2Config(Config):
    """Mamba-2's state space, resolved: heads of `head_width` channels, in and out by group."""

    kind: Literal["mamba2"] = "mamba2"
    heads: Inner
    head_width: HeadWidth
    state: HeadWidth
    groups: Heads
    conv_width: Conv
    bias: bool

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.heads * self.head_width


MixerConfig = AttentionConfig | MambaConfig | Mamba2Config


class FfnConfig(Config):
    """A dense feed-forward, resolved; "none" is the identity without a norm."""

    kind: Literal["plain", "gated", "none"]
    hidden: int = Field(ge=0, le=MOST_CHANNELS * MOST_EXPAND)
    activation: Activation
    bias: bool


class ExpertsConfig(Config):
    """A mixture of experts, resolved: each token goes to the `active` likeliest of `experts`."""

    kind: Literal["experts"] = "experts"
    hidden: Inner
    activation: Activation
    gated: bool
    experts: int = Field(ge=1, le=MOST_EXPERTS)
    active: int = Field(ge=1, le=MOST_EXPERTS)
    balance: Literal["penalty", "bias"]
    balance_weight: float


class ModelConfig(Config):
    """A decoder's whole shape: all that is needed to build it, count it and export it.

    `family` is for people; nothing else reads it. The parts are tiled over the layers.
    """

    family: str
    vocab: int = Field(ge=1, le=MOST_VOCAB)
    context: Tokens
    dim: Channels
    layers: int = Field(ge=1, le=MOST_LAYERS)
    norm: Literal["rms", "layer"]
    norm_epsilon: float
    position: Literal["rope", "learned", "none"]
    parallel: bool
    shared_norm: bool
    tied: bool
    logit_cap: float | None
    dropout: float
    embedding_dropout: float
    residual_init: Literal["zero", "scaled"]
    mixers: tuple[MixerConfig, ...]
    ffns: tuple[FfnConfig | ExpertsConfig, ...]

    def mixer_at(self, layer: int) -> MixerConfig:
        """The mixer of a layer."""
        return self.mixers[layer % len(self.mixers)]

    def ffn_at(self, layer: int) -> FfnConfig | ExpertsConfig:
        """The feed-forward of a layer."""
        return self.ffns[layer % len(self.ffns)]
