"""Counts parameters, operations and memory of generation by formula. Imports no torch."""

from dataclasses import dataclass
from math import ceil

from endonym.model.adapt_config import AdaptConfig, active_parameters, adapter_parameters
from endonym.model.config import (
    AttentionConfig,
    ExpertsConfig,
    FfnConfig,
    Mamba2Config,
    MixerConfig,
    ModelConfig,
)
from endonym.model.foreign.folder import AnyModelConfig, ForeignConfig

PRECISE_BYTES = 4
"""Bytes of a number of a recurrent state, in any number format of the weights."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of parameters; a tied head is counted once, in the embedding.

    idle: parameters of the experts that a token does not use.
    """

    embedding: int
    positions: int
    blocks: int
    head: int
    idle: int = 0

    @property
    def total(self) -> int:
        """All parameters."""
        return self.embedding + self.positions + self.blocks + self.head

    @property
    def active(self) -> int:
        """Parameters that one token uses."""
        return self.total - self.idle


def norm_parameters(config: ModelConfig) -> int:
    """Parameters of one norm: a scale, and a shift if it is a LayerNorm."""
    return config.dim * (2 if config.norm == "layer" else 1)


def mixer_matrices(dim: int, mixer: MixerConfig) -> list[tuple[int, int]]:
    """Inputs and outputs of each of a mixer's linear maps."""
    if isinstance(mixer, AttentionConfig):
        inner, shared = mixer.heads * mixer.head_width, mixer.kv_heads * mixer.head_width
        return [(dim, inner), (dim, shared), (dim, shared), (inner, dim)]
    inner = mixer.inner
    if isinstance(mixer, Mamba2Config):
        mixed = inner + 2 * mixer.groups * mixer.state
        return [(dim, inner + mixed + mixer.heads), (inner, dim)]
    select = mixer.step_rank + 2 * mixer.state
    return [(dim, 2 * inner), (inner, dim), (inner, select), (mixer.step_rank, inner)]


def mixer_parameters(config: ModelConfig, mixer: MixerConfig) -> int:
    """Parameters of one mixer."""
    matrices = mixer_matrices(config.dim, mixer)
    weights = sum(inputs * outputs for inputs, outputs in matrices)
    if isinstance(mixer, AttentionConfig):
        biases = sum(outputs for _, outputs in matrices) if mixer.bias else 0
        return weights + biases + (2 * mixer.head_width if mixer.query_key_norm else 0)
    biases = sum(outputs for _, outputs in matrices[:2]) if mixer.bias else 0
    if isinstance(mixer, Mamba2Config):
        taps = (mixer.conv_width + 1) * (mixer.inner + 2 * mixer.groups * mixer.state)
        return weights + biases + taps + 3 * mixer.heads + mixer.inner
    taps = (mixer.conv_width + 1) * mixer.inner
    return weights + biases + taps + mixer.inner * (mixer.state + 2)


def ffn_parameters(dim: int, ffn: FfnConfig | ExpertsConfig) -> int:
    """Parameters of one feed-forward: all experts and the router, if it has experts."""
    if isinstance(ffn, ExpertsConfig):
        router = (dim + (1 if ffn.balance == "bias" else 0)) * ffn.experts
        return ffn.experts * expert_parameters(dim, ffn) + router
    if ffn.kind == "none":
        return 0
    matrices = 3 if ffn.kind == "gated" else 2
    biases = ((matrices - 1) * ffn.hidden + dim) if ffn.bias else 0
    return matrices * dim * ffn.hidden + biases


def expert_parameters(dim: int, ffn: ExpertsConfig) -> int:
    """Parameters of one expert."""
    return (3 if ffn.gated else 2) * dim * ffn.hidden


def norms_of_block(config: ModelConfig, layer: int) -> int:
    """Number of norms of a block: one if it has no feed-forward, or shares the norm."""
    return 1 if config.ffn_at(layer).kind == "none" or config.shared_norm else 2


def parameters(config: AnyModelConfig) -> Parameters:
    """The numbers of parameters of a model."""
    if isinstance(config, ForeignConfig):
        table = config.vocab * config.dim
        head = 0 if config.tied else table
        return Parameters(table, 0, config.parameters - table - head, head)
    blocks = norm_parameters(config)
    idle = 0
    for layer in range(config.layers):
        ffn = config.ffn_at(layer)
        blocks += mixer_parameters(config, config.mixer_at(layer)) + ffn_parameters(config.dim, ffn)
        blocks += norms_of_block(config, layer) * norm_parameters(config)
        if isinstance(ffn, ExpertsConfig):
            idle += (ffn.experts - ffn.active) * expert_parameters(config.dim, ffn)
    return Parameters(
        embedding=config.vocab * config.dim,
        positions=config.context * config.dim if config.position == "learned" else 0,
        blocks=blocks,
        head=0 if config.tied else config.vocab * config.dim,
        idle=idle,
    )


def trained_parameters(config: AnyModelConfig, adapt: AdaptConfig | None) -> int:
    """How many parameters a phase trains: all, or those of its adapters."""
    return parameters(config).total if adapt is None else adapter_parameters(config, adapt)


def flops_per_token(
    config: AnyModelConfig, length: int | None = None, adapt: AdaptConfig | None = None
) -> int:
    """Operations (FLOPs) to train on one token: 6 a weight of each matrix product, and the mixers.

    Under adapters 4 a frozen weight, whose own gradient is not computed, and 6 a weight of A and B.

    Attention: 6·inner·T a layer; causal, so half the square, forward and backward, and less with
    a window. A state of C·S numbers: decay, input and output, 18·C·S; a convolution 6 a tap.
    Embedding lookups are free. Only active experts count. A foreign model is counted as full
    attention that uses every weight.
    Source: arXiv:2001.08361, section 2.1, with the attention term of arXiv:2204.02311, appendix B.
    """
    if isinstance(config, ForeignConfig):
        count, length = parameters(config), length or config.context
        products = count.total - (0 if config.tied else count.embedding)
        mixing = 6 * config.layers * config.dim * length
        return _products(config, products, adapt) + mixing
    weights, others = config.vocab * config.dim, 0
    for layer in range(config.layers):
        mixer, ffn = config.mixer_at(layer), config.ffn_at(layer)
        weights += sum(inputs * outputs for inputs, outputs in mixer_matrices(config.dim, mixer))
        if isinstance(ffn, ExpertsConfig):
            weights += ffn.active * expert_parameters(config.dim, ffn) + config.dim * ffn.experts
        else:
            weights += {"plain": 2, "gated": 3, "none": 0}[ffn.kind] * config.dim * ffn.hidden
        others += _mixing(mixer, length or config.context)
    return _products(config, weights, adapt) + others


def _products(config: AnyModelConfig, weights: int, adapt: AdaptConfig | None) -> int:
    """Operations of the products of a token with so many weights, forward and backward."""
    if adapt is None:
        return 6 * weights
    return 4 * weights + 6 * active_parameters(config, adapt)


def _mixing(mixer: MixerConfig, length: int) -> int:
    """Operations between positions, for one token of a document of this length."""
    if isinstance(mixer, AttentionConfig):
        inner = mixer.heads * mixer.head_width
        if mixer.window is None or mixer.window >= length:
            return 6 * inner * length
        hidden = (length - mixer.window) ** 2
        return ceil(6 * inner * (length**2 - hidden) / length)
    channels = mixer.inner
    if isinstance(mixer, Mamba2Config):
        channels += 2 * mixer.groups * mixer.state
    return 18 * mixer.inner * mixer.state + 6 * mixer.conv_width * channels


def cache_bytes(config: AnyModelConfig, length: int, bytes_per_value: int = 4) -> int:
    """Bytes of the cache for a row of `length` tokens.

    Attention keeps all keys and values, or those in its window. A state space keeps its state and
    the last inputs of its convolution. A foreign model is counted as full attention.
    """
    if isinstance(config, ForeignConfig):
        return 2 * config.layers * config.remembered * length * bytes_per_value
    total = 0
    for layer in range(config.layers):
        mixer = config.mixer_at(layer)
        if isinstance(mixer, AttentionConfig):
            kept = min(length, mixer.window or length)
            total += 2 * kept * mixer.kv_heads * mixer.head_width * bytes_per_value
            continue
        channels = mixer.inner
        if isinstance(mixer, Mamba2Config):
            channels += 2 * mixer.groups * mixer.state
        total += (mixer.conv_width - 1) * channels * bytes_per_value
        total += mixer.inner * mixer.state * PRECISE_BYTES
    return total


def cache_bytes_per_token(config: AnyModelConfig, bytes_per_value: int = 4) -> float:
    """Bytes of the cache for each token of a row as long as the context."""
    return cache_bytes(config, config.context, bytes_per_value) / config.context
