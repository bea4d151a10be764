"""RTF files, as old Word, WordPad and TextEdit write them, by striprtf: their paragraphs.

Headers and footers, notes, field codes and pictures are left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from endonym.formats.parsers.unit import Options, Refused, Unit

SIGNATURE = b"{\\rtf"
CODE_PAGE = re.compile(rb"\\ansicpg(\d+)")
NOT_ASCII = re.compile(rb"[\x80-\xff]")
LINE_END = "\u2028"
WORD = r"(?<!\\)((?:\\\\)*)\\"
"""Before the name of a control word, with escaped backslashes."""
MARKED = [
    (
        re.compile(rf"{WORD}line(?![a-z])"),
        r"\1\\u8232\\line",
    ),  # A line end in a paragraph: U+2028 first.
    (
        re.compile(rf"{WORD}(?:nest)?cell(?![a-z])"),
        r"\1\\par",
    ),  # A cell is a paragraph, as in DOCX.
    # striprtf writes the address of a link into the text if this follows at once.
    (re.compile(rf"{WORD}fldinst(?![a-z])"), r"\1\\fldinst "),
]


def rtf_units(path: str, start: int, options: Options) -> Iterator[Unit]:
    """The whole text as one unit. Raises Refused if the file is no RTF."""
    return (rtf_unit(Path(path).read_bytes()) for _ in range(start, 2))


def rtf_unit(raw: bytes) -> Unit:
    """An RTF file as a unit."""
    from striprtf.striprtf import rtf_to_text

    if not raw.lstrip().startswith(SIGNATURE):
        raise Refused("damaged", "it does not begin as RTF does")
    # Some programs write letters as they are in the code page, not as \'e4.
    ascii_only = NOT_ASCII.sub(lambda match: rb"\'%02x" % match[0][0], raw).decode("ascii")
    for pattern, marked in MARKED:
        ascii_only = pattern.sub(marked, ascii_only)
    found = CODE_PAGE.search(raw)
    code_page = f"cp{found[1].decode()}" if found else "cp1252"
    try:
        text = rtf_to_text(ascii_only, encoding=code_page, errors="replace")
    except (LookupError, ValueError) as error:
        raise Refused("damaged", f"{type(error).__name__}: {error}") from None
    # Letters beyond U+FFFF stand as two halves.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = text.replace(f"{LINE_END}\n", LINE_END).split("\n")
    paragraphs = [line.replace(LINE_END, "\n").strip() for line in lines]
    return Unit(1, "\n\n".join(filter(None, paragraphs)), {"method": "rtf"}, raw_bytes=len(raw))
