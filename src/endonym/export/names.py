"""Conversion of our tensors to the names and layouts of `transformers`, and back."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from endonym.export.refusals import refusal
from endonym.export.row import HFArchitecture
from endonym.export.shapes import row_of
from endonym.model.config import ModelConfig

QUERY_KEY_VALUE = ("query", "key", "value")
OURS_JOINED = re.compile(r"blocks\.(\d+)\.mixer\.(query|key|value)\.(weight|bias)$")
CONVOLUTION = "mixer.convolution.weight"


def to_theirs(
    config: ModelConfig, weights: Mapping[str, Tensor], row: HFArchitecture | None = None
) -> dict[str, Tensor]:
    """Our tensors as a class of `transformers` stores them; by default the first that fits."""
    row = row or row_of(config)
    names = row.names(config)
    tensors = dict[str, Tensor]()
    for name, tensor in weights.items():
        joined = OURS_JOINED.match(name) if row.joined else None
        if joined:
            layer, part, kind = joined.groups()
            if part == "query":
                parts = [weights[f"blocks.{layer}.mixer.{each}.{kind}"] for each in QUERY_KEY_VALUE]
                rows = torch.cat(parts)[torch.cat(joined_rows(row, config)).argsort()]
                tensors[f"{row.joined.replace('*', layer)}.{kind}"] = _turned(row, name, rows)
            continue
        pattern, number = pattern_of(name)
        theirs = names[pattern].replace("*", number)
        if "+" in theirs:
            tensors |= {theirs.replace("+", str(e)): each for e, each in enumerate(tensor)}
        else:
            tensor = tensor[:, None] if name.endswith(CONVOLUTION) else tensor
            tensors[theirs] = _turned(row, name, tensor)
    return tensors


def _turned(row: HFArchitecture, name: str, tensor: Tensor) -> Tensor:
    """A matrix as inputs × outputs, where their class has it so; and back."""
    return tensor.T if row.transposed and re.search(row.transposed, name) else tensor


def joined_rows(row: HFArchitecture, config: ModelConfig) -> list[Tensor]:
    """Which rows of their joined matrix our queries, keys and values are."""
    mixer = config.mixers[0]
    assert mixer.kind == "attention", "only attention has queries, keys and values"
    groups = 1 if row.joined_how == "side by side" else mixer.kv_heads
    heads = (mixer.heads, mixer.kv_heads, mixer.kv_heads)
    sizes = [head * mixer.head_width // groups for head in heads]
    rows = torch.arange(groups * sum(sizes)).view(groups, -1)
    return [part.flatten() for part in rows.split(sizes, dim=1)]


def to_ours(
    config: ModelConfig, theirs: Mapping[str, Tensor], row: HFArchitecture | None = None
) -> dict[str, Tensor]:
    """The inverse of `to_theirs`. Raises ExportError for an unknown tensor."""
    row = row or row_of(config)
    inverse = {their: our for our, their in row.names(config).items()}
    tensors: dict[str, Tensor] = {}
    experts: dict[str, dict[int, Tensor]] = {}
    for name, tensor in theirs.items():
        expert = re.search(r"\.experts\.(\d+)\.", name)
        pattern, layer = pattern_of(re.sub(r"\.experts\.\d+\.", ".experts.+.", name))
        kind = name.rpartition(".")[2]
        if row.joined and pattern == f"{row.joined}.{kind}":
            for part, rows in zip(QUERY_KEY_VALUE, joined_rows(row, config), strict=True):
                ours = f"blocks.{layer}.mixer.{part}.{kind}"
                tensors[ours] = _turned(row, ours, tensor)[rows]
        elif pattern not in inverse:
            raise refusal("strange_tensor", "import", name=name, architecture=row.architecture)
        elif expert:
            ours = inverse[pattern].replace("*", layer)
            experts.setdefault(ours, {})[int(expert.group(1))] = tensor
        else:
            ours = inverse[pattern].replace("*", layer)
            tensor = tensor[:, 0] if ours.endswith(CONVOLUTION) else tensor
            tensors[ours] = _turned(row, ours, tensor)
    for ours, each in experts.items():
        tensors[ours] = torch.stack([each[number] for number in range(len(each))])
    return tensors


def pattern_of(name: str) -> tuple[str, str]:
    """A tensor's name with its layer's number replaced by `*`, and the number, if it has one."""
    number = re.search(r"\.(\d+)\.", name, re.ASCII)
    if number is None:
        return name, ""
    return f"{name[: number.start()]}.*.{name[number.end() :]}", number[1]
