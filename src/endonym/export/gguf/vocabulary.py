"""A tokenizer in the terms of llama.cpp, which has a fixed list of tokenizers and of splits.

Imports no torch. Source: `src/llama-vocab.cpp` of llama.cpp.
"""

import json
from dataclasses import dataclass
from typing import Any

from endonym.errors import EndonymError
from endonym.export.gguf.splits import Imitation, imitation_of
from endonym.export.refusals import refusal
from endonym.tokenizer.kinds import GGUF_SCALE, gguf_scores, kind_of
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer
from endonym.tokenizer.unigram import NEVER

NORMAL, CONTROL, ADDED, UNUSED, BYTE = 1, 3, 4, 5, 6
"""llama.cpp's `llama_token_type`."""
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
    added = {each["id"]: each["special"] for each in described["added_tokens"]}
    tokens, types = _tokens(tokenizer, added, size)
    keys = {"tokens": tokens, "token_type": types}
    model = described["model"]
    if model["type"] == "BPE" and (model["merges"] or not model.get("byte_fallback")):
        merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
        split = _imitation(tokenizer).split.name
        return {"model": "gpt2", "pre": split, **keys, "merges": merges or [NO_MERGE]}
    if described.get("normalizer") is not None:
        raise _unknown(f"the normalizer {described['normalizer'].get('type')}")
    return {"model": "plamo2", **keys, "scores": _scores(tokenizer, model, size)}


def _imitation(tokenizer: Tokenizer) -> Imitation:
    """A tokenizer of merges as llama.cpp reads texts with it. Raises ExportError if it cannot."""
    described: dict[str, Any] = json.loads(tokenizer.to_json())
    model = described["model"]
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise _unknown("letters that mark where a word starts or ends")
    found = imitation_of(tokenizer)
    if isinstance(found, Imitation):
        return found
    rules = [described.get("normalizer"), described.get("pre_tokenizer")]
    steps = ", ".join(_shown(rule) for rule in rules if rule) or "nothing"
    about = {"steps": steps, "nearest": found.nearest, "text": found.text}
    raise refusal("split_not_in_llama_cpp", "export gguf", **about)


def _shown(rule: dict[str, Any]) -> str:
    """A rule in one line."""
    parts = rule.get("pretokenizers") or rule.get("normalizers")
    if parts:
        return ", ".join(map(_shown, parts))
    pattern = rule.get("pattern")
    return " ".join([rule["type"], *map(repr, (pattern or {}).values())])


def _scores(tokenizer: Tokenizer, model: dict[str, Any], size: int) -> list[float]:
    """The scores of all ids for plamo2. No text is cut into unused ids."""
    if kind_of(tokenizer) == "unigram":
        scores = gguf_scores(tokenizer)
    elif model["type"] == "BPE" and model.get("byte_fallback") and not model["merges"]:
        scores = [-1.0] * size  # Characters, as endonym made them before they were merges of bytes.
    else:
        raise _unknown(f"a {model['type']} of this kind")
    return scores + [NEVER / GGUF_SCALE] * (size - len(scores))


@dataclass(frozen=True, slots=True)
class Reading:
    """What llama.cpp reads otherwise than a tokenizer.

    dropped: what it takes away from the start of a text. imitation: the tokenizer as llama.cpp
    reads texts with it; None if it gives the same ids to every kind of text.
    """

    dropped: str = ""
    imitation: Imitation | None = None

    def limits(self) -> list[str]:
        """The same in words, a line for each."""
        if self.dropped:
            return [BYTE_ORDER_MARK]
        kinds = self.imitation.limits if self.imitation else ()
        return [f"llama.cpp may give other ids to {kind}" for kind in kinds]


def reading_of(tokenizer: Tokenizer) -> Reading:
    """How llama.cpp reads texts with a tokenizer.

    Raises ExportError for a tokenizer that llama.cpp does not have.
    """
    if vocabulary_of(tokenizer, tokenizer.vocab)["model"] != "gpt2":
        return Reading(dropped="\ufeff")
    found = _imitation(tokenizer)
    return Reading(imitation=found if found.limits else None)


def _tokens(tokenizer: Tokenizer, added: dict[int, bool], size: int) -> tuple[list[str], list[int]]:
    """Every id's token and type; ids that stand for nothing are unused.

    added: of each added token whether it is special, by id.
    """
    tokens: list[str] = []
    types: list[int] = []
    for index in range(size):
        token = tokenizer.name_of(index)
        kind = NORMAL
        if token is None:
            token = f"[unused {index}]"
            kind = UNUSED
        elif index in added:
            kind = CONTROL if added[index] else ADDED
        elif BYTE_TOKEN.fullmatch(token) and len(tokenizer.bytes_of(index)) == 1:
            kind = BYTE
        tokens.append(token)
        types.append(kind)
    return tokens, types


def _unknown(what: str) -> EndonymError:
    return refusal("tokenizer_not_in_llama_cpp", "export gguf", what=what)
