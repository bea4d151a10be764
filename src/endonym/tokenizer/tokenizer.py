"""A tokenizer: a `tokenizer.json`, and the bytes of each id."""

import copy
import json
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from endonym.disk import read_given
from endonym.errors import TokenizerError
from endonym.tokenizer.bpe import byte_alphabet
from endonym.tokenizer.config import END_OF_TEXT, SPECIALS
from endonym.tokenizer.untrusted import trusted_text

SETTINGS = "tokenizer_config.json"
MOST_SETTINGS_BYTES = 8 << 20
"""Of the settings, which may list all special tokens, and of a chat template."""
CHAT_TEMPLATE = "chat_template.jinja"
DECODERS = ("ByteLevel", "ByteFallback", "Replace", "Metaspace", "Fuse", "Strip")
"""Supported decoders. With Strip, which removes a leading space, the round trip fails."""
BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")


class Tokenizer:
    """A lossless tokenizer. Special tokens in a text are encoded as plain text.

    end: the special token between documents (eos). start: the special token that other programs put
    before a text (bos); endonym puts it before conversations. chat_template: of the folder it was
    read from, or that conversations were trained with; it goes into exports. turn_ends: the special
    tokens that end an answer in it.
    """

    chat_template: str | None = None
    turn_ends: tuple[str, ...] = ()

    def __init__(
        self, engine: tokenizers.Tokenizer, end: str = END_OF_TEXT, start: str | None = None
    ) -> None:
        self._engine = _plain(engine)
        self.vocab: int = max(engine.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        end_id = engine.token_to_id(end)
        if end_id is None:
            raise TokenizerError(f"the tokenizer has no {end}")
        self.end_id: int = end_id
        self.end, self.start = end, end if start is None else start
        self.special_ids = _special_ids(engine)
        self._bytes = _bytes_of_ids(engine, self.vocab)
        self._bytes[end_id] = b""
        self.used_vocab = max(n for n, b in enumerate(self._bytes) if b or n == end_id) + 1
        self.byte_counts = np.array([len(piece) for piece in self._bytes], dtype=np.int64)
        # A character begins at every byte that does not continue one (10xxxxxx).
        self.char_counts = np.array(
            [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self._bytes], dtype=np.int64
        )

    @property
    def start_id(self) -> int:
        """The id of the bos token; the eos token if there is none."""
        start_id = self._engine.token_to_id(self.start)
        return self.end_id if start_id is None else start_id

    @property
    def opening_id(self) -> int:
        """The id before a text: bos of a model with a chat template, as other programs have it.

        Without one the end of the text before it, as in training on texts.
        """
        return self.end_id if self.chat_template is None else self.start_id

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The ids that end what a model writes: end-of-text; with a template a turn's end, too."""
        ids = [self.end_id]
        if self.chat_template is not None:
            turn_ends = map(self._engine.token_to_id, self.turn_ends)
            ids += [each for each in turn_ends if each is not None]
        return tuple(dict.fromkeys(ids))

    @property
    def conversation_tokens(self) -> list[str]:
        """The names of the special tokens of conversations, whether a model writes them or not."""
        return [self.token(each) for each in self.special_ids.values() if each != self.end_id]

    @property
    def line_end_id(self) -> int | None:
        r"""The id of "\n" between two texts; None if there is no such id.

        With it, texts are joined by their ids: `encode(a) + [id] + encode(b)` decodes to "a\nb".
        A tokenizer that puts a space before every text has none.
        """
        found = self.encode("\n")
        if len(found) != 1 or self.decode([*self.encode("a"), *found, *self.encode("b")]) != "a\nb":
            return None
        return found[0]

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.json`, and its special tokens from the files beside it.

        One that puts a blank before every text, as that of Llama 2, is read as `transformers` reads
        it with add_prefix_space=False: with that blank no text would come back as it was.
        Raises TokenizerError if the file is not a tokenizer.
        """
        engine = without_blank(read_engine(path))
        try:
            found = cls(engine, *_ends(path.parent, engine))
            found.chat_template = _chat_template(path.parent)
            found.turn_ends = _turn_ends(path.parent, found)
            return found
        except (OSError, ValueError) as error:
            raise TokenizerError(str(error), where=str(path)) from error

    def with_chat_of(self, folder: Path) -> "Tokenizer":
        """The same with the chat template of a folder, and what ends an answer; itself if none.

        Raises TokenizerError if the folder's settings cannot be read.
        """
        try:
            template = _chat_template(folder)
            if template is None:
                return self
            found = copy.copy(self)
            found.chat_template, found.turn_ends = template, _turn_ends(folder, self)
        except (OSError, ValueError) as error:
            raise TokenizerError(str(error), where=str(folder)) from error
        return found

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""
        return self.encode_many([text])[0].tolist()

    def encode_many(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The ids of each text, on all cores."""
        try:
            encodings = self._engine.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError as error:
            raise (half_characters(texts) or error) from error
        except BaseException as error:
            # A bare Exception is the library's: no token stands for what is unknown.
            if type(error) is not Exception and not is_panic(error):
                raise
            reason = "this one cannot read all texts"
            if is_panic(error):
                reason = "a rule of this one is too slow for such a text"
            raise TokenizerError(
                f"the tokenizer fails at this text: {error}",
                where=f"one of {len(texts)} texts, the first is {texts[0][:40]!r}",
                do=f"Take another tokenizer: {reason}.",
            ) from error
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids. Invalid UTF-8 (an incomplete character) becomes U+FFFD."""
        return b"".join(self._bytes[index] for index in ids).decode("utf-8", errors="replace")

    def bytes_of(self, index: int) -> bytes:
        """The bytes of an id; empty for a special token and for ids beyond the vocabulary."""
        return self._bytes[index] if index < self.vocab else b""

    def name_of(self, index: int) -> str | None:
        """How `tokenizer.json` writes an id; None if it stands for nothing."""
        return self._engine.id_to_token(index) if index < self.vocab else None

    def id_of(self, name: str) -> int | None:
        """The id that `tokenizer.json` writes so, or None: the inverse of `name_of`."""
        return self._engine.token_to_id(name)

    def token(self, index: int) -> str:
        """An id as readable text, or as hexadecimal bytes if it is part of a character."""
        piece = self._bytes[index]
        if not piece:
            return str(self._engine.id_to_token(index))
        try:
            return piece.decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<{byte:02X}>" for byte in piece)

    def pieces(self, ids: Iterable[int]) -> list[tuple[str, int]]:
        """Ids as readable texts, each with its number of ids: those of one character are joined."""
        found: list[tuple[str, int]] = []
        waiting: list[int] = []  # the ids of a character that may go on
        for index in ids:
            waiting.append(index)
            try:
                text = b"".join(self._bytes[each] for each in waiting).decode("utf-8")
            except UnicodeDecodeError as error:
                if error.reason == "unexpected end of data":
                    continue
                found += [(self.token(each), 1) for each in waiting]
            else:
                found.append((text or self.token(index), len(waiting)))
            waiting = []
        return found + [(self.token(each), 1) for each in waiting]

    def to_json(self) -> str:
        """The content of `tokenizer.json`, indented."""
        return str(self._engine.to_str(pretty=True)) + "\n"

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`; eos, bos and a chat template beside it if not endonym's own."""
        (folder / "tokenizer.json").write_text(self.to_json(), encoding="utf-8")
        settings: dict[str, Any] = {}
        if (self.end, self.start) != (END_OF_TEXT, END_OF_TEXT):
            settings |= {"bos_token": self.start, "eos_token": self.end}
        if self.chat_template is not None:
            settings |= {"chat_template": self.chat_template, "turn_ends": list(self.turn_ends)}
        if settings:
            text = json.dumps(settings, ensure_ascii=False, indent=1) + "\n"
            (folder / SETTINGS).write_text(text, encoding="utf-8")

    def restores(self, text: str) -> bool:
        """Whether decoding restores a text, by `decode` and by the library."""
        ids = self.encode(text)
        return text == self.decode(ids) == self._engine.decode(ids)

    def check_lossless(self, texts: Iterable[str]) -> None:
        """Raise TokenizerError for the first text that encoding and decoding change."""
        for text in texts:
            for reader in (self.decode, self._engine.decode):
                back = reader(self.encode(text))
                if back != text:
                    letters = enumerate(zip_longest(text, back))
                    start = next(number for number, (a, b) in letters if a != b)
                    raise TokenizerError(
                        f"{text[start : start + 20]!r} comes back as {back[start : start + 20]!r}",
                        where=f"character {start} of {text[:40]!r}",
                        do="A tokenizer that loses text cannot be measured; nothing was kept.",
                    )


def half_characters(texts: Iterable[str]) -> TokenizerError | None:
    """The error for texts with a lone surrogate, which no file in UTF-8 can hold; None without."""
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return TokenizerError(
                f"U+{ord(text[error.start]):04X} is half a character",
                where=f"character {error.start} of {text[:40]!a}",
                do='Replace such halves: text.encode("utf-16", "surrogatepass").decode("utf-16", '
                '"replace")',
            )
    return None


def read_engine(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer in a `tokenizer.json`; special tokens in a text are read as plain text.

    Raises TokenizerError if it is none, or has parts that the library does not know.
    """
    try:
        return _plain(tokenizers.Tokenizer.from_str(trusted_text(path)))
    except FileNotFoundError as error:
        raise TokenizerError(
            f"there is no {path.name}",
            where=str(path.parent),
            do="Take a whole copy of the folder. A tokenizer of transformers writes this file if "
            "it is a fast one: AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)",
        ) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TokenizerError(str(error), where=str(path)) from error
    except BaseException as error:
        # The library raises bare Exception for a file it cannot parse, or panics.
        if type(error) is not Exception and not is_panic(error):
            raise
        message = f"no tokenizer.json that tokenizers {tokenizers.__version__} reads: {error}"
        do = "It may be damaged, or written by a newer version."
        raise TokenizerError(message, where=str(path), do=do) from error


def without_blank(engine: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The same without the blank that it puts before every text; itself if it puts none."""
    described: dict[str, Any] = json.loads(engine.to_str())
    rules = {key: described.get(key) or {} for key in ("normalizer", "pre_tokenizer", "decoder")}
    steps = {key: rule.get(f"{key}s".replace("_", ""), [rule]) for key, rule in rules.items()}
    spaced = [each for each in steps["normalizer"] if each.get("type") == "Prepend"]
    marks = [each for each in steps["pre_tokenizer"] if each.get("type") == "Metaspace"]
    if not (spaced or any(each["prepend_scheme"] != "never" for each in marks)):
        return engine
    for step in (*marks, *(each for each in steps["decoder"] if each.get("type") == "Metaspace")):
        step["prepend_scheme"] = "never"
    normalizers = [each for each in steps["normalizer"] if each and each not in spaced]
    described["normalizer"] = {"type": "Sequence", "normalizers": normalizers}
    decoders = [each for each in steps["decoder"] if each.get("type") != "Strip"]
    described["decoder"] = {"type": "Sequence", "decoders": decoders}
    return _plain(tokenizers.Tokenizer.from_str(json.dumps(described)))


def is_panic(error: BaseException) -> bool:
    """Whether the library failed in Rust, which is told by no Exception."""
    return type(error).__name__ == "PanicException"


def _plain(engine: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The same, reading a text as it is: all of it, no more, and specials as plain text."""
    engine.encode_special_tokens = True
    engine.no_truncation()
    engine.no_padding()
    return engine


def _ends(folder: Path, engine: tokenizers.Tokenizer) -> tuple[str, str | None]:
    """The eos and bos tokens of a folder, as `transformers` reads them.

    By name from the tokenizer's settings, else endonym's own, else by id from the model's config.
    """
    settings = [_json_object(folder / name) for name in (SETTINGS, "special_tokens_map.json")]
    configs = [_json_object(folder / name) for name in ("config.json", "generation_config.json")]

    def by_name(kind: str) -> str | None:
        tokens = [_token(each.get(f"{kind}_token")) for each in settings]
        return next((t for t in tokens if t and engine.token_to_id(t) is not None), None)

    def by_id(kind: str) -> str | None:
        values = [each.get(f"{kind}_token_id") for each in configs]
        first = [each[0] if isinstance(each, list) and each else each for each in values]
        ids = [each for each in first if isinstance(each, int) and each >= 0]
        return engine.id_to_token(ids[0]) if ids else None

    own = END_OF_TEXT if engine.token_to_id(END_OF_TEXT) is not None else None
    end = by_name("eos") or own or by_id("eos") or by_name("bos") or by_id("bos")
    if end is None:
        raise TokenizerError(
            "nothing says which token ends a text",
            where=str(folder / SETTINGS),
            do=f'Name it there: {{"eos_token": "</s>"}}, or have {END_OF_TEXT} in the vocabulary.',
        )
    return end, by_name("bos")


def _chat_template(folder: Path) -> str | None:
    """The chat template of a folder, as `transformers` writes it."""
    try:
        return read_given(folder / CHAT_TEMPLATE, MOST_SETTINGS_BYTES).decode("utf-8")
    except FileNotFoundError:
        found = _json_object(folder / SETTINGS).get("chat_template")
        return found if isinstance(found, str) else None


def _turn_ends(folder: Path, tokenizer: Tokenizer) -> tuple[str, ...]:
    """The tokens that end an answer: by name as endonym writes them, else by what ends generation
    in `transformers`, else ChatML's.
    """
    named = _json_object(folder / SETTINGS).get("turn_ends")
    if isinstance(named, list):
        return tuple(str(each) for each in named)
    ids = _json_object(folder / "generation_config.json").get("eos_token_id")
    others = [each for each in ids if isinstance(each, int)] if isinstance(ids, list) else []
    names = [tokenizer.name_of(each) for each in others if each >= 0 and each != tokenizer.end_id]
    own = [SPECIALS["turn_end"]] if "turn_end" in tokenizer.special_ids else []
    return tuple(name for name in names if name) or tuple(own)


def _special_ids(engine: tokenizers.Tokenizer) -> dict[str, int]:
    """The ids of endonym's special tokens by their names, as far as the tokenizer has them."""
    added = json.loads(engine.to_str())["added_tokens"]
    ids = {each["content"]: each["id"] for each in added if each["special"]}
    return {name: ids[token] for name, token in SPECIALS.items() if token in ids}


def _json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none."""
    try:
        data = json.loads(read_given(path, MOST_SETTINGS_BYTES))
    except FileNotFoundError:
        return {}
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deep") from error
    return data if isinstance(data, dict) else {}


def _token(value: Any) -> str | None:
    """A special token in settings: its text, or an object with its text."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _bytes_of_ids(engine: tokenizers.Tokenizer, vocab: int) -> list[bytes]:
    """The bytes of every id, by the tokenizer's own decoder.

    Raises TokenizerError for a decoder that does not work token by token.
    """
    description: dict[str, Any] = json.loads(engine.to_str())
    specials = {entry["id"] for entry in description["added_tokens"] if entry["special"]}
    decoder: dict[str, Any] = description.get("decoder") or {"type": "Sequence", "decoders": []}
    steps: list[dict[str, Any]] = decoder.get("decoders", [decoder])
    for step in steps:
        is_text = step["type"] != "Replace" or "String" in step["pattern"]
        if step["type"] not in DECODERS or not is_text:
            raise TokenizerError(
                f"it decodes by {step['type']}, which does not give the bytes of single tokens",
                where="tokenizer.json",
                do=f"Supported decoders: {', '.join(DECODERS)}.",
            )
    pieces: list[bytes] = []
    for index in range(vocab):
        token = engine.id_to_token(index)
        pieces.append(b"" if token is None or index in specials else _decoded(token, steps))
    return pieces


def _decoded(token: str, steps: list[dict[str, Any]]) -> bytes:
    """The bytes of one token, by the steps of the decoder."""
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
