"""Quantized tensors as llama.cpp writes them: its kernels, and its mixture of types.

Source: `tensor_allows_quantization`, `llama_tensor_get_type_impl` and `tensor_type_fallback` in
llama.cpp's `src/llama-quant.cpp`. What depends on an importance matrix is left out: there is none.
"""

import ctypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from endonym.disk import packaged_tables
from endonym.errors import ExportError
from endonym.export.config import Quantization
from endonym.generate.llama_cpp import library

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType as TensorType

QUANTIZATIONS = packaged_tables("endonym.export.gguf", "quantizations.toml")
FILE_TYPES: dict[Quantization, int] = QUANTIZATIONS["file_types"]
KEPT = ("_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "ssm_conv1d.weight")
"""Small matrices that stay in fp32, besides all vectors and what does not end in `weight`."""
SAME = {"F32", "F16", "BF16"}
"""Formats of single numbers, without blocks: all matrices get the same."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """What decides which type a tensor gets.

    architecture: llama.cpp's name. has_head: whether the head is a tensor of its own. values: how
    many layers have values (`attn_v` or `attn_qkv`).
    """

    quantization: Quantization
    architecture: str
    layers: int
    experts: int
    has_head: bool
    values: int

    def type_of(self, name: str, shape: tuple[int, ...]) -> str:
        """The name of the type a tensor gets, by its name and shape (columns last)."""
        wanted = self.usual_type(name, shape)
        if shape[-1] % block_size(wanted):
            wanted = QUANTIZATIONS["smaller_blocks"].get(wanted, wanted)
        return wanted if shape[-1] % block_size(wanted) == 0 else "F16"

    def usual_type(self, name: str, shape: tuple[int, ...]) -> str:
        """The name of the type a tensor gets if its rows fit into the blocks of the type."""
        if len(shape) < 2 or not name.endswith("weight") or name.endswith(KEPT):
            return "F32"
        if self.quantization in SAME:
            return self.quantization
        columns = shape[-1]
        usual = QUANTIZATIONS["usual"].get(self.quantization, self.quantization)
        part = re.sub(r"^blk\.\d+\.", "", name)
        layer = int(name.split(".")[1]) if name.startswith("blk.") else 0
        if part == "output.weight" or (part == "token_embd.weight" and not self.has_head):
            is_plain = self.architecture == "falcon" or columns % block_size(usual)
            return "Q8_0" if is_plain or usual == "Q8_0" else "Q6_K"
        if usual == "Q8_0":
            return usual
        if part in ("attn_v.weight", "attn_qkv.weight"):
            if self.experts == 8:
                return "Q8_0"
            return "Q6_K" if _has_more_bits(layer, self.values) else usual
        if part == "attn_k.weight" and self.experts == 8:
            return "Q8_0"
        if part == "attn_output.weight" and self.experts == 8 and usual == "Q4_K":
            return "Q5_K"
        if part.startswith("ffn_down"):
            return self._down(layer, usual)
        return usual

    def _down(self, layer: int, usual: str) -> str:
        """The type of the last matrix of a feed-forward."""
        more = _has_more_bits(layer, self.layers)
        if self.architecture == "falcon" and usual == "Q4_K":
            return "Q6_K" if layer < self.layers // 16 else "Q5_K" if more else usual
        return "Q6_K" if more else usual


def _has_more_bits(layer: int, layers: int) -> bool:
    """Whether a layer is in the first or the last eighth, or every third between them."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def block_size(kind: str) -> int:
    """How many values of a row share a scale."""
    return 1 if kind in SAME else 256 if kind.endswith("_K") else 32


def quantized(values: NDArray[np.float32], kind: "TensorType") -> NDArray[np.uint8]:
    """Rows of fp32 as bytes of a type, by llama.cpp's own kernel. Raises ExportError if it fails.

    values: (…, columns); the result is (…, bytes a row).
    """
    import gguf

    values = np.ascontiguousarray(values, dtype=np.float32)
    blocks = np.empty(gguf.quant_shape_to_byte_shape(values.shape, kind), dtype=np.uint8)
    kernel = library().ggml_quantize_chunk
    columns = values.shape[-1]
    rows = values.size // columns
    written = kernel(
        int(kind), values.ctypes.data, blocks.ctypes.data, 0, rows, columns, ctypes.c_void_p(None)
    )
    if written != blocks.nbytes:
        raise ExportError(f"llama.cpp wrote {written} bytes of {kind.name}, not {blocks.nbytes}")
    return blocks
