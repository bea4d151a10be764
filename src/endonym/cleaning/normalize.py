"""Changes that are right in every language: composition, spaces, controls, unseen marks, letters.

Each function is a step of `normalize` (`rules.py`), from a text to a text.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable

import regex

from endonym.disk import packaged_tables
from endonym.formats.broken import MOJIBAKE
from endonym.formats.config import Replacement
from endonym.script.scripts import BREAK_SCRIPTS, JOINER_SCRIPTS, RIGHT_TO_LEFT

LINE_END = regex.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
BLANK = re.compile(r"[\t\0\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
ODD = re.compile(
    r"[\r\v\f\x85\u2028\u2029\x01-\x08\x0e-\x1f\x7f-\x9f"
    r"\t\0\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
)
"""All that the next patterns find, but runs of blanks; most texts have none, and `re` finds
characters of a set four times as fast as `regex`."""
BLANKS = regex.compile(r"[ \t\0\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
CONTROL = re.compile(r"[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
BESIDE_LINE_END = regex.compile(r" *\n *")
BLANK_LINES = regex.compile(r"\n{3,}")


MANY_MARKS = regex.compile(r"\P{Canonical_Combining_Class=0}{32,}")
"""More marks on one letter than any language writes (Unicode's stream-safe format allows 30)."""


def composed(text: str) -> str:
    """The text in NFC.

    Python sorts the marks of a letter in quadratic time, so that many of them are sorted before.
    """
    if not text.isascii():
        text = MANY_MARKS.sub(lambda run: "".join(sorted(run[0], key=unicodedata.combining)), text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def with_plain_spaces(text: str) -> str:
    """Single spaces, LF line ends, at most one empty line in a row, nothing at the edges.

    Every Unicode space and NUL become a space; other control characters are removed.
    """
    is_odd = ODD.search(text) is not None
    if is_odd:
        text = CONTROL.sub("", LINE_END.sub("\n", text))
    if "  " in text or (is_odd and BLANK.search(text)):
        text = BLANKS.sub(" ", text)
    if " \n" in text or "\n " in text:
        text = BESIDE_LINE_END.sub("\n", text)
    if "\n\n\n" in text:
        text = BLANK_LINES.sub("\n\n", text)
    return text.strip(" \n")


PATTERN_SECONDS = 5.0
"""Seconds of the processor for a pattern on one document: some would take years on a short one."""


def replacement(rule: Replacement) -> Callable[[str], str]:
    """A function that makes a replacement of a recipe; it raises TimeoutError if it takes too long.

    Letters are replaced all at once, the longest group first, so that two may change places.
    """
    if rule.find is not None:
        pattern = regex.compile(rule.find)
        by = rule.by
        return lambda text: pattern.sub(by, text, timeout=PATTERN_SECONDS)
    letters = rule.letters or {}
    longest_first = sorted(letters, key=lambda each: (-len(each), each))
    group = re.compile("|".join(map(re.escape, longest_first)))
    return lambda text: group.sub(lambda found: letters[found[0]], text)


def without_mojibake(text: str) -> str:
    """The text with each line repaired that is UTF-8 which was read in another encoding and saved.

    ftfy finds which encoding it was. It is asked only about lines with pairs of characters that no
    language has (`formats/broken.py`), and only to repair encodings: its other changes (quotation
    marks, ligatures, widths, entities, line ends, controls) damage good text or are other steps.
    """
    if text.isascii() or not MOJIBAKE.search(text):
        return text
    import ftfy

    lines = text.split("\n")
    return "\n".join(ftfy.fix_encoding(line) if MOJIBAKE.search(line) else line for line in lines)


LINE_ENDS = "\v\f\x85\u2028\u2029"
TABLES = packaged_tables("endonym.cleaning", "normalize.toml")
DELETED = "".join(TABLES["deleted"])
HIDDEN = "|".join(TABLES["hidden"])
"""Characters that nobody sees: anywhere, and where they mean nothing."""
FLAG_TAGS = "|".join(
    "".join(chr(0xE0000 + ord(letter)) for letter in f"{region}\x7f")
    for region in ("gbeng", "gbsct", "gbwls")
)
"""The tags after a black flag that make it that of England, Scotland or Wales: the only ones."""
ODD_CONTROLS = regex.compile(
    f"[\0{LINE_ENDS}{DELETED}\u034f\u115f\u1160\u180e\ufe00-\ufe0f\U000e0020-\U000e01ef]"
)
DELETED_CONTROLS = regex.compile(f"\U0001f3f4(?:{FLAG_TAGS})(*SKIP)(*FAIL)|[{DELETED}]|{HIDDEN}")
PLAIN_CONTROLS = str.maketrans({"\0": " "} | dict.fromkeys(LINE_ENDS, "\n"))


def without_controls(text: str) -> str:
    """The text without controls, marks that reverse the direction of writing, and no characters.

    Deleted are the controls of Unicode, noncharacters, the placeholder of an embedded object, tags,
    annotations, other characters that nobody sees, and the overrides U+202D and U+202E, which no
    language needs. NUL becomes a blank, as programs write it for one; the controls that end a line
    become a line end. Other marks of direction are those of `without_zero_width`, which keeps them
    where a script needs them. Tabs and line ends stay.
    """
    if not ODD_CONTROLS.search(text):
        return text
    return DELETED_CONTROLS.sub("", text.translate(PLAIN_CONTROLS))


JOINERS = "\u200c\u200d"
BREAK = "\u200b"
DIRECTION = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NOWHERE = "\ufeff\u2060\u00ad\u0336"

ZERO_WIDTH = re.compile(f"[{JOINERS}{BREAK}{DIRECTION}{NOWHERE}]")
ZERO_WIDTH_RUN = regex.compile(f"[{JOINERS}{BREAK}{DIRECTION}{NOWHERE}]+")
REPEATED = regex.compile(f"([{JOINERS}{BREAK}])\\1+")
TURNS = regex.compile(f"[{JOINERS}{BREAK}\u200e\u200f\u061c]{{4,}}")
"""Marks by turns are a hidden message: no script needs more than U+200D U+200C U+200D."""
IN_EMOJI = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]"
EMOJI = regex.compile(IN_EMOJI)


def without_zero_width(text: str, script: str | None) -> str:
    """The text without the zero-width characters that its script does not need.

    U+200C and U+200D join letters in Arabic and Indic scripts (and U+200D emoji), U+200B ends words
    in Khmer, Thai, Lao and Burmese, direction marks belong to right-to-left scripts. Elsewhere they
    are noise, as are U+FEFF, the word joiner, the soft hyphen and the strike-through overlay
    everywhere. script: the recipe's; None for that of the letters beside each character.
    """
    if not ZERO_WIDTH.search(text):
        return text
    if script is None:
        return ZERO_WIDTH_RUN.sub(lambda run: kept_marks(text, run.start(), run.end()), text)
    text = REPEATED.sub(r"\1", text)
    return without_turns(unwanted(script).sub("", text))


def without_turns(text: str) -> str:
    """The text without runs of marks by turns, which hide a message.

    Of a run of one mark, that mark stays; of one with U+200B, which ends a word, that.
    """

    def left(run: "regex.Match[str]") -> str:
        return run[0][0] if len(set(run[0])) == 1 else BREAK * (BREAK in run[0])

    return TURNS.sub(left, text)


@functools.cache
def unwanted(script: str) -> "regex.Pattern[str]":
    """A pattern of the marks that a script does not need. U+200D between emoji always stays."""
    marks = "".join(set(JOINERS + BREAK + DIRECTION + NOWHERE) - set(wanted_marks(script)))
    if "\u200d" not in marks:
        return regex.compile(f"[{marks}]")
    joiner = rf"(?<!{IN_EMOJI})\u200D|\u200D(?!\p{{Extended_Pictographic}})"
    return regex.compile("[" + marks.replace("\u200d", "") + f"]|{joiner}")


def wanted_marks(script: str) -> str:
    """The zero-width characters that a script needs."""
    needs = ((JOINERS, JOINER_SCRIPTS), (BREAK, BREAK_SCRIPTS), (DIRECTION, RIGHT_TO_LEFT))
    return "".join(marks for marks, scripts in needs if script in scripts)


@functools.cache
def marks_beside(character: str) -> str:
    """The marks that may stand beside a character, by its script."""
    for script in sorted(JOINER_SCRIPTS | BREAK_SCRIPTS | RIGHT_TO_LEFT):
        # Or one that the script shares with others.
        if regex.match(rf"\p{{Script_Extensions={script}}}", character):
            return wanted_marks(script)
    return "\u200d" if EMOJI.match(character) else ""


def kept_marks(text: str, start: int, end: int) -> str:
    """The marks of a run that stay, each at most once in a row, by the characters beside it."""
    before = marks_beside(text[start - 1]) if start else ""
    after = marks_beside(text[end]) if end < len(text) else ""
    kept = "".join(mark for mark in text[start:end] if mark in before or mark in after)
    return without_turns(REPEATED.sub(r"\1", kept))


WORD = regex.compile(r"[\p{L}\p{M}]*")
WORD_BACKWARDS = regex.compile(r"(?r)[\p{L}\p{M}]*")


def with_words(text: str, where: "regex.Pattern[str]", change: Callable[[str], str]) -> str:
    """The text with each word changed in which the pattern `where` is found.

    A word is a run of letters and their marks. A pattern such as `\\w*x\\w*` would do the same, and
    take quadratic time on long words.
    """
    parts = list[str]()
    done = 0
    for match in where.finditer(text):
        if match.start() < done:
            continue
        start, end = match.span()
        word = WORD.match(text, start)
        before = WORD_BACKWARDS.match(text, done, start)
        if word and before and word.end() > start:
            start = before.start()
            end = max(word.end(), end)
        parts += [text[done:start], change(text[start:end])]
        done = end
    return "".join(parts) + text[done:] if parts else text


LATIN = "latin"
CYRILLIC = "cyrillic"
GREEK = "greek"
SYMBOLS = "νρ"
"""Letters of Greek that stay Greek beside other letters: formulas have them."""

IN_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0259\u1e00-\u1eff"
IN_CYRILLIC = "\u0400-\u0482\u048a-\u052f\u1c80-\u1c8f\ua640-\ua66e\ua680-\ua69b"
IN_GREEK = "\u0370-\u0373\u0376-\u037d\u0386-\u03ff\u1f00-\u1fff"
BEYOND_LATIN = regex.compile(f"[{IN_CYRILLIC}{IN_GREEK}]")
BEYOND_CYRILLIC = regex.compile(f"[{IN_LATIN}{IN_GREEK}]")
MEETING = regex.compile(
    rf"[{IN_LATIN}]\p{{M}}*[{IN_CYRILLIC}{IN_GREEK}]|[{IN_CYRILLIC}]\p{{M}}*[{IN_LATIN}{IN_GREEK}]"
    rf"|[{IN_GREEK}]\p{{M}}*[{IN_LATIN}{IN_CYRILLIC}]"
)
"""Where two scripts meet within a word."""
LEAST_GREEK = 4
"""Greek letters of a word that is made Greek in a text of another script; fewer are symbols."""
ACRONYM = regex.compile(r"(\p{Lu}{2,})([\p{Ll}\p{M}]+)")
"""Capitals with an ending in small letters."""
NUMERAL = regex.compile(r"[IVX](?:нч[еы]\p{Ll}*|н[еы]ң\p{Ll}*|г[әа]|к[әа]|[дт][әа]н?)")
"""A Roman numeral of one letter with a Turkic ending: no word begins so."""


@functools.cache
def script_of(letter: str) -> str:
    """Latin, Cyrillic, Greek; empty for all others."""
    for name in (LATIN, CYRILLIC, GREEK):
        if regex.match(rf"\p{{Script={name}}}", letter):
            return name
    return ""


@functools.cache
def twins() -> dict[str, dict[str, str]]:
    """By script: from the letters of other scripts to those of this one that look the same."""
    found: dict[str, dict[str, str]] = {LATIN: {}, CYRILLIC: {}, GREEK: {}}
    for group in TABLES["twins"].split():
        for letter in group:
            for twin in group:
                if letter != twin and letter not in SYMBOLS:
                    found[script_of(twin)].setdefault(letter, twin)
    return found


def one_script(script: str | None) -> Callable[[str], str]:
    """A function that writes each word in one script. script: the recipe's, if it names one.

    Letters of another script may look like the right ones, as a Latin a in `бaрның`. A word of one
    script stays as it is, and so does a word with a letter that has no twin in the other script
    (`Windowsның`), and an acronym or a Roman numeral with an ending (`HPның`, `Xнчы`): there, both
    scripts are meant. So they are where a Greek letter is a symbol (`hν`). All others become words
    of the usual script, if all of their foreign letters have twins in it, or else of the script of
    most of their letters, on the same condition, and not of a few Greek ones. The usual script is
    the recipe's, or else that of the text.
    """

    def repaired(text: str) -> str:
        if text.isascii() or not (BEYOND_LATIN.search(text) and BEYOND_CYRILLIC.search(text)):
            return text
        usual = script if script in twins() else most_of(text)
        return with_words(text, MEETING, lambda word: in_one_script(word, usual))

    return repaired


def most_of(text: str) -> str:
    """The script of most letters in the beginning of a text."""
    counts = Counter(script_of(letter) for letter in text[:10_000] if letter.isalpha())
    return max((LATIN, CYRILLIC, GREEK), key=counts.__getitem__)


def in_one_script(word: str, usual: str) -> str:
    """A word of two scripts in one of them, if all letters of the other have a twin in it."""
    scripts = [name for letter in word if (name := script_of(letter))]
    possible = [name for name in dict.fromkeys(scripts) if is_possible(word, name)]
    if not possible or is_acronym(word) or NUMERAL.fullmatch(word):
        return word
    chosen = usual
    if usual not in possible:
        if scripts.count(GREEK) < LEAST_GREEK:
            possible = [name for name in possible if name != GREEK]
        if not possible:
            return word
        chosen = max(possible, key=lambda name: (scripts.count(name), name))
        if 2 * scripts.count(chosen) <= len(scripts):
            return word
    twin_of = twins()[chosen]
    return "".join(twin_of.get(letter, letter) for letter in word)


def is_possible(word: str, script: str) -> bool:
    """Whether all letters of a word that are of other scripts have a twin in this one."""
    twin_of = twins()[script]
    return all(script_of(letter) in ("", script) or letter in twin_of for letter in word)


def is_acronym(word: str) -> bool:
    """Whether a word is an acronym in one script with an ending in another."""
    match = ACRONYM.fullmatch(word)
    if match is None:
        return False
    stem, ending = ({script_of(letter) for letter in part} - {""} for part in match.groups())
    return len(stem) == len(ending) == 1 and stem != ending
