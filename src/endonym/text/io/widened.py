"""UTF-16 that was written into a text byte by byte: "а" becomes "0" and U+0004, "a" "a" and NUL."""

import regex

HIGH = r"\x00-\x06\x10"
"""The first halves of letters in Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic and Georgian."""
SIGNS = ("\0", "\x04")
"""One of them is in every such text of some length."""
RUN = regex.compile(rf"[{HIGH}]?(?:[\x07-\x0f\x11-\x7f][{HIGH}]){{4,}}+[\x07-\x0f\x11-\x7f]?")
NO_TEXT = regex.compile(r"[\0-\x08\x0E-\x1F\p{Cn}\p{Co}]")


def narrowed(text: str) -> str:
    """The text with such runs as the letters that they stand for."""
    if not any(sign in text for sign in SIGNS):
        return text
    return RUN.sub(lambda run: _decoded(run[0]), text)


def _decoded(run: str) -> str:
    """A run as letters; as it is if they make no text.

    Its first character may belong to what stands before it, such as a line end, or to the half of
    one. Of the readings in either order of bytes, only the right one has blanks.
    """
    rest = run[1:]
    if run[0] == "\0":  # the end of a little-endian line end, perhaps
        found = [_read(run, "utf-16-be"), _read(rest, "utf-16-le")]
    elif run[0] <= "\x06" or run[0] == "\x10":
        found = [_read(run, "utf-16-be")]
    else:
        found = [_read(run, "utf-16-le"), run[0] + _read(rest, "utf-16-be")]
    best = max(found, key=lambda each: each.count(" ")).strip("\0")
    return run if NO_TEXT.search(best) else best


def _read(run: str, name: str) -> str:
    """A run in this order of bytes; a last character without its half stays."""
    whole = run[: len(run) // 2 * 2]
    return whole.encode("latin-1").decode(name, "replace") + run[len(whole) :]
