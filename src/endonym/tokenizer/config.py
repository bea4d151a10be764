"""What a recipe may say about its tokenizer."""

from typing import Literal

from pydantic import Field

from endonym.config import Config

BYTE_VOCAB = 257
"""The 256 bytes and the end of a text."""


class TokenizerConfig(Config):
    """How text becomes ids; every kind is lossless."""

    kind: Literal["bpe", "char", "byte"] = Field(
        default="bpe",
        description="what a token is\n"
        "    bpe: pairs of characters merged by frequency, never across a word's edge; rare "
        "characters as bytes\n"
        "    char: the characters of the corpus, others as bytes\n"
        "    byte: 256 bytes",
    )
    vocab: int | None = Field(
        default=None,
        ge=BYTE_VOCAB,
        le=1_000_000,
        description="ids in all, specials included; chosen from the amount of text if not given",
    )
    min_count: int = Field(
        default=2,
        ge=1,
        description="merge or keep only what stands at least this often in the corpus",
    )
    sample_bytes: int = Field(
        default=200_000_000,
        ge=1,
        description="train on at most this much text, spread evenly over the corpus",
    )
