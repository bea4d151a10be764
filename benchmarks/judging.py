"""Judging any model on held-out text, by document and by block, with what each text cost it.

A block is a stretch of consecutive documents of one list of sentences, joined by line ends; texts
without such a list have none.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from runs import Row, bits_rows

from endonym.data.shards import TokenShards
from endonym.evaluate import bits, documents
from endonym.evaluate.bits import Texts
from endonym.generate.reading import read_nats
from endonym.tokenizer.tokenizer import Tokenizer

TEXTS = ("document", "block")
"""How held-out text is read: each document alone, or neighbours of a list together."""


def held_texts(
    shards: TokenShards, tokenizer: Tokenizer, join: Collection[str] = ()
) -> dict[str, Texts]:
    """The documents of a split, and its blocks where there are any. join: the sources with some."""
    found = {"document": bits.held_out_texts(shards, tokenizer)}
    if join:
        found["block"] = bits.blocks_of(shards, tokenizer, join)
    return found


def judged(model: Any, texts: Texts, split: str, out: Path) -> list[Row]:
    """Rows of bits per byte as `run --json` has them: the mean over sources, all, and each source.

    What each text cost is kept in `out`, so that another model can be set beside it. model: what
    `generate.reading.read_nats` reads.
    """
    measured = texts.measured(list(read_nats(model, texts.ids, texts.tokenizer.end_id)))
    each = documents.documents(texts.each(), texts.sources, measured, texts.in_mean())
    np.save(out, each, allow_pickle=False)
    found = bits.by_source(texts, measured, model="model", split=split)
    return bits_rows([score.as_dict() for score in found])


def difference(one: Path, other: Path) -> dict[str, float | None] | None:
    """What one model's texts cost less another's, paired; None if both do not stand here."""
    if not (one.is_file() and other.is_file()):
        return None
    pair = [documents.ordered(np.load(path, allow_pickle=False)) for path in (one, other)]
    if pair[0] is None or pair[1] is None or not documents.are_same(pair[0], pair[1]):
        return None
    value, low, high = documents.difference(pair[0], pair[1])
    return {"value": value, "low": low, "high": high}
