"""Guesses the encoding of an old text file by its letters.

A guess counts only if no other encoding comes near it. Where the script of the text is known, only
encodings in which it is text of that script compete. A text in another script is refused. Latin is
an exception: any folder may have a text in it.
"""

import codecs
from collections.abc import Sequence

import charset_normalizer
import regex
from charset_normalizer import CharsetMatch

from endonym.formats.io.streams import Damage

SAMPLE_BYTES = 1 << 14
"""How much of a file's head is used."""

LIKELY = [
    *(f"cp{number}" for number in (866, 850, 852, *range(1250, 1259))),
    *(f"iso8859_{number}" for number in (2, 5, 6, 7, 8, 9, 15, 16)),
    *("koi8_r", "koi8_u", "kz1048", "tis_620", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"),
]
"""Usual encodings of old files."""
RARE = [
    *(f"cp{number}" for number in (437, 737, 855, 857, 862, 869)),
    *(f"mac_{name}" for name in ("cyrillic", "greek", "latin2", "roman", "romanian", "turkish")),
]
"""Where one of these gives the best text, no usual encoding is certain. They must be given."""

CERTAIN_CHAOS, CERTAIN_COHERENCE = 0.02, 0.4
"""Limits of charset_normalizer's scores for odd sequences and natural letter frequencies."""

CHAOS_MARGIN, COHERENCE_MARGIN, SHORT_MARGIN = 0.03, 0.04, 0.3
"""It must be better than every other encoding by one of these."""

USUAL_CHAOS, ANY_CHAOS = 0.2, 1.0
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
TORN = regex.compile(r"(?<=\p{L})[‚„†‡‰ˆ˜‹›•¤¦¨¬¯¶¸×÷ªº](?=\p{L})")
"""Signs that stand within no word: those of DOS are such letters as é there."""
WORD = regex.compile(r"[\p{L}\p{M}]+")
MOST_FOREIGN, MOST_MIXED = 0.02, 0.02
"""Of the characters beyond ASCII, and of the words with them, in a text of one script."""
NAMING_BYTES, SHOWN_NAMES, SHOWN_CHARS = 2_048, 4, 24
"""By how much of the file a refusal finds encodings to name, how many it names, and how much of the
text in each."""


def guess(head: bytes, script: str | None) -> tuple[str, Damage | None]:
    """Python's name of the encoding of these bytes, which are no UTF-8; or why it is refused."""
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    sample = b"".join(lines)[:SAMPLE_BYTES]
    found = readings(sample, LIKELY, USUAL_CHAOS)
    if found and is_certain(found, len(sample), CERTAIN_CHAOS) and is_likely(found[0], script):
        return codecs.lookup(found[0].encoding).name, None
    fitting = readings(sample, of_scripts(sample, [script]), ANY_CHAOS)
    # It may be text in another script after all.
    others = [each for each in found if any(is_of_script(str(each), old) for old in OLD_SCRIPTS)]
    possible = [*fitting, *others]
    if fitting and is_certain(possible, len(sample), ANY_CHAOS) and is_likely(fitting[0], script):
        return codecs.lookup(fitting[0].encoding).name, None
    if not (possible := [*fitting, *found]):
        sample = sample[:NAMING_BYTES]
        possible = readings(sample, of_scripts(sample, OLD_SCRIPTS), ANY_CHAOS)
    if not possible:
        return "", Damage("binary", "binary data: no encoding gives a text")
    names = dict.fromkeys(each.encoding for each in possible)
    return "", refusal(list(names)[:SHOWN_NAMES], sample)


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
    known = [script for script in scripts if script in OLD_SCRIPTS]
    texts = [(name, decoded(sample, name)) for name in LIKELY] if known else []
    return [name for name, text in texts if any(is_of_script(text, each) for each in known)]


def is_certain(found: Sequence[CharsetMatch], n_bytes: int, most_chaos: float) -> bool:
    """Whether the first reading is natural text, and each other one clearly less so."""
    best, *others = found
    text = str(best).translate(COMMAS)
    rivals = [other for other in others if str(other).translate(COMMAS) != text]
    margin = COHERENCE_MARGIN if n_bytes >= COHERENT_BYTES else SHORT_MARGIN
    beaten = (
        other.chaos >= best.chaos + CHAOS_MARGIN or other.coherence <= best.coherence - margin
        for other in rivals
    )
    return best.chaos <= most_chaos and best.coherence >= CERTAIN_COHERENCE and all(beaten)


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
    beyond = sum(sign > "\x7f" for sign in text)
    foreign = sum(len(each.findall(text)) for each in (other, NO_LETTERS, TORN))
    words = [word for word in WORD.findall(text) if not word.isascii()]
    mixed = sum(regex.search(r"[A-Za-z]", word) is not None for word in words)
    is_text = len(own.findall(text)) > beyond / 2 and foreign <= MOST_FOREIGN * beyond
    return is_text and (script == "latin" or mixed <= MOST_MIXED * len(words))


def refusal(names: Sequence[str], sample: bytes) -> Damage:
    """The message about encodings of which none is certain, each with the first words in it."""
    shown = ", ".join(f"{name}: “{first_words(sample, name)}”" for name in names)
    which = "one encoding fits, but not surely" if len(names) == 1 else "several encodings fit"
    return Damage(
        "unknown_encoding",
        f"this is not UTF-8, and {which} ({shown}); "
        'name the right one in the recipe: encoding = "…"',
    )


def first_words(sample: bytes, name: str) -> str:
    """How the text would begin in this encoding."""
    words = sample[: 8 * SHOWN_CHARS].decode(name, "ignore").split()
    return " ".join(words)[:SHOWN_CHARS].rpartition(" ")[0] or " ".join(words)[:SHOWN_CHARS]
