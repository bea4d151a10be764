"""UTF-16 that was written into a text byte by byte: "а" becomes "0" and U+0004, "a" "a" and NUL.

Whole lines of it are found in the bytes of a file, which mostly are no UTF-8 then; what stands in
the middle of a line is found in its text. So is what a program has read in an old encoding of
Windows and saved as UTF-8: of "é" it makes "é" and NUL, of "ә" "Ù" and U+0004, or "Щ" and U+0004.
Letters of UTF-8 may also have a NUL between them and be no halves: then the NULs go.
"""

import codecs

import regex

from endonym.formats.io.streams import Stream

HIGH = r"\x00-\x06\x0e\x10\x17\x1e"
"""The first halves of letters in Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic, Thai, Georgian,
Khmer, and of those with two marks. Text has none of these controls."""
SIGNS = ("\0", "\x04", "\x06", "\x10", "\x17")
"""One of them is in every such text of some length: the others stand beside blanks."""
ANSI = ("cp1252", "cp1250", "cp1251")
"""Encodings in which the halves may have been read, the most usual first."""


def _bytes_of(name: str) -> dict[int, int]:
    """The byte of each character of an encoding; bytes without one stand for controls."""
    signs = (bytes([byte]).decode(name, "ignore") for byte in range(256))
    bytes_of_letters = {ord(sign): byte for byte, sign in enumerate(signs) if sign}
    return {byte: byte for byte in range(256)} | bytes_of_letters


BYTES_OF_SIGNS = [_bytes_of(name) for name in ANSI]
HALF = r"\x00-\xff" + "".join(
    sorted({chr(s) for table in BYTES_OF_SIGNS for s in table if s > 0xFF})
)
LITTLE = rf"[{HALF}][{HIGH}]"
BIG = rf"[{HIGH}][{HALF}]"
RUNS = {  # Marks, dashes, quotes and others of U+200B to U+203F stand among letters.
    "utf-16-le": rf"(?:{LITTLE}|[\x10-\x1f]\x20)(?:{LITTLE}|[\x0b-\x3f]\x20(?={LITTLE})){{3,}}+",
    "utf-16-be": rf"(?:{BIG}|\x20[\x10-\x1f])(?:{BIG}|\x20[\x0b-\x3f](?={BIG})){{3,}}+",
}
SPACED = regex.compile(r"\0?+[^\0-\x08\x0E-\x1F](?:\0[^\0-\x08\x0E-\x1F]){3,}+\0?+")
"""Characters with a NUL between each two of them."""
LETTERS = {chr(sign) for table in BYTES_OF_SIGNS for sign, byte in table.items() if byte > 0x9F}
NO_HALF = regex.compile(rf"[^\x00-\x7f{''.join(sorted(LETTERS))}]")
"""What stands for no half of a letter whose other half is NUL; U+0080 to U+009F are none."""
CYRILLIC = r"\p{Script=Cyrillic}"
WORD = regex.compile(rf"(?<!\p{{L}}){CYRILLIC}{{2,}}+(?!\p{{L}})")
TWO_SCRIPTS = regex.compile(rf"{CYRILLIC}[A-Za-z]|[A-Za-z]{CYRILLIC}")
PATTERNS = {name: regex.compile(run) for name, run in RUNS.items()}
NO_TEXT = regex.compile(r"[\0-\x08\x0E-\x1F\p{Cn}\p{Co}]")
NO_CONTROL = regex.compile(r"[^\0-\x08\x0E-\x1F]")


def narrowed(text: str) -> str:
    """The text with runs of halves of letters as the letters that they stand for.

    Of the readings in either order of bytes, the right one leaves fewer controls, and has blanks.
    """
    if not any(sign in text for sign in SIGNS):
        return text
    text = SPACED.sub(_whole_letters, text)
    readings = [
        pattern.sub(lambda run, name=name: _read(run[0], name), text)
        for name, pattern in PATTERNS.items()
    ]
    best = min(readings, key=_signs_of_wrong_reading)
    return text if best == text else best.strip("\0")


def _whole_letters(run: regex.Match[str]) -> str:
    """Characters without the NULs between them; as they are if they may be halves of letters.

    Those of Latin letters that were read in cp1251 make words of both scripts, such as "йtй".
    """
    whole = run[0].replace("\0", "")
    is_cyrillic = len(WORD.findall(whole)) > len(TWO_SCRIPTS.findall(whole))
    return whole if is_cyrillic or NO_HALF.search(whole) else run[0]


def _signs_of_wrong_reading(text: str) -> tuple[int, int]:
    """How many control characters it has; and minus its blanks, for readings of as many."""
    return len(NO_CONTROL.sub("", text)), -text.count(" ") - text.count("\n")


def _read(run: str, name: str) -> str:
    """A run as text. name: utf-16-le or -be. As it is if it is no text in that."""
    for table in BYTES_OF_SIGNS:
        if all(ord(half) in table for half in run):
            text = bytes(table[ord(half)] for half in run).decode(name, "replace")
            return run if NO_TEXT.search(text) else text
    return run


SIGN_BYTES = bytes({*range(32)} - {*b"\t\n\v\f\r"})
"""First halves of letters that no line of text has. Those of Indic letters are tabs and others."""
FIRST_BYTES = SIGN_BYTES + b"\t\v\f"
LEAST_SHARE = 0.6
LEAST_CHARS = 3
"""Of the first halves in a line of UTF-16: the rest are of dashes and other rare signs.
After such a line one character is enough."""
MOST_HELD_BYTES = 1 << 20
"""Of an unfinished line, which is read as it is if it is longer."""
MOST_HALVES = 100
"""More line ends in a row that may be halves of letters are line ends."""
UNDECODABLE = "endonym.undecodable"
"""The name of `undecodable`, for decoders."""


def undecodable(error: UnicodeError) -> tuple[str, int]:
    """What stands for bytes that cannot be decoded: it becomes invalid UTF-8, so that they show."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error(UNDECODABLE, undecodable)


class Lines:
    """Turns lines of UTF-16 in a text of UTF-8 into UTF-8. Other lines stay as they are.

    before: the byte order of the last line; empty if it was no UTF-16.
    """

    def __init__(self) -> None:
        self.before = ""

    def narrowed(self, data: bytes) -> bytes:
        """These lines with UTF-16 as UTF-8. data: lines, of which the last one may lack its end."""
        if not self.before and not _count(data, SIGN_BYTES):
            return data
        lines = data.split(b"\n")
        found = list[bytes]()
        at = 0
        while at < len(lines):
            line, size = self._line(lines, at)
            found.append(line)
            at += size
        return b"\n".join(found)

    def _line(self, lines: list[bytes], at: int) -> tuple[bytes, int]:
        """The line at this index, and how many of `lines` it takes: LF may be half of a letter."""
        line = lines[at]
        end = at + 1
        if not self.before and len(line) + len(lines[min(end, len(lines) - 1)]) < LEAST_CHARS:
            return line, 1
        if not line.isascii() and is_utf8(line):  # If it is one, its text shows it.
            first = line.removeprefix(b"\0") if self.before == "utf-16-le" else line
            self.before = ""
            return first, 1
        is_rest = len(line) % 2 == 1 and not line.endswith(b"\0")
        if self.before == "utf-16-le" or is_rest:
            line = line.removeprefix(b"\0")  # of the line end before
        order = _order(line, 1 if self.before else LEAST_CHARS)
        if not order and len(line) < 2 * LEAST_CHARS:
            order = _order_by(line, b"".join(lines[end : end + 1]))
        if self.before and not order and lines[at] == b"\0":
            return b"", 1
        size = len(line)
        while order and end < len(lines) and _is_half(order, size, lines[end - 1], lines[end]):
            size += 1 + len(lines[end])
            end += 1
        text = _text(b"\n".join([line, *lines[at + 1 : end]]), order)
        if text is None:
            first = line if self.before == "utf-16-le" else lines[at]
            # What is not finished here says nothing of the line that goes on.
            self.before = self.before if at == len(lines) - 1 and not line else ""
            return b"\n".join([first, *lines[at + 1 : end]]), end - at
        self.before = order
        return text.encode("utf-8", "surrogatepass"), end - at


def narrowed_lines(stream: Stream) -> Stream:
    """A stream of UTF-8 with its lines of UTF-16 as UTF-8."""
    lines = Lines()
    held = b""
    for piece in stream:
        if not isinstance(piece, bytes):
            if held:
                yield lines.narrowed(held)
            yield piece
            return
        piece = held + piece
        held = b""
        whole = _whole_lines(piece)
        if len(piece) - whole < MOST_HELD_BYTES:
            piece, held = piece[:whole], piece[whole:]
        if piece:
            yield lines.narrowed(piece)
    if held:
        yield lines.narrowed(held)


def _whole_lines(piece: bytes) -> int:
    """The size of the lines whose ends are surely no halves of letters: the next byte shows it."""
    last = whole = piece.rfind(b"\n", 0, -1) + 1
    for _ in range(MOST_HALVES):
        if not whole or not piece[whole] or piece[whole] not in SIGN_BYTES:
            return whole
        whole = piece.rfind(b"\n", 0, whole - 1) + 1
    return last


def is_utf8(line: bytes) -> bool:
    """Whether all of it is UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _count(data: bytes, wanted: bytes) -> int:
    """How many bytes of `data` are among those of `wanted`."""
    return len(data) - len(data.translate(None, wanted))


def _order(line: bytes, least_chars: int) -> str:
    """The byte order of a line of UTF-16; empty if it is none, or has fewer characters."""
    line = line[: len(line) // 2 * 2]
    n_even, n_odd = (_count(half, FIRST_BYTES) for half in (line[::2], line[1::2]))
    least = max(least_chars, LEAST_SHARE * (len(line) // 2))
    if max(n_even, n_odd) < least or n_even == n_odd:
        return ""
    is_big_endian = n_even > n_odd
    first_halves = line[::2] if is_big_endian else line[1::2]
    if not _count(first_halves, SIGN_BYTES):
        return ""
    return "utf-16-be" if is_big_endian else "utf-16-le"


def _order_by(line: bytes, after: bytes) -> str:
    """The byte order of so few letters before a LF that may be half of one; empty if it is not.

    Of the readings in either order only the right one has blanks, or all its line end.
    """
    whole = line + b"\n" + after
    order = _order(whole, LEAST_CHARS)
    if not order or not _is_half(order, len(line), line, after):
        return ""
    if order == "utf-16-be":
        return order
    ends_with_nul = after.endswith(b"\0")
    # The better reading has more blanks; of two with as many, the one with all its line end.
    little = (whole.decode(order, "replace").count(" "), not ends_with_nul)
    big = (after.decode("utf-16-be", "replace").count(" "), ends_with_nul)
    return order if little > big else ""


def _is_half(order: str, size: int, line: bytes, after: bytes) -> bool:
    """Whether the LF between these is half of a letter, such as U+040A.

    size: in bytes, of all that stands before it.
    """
    is_big_endian = order == "utf-16-be"
    other_half = line[-1:] if is_big_endian else after[:1]
    is_at_place = size % 2 == is_big_endian  # LF comes second in big-endian, first in little-endian
    return is_at_place and other_half != b"\0" and _count(other_half, SIGN_BYTES) > 0


def _text(line: bytes, order: str) -> str | None:
    """A line of UTF-16 as text, without the first half of its end; None if it is no text."""
    if not order:
        return None
    if order == "utf-16-be" and len(line) % 2:
        line = line.removesuffix(b"\0")
    text = line.decode(order, UNDECODABLE)
    return None if NO_TEXT.search(text) else text
