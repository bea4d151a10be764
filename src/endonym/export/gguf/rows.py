"""Architectures of llama.cpp as data: what each can compute, its keys and its tensors' names.

Imports no torch. Source: llama.cpp's `src/models/*.cpp`, one file for each architecture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from endonym.disk import packaged_tables
from endonym.export.refusals import refusal
from endonym.export.row import Architecture, Json, nearest, sizes_of, tensor_names
from endonym.mappings import without_none
from endonym.model.config import ModelConfig

DATA = packaged_tables("endonym.export.gguf", "rows.toml")
GELU = (
    "llama.cpp computes GELU by its tanh form; this model was trained with the exact one "
    '(activation = "gelu"), so its logits differ slightly'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GGUFArchitecture(Architecture):
    """An architecture of llama.cpp; see `rows.toml`."""

    tables = tensor_names("endonym.export.gguf")
    name: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    joined: bool = False
    paired: bool = False
    has_head: bool = False

    def metadata(self, config: ModelConfig) -> Json:
        """A model in its keys, without the architecture's name before them."""
        sizes = sizes_of(config)
        keys = DATA["keys"][self.like] | self.keys
        found = {theirs: sizes.get(ours, ours) for theirs, ours in keys.items()}
        return without_none(found)


KEYBOARD = GGUFArchitecture(name="llama", **DATA["keyboard"])
"""What FUTO Keyboard computes, with a llama.cpp of early 2024."""
ROWS = tuple(GGUFArchitecture(name=name, **row) for name, row in DATA["rows"].items())


def architecture_of(config: ModelConfig) -> GGUFArchitecture:
    """The architecture of llama.cpp that computes this model.

    Raises ExportError if there is none, with what the nearest one does not support.
    """
    row, reason = nearest(ROWS, config)
    if reason is None:
        return row
    has_norm = getattr(config.mixers[0], "query_key_norm", False)
    if has_norm and reason.startswith("mixer.window"):
        reason = "window together with query_key_norm"
    raise refusal("not_in_llama_cpp", "export gguf", architecture=row.name, reason=reason)


def keyboard_row_of(config: ModelConfig) -> GGUFArchitecture:
    """The architecture of FUTO Keyboard. Raises ExportError if it cannot compute this model."""
    if (lack := KEYBOARD.misfit(config)) is not None:
        words = {"family": config.family, "reason": f"has {lack}"}
        raise refusal("keyboard_family", "export keyboard", **words)
    return KEYBOARD


def limits_of(config: ModelConfig) -> list[str]:
    """What llama.cpp computes otherwise than the model was trained, in sentences."""
    ffn = config.ffns[0]
    return [GELU] if ffn.kind == "plain" and ffn.activation == "gelu" else []
