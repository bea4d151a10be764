"""Text to ids and back: a `tokenizer.json`, and how many bytes each id stands for."""

import functools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from endonym.errors import TokenizerError

END_OF_TEXT = "<|endoftext|>"
BATCH_DOCUMENTS = 256


@functools.cache
def byte_alphabet() -> dict[str, int]:
    """The printable letter that stands for each byte in a byte-level `tokenizer.json`.

    Bytes that print stand for themselves, the others take the letters from U+0100 on: GPT-2's
    convention, which every reader of the format shares.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    letters = {chr(byte): byte for byte in printing}
    return letters | {chr(0x100 + place): byte for place, byte in enumerate(others)}


class Tokenizer:
    """A lossless map between text and ids. Specials in plain text stay plain text."""

    def __init__(self, engine: tokenizers.Tokenizer) -> None:
        engine.encode_special_tokens = True
        self._engine = engine
        self.vocab: int = engine.get_vocab_size(with_added_tokens=True)
        end = engine.token_to_id(END_OF_TEXT)
        if end is None:
            raise TokenizerError(f"the tokenizer has no {END_OF_TEXT}")
        self.end_id: int = end
        self._bytes = _bytes_of_ids(engine, self.vocab)
        self.byte_counts = np.array([len(piece) for piece in self._bytes], dtype=np.int64)
        self.char_counts = np.array(
            [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self._bytes], dtype=np.int64
        )

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.json`. Raises TokenizerError if it is not one."""
        try:
            return cls(tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise TokenizerError(str(error), where=str(path)) from error
        except Exception as error:
            # The library raises bare Exception for a file it cannot parse.
            if type(error) is not Exception:
                raise
            raise TokenizerError(f"no tokenizer.json: {error}", where=str(path)) from error

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without any special."""
        return self._engine.encode(text, add_special_tokens=False).ids

    def encode_many(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The ids of each text, on all cores."""
        encodings = self._engine.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids. Bytes that are no UTF-8 (a cut-off letter) show as U+FFFD."""
        return b"".join(self._bytes[index] for index in ids).decode("utf-8", errors="replace")

    def bytes_of(self, index: int) -> bytes:
        """The bytes that one id stands for; none for a special."""
        return self._bytes[index]

    def token(self, index: int) -> str:
        """An id as people read it: its text, or its bytes where it is only part of a letter."""
        piece = self._bytes[index]
        if not piece:
            return str(self._engine.id_to_token(index))
        try:
            return piece.decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<{byte:02X}>" for byte in piece)

    def to_json(self) -> str:
        """The `tokenizer.json`, readable and ended by a newline."""
        return str(self._engine.to_str(pretty=True)) + "\n"

    def check_lossless(self, texts: Iterable[str]) -> None:
        """Raise TokenizerError with the first text that does not come back as it was."""
        for text in texts:
            for reader in (self.decode, self._engine.decode):
                back = reader(self.encode(text))
                if back != text:
                    place = next(
                        (n for n, (a, b) in enumerate(zip(text, back, strict=False)) if a != b),
                        min(len(text), len(back)),
                    )
                    raise TokenizerError(
                        f"{text[place : place + 20]!r} comes back as {back[place : place + 20]!r}",
                        where=f"character {place} of {text[:40]!r}",
                        do="A tokenizer that loses text cannot be measured; nothing was kept.",
                    )


def _bytes_of_ids(engine: tokenizers.Tokenizer, vocab: int) -> list[bytes]:
    """What every id stands for, read from the tokenizer's own description."""
    description: dict[str, Any] = json.loads(engine.to_str())
    specials = {entry["id"] for entry in description["added_tokens"] if entry["special"]}
    by_characters = bool(description["model"].get("byte_fallback"))
    alphabet = byte_alphabet()
    pieces: list[bytes] = []
    for index in range(vocab):
        token = str(engine.id_to_token(index))
        if index in specials:
            pieces.append(b"")
        elif by_characters:
            is_byte = len(token) == 6 and token.startswith("<0x")
            pieces.append(bytes([int(token[3:5], 16)]) if is_byte else token.encode("utf-8"))
        else:
            pieces.append(bytes(alphabet[letter] for letter in token))
    return pieces
