"""Control characters, marks that reverse the direction of writing, and what is no character.

Deleted are the controls of Unicode, noncharacters, the placeholder of an embedded object, tags and
annotations, and the overrides U+202D and U+202E, which no language needs. NUL becomes a blank, as
programs write it for one; the controls that end a line become a line end. Other marks of direction
are those of `zero_width`, which keeps them where a script needs them.
"""

import regex

LINE_ENDS = "\v\f\x85\u2028\u2029"
DELETED = (
    "\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u202d\u202e\u206a-\u206f"  # overrides, and deprecated marks of form
    "\ufdd0-\ufdef\ufffe\uffff"  # noncharacters
    "\ufff9-\ufffc\U000e0001"  # annotations, embedded objects, language tags
)
ANY = regex.compile(f"[\0{LINE_ENDS}{DELETED}]")
DELETE = regex.compile(f"[{DELETED}]+")
TO_PLAIN = str.maketrans({"\0": " "} | dict.fromkeys(LINE_ENDS, "\n"))


def without_controls(text: str) -> str:
    """The text without control characters; tabs and line ends stay."""
    return DELETE.sub("", text.translate(TO_PLAIN)) if ANY.search(text) else text
