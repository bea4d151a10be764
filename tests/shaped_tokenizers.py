"""Folders with tokenizers shaped as those of published models, with small vocabularies.

Each has the rules, the special tokens, the settings and a chat template as in the real files: what
is put before and after a text differs from model to model, and where it is said does, too.
"""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from toys import toy_texts

PIECES = 500
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM = r" ?[^(\s|[.,!?…。,、।۔،])]+"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_3_CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n' + message['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}"
)
GEMMA_CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + "
    "('model' if message['role'] == 'assistant' else message['role']) + '\n' + message['content'] "
    "+ '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
ZEPHYR_CHAT = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + "
    "eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
"""As TinyLlama and Zephyr have it: the names of roles are no special tokens, and no start token."""


@dataclass(frozen=True)
class Shape:
    """A published model's tokenizer.

    specials: in the order of their ids. rules: those of bytes, or of characters with "▁". around:
    special tokens before and after a text, as the post-processor has them. start: the token that
    scoring reads before a document. is_gguf: whether llama.cpp's splits that are known here have
    its rules.
    """

    model_type: str
    specials: list[str]
    settings: dict[str, Any]
    start: str
    rules: str = "bytes"
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    chat: str | None = None
    is_gguf: bool = False


EOT = "<|endoftext|>"
SENTENCEPIECE = ["<unk>", "<s>", "</s>"]
TURNS = ["<|im_start|>", "<|im_end|>"]
LLAMA_2 = {
    "tokenizer_class": "LlamaTokenizer",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "add_bos_token": True,
    "add_eos_token": False,
    "legacy": False,
}
LLAMA_3_SPECIALS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]
GPT_2 = {
    "tokenizer_class": "GPT2Tokenizer",
    "bos_token": EOT,
    "eos_token": EOT,
    "unk_token": EOT,
    "add_prefix_space": False,
    "add_bos_token": False,
}
SHAPES = {
    "gpt2": Shape("gpt2", [EOT], GPT_2, start=EOT, is_gguf=True),
    "bos of id 0": Shape(  # stated, and put before nothing
        "gpt2",
        ["<s>", "</s>"],
        GPT_2 | {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>"},
        start="<s>",
        is_gguf=True,
    ),
    "gpt2 with a space": Shape(  # its settings say so, and its rules do not
        "gpt2", [EOT], GPT_2 | {"add_prefix_space": True}, start=EOT
    ),
    "gpt2 without the space": Shape(  # that its rules have
        "gpt2", [EOT], GPT_2, start=EOT, rules="bytes with space", is_gguf=True
    ),
    "gpt2 without a class": Shape(  # that of its type of model puts no space
        "gpt2",
        [EOT],
        {name: value for name, value in GPT_2.items() if name != "tokenizer_class"},
        start=EOT,
        rules="bytes with space",
    ),
    "llama2": Shape("llama", SENTENCEPIECE, LLAMA_2, start="<s>", rules="prepend", before=["<s>"]),
    "llama2 with both": Shape(
        "llama",
        SENTENCEPIECE,
        LLAMA_2 | {"add_eos_token": True, "legacy": True},
        start="<s>",
        rules="prepend",
        before=["<s>"],
        after=["</s>"],
    ),
    "tinyllama": Shape(
        "llama",
        SENTENCEPIECE,
        LLAMA_2 | {"tokenizer_class": "PreTrainedTokenizerFast"},
        start="<s>",
        rules="prepend",
        before=["<s>"],
        chat=ZEPHYR_CHAT,
    ),
    "llama3": Shape(
        "llama",
        LLAMA_3_SPECIALS,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|begin_of_text|>",
            "eos_token": "<|eot_id|>",
        },
        start="<|begin_of_text|>",
        rules=LLAMA_3,
        before=["<|begin_of_text|>"],
        chat=LLAMA_3_CHAT,
        is_gguf=True,
    ),
    "qwen3": Shape(
        "qwen3",
        [EOT, *TURNS],
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": EOT,
            "add_bos_token": False,
            "add_prefix_space": False,
        },
        start=EOT,
        rules=QWEN,
        chat=CHATML,
        is_gguf=True,
    ),
    "gemma3": Shape(
        "gemma3_text",
        ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"],
        {
            "tokenizer_class": "GemmaTokenizer",
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "add_eos_token": False,
        },
        start="<bos>",
        rules="gemma",
        before=["<bos>"],
        chat=GEMMA_CHAT,
        is_gguf=True,
    ),
    "mistral": Shape(
        "mistral", SENTENCEPIECE, LLAMA_2, start="<s>", rules="metaspace", before=["<s>"]
    ),
    "smollm2": Shape(
        "llama",
        [EOT, *TURNS],
        {
            "tokenizer_class": "TokenizersBackend",
            "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
            "unk_token": EOT,
            "add_prefix_space": False,
        },
        start=EOT,
        chat=CHATML,
        is_gguf=True,
    ),
    "phi": Shape(
        "phi",
        [EOT],
        {
            "tokenizer_class": "CodeGenTokenizer",
            "bos_token": EOT,
            "eos_token": EOT,
            "unk_token": EOT,
            "add_prefix_space": False,
        },
        start=EOT,
        is_gguf=True,
    ),
    "falcon": Shape(
        "falcon",
        [">>TITLE<<", ">>ABSTRACT<<", EOT],
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOT},
        start=EOT,
        rules="falcon",
        is_gguf=True,
    ),
    "bloom": Shape(
        "bloom",
        ["<unk>", "<s>", "</s>", "<pad>"],
        {
            "tokenizer_class": "BloomTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "add_prefix_space": False,
        },
        start="<s>",
        rules=BLOOM,
        is_gguf=True,
    ),
    "pythia": Shape(
        "gpt_neox",
        [EOT, "<|padding|>"],
        {
            "tokenizer_class": "GPTNeoXTokenizer",
            "bos_token": EOT,
            "eos_token": EOT,
            "add_prefix_space": False,
        },
        start=EOT,
        before=[EOT],  # transformers ignores it for this class
        is_gguf=True,
    ),
    "ends with eos": Shape(
        "qwen3",
        [EOT, *TURNS],
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOT, "pad_token": EOT},
        start=EOT,
        rules=QWEN,
        after=[EOT],
        is_gguf=True,
    ),
    "prefix space of bytes": Shape(
        "llama",
        SENTENCEPIECE,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
        },
        start="<s>",
        rules="bytes with space",
    ),
    "no prefix space": Shape(  # its settings say so, and its rules do not
        "llama",
        SENTENCEPIECE,
        LLAMA_2 | {"add_prefix_space": False},
        start="<s>",
        rules="prepend",
        before=["<s>"],
        is_gguf=True,
    ),
    "unnamed start": Shape(  # the settings name no bos token
        "qwen3",
        [EOT, "<start>"],
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOT, "pad_token": EOT},
        start="<start>",
        rules=QWEN,
        before=["<start>"],
        is_gguf=True,
    ),
    "started chat": Shape(  # texts begin with bos, and the template does not write it
        "llama",
        ["<s>", "</s>", *TURNS],
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"},
        start="<s>",
        before=["<s>"],
        chat=CHATML,
    ),
    "glm": Shape(
        "glm",
        [EOT, "[gMASK]", "<sop>", "<|user|>", "<|assistant|>"],
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOT, "pad_token": EOT},
        start="[gMASK]<sop>",
        rules=QWEN,
        before=["[gMASK]", "<sop>"],
        chat="[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    ),
}


def write_shape(name: str, folder: Path) -> Path:
    """Write such a folder's config.json, tokenizer.json, settings and chat template."""
    shape = SHAPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(_tokenizer_json(name), encoding="utf-8")
    settings = shape.settings | ({"chat_template": shape.chat} if shape.chat else {})
    for file, content in (
        ("tokenizer_config.json", settings),
        ("config.json", {"model_type": shape.model_type}),
    ):
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
    return folder


@functools.cache
def _tokenizer_json(name: str) -> str:
    """The content of its tokenizer.json."""
    shape = SHAPES[name]
    made = {"prepend": _pieces, "metaspace": _pieces, "gemma": _pieces}.get(shape.rules, _bytes)
    engine = made(shape)
    template = " ".join(["{before}", "$A", "{after}"])
    single = template.format(before=" ".join(shape.before), after=" ".join(shape.after)).split()
    if shape.before or shape.after:
        named = {each: engine.token_to_id(each) for each in [*shape.before, *shape.after]}
        added = processors.TemplateProcessing(
            single=" ".join(single),
            pair=" ".join([*single, *(part.replace("$A", "$B") for part in single)]),
            special_tokens=[*named.items()],
        )
        is_bytes = made is _bytes
        trimming = [processors.ByteLevel(trim_offsets=False)] if is_bytes else []
        engine.post_processor = processors.Sequence([*trimming, added]) if is_bytes else added
    elif made is _bytes:
        engine.post_processor = processors.ByteLevel(trim_offsets=False)
    return engine.to_str()


def _bytes(shape: Shape) -> tokenizers.Tokenizer:
    """Pairs of bytes, with the split of the shape."""
    engine = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if shape.rules == "falcon":
        steps = [
            pre_tokenizers.Punctuation("contiguous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Split(tokenizers.Regex("[0-9][0-9][0-9]"), "isolated"),
        ]
    elif shape.rules.startswith("bytes"):
        steps = [pre_tokenizers.ByteLevel(add_prefix_space=shape.rules == "bytes with space")]
    else:
        split = pre_tokenizers.Split(tokenizers.Regex(shape.rules), "isolated")
        steps = [split, byte_level]
    engine.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=shape.specials,
        show_progress=False,
    )
    engine.train_from_iterator(toy_texts(), trainer)
    return engine


def _pieces(shape: Shape) -> tokenizers.Tokenizer:
    """Pairs of characters with "▁" for a space, and bytes, as SentencePiece's BPE."""
    engine = tokenizers.Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    engine.normalizer = normalizers.Replace(" ", "▁")
    engine.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence(steps)
    letters = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES, special_tokens=[*shape.specials, *letters], show_progress=False
    )
    engine.train_from_iterator(toy_texts(), trainer)
    described = json.loads(engine.to_str())
    described["added_tokens"] = described["added_tokens"][: len(shape.specials)]
    engine = tokenizers.Tokenizer.from_str(json.dumps(described))
    if shape.rules == "gemma":
        return engine
    if shape.rules == "prepend":
        engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), engine.normalizer])
        engine.pre_tokenizer = None
    else:
        engine.normalizer = None
        engine.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    return engine
