"""Bits per byte of a text by torch and transformers alone: nothing of endonym is imported.

A text's documents stand between blank lines. A document is read after the token that starts one
(`document_start`), which is given and counts for nothing; the end-of-text that would close it is
not asked for. The model sees at most its context, or 2,048 tokens; one of states sees all. A
document that is no longer is seen whole; else the first window holds as many tokens as the model
can see, and each window after it lies half a context further on, the last one as far as the
document goes. A token is predicted in the first window that holds it, from all that stands before
it there. Bytes are those of the documents in UTF-8, each once.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import nn

LONGEST_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Judged:
    """What the documents cost a model, and their sizes."""

    nats: float
    n_documents: int
    n_bytes: int
    n_chars: int
    n_tokens: int

    def metrics(self) -> dict[str, float]:
        """The same, each over its own size."""
        bits = self.nats / math.log(2)
        return {
            "bits_per_byte": bits / self.n_bytes,
            "bits_per_character": bits / self.n_chars,
            "nats_per_token": self.nats / self.n_tokens,
        }


def judge(folder: Path, text: str) -> Judged:
    """Read the documents of a text with the model in a folder of transformers, one by one.

    Raises ValueError if the tokenizer does not give a document back as it was.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    # A state has no end: such a model is given each document whole.
    if model.config.model_type in ("mamba", "mamba2"):
        context = sys.maxsize
    else:
        context = min(model.config.max_position_embeddings, LONGEST_CONTEXT)
    start = document_start(tokenizer)
    nats, n_tokens, documents = 0.0, 0, split(text)
    for document in documents:
        ids = tokenizer(document, add_special_tokens=False)["input_ids"]
        if tokenizer.decode(ids, clean_up_tokenization_spaces=False) != document:
            raise ValueError(f"the tokenizer changes {document[:80]!r}")
        nats += sum(costs(model, [start, *ids], context))
        n_tokens += len(ids)
    return Judged(
        nats,
        n_documents=len(documents),
        n_bytes=sum(len(document.encode("utf-8")) for document in documents),
        n_chars=sum(map(len, documents)),
        n_tokens=n_tokens,
    )


def document_start(tokenizer: Any) -> int:
    """What the tokenizer puts before a text, else what stood between documents, else bos or eos."""
    whole, bare = (tokenizer("a", add_special_tokens=adds)["input_ids"] for adds in (True, False))
    if whole[: len(bare)] != bare:
        return whole[0]
    if "<|endoftext|>" in tokenizer.get_vocab():
        return tokenizer.convert_tokens_to_ids("<|endoftext|>")
    return tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id


def split(text: str) -> list[str]:
    """The documents: what lies between blank lines, as it stands there, without what is empty.

    A blank line holds nothing but white space, between two line ends; both belong to no document.
    A text's first line follows no line end and its last has none, so these two are never blank.
    """
    lines = text.split("\n")
    found: list[list[str]] = [[]]
    for number, line in enumerate(lines):
        if 0 < number < len(lines) - 1 and not line.strip():
            found.append([])
        else:
            found[-1].append(line)
    documents = ["\n".join(group) for group in found]
    return [document for document in documents if document.strip()]


@torch.inference_mode()
def costs(model: nn.Module, row: list[int], context: int) -> Iterator[float]:
    """Nats of each token of a row after its first, in fp64 from the model's logits."""
    positions = range(1, len(row))
    for (begin, end), group in groupby(positions, lambda i: window(i, len(row), context)):
        logits_TV = model(torch.tensor([row[begin:end]])).logits[0]
        shares_TV = logits_TV.double().log_softmax(-1)
        for position in group:
            yield -float(shares_TV[position - 1 - begin, row[position]])


def window(position: int, length: int, context: int) -> tuple[int, int]:
    """The window in which the token at this position of a row is predicted: begin and end."""
    if length <= context or position < context:
        return 0, min(length, context)
    stride = context // 2
    moves = (position - context) // stride + 1
    end = min(length, context + moves * stride)
    return end - context, end
