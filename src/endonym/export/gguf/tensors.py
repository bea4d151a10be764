"""Our tensors under the names and in the layouts of llama.cpp."""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from endonym.export.gguf.rows import GGUFArchitecture
from endonym.export.names import QUERY_KEY_VALUE, pattern_of
from endonym.model.config import AttentionConfig, Mamba2Config, ModelConfig, RopeConfig
from endonym.model.span import rotary_sharpness, rotary_speeds

NO_SINK = -1e30
"""The logit of granite_swa's attention sinks, which ours have not: their share is zero."""


def gguf_tensors(
    row: GGUFArchitecture, config: ModelConfig, weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors of a GGUF file, in fp32: llama.cpp's names, layer after layer."""
    names = row.names(config)
    tensors = dict(_tensors_to_add(row, config, weights))
    for name, tensor in weights.items():
        pattern, layer = pattern_of(name)
        match = re.search(r"\.mixer\.(query|key|value)\.(weight|bias)$", name)
        if row.joined and match:
            part, kind = match.groups()
            if part == "query":  # its keys and values come with it
                parts = [weights[name.replace(".query.", f".{each}.")] for each in QUERY_KEY_VALUE]
                tensors[f"blk.{layer}.attn_qkv.{kind}"] = torch.cat(parts)
            continue
        theirs = names[pattern].replace("*", layer)
        tensors[theirs] = in_llama_cpp(row, config, name, tensor)
    layers = {name: re.match(r"blk\.(\d+)\.", name) for name in tensors}
    order = sorted((int(layer[1]) if layer else -1, name) for name, layer in layers.items())
    return {name: tensors[name].detach().float().contiguous() for _, name in order}


def _tensors_to_add(
    row: GGUFArchitecture, config: ModelConfig, weights: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Tensors that llama.cpp wants and we do not have."""
    mixer = config.mixers[0]
    if row.has_head and config.tied:
        yield "output.weight", weights["embedding.weight"]
    if not isinstance(mixer, AttentionConfig):
        return
    if mixer.window is not None:
        for layer in range(config.layers):
            yield f"blk.{layer}.attn_sinks.weight", torch.full((mixer.heads,), NO_SINK)
    rope = mixer.rope
    if rope is not None and rope.scaling is not None and rope.scaling.kind != "linear":
        plain = RopeConfig(base=rope.base, width=rope.width)
        yield "rope_freqs.weight", rotary_speeds(plain) / rotary_speeds(rope)


def in_llama_cpp(row: GGUFArchitecture, config: ModelConfig, name: str, tensor: Tensor) -> Tensor:
    """One tensor in llama.cpp's layout; of a matrix, or of the B of its adapter."""
    mixer = config.mixers[0]
    part = re.search(r"\.mixer\.(query|key)\.(weight|bias)$", name)
    # There rotary positions turn neighbouring channels, here one of each half of a head. The factor
    # on the cosine and sine of queries and of keys is put into the queries: hence squared.
    if part and row.paired and isinstance(mixer, AttentionConfig):
        assert mixer.rope is not None
        heads = mixer.heads if part[1] == "query" else mixer.kv_heads
        sharpness = rotary_sharpness(mixer.rope) ** 2 if part[1] == "query" else 1.0
        halves = tensor.unflatten(0, (heads, 2, mixer.head_width // 2))
        return halves.transpose(1, 2).flatten(0, 2) * sharpness
    if name.endswith(".A_log"):
        tensor = -tensor.float().exp()
    if isinstance(mixer, Mamba2Config):
        if name.endswith((".A_log", ".skip")):
            return tensor[:, None]
        if name.endswith(".mixer.norm.weight"):
            return tensor.unflatten(0, (mixer.groups, -1))
    return tensor
