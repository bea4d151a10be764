"""The config of a decoder, with all defaults filled in. Imports no torch."""

from typing import Literal

from pydantic import Field

from endonym.config import Config, unset

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
    width: int
    scaling: RopeScaling | None = None


class AttentionConfig(Config):
    """Attention, resolved. A key/value head serves `heads / kv_heads` query heads.

    window: keys a token sees, itself included; None is all.
    """

    kind: Literal["attention"] = "attention"
    heads: int
    kv_heads: int
    head_width: int
    query_key_norm: bool
    window: int | None
    rope: RopeConfig | None
    bias: bool
    dropout: float


class MambaConfig(Config):
    """Mamba-1's selective state space, resolved. inner: its channels."""

    kind: Literal["mamba"] = "mamba"
    inner: int
    state: int
    conv_width: int
    step_rank: int
    bias: bool


class Mamba2Config(Config):
    """Mamba-2's state space, resolved: heads of `head_width` channels, in and out by group."""

    kind: Literal["mamba2"] = "mamba2"
    heads: int
    head_width: int
    state: int
    groups: int
    conv_width: int
    bias: bool

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.heads * self.head_width


MixerConfig = AttentionConfig | MambaConfig | Mamba2Config


class FfnConfig(Config):
    """A dense feed-forward, resolved; "none" is the identity without a norm."""

    kind: Literal["plain", "gated", "none"]
    hidden: int
    activation: Activation
    bias: bool


class ExpertsConfig(Config):
    """A mixture of experts, resolved: each token goes to the `active` likeliest of `experts`."""

    kind: Literal["experts"] = "experts"
    hidden: int
    activation: Activation
    gated: bool
    experts: int
    active: int
    balance: Literal["penalty", "bias"]
    balance_weight: float


class ModelConfig(Config):
    """A decoder's whole shape: all that is needed to build it, count it and export it.

    `family` is for people; nothing else reads it. The parts are tiled over the layers.
    """

    family: str
    vocab: int = Field(ge=1)
    context: int = Field(ge=1)
    dim: int
    layers: int
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
