"""A program in Tesseract's place: it writes what stands in the picture, as its packs would."""

import json
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.formats.pages import ocr

PROGRAM = """#!{python}
import json, os, sys, time
packs = json.loads({packs!r})
if sys.argv[1] == "--list-langs":
    print('List of available languages in "{folder}" (%d):' % len(packs))
    print("\\n".join([*packs, "osd"]))
    sys.exit()
given, chosen = sys.argv[1], sys.argv[sys.argv.index("-l") + 1].split("+")
data = sys.stdin.buffer.read() if given == "stdin" else open(given, "rb").read()
page = None
for each in sys.argv:
    if each.startswith("tessedit_page_number="):
        page = int(each.partition("=")[2])
pages = data.partition(b"TEXT:")[2].partition(b"\\0END")[0].decode().split("\\f")
text = "\\n".join(pages) if page is None else pages[page]
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if text.startswith("crash"): os.abort()
if text.startswith("no picture"):
    sys.stderr.write("Error in pixReadStream: image file not supported\\n"); sys.exit(1)
if text.startswith("spin"):
    while True: pass
if text.startswith("eat"): held = bytearray(8 << 30)
shown = packs[chosen[0]]
print("level\\tpage_num\\tblock_num\\tpar_num\\tline_num\\tword_num\\tleft\\ttop\\twidth\\theight\\tconf\\ttext")
for number, line in enumerate(text.strip().splitlines(), 1):
    letters = "".join(each for each in line if each in shown["letters"] or not each.isalpha())
    place = f"100\\t{{100 + 50 * number}}\\t900\\t{{30 + number % 3}}"
    print(f"4\\t1\\t1\\t1\\t{{number}}\\t0\\t{{place}}\\t-1\\t")
    for word in letters.split():
        print(f"5\\t1\\t1\\t1\\t{{number}}\\t1\\t100\\t100\\t50\\t30\\t{{shown['sure']}}\\t{{word}}")
"""


def pack_file(letters: str) -> bytes:
    """A pack with these letters, in the form of Tesseract's files."""
    listed = f"{len(letters)}\n" + "".join(f"{each} 3 0,255 x\n" for each in letters)
    offsets = [-1] * 24
    offsets[21] = 4 + 8 * 24
    offsets[23] = offsets[21] + len(listed.encode())
    return struct.pack("<i24q", 24, *offsets) + listed.encode() + b"5.0"


def install(
    folder: Path, packs: dict[str, tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """Put the program in Tesseract's place, with these packs: their letters, and how sure they are.

    Returns what was asked of it so far.
    """
    data, log = folder / "tessdata", folder / "asked.txt"
    data.mkdir(parents=True)
    known = {name: {"letters": letters, "sure": sure} for name, (letters, sure) in packs.items()}
    for name, (letters, _) in packs.items():
        (data / f"{name}.traineddata").write_bytes(pack_file(letters))
    program = folder / "tesseract"
    text = PROGRAM.format(python=sys.executable, packs=json.dumps(known), folder=data, log=str(log))
    program.write_text(text, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(ocr, "PROGRAM", str(program))
    ocr.tesseract.cache_clear()
    return lambda: log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def remove(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Tesseract."""
    monkeypatch.setattr(ocr, "PROGRAM", "no-such-program-here")
    ocr.tesseract.cache_clear()


def picture(*pages: str) -> bytes:
    """A picture of these pages."""
    return b"\x89PNG\r\n\x1a\nTEXT:" + "\f".join(pages).encode() + b"\0END"
