"""How published tokenizers cut a text before they merge, as their `tokenizer.json` writes it.

Source: the tokenizer.json of each model family on the Hugging Face hub.
"""

import functools
import json
from dataclasses import dataclass, field
from typing import Any

import tokenizers
from tokenizers import models, trainers
from toys import toy_texts

from endonym.export.gguf.splits import SPLITS
from endonym.tokenizer.tokenizer import Tokenizer

Rule = dict[str, Any]
END = "<|endoftext|>"
CODE = [
    "def area(width, height):\n    return width * height  # in m²\n\n\nprint(area(12, 345))",
    "for (int i = 0; i < 1000; i++) {\n\ttotal += values[i] / 3.14159;\r\n}",
    "SELECT name, COUNT(*) FROM users WHERE year >= 2024 GROUP BY name;",
    "Don't, we've, I'M, THEY'LL: 1234567 people, 12:30, 1,234,567.89 and 2024.",
    "iPhone HTTPServer getURL aB /usr/lib//x86 https://example.org/a?b=c&d=e#f",
]
EACH_DIGIT = {"type": "Digits", "individual_digits": True}
NFC = {"type": "NFC"}
SPACE = "\u2581"
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
SENTENCEPIECE = {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}


def split(pattern: str, behavior: str = "Isolated", *, invert: bool = False) -> Rule:
    """A step that cuts at a regular expression."""
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": behavior,
        "invert": invert,
    }


def byte_level(*, use_regex: bool) -> Rule:
    """The step that writes bytes as letters; with its regular expression it cuts as GPT-2 does."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def sequence(*steps: Rule) -> Rule:
    """Several steps."""
    return {"type": "Sequence", "pretokenizers": list(steps)}


def cut_by(*patterns: str) -> Rule:
    """Regular expressions, one after the other, and then bytes."""
    return sequence(*map(split, patterns), byte_level(use_regex=False))


@dataclass(frozen=True)
class Shape:
    """A family's tokenizer. name: of llama.cpp's split; empty where several fit all its texts."""

    name: str
    pre_tokenizer: Rule | None
    normalizer: Rule | None = None
    ignore_merges: bool = False
    model: Rule = field(default_factory=dict[str, Any])


ANY_CASE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
END_OF_GPT4 = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}" + END_OF_GPT4
QWEN2 = rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}" + END_OF_GPT4
QWEN35 = (
    rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ONE_MORE = r"[^\r\n\p{L}\p{N}]?"
END_OF_O200K = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (
    f"{ONE_MORE}{UPPER}*{LOWER}+{ANY_CASE}?|{ONE_MORE}{UPPER}+{LOWER}*{ANY_CASE}?"
    r"|\p{N}{1,3}" + END_OF_O200K
)
TEKKEN = rf"{ONE_MORE}{UPPER}*{LOWER}+|{ONE_MORE}{UPPER}+{LOWER}*|\p{{N}}" + END_OF_O200K
SEED = (
    rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1}}"
    r"| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BAILING = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)
CJK = "[一-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK_V3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
ASIA = "[一-\u9fa5\u0800-一가-\ud7ff]+"
CASED = next(one.patterns[1] for one in SPLITS if one.name == "deepseek-llm")
"""A list of more than a thousand letters with two cases, which llama.cpp has as DeepSeek has it."""
SIGNS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"

SHAPES = {
    "GPT-2": Shape("gpt-2", byte_level(use_regex=True)),
    "OLMo": Shape("gpt-2", byte_level(use_regex=True), NFC),
    "Llama 3": Shape("llama-bpe", cut_by(CL100K), ignore_merges=True),
    "DBRX": Shape("smaug-bpe", cut_by(CL100K)),
    "Qwen 3": Shape("qwen2", cut_by(QWEN2), NFC),
    "Qwen 3.5": Shape("qwen35", cut_by(QWEN35), NFC),
    "SmolLM": Shape("smollm", sequence(EACH_DIGIT, byte_level(use_regex=True))),
    "Command R": Shape("smollm", sequence(EACH_DIGIT, byte_level(use_regex=True)), NFC),
    "DeepSeek LLM": Shape(
        "deepseek-llm",
        sequence(
            *map(split, (r"[\r\n]", CASED, SIGNS, r"\s+$", ASIA)),
            EACH_DIGIT,
            byte_level(use_regex=False),
        ),
    ),
    "DeepSeek Coder": Shape(
        "deepseek-coder",
        sequence(
            *map(split, (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", ASIA)),
            EACH_DIGIT,
            byte_level(use_regex=False),
        ),
    ),
    "DeepSeek V3": Shape("deepseek-v3", cut_by(r"\p{N}{1,3}", CJK, DEEPSEEK_V3)),
    "Falcon": Shape(
        "falcon",
        sequence(
            {"type": "Punctuation", "behavior": "Contiguous"},
            byte_level(use_regex=True),
            {"type": "Digits", "individual_digits": False},
            split("[0-9][0-9][0-9]"),
        ),
    ),
    "BLOOM": Shape("bloom", cut_by(BLOOM)),
    "Viking": Shape("viking", sequence(split(BLOOM), EACH_DIGIT, byte_level(use_regex=False)), NFC),
    "GPT-4o": Shape("", cut_by(O200K)),
    "Mistral Nemo": Shape("tekken", cut_by(TEKKEN), ignore_merges=True),
    "SuperBPE": Shape("superbpe", cut_by(r"\p{N}+", r"(?=(\d{3})+(?!\d))")),
    "Seed-Coder": Shape("seed-coder", cut_by(SEED)),
    "Ling": Shape("", cut_by(BAILING)),
    "Gemma": Shape(
        "sarvam-moe",
        split(" ", "MergedWithPrevious") | {"pattern": {"String": " "}},
        SPACES,
        model=SENTENCEPIECE,
    ),
    "Llama 2": Shape("sarvam-moe", None, SPACES, model=SENTENCEPIECE),
}
SAME_RULE = {
    "matches are what is not removed": Shape(
        "llama-bpe",
        sequence(split(CL100K, "Removed", invert=True), byte_level(use_regex=False)),
        ignore_merges=True,
    ),
    "GPT-2's expression written out, digits by an expression": Shape(
        "smollm",
        cut_by(
            r"\p{N}", r"'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
        ),
    ),
    "other names for the same classes": Shape(
        "qwen2",
        cut_by(
            r"'(?i:[stmd]|re|ve|ll)|[^\r\n\p{Letter}\p{Number}]?\p{Letter}+|\p{Number}"
            + END_OF_GPT4.replace(r"\p{L}", r"\p{Letter}")
        ),
    ),
}


def rules_of(shape: Shape) -> Rule:
    """A `tokenizer.json` of this shape that has no tokens yet."""
    decoder = byte_level(use_regex=True)
    if shape.model:
        replace = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
        steps = [replace, {"type": "ByteFallback"}, {"type": "Fuse"}]
        decoder = {"type": "Sequence", "decoders": steps}
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": shape.normalizer,
        "pre_tokenizer": shape.pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
    }


@functools.cache
def tokenizer_of(name: str, vocab: int = 1_500) -> Tokenizer:
    """A tokenizer of a published shape, trained on the sentences of the tests and some code."""
    shape = (SHAPES | SAME_RULE)[name]
    rules = json.loads(tokenizers.Tokenizer(models.BPE()).to_str()) | rules_of(shape)
    trained = tokenizers.Tokenizer.from_str(json.dumps(rules))
    letters = [] if shape.model else tokenizers.pre_tokenizers.ByteLevel.alphabet()
    specials = [END]
    if shape.model:
        specials += ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=letters, special_tokens=specials, show_progress=False
    )
    if shape.model:  # no token of theirs reaches over the end of a line
        trained.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("\n+"), "isolated")
    trained.train_from_iterator([*toy_texts(), *CODE], trainer)
    described = json.loads(trained.to_str())
    described["pre_tokenizer"] = shape.pre_tokenizer
    described["added_tokens"] = described["added_tokens"][: 2 if shape.model else 1]
    described["model"] |= {"ignore_merges": shape.ignore_merges} | shape.model
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)))
