"""Counting by formula: parameters, operations, memory. Imports no torch, so `check` can promise."""

from dataclasses import dataclass

from endonym.model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters by place; a tied head is counted once, in the embedding."""

    embedding: int
    positions: int
    blocks: int
    head: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.embedding + self.positions + self.blocks + self.head


def norm_parameters(config: ModelConfig) -> int:
    """One norm of the model's width: a scale, and a shift if it is a LayerNorm."""
    return config.dim * (2 if config.norm == "layer" else 1)


def mixer_parameters(config: ModelConfig) -> int:
    """One attention: queries, keys, values, output, and the head norms if there are."""
    mixer = config.mixer
    inner, shared = mixer.heads * mixer.head_width, mixer.kv_heads * mixer.head_width
    weights = config.dim * (2 * inner + 2 * shared)
    biases = inner + 2 * shared + config.dim if config.bias else 0
    norms = 2 * mixer.head_width if mixer.query_key_norm else 0
    return weights + biases + norms


def ffn_parameters(config: ModelConfig) -> int:
    """One feed-forward: two matrices if plain, three if gated."""
    matrices = 3 if config.ffn.kind == "gated" else 2
    biases = ((matrices - 1) * config.ffn.hidden + config.dim) if config.bias else 0
    return matrices * config.dim * config.ffn.hidden + biases


def parameters(config: ModelConfig) -> Parameters:
    """How many numbers the model learns."""
    block = mixer_parameters(config) + ffn_parameters(config) + 2 * norm_parameters(config)
    return Parameters(
        embedding=config.vocab * config.dim,
        positions=config.context * config.dim if config.position == "learned" else 0,
        blocks=config.layers * block + norm_parameters(config),
        head=0 if config.tied else config.vocab * config.dim,
    )


def flops_per_token(config: ModelConfig, length: int | None = None) -> int:
    """Operations to train on one token: 6 a weight of each product, 6·inner·T of attention a layer.

    Causal attention counts half the square, forward and backward. Embedding look-ups are free.
    Source: arXiv:2001.08361, section 2.1, with the attention term of arXiv:2204.02311, appendix B.
    """
    mixer = config.mixer
    shared = 2 * config.dim * (mixer.heads + mixer.kv_heads) * mixer.head_width
    matrices = (3 if config.ffn.kind == "gated" else 2) * config.dim * config.ffn.hidden
    products = config.layers * (shared + matrices) + config.vocab * config.dim
    attention = config.layers * mixer.heads * mixer.head_width * (length or config.context)
    return 6 * (products + attention)


def cache_bytes_per_token(config: ModelConfig, bytes_per_value: int = 4) -> int:
    """Memory that generation takes for one more token of a row."""
    mixer = config.mixer
    return 2 * config.layers * mixer.kv_heads * mixer.head_width * bytes_per_value


def training_bytes(config: ModelConfig, micro_tokens: int, number_format: str) -> int:
    """Memory of training: weights, gradients, both moments, and what a micro-batch keeps.

    An estimate: activations are counted as the tensors that the backward pass reads.
    """
    count = parameters(config).total
    narrow = 2 if number_format == "bf16" else 4
    fixed = count * (16 + (2 * narrow if number_format == "bf16" else 0))
    mixer = config.mixer
    inner = (2 * mixer.heads + 2 * mixer.kv_heads) * mixer.head_width
    wide = (4 if config.ffn.kind == "gated" else 2) * config.ffn.hidden
    kept = config.layers * (6 * config.dim + 3 * inner + wide) + 4 * config.dim
    logits = min(micro_tokens, max(128, (1 << 24) // config.vocab)) * config.vocab * 3
    return fixed + narrow * (micro_tokens * kept + logits)
