"""The shape of a decoder, as data. Imports no torch."""

from typing import Any, Literal

from pydantic import Field

from endonym.config import Config


class MixerKeys(Config):
    """What a recipe may say about the part that moves information between positions."""

    heads: int | None = Field(default=None, ge=1, description="query heads")
    kv_heads: int | None = Field(
        default=None, ge=1, description="key and value heads; as many as heads if not given"
    )
    head_width: int | None = Field(
        default=None, ge=2, description="channels of one head; dim / heads if not given"
    )
    query_key_norm: bool | None = Field(
        default=None, description="normalise each head's queries and keys before they meet"
    )
    rope_base: float | None = Field(
        default=None,
        gt=1,
        description="longest wavelength of the rotary positions, in turns of 2π tokens",
    )


class FfnKeys(Config):
    """What a recipe may say about the part that works on each position alone."""

    hidden: int | None = Field(
        default=None,
        ge=1,
        description="inner width; 4·dim if plain, 8/3·dim rounded up to a multiple of 256 if gated",
    )


class ModelKeys(Config):
    """What a recipe may say about the model; the family's row fills in what it does not."""

    family: Literal["qwen3", "llama", "gpt2"] = Field(
        default="qwen3", description="the row of the table of architectures"
    )
    dim: int | None = Field(default=None, ge=2, description="model width")
    layers: int | None = Field(default=None, ge=1, description="blocks")
    mixer: MixerKeys = Field(default_factory=MixerKeys, description="attention")
    ffn: FfnKeys = Field(default_factory=FfnKeys, description="feed-forward")
    tied: bool | None = Field(
        default=None, description="one matrix for the embedding and the head; default true"
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="share zeroed in training")
    norm_epsilon: float | None = Field(
        default=None, gt=0, description="added to the variance inside each norm"
    )


class MixerConfig(Config):
    """Attention, resolved. A key/value head serves `heads / kv_heads` query heads."""

    kind: Literal["attention"] = "attention"
    heads: int
    kv_heads: int
    head_width: int
    query_key_norm: bool
    rope_base: float


class FfnConfig(Config):
    """Feed-forward, resolved."""

    kind: Literal["plain", "gated"]
    activation: Literal["silu", "gelu"]
    hidden: int


class ModelConfig(Config):
    """A decoder's whole shape: all that is needed to build it, count it and export it.

    `family` is for people and for export; nothing else looks at it.
    """

    family: str
    vocab: int = Field(ge=1)
    context: int = Field(ge=1)
    dim: int
    layers: int
    norm: Literal["rms", "layer"]
    norm_epsilon: float
    position: Literal["rope", "learned"]
    parallel: bool
    bias: bool
    tied: bool
    dropout: float
    mixer: MixerConfig
    ffn: FfnConfig

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ModelConfig":
        """Read what `model_dump` wrote; unknown keys are refused."""
        return cls.model_validate(data)
