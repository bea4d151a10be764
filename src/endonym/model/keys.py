"""The keys of [model] in a recipe; the family has the defaults. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from endonym.config import NOT_IDENTITY, Config, unset
from endonym.model.config import (
    MOST_CHANNELS,
    MOST_CONTEXT,
    MOST_CONV,
    MOST_EXPAND,
    MOST_EXPERTS,
    MOST_HEAD_WIDTH,
    MOST_HEADS,
    MOST_LAYERS,
    Activation,
    RopeScaling,
)

Family = Literal["qwen3", "llama", "mistral", "gpt2", "gptneox", "falcon", "mamba", "mamba2", "moe"]


class MixerKeys(Config):
    """What a recipe may say about the part that moves information between positions."""

    kind: Literal["attention", "mamba", "mamba2"] | None = Field(
        default=None, description="which part; the family's if not given"
    )
    heads: int | None = Field(
        default=None, ge=1, le=MOST_HEADS, description="attention: query heads"
    )
    kv_heads: int | None = Field(
        default=None,
        ge=1,
        le=MOST_HEADS,
        description="attention: key and value heads; as many as heads if not given (falcon: 1)",
    )
    head_width: int | None = Field(
        default=None,
        ge=2,
        le=MOST_HEAD_WIDTH,
        description="channels of one head",
        json_schema_extra=unset("dim / heads; mamba2: 64"),
    )
    query_key_norm: bool | None = Field(
        default=None, description="attention: normalise each head's queries and keys"
    )
    window: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CONTEXT,
        description="attention: keys a token sees, itself included; all if not given "
        "(mistral: half the context)",
    )
    rope_base: float | None = Field(
        default=None,
        gt=1,
        description="longest wavelength of the rotary positions, in turns of 2π tokens",
        json_schema_extra=unset("10000"),
    )
    rope_scaling: RopeScaling | None = Field(
        default=None, description="attention: stretched rotary positions"
    )
    rotary_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="attention: share of a head's channels that rotate",
        json_schema_extra=unset("1"),
    )
    bias: bool | None = Field(default=None, description="biases of the linear maps")
    state: int | None = Field(
        default=None,
        ge=1,
        le=MOST_HEAD_WIDTH,
        description="mamba: state size of a channel",
        json_schema_extra=unset("16; mamba2: 128"),
    )
    expand: int | None = Field(
        default=None,
        ge=1,
        le=MOST_EXPAND,
        description="mamba: inner channels per channel of the model",
        json_schema_extra=unset("2"),
    )
    conv_width: int | None = Field(
        default=None,
        ge=2,
        le=MOST_CONV,
        description="mamba: tokens the short convolution sees",
        json_schema_extra=unset("4"),
    )
    step_rank: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CHANNELS,
        description="mamba: rank of the matrix that computes dt",
        json_schema_extra=unset("dim / 16, rounded up"),
    )
    groups: int | None = Field(
        default=None,
        ge=1,
        le=MOST_HEADS,
        description="mamba2: groups of heads; those of a group share B and C",
        json_schema_extra=unset("1"),
    )


class FfnKeys(Config):
    """What a recipe may say about the part that works on each position alone."""

    kind: Literal["plain", "gated", "experts", "none"] | None = Field(
        default=None, description="which part; the family's if not given"
    )
    hidden: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CHANNELS,
        description="inner width, of each expert if there are several",
        json_schema_extra=unset(
            "4·dim; gated: 8/3·dim, rounded up to a multiple of 256; experts: that over `active`"
        ),
    )
    activation: Activation | None = Field(default=None, description="the non-linearity")
    bias: bool | None = Field(default=None, description="biases of the linear maps")
    experts: int | None = Field(
        default=None,
        ge=1,
        le=MOST_EXPERTS,
        description="experts of a layer",
        json_schema_extra=unset("8"),
    )
    active: Annotated[int, Field(ge=1, le=MOST_EXPERTS)] | Literal["all"] | None = Field(
        default=None,
        description='experts a token goes to; "all" is the dense soft mixture',
        json_schema_extra=unset("2"),
    )
    gated: bool | None = Field(
        default=None, description="experts are gated, or plain", json_schema_extra=unset("true")
    )
    balance: Literal["penalty", "bias"] | None = Field(
        default=None,
        description='how experts are kept in use: a "penalty" on the loss (arXiv:2101.03961), or '
        'a learnt "bias" on the choice alone (arXiv:2408.15664)',
        json_schema_extra=unset('"penalty"'),
    )
    balance_weight: float | None = Field(
        default=None,
        ge=0,
        description="weight of the penalty",
        json_schema_extra=unset("0.01"),
    )


def _written_as(value: object) -> str:
    """Whether the recipe has one table or a list of them."""
    return "list" if isinstance(value, list | tuple) else "table"


Mixers = Annotated[
    Annotated[MixerKeys, Tag("table")]
    | Annotated[tuple[MixerKeys, ...], Field(min_length=1), Tag("list")],
    Discriminator(_written_as),
]
Ffns = Annotated[
    Annotated[FfnKeys, Tag("table")]
    | Annotated[tuple[FfnKeys, ...], Field(min_length=1), Tag("list")],
    Discriminator(_written_as),
]


class ModelKeys(Config):
    """What a recipe may say about the model; the family's row fills in what it does not."""

    folder: str | None = Field(
        default=None,
        description="go on from a model: a run's folder, a model artefact, or a folder in the "
        "transformers format\n"
        "    its weights and shape, so no other key of [model]; [tokenizer] may extend or replace "
        "its tokenizer",
        json_schema_extra=NOT_IDENTITY,
    )
    family: Family = Field(default="qwen3", description="the row of the table of architectures")
    dim: int | None = Field(default=None, ge=2, le=MOST_CHANNELS, description="model width")
    layers: int | None = Field(default=None, ge=1, le=MOST_LAYERS, description="blocks")
    mixer: Mixers = Field(
        default_factory=MixerKeys,
        title="a mixer",
        description="attention or state space; a list is tiled over the layers",
    )
    ffn: Ffns = Field(
        default_factory=FfnKeys,
        title="a feed-forward",
        description="feed-forward; a list is tiled over the layers",
    )
    norm: Literal["rms", "layer"] | None = Field(default=None, description="kind of the norms")
    norm_epsilon: float | None = Field(
        default=None, gt=0, description="added to the variance inside each norm"
    )
    position: Literal["rope", "learned", "none"] | None = Field(
        default=None, description="how attention knows positions: rotated, added, or not at all"
    )
    parallel: bool | None = Field(
        default=None, description="mixer and feed-forward read the same stream, and are added once"
    )
    shared_norm: bool | None = Field(
        default=None, description="parallel only: one norm for both branches"
    )
    tied: bool | None = Field(
        default=None,
        description="one matrix for the embedding and the head",
        json_schema_extra=unset("true"),
    )
    logit_cap: float | None = Field(
        default=None,
        gt=0,
        description="logits are cap·tanh(logits / cap) (arXiv:2408.00118)",
        json_schema_extra=unset("no cap"),
    )
    dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="dropout of the output of each mixer and feed-forward layer, from 0 to 1; it "
        "helps where a text is read in many epochs",
    )
    attention_dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="dropout of attention weights, from 0 to 1",
        json_schema_extra=unset("0"),
    )
    embedding_dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="dropout of the embedding, from 0 to 1",
        json_schema_extra=unset("as dropout"),
    )
    residual_init: Literal["zero", "scaled"] | None = Field(
        default=None,
        description="branches start at zero, or with deviations over √(2·layers)",
        json_schema_extra=unset('"zero"'),
    )

    @property
    def mixers(self) -> tuple[MixerKeys, ...]:
        """The mixers' keys as a tuple, for one table as well."""
        return self.mixer if isinstance(self.mixer, tuple) else (self.mixer,)

    @property
    def ffns(self) -> tuple[FfnKeys, ...]:
        """The feed-forwards' keys as a tuple, for one table as well."""
        return self.ffn if isinstance(self.ffn, tuple) else (self.ffn,)
