"""What a stranger's `tokenizer.json` must keep before this process opens it.

The library that reads it is native code without limits: a large id makes it take gigabytes and end
the program, and rules that replace letters, or a regular expression, may take hours of some text.
So numbers and rules are looked at as JSON, and the file is opened first in a process with limits
(`limited/process.py`), where it reads texts that such rules are slow on. That finds what is slow on
one letter or few letters repeated; no trial finds everything.
"""

import functools
import hashlib
import json
import math
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import regex

from endonym.disk import Json, read_given
from endonym.errors import TokenizerError
from endonym.limited.opened import NEVER, Opened, key_of
from endonym.limited.process import Failure, LimitedProcess, Limits

Described = Mapping[str, Any]
"""A `tokenizer.json` as JSON."""
MOST_BYTES = 96 << 20
MOST_LISTS = 4_000_000
MOST_VALUES = 8_000_000
"""The largest known has 35 MB, a million lists, and two million values."""
MOST_GROWTH = 64.0
"""Letters that rules may make of one, beside what Unicode itself makes of it: 18 at most."""
FIXED_GROWTH = {"BertNormalizer": 3.0, "ByteLevel": 12.0, "Metaspace": 2.0, "WordPiece": 2.0}
"""Of rules that make more letters each time: blanks around Chinese letters; up to four bytes, whose
letters Unicode may take apart (¼); blanks before words. Those of Unicode, such as NFKD, change
nothing the second time: `whole_size` counts what they make of a rule's own letters."""
IDS_A_TOKEN = 4
FREE_IDS = 1 << 16
"""The largest id is below so many for each token, and these."""
RULES = ("normalizer", "pre_tokenizer", "decoder")
SEQUENCES = ("normalizers", "pretokenizers", "decoders")
REPEATS = 2_000
LONG = 50_000
MOST_PROBES = 300
LETTERS = "aAәកéक中1 \n\t.,'_-\u0301\u200d😀"
SENTENCE = "Әбием миңа җылы сөт бирде; l’été, 1920: ទន្លេនៅមុខភូមិ।\n"
DAMAGED = "It is damaged, or made to do harm. Take it from its publisher again, or another one."
_process = LimitedProcess("endonym.tokenizer.untrusted:open_and_probe")
_probed: set[bytes] = set()
"""Hashes of the files that this process has opened there."""


def trusted_text(path: Path, opened: Opened = NEVER) -> str:
    """The text of a `tokenizer.json` that does no harm when this process opens it.

    opened: notes of the files that were tried before. Raises TokenizerError for one that would,
    OSError or ValueError if it cannot be read.
    """
    key = key_of([path], version("tokenizers"), __file__)
    data = read_given(path, MOST_BYTES)
    digest = hashlib.sha256(data).digest()
    if opened.has(key):
        _probed.add(digest)
        return data.decode("utf-8")
    try:
        described = checked_json(data, path)
        require_bounds(described, path)
        if digest not in _probed and not is_own(described):
            mb = len(data) / 1e6
            limits = Limits(
                memory_bytes=(2 << 30) + 24 * len(data),
                cpu_seconds=15 + 2 * mb,
                seconds=120 + 20 * mb,
            )
            _process.ask({"letters": risky_letters(described)}, limits, data)
    except RecursionError as error:
        raise refusal("no tokenizer.json: it is nested too deep", path) from error
    except Failure as failure:
        raise refusal(f"opening it fails: {failure}", path) from failure
    _probed.add(digest)
    opened.note(key)
    return data.decode("utf-8")


def refusal(message: str, path: Path) -> TokenizerError:
    """The error for a file that is not opened."""
    return TokenizerError(message, where=path, do=DAMAGED)


def checked_json(data: bytes, path: Path) -> Json:
    """The JSON of the file, if it does not take much memory. Raises TokenizerError."""
    if data.count(b"[") + data.count(b"{") > MOST_LISTS or data.count(b",") > MOST_VALUES:
        raise refusal(f"more than {MOST_VALUES:,} values", path)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refusal(f"no tokenizer.json: {error}", path) from error
    if not isinstance(found, dict) or not isinstance(found.get("model"), dict):
        raise refusal("no tokenizer.json: it describes no model", path)
    return found


def is_own(described: Described) -> bool:
    """Whether it has the rules of endonym's own tokenizers, and numbers its tokens from 0."""
    ids = sorted(ids_of(described))
    return ids == [*range(len(ids))] and is_own_frame(described)


def is_own_frame(described: Described) -> bool:
    """Whether it has the rules of one of endonym's own tokenizers."""
    try:
        return frame(described) in (own_frame("bpe"), own_frame("unigram"))
    except (LookupError, TypeError, AttributeError):
        return False


@functools.cache
def own_frame(kind: Literal["bpe", "unigram"]) -> str:
    """The rules that all our tokenizers of a kind have in common."""
    from endonym.tokenizer import bpe, unigram  # not in the process with limits

    made = bpe.byte_level([]) if kind == "bpe" else unigram.engine({})
    return frame(json.loads(made.to_str()))


def frame(described: Described) -> str:
    """The rules of a `tokenizer.json`: all but what training decides and the list of specials."""
    model = described["model"].items()
    kept = {key: value for key, value in model if key not in ("vocab", "merges", "unk_id")}
    rules = dict(described)
    del rules["added_tokens"]  # A file without the list was not written here.
    return json.dumps(rules | {"model": kept}, sort_keys=True)


def ids_of(described: Described) -> set[int]:
    """All ids of a `tokenizer.json`.

    Raises TypeError, KeyError or AttributeError for what is no number or list.
    """
    vocab = described["model"].get("vocab") or {}
    found = [*vocab.values()] if isinstance(vocab, dict) else [*range(len(vocab))]
    found += [each["id"] for each in described.get("added_tokens") or ()]
    if not all(type(each) is int for each in found):
        raise TypeError("an id is no whole number")
    return set(found)


def require_bounds(described: Described, path: Path) -> None:
    """Raise TokenizerError if an id is far beyond the number of tokens, or a text would grow."""
    try:
        ids = ids_of(described)
        growth = max(growth_of(described.get(key)) for key in RULES)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise refusal(f"no tokenizer.json: {type(error).__name__} {error}", path) from error
    most = IDS_A_TOKEN * len(ids) + FREE_IDS
    if ids and not 0 <= min(ids) <= max(ids) < most:
        worst = min(ids) if min(ids) < 0 else max(ids)
        raise refusal(f"{len(ids):,} tokens, but the id {worst:,}", path)
    if growth > MOST_GROWTH:
        raise refusal(f"its rules may make {growth:.3g} letters of one", path)


def growth_of(rule: Any) -> float:
    """The most letters that a rule, or rules one after the other, can make of one letter.

    Letters are counted as `whole_size` does, before and after.
    """
    if rule is None:
        return 1.0
    kind = rule["type"]
    if kind == "Sequence":
        return math.prod(growth_of(each) for key in SEQUENCES for each in rule.get(key) or ())
    if kind == "Precompiled":
        # Source: SentencePiece's normalizer: the size of a trie, the trie, texts that end in 0.
        blob = b64decode(rule["precompiled_charsmap"] or "")
        texts = blob[4 + int.from_bytes(blob[:4], "little") :].split(b"\0")
        return float(max(1, *(whole_size(text.decode("utf-8", "replace")) for text in texts)))
    if kind == "Replace":
        old = rule["pattern"].get("String")
        new = whole_size(rule["content"])
        # A regular expression may match nothing: before and after a letter.
        return max(1.0, new / whole_size(old)) if old else 1.0 + 2 * new
    if kind in ("BPEDecoder", "CTC"):  # a blank takes its place
        old = rule["suffix" if kind == "BPEDecoder" else "word_delimiter_token"]
        return 1.0 if old else 3.0
    if kind == "Prepend":
        return 1.0 + whole_size(rule["prepend"])
    return FIXED_GROWTH.get(kind, 1.0)


def whole_size(text: str) -> int:
    """The number of its letters, all taken apart as far as rules of Unicode do."""
    return len(normalize("NFKD", normalize("NFKD", text).lower()))


def risky_letters(described: Described) -> list[str]:
    """Letters, and pairs of letters, on which a pattern of the rules may be slow when repeated.

    The last item has all letters of the patterns: without them a pattern may be given up at once.
    """
    found = dict.fromkeys(LETTERS)  # a dictionary, to keep the order
    literal = ""
    for pattern in patterns_of([described.get("normalizer"), described.get("pre_tokenizer")]):
        own = "".join(literals_of(pattern))
        found |= dict.fromkeys(own)
        found |= dict.fromkeys(a + b for a, b in pairwise(own))
        literal += own
    return [*[*found][:MOST_PROBES], literal[:REPEATS]]


def patterns_of(rule: Any) -> Iterator[str]:
    """The patterns in a rule, or in rules, at any depth: regular expressions and strings."""
    if isinstance(rule, list):
        for each in rule:
            yield from patterns_of(each)
    elif isinstance(rule, dict):
        pattern = rule.get("pattern")
        if isinstance(pattern, dict):
            yield from (each for each in pattern.values() if isinstance(each, str))
        for value in rule.values():
            yield from patterns_of(value)


ESCAPE = re.compile(
    r"\\x\{([0-9A-Fa-f]{1,6})\}|\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})"
    r"|(\\[pP]\{\^?[^}]{1,60}\})|(\\[wsdhWSDH])|\\(.)|(\[\^)|([^\\])",
    re.DOTALL,
)


def literals_of(pattern: str) -> Iterator[str]:
    """The letters of a regular expression, one for each class of letters by name."""
    for match in ESCAPE.finditer(pattern):
        *codes, named, short, escaped, negated, plain = match.groups()
        code = next((each for each in codes if each), None)
        if code is not None:
            yield chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
        elif named or short:
            yield example_of(named or short.replace("h", "d").replace("H", "D"))
        elif not negated:
            yield escaped or plain or ""


@functools.lru_cache(maxsize=256)
def example_of(named: str) -> str:
    """A letter of a class such as "\\d"; empty if none below U+10000 belongs to it."""
    basic_plane = map(chr, [*range(0x20, 0xD800), *range(0xE000, 0x10000)])
    try:
        found = regex.search(named, "".join(basic_plane))
    except regex.error:
        return ""
    return found[0] if found else ""


def open_and_probe(question: Described) -> Json:
    """Runs in the process with limits: opens the tokenizer and reads each letter many times.

    What it cannot read at all is found later, by an ordinary error.
    """
    from tokenizers import Tokenizer

    try:
        engine = Tokenizer.from_str(question["texts"].decode("utf-8"))
    except Exception:  # noqa: BLE001 - the library raises bare ones; panics are none
        return {}
    engine.no_truncation()
    engine.no_padding()
    engine.get_vocab(with_added_tokens=True)
    *letters, literal = question["letters"]
    runs = [letter * (REPEATS // len(letter)) for letter in letters]
    texts = [f"{run}{stop}{literal}" for run in runs for stop in ("", "\0", "\n")]
    texts += ["a" * LONG, " " * LONG, SENTENCE * (LONG // len(SENTENCE))]
    for text in texts:
        try:
            found = engine.encode(text, add_special_tokens=False)
        except Exception:  # noqa: BLE001 - the library raises bare ones; panics are none
            continue
        engine.decode(found.ids)
    return {}
