"""Every causal family of `transformers`, tiny, made from the defaults of its config."""

from pathlib import Path
from typing import Any

from foreign_folders import VOCAB, gemma_like, quiet_transformers, write_tokenizer

WIDTH, HEADS, LAYERS = 32, 4, 2
SMALL = {
    "vocab_size": VOCAB,
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "embed_dim", "dim"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), HEADS),
    **dict.fromkeys(
        ("attention_heads", "encoder_attention_heads", "decoder_attention_heads"), HEADS
    ),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "multi_query_group_num"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), LAYERS),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner"), 48),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 48),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 48),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx"), 64),
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k", "moe_topk"), 2),
    **dict.fromkeys(("head_dim", "rotary_dim", "v_head_dim", "qk_nope_head_dim"), 8),
    **dict.fromkeys(("qk_rope_head_dim", "kv_lora_rank", "q_lora_rank"), 8),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 1),
    "state_size": 4,
    "sliding_window": 16,
}
"""The sizes that families share, by all their names."""
OWN: dict[str, dict[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
}
"""What single families need beside them."""


def families() -> list[str]:
    """All that a class for causal models is known for."""
    quiet_transformers()
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def write_tiny(family: str, folder: Path) -> None:
    """Save a model of the family in its own class, with few sizes, and a tokenizer."""
    library = quiet_transformers()
    kind = library.CONFIG_MAPPING[family]
    has = kind().to_dict()
    said = {key: value for key, value in SMALL.items() if has.get(key) is not None}
    network = library.AutoModelForCausalLM.from_config(kind(**said | OWN.get(family, {})))
    network.save_pretrained(folder)
    write_tokenizer(gemma_like(), folder)
