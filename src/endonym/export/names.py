"""Conversion of our tensors to the names and layouts of `transformers`, and back."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from endonym.errors import ExportError
from endonym.export.row import HFArchitecture
from endonym.export.shapes import row_of
from endonym.model.config import ModelConfig

PARTS = ("query", "key", "value")
OURS_JOINED = re.compile(r"blocks\.(\d+)\.mixer\.(query|key|value)\.(weight|bias)$")
CONVOLUTION = "mixer.convolution.weight"


def to_theirs(
    config: ModelConfig, weights: Mapping[str, Tensor], row: HFArchitecture | None = None
) -> dict[str, Tensor]:
    """Our tensors as a class of `transformers` stores them; by default the first that fits."""
    row = row or row_of(config)
    names, found = row.names(config), dict[str, Tensor]()
    for name, tensor in weights.items():
        joined = OURS_JOINED.match(name) if row.joined else None
        if joined:
            layer, part, kind = joined.groups()
            if part == "query":
                parts = [weights[f"blocks.{layer}.mixer.{each}.{kind}"] for each in PARTS]
                found[f"{row.joined.replace('*', layer)}.{kind}"] = _join(row, parts, config, name)
            continue
        pattern, number = _pattern(name)
        theirs = names[pattern].replace("*", number)
        if "+" in theirs:
            found |= {theirs.replace("+", str(e)): each for e, each in enumerate(tensor)}
        else:
            found[theirs] = _as_theirs(row, name, tensor)
    return found


def _as_theirs(row: HFArchitecture, name: str, tensor: Tensor) -> Tensor:
    """A tensor in their layout: transposed, or with the middle axis of a convolution."""
    if name.endswith(CONVOLUTION):
        return tensor[:, None]
    return tensor.T if row.transposed and re.search(row.transposed, name) else tensor


def _join(row: HFArchitecture, parts: list[Tensor], config: ModelConfig, name: str) -> Tensor:
    """Queries, keys and values as one tensor."""
    if row.joined_how == "side by side":
        return _as_theirs(row, name, torch.cat(parts))
    mixer = config.mixers[0]
    assert mixer.kind == "attention", "only attention has queries, keys and values"
    cut = [part.unflatten(0, (mixer.kv_heads, -1)) for part in parts]
    return torch.cat(cut, dim=1).flatten(0, 1)


def joined_order(row: HFArchitecture, config: ModelConfig) -> Tensor:
    """Which of our rows each row of their joined matrix is, with ours one below the other."""
    mixer = config.mixers[0]
    assert mixer.kind == "attention", "only attention has queries, keys and values"
    shared = mixer.kv_heads * mixer.head_width
    sizes = (mixer.heads * mixer.head_width, shared, shared)
    parts = list(torch.arange(sum(sizes)).split(sizes))
    return _join(row, parts, config, "")


def to_ours(
    config: ModelConfig, theirs: Mapping[str, Tensor], row: HFArchitecture | None = None
) -> dict[str, Tensor]:
    """The inverse of `to_theirs`. Raises ExportError for an unknown tensor."""
    row = row or row_of(config)
    inverse = {their: our for our, their in row.names(config).items()}
    found: dict[str, Tensor] = {}
    experts: dict[str, dict[int, Tensor]] = {}
    for name, tensor in theirs.items():
        expert = re.search(r"\.experts\.(\d+)\.", name)
        pattern, layer = _pattern(re.sub(r"\.experts\.\d+\.", ".experts.+.", name))
        kind = name.rpartition(".")[2]
        if row.joined and pattern == f"{row.joined}.{kind}":
            for part, piece in zip(PARTS, _split(row, tensor, config), strict=True):
                found[f"blocks.{layer}.mixer.{part}.{kind}"] = piece
        elif pattern not in inverse:
            raise ExportError(
                f"the folder has a tensor {name}, which {row.architecture} does not have",
                where="import",
                do="Load it with the version of transformers that wrote it, and save it again.",
            )
        elif expert:
            ours = inverse[pattern].replace("*", layer)
            experts.setdefault(ours, {})[int(expert.group(1))] = tensor
        else:
            ours = inverse[pattern].replace("*", layer)
            found[ours] = _as_ours(row, ours, tensor)
    for ours, each in experts.items():
        found[ours] = torch.stack([each[number] for number in range(len(each))])
    return found


def _as_ours(row: HFArchitecture, name: str, tensor: Tensor) -> Tensor:
    """A tensor in our layout."""
    if name.endswith(CONVOLUTION):
        return tensor[:, 0]
    return tensor.T if row.transposed and re.search(row.transposed, name) else tensor


def _split(row: HFArchitecture, tensor: Tensor, config: ModelConfig) -> list[Tensor]:
    """Queries, keys and values from one tensor."""
    if row.joined_how == "side by side":
        return list((tensor.T if tensor.ndim == 2 else tensor).tensor_split(3))
    mixer = config.mixers[0]
    assert mixer.kind == "attention"
    shared = mixer.head_width
    inner = mixer.heads // mixer.kv_heads * shared
    cut = tensor.unflatten(0, (mixer.kv_heads, -1)).split((inner, shared, shared), dim=1)
    return [part.flatten(0, 1) for part in cut]


def _pattern(name: str) -> tuple[str, str]:
    """A tensor's name with its layer's number replaced by `*`, and the number."""
    number = re.search(r"\.(\d+)\.", name)
    return re.sub(r"\.\d+\.", ".*.", name), number.group(1) if number else ""
