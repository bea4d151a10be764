"""How much memory training takes, by formula. Imports no torch.

Counted are the tensors that the backward pass reads, as the layers keep them; the tests compare
with what autograd holds. What comes and goes within a step is not counted.
"""

from endonym.model.config import (
    AttentionConfig,
    ExpertsConfig,
    FfnConfig,
    MambaConfig,
    MixerConfig,
    ModelConfig,
)
from endonym.model.count import parameters
from endonym.model.folder import ForeignConfig, Shape

LOGITS_AT_ONCE = 1 << 24
LONGEST_WHOLE_SCORES = 1024
CHUNK = 64
FOREIGN_KEPT = 34
"""Numbers that a block of attention keeps of each token and channel (arXiv:2205.05198, eq. 1)."""


def training_bytes(config: Shape, micro_tokens: int, number_format: str) -> int:
    """Memory of training: weights, gradients, both moments, and what a micro-batch keeps."""
    narrow = 2 if number_format == "bf16" else 4
    rows = min(micro_tokens, max(128, LOGITS_AT_ONCE // config.vocab))
    kept = micro_tokens * kept_numbers(config, number_format)
    return fixed_bytes(config, number_format) + narrow * (kept + rows * config.vocab * 3)


def fixed_bytes(config: Shape, number_format: str) -> int:
    """Weights, gradients, AdamW's two moments; in bf16 also the masters and their gradients."""
    return parameters(config).total * (20 if number_format == "bf16" else 16)


def kept_numbers(config: Shape, number_format: str) -> int:
    """Numbers of the narrow format that the backward pass needs of each token."""
    if isinstance(config, ForeignConfig):
        return (4 + FOREIGN_KEPT * config.layers) * config.dim
    is_wide = number_format != "bf16"
    kept = 2 * config.dim + _norm(config, is_wide)
    for layer in range(config.layers):
        mixer, ffn = config.mixer_at(layer), config.ffn_at(layer)
        kept += _norm(config, is_wide) + _mixer(mixer, config.context, is_wide)
        kept += _ffn(config.dim, ffn)
        if ffn.kind != "none" and not config.shared_norm:
            kept += _norm(config, is_wide) - (config.dim if config.parallel else 0)
    return kept


def _norm(config: ModelConfig, is_wide: bool) -> int:
    """Input and output; RMSNorm also what lies between, in fp32."""
    if config.norm == "layer":
        return 2 * config.dim
    return (3 if is_wide else 5) * config.dim


def _mixer(mixer: MixerConfig, context: int, is_wide: bool) -> int:
    """One mixer's share; a number in fp32 counts as two of bf16."""
    precise = 1 if is_wide else 2
    if isinstance(mixer, AttentionConfig):
        return _attention(mixer, context, is_wide)
    inner = mixer.inner
    if isinstance(mixer, MambaConfig):
        return (8 + 3 * precise) * inner + 2 * (mixer.step_rank + 2 * mixer.state)
    mixed = inner + 2 * mixer.groups * mixer.state
    states = inner * mixer.state // CHUNK + mixer.heads * CHUNK
    return 3 * mixed + (inner + mixed + mixer.heads) + states + 9 * inner


def _attention(mixer: AttentionConfig, context: int, is_wide: bool) -> int:
    """Queries, keys, values, the mixture twice; short rows in bf16 keep their whole scores."""
    inner, shared = mixer.heads * mixer.head_width, mixer.kv_heads * mixer.head_width
    kept = 3 * inner + 2 * shared
    if not is_wide and context <= LONGEST_WHOLE_SCORES:
        kept += mixer.heads * min(context, mixer.window or context) - inner
    if mixer.query_key_norm:
        kept += (2 if is_wide else 4) * (inner + shared)
    return kept


def _ffn(dim: int, ffn: FfnConfig | ExpertsConfig) -> int:
    """One feed-forward's share."""
    if isinstance(ffn, ExpertsConfig):
        wide = (4 if ffn.gated else 2) * ffn.hidden
        return ffn.active * (2 * dim + wide) + 3 * ffn.experts
    return (4 if ffn.kind == "gated" else 2) * ffn.hidden
