"""A file for FUTO Keyboard as other programs read it: SentencePiece its text, llama.cpp its ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym import device
from endonym.generate.llama_cpp import LlamaCpp, version

TOKENIZER = "keyboardlm.ext_tokenizer_data"
PROBE = "1 һ"
"""A text without specials, whose ids with specials are compared."""


def tokenizer_in(path: Path) -> bytes | None:
    """The SentencePiece model in a GGUF file; None if it was not written for the keyboard."""
    import gguf

    field = gguf.GGUFReader(path).get_field(TOKENIZER)
    return None if field is None else bytes(field.contents())


class KeyboardFile:
    """Such a file. tokenizer: its SentencePiece model. A row of ids has up to `context`."""

    def __init__(self, path: Path, tokenizer: bytes, context: int) -> None:
        import sentencepiece

        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=tokenizer)
        self._engine = LlamaCpp(path, context=context, threads=device.threads())
        self.name = f"sentencepiece {sentencepiece.__version__} and llama.cpp {version()}"
        self.vocab = self._engine.vocab
        self.logits = self._engine.logits
        self.close = self._engine.close

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without specials."""
        return self._pieces.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self._pieces.decode(list(ids))

    def settings(self) -> dict[str, Any]:
        """What the keyboard does before a text, and what the file says of the model."""
        return {
            "start": [self._pieces.bos_id(), *self.encode(PROBE)],
            "end": self._engine.end_id,
            "context": self._engine.trained_context,
        }
