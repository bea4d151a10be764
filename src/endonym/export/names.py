"""The names that `transformers` gives to our tensors, family by family, read in both directions.

GPT-2 stores its matrices as inputs x outputs and its queries, keys and values as one; the others
store them as we do.
"""

import re

import torch
from torch import Tensor

from endonym.errors import ExportError
from endonym.model.config import ModelConfig

LLAMA_NAMES = {
    "embedding.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
    "blocks.*.norm.weight": "model.layers.*.input_layernorm.weight",
    "blocks.*.ffn_norm.weight": "model.layers.*.post_attention_layernorm.weight",
    "blocks.*.mixer.query.weight": "model.layers.*.self_attn.q_proj.weight",
    "blocks.*.mixer.key.weight": "model.layers.*.self_attn.k_proj.weight",
    "blocks.*.mixer.value.weight": "model.layers.*.self_attn.v_proj.weight",
    "blocks.*.mixer.output.weight": "model.layers.*.self_attn.o_proj.weight",
    "blocks.*.ffn.gate.weight": "model.layers.*.mlp.gate_proj.weight",
    "blocks.*.ffn.up.weight": "model.layers.*.mlp.up_proj.weight",
    "blocks.*.ffn.down.weight": "model.layers.*.mlp.down_proj.weight",
}
QWEN3_NAMES = LLAMA_NAMES | {
    "blocks.*.mixer.query_norm.weight": "model.layers.*.self_attn.q_norm.weight",
    "blocks.*.mixer.key_norm.weight": "model.layers.*.self_attn.k_norm.weight",
}
GPT2_NAMES = {
    "embedding.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    **{
        f"{ours}.{part}": f"{theirs}.{part}"
        for part in ("weight", "bias")
        for ours, theirs in {
            "norm": "transformer.ln_f",
            "blocks.*.norm": "transformer.h.*.ln_1",
            "blocks.*.ffn_norm": "transformer.h.*.ln_2",
            "blocks.*.mixer.output": "transformer.h.*.attn.c_proj",
            "blocks.*.ffn.up": "transformer.h.*.mlp.c_fc",
            "blocks.*.ffn.down": "transformer.h.*.mlp.c_proj",
        }.items()
    },
}
NAMES = {"llama": LLAMA_NAMES, "qwen3": QWEN3_NAMES, "gpt2": GPT2_NAMES}
TURNED = re.compile(r"(mixer\.output|ffn\.up|ffn\.down)\.weight$")
"""GPT-2's matrices that are stored the other way round."""
JOINED = re.compile(r"transformer\.h\.(\d+)\.attn\.c_attn\.(weight|bias)$")
"""GPT-2's queries, keys and values, stored as one."""
PARTS = ("query", "key", "value")


def row_of(config: ModelConfig) -> str:
    """The family whose `transformers` class says this shape, whatever the recipe called it.

    Raises ExportError if none of the three does.
    """
    is_modern = (config.norm, config.position, config.ffn.kind) == ("rms", "rope", "gated")
    if is_modern and config.ffn.activation == "silu" and not (config.bias or config.parallel):
        return "qwen3" if config.mixer.query_key_norm else "llama"
    is_gpt2 = (config.norm, config.position, config.ffn.kind) == ("layer", "learned", "plain")
    if is_gpt2 and config.bias and config.tied and config.ffn.activation == "gelu":
        return "gpt2"
    raise ExportError(
        f"no transformers class has this shape ({config.family} with other parts)",
        where="export huggingface",
        do="Use one of the families qwen3, llama, gpt2 without changing its parts.",
    )


def to_theirs(config: ModelConfig, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our tensors under the names, and in the layout, of `transformers`."""
    row = row_of(config)
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        pattern, number = _pattern(name)
        if pattern in NAMES[row]:
            turned = tensor.T if row == "gpt2" and TURNED.search(name) else tensor
            found[NAMES[row][pattern].replace("*", number)] = turned
    if row == "gpt2":
        for layer in range(config.layers):
            for part in ("weight", "bias"):
                names = [f"blocks.{layer}.mixer.{which}.{part}" for which in PARTS]
                joined = torch.cat([weights[name] for name in names])
                found[f"transformer.h.{layer}.attn.c_attn.{part}"] = (
                    joined.T if part == "weight" else joined
                )
    return found


def to_ours(config: ModelConfig, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_theirs`. Raises ExportError for a tensor we have no name for."""
    row = row_of(config)
    inverse = {their: our for our, their in NAMES[row].items()}
    found: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        joined = JOINED.match(name) if row == "gpt2" else None
        if joined:
            layer, part = joined.groups()
            pieces = torch.atleast_1d(_turned(tensor)).tensor_split(3)
            for which, piece in zip(PARTS, pieces, strict=True):
                found[f"blocks.{layer}.mixer.{which}.{part}"] = piece
            continue
        pattern, number = _pattern(name)
        if config.tied and name == "lm_head.weight":
            continue
        if pattern not in inverse:
            raise ExportError(f"unknown tensor {name}", where="import", do="See docs/design.md §7.")
        ours = inverse[pattern].replace("*", number)
        found[ours] = _turned(tensor) if row == "gpt2" and TURNED.search(ours) else tensor
    return found


def _turned(tensor: Tensor) -> Tensor:
    """A matrix with rows as columns; anything else as it is, for the loader to refuse."""
    return tensor.T if tensor.ndim == 2 else tensor


def _pattern(name: str) -> tuple[str, str]:
    """A tensor's name with its layer's number as `*`, and the number."""
    number = re.search(r"\.(\d+)\.", name)
    return re.sub(r"\.\d+\.", ".*.", name), number.group(1) if number else ""
