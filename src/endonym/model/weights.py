"""Weights on disk: safetensors, checked against the shape before any of them is used."""

import json
import os
import re
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from endonym.errors import Damaged
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder, on_meta

HEADER_LIMIT_BYTES = 100_000_000


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


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors. Raises Damaged if the file is short, misshapen or not safetensors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else HEADER_LIMIT_BYTES + 1
        if length > min(HEADER_LIMIT_BYTES, size):
            raise _damaged(path, "is not a whole safetensors file")
        try:
            header = json.loads(file.read(length))
            entries = [entry for name, entry in header.items() if name != "__metadata__"]
            end = max((int(entry["data_offsets"][1]) for entry in entries), default=0)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise _damaged(path, f"has an unreadable header ({error})") from error
    if 8 + length + end != size:
        raise _damaged(path, f"should have {8 + length + end} bytes but has {size}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, f"has an unreadable header ({error})") from error


def load_decoder(config: ModelConfig, path: Path) -> Decoder:
    """A decoder with the weights of a file, in fp32.

    Raises Damaged if a tensor is missing, unknown, of another shape, or not finite.
    """
    return decoder_with(config, load_tensors(path), path)


def decoder_with(config: ModelConfig, found: dict[str, Tensor], path: Path) -> Decoder:
    """A decoder with these tensors, in fp32; `path` is where they were read, for the errors.

    Raises Damaged as `load_decoder` does.
    """
    decoder = on_meta(config)
    wanted = decoder.state_dict()
    if wanted.keys() != found.keys():
        missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        raise _damaged(path, f"lacks {missing[:3]} and has unknown {extra[:3]}")
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            shapes = f"{tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
            raise _damaged(path, f"holds {name} of shape {shapes}")
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
