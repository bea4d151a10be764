"""Text to ids and back: a `tokenizer.json`, and how many bytes each id stands for."""

import functools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from endonym.errors import TokenizerError

END_OF_TEXT = "<|endoftext|>"
BATCH_DOCUMENTS = 256
SETTINGS = "tokenizer_config.json"
DECODERS = ("ByteLevel", "ByteFallback", "Replace", "Metaspace", "Fuse", "Strip")
"""Fuse joins what is decoded. Strip takes a blank from the front: then the round trip fails."""
BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")


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
    """A lossless map between text and ids. Specials in plain text stay plain text.

    end: the special that closes a document, and opens the next. start: what other programs put
    before a text; endonym does not, but hands it on.
    """

    def __init__(
        self, engine: tokenizers.Tokenizer, end: str = END_OF_TEXT, start: str | None = None
    ) -> None:
        engine.encode_special_tokens = True
        engine.no_truncation()
        engine.no_padding()
        self._engine = engine
        self.vocab: int = max(engine.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        end_id = engine.token_to_id(end)
        if end_id is None:
            raise TokenizerError(f"the tokenizer has no {end}")
        self.end_id: int = end_id
        self.end, self.start = end, end if start is None else start
        self._bytes = _bytes_of_ids(engine, self.vocab)
        self._bytes[end_id] = b""
        self.used_vocab = max(n for n, b in enumerate(self._bytes) if b or n == end_id) + 1
        self.byte_counts = np.array([len(piece) for piece in self._bytes], dtype=np.int64)
        self.char_counts = np.array(
            [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self._bytes], dtype=np.int64
        )

    @property
    def start_id(self) -> int:
        """The id of what others put before a text."""
        found = self._engine.token_to_id(self.start)
        return self.end_id if found is None else found

    @property
    def line_end_id(self) -> int | None:
        r"""The one id that "\n" is between two texts, whatever they are; None if there is none.

        Then joining texts is joining their ids: `encode(a) + [id] + encode(b)` decodes to
        "a\nb". A tokenizer that puts a blank before every text has no such id.
        """
        found = self.encode("\n")
        if len(found) != 1 or self.decode([*self.encode("a"), *found, *self.encode("b")]) != "a\nb":
            return None
        return found[0]

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.json`, and what the files beside it say of its specials.

        Raises TokenizerError if it is not one.
        """
        try:
            engine = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
            return cls(engine, *_ends(path.parent, engine))
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
        """The bytes that one id stands for; none for a special, or where a model has more ids."""
        return self._bytes[index] if index < self.vocab else b""

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

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and, where the end is not endonym's own, what says so."""
        (folder / "tokenizer.json").write_text(self.to_json(), encoding="utf-8")
        if (self.end, self.start) != (END_OF_TEXT, END_OF_TEXT):
            named = {"bos_token": self.start, "eos_token": self.end}
            text = json.dumps(named, ensure_ascii=False, indent=1) + "\n"
            (folder / SETTINGS).write_text(text, encoding="utf-8")

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


def _ends(folder: Path, engine: tokenizers.Tokenizer) -> tuple[str, str | None]:
    """What ends a document and what others put before one, as `transformers` reads them.

    By name from the tokenizer's own settings, else our own, else by number from the model's.
    """
    named = [_said(folder / name) for name in (SETTINGS, "special_tokens_map.json")]
    numbered = [_said(folder / name) for name in ("config.json", "generation_config.json")]

    def find(word: str) -> str | None:
        tokens = [_token(each.get(f"{word}_token")) for each in named]
        return next((t for t in tokens if t and engine.token_to_id(t) is not None), None)

    def number(word: str) -> str | None:
        found = [each.get(f"{word}_token_id") for each in numbered]
        first = [each[0] if isinstance(each, list) and each else each for each in found]
        ids = [each for each in first if isinstance(each, int) and each >= 0]
        return engine.id_to_token(ids[0]) if ids else None

    own = END_OF_TEXT if engine.token_to_id(END_OF_TEXT) is not None else None
    end = find("eos") or own or number("eos") or find("bos") or number("bos")
    if end is None:
        raise TokenizerError(
            "nothing says which token ends a text",
            where=str(folder / SETTINGS),
            do=f'Name it there: {{"eos_token": "</s>"}}, or have {END_OF_TEXT} in the vocabulary.',
        )
    return end, find("bos")


def _said(path: Path) -> dict[str, Any]:
    """A JSON object, if there is one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return data if isinstance(data, dict) else {}


def _token(value: Any) -> str | None:
    """A special as settings write it: its text, or a table that holds it."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _bytes_of_ids(engine: tokenizers.Tokenizer, vocab: int) -> list[bytes]:
    """What every id stands for, by the tokenizer's own decoder.

    Raises TokenizerError for a decoder whose bytes cannot be told apart by token.
    """
    description: dict[str, Any] = json.loads(engine.to_str())
    specials = {entry["id"] for entry in description["added_tokens"] if entry["special"]}
    steps = _steps(description.get("decoder"))
    pieces: list[bytes] = []
    for index in range(vocab):
        token = engine.id_to_token(index)
        pieces.append(b"" if token is None or index in specials else _decoded(token, steps))
    return pieces


def _steps(decoder: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The parts of a decoder, in order."""
    if decoder is None:
        return []
    parts = decoder["decoders"] if decoder["type"] == "Sequence" else [decoder]
    for part in parts:
        is_text = part["type"] != "Replace" or "String" in part["pattern"]
        if part["type"] not in DECODERS or not is_text:
            raise TokenizerError(
                f"it decodes by {part['type']}, of which the bytes of a token cannot be told",
                where="tokenizer.json",
                do=f"Decoders that can be read: {', '.join(DECODERS)}.",
            )
    return parts


def _decoded(token: str, steps: list[dict[str, Any]]) -> bytes:
    """The bytes of one token, step by step as the decoder takes them."""
    alphabet = byte_alphabet()
    for step in steps:
        if step["type"] == "ByteLevel" and all(letter in alphabet for letter in token):
            return bytes(alphabet[letter] for letter in token)
        if step["type"] == "ByteFallback" and BYTE_TOKEN.fullmatch(token):
            return bytes([int(token[3:5], 16)])
        if step["type"] == "Replace":
            token = token.replace(step["pattern"]["String"], step["content"])
        if step["type"] == "Metaspace":
            token = token.replace(step["replacement"], " ")
    return token.encode("utf-8")
