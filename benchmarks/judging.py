"""Judging any model on held-out text, by document and by block.

A block is a stretch of consecutive documents of one list of sentences, joined by line ends; texts
without such a list have none.
"""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from runs import Row, bits_rows

from endonym.data.shards import TokenShards
from endonym.evaluate import bits
from endonym.evaluate.bits import Texts
from endonym.generate.reading import read_nats
from endonym.tokenizer.tokenizer import Tokenizer


def held_texts(
    shards: TokenShards, tokenizer: Tokenizer, join: Collection[str] = ()
) -> dict[str, Texts]:
    """The documents of a split, and its blocks where there are any. join: the sources with some."""
    found = {"document": bits.held_out_texts(shards, tokenizer)}
    if join:
        found["block"] = bits.blocks_of(shards, tokenizer, join)
    return found


def judged(model: Any, texts: Texts, split: str) -> list[Row]:
    """Rows of bits per byte as `run --json` has them: the mean over sources, all, and each source.

    model: what `generate.reading.read_nats` reads.
    """
    measured = texts.measured(list(read_nats(model, texts.ids, texts.tokenizer.document_start)))
    scores = bits.by_source(texts, measured, model="model", split=split)
    return bits_rows([asdict(score) for score in scores])
