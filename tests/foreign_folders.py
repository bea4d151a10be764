"""Small models and tokenizers as `transformers` and `tokenizers` themselves write them."""

import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import tokenizers
import torch
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from toys import toy_texts

VOCAB = 600
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
WINDOW = 5
LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma3": (
        "Gemma3TextConfig",
        {"sliding_window": WINDOW, "layer_types": LAYERS, "query_pre_attn_scalar": 24},
    ),
    "gemma2": (
        "Gemma2Config",
        {"sliding_window": WINDOW, "layer_types": LAYERS, "final_logit_softcapping": 2.0},
    ),
    "qwen2": ("Qwen2Config", {"head_dim": None, "tie_word_embeddings": False}),
    "qwen3": ("Qwen3Config", {"tie_word_embeddings": True, "pad_token_id": None}),
    "llama": ("LlamaConfig", {"tie_word_embeddings": False}),
    "mistral": ("MistralConfig", {"tie_word_embeddings": False}),
    "mixtral": ("MixtralConfig", {"num_local_experts": 4, "sliding_window": None}),
    "bloom": ("BloomConfig", {"n_layer": 2, "n_head": 4}),
    "falcon_mamba": ("FalconMambaConfig", {"state_size": 4}),
    "phi": ("PhiConfig", {}),
    "granite": ("GraniteConfig", {"logits_scaling": 8.0}),
}
"""Kind -> the library's config, and what is said beside the sizes."""
EXACT = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>"]


def quiet_transformers() -> ModuleType:
    """The library, asked to keep silent."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def made(kind: str, **others: Any) -> Any:
    """A model of the library in which every weight counts."""
    library = quiet_transformers()
    name, said = KINDS[kind]
    sizes = {key: value for key, value in (SIZES | EXACT | said | others).items() if value != ""}
    config = getattr(library, name)(**{k: v for k, v in sizes.items() if v is not None})
    torch.manual_seed(3)
    network = library.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.15 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def write_model(kind: str, folder: Path, **others: Any) -> Any:
    """Save such a model with a tokenizer as Gemma has one."""
    network = made(kind, **others)
    network.save_pretrained(folder)
    write_tokenizer(gemma_like(), folder)
    return network


def write_tokenizer(engine: tokenizers.Tokenizer, folder: Path) -> None:
    """Save a tokenizer as the library does."""
    library = quiet_transformers()
    named = dict(zip(("pad_token", "eos_token", "bos_token", "unk_token"), SPECIALS, strict=True))
    library.PreTrainedTokenizerFast(tokenizer_object=engine, **named).save_pretrained(folder)


@functools.cache
def _gemma_json() -> str:
    engine = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    engine.normalizer = normalizers.Replace(" ", "▁")
    engine.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    engine.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    letters = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[*SPECIALS, *letters], show_progress=False
    )
    engine.train_from_iterator(toy_texts(), trainer)
    data = json.loads(engine.to_str())
    data["added_tokens"] = data["added_tokens"][: len(SPECIALS)]
    return json.dumps(data)


def gemma_like() -> tokenizers.Tokenizer:
    """Pairs of letters, "▁" for a blank, and bytes for what it does not know."""
    return tokenizers.Tokenizer.from_str(_gemma_json())


def llama_like(*, is_new: bool = False) -> tokenizers.Tokenizer:
    """The same with a blank before every text, as Llama 2; is_new: as written today."""
    engine = gemma_like()
    engine.pre_tokenizer = None
    if is_new:
        engine.normalizer = None
        engine.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    else:
        engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), engine.normalizer])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    return engine


def byte_level(suffix: str = "") -> tokenizers.Tokenizer:
    """Pairs of bytes, as Qwen and Llama 3 have them; with a suffix at the ends of words, CLIP."""
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIALS,
        end_of_word_suffix=suffix,
        show_progress=False,
    )
    engine.train_from_iterator(toy_texts(), trainer)
    return engine


def unigram_with_bytes() -> tokenizers.Tokenizer:
    """Pieces with scores, and a piece for each byte, which it also finds as `<0x0A>` in a text."""
    engine = tokenizers.Tokenizer(models.Unigram())
    engine.pre_tokenizer = pre_tokenizers.Metaspace("▁", "never", split=False)
    trainer = trainers.UnigramTrainer(
        vocab_size=500, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    engine.train_from_iterator(toy_texts(), trainer)
    data = json.loads(engine.to_str())
    pieces = data["model"]["vocab"][: VOCAB - 256]
    data["model"]["vocab"] = pieces + [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
    data["model"]["byte_fallback"] = True
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine = tokenizers.Tokenizer.from_str(json.dumps(data))
    engine.decoder = decoders.Sequence(steps)
    return engine
