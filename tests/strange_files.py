"""Files as an attacker would make them: each is small on disk and strange in one way."""

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import zstandard
from text_samples import TATAR, write

LINES = "\n".join(TATAR) + "\n"
EXABYTE = 1 << 60
ZEROS = bytes(1 << 20)


def odd(name: bytes) -> str:
    """A file's name with bytes that are not UTF-8, as Python writes it."""
    return os.fsdecode(name)


def block(data: bytes) -> bytes:
    """Bytes filled up to whole blocks of a tar."""
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE, **fields: bytes) -> bytes:
    """The header of a member of a tar. fields: `at386=b"…"` writes bytes at a position."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT)[-tarfile.BLOCKSIZE :])
    for at, value in fields.items():
        start = int(at.removeprefix("at"))
        raw[start : start + len(value)] = value
    raw[148:156] = b" " * 8
    raw[148:155] = b"%06o\0" % sum(raw)
    return bytes(raw)


def good_member(name: str = "good.txt") -> bytes:
    """A member with Tatar lines."""
    return header(name, len(LINES.encode())) + block(LINES.encode())


def pax(fields: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A pax header with these fields."""
    body = b""
    for key, value in fields.items():
        record = f" {key}={value}\n".encode("utf-8", "surrogateescape")
        size = len(record) + 1
        while size != len(str(size)) + len(record):
            size = len(str(size)) + len(record)
        body += str(size).encode() + record
    return header("pax", len(body), kind) + block(body)


def ended(*parts: bytes) -> bytes:
    """A whole tar of these parts."""
    return b"".join(parts) + bytes(2 * tarfile.BLOCKSIZE)


def sparse_number(size: int) -> bytes:
    """A number as twelve bytes of a tar's header."""
    return b"\x80" + size.to_bytes(11, "big")


def sparse_tar(format_name: str) -> bytes:
    """A good member and a sparse one of an exabyte, in GNU's format of this name."""
    large = sparse_number(EXABYTE)
    if format_name == "gnu":
        fields = {
            "at386": sparse_number(EXABYTE) + sparse_number(0),
            "at483": sparse_number(EXABYTE),
        }
        return ended(header("hole.txt", 0, tarfile.GNUTYPE_SPARSE, **fields), good_member())
    if format_name == "gnu extended":
        fields = {"at482": b"\1", "at483": large}
        more = bytearray(512)
        more[504] = 1
        parts = bytes(more) * 3 + bytes(512)
        return ended(header("hole.txt", 0, tarfile.GNUTYPE_SPARSE, **fields), parts, good_member())
    said = {
        "GNU.sparse.size": str(EXABYTE),
        "GNU.sparse.numblocks": "1",
        "GNU.sparse.map": f"{EXABYTE},0",
    }
    body = b""
    if format_name == "0.0":
        said = {"GNU.sparse.size": str(EXABYTE), "GNU.sparse.numblocks": "0"}
    elif format_name == "1.0":
        said = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.realsize": str(EXABYTE),
        }
        said["GNU.sparse.name"] = "hole.txt"
        body = block(b"1\n%d\n0\n" % EXABYTE)
    fields = {f"GNU.sparse.{key}": str(value) for key, value in said.items()}
    return ended(pax(fields), header("hole.txt", len(body)), body, good_member())


def overlapping_zip(count: int, payload: bytes) -> bytes:
    """A zip that names one deflated member so many times."""
    raw = zipped(payload, zipfile.ZIP_DEFLATED)
    start, end = raw.index(b"PK\1\2"), raw.index(b"PK\5\6")
    counts = struct.pack("<HHI", count, count, (end - start) * count)
    return raw[:start] + raw[start:end] * count + raw[end : end + 8] + counts + raw[-6:]


def long_name_zip(n_bytes: int) -> bytes:
    """A zip of 500 short lines, in a member with a name of so many bytes."""
    return zipped("ә\n".encode() * 500, zipfile.ZIP_DEFLATED, "n" * (n_bytes - 4) + ".txt")


def long_name_tar(n_bytes: int) -> bytes:
    """A packed tar of 500 short lines, in a member with a name of so many bytes."""
    lines = "ә\n".encode() * 500
    name = "n" * (n_bytes - 4) + ".txt"
    raw = ended(pax({"path": name}), header("y.txt", len(lines)), block(lines))
    return gzip.compress(raw, mtime=0)


def zipped(content: bytes, method: int, name: str = "a.txt") -> bytes:
    """A zip of one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def patched_zip(raw: bytes, local: int, central: int, value: bytes) -> bytes:
    """A zip of one member with a field of both its headers replaced."""
    data = bytearray(raw)
    start = data.index(b"PK\1\2")
    data[local : local + len(value)] = value
    data[start + central : start + central + len(value)] = value
    return bytes(data)


def gzip_of_zeros(n_bytes: int) -> bytes:
    """A gzip file that unpacks to so many MiB of zeros, made of many members."""
    return gzip.compress(ZEROS, mtime=0) * (n_bytes >> 20)


def lzma_zip(dictionary: int) -> bytes:
    """A zip with an LZMA member that asks for a dictionary of this size."""
    raw = bytearray(zipped(LINES.encode(), zipfile.ZIP_LZMA))
    at = raw.index(b"a.txt") + 5 + 4 + 1
    raw[at : at + 4] = struct.pack("<I", dictionary)
    return bytes(raw)


def xz_with_dictionary(n_bytes: int) -> bytes:
    """An xz file that needs so much memory to unpack."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 16}]
    raw = bytearray(lzma.compress(LINES.encode(), filters=filters))
    at = raw.index(b"\x21\x01") + 2
    raw[at] = 2 * (n_bytes.bit_length() - 12) - 2
    size = (raw[12] + 1) * 4
    raw[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(bytes(raw[12 : 12 + size - 4])))
    return bytes(raw)


def parquet_file(folder: Path, name: str, values: object) -> None:
    """A parquet file with one column."""
    with (folder / name).open("wb") as file:
        parquet.write_table(arrow.table({"text": values}), file)


def stacked(count: int) -> str:
    """A letter with so many combining marks of several classes, in the worst order."""
    return "ә" + "\u0301\u0323" * (count // 2)


def surrogate_key() -> str:
    """JSON lines of which one has half a character in a key."""
    good = [json.dumps({"text": text}, ensure_ascii=False) for text in TATAR]
    return "\n".join([*good[:3], '{"\\ud800": "x"}', *good[3:]]) + "\n"


FILES: dict[str, Callable[[], str | bytes]] = {
    odd(b"tatar-\xff.txt"): lambda: LINES,
    odd(b"folder-\xff/tatar.txt"): lambda: LINES,
    "red\x1b[31m.txt": lambda: LINES,
    "two\nlines.txt": lambda: LINES,
    "right\u202etxt.exe.txt": lambda: LINES,
    "title\x9d0;owned\x07.pdf": lambda: b"%PDF-1.4",
    "key.jsonl": surrogate_key,
    "deep.jsonl": lambda: '{"text": ' + "[" * 1_000_000 + "\n" + json.dumps({"text": TATAR[0]}),
    "huge_number.jsonl": lambda: '{"id": ' + "9" * 100_000 + ', "text": "әни"}\n',
    "values.jsonl": lambda: '{"a": [' + '"ә1",' * 2_500_000 + "1]}\n",
    "long_name.zip": lambda: long_name_zip(65_535),
    "long_name.tar.gz": lambda: long_name_tar(1_000_000),
    "no_name.zip": lambda: zipped(LINES.encode(), 8).replace(b"a.txt", b"\0.txt"),
    "overlap.zip": lambda: overlapping_zip(3_000, LINES.encode()),
    "long_member.zip": lambda: patched_zip(
        zipped(LINES.encode() * 9, 0), 18, 20, struct.pack("<I", len(LINES.encode()) * 9 + 99)
    ),
    "lzma.zip": lambda: zipped(LINES.encode(), zipfile.ZIP_LZMA),
    "lzma_cut.zip": lambda: patched_zip(
        zipped(LINES.encode(), zipfile.ZIP_LZMA), 40, 10, b"\x0e\0"
    ),
    "lzma_dictionary.zip": lambda: lzma_zip(0xFFFFFFFF),
    "bzip2.zip": lambda: zipped(LINES.encode(), zipfile.ZIP_BZIP2),
    "bomb.zip": lambda: zipped(ZEROS * 80, zipfile.ZIP_DEFLATED),
    "deflate64.zip": lambda: patched_zip(zipped(LINES.encode(), 8), 8, 10, b"\x09\0"),
    "password.zip": lambda: patched_zip(zipped(LINES.encode(), 8), 6, 8, b"\1\0"),
    "strong_password.zip": lambda: patched_zip(zipped(LINES.encode(), 8), 6, 8, b"\x40\0"),
    "long_links.tar": lambda: ended(
        *[header("././@LongLink", 6, tarfile.GNUTYPE_LONGNAME) + block(b"a.txt\0")] * 3_000,
        good_member(),
    ),
    "pax_headers.tar": lambda: ended(*[pax({"comment": "әни"})] * 3_000, good_member()),
    "global_headers.tar": lambda: ended(
        *[pax({f"key{n}": "x" * 900}, tarfile.XGLTYPE) for n in range(3_000)], good_member()
    ),
    "pax_bomb.tar.gz": lambda: (
        gzip.compress(header("pax", 120 << 20, tarfile.XHDTYPE), mtime=0)
        + gzip_of_zeros(120 << 20)
        + gzip.compress(ended(good_member()), mtime=0)
    ),
    "name_bomb.tar.gz": lambda: (
        gzip.compress(header("././@LongLink", 120 << 20, tarfile.GNUTYPE_LONGNAME), mtime=0)
        + gzip_of_zeros(120 << 20)
    ),
    "map_bomb.tar.gz": lambda: (
        gzip.compress(
            pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"})
            + header("hole.txt", 120 << 20),
            mtime=0,
        )
        + gzip.compress(b"999999999999\n", mtime=0)
        + gzip.compress(b"0\n" * (1 << 19), mtime=0) * 120
    ),
    **{
        f"sparse_{name.replace(' ', '_')}.tar": lambda name=name: sparse_tar(name)
        for name in ("gnu", "gnu extended", "0.0", "0.1", "1.0")
    },
    "negative.tar": lambda: ended(header("a.txt", 0, at124=b"\xff" * 11 + b"\xf0"), good_member()),
    "zeros.txt.gz": lambda: gzip_of_zeros(120 << 20),
    "zeros.txt.bz2": lambda: bz2.compress(ZEROS * 8) * 20,
    "zeros.txt.xz": lambda: lzma.compress(ZEROS * 8) * 100,
    "zeros.txt.zst": lambda: zstandard.compress(ZEROS * 8) * 1_000,
    "blank_lines.txt.bz2": lambda: bz2.compress(b"\n" * 8_000_000) * 20,
    "members.txt.gz": lambda: gzip.compress(b"a", mtime=0) * 20_000,
    "dictionary.txt.xz": lambda: xz_with_dictionary(1 << 31),
    "marks.txt": lambda: TATAR[0] + "\n" + stacked(200_000) + "\n" + TATAR[1] + "\n",
    "line_ends.txt": lambda: "\v" * 1_000_000 + "ә" + "\n",
    "columns.tsv": lambda: "text\tn\n" + "ә\t" * 1_000_000 + "\n",
    "columns.csv": lambda: "text,n\n" + "ә," * 1_000_000 + "\n",
    "utf16.txt": lambda: b"\xff\xfe" + b"\x00\xd8" * 400_000,
}
"""The files of the folder, each with its content."""


def write_all(folder: Path) -> None:
    """Every strange file, and those that are no texts at all."""
    for name, content in FILES.items():
        write(folder, name, content())
    os.mkfifo(folder / "pipe.txt")
    (folder / "circle.txt").symlink_to("circle.txt")
    (folder / "nowhere.txt").symlink_to("missing.txt")
    (folder / "device.txt").symlink_to("/dev/zero")
    (folder / "memory.txt").symlink_to("/proc/self/mem")
    parquet_file(folder, "rows.parquet", [letter * (1 << 20) for letter in "әө"])
    repeated = arrow.DictionaryArray.from_arrays([0] * 5_000, ["ә" * (33 << 20)])
    parquet_file(folder, "repeated.parquet", repeated)


@contextmanager
def nested(folder: Path, levels: int) -> Generator[None]:
    """Folders within folders, beyond what a path may name, with a text in the last one.

    They are removed in the end: shutil.rmtree, by which pytest cleans up, recurses.
    """
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    handle = os.open("deep.txt", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(handle, LINES.encode())
    os.close(handle)
    os.close(here)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", str(folder / "d")], check=True)


LIMITED = """
import os, re, resource, sys
from pathlib import Path
from endonym import device
from endonym.cli.main import main
if "check" in sys.argv:  # The machine is measured in an instant.
    from endonym.autopilot import probe
    device.PROBE_SECONDS = probe.SECONDS = 0.05
bytes_ = int(float(sys.argv.pop(1)) * 1e9)
resource.setrlimit(resource.RLIMIT_AS, (2 * bytes_,) * 2)
try:
    main(sys.argv[1:])
finally:
    most = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    if int(most[1]) * 1024 > bytes_:
        os._exit(99)
"""


def limited(*arguments: str, cwd: Path, gb: float = 2) -> "subprocess.CompletedProcess[bytes]":
    """The command `endonym` in a process of its own; its exit status is 99 if it took more memory.

    Its addresses are limited to twice as much: Arrow and DuckDB reserve more than they use.
    """
    command = [sys.executable, "-c", LIMITED, str(gb), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, check=False)
