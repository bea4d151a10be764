"""Writes a model as GGUF files, one for each number format of the weights."""

import math
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from endonym.errors import ExportError
from endonym.export.config import Quantization
from endonym.export.gguf.quantize import FILE_TYPES, Mixture, quantized
from endonym.export.gguf.rows import GGUFArchitecture, architecture_of, limits_of
from endonym.export.gguf.tensors import gguf_tensors
from endonym.export.gguf.vocabulary import Vocabulary, vocabulary_of
from endonym.export.row import Json
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ExpertsConfig, ModelConfig
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a GGUF file says of itself, where it is known.

    language: a code such as "tt". made_of: the identity of the model, as `export.json` has it.
    """

    name: str = "model"
    language: str = ""
    license: str = ""
    made_of: str = ""


@dataclass(frozen=True, slots=True)
class GGUFFile:
    """A written file.

    types: how many tensors have each type. fallbacks: matrices whose rows do not fit the type that
    llama.cpp's mixture has for them, with the type that they got.
    """

    path: Path
    quantization: Quantization
    types: dict[str, int]
    fallbacks: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Model:
    """A model in llama.cpp's terms, in fp32."""

    row: GGUFArchitecture
    config: ModelConfig
    vocabulary: Vocabulary
    metadata: Json
    tensors: dict[str, Tensor]

    def mixture(self, quantization: Quantization) -> Mixture:
        """Which types the tensors get."""
        ffn = self.config.ffns[0]
        values = (".attn_v.weight", ".attn_qkv.weight")
        return Mixture(
            quantization,
            architecture=self.row.name,
            layers=self.config.layers,
            experts=ffn.experts if isinstance(ffn, ExpertsConfig) else 0,
            has_head="output.weight" in self.tensors,
            values=sum(name.endswith(values) for name in self.tensors),
        )


def require_gguf(config: Any, tokenizer: Tokenizer) -> list[str]:
    """What llama.cpp does otherwise than this model. Raises ExportError if it cannot compute it."""
    if not isinstance(config, ModelConfig):
        raise ExportError(
            f"{config.family} is a class of transformers that endonym has no GGUF form of",
            where="export gguf",
            do="Convert its folder with llama.cpp's own convert_hf_to_gguf.py.",
        )
    architecture_of(config)
    return [*limits_of(config), *vocabulary_of(tokenizer, config.vocab).limits]


def export_gguf(
    model: LanguageModel, out: Path, quantize: tuple[Quantization, ...], about: Provenance
) -> list[GGUFFile]:
    """Write `NAME-QUANTIZATION.gguf` for each number format.

    Raises ExportError if llama.cpp cannot compute the model or lacks its tokenizer.
    """
    config = model.decoder.config
    require_gguf(config, model.tokenizer)
    assert isinstance(config, ModelConfig)
    tensors = gguf_tensors(architecture_of(config), config, model.decoder.state_dict())
    whole = _model(config, model.tokenizer, about, tensors)
    out.mkdir(parents=True, exist_ok=True)
    return [_write(whole, kind, out / f"{about.name}-{kind}.gguf") for kind in quantize]


def write_vocabulary(config: ModelConfig, tokenizer: Tokenizer, path: Path) -> None:
    """Write a file without weights, from which llama.cpp reads the tokenizer alone."""
    _write(_model(config, tokenizer, Provenance(), {}), "F32", path)


def _model(
    config: ModelConfig, tokenizer: Tokenizer, about: Provenance, tensors: dict[str, Tensor]
) -> _Model:
    words = vocabulary_of(tokenizer, config.vocab)
    metadata = _general(about) | _special_ids(tokenizer)
    return _Model(architecture_of(config), config, words, metadata, tensors)


def _write(model: _Model, quantization: Quantization, path: Path) -> GGUFFile:
    """Write one file, tensor after tensor."""
    import gguf

    mixture = model.mixture(quantization)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.tensors.items()}
    kinds = {n: gguf.GGMLQuantizationType[mixture.type_of(n, s)] for n, s in shapes.items()}
    writer = gguf.GGUFWriter(path, model.row.name)
    try:
        _add_metadata(writer, model, FILE_TYPES[quantization])
        for name, shape in shapes.items():
            block, size = gguf.GGML_QUANT_SIZES[kinds[name]]
            stored = (*shape[:-1], shape[-1] // block * size)
            of_bytes = np.dtype(np.uint8)
            writer.add_tensor_info(name, stored, of_bytes, math.prod(stored), raw_dtype=kinds[name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in model.tensors.items():
            writer.write_tensor_data(quantized(tensor.numpy(), kinds[name]))
    finally:
        writer.close()
    return GGUFFile(
        path,
        quantization,
        types=dict(Counter(kind.name for kind in kinds.values())),
        fallbacks={
            n: kinds[n].name for n, s in shapes.items() if kinds[n].name != mixture.wanted(n, s)
        },
    )


def _general(about: Provenance) -> Json:
    """Keys of the file as a whole."""
    language = about.language.partition("-")[0]
    given: Json = {
        "general.name": about.name,
        "endonym.model": about.made_of,
        "general.license": about.license,
        "general.languages": [language] if language not in ("", "x") else [],
        "general.quantized_by": f"endonym {version('endonym')}",
    }
    return {key: value for key, value in given.items() if value}


def _special_ids(tokenizer: Tokenizer) -> Json:
    """Specials: a text begins after the start token, and generation ends at the end token, or at
    the end of a turn.
    """
    template = tokenizer.chat_template
    turn_ends = tokenizer.stop_ids[1:]
    return {
        **({} if template is None else {"tokenizer.chat_template": template}),
        **({"tokenizer.ggml.eot_token_id": turn_ends[0]} if turn_ends else {}),
        "tokenizer.ggml.bos_token_id": tokenizer.start_id,
        "tokenizer.ggml.eos_token_id": tokenizer.end_id,
        "tokenizer.ggml.padding_token_id": tokenizer.end_id,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }


def _add_metadata(writer: "GGUFWriter", model: _Model, file_type: int) -> None:
    """Add every key with the type that llama.cpp reads it as."""
    prefix = f"{model.row.name}."
    own = {prefix + key: value for key, value in model.row.metadata(model.config).items()}
    for key, value in (model.metadata | own).items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_string(key, value)
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    words = model.vocabulary
    writer.add_tokenizer_model(words.model)
    if words.pre:
        writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    if words.scores:
        writer.add_token_scores(words.scores)
    if words.merges:
        writer.add_token_merges(words.merges)
