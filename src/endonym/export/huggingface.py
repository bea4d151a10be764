"""A model as a folder that `transformers` loads without remote code, and back.

One table of names for each family, read in both directions. GPT-2 stores its matrices as inputs x
outputs and its queries, keys and values as one; the others store them as we do.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from endonym.errors import ExportError
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.weights import load_tensors, save_tensors
from endonym.store import write_json
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

LLAMA_NAMES = {
    "embedding.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
    "blocks.*.norm.weight": "model.layers.*.input_layernorm.weight",
    "blocks.*.ffn_norm.weight": "model.layers.*.post_attention_layernorm.weight",
    "blocks.*.mixer.query.weight": "model.layers.*.self_attn.q_proj.weight",
    "blocks.*.mixer.key.weight": "model.layers.*.self_attn.k_proj.weight",
    "blocks.*.mixer.value.weight": "model.layers.*.self_attn.v_proj.weight",
    "blocks.*.mixer.output.weight": "model.layers.*.self_attn.o_proj.weight",
    "blocks.*.ffn.gate.weight": "model.layers.*.mlp.gate_proj.weight",
    "blocks.*.ffn.up.weight": "model.layers.*.mlp.up_proj.weight",
    "blocks.*.ffn.down.weight": "model.layers.*.mlp.down_proj.weight",
}
QWEN3_NAMES = LLAMA_NAMES | {
    "blocks.*.mixer.query_norm.weight": "model.layers.*.self_attn.q_norm.weight",
    "blocks.*.mixer.key_norm.weight": "model.layers.*.self_attn.k_norm.weight",
}
GPT2_NAMES = {
    "embedding.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    **{
        f"{ours}.{part}": f"{theirs}.{part}"
        for part in ("weight", "bias")
        for ours, theirs in {
            "norm": "transformer.ln_f",
            "blocks.*.norm": "transformer.h.*.ln_1",
            "blocks.*.ffn_norm": "transformer.h.*.ln_2",
            "blocks.*.mixer.output": "transformer.h.*.attn.c_proj",
            "blocks.*.ffn.up": "transformer.h.*.mlp.c_fc",
            "blocks.*.ffn.down": "transformer.h.*.mlp.c_proj",
        }.items()
    },
}
NAMES = {"llama": LLAMA_NAMES, "qwen3": QWEN3_NAMES, "gpt2": GPT2_NAMES}
CLASSES = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM", "gpt2": "GPT2LMHeadModel"}
TURNED = re.compile(r"(mixer\.output|ffn\.up|ffn\.down)\.weight$")
"""GPT-2's matrices that are stored the other way round."""


def row_of(config: ModelConfig) -> str:
    """The family whose `transformers` class says this shape, whatever the recipe called it.

    Raises ExportError if none of the three does.
    """
    is_modern = (config.norm, config.position, config.ffn.kind) == ("rms", "rope", "gated")
    if is_modern and config.ffn.activation == "silu" and not (config.bias or config.parallel):
        return "qwen3" if config.mixer.query_key_norm else "llama"
    is_gpt2 = (config.norm, config.position, config.ffn.kind) == ("layer", "learned", "plain")
    if is_gpt2 and config.bias and config.tied and config.ffn.activation == "gelu":
        return "gpt2"
    raise ExportError(
        f"no transformers class has this shape ({config.family} with other parts)",
        where="export huggingface",
        do="Use one of the families qwen3, llama, gpt2 without changing its parts.",
    )


def config_json(config: ModelConfig, end_id: int) -> dict[str, Any]:
    """The `config.json` of a model. The context is written as it was trained."""
    row = row_of(config)
    common = {
        "architectures": [CLASSES[row]],
        "model_type": row,
        "vocab_size": config.vocab,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "tie_word_embeddings": config.tied,
        "dtype": "float32",
        "use_cache": True,
    }
    if row == "gpt2":
        return common | {
            "n_positions": config.context,
            "n_ctx": config.context,
            "n_embd": config.dim,
            "n_layer": config.layers,
            "n_head": config.mixer.heads,
            "n_inner": config.ffn.hidden,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": config.norm_epsilon,
            "resid_pdrop": config.dropout,
            "embd_pdrop": config.dropout,
            "attn_pdrop": 0.0,
        }
    return common | {
        "max_position_embeddings": config.context,
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.mixer.heads,
        "num_key_value_heads": config.mixer.kv_heads,
        "head_dim": config.mixer.head_width,
        "intermediate_size": config.ffn.hidden,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.mixer.rope_base},
        "rope_theta": config.mixer.rope_base,
        "attention_bias": False,
        "attention_dropout": 0.0,
        **({"mlp_bias": False} if row == "llama" else {}),
    }


def to_theirs(config: ModelConfig, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our tensors under the names, and in the layout, of `transformers`."""
    row = row_of(config)
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        pattern, number = _pattern(name)
        if pattern in NAMES[row]:
            turned = tensor.T if row == "gpt2" and TURNED.search(name) else tensor
            found[NAMES[row][pattern].replace("*", number)] = turned
    if row == "gpt2":
        for layer in range(config.layers):
            for part in ("weight", "bias"):
                parts = [
                    weights[f"blocks.{layer}.mixer.{which}.{part}"]
                    for which in ("query", "key", "value")
                ]
                joined = torch.cat(parts)
                found[f"transformer.h.{layer}.attn.c_attn.{part}"] = (
                    joined.T if part == "weight" else joined
                )
    return found


def to_ours(config: ModelConfig, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_theirs`."""
    row = row_of(config)
    inverse = {their: our for our, their in NAMES[row].items()}
    found: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        if ".attn.c_attn." in name:
            layer, part = name.split(".")[2], name.rsplit(".", 1)[1]
            pieces = (tensor.T if part == "weight" else tensor).chunk(3)
            for which, piece in zip(("query", "key", "value"), pieces, strict=True):
                found[f"blocks.{layer}.mixer.{which}.{part}"] = piece
            continue
        pattern, number = _pattern(name)
        if config.tied and name == "lm_head.weight":
            continue
        if pattern not in inverse:
            raise ExportError(f"unknown tensor {name}", where="import", do="See docs/design.md §7.")
        ours = inverse[pattern].replace("*", number)
        found[ours] = tensor.T if row == "gpt2" and TURNED.search(ours) else tensor
    return found


def _pattern(name: str) -> tuple[str, str]:
    """A tensor's name with its layer's number as `*`, and the number."""
    number = re.search(r"\.(\d+)\.", name)
    return re.sub(r"\.\d+\.", ".*.", name), number.group(1) if number else ""


def export_huggingface(model: LanguageModel, out: Path) -> list[str]:
    """Write the folder; returns its files' names."""
    config, tokenizer = model.decoder.config, model.tokenizer
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.float() for name, tensor in model.decoder.state_dict().items()}
    save_tensors(to_theirs(config, weights), out / "model.safetensors")
    write_json(out / "config.json", config_json(config, tokenizer.end_id))
    generation = {"bos_token_id": tokenizer.end_id, "eos_token_id": tokenizer.end_id}
    write_json(out / "generation_config.json", {**generation, "do_sample": True})
    (out / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "model_max_length": config.context,
            "clean_up_tokenization_spaces": False,
        },
    )
    return sorted(path.name for path in out.iterdir())


READ_KEYS = {"model_type", "vocab_size", "tie_word_embeddings", "eos_token_id"}


def import_config(data: dict[str, Any], where: str) -> ModelConfig:
    """The shape that a `config.json` describes, if it is one that we can say exactly.

    Whatever our own writer would not have written for that shape is refused by name, so that
    nothing is dropped in silence.
    """
    config = _read_shape(data, where)
    expected = config_json(config, data.get("eos_token_id") or 0)
    ignored = {"architectures", "dtype", "torch_dtype", "transformers_version", "use_cache",
               "bos_token_id", "eos_token_id", "pad_token_id", "initializer_range", "_name_or_path",
               "pretraining_tp", "rope_theta", "rope_parameters", "attention_dropout",
               "attn_pdrop", "n_ctx", "head_dim", "layer_types", "sliding_window", "max_window_layers",
               "use_sliding_window", "summary_type", "summary_use_proj", "summary_activation",
               "summary_proj_to_labels", "summary_first_dropout", "scale_attn_weights",
               "reorder_and_upcast_attn", "scale_attn_by_inverse_layer_idx", "rope_scaling",
               "add_cross_attention", "mlp_bias"}  # fmt: skip
    for key, value in data.items():
        if key not in ignored and (key not in expected or expected[key] != value):
            raise ExportError(
                f"{key} = {value!r} is not something endonym can build",
                where=where,
                do="Only plain qwen3, llama and gpt2 folders can be read.",
            )
    refused = ("use_sliding_window", "rope_scaling", "add_cross_attention", "mlp_bias",
               "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn")  # fmt: skip
    for key in refused:
        if data.get(key):
            raise ExportError(f"{key} = {data[key]!r} is not supported", where=where)
    rope = data.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise ExportError(f"rope_type = {rope['rope_type']!r} is not supported", where=where)
    return config


def _read_shape(data: dict[str, Any], where: str) -> ModelConfig:
    """The sizes in a `config.json`, in our words."""
    row = data.get("model_type")
    if row not in NAMES:
        raise ExportError(
            f"model_type {row!r} is not one of {', '.join(NAMES)}",
            where=where,
            do="Other architectures cannot be read yet.",
        )
    is_gpt2 = row == "gpt2"
    try:
        heads = data["n_head" if is_gpt2 else "num_attention_heads"]
        dim = data["n_embd" if is_gpt2 else "hidden_size"]
        rope = data.get("rope_parameters") or {}
        return ModelConfig.from_json(
            {
                "family": row,
                "vocab": data["vocab_size"],
                "context": data["n_positions" if is_gpt2 else "max_position_embeddings"],
                "dim": dim,
                "layers": data["n_layer" if is_gpt2 else "num_hidden_layers"],
                "norm": "layer" if is_gpt2 else "rms",
                "norm_epsilon": data["layer_norm_epsilon" if is_gpt2 else "rms_norm_eps"],
                "position": "learned" if is_gpt2 else "rope",
                "parallel": False,
                "bias": is_gpt2,
                "tied": data.get("tie_word_embeddings", is_gpt2),
                "dropout": data.get("resid_pdrop", 0.0),
                "mixer": {
                    "heads": heads,
                    "kv_heads": data.get("num_key_value_heads", heads),
                    "head_width": data.get("head_dim", dim // heads),
                    "query_key_norm": row == "qwen3",
                    "rope_base": rope.get("rope_theta", data.get("rope_theta", 10_000.0)),
                },
                "ffn": {
                    "kind": "plain" if is_gpt2 else "gated",
                    "activation": "gelu" if is_gpt2 else "silu",
                    "hidden": (data.get("n_inner") or 4 * dim)
                    if is_gpt2
                    else data["intermediate_size"],
                },
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"config.json lacks or misstates {error}", where=where) from error


def import_huggingface(folder: Path) -> LanguageModel:
    """Read a folder in the transformers format. Nothing in it is executed.

    Raises ExportError for a shape that is not one of ours, Damaged for broken weights.
    """
    where = str(folder / "config.json")
    try:
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"no readable config.json ({error})", where=where) from error
    config = import_config(data, where)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    ours = to_ours(config, load_tensors(folder / "model.safetensors"))
    decoder = Decoder(config)
    decoder.load_state_dict({name: tensor.float() for name, tensor in ours.items()})
    return LanguageModel(decoder, tokenizer)
