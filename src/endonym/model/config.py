"""The shape of a decoder: what a recipe may say of it, and with all defaults filled in.

`ModelKeys` is the table [model] of a recipe, whose family has the defaults (`families.py`);
`ModelConfig` is what code computes with. Imports no torch.
"""

from itertools import cycle, islice
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from endonym.config import Config, optional

MOST_HEADS = 1 << 14
MOST_HEAD_WIDTH = 1 << 16
MOST_CHANNELS = 1 << 22
MOST_EXPAND = 1 << 10
MOST_CONV = 1 << 12
MOST_LAYERS = 10_000
MOST_EXPERTS = 10_000
MOST_VOCAB = 1 << 28
MOST_CONTEXT = 1 << 30
"""Far above any model; with them the bytes of every matrix are a 64-bit number."""
Heads = Annotated[int, Field(ge=1, le=MOST_HEADS)]
HeadWidth = Annotated[int, Field(ge=1, le=MOST_HEAD_WIDTH)]
Channels = Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
Inner = Annotated[int, Field(ge=1, le=MOST_CHANNELS * MOST_EXPAND)]
Conv = Annotated[int, Field(ge=1, le=MOST_CONV)]
Tokens = Annotated[int, Field(ge=1, le=MOST_CONTEXT)]
Layers = Annotated[int, Field(ge=1, le=MOST_LAYERS)]
Experts = Annotated[int, Field(ge=1, le=MOST_EXPERTS)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]
Family = Literal["qwen3", "llama", "mistral", "gpt2", "gptneox", "falcon", "mamba", "mamba2", "moe"]
Matrices = dict[str, tuple[int, int]]
"""Inputs and outputs of a part's linear maps, by the names of their modules."""


class RopeScaling(Config):
    """How rotary positions are stretched beyond the context they were learnt in."""

    kind: Literal["linear", "llama3", "yarn"]
    """linear (arXiv:2306.15595), llama3 (as Llama 3.1), yarn (arXiv:2309.00071)"""
    factor: float = Field(ge=1)
    """how many times longer the new context is"""
    original_context: Tokens | None = optional("none; required for llama3 and yarn")
    """tokens of the context before"""
    low_turns: float = Field(default=1.0, gt=0)
    """channels with fewer turns in it are stretched whole"""
    high_turns: Positive | None = optional("llama3: 4, yarn: 32")
    """channels with more turns stay"""
    sharpness: Positive | None = optional("yarn: 0.1 ln(factor) + 1")
    """factor on cosine and sine"""


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

    @property
    def inner(self) -> int:
        """Channels of the queries of all heads."""
        return self.heads * self.head_width

    @property
    def shared(self) -> int:
        """Channels of the keys, or of the values, of all heads."""
        return self.kv_heads * self.head_width

    def matrices(self, dim: int) -> Matrices:
        """Its linear maps, in a model of this width."""
        inner = self.inner
        shared = self.shared
        maps = {"query": (dim, inner), "key": (dim, shared), "value": (dim, shared)}
        return {**maps, "output": (inner, dim)}


class MambaConfig(Config):
    """Mamba-1's selective state space, resolved. inner: its channels."""

    kind: Literal["mamba"] = "mamba"
    inner: Inner
    state: HeadWidth
    conv_width: Conv
    step_rank: Channels
    bias: bool

    @property
    def convolved(self) -> int:
        """Channels of the short convolution."""
        return self.inner

    def matrices(self, dim: int) -> Matrices:
        """Its linear maps, in a model of this width."""
        maps = {"input": (dim, 2 * self.inner)}
        maps["select"] = (self.inner, self.step_rank + 2 * self.state)
        maps["step"] = (self.step_rank, self.inner)
        return {**maps, "output": (self.inner, dim)}


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

    @property
    def convolved(self) -> int:
        """Channels of the short convolution: x, B and C."""
        return self.inner + 2 * self.groups * self.state

    def matrices(self, dim: int) -> Matrices:
        """Its linear maps, in a model of this width."""
        wide = self.inner + self.convolved + self.heads
        return {"input": (dim, wide), "output": (self.inner, dim)}


MixerConfig = AttentionConfig | MambaConfig | Mamba2Config


class FfnConfig(Config):
    """A dense feed-forward, resolved; "none" is the identity without a norm."""

    kind: Literal["plain", "gated", "none"]
    hidden: int = Field(ge=0, le=MOST_CHANNELS * MOST_EXPAND)
    activation: Activation
    bias: bool

    def matrices(self, dim: int) -> Matrices:
        """Its linear maps, in a model of this width."""
        return {} if self.kind == "none" else ffn_matrices(dim, self.hidden, self.kind == "gated")


class ExpertsConfig(Config):
    """A mixture of experts, resolved: each token goes to the `active` likeliest of `experts`."""

    kind: Literal["experts"] = "experts"
    hidden: Inner
    activation: Activation
    gated: bool
    experts: Experts
    active: Experts
    balance: Literal["penalty", "bias"]
    balance_weight: float

    def matrices(self, dim: int) -> Matrices:
        """The linear maps of one expert, in a model of this width; the router is none of them."""
        return ffn_matrices(dim, self.hidden, self.gated)


def ffn_matrices(dim: int, hidden: int, is_gated: bool) -> Matrices:
    """The linear maps of a feed-forward."""
    up = {"gate": (dim, hidden), "up": (dim, hidden)} if is_gated else {"up": (dim, hidden)}
    return {**up, "down": (hidden, dim)}


class ModelConfig(Config):
    """A decoder's whole shape: all that is needed to build it, count it and export it.

    `family` is for people; nothing else reads it. The parts are tiled over the layers.
    """

    family: str
    vocab: int = Field(ge=1, le=MOST_VOCAB)
    context: Tokens
    dim: Channels
    layers: Layers
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

    @property
    def blocks(self) -> list[tuple[MixerConfig, FfnConfig | ExpertsConfig]]:
        """The mixer and the feed-forward of each layer."""
        parts = zip(cycle(self.mixers), cycle(self.ffns), strict=False)
        return list(islice(parts, self.layers))


class MixerKeys(Config):
    """What a recipe may say about the part that moves information between positions."""

    kind: Literal["attention", "mamba", "mamba2"] | None = None
    """which part; the family's if not given"""
    heads: Heads | None = None
    """attention: query heads"""
    kv_heads: Heads | None = None
    """attention: key and value heads; as many as heads if not given (falcon: 1)"""
    head_width: Annotated[int, Field(ge=2, le=MOST_HEAD_WIDTH)] | None = optional(
        "dim / heads; mamba2: 64"
    )
    """channels of one head"""
    query_key_norm: bool | None = None
    """attention: normalise each head's queries and keys"""
    window: Tokens | None = None
    """attention: keys a token sees, itself included; all if not given (mistral: half the context)
    """
    rope_base: Annotated[float, Field(gt=1)] | None = optional("10000")
    """longest wavelength of the rotary positions, in turns of 2π tokens"""
    rope_scaling: RopeScaling | None = None
    """attention: stretched rotary positions"""
    rotary_share: Annotated[float, Field(gt=0, le=1)] | None = optional("1")
    """attention: share of a head's channels that rotate"""
    bias: bool | None = None
    """biases of the linear maps"""
    state: HeadWidth | None = optional("16; mamba2: 128")
    """mamba: state size of a channel"""
    expand: Annotated[int, Field(ge=1, le=MOST_EXPAND)] | None = optional("2")
    """mamba: inner channels per channel of the model"""
    conv_width: Annotated[int, Field(ge=2, le=MOST_CONV)] | None = optional("4")
    """mamba: tokens the short convolution sees"""
    step_rank: Channels | None = optional("dim / 16, rounded up")
    """mamba: rank of the matrix that computes dt"""
    groups: Heads | None = optional("1")
    """mamba2: groups of heads; those of a group share B and C"""


class FfnKeys(Config):
    """What a recipe may say about the part that works on each position alone."""

    kind: Literal["plain", "gated", "experts", "none"] | None = None
    """which part; the family's if not given"""
    hidden: Channels | None = optional(
        "4·dim; gated: 8/3·dim, rounded up to a multiple of 256; experts: that over `active`"
    )
    """inner width, of each expert if there are several"""
    activation: Activation | None = None
    """the non-linearity"""
    bias: bool | None = None
    """biases of the linear maps"""
    experts: Experts | None = optional("8")
    """experts of a layer"""
    active: Experts | Literal["all"] | None = optional("2")
    """experts a token goes to; "all" is the dense soft mixture"""
    gated: bool | None = optional("true")
    """experts are gated, or plain"""
    balance: Literal["penalty", "bias"] | None = optional('"penalty"')
    """how experts are kept in use: a "penalty" on the loss (arXiv:2101.03961), or a learnt "bias"
    on the choice alone (arXiv:2408.15664)
    """
    balance_weight: Annotated[float, Field(ge=0)] | None = optional("0.01")
    """weight of the penalty"""


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

    folder: str | None = optional(is_identity=False)
    """go on from a model: a run's folder, a model artefact, or a folder in the transformers format

    - its weights and shape, so no other key of [model]; [tokenizer] may extend or replace its
      tokenizer
    """
    family: Family = "qwen3"
    """the row of the table of architectures"""
    dim: Annotated[int, Field(ge=2, le=MOST_CHANNELS)] | None = None
    """model width"""
    layers: Layers | None = None
    """blocks"""
    mixer: Mixers = Field(default_factory=MixerKeys, title="a mixer")
    """attention or state space; a list is tiled over the layers"""
    ffn: Ffns = Field(default_factory=FfnKeys, title="a feed-forward")
    """feed-forward; a list is tiled over the layers"""
    norm: Literal["rms", "layer"] | None = None
    """kind of the norms"""
    norm_epsilon: Positive | None = None
    """added to the variance inside each norm"""
    position: Literal["rope", "learned", "none"] | None = None
    """how attention knows positions: rotated, added, or not at all"""
    parallel: bool | None = None
    """mixer and feed-forward read the same stream, and are added once"""
    shared_norm: bool | None = None
    """parallel only: one norm for both branches"""
    tied: bool | None = optional("true")
    """one matrix for the embedding and the head"""
    logit_cap: Positive | None = optional("no cap")
    """logits are cap·tanh(logits / cap) (arXiv:2408.00118)"""
    dropout: Share | None = None
    """dropout of the output of each mixer and feed-forward layer, from 0 to 1; it helps where a
    text is read in many epochs
    """
    attention_dropout: Share | None = optional("0")
    """dropout of attention weights, from 0 to 1"""
    embedding_dropout: Share | None = optional("as dropout")
    """dropout of the embedding, from 0 to 1"""
    residual_init: Literal["zero", "scaled"] | None = optional('"zero"')
    """branches start at zero, or with deviations over √(2·layers)"""

    @property
    def mixers(self) -> tuple[MixerKeys, ...]:
        """The mixers' keys as a tuple, for one table as well."""
        return self.mixer if isinstance(self.mixer, tuple) else (self.mixer,)

    @property
    def ffns(self) -> tuple[FfnKeys, ...]:
        """The feed-forwards' keys as a tuple, for one table as well."""
        return self.ffn if isinstance(self.ffn, tuple) else (self.ffn,)
