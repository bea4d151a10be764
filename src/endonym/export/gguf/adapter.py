"""An adapter as a GGUF file that llama.cpp adds to its base (`--lora`).

Each changed tensor NAME has NAME.lora_a (R × I) and NAME.lora_b (O × R). llama.cpp computes
W x + alpha / R · B A x with one alpha for the whole file, so what else a tensor's scale is goes
into its B. Source: llama.cpp's `src/llama-adapter.cpp`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from endonym.errors import ExportError
from endonym.export.adapters.low_rank import side_by_side
from endonym.export.gguf.rows import GGUFArchitecture, architecture_of
from endonym.export.gguf.tensors import PARTS, in_llama_cpp
from endonym.model.adapt_config import matrices
from endonym.model.config import ModelConfig
from endonym.model.lora import Change

WHERE = "export gguf-adapter"
MERGE = "Export the merged model: --to gguf."


def require_gguf_adapter(config: object, changes: Mapping[str, Change]) -> None:
    """Raise ExportError if llama.cpp cannot add these changes to this model."""
    if not isinstance(config, ModelConfig):
        raise ExportError(
            "this class of transformers has no GGUF form that endonym knows", where=WHERE, do=MERGE
        )
    architecture_of(config)
    if any(each.magnitude is not None for each in changes.values()):
        raise ExportError(
            "llama.cpp adds B A to a matrix; it has no norms of rows, which DoRA trains",
            where=WHERE,
            do=MERGE,
        )


def write_gguf_adapter(
    config: ModelConfig, changes: Mapping[str, Change], path: Path, *, name: str
) -> None:
    """Write the file, in fp32. Raises ExportError as `require_gguf_adapter` does."""
    import gguf

    require_gguf_adapter(config, changes)
    row = architecture_of(config)
    theirs = _in_llama_cpp(row, config, changes)
    alpha = max(each.scale * each.rank for each in theirs.values())
    writer = gguf.GGUFWriter(path, row.name)
    try:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        writer.add_string("general.name", name)
        for tensor, change in sorted(theirs.items()):
            b = change.b * (change.scale * change.rank / alpha)
            writer.add_tensor(f"{tensor}.lora_a", _array(change.a))
            writer.add_tensor(f"{tensor}.lora_b", _array(b))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _array(tensor: Tensor):  # numpy's own type says nothing more
    return tensor.detach().float().cpu().contiguous().numpy()


def _in_llama_cpp(
    row: GGUFArchitecture, config: ModelConfig, changes: Mapping[str, Change]
) -> dict[str, Change]:
    """The changes by llama.cpp's tensors, with its order of rows."""
    names, found = row.names(config), dict[str, Change]()
    sizes = {each.name: each.outputs for each in matrices(config)}
    for name, change in changes.items():
        layer = name.split(".")[1]
        place, _, last = name.rpartition(".")
        if row.joined and place.endswith("mixer") and last in PARTS:
            parts = [f"{place}.{each}" for each in PARTS]
            found[f"blk.{layer}.attn_qkv.weight"] = side_by_side(
                [changes.get(each) for each in parts],
                [sizes[each] for each in parts],
                what="query, key and value",
                where=WHERE,
            )
            continue
        theirs = names[re.sub(r"\.\d+\.", ".*.", f"{name}.weight")].replace("*", layer)
        b = in_llama_cpp(row, config, f"{name}.weight", change.b)
        found[theirs] = Change(change.a, b, change.scale)
    return found
