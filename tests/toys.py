"""Small decoders, tokenizers and shards, for tests that need real ones but not a real size."""

import functools
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.model.config import FfnKeys, MixerKeys, ModelConfig, ModelKeys
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES, resolve
from endonym.model.init import new_decoder
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.train.config import Phase, TrainConfig, resolve_phase

END = 0
CHAT_KINDS = ("bpe", "unigram", "char", "byte")
"""The kinds with tokens for turns."""
KINDS = (*CHAT_KINDS, "keyboard")
VOCABS = {"bpe": 400, "unigram": 400, "keyboard": 640}
SMALL_SETS = (
    "tokenizer.vocab=400",
    "pack.context=32",
    "model.dim=32",
    "model.layers=1",
    "model.mixer.heads=1",
    "phase.0.tokens=6400",
    "phase.0.batch_tokens=128",
)
"""Overrides under which a recipe of `new` trains in seconds."""
TEXTS = Path(__file__).parent / "texts"


def toy_texts() -> list[str]:
    """Hand-written sentences in four languages."""
    paths = sorted(TEXTS.glob("*.txt"))
    return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


@functools.cache
def toy_tokenizer(kind: str) -> Tokenizer:
    """A tokenizer of each kind, trained on those sentences."""
    config = TokenizerConfig.model_validate({"kind": kind, "vocab": VOCABS.get(kind)})
    return train_tokenizer(config, lambda: iter(toy_texts()))


def train_config(*, context: int = 16, positions: int = 1000, **keys: object) -> TrainConfig:
    """A phase of training, resolved: one step in fp32 at 1e-3, unless keys of a phase say more."""
    has_budget = not {"steps", "tokens", "epochs"}.isdisjoint(keys)
    usual = {"lr": 1e-3, "number_format": "fp32"} | ({} if has_budget else {"steps": 1})
    return resolve_phase(Phase.model_validate(usual | keys), context=context, positions=positions)


class IdTokenizer:
    """Reads `"5 7 7"` as the ids 5, 7, 7: shards can be written without any text."""

    def __init__(self, vocab: int, line_end: int | None = None) -> None:
        self.vocab, self.end_id = vocab, END
        self.document_start, self.spaces_before = (END,), ""
        self.line_end_id = line_end
        self.byte_counts = np.array([0] + [1 + index % 3 for index in range(1, vocab)])
        self.char_counts = np.array([0] + [1] * (vocab - 1))

    def encode_documents(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The numbers of each text."""
        return [np.array(text.split(), dtype=np.int64) for text in texts]


def write_toy_shards(
    folder: Path,
    train: Sequence[Sequence[int]],
    dev: Sequence[Sequence[int]] = (),
    *,
    vocab: int,
    sources: Sequence[str] = ("letters",),
    line_end: int | None = None,
    positions: Sequence[int] | None = None,
) -> tuple[TokenShards, TokenShards]:
    """Train and dev shards of documents given as ids.

    Document n belongs to source n modulo their number, and to block n; its position in the corpus
    is `positions[n]`, or n.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = {"train": train, "dev": dev, "test": ()}
    names = list(dict.fromkeys(sources))

    def pieces(split: str) -> list[ShardDocument]:
        at = range(len(documents[split])) if positions is None else positions
        return [
            ShardDocument(sources[n % len(sources)], " ".join(map(str, ids)), n, at[n])
            for n, ids in enumerate(documents[split])
        ]

    tokenizer = IdTokenizer(vocab, line_end)
    write_shards(folder, tokenizer, names, pieces, advance=lambda n: None)
    return TokenShards(folder, "train"), TokenShards(folder, "dev")


def distinct_documents(lengths: Sequence[int]) -> tuple[list[list[int]], int]:
    """Documents of these lengths in which no id stands twice, and the vocabulary they need."""
    starts = np.cumsum([1, *lengths])
    documents = [list(range(a, b)) for a, b in pairwise(starts.tolist())]
    return documents, int(starts[-1]) + 1


def toy_config(
    family: str = "qwen3",
    *,
    vocab: int = 40,
    context: int = 16,
    layers: int = 2,
    dropout: float = 0.0,
    attention_dropout: float | None = None,
) -> ModelConfig:
    """Layers of sixteen channels."""
    mixers = {
        "attention": MixerKeys(heads=2),
        "mamba": MixerKeys(state=4),
        "mamba2": MixerKeys(state=4, head_width=8),
    }
    kind = FAMILIES[family].mixer
    keys = ModelKeys(
        family=family,
        dim=16,
        layers=layers,
        mixer=mixers[kind],
        ffn=FfnKeys(hidden=32) if kind == "attention" else FfnKeys(),
        dropout=dropout,
        attention_dropout=attention_dropout,
    )
    return resolve(keys, vocab=vocab, context=context)


def toy_decoder(config: ModelConfig | None = None, *, seed: int = 0) -> Decoder:
    """A decoder as training begins it: its residual branches are zero."""
    return new_decoder(config or toy_config(), seed)


def lively_decoder(
    config: ModelConfig | None = None, *, seed: int = 0, noise: float = 0.3
) -> Decoder:
    """A decoder whose every weight counts, in evaluation mode, as if it had been trained."""
    decoder = toy_decoder(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter += noise * torch.randn(parameter.shape, generator=generator)
    return decoder.eval()
