"""Detects the encoding of a text file and converts it to UTF-8.

In this order: a byte-order mark, zero bytes (UTF-16), strict UTF-8, a guess by the letters. Single
lines of UTF-16 in a file of UTF-8 are decoded, too. All later code sees UTF-8; bytes that cannot be
decoded become invalid UTF-8, so that their line can be rejected by its number.

A guess counts only if no other encoding comes near it. Where the script of the text is known, only
encodings in which it is text of that script compete. A text in another script is refused. Latin is
an exception: any folder may have a text in it.
"""

import codecs
from collections.abc import Sequence
from typing import NamedTuple

import charset_normalizer
import regex
from charset_normalizer import CharsetMatch

from endonym.disk import packaged_tables
from endonym.errors import RecipeError, printable
from endonym.formats.io import widened
from endonym.formats.io.kinds import binary_kind
from endonym.formats.io.streams import Damage, Feed, Stream

ENCODINGS = packaged_tables("endonym.formats.io", "encodings.toml")
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

NARROW_BYTES = 4
NARROW_SHARE = 0.01
"""Shorter lines may be halves of letters in UTF-16, as LF is; and so may a smaller share."""


class Encoding(NamedTuple):
    """A name that Python knows, and the length of the byte-order mark."""

    name: str
    mark_bytes: int = 0


def known_encoding(name: str) -> str:
    """Python's name of an encoding from a recipe; RecipeError if no text file has it."""
    try:
        python_name = codecs.lookup(name).name.removesuffix("-sig")
        if python_name.replace("_", "-") not in ENCODINGS["not_of_files"].split():
            "".encode(python_name)  # refuses rot13, zlib and others that make no bytes of text
            return python_name
    except (LookupError, ValueError):  # ValueError: NUL, or what is no UTF-8
        pass
    raise RecipeError(
        f'encoding = "{printable(name[:40])}" is no encoding of text files that Python knows',
        do="Write utf-8, utf-16, cp1251, iso8859-2 … or leave `encoding` out.",
    )


def detect(
    head: bytes, recipe_encoding: str | None, script: str | None = None, *, is_short: bool = False
) -> Encoding | Damage:
    """The encoding of a file that begins with `head`, or why it is rejected.

    recipe_encoding: its `encoding`. script: in which the text is expected. is_short: a guess may be
    made by few letters of a language, as of a table of conversations.
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return Encoding(name, len(mark))
    if what := binary_kind(head):
        return Damage("binary", f"binary data: this is {what}, not plain text")
    if recipe_encoding is not None:
        return with_byte_order(known_encoding(recipe_encoding), head)
    if b"\0" in head:
        name = wide_encoding(head)
        if name and not has_narrow_lines(head):
            return Encoding(name)
        head = widened.Lines().narrowed(head)
    if has_many_controls(head):
        text = widened.narrowed(head.decode("utf-8", "surrogateescape"))
        head = text.encode("utf-8", "surrogateescape")
    if has_many_controls(head):
        return Damage("binary", "binary data: too many control characters for a text")
    return Encoding("utf-8") if mostly_utf8(head) else guess(head, script, is_short)


def with_byte_order(name: str, head: bytes) -> Encoding | Damage:
    """The encoding that a recipe names, with the byte order if "utf-16" leaves it open."""
    if name not in ("utf-16", "utf-32"):
        return Encoding(name)
    if name == "utf-16" and (found := wide_encoding(head)):
        return Encoding(found)
    return Damage(
        "unknown_encoding",
        f"this {name} has no byte-order mark, and its order cannot be guessed; "
        f'name it in the recipe: encoding = "{name}-le" or "{name}-be"',
    )


def wide_encoding(head: bytes) -> str | None:
    """The UTF-16 of bytes without a mark, whose zeros are at even or odd places only; else None."""
    head = head[: len(head) // 2 * 2]
    even = head[::2].count(0)
    odd = head[1::2].count(0)
    if max(even, odd) < 0.01 * len(head) or min(even, odd) > 0.05 * max(even, odd):
        return None
    name = "utf-16-be" if even > odd else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return None
    return None if widened.NO_TEXT.search(text) else name


def has_narrow_lines(head: bytes) -> bool:
    """Whether some lines are UTF-8, so that the others alone are UTF-16.

    A file in UTF-16 has none but by chance: each line has half of a line end beside it.
    """
    lines = (line for line in head.split(b"\n") if len(line) >= NARROW_BYTES and b"\0" not in line)
    narrow = (line for line in lines if not CONTROLS.search(line) and widened.is_utf8(line))
    return sum(map(len, narrow)) > NARROW_SHARE * len(head)


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


def utf8_stream(
    stream: Stream,
    recipe_encoding: str | None,
    script: str | None = None,
    *,
    is_short: bool = False,
) -> tuple[str, Stream]:
    """The name of a stream's encoding ("" if it is rejected), and the stream as UTF-8.

    recipe_encoding, script, is_short: as in `detect`.
    """
    feed = Feed(stream)
    head = feed.peek(HEAD_BYTES)
    found = detect(head, recipe_encoding, script, is_short=is_short)
    if isinstance(found, Damage):
        size = feed.drain()[0]
        return "", iter([Damage(found.reason, found.detail, size)])
    feed.read(found.mark_bytes)
    if found.name == "utf-8":
        return found.name, widened.narrowed_lines(feed.rest())
    return found.name, transcoded(feed.rest(), found.name)


def transcoded(stream: Stream, name: str) -> Stream:
    """Convert a stream to UTF-8; bytes that cannot be decoded become invalid UTF-8."""
    decoder = codecs.getincrementaldecoder(name)(widened.UNDECODABLE)
    for piece in stream:
        if isinstance(piece, Damage):
            yield piece
            return
        yield decoder.decode(piece).encode("utf-8", "surrogatepass")
    left_over = decoder.getstate()[0]
    if left_over:
        yield Damage("truncated", "the file ends early, within a character", len(left_over))


SAMPLE_BYTES = 1 << 14
"""How much of a file's head is used."""

LIKELY: list[str] = ENCODINGS["likely"].split()
"""Usual encodings of old files."""
RARE: list[str] = ENCODINGS["rare"].split()
"""Where one of these gives the best text, no usual encoding is certain. They must be given."""

CERTAIN_CHAOS = 0.02
CERTAIN_COHERENCE = 0.4
"""Limits of charset_normalizer's scores for odd sequences and natural letter frequencies."""

CHAOS_MARGIN = 0.03
COHERENCE_MARGIN = 0.04
SHORT_MARGIN = 0.3
"""It must be better than every other encoding by one of these."""

USUAL_CHAOS = 0.2
ANY_CHAOS = 1.0
"""Above the first score a reading is no text. A text of the script that is expected may have any:
that of Persian has a high one."""

COHERENT_BYTES = 4_096
"""Shorter samples need a larger difference in letter frequencies."""

OLD_SCRIPTS = ("latin", "cyrillic", "arabic", "greek", "hebrew", "thai")
"""The scripts of old encodings of one byte a letter."""

COMMAS = str.maketrans("şţŞŢ", "șțȘȚ")
"""The letters of Romanian stand with a cedilla in older encodings."""
NO_LETTERS = regex.compile(r"[\p{S}\p{Co}\p{Cn}\p{Cc}ƒ--[\s\x21-\x7e]]", regex.V1)
"""Signs and controls: a wrong encoding makes them of letters."""
C1_CONTROLS = regex.compile(r"[\x80-\x9f]")
TORN = regex.compile(r"(?<=\p{L})[‚„†‡‰ˆ˜‹›•¤¦¨¬¯¶¸×÷ªº](?=\p{L})")
"""Signs that stand within no word: those of DOS are such letters as é there."""
WORD = regex.compile(r"[\p{L}\p{M}]+")
MOST_FOREIGN = 0.02
MOST_MIXED = 0.02
"""Of the characters beyond ASCII, and of the words with them, in a text of one script."""
FEWEST_LETTERS = 3
"""Different ones, by which a language is known: of Romanian three of ă â î ș ț."""
NAMING_BYTES = 2_048
SHOWN_NAMES = 4
SHOWN_CHARS = 24
"""By how much of the file a refusal finds encodings to name, how many it names, and how much of the
text in each."""


def guess(head: bytes, script: str | None, is_short: bool = False) -> Encoding | Damage:
    """The encoding of these bytes, which are no UTF-8; or why it is refused."""
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    sample = b"".join(lines)[:SAMPLE_BYTES]
    usual = readings(sample, LIKELY, USUAL_CHAOS)
    if usual and is_certain(usual, len(sample), CERTAIN_CHAOS) and is_likely(usual[0], script):
        return Encoding(codecs.lookup(usual[0].encoding).name)
    expected = readings(sample, of_scripts(sample, [script]), ANY_CHAOS)
    # It may be text in another script after all.
    others = [each for each in usual if any(is_of_script(str(each), old) for old in OLD_SCRIPTS)]
    rivals = [*expected, *others]
    if expected and is_certain(rivals, len(sample), ANY_CHAOS) and is_likely(expected[0], script):
        return Encoding(codecs.lookup(expected[0].encoding).name)
    if not (possible := [*expected, *usual]):
        sample = sample[:NAMING_BYTES]
        possible = readings(sample, of_scripts(sample, OLD_SCRIPTS), ANY_CHAOS)
    names = list(dict.fromkeys(each.encoding for each in possible))
    if is_short and (name := by_letters(sample, names)):
        return Encoding(codecs.lookup(name).name)
    return refusal(names[:SHOWN_NAMES], sample)


def by_letters(sample: bytes, names: Sequence[str]) -> str:
    """The encoding in which all letters beyond ASCII are those of one language; "" if it is not
    the only one, or if these are few."""
    from endonym.script.languages import LETTERS  # keeps numpy out of `endonym --help`

    texts = dict[str, str]()
    for name in names:
        text = decoded(sample, name)
        letters = {sign.lower() for sign in text if sign > "\x7f" and sign.isalpha()}
        is_known = any(letters <= {*own} for own in LETTERS.values())
        if is_known and len(letters) >= FEWEST_LETTERS and not C1_CONTROLS.search(text):
            texts.setdefault(text.translate(COMMAS), name)
    return next(iter(texts.values())) if len(texts) == 1 else ""


def refusal(names: Sequence[str], sample: bytes) -> Damage:
    """The message about encodings of which none is certain, each with the first words in it."""
    if not names:
        return Damage("binary", "binary data: no encoding gives a text")
    shown: list[str] = []
    for name in names:
        text = " ".join(sample[: 8 * SHOWN_CHARS].decode(name, "ignore").split())[:SHOWN_CHARS]
        shown.append(f"{name}: “{text.rpartition(' ')[0] or text}”")
    which = "one encoding fits, but not surely" if len(names) == 1 else "several encodings fit"
    return Damage(
        "unknown_encoding",
        f"this is not UTF-8, and {which} ({', '.join(shown)}); "
        'name the right one in the recipe: encoding = "…"',
    )


def readings(sample: bytes, names: Sequence[str], most_chaos: float) -> list[CharsetMatch]:
    """The texts of these bytes in these encodings, the most natural first."""
    if not names:
        return []
    found = charset_normalizer.from_bytes(
        sample, cp_isolation=list(names), preemptive_behaviour=False, threshold=most_chaos
    )
    return list(found)


def of_scripts(sample: bytes, scripts: Sequence[str | None]) -> list[str]:
    """The usual encodings in which the bytes are text of one of these scripts."""
    old_scripts = [script for script in scripts if script in OLD_SCRIPTS]
    texts = [(name, decoded(sample, name)) for name in LIKELY] if old_scripts else []
    return [name for name, text in texts if any(is_of_script(text, each) for each in old_scripts)]


def is_certain(found: Sequence[CharsetMatch], n_bytes: int, most_chaos: float) -> bool:
    """Whether the first reading is natural text, and each other one clearly less so."""
    best, *others = found
    text = str(best).translate(COMMAS)
    rivals = [other for other in others if str(other).translate(COMMAS) != text]
    margin = COHERENCE_MARGIN if n_bytes >= COHERENT_BYTES else SHORT_MARGIN
    is_worse = (
        other.chaos >= best.chaos + CHAOS_MARGIN or other.coherence <= best.coherence - margin
        for other in rivals
    )
    return best.chaos <= most_chaos and best.coherence >= CERTAIN_COHERENCE and all(is_worse)


def is_likely(reading: CharsetMatch, script: str | None) -> bool:
    """Whether a text may stand among texts of a script, and no rare encoding gives a better one."""
    text = str(reading)
    if len(TORN.findall(text)) > MOST_FOREIGN * sum(sign > "\x7f" for sign in text):
        return False
    if script in OLD_SCRIPTS and not (is_of_script(text, script) or is_of_script(text, "latin")):
        return False
    rare = [each for each in readings(bytes(reading.raw), RARE, USUAL_CHAOS) if str(each) != text]
    least = reading.coherence - COHERENCE_MARGIN
    return not any(each.chaos <= reading.chaos and each.coherence > least for each in rare)


def decoded(sample: bytes, name: str) -> str:
    """The text of these bytes, of which the last may lack others; empty if they do not decode."""
    try:
        return codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return ""


def is_of_script(text: str, script: str) -> bool:
    """Whether what is not ASCII in a text is letters and usual signs of one script.

    A wrong encoding makes letters of others and signs of it, or mixes letters within words.
    """
    own = regex.compile(rf"[\p{{L}}\p{{M}}&&\p{{Script={script}}}]", regex.V1)
    other = regex.compile(
        rf"[\p{{L}}--[\p{{ASCII}}\p{{Script={script}}}\p{{Common}}\p{{Inherited}}]]", regex.V1
    )
    n_non_ascii = sum(sign > "\x7f" for sign in text)
    n_foreign = sum(len(each.findall(text)) for each in (other, NO_LETTERS, TORN))
    words = [word for word in WORD.findall(text) if not word.isascii()]
    n_mixed = sum(regex.search(r"[A-Za-z]", word) is not None for word in words)
    is_text = len(own.findall(text)) > n_non_ascii / 2 and n_foreign <= MOST_FOREIGN * n_non_ascii
    return is_text and (script == "latin" or n_mixed <= MOST_MIXED * len(words))
