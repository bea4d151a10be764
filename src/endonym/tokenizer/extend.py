"""Adds pieces of new texts to a BPE tokenizer that reads bytes; its own ids and merges stay.

The merges go on where they ended. Source: arXiv:2512.03989, section 3. As in bpe.py, the bytes of
each frequent character are merged first, and then whole characters, so that no new piece begins
inside a character; there the paper merges any tokens.

Every new merge ranks below the old ones, so a text is first cut as before, and then its pieces are
merged. So an old tokenizer that cuts a letter from its mark before it merges still does.

A BPE of characters with byte fallback (Gemma, Llama 2) has pieces such as <0xE1> for the bytes of
characters that it lacks. There a frequent character becomes a piece of its own, without a merge.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tokenizers import Tokenizer as Engine

from endonym.disk import Json
from endonym.errors import TokenizerError
from endonym.tokenizer.bpe import byte_alphabet, in_byte_letters, learnt_merges, zipf_least
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer, half_characters
from endonym.tokenizer.train import STRANGE, checked_texts, evenly
from endonym.tokenizer.words import Counts, Texts, count_words

FIRST_SYMBOL = 0x100
"""The trainer reads one character for each token; line ends divide words."""
SURROGATES = range(0xD800, 0xE000)
SPARE = 1000
"""So many more merges are learnt, as some make a piece that is there already."""
Merge = tuple[str, ...]
"""Two pieces that become one; a character alone."""


def extend_tokenizer(base: Tokenizer, config: TokenizerConfig, texts: Texts) -> Tokenizer:
    """The tokenizer with up to `config.extend` more pieces, learnt from texts.

    texts: a function that iterates over them; it is called several times. Fewer pieces are added if
    the texts have no more that stand `config.min_count` times. Raises TokenizerError for a
    tokenizer that is not a BPE of bytes, or with all bytes, and if decoding does not restore the
    texts.
    """
    described: Json = json.loads(base.to_json())
    _require_bytes(described)
    try:
        counts = count_words(evenly(texts, config.sample_bytes)())
    except UnicodeEncodeError as error:
        raise (half_characters(texts()) or error) from error
    # Ids of added tokens would move behind the new pieces, were they not in the vocabulary.
    vocab: dict[str, int] = described["model"]["vocab"]
    vocab |= {each["content"]: each["id"] for each in described["added_tokens"]}
    pieces = _Pieces(described, base.vocab, config.extend or 0)
    if described["model"].get("byte_fallback"):
        for character in _frequent(counts, config, pieces.room):
            # A blank is another letter there; line ends stay as they are.
            if character not in " \r\n":
                pieces.add((character,))
    else:
        _merge_bytes(pieces, counts, config)
    _merge_characters(pieces, counts, config)
    extended = Tokenizer(pieces.engine(), base.end, base.start)
    extended.chat_template = base.chat_template
    extended.start = base.start
    extended.around = base.around
    # A tokenizer that normalizes does not restore them all, before or after.
    strange = (text for text in STRANGE if base.restores(text))
    extended.check_lossless(itertools.chain(checked_texts(texts()), strange))
    return extended


@dataclass
class _Pieces:
    """A `tokenizer.json` that grows.

    described: its JSON. next_id: of the next new piece. room: how many may still be added.
    """

    described: Json
    next_id: int
    room: int

    def __post_init__(self) -> None:
        self.vocab: dict[str, int] = self.described["model"]["vocab"]
        self.merges: list[Any] = self.described["model"]["merges"]
        self.known_merges = {tuple(merge) for merge in self.merges}

    def add(self, merge: Merge) -> bool:
        """Add a merge, and its piece if it is new; False if there is no room for one."""
        piece = "".join(merge)
        if piece not in self.vocab:
            if not self.room:
                return False
            self.vocab[piece] = self.next_id
            self.next_id += 1
            self.room -= 1
        if len(merge) > 1 and merge not in self.known_merges:
            self.known_merges.add(merge)
            self.merges.append(list(merge))
        return True

    def engine(self) -> Engine:
        """The tokenizer as it is now."""
        return Engine.from_str(json.dumps(self.described, ensure_ascii=False))


def _frequent(counts: Counts, config: TokenizerConfig, room: int) -> list[str]:
    """The characters that are worth a piece of their own, the most frequent first."""
    least = max(config.min_count, zipf_least(counts, max(2, room)))
    frequent = [character for character, count in counts.characters.items() if count >= least]
    return sorted(frequent, key=lambda c: (-counts.characters[c], c))


def _merge_bytes(pieces: _Pieces, counts: Counts, config: TokenizerConfig) -> None:
    """Give frequent characters that are several tokens one of their own, while there is room."""
    model = pieces.engine().model
    for character in _frequent(counts, config, pieces.room):
        parts = [each.value for each in model.tokenize(in_byte_letters(character))]
        starts = list(itertools.accumulate(parts))
        if sum(each not in pieces.vocab for each in starts) > pieces.room:
            continue
        for start, part in zip(starts, parts[1:], strict=False):
            pieces.add((start, part))


def _merge_characters(pieces: _Pieces, counts: Counts, config: TokenizerConfig) -> None:
    """Merge neighbours, the most frequent pair first. Parts of characters divide a word."""
    if not pieces.room:
        return
    symbols: dict[str, str] = {}
    words = list(_in_symbols(pieces.engine(), counts, symbols))
    vocab = len(symbols) + pieces.room + SPARE
    merges = learnt_merges(words, [*symbols.values()], vocab, min_count=config.min_count)
    token_of = {symbol: token for token, symbol in symbols.items()}

    def spelled(symbols_of_piece: str) -> str:
        return "".join(token_of[symbol] for symbol in symbols_of_piece)

    for left, right in merges:
        if not pieces.add((spelled(left), spelled(right))):
            return


def _in_symbols(
    engine: Engine, counts: Counts, symbols: dict[str, str]
) -> Iterator[tuple[str, int]]:
    """The words, with a symbol for each of their tokens, and their counts.

    Only runs of several tokens that are text of a line: others cannot be merged. symbols: of
    tokens; new ones are added to it.
    """
    model = engine.model
    is_text = cache(_is_characters if model.byte_fallback else _is_text_of_a_line)
    for word, count in counts.words.items():
        for piece in _cut(engine, word):
            spelled = list[str]()
            for token in (each.value for each in model.tokenize(piece)):
                if is_text(token):
                    if token not in symbols:
                        # One character for each token; surrogates are none.
                        code = FIRST_SYMBOL + len(symbols)
                        is_below = code < SURROGATES.start
                        symbols[token] = chr(code if is_below else code + len(SURROGATES))
                    spelled.append(symbols[token])
                elif spelled:
                    if len(spelled) > 1:
                        yield "".join(spelled), count
                    spelled = []
            if len(spelled) > 1:
                yield "".join(spelled), count


def _cut(engine: Engine, word: str) -> list[str]:
    """A word as it is written for the merges, and cut before them."""
    split = engine.pre_tokenizer
    is_fallback = engine.model.byte_fallback
    if is_fallback and engine.normalizer is not None:
        word = engine.normalizer.normalize_str(word)
    return [word] if split is None else [piece for piece, _ in split.pre_tokenize_str(word)]


def _is_characters(token: str) -> bool:
    """Whether a token is text of a line, and not a byte: for a BPE of characters."""
    return not BYTE_TOKEN.fullmatch(token) and not {*"\r\n"} & {*token}


def _is_text_of_a_line(token: str) -> bool:
    """Whether the bytes of a token are whole characters, and no line ends."""
    data = bytes(byte_alphabet()[letter] for letter in token)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not {*b"\r\n"} & {*data}


def _require_bytes(described: Json) -> None:
    """Raise TokenizerError if pieces cannot be added to a tokenizer."""
    model = described["model"]
    split = described.get("pre_tokenizer") or {}
    steps = split.get("pretokenizers", [split])
    affixes = [key for key in ("continuing_subword_prefix", "end_of_word_suffix") if model.get(key)]
    is_byte_level = steps[-1].get("type") == "ByteLevel" and not steps[-1].get("add_prefix_space")
    if model["type"] == "BPE" and not affixes:
        has_bytes = all(f"<0x{byte:02X}>" in model["vocab"] for byte in range(256))
        # They need no cut: their pieces do not go beyond a blank, which is a letter there.
        is_whole = {step.get("type") for step in steps} <= {None, "Split", "Metaspace"}
        if has_bytes and is_whole if model.get("byte_fallback") else is_byte_level:
            return
    kind = model["type"] if model["type"] != "BPE" else "BPE that does not read bytes"
    raise TokenizerError(
        f"extend goes on with a BPE that reads every byte, and the folder's tokenizer is a {kind}",
        where="tokenizer.extend",
        do='Replace it: write kind = "bpe" (and vocab, if you like) instead of extend.',
    )
