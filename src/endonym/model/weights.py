"""Weights on disk: safetensors, whose names and shapes are checked before any is used."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder, on_meta
from endonym.model.foreign import folder as foreign

PRECISE = re.compile(r"(A_log|step_bias|step\.bias|dt_bias|dt_proj\.bias|\.magnitude)$")
"""Steps and decays of state spaces stay in fp32, as their errors multiply over a document; and
DoRA's magnitudes, which are divided by norms."""


def narrow(decoder: nn.Module) -> None:
    """Cast a decoder's weights to bf16, except steps and decays."""
    for name, parameter in decoder.named_parameters():
        if not PRECISE.search(name):
            parameter.data = parameter.data.to(torch.bfloat16)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write named tensors, sorted by name so that the bytes depend on the values alone.

    Its mode is that of any new file; safetensors would hide it from others. Raises OSError if the
    file cannot be written.
    """
    ordered = {name: tensors[name].contiguous() for name in sorted(tensors)}
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(ordered, path, metadata={"format": "pt"})
    except SafetensorError as error:
        os_error = re.search(r"os error (\d+)", str(error))
        if os_error is None:
            raise
        number = int(os_error[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    path.chmod(mode)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors. Raises Damaged if the file is short, misshapen or not safetensors."""
    foreign.tensor_shapes(path)
    try:
        if str(path).isascii():
            return load_file(path)
        with path.open("rb") as file:
            # safetensors refuses a path that is not UTF-8; this is the same file by its number.
            return load_file(f"/dev/fd/{file.fileno()}")
    except SafetensorError as error:
        raise foreign.damaged(path, f"has an unreadable header ({error})") from error


def read_tensors(
    files: Sequence[Path],
    wanted: Mapping[str, tuple[int, ...]],
    dtypes: tuple[str, ...] = foreign.FLOATS,
    *,
    named: Callable[[str], str | None] = str,
) -> dict[str, Tensor]:
    """The tensors of files, once the headers say that they are those that are wanted.

    named: a tensor's name here; None for one that is left out. Raises Damaged for a tensor that is
    missing, unknown, of another shape or dtype, or not finite.
    """
    headers = {
        named(name): shape for file in files for name, shape in foreign.tensor_shapes(file).items()
    }
    foreign.require_shapes(
        {name: shape for name, shape in headers.items() if name}, wanted, files[0]
    )
    foreign.require_numbers(files, dtypes, named)
    tensors: dict[str, Tensor] = {}
    for file in files:
        part = {
            name: each for stored, each in load_tensors(file).items() if (name := named(stored))
        }
        require_finite(part, file)
        tensors |= part
    return tensors


def require_finite(tensors: dict[str, Tensor], path: Path) -> None:
    """Raise Damaged, naming the first tensor with a number that is not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not _is_finite(tensor):
            raise foreign.damaged(path, f"holds numbers that are not finite in {name}")


def _is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite: their extremes are, and a NaN is both.

    Ten times as fast as `torch.isfinite`, which makes several tensors of the same size.
    """
    return not tensor.numel() or all(bool(each.isfinite()) for each in torch.aminmax(tensor))


def require_tied(heads: Mapping[str, Tensor], embedding_VD: Tensor, where: Path) -> None:
    """Raise ExportError if a stored head of a tied model differs from the embedding."""
    for name, head_VD in heads.items():
        if not torch.equal(head_VD, embedding_VD):
            raise foreign.refusal("other_head", where, name=name)


def load_decoder(config: ModelConfig, path: Path) -> Decoder:
    """A decoder with the weights of a file, in fp32.

    Raises Damaged if a tensor is missing, unknown, of another shape, or not finite.
    """
    count = len(foreign.tensor_shapes(path))
    if config.layers > count:
        raise foreign.damaged(path, f"has {count} tensors for {config.layers} layers")
    skeleton = on_meta(config)
    wanted = {name: tuple(each.shape) for name, each in skeleton.state_dict().items()}
    return filled(skeleton, read_tensors([path], wanted))


def decoder_with(config: ModelConfig, tensors: dict[str, Tensor], path: Path) -> Decoder:
    """A decoder with these tensors, in fp32; the caller has checked names and shapes.

    path: the file they were read from. Raises Damaged if a number is not finite.
    """
    require_finite(tensors, path)
    return filled(on_meta(config), tensors)


def filled(skeleton: Decoder, tensors: dict[str, Tensor]) -> Decoder:
    """A decoder of the meta device with these tensors, in fp32, whose numbers were checked."""
    skeleton.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    for parameter in skeleton.parameters():
        parameter.requires_grad_(True)
    return skeleton
