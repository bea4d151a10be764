"""Detects the encoding of a text file and converts it to UTF-8.

In this order: a byte-order mark, zero bytes (UTF-16), strict UTF-8, a guess (guessing.py). Single
lines of UTF-16 in a file of UTF-8 are decoded, too. All later code sees UTF-8; bytes that cannot be
decoded become invalid UTF-8, so that their line can be rejected by its number.
"""

import codecs
from dataclasses import dataclass

import regex

from endonym.errors import RecipeError, printable
from endonym.formats.io.guessing import guess
from endonym.formats.io.kinds import binary_kind
from endonym.formats.io.streams import Damage, Feed, Stream
from endonym.formats.io.widened import (
    NO_TEXT,
    UNDECODABLE,
    Lines,
    is_utf8,
    narrowed,
    narrowed_lines,
)

HEAD_BYTES = 1 << 20
"""How much of a file is read to detect its encoding."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

CONTROLS = regex.compile(rb"[\x01-\x08\x0E-\x1A\x1C-\x1F\x7F]")
BINARY_CONTROL_SHARE = 0.02
"""With a larger share of control characters, a file is binary."""

NARROW_BYTES, NARROW_SHARE = 4, 0.01
"""Shorter lines may be halves of letters in UTF-16, as LF is; and so may a smaller share."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A name that Python knows, and the length of the byte-order mark."""

    name: str
    mark_bytes: int = 0


UNSPECIFIED_ORDER = ("utf-16", "utf-32")
"""Their byte order stands in a mark at the start of the file."""

NOT_OF_FILES = (
    *("charmap", "idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined"),
    *("unicode-escape", "utf-7"),
)
"""Encodings of host names, of Python's source code, of a system's settings, and of mail."""


def known_encoding(name: str) -> str:
    """Python's name of an encoding from a recipe; RecipeError if no text file has it."""
    try:
        known = codecs.lookup(name).name.removesuffix("-sig")
        if known.replace("_", "-") not in NOT_OF_FILES:
            "".encode(known)  # refuses rot13, zlib and others that make no bytes of text
            return known
    except (LookupError, ValueError):  # ValueError: NUL, or what is no UTF-8
        pass
    raise RecipeError(
        f'encoding = "{printable(name[:40])}" is no encoding of text files that Python knows',
        do="Write utf-8, utf-16, cp1251, iso8859-2 … or leave `encoding` out.",
    )


def detect(head: bytes, given: str | None, script: str | None = None) -> Encoding | Damage:
    """The encoding of a file that begins with `head`, or why it is rejected.

    given: by the recipe. script: in which the text is expected.
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return Encoding(name, len(mark))
    if what := binary_kind(head):
        return Damage("binary", f"binary data: this is {what}, not plain text")
    if given is not None:
        return ordered(known_encoding(given), head)
    if b"\0" in head:
        name = wide_encoding(head)
        if name and not has_narrow_lines(head):
            return Encoding(name)
        head = Lines().narrowed(head)
    if has_many_controls(head):
        text = narrowed(head.decode("utf-8", "surrogateescape"))
        head = text.encode("utf-8", "surrogateescape")
    if has_many_controls(head):
        return Damage("binary", "binary data: too many control characters for a text")
    if mostly_utf8(head):
        return Encoding("utf-8")
    name, refused = guess(head, script)
    return refused or Encoding(name)


def ordered(name: str, head: bytes) -> Encoding | Damage:
    """The encoding that a recipe names, with the byte order that it leaves open."""
    if name not in UNSPECIFIED_ORDER:
        return Encoding(name)
    if name == "utf-16" and (found := wide_encoding(head)):
        return Encoding(found)
    return Damage(
        "unknown_encoding",
        f"this {name} has no byte-order mark, and its order cannot be guessed; "
        f'name it in the recipe: encoding = "{name}-le" or "{name}-be"',
    )


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 without a mark: zero bytes are at even or at odd positions only."""
    head = head[: len(head) // 2 * 2]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < 0.01 * len(head) or min(even, odd) > 0.05 * max(even, odd):
        return None
    name = "utf-16-be" if even > odd else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return None
    return None if NO_TEXT.search(text) else name


def has_narrow_lines(head: bytes) -> bool:
    """Whether some lines are UTF-8, so that the others alone are UTF-16.

    A file in UTF-16 has none but by chance: each line has half of a line end beside it.
    """
    size = 0
    for line in head.split(b"\n"):
        if len(line) >= NARROW_BYTES and b"\0" not in line and not CONTROLS.search(line):
            size += len(line) if is_utf8(line) else 0
    return size > NARROW_SHARE * len(head)


def has_many_controls(head: bytes) -> bool:
    """Whether it has too many control characters for a text."""
    return len(CONTROLS.findall(head)) > BINARY_CONTROL_SHARE * len(head)


def mostly_utf8(head: bytes) -> bool:
    """Whether it is UTF-8, perhaps with some invalid bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")
    try:
        decoder().decode(head)
    except UnicodeDecodeError:
        text = decoder("replace").decode(head)
        bad = text.count("\ufffd")
        good = sum(character > "\x7f" for character in text) - bad
        return good * 4 >= bad
    return True


def utf8_stream(stream: Stream, given: str | None, script: str | None = None) -> tuple[str, Stream]:
    """The name of a stream's encoding ("" if it is rejected), and the stream as UTF-8.

    given: by the recipe. script: in which the text is expected.
    """
    feed = Feed(stream)
    head = feed.peek(HEAD_BYTES)
    found = detect(head, given, script)
    if isinstance(found, Damage):
        size = feed.drain()[0]
        return "", iter([Damage(found.reason, found.detail, size)])
    feed.read(found.mark_bytes)
    if found.name == "utf-8":
        return found.name, narrowed_lines(feed.rest())
    return found.name, transcoded(feed.rest(), found.name)


def transcoded(stream: Stream, name: str) -> Stream:
    """Convert a stream to UTF-8; bytes that cannot be decoded become invalid UTF-8."""
    decoder = codecs.getincrementaldecoder(name)(UNDECODABLE)
    for piece in stream:
        if isinstance(piece, Damage):
            yield piece
            return
        yield decoder.decode(piece).encode("utf-8", "surrogatepass")
    left_over = decoder.getstate()[0]
    if left_over:
        yield Damage("truncated", "the file ends early, within a character", len(left_over))
