"""Weights on disk: safetensors, checked against the shape before any of them is used."""

import json
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from endonym.errors import Damaged
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder, on_meta

HEADER_LIMIT_BYTES = 100_000_000
PRECISE = re.compile(r"(decay_log|step_bias|step\.bias)$")
"""Steps and decays of a state multiply over a whole document: bf16 would lose it."""


def narrow(decoder: Decoder) -> None:
    """Make a decoder's weights bf16, all but steps and decays."""
    for name, parameter in decoder.named_parameters():
        if not PRECISE.search(name):
            parameter.data = parameter.data.to(torch.bfloat16)


def save_weights(decoder: Decoder, path: Path) -> None:
    """Write every parameter in fp32; a tied head is written once."""
    tensors = {name: value.detach().float().cpu() for name, value in decoder.state_dict().items()}
    save_tensors(tensors, path)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write named tensors, sorted by name so that the bytes depend on the values alone.

    Raises OSError, as other writers do, if the disk refuses.
    """
    ordered = {name: tensors[name].contiguous() for name in sorted(tensors)}
    try:
        save_file(ordered, path, metadata={"format": "pt"})
    except SafetensorError as error:
        refused = re.search(r"os error (\d+)", str(error))
        if refused is None:
            raise
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a file's tensors, from its header alone; no tensor is read.

    Raises Damaged if the file is short, too long, or not safetensors.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else HEADER_LIMIT_BYTES + 1
        if length > min(HEADER_LIMIT_BYTES, size):
            raise _damaged(path, "is not a whole safetensors file")
        try:
            header = json.loads(file.read(length))
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = max((int(each["data_offsets"][1]) for each in entries.values()), default=0)
            shapes = {name: tuple(map(int, each["shape"])) for name, each in entries.items()}
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise _damaged(path, f"has an unreadable header ({error})") from error
    if 8 + length + end != size:
        raise _damaged(path, f"should have {8 + length + end} bytes but has {size}")
    return shapes


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors. Raises Damaged if the file is short, misshapen or not safetensors."""
    tensor_shapes(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, f"has an unreadable header ({error})") from error


def require_shapes(
    found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    """Raise Damaged if a tensor is missing, unknown or of another shape."""
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        raise _damaged(path, f"lacks {missing[:3]} and has unknown {extra[:3]}")
    for name, shape in found.items():
        if shape != wanted[name]:
            raise _damaged(path, f"holds {name} of shape {shape} instead of {wanted[name]}")


def load_decoder(config: ModelConfig, path: Path) -> Decoder:
    """A decoder with the weights of a file, in fp32.

    Raises Damaged if a tensor is missing, unknown, of another shape, or not finite.
    """
    wanted = {name: tuple(each.shape) for name, each in on_meta(config).state_dict().items()}
    require_shapes(tensor_shapes(path), wanted, path)
    return decoder_with(config, load_tensors(path), path)


def decoder_with(config: ModelConfig, found: dict[str, Tensor], path: Path) -> Decoder:
    """A decoder with these tensors, in fp32, whose names and shapes were checked before.

    path: where they were read. Raises Damaged if a number is not finite.
    """
    decoder = on_meta(config)
    for name, tensor in found.items():
        if not torch.isfinite(tensor).all():
            raise _damaged(path, f"holds numbers that are not finite in {name}")
    decoder.load_state_dict({name: value.float() for name, value in found.items()}, assign=True)
    for parameter in decoder.parameters():
        parameter.requires_grad_(True)
    return decoder


def _damaged(path: Path, found: str) -> Damaged:
    return Damaged(
        f"{path.name} {found}", where=str(path), do="Take a whole copy, or make the model anew."
    )
