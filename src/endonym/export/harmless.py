"""Words of published `config.json` files, and buffers of their weights, that change no logit.

From the classes of transformers 2.0 to 5.23 for the rows of this package, and the folders that they
wrote. A word whose value could change something stands with the values for which it does not.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

NAMES = {
    *("architectures", "dtype", "torch_dtype", "transformers_version", "_name_or_path"),
    *("_commit_hash", "finetuning_task", "task_specific_params", "problem_type", "prefix"),
    *("tokenizer_class", "_attn_implementation_autoset", "unsloth_version", "unsloth_fixed"),
    *("transformers.js_config", "use_flash_attention_2", "_flash_attn_2_enabled"),
}
"""What a model is called, by what it was written or computed, and what it was tuned for."""
SPECIALS = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "unk_token_id"),
    *(
        "eos_token_ids",
        "cls_token_id",
        "mask_token_id",
        "decoder_start_token_id",
        "forced_bos_token_id",
    ),
    *("forced_eos_token_id", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens"),
}
GENERATION = {
    *("max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups"),
    *("diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty"),
    *("length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"),
    *("num_return_sequences", "remove_invalid_values", "exponential_decay_length_penalty"),
}
"""Words on sampling, which stand in `generation_config.json` today."""
OUTPUTS = {
    *("use_cache", "output_past", "return_dict", "return_dict_in_generate", "output_scores"),
    *("output_attentions", "output_hidden_states", "keys_to_ignore_at_inference"),
}
"""What else a class returns."""
LABELS = {"num_labels", "_num_labels", "id2label", "label2id", "classifier_dropout"}
"""Of classifiers, whose heads are not the language model's."""
TRAINING = {
    *("initializer_range", "gradient_checkpointing", "use_bfloat16", "tf_legacy_loss"),
    *("pretraining_tp", "torchscript", "xla_device", "neftune_noise_alpha"),
}
ANY_VALUE = NAMES | SPECIALS | GENERATION | OUTPUTS | LABELS | TRAINING
"""Words that change no logit, whatever they say."""

ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
ONLY: dict[str, tuple[Any, ...]] = {
    "pruned_heads": ({},),
    "is_decoder": (False,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "chunk_size_feed_forward": (0,),
    "_attn_implementation": ATTENTION,
    "attn_implementation": ATTENTION,
}
"""Words that change no logit if they have one of these values. Ways to compute attention agree."""

ROTARY = r"(self_attn\.|self_attention\.|attention\.)?rotary_emb\.(inv_freq|cos_cached|sin_cached)"
BUFFERS = {
    "gpt2": r"(^|\.)h\.\d+\.attn\.(bias|masked_bias)$",
    "gpt_neox": rf"layers\.\d+\.(attention\.(bias|masked_bias)|{ROTARY})$",
    "falcon": rf"h\.\d+\.{ROTARY}$",
}
"""Tensors by model_type that classes once saved and now compute: causal masks and angles."""
OTHER_BUFFERS = rf"(^|\.)(layers\.\d+\.)?{ROTARY}$"


def is_harmless(key: str, value: Any) -> bool:
    """Whether a word of any class changes no logit with this value."""
    return key in ANY_VALUE or any(value == each for each in ONLY.get(key, ()))


def is_buffer(name: str, model_type: str) -> bool:
    """Whether a tensor of a folder is one that its class now computes by itself."""
    return re.search(BUFFERS.get(model_type, OTHER_BUFFERS), name) is not None


def values_of(key: str, known: Mapping[str, Sequence[Any]]) -> str:
    """The values with which a word is harmless, as a sentence; empty if there are none."""
    values = " or ".join(repr(each) for each in known.get(key, ()))
    return f"Only {key} = {values} can be read. " if values else ""
