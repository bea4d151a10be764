"""Writes models as GGUF files, one for each number format, and adapters that are added to them.

In an adapter's file (llama.cpp's `--lora`) each changed tensor NAME has NAME.lora_a (R × I) and
NAME.lora_b (O × R). llama.cpp computes W x + alpha / R · B A x with one alpha for the whole file,
so what else a tensor's scale is goes into its B. Source: llama.cpp's `src/llama-adapter.cpp`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from endonym.export.config import Quantization
from endonym.export.gguf.quantize import FILE_TYPES, Mixture, quantized
from endonym.export.gguf.rows import GGUFArchitecture, architecture_of, limits_of
from endonym.export.gguf.tensors import gguf_tensors, in_llama_cpp
from endonym.export.gguf.vocabulary import reading_of, vocabulary_of
from endonym.export.kept import origin_kept_by, special_ids
from endonym.export.peft_format import held_together, side_by_side
from endonym.export.refusals import refusal
from endonym.export.row import Json
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import SAMPLING_NAMES
from endonym.model.adapt_config import matrices
from endonym.model.config import ExpertsConfig, ModelConfig
from endonym.model.lora import Change
from endonym.tokenizer.chat_template import template_of
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

WHERE = "export gguf-adapter"
SPECIAL_NAMES = {"unk": "unknown", "sep": "seperator", "pad": "padding"}
"""How llama.cpp names the uses of special tokens, where it names them otherwise; so it spells them.
"""
OTHER_AROUND = (
    "llama.cpp puts at most the start token before a text and the end token after it; this "
    "tokenizer puts other tokens there"
)
STARTED_CHAT = (
    "llama.cpp puts the start token before each text and each conversation; this chat template "
    "does not write it, so transformers reads conversations without it"
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a GGUF file says of itself, where it is known.

    language: a code such as "tt". made_of: the identity of the model, as `export.json` has it.
    """

    name: str = "model"
    language: str = ""
    license: str = ""
    made_of: str = ""


def require_gguf(config: Any, tokenizer: Tokenizer) -> list[str]:
    """What llama.cpp does otherwise than this model. Raises ExportError if it cannot compute it."""
    if not isinstance(config, ModelConfig):
        raise refusal("gguf_of_foreign", "export gguf", family=config.family)
    architecture_of(config)
    limits = [*limits_of(config), *reading_of(tokenizer).limits()]
    before = tokenizer.before
    after = tokenizer.after
    if len(before) > 1 or after not in ((), (tokenizer.end_id,)):
        limits.append(OTHER_AROUND)
    if tokenizer.around is not None and before and tokenizer.chat_template is not None:
        template = template_of(tokenizer)
        if template.opened != template.text:
            limits.append(STARTED_CHAT)
    return limits


def export_gguf(
    model: LanguageModel, out: Path, quantize: Sequence[Quantization], about: Provenance
) -> list[Path]:
    """Write `NAME-QUANTIZATION.gguf` for each number format.

    Raises ExportError if llama.cpp cannot compute the model or lacks its tokenizer.
    """
    config = model.decoder.config
    require_gguf(config, model.tokenizer)
    assert isinstance(config, ModelConfig)
    tensors = gguf_tensors(architecture_of(config), config, model.decoder.state_dict())
    origin = origin_kept_by(model)
    specials = {} if origin is None else special_ids(origin, model.tokenizer)
    metadata = _metadata(config, model.tokenizer, about, specials)
    stated = model.defaults.stated if model.origin is not None else {}
    metadata |= {f"general.sampling.{SAMPLING_NAMES.get(n, n)}": each for n, each in stated.items()}
    out.mkdir(parents=True, exist_ok=True)
    return [
        write_file(out / f"{about.name}-{kind}.gguf", config, metadata, tensors, kind=kind)
        for kind in quantize
    ]


def write_vocabulary(config: ModelConfig, tokenizer: Tokenizer, path: Path) -> None:
    """Write a file without weights, from which llama.cpp reads the tokenizer alone."""
    write_file(path, config, _metadata(config, tokenizer, Provenance(), {}), {}, kind="F32")


def write_file(
    path: Path,
    config: ModelConfig,
    metadata: Json,
    tensors: dict[str, Tensor],
    *,
    kind: Quantization,
) -> Path:
    """Write one file, tensor after tensor. metadata: its keys; tensors: by llama.cpp's names."""
    import gguf

    row = architecture_of(config)
    ffn = config.ffns[0]
    mixture = Mixture(
        kind,
        architecture=row.name,
        layers=config.layers,
        experts=ffn.experts if isinstance(ffn, ExpertsConfig) else 0,
        has_head="output.weight" in tensors,
        values=sum(name.endswith((".attn_v.weight", ".attn_qkv.weight")) for name in tensors),
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    types = {n: gguf.GGMLQuantizationType[mixture.type_of(n, s)] for n, s in shapes.items()}
    writer = gguf.GGUFWriter(path, row.name)
    try:
        _add_metadata(writer, metadata | {"general.file_type": FILE_TYPES[kind]})
        for name, shape in shapes.items():
            stored = gguf.quant_shape_to_byte_shape(shape, types[name])
            of_bytes = np.dtype(np.uint8)
            writer.add_tensor_info(name, stored, of_bytes, math.prod(stored), raw_dtype=types[name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in tensors.items():
            writer.write_tensor_data(quantized(tensor.numpy(), types[name]))
    finally:
        writer.close()
    return path


def _metadata(
    config: ModelConfig, tokenizer: Tokenizer, about: Provenance, specials: Mapping[str, int]
) -> Json:
    """The keys of a file, in its order. specials: ids by their use, as a folder has them.

    A text begins after the start token, if the tokenizer puts one there, and generation ends at the
    end token, or at the end of a turn. Without a bos token, bos is the token between documents:
    llama.cpp would take any id for it.
    """
    bos_id = tokenizer.start_id
    if tokenizer.before or tokenizer.start is None:
        bos_id = (tokenizer.before or tokenizer.document_start)[-1]
    ids = {"bos": bos_id, "eos": tokenizer.end_id} | (dict(specials) or {"pad": tokenizer.pad_id})
    row = architecture_of(config)
    language = about.language.partition("-")[0]
    general: Json = {
        "general.name": about.name,
        "endonym.model": about.made_of,
        "general.license": about.license,
        "general.languages": [language] if language not in ("", "x") else [],
        "general.quantized_by": f"endonym {version('endonym')}",
    }
    template = tokenizer.chat_template
    turn_ends = tokenizer.stop_ids[1:]
    own = row.metadata(config)
    words = vocabulary_of(tokenizer, config.vocab)
    return {
        **{key: value for key, value in general.items() if value},
        **({"tokenizer.chat_template": template} if template else {}),
        **({"tokenizer.ggml.eot_token_id": turn_ends[0]} if turn_ends else {}),
        **{
            f"tokenizer.ggml.{SPECIAL_NAMES.get(use, use)}_token_id": index
            for use, index in ids.items()
        },
        "tokenizer.ggml.add_bos_token": bool(tokenizer.before),
        "tokenizer.ggml.add_eos_token": tokenizer.end_id in tokenizer.after,
        "tokenizer.ggml.add_space_prefix": bool(tokenizer.spaces_before),
        **{f"{row.name}.{key}": value for key, value in own.items()},
        "general.file_type": 0,  # of each file
        "general.quantization_version": 2,
        **{f"tokenizer.ggml.{key}": value for key, value in words.items() if value},
    }


def _add_metadata(writer: "GGUFWriter", metadata: Json) -> None:
    """Add every key with the type that llama.cpp reads it as."""
    from gguf import GGUFValueType as Kind

    kinds = {bool: Kind.BOOL, int: Kind.UINT32, float: Kind.FLOAT32, list: Kind.ARRAY}
    kinds |= {bytes: Kind.ARRAY}  # of single bytes
    for key, value in metadata.items():
        writer.add_key_value(key, value, kinds.get(type(value), Kind.STRING))


def require_gguf_adapter(config: object, changes: Mapping[str, Change]) -> None:
    """Raise ExportError if llama.cpp cannot add these changes to this model."""
    if not isinstance(config, ModelConfig):
        raise refusal("gguf_adapter_of_foreign", WHERE)
    architecture_of(config)
    if any(change.magnitude is not None for change in changes.values()):
        raise refusal("gguf_dora", WHERE)


def write_gguf_adapter(
    config: ModelConfig, changes: Mapping[str, Change], path: Path, *, name: str
) -> None:
    """Write the file, in fp32. Raises ExportError as `require_gguf_adapter` does."""
    import gguf

    require_gguf_adapter(config, changes)
    row = architecture_of(config)
    theirs = _changes_in_llama_cpp(row, config, changes)
    alpha = max(change.scale * change.rank for change in theirs.values())
    writer = gguf.GGUFWriter(path, row.name)
    try:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        writer.add_string("general.name", name)
        for tensor, change in sorted(theirs.items()):
            b = change.b * (change.scale * change.rank / alpha)
            for part, matrix in (("lora_a", change.a), ("lora_b", b)):
                array = matrix.detach().float().cpu().contiguous().numpy()
                writer.add_tensor(f"{tensor}.{part}", array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _changes_in_llama_cpp(
    row: GGUFArchitecture, config: ModelConfig, changes: Mapping[str, Change]
) -> dict[str, Change]:
    """The changes by llama.cpp's tensors, with its order of rows."""
    theirs: dict[str, Change] = {}  # by tensor
    sizes = {matrix.name: matrix.outputs for matrix in matrices(config)}
    joined = "blk.*.attn_qkv.weight" if row.joined else ""
    for tensor, parts in held_together(config, joined, row.names(config)).items():
        if len(parts) == 1 and parts[0] in changes:
            change = changes[parts[0]]
            b = in_llama_cpp(row, config, f"{parts[0]}.weight", change.b)
            theirs[tensor] = Change(change.a, b, change.scale)
        elif any(part in changes for part in parts):
            theirs[tensor] = side_by_side(parts, changes, sizes, where=WHERE)
    return theirs
