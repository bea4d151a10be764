"""Counts parameters, operations and memory of generation by formula, and describes a model.

Imports no torch.
"""

from dataclasses import dataclass
from itertools import groupby

from endonym.log import number
from endonym.model import config as shapes
from endonym.model.adapt_config import AdaptConfig, active_parameters, adapter_parameters
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


def weights_of(matrices: shapes.Matrices) -> int:
    """Numbers of these matrices."""
    return sum(inputs * outputs for inputs, outputs in matrices.values())


def mixer_parameters(dim: int, mixer: shapes.MixerConfig) -> int:
    """Parameters of one mixer in a model of this width."""
    matrices = mixer.matrices(dim)
    weights = weights_of(matrices)
    if isinstance(mixer, shapes.AttentionConfig):
        biases = mixer.bias * sum(outputs for _, outputs in matrices.values())
        return weights + biases + mixer.query_key_norm * 2 * mixer.head_width
    weights += mixer.bias * (matrices["input"][1] + dim) + (mixer.conv_width + 1) * mixer.convolved
    if isinstance(mixer, shapes.Mamba2Config):
        return weights + 3 * mixer.heads + mixer.inner
    return weights + mixer.inner * (mixer.state + 2)


def ffn_parameters(dim: int, ffn: shapes.FfnConfig | shapes.ExpertsConfig) -> int:
    """Parameters of one feed-forward: all experts and the router, if it has experts."""
    matrices = ffn.matrices(dim)
    if isinstance(ffn, shapes.ExpertsConfig):
        return ffn.experts * (weights_of(matrices) + dim + (ffn.balance == "bias"))
    return weights_of(matrices) + ffn.bias * sum(outputs for _, outputs in matrices.values())


def parameters(config: AnyModelConfig) -> Parameters:
    """The numbers of parameters of a model."""
    table = config.vocab * config.dim
    head = 0 if config.tied else table
    if isinstance(config, ForeignConfig):
        return Parameters(table, 0, config.parameters - table - head, head)
    norm = config.dim * (2 if config.norm == "layer" else 1)  # a LayerNorm has a shift as well
    blocks = norm
    idle = 0
    for mixer, ffn in config.blocks:
        blocks += mixer_parameters(config.dim, mixer) + ffn_parameters(config.dim, ffn)
        blocks += norm * (1 if ffn.kind == "none" or config.shared_norm else 2)
        if isinstance(ffn, shapes.ExpertsConfig):
            idle += (ffn.experts - ffn.active) * weights_of(ffn.matrices(config.dim))
    positions = config.context * config.dim if config.position == "learned" else 0
    return Parameters(table, positions, blocks, head, idle)


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
    length = length or config.context
    weights = config.vocab * config.dim  # of the head
    mixing = 0
    if isinstance(config, ForeignConfig):
        weights = config.parameters - (0 if config.tied else weights)
        mixing = 6 * config.layers * config.dim * length
    else:
        for mixer, ffn in config.blocks:
            ffn_weights = weights_of(ffn.matrices(config.dim))
            if isinstance(ffn, shapes.ExpertsConfig):
                ffn_weights = ffn.active * ffn_weights + config.dim * ffn.experts
            weights += weights_of(mixer.matrices(config.dim)) + ffn_weights
            mixing += _mixing(mixer, length)
    if adapt is None:
        return 6 * weights + mixing
    return 4 * weights + 6 * active_parameters(config, adapt) + mixing


def _mixing(mixer: shapes.MixerConfig, length: int) -> int:
    """Operations between positions, for one token of a document of this length."""
    if isinstance(mixer, shapes.AttentionConfig):
        beyond_window = max(0, length - (mixer.window or length)) ** 2
        return -(-6 * mixer.inner * (length**2 - beyond_window) // length)  # rounded up
    return 18 * mixer.inner * mixer.state + 6 * mixer.conv_width * mixer.convolved


def cache_bytes(config: AnyModelConfig, length: int, bytes_per_value: int = 4) -> int:
    """Bytes of the cache for a row of `length` tokens.

    Attention keeps all keys and values, or those in its window. A state space keeps its state and
    the last inputs of its convolution. A foreign model is counted as full attention.
    """
    if isinstance(config, ForeignConfig):
        return 2 * config.layers * config.remembered * length * bytes_per_value
    total = 0
    for mixer, _ in config.blocks:
        if isinstance(mixer, shapes.AttentionConfig):
            kept = min(length, mixer.window or length)
            total += 2 * kept * mixer.shared * bytes_per_value
        else:
            total += (mixer.conv_width - 1) * mixer.convolved * bytes_per_value
            total += mixer.inner * mixer.state * PRECISE_BYTES
    return total


def cache_bytes_per_token(config: AnyModelConfig) -> float:
    """Bytes of the cache for each token of a row as long as the context."""
    return cache_bytes(config, config.context) / config.context


def parts_text(shape: AnyModelConfig) -> str:
    """The parts of the blocks: "4 heads of 64, gated feed-forward of 512"."""
    if not isinstance(shape, shapes.ModelConfig):
        return "computed by transformers"
    parts = [*map(_mixer_text, shape.mixers), *filter(None, map(_ffn_text, shape.ffns))]
    counted = [(part, len(list(alike))) for part, alike in groupby(parts)]
    return ", ".join(f"{count} × {part}" if count > 1 else part for part, count in counted)


def _mixer_text(mixer: shapes.MixerConfig) -> str:
    """One mixer: "16 heads of 64 on 4, window of 512", "mamba of 1 024, state of 16"."""
    if not isinstance(mixer, shapes.AttentionConfig):
        inner = f"{number(mixer.inner)} channels"
        if isinstance(mixer, shapes.Mamba2Config):
            inner = f"{mixer.heads} heads of {mixer.head_width}"
        return f"{mixer.kind} with {inner}, state of {mixer.state}"
    shared = f" on {mixer.kv_heads}" if mixer.kv_heads != mixer.heads else ""
    reach = f", window of {number(mixer.window)}" if mixer.window else ""
    plural = "s" if mixer.heads > 1 else ""
    return f"{mixer.heads} head{plural} of {mixer.head_width}{shared}{reach}"


def _ffn_text(ffn: shapes.FfnConfig | shapes.ExpertsConfig) -> str:
    """One feed-forward: "gated feed-forward of 2 816", "2 of 8 experts of 512"."""
    if isinstance(ffn, shapes.ExpertsConfig):
        return f"{ffn.active} of {ffn.experts} experts of {number(ffn.hidden)}"
    return "" if ffn.kind == "none" else f"{ffn.kind} feed-forward of {number(ffn.hidden)}"
