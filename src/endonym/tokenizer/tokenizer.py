"""A tokenizer: a `tokenizer.json`, and the bytes of each id."""

import copy
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models, pre_tokenizers

from endonym.disk import Json, read_given
from endonym.errors import TokenizerError
from endonym.limited.opened import NEVER, Opened
from endonym.tokenizer.bpe import byte_alphabet
from endonym.tokenizer.config import END_OF_TEXT, SEPARATORS, SPECIALS
from endonym.tokenizer.untrusted import trusted_text

Ids = NDArray[np.int64]
"""Ids of tokens, or other whole numbers by id."""
SETTINGS = "tokenizer_config.json"
MOST_SETTINGS_BYTES = 8 << 20
"""Of the settings, which may list all special tokens, and of a chat template."""
CHAT_TEMPLATE = "chat_template.jinja"
DECODERS = ("ByteLevel", "ByteFallback", "Replace", "Metaspace", "Fuse", "Strip")
"""Supported decoders. With Strip, which removes a leading space, the round trip fails."""
BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
NO_BYTE = 256
BYTE_TABLE = dict.fromkeys(range(256), NO_BYTE) | {
    ord(sign): byte for sign, byte in byte_alphabet().items()
}
"""For `str.translate`: signs of bytes become letters of Latin-1, others none of them."""

LLAMA_CLASS = "LlamaTokenizer"
BYTES_CLASS = "GPT2Tokenizer"
"""In `transformers` 5 it takes from the settings whether a space is put before a text."""
UNPROCESSED_CLASS = "GPTNeoXTokenizer"
"""A class of `transformers` 5 that takes no post-processor from tokenizer.json."""
CLASSES = {
    "gpt2": BYTES_CLASS,
    "gptj": BYTES_CLASS,
    "gpt_neox": UNPROCESSED_CLASS,
    "mamba": UNPROCESSED_CLASS,
    "mamba2": UNPROCESSED_CLASS,
}
"""Of folders that name no class, by the type of their model. Source: `AutoTokenizer`."""
AROUND_KEY = "around_text"
"""In our own settings: the special tokens around a text, if the tokenizer is from elsewhere."""


class Around(NamedTuple):
    """The ids that a tokenizer puts before and after each text."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


class Tokenizer:
    """A lossless tokenizer. Special tokens in a text are encoded as plain text.

    end: the special token that ends a document (eos). start: the special token that begins a text
    (bos); None if the folder has none. chat_template: of the folder it was read from, or that
    conversations were trained with; it goes into exports. turn_ends: the special tokens that end an
    answer in it.

    around: what the tokenizer of a folder from elsewhere puts around a text, as
    `AutoTokenizer(folder)(text)` in `transformers` does; nothing is put before a conversation
    there, whose template writes its start itself. None for a tokenizer made by endonym: its models
    read an end of text before each text and each conversation.

    spaces_before: "first" if it puts a space before each text, as that of Llama 2; "each" if it
    does so after each special token, too; else empty. `encode` never does, so that pieces of a text
    can be encoded apart and joined. A whole text is encoded by `text_ids`, a document for training
    and scoring by `encode_documents`.
    """

    chat_template: str | None = None
    turn_ends: tuple[str, ...] = ()
    around: Around | None = None

    def __init__(self, engine: Engine, end: str = END_OF_TEXT, start: str | None = None) -> None:
        self._whole = _plain(engine)
        self._engine = without_first_space(engine)
        self.spaces_before = _spaces_before(engine)
        ids = engine.get_vocab(with_added_tokens=True)
        self.vocab: int = max(ids.values(), default=-1) + 1
        end_id = engine.token_to_id(end)
        if end_id is None:
            raise TokenizerError(f"the tokenizer has no {end}")
        self.end_id: int = end_id
        self.end: str = end
        self.start: str | None = end if start is None else start
        added = engine.get_added_tokens_decoder()
        specials = {token.content: index for index, token in added.items() if token.special}
        self.special_ids = {
            key: specials[name] for key, name in SPECIALS.items() if name in specials
        }
        """Those of endonym's special tokens that it has, by their names here."""
        self._bytes = _bytes_of_ids(engine, ids, self.vocab)
        for index in (*specials.values(), end_id):
            self._bytes[index] = b""
        self.used_vocab = max(n for n, b in enumerate(self._bytes) if b or n == end_id) + 1
        self.byte_counts = np.array([len(piece) for piece in self._bytes], dtype=np.int64)
        # A character begins at every byte that does not continue one (10xxxxxx).
        begins = np.frombuffer(b"".join(self._bytes), dtype=np.uint8) & 0xC0 != 0x80
        before = np.concatenate(([0], np.cumsum(begins)))[np.cumsum([0, *self.byte_counts])]
        self.char_counts = np.diff(before)

    @property
    def start_id(self) -> int:
        """The id of the bos token; the eos token if there is none."""
        start_id = None if self.start is None else self._engine.token_to_id(self.start)
        return self.end_id if start_id is None else start_id

    @property
    def start_name(self) -> str:
        """The name of the bos token, as a chat template gets it; empty if there is none."""
        return "" if self.start is None else self.token(self.start_id)

    @property
    def before(self) -> tuple[int, ...]:
        """The ids before each text.

        Of a tokenizer made by endonym: the end of a text, as in training on texts; the start token
        of a model that learnt conversations.
        """
        if self.around is not None:
            return self.around.before
        return (self.end_id if self.chat_template is None else self.start_id,)

    @property
    def after(self) -> tuple[int, ...]:
        """The ids after each text; none of a tokenizer made by endonym."""
        return () if self.around is None else self.around.after

    @property
    def document_start(self) -> tuple[int, ...]:
        """The ids before a document in training and scoring, one at least.

        What the tokenizer itself puts before a text; else the special token that the makers of the
        model put between documents; else its bos token, else its eos token.
        """
        if self.around is None:
            return (self.end_id,)
        known = map(self._engine.token_to_id, SEPARATORS)
        separators = (index for index in known if index is not None and not self._bytes[index])
        return self.around.before or (next(separators, self.start_id),)

    @property
    def window_start(self) -> tuple[int, ...]:
        """The ids before each later window of a long document: what a folder's own tokenizer puts
        before every text. None if it has `<|endoftext|>`, as those have that endonym made: their
        models read rows of training that begin anywhere."""
        if self.around is None or self.id_of(END_OF_TEXT) is not None:
            return ()
        return self.around.before

    def text_ids(self, text: str) -> list[int]:
        """The ids of a whole text as a model reads it: a prompt.

        Of a folder from elsewhere as in `transformers`, of one made by endonym behind `before`. An
        empty text is the start of a document.
        """
        ids = self.encode_whole([text])[0].tolist()
        if self.around is None:
            return [*self.before, *ids]
        return [*self.around.before, *ids, *self.around.after] or [*self.document_start]

    def begun_ids(self, text: str) -> list[int]:
        """The ids of a text that goes on: behind `document_start`, with nothing after them."""
        (ids,) = self.encode_documents([text])
        return [*(self.before or self.document_start), *ids.tolist()]

    def encode_whole(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each whole text, with a space before it, without those around it."""
        return self._encoded(self._whole, texts)

    def chat_ids(self, ids: Sequence[int]) -> list[int]:
        """The ids of a conversation from those of its filled template.

        A model made by endonym reads its start token first. If the template writes it itself, it
        stands there once.
        """
        before = () if self.around is not None else self.before
        return [*ids] if tuple(ids[: len(before)]) == before else [*before, *ids]

    def encode_documents(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each document, with the space that the tokenizer puts before a text.

        `decode_document` gives the document back, and `document_sizes` its size.
        """
        if not self.spaces_before:
            return self.encode_many(texts)
        return self.encode_many([f" {text}" if text else text for text in texts])

    def decode_document(self, ids: Sequence[int] | Ids) -> str:
        """The text of a document's ids, without the space that the tokenizer put before it."""
        text = self.decode(int(index) for index in ids)
        return text.removeprefix(" ") if self.spaces_before else text

    def document_sizes(self, ids: Ids) -> tuple[int, int]:
        """The bytes and the characters of a document, without the space before it."""
        added = 1 if self.spaces_before and len(ids) else 0
        return int(self.byte_counts[ids].sum()) - added, int(self.char_counts[ids].sum()) - added

    def document_token_sizes(self, ids: Ids) -> Ids:
        """The bytes of each token of a document, without the space before it."""
        sizes = self.byte_counts[ids]
        sizes[:1] -= bool(self.spaces_before)
        return sizes

    @property
    def pad_id(self) -> int:
        """The id that fills up a batch: a special token that ends neither a text nor an answer.

        Programs that train further learn nothing of this id, but must learn where a text ends. Of a
        tokenizer from elsewhere it is eos.
        """
        if self.around is not None:
            return self.end_id
        ends = {self.end_id, *self.stop_ids}
        textless = (index for index in range(self.used_vocab) if not self._bytes[index])
        known = [*self.special_ids.values(), *(n for n in textless if self.name_of(n))]
        return next((index for index in known if index not in ends), self.end_id)

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
    def load(cls, path: Path, opened: Opened = NEVER) -> "Tokenizer":
        """Read a `tokenizer.json`, and its special tokens from the files next to it.

        opened: as for `trusted_text`. Raises TokenizerError if the file is not a tokenizer.
        """
        engine = read_engine(path, opened)
        try:
            end, start = _ends(path.parent, engine)
            found = cls(engine, end, start)
            found.around = _around(path.parent, engine)
            if found.around is not None:
                found.start = start
            found.chat_template = chat_template_in(path.parent)
            found.turn_ends = _turn_ends(path.parent, found)
            return found
        except (OSError, ValueError) as error:
            raise TokenizerError(str(error), where=path) from error

    def with_chat_of(self, folder: Path) -> "Tokenizer":
        """The same with the chat template of a folder, and what ends an answer; itself if none.

        Raises TokenizerError if the folder's settings cannot be read.
        """
        try:
            template = chat_template_in(folder)
            if template is None:
                return self
            found = copy.copy(self)
            found.chat_template = template
            found.turn_ends = _turn_ends(folder, self)
        except (OSError, ValueError) as error:
            raise TokenizerError(str(error), where=folder) from error
        return found

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""
        return self.encode_many([text])[0].tolist()

    def encode_many(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, on all cores."""
        return self._encoded(self._engine, texts)

    def _encoded(self, engine: Engine, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text by one of the two engines, without special tokens."""
        try:
            encodings = engine.encode_batch_fast(list(texts), add_special_tokens=False)
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
        found = list[tuple[str, int]]()
        waiting = list[int]()  # the ids of a character that may go on
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
        return self._whole.to_str(pretty=True) + "\n"

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`; next to it what differs from a tokenizer made by endonym."""
        (folder / "tokenizer.json").write_text(self.to_json(), encoding="utf-8")
        settings: Json = {}
        if (self.end, self.start) != (END_OF_TEXT, END_OF_TEXT) or self.around is not None:
            settings |= {"bos_token": self.start, "eos_token": self.end}
        if self.around is not None:
            names = [[self.name_of(index) for index in ids] for ids in self.around]
            settings[AROUND_KEY] = dict(zip(Around._fields, names, strict=True))
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


def read_engine(path: Path, opened: Opened = NEVER) -> Engine:
    """The tokenizer in a `tokenizer.json`; special tokens in a text are read as plain text.

    As `transformers` reads it: with the rules of the class that its folder names, and with the
    special tokens that the settings next to it name. Raises TokenizerError if it is none, or has
    parts that the library does not know.
    """
    try:
        engine = _plain(Engine.from_str(trusted_text(path, opened)))
        known = {token.content for token in engine.get_added_tokens_decoder().values()}
        named = [name for name in _special_names(path.parent) if name not in known]
        engine.add_special_tokens([name for name in named if engine.token_to_id(name) is not None])
        _take_rules_of_class(engine, path.parent)
        return engine
    except FileNotFoundError as error:
        raise TokenizerError(
            f"there is no {path.name}",
            where=path.parent,
            do="Take a whole copy of the folder. A tokenizer of transformers writes this file if "
            "it is a fast one: AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)",
        ) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TokenizerError(str(error), where=path) from error
    except BaseException as error:
        # The library raises bare Exception for a file it cannot parse, or panics.
        if type(error) is not Exception and not is_panic(error):
            raise
        raise TokenizerError(
            f"no tokenizer.json that tokenizers {tokenizers.__version__} reads: {error}",
            where=path,
            do="It may be damaged, or written by a newer version.",
        ) from error


Steps = dict[str, list[Json]]
"""The steps of a tokenizer's rules: normalizer, pre_tokenizer and decoder."""
RULES = ("normalizer", "pre_tokenizer", "decoder")


def _steps_of(rules: Mapping[str, Json]) -> Steps:
    """The steps of each rule, which may be a sequence of several."""
    return {key: rule.get(f"{key}s".replace("_", ""), [rule]) for key, rule in rules.items()}


def _spaces_before(engine: Engine) -> Literal["", "first", "each"]:
    """Where a tokenizer puts a space before a text."""
    steps = _steps_of({key: rule_of(getattr(engine, key)) for key in RULES})
    schemes = [step.get("prepend_scheme", "never") for step in steps["pre_tokenizer"]]
    prepends = any(step.get("type") == "Prepend" for step in steps["normalizer"])
    adds_to_each = any(step.get("add_prefix_space") for step in steps["pre_tokenizer"])
    if prepends or adds_to_each or "always" in schemes:
        return "each"
    return "first" if "first" in schemes else ""


def without_first_space(engine: Engine) -> Engine:
    """The same without the space that it puts before every text; itself if it puts none."""
    if not _spaces_before(engine):
        return engine
    described: Json = json.loads(engine.to_str())
    steps = _steps_of({key: described.get(key) or {} for key in RULES})
    for step in (*steps["pre_tokenizer"], *steps["decoder"]):
        if step.get("type") == "Metaspace":
            step["prepend_scheme"] = "never"
        elif step.get("add_prefix_space"):
            step["add_prefix_space"] = False
    for key, adding in (("normalizer", "Prepend"), ("decoder", "Strip")):
        kept = [step for step in steps[key] if step.get("type") not in (None, adding)]
        described[key] = {"type": "Sequence", f"{key}s": kept}
    return _plain(Engine.from_str(json.dumps(described)))


def _take_rules_of_class(engine: Engine, folder: Path) -> None:
    """Give a tokenizer the rules that its class in `transformers` has, whatever the file says.

    A folder names the class, or its type of model has one.
    """
    settings = _json_object(folder / SETTINGS)
    config = _json_object(folder / "config.json")
    named = settings.get("tokenizer_class") or config.get("tokenizer_class")
    kind = str(named or CLASSES.get(str(config.get("model_type")), "")).removesuffix("Fast")
    if kind == UNPROCESSED_CLASS:
        engine.post_processor = None
    if kind == LLAMA_CLASS and config.get("model_type") == "llama":
        _read_as_llama_class(engine, settings)
    adds_space = bool(settings.get("add_prefix_space"))
    if kind == BYTES_CLASS and adds_space != bool(_spaces_before(engine)):
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=adds_space)


def _read_as_llama_class(engine: Engine, settings: Json) -> None:
    """Give a tokenizer the rules that the class of `transformers` for Llama has.

    It marks spaces itself and puts one before a text that begins with none, by the settings
    add_prefix_space and legacy. Files of bytes, as of Llama 3, are read as they are. Source:
    `LlamaTokenizer` and `AutoTokenizer` of transformers 5.
    """
    rules = [rule_of(engine.pre_tokenizer), rule_of(engine.decoder)]
    if not isinstance(engine.model, models.BPE) or '"ByteLevel"' in json.dumps(rules):
        return
    adds_space = settings.get("add_prefix_space") in (None, True)
    scheme = ("always" if settings.get("legacy") else "first") if adds_space else "never"
    engine.normalizer = None
    engine.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=False)
    strip = [decoders.Strip(" ", 1, 0)] if adds_space else []
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    engine.decoder = decoders.Sequence(steps)


def _around(folder: Path, engine: Engine) -> Around | None:
    """What a folder's tokenizer puts around a text; None if endonym made it.

    Our own settings name it. A folder in the format of `transformers` has a config.json with a
    model_type: there the post-processor of tokenizer.json decides, and `transformers` 5 ignores
    add_bos_token and add_eos_token in tokenizer_config.json next to it.
    """
    kept = _json_object(folder / SETTINGS).get(AROUND_KEY)
    if isinstance(kept, dict):
        named = [map(engine.token_to_id, kept.get(field, ())) for field in Around._fields]
        return Around(*(tuple(index for index in ids if index is not None) for ids in named))
    if "model_type" not in _json_object(folder / "config.json"):
        return None
    text = "a"
    if not engine.encode(text, add_special_tokens=False).ids:  # of another script, without bytes
        tokens = engine.get_vocab(with_added_tokens=False)
        known = (each for each in tokens if engine.encode(each, add_special_tokens=False).ids)
        text = next(known, text)
    encoding = engine.encode(text, add_special_tokens=True)
    own = [place for place, is_around in enumerate(encoding.special_tokens_mask) if not is_around]
    first, end = (own[0], own[-1] + 1) if own else (0, 0)
    if encoding.ids[first:end] != engine.encode(text, add_special_tokens=False).ids:
        raise ValueError("its post-processor puts more around a text than tokens")
    return Around(tuple(encoding.ids[:first]), tuple(encoding.ids[end:]))


def is_panic(error: BaseException) -> bool:
    """Whether the library failed in Rust, which is told by no Exception."""
    return type(error).__name__ == "PanicException"


def _plain(engine: Engine) -> Engine:
    """The same, reading a text as it is: all of it, no more, and specials as plain text."""
    engine.encode_special_tokens = True
    engine.no_truncation()
    engine.no_padding()
    return engine


def _ends(folder: Path, engine: Engine) -> tuple[str, str | None]:
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
            where=folder / SETTINGS,
            do=f'Name it there: {{"eos_token": "</s>"}}, or have {END_OF_TEXT} in the vocabulary.',
        )
    return end, by_name("bos")


def _special_names(folder: Path) -> list[str]:
    """The special tokens that the settings of a folder name.

    Not those of one character, which stand in texts.
    """
    tokens = list[Any]()
    for file in (SETTINGS, "special_tokens_map.json"):
        settings = _json_object(folder / file)
        tokens += [value for key, value in settings.items() if key.endswith("_token")]
        for key in ("additional_special_tokens", "extra_special_tokens"):
            several = settings.get(key) or ()
            tokens += several.values() if isinstance(several, dict) else several
    return [name for name in map(_token, tokens) if name and len(name) > 1]


def chat_template_in(folder: Path) -> str | None:
    """The chat template of a folder, as `transformers` writes it; of several the default one."""
    try:
        return read_given(folder / CHAT_TEMPLATE, MOST_SETTINGS_BYTES).decode("utf-8")
    except FileNotFoundError:
        found = _json_object(folder / SETTINGS).get("chat_template")
        if isinstance(found, list):  # each with its name
            named = {each.get("name"): each for each in found if isinstance(each, dict)}
            found = named.get("default", {}).get("template")
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


def rule_of(part: Any) -> Json:
    """A rule of a tokenizer as `tokenizer.json` has it; empty if there is none.

    The library writes a whole file, or for copies one part: that of a large vocabulary takes long.
    """
    return {} if part is None else json.loads(part.__getstate__())


def _json_object(path: Path) -> Json:
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


def _bytes_of_ids(engine: Engine, ids: dict[str, int], vocab: int) -> list[bytes]:
    """The bytes of every id, by the tokenizer's own decoder. ids: of all tokens, with special ones.

    Raises TokenizerError for a decoder that does not work token by token.
    """
    decoder = rule_of(engine.decoder)
    steps: list[Json] = decoder.get("decoders", [decoder] if decoder else [])
    for step in steps:
        is_text = step["type"] != "Replace" or "String" in step["pattern"]
        if step["type"] not in DECODERS or not is_text:
            raise TokenizerError(
                f"it decodes by {step['type']}, which does not give the bytes of single tokens",
                where="tokenizer.json",
                do=f"Supported decoders: {', '.join(DECODERS)}.",
            )
    pieces = [b""] * vocab
    for token, index in ids.items():
        pieces[index] = _decoded(token, steps)
    return pieces


def _decoded(token: str, steps: list[Json]) -> bytes:
    """The bytes of one token, by the steps of the decoder."""
    for step in steps:
        if step["type"] == "ByteLevel":
            try:
                return token.translate(BYTE_TABLE).encode("latin-1")
            except UnicodeEncodeError:
                continue  # the token is written with other letters
        if step["type"] == "ByteFallback" and BYTE_TOKEN.fullmatch(token):
            return bytes([int(token[3:5], 16)])
        if step["type"] == "Replace":
            token = token.replace(step["pattern"]["String"], step["content"])
        if step["type"] == "Metaspace":
            token = token.replace(step["replacement"], " ")
    return token.encode("utf-8")
