"""A decoder with its tokenizer: what people mean by a language model."""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from endonym.errors import Damaged
from endonym.generate.reading import read
from endonym.generate.sample import Sampling, choose
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.span import Span
from endonym.model.weights import load_decoder
from endonym.tokenizer.tokenizer import Tokenizer


@dataclass(slots=True)
class Continuation:
    """A text in the making: iterate it for its pieces, then read what came of it.

    finish_reason: "end" when the model closed the document, "length" when it was cut off.
    """

    pieces: Iterator[str]
    ids: list[int] = field(default_factory=list)
    finish_reason: str = "length"

    def __iter__(self) -> Iterator[str]:
        return self.pieces


class LanguageModel:
    """Continues texts and scores them."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer) -> None:
        self.decoder = decoder.eval()
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "LanguageModel":
        """Read a model artefact: config.json, weights.safetensors, tokenizer.json.

        Raises Damaged if the parts do not fit together.
        """
        config = ModelConfig.from_json(json.loads((folder / "config.json").read_text("utf-8")))
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        if tokenizer.vocab != config.vocab:
            raise Damaged(
                f"a vocabulary of {tokenizer.vocab} beside a model of {config.vocab}",
                where=str(folder),
                do="The tokenizer is not the one this model was trained with.",
            )
        decoder = load_decoder(config, folder / "weights.safetensors")
        return cls(decoder.to(device), tokenizer)

    def generate(
        self, prompt: str, *, max_tokens: int = 200, sampling: Sampling | None = None
    ) -> str:
        """The continuation of a prompt, as one string."""
        return "".join(self.stream(prompt, max_tokens=max_tokens, sampling=sampling))

    def stream(
        self, prompt: str, *, max_tokens: int = 200, sampling: Sampling | None = None
    ) -> Continuation:
        """The continuation of a prompt, piece by piece.

        The prompt opens a document: end-of-text stands before it and never after it. A piece is
        given out when its last letter is whole, and half a letter at the end is left out. When the
        context is full, the model goes on from the second half of what it has.
        """
        continuation = Continuation(iter(()))
        continuation.pieces = self._pieces(prompt, max_tokens, sampling or Sampling(), continuation)
        return continuation

    def score(self, text: str) -> float:
        """Bits per byte of one document. Zero for an empty one."""
        ids = np.array(self.tokenizer.encode(text), dtype=np.int64)
        (nats,) = read(self.decoder, [ids], self.tokenizer.end_id)
        return float(nats.sum()) / np.log(2) / max(1, len(text.encode("utf-8")))

    def _pieces(
        self, prompt: str, max_tokens: int, sampling: Sampling, continuation: Continuation
    ) -> Iterator[str]:
        letters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        ids = [self.tokenizer.end_id, *self.tokenizer.encode(prompt)]
        for index in self._ids(ids, max_tokens, sampling):
            if index == self.tokenizer.end_id:
                continuation.finish_reason = "end"
                break
            continuation.ids.append(index)
            piece = letters.decode(self.tokenizer.bytes_of(index))
            if piece:
                yield piece

    def _ids(self, ids: list[int], max_tokens: int, sampling: Sampling) -> Iterator[int]:
        """Chosen tokens, one by one; at most `max_tokens`."""
        generator = torch.Generator().manual_seed(sampling.seed)
        context = self.decoder.config.context
        cache, past = None, 0
        for _ in range(max_tokens):
            if cache is None or len(ids) > context:
                if len(ids) > context:
                    ids = ids[-max(1, context // 2) :]
                cache, past = self.decoder.empty_cache(1, context), 0
            logits_V = self._next_logits(ids[past:], past, cache)
            past = len(ids)
            # The end-of-text that opens the document is no part of the text so far.
            seen = torch.tensor(sorted({*ids} - {self.tokenizer.end_id}), dtype=torch.int64)
            chosen = choose(logits_V, seen, sampling, generator)
            yield chosen
            ids = [*ids, chosen]

    @torch.inference_mode()
    def _next_logits(self, new: list[int], past: int, cache: object) -> Tensor:
        """Logits after the last of the new tokens; the cache takes them in."""
        device = self.decoder.head_weight_VD.device
        tokens_BT = torch.tensor([new], device=device)
        hidden_BTD, _ = self.decoder(tokens_BT, Span.after(past, tokens_BT), cache)
        return (hidden_BTD[0, -1] @ self.decoder.head_weight_VD.T).cpu()
