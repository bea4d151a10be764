"""A tokenizer in the terms of llama.cpp, which has a fixed list of tokenizers and of splits.

Imports no torch. Source: `src/llama-vocab.cpp` of llama.cpp.
"""

import json
import re
from typing import Any

from endonym.errors import EndonymError
from endonym.export.refusals import refusal
from endonym.tokenizer.kinds import GGUF_SCALE, gguf_scores, kind_of
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer
from endonym.tokenizer.unigram import NEVER
from endonym.tokenizer.words import CONTRACTIONS, SPLIT

NORMAL, CONTROL, ADDED, UNUSED, BYTE = 1, 3, 4, 5, 6
"""llama.cpp's `llama_token_type`."""
_ANY_CASE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2_SPLIT = ""
"""The split that ByteLevel does by itself (`use_regex`)."""
SPLITS = {
    SPLIT: "qwen35",
    SPLIT.replace(CONTRACTIONS, _ANY_CASE): "qwen35",
    GPT2_SPLIT: "gpt-2",
    rf"{_ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
}
"""Splits that llama.cpp has, by its name; the ids are compared by `verify`."""
NO_MERGE = "no merges"
"""llama.cpp wants merges; this one never applies, since no byte is written by two letters."""
BYTE_ORDER_MARK = "llama.cpp drops a byte order mark (U+FEFF) at the very start of a text"


def vocabulary_of(tokenizer: Tokenizer, size: int) -> dict[str, Any]:
    """The keys below `tokenizer.ggml` of a tokenizer with `size` ids, as the model has rows.

    model: llama.cpp's tokenizer: gpt2, with a split `pre` and merges; or plamo2, with scores.
    Raises ExportError for a tokenizer that llama.cpp does not have.
    """
    described: dict[str, Any] = json.loads(tokenizer.to_json())
    for each in described["added_tokens"]:
        if not each["special"] and (each["lstrip"] or each["rstrip"] or each["single_word"]):
            raise _unknown(f"the added token {each['content']!r}, which minds what is around it")
    if described.get("normalizer") is not None:
        raise _unknown(f"the normalizer {described['normalizer'].get('type')}")
    added = {each["id"]: each["special"] for each in described["added_tokens"]}
    tokens, types = _tokens(tokenizer, added, size)
    keys, model = {"tokens": tokens, "token_type": types}, described["model"]
    if model["type"] == "BPE" and not (model.get("byte_fallback") or model.get("ignore_merges")):
        merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
        split = _split(described.get("pre_tokenizer"))
        return {"model": "gpt2", "pre": split, **keys, "merges": merges or [NO_MERGE]}
    return {"model": "plamo2", **keys, "scores": _scores(tokenizer, model, size)}


def _scores(tokenizer: Tokenizer, model: dict[str, Any], size: int) -> list[float]:
    """The scores of all ids for plamo2. No text is cut into unused ids."""
    if kind_of(tokenizer) == "unigram":
        scores = gguf_scores(tokenizer)
    elif model["type"] == "BPE" and model.get("byte_fallback") and not model["merges"]:
        scores = [-1.0] * size  # Characters, as endonym made them before they were merges of bytes.
    else:
        raise _unknown(f"a {model['type']} of this kind")
    return scores + [NEVER / GGUF_SCALE] * (size - len(scores))


def drops_of(tokenizer: Tokenizer) -> str:
    """What llama.cpp takes away from the start of a text with this tokenizer."""
    return "" if vocabulary_of(tokenizer, tokenizer.vocab)["model"] == "gpt2" else "\ufeff"


def _tokens(tokenizer: Tokenizer, added: dict[int, bool], size: int) -> tuple[list[str], list[int]]:
    """Every id's token and type; ids that stand for nothing are unused.

    added: of each added token whether it is special, by id.
    """
    tokens: list[str] = []
    types: list[int] = []
    for index in range(size):
        token, kind = tokenizer.name_of(index), NORMAL
        if token is None:
            token, kind = f"[unused {index}]", UNUSED
        elif index in added:
            kind = CONTROL if added[index] else ADDED
        elif BYTE_TOKEN.fullmatch(token) and len(tokenizer.bytes_of(index)) == 1:
            kind = BYTE
        tokens.append(token)
        types.append(kind)
    return tokens, types


def _split(described: dict[str, Any] | None) -> str:
    """llama.cpp's name of the split before byte-level pieces."""
    steps = [] if described is None else described.get("pretokenizers", [described])
    last = steps[-1] if steps else {"type": "nothing"}
    if last["type"] == "ByteLevel" and not last["add_prefix_space"]:
        pattern = GPT2_SPLIT if last.get("use_regex", True) else None
        if len(steps) == 2 and pattern is None:
            pattern = _isolating(steps[0])
        if len(steps) <= 2 and pattern in SPLITS and (pattern == GPT2_SPLIT) == (len(steps) == 1):
            return SPLITS[pattern]
    shown = re.sub(r"\s+", " ", ", ".join(str(_isolating(step) or step["type"]) for step in steps))
    raise _unknown(f"this split before the merges: {shown or 'none'}")


def _isolating(step: dict[str, Any]) -> str | None:
    """The regular expression of a step that makes a piece of each match."""
    if step["type"] == "Split" and step["behavior"] == "Isolated" and not step["invert"]:
        return step["pattern"].get("Regex")
    return None


def _unknown(what: str) -> EndonymError:
    return refusal("tokenizer_not_in_llama_cpp", "export gguf", what=what)
