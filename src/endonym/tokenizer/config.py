"""What a recipe may say about its tokenizer."""

from typing import Annotated, Literal

from pydantic import Field

from endonym.config import Config, optional

END_OF_TEXT = "<|endoftext|>"
SPECIALS = {"end_of_text": END_OF_TEXT, "turn_start": "<|im_start|>", "turn_end": "<|im_end|>"}
"""Special tokens by their names here; their ids are 0, 1, 2. In transformers, end_of_text is
eos_token and bos_token, and the others, which are for conversations, extra_special_tokens."""

SEPARATORS = (
    END_OF_TEXT,
    "<|end_of_text|>",
    "<|end_of_document|>",
    "<|endofdocument|>",
    "<|eod|>",
    "<eod>",
)
"""Special tokens that makers of models put between documents, the most usual first.

GPT-2, GPT-NeoX, Falcon, Qwen, Phi, OLMo, StarCoder and SmolLM2 have the first, Granite the second.
"""

BYTE_VOCAB = 256 + len(SPECIALS)
"""The 256 bytes and the special tokens."""


class TokenizerConfig(Config):
    """How text becomes ids; every kind is lossless."""

    kind: Literal["bpe", "unigram", "char", "byte", "keyboard"] = "bpe"
    """what a token is

    - bpe: pairs of characters merged by frequency, never across a word's edge; rare characters as
      bytes
    - unigram: pieces that make the text most probable, by sentencepiece; rare characters as bytes
    - char: the characters of the corpus, others as bytes
    - byte: 256 bytes
    - keyboard: unigram pieces that carry the blank behind them, and tokens of typed keys, as FUTO
      Keyboard has them; for `endonym export --to keyboard`
    """
    vocab: int | None = optional(ge=BYTE_VOCAB, le=1_000_000)
    """ids in all, specials included; chosen from the amount of text if not given"""
    min_count: int = Field(default=2, ge=1)
    """merge or keep only what stands at least this often in the corpus"""
    sample_bytes: int = Field(default=200_000_000, ge=1)
    """train on at most this much text, spread evenly over the corpus; a matter of time, memory is
    bounded without it
    """
    sources: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default={})
    """the share of each source in the bytes to train on, as `{khmer = 0.6, english = 0.4}`; sources
    without a share are left out; "*" stands for all that are not named
    """
    extend: int | None = optional("the folder's tokenizer stays as it is", ge=1, le=1_000_000)
    """with [model] folder: keep its tokenizer and add up to so many pieces of these texts

    - it must be a byte-level bpe. Instead, kind (and vocab) replaces it by a new one
    """
