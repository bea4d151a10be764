"""Control characters, marks that reverse the direction of writing, and what is no character.

Deleted are the controls of Unicode, noncharacters, the placeholder of an embedded object, tags,
annotations, other characters that nobody sees, and the overrides U+202D and U+202E, which no
language needs. NUL becomes a blank, as programs write it for one; the controls that end a line
become a line end. Other marks of direction are those of `zero_width`, which keeps them where a
script needs them.
"""

import regex

LINE_ENDS = "\v\f\x85\u2028\u2029"
DELETED = (
    "\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u202d\u202e\u206a-\u206f"  # overrides, and deprecated marks of form
    "\ufdd0-\ufdef\ufffe\uffff"  # noncharacters
    "\ufff0-\ufffc\U000e0000-\U000e001f"  # annotations, embedded objects, language tags
    "\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"  # reserved, and never shown
    "\u2061-\u2065\u3164\uffa0\u17b4\u17b5"  # of formulas; fillers; unseen vowels of Khmer
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # of shorthand and of music
)
HIDDEN = (
    "[\U000e0020-\U000e007f]"  # tags
    r"|(?<!\p{Han})[\U000e0100-\U000e01ef]"  # choose a form of a Chinese character
    r"|(?<=[\uFE00-\uFE0F])[\uFE00-\uFE0F]"  # a character has one form
    r"|\u034f(?!\p{M})"  # stands between marks
    r"|(?<![\u1160-\u11a7])[\u115f](?![\u1160-\u11a7])"  # stands for a part of a syllable
    r"|(?<![\u1100-\u115f])\u1160"
    r"|(?<!\p{Mongolian})\u180e"
)
"""Characters that nobody sees, and that mean nothing where they stand."""
FLAGS = "|".join(
    "".join(chr(0xE0000 + ord(letter)) for letter in f"{region}\x7f")
    for region in ("gbeng", "gbsct", "gbwls")
)
"""The tags after a black flag that make it that of England, Scotland or Wales: the only ones."""
ANY = regex.compile(
    f"[\0{LINE_ENDS}{DELETED}\u034f\u115f\u1160\u180e\ufe00-\ufe0f\U000e0020-\U000e01ef]"
)
DELETE = regex.compile(f"\U0001f3f4(?:{FLAGS})(*SKIP)(*FAIL)|[{DELETED}]|{HIDDEN}")
TO_PLAIN = str.maketrans({"\0": " "} | dict.fromkeys(LINE_ENDS, "\n"))


def without_controls(text: str) -> str:
    """The text without control characters; tabs and line ends stay."""
    return DELETE.sub("", text.translate(TO_PLAIN)) if ANY.search(text) else text
