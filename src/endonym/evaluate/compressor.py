"""The compressor baseline: PPMd primed with the training text, for each document alone.

bits per byte = 8 · (C(train + document) - C(train)) / bytes(document), with C the compressed size.
C is in whole bytes, and rounding in C(train) alone changes the result of short documents by a
tenth. So the training text is cut at several ends (without its last lines, one more each time),
and the mean over the ends is taken.
This module runs as a process of its own (`python -m endonym.evaluate.compressor`), which reads the
training text once and forks for each document and each end; a process with threads, as torch has,
must not fork.
All that the process is asked is one piece of data; `KeptSizes` keeps its answer under their hash.
Source: Shkarin 2002, PPM: one step to practicality; the library is pyppmd (variant I, as in zip).
"""

import hashlib
import json
import os
import re
import struct
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from endonym import device
from endonym.errors import EndonymError
from endonym.evaluate.module_process import ProcessFailed, output_lines
from endonym.source_code import ROOT, source_code
from endonym.store import read_if_whole, write_sealed

ORDER = 16
MEMORY_BYTES = (1 << 31) - (1 << 20)
"""The most that PPMd takes."""
MEMORY_PER_BYTE = 24
"""Bytes of memory that PPMd uses for each byte that it has read: 22 were measured."""
PRIMING_LIMIT_BYTES = 64_000_000
SEPARATORS = {"document": b"\n\n", "block": b"\n"}
"""Between texts: blocks join their lines by line ends."""

MOST_DOCUMENTS = 500
FEWEST_DRAWS = 8
MOST_DRAWS = 40
MOST_FORKS = 4_000
MOST_BYTES = 1_000_000
"""Limits on all draws together. Few or short texts are measured at more than eight ends of the
training text, because their figure is the least certain."""
MOST_LEFT_OUT = 0.02
"""Largest share of the training text that a draw leaves out; its lines may be long."""


def own_code() -> str:
    """The hash of this module: sizes that other code has measured are measured again."""
    return source_code(ROOT).hash_of("evaluate/compressor.py")


def draws_of(documents: int, total_bytes: int) -> int:
    """The number of ends of the training text at which so many documents are measured."""
    most = min(MOST_DRAWS, MOST_FORKS // max(1, documents), MOST_BYTES // max(1, total_bytes))
    return max(FEWEST_DRAWS, most)


def ends(train: bytes, draws: int) -> list[int]:
    """Where the last `draws` lines end, in order, within the last 2 % of the text.

    Empty lines do not count: a document would follow more of them than it does in the text.
    """
    lines = [line.end() for line in re.finditer(rb"[^\n]+", train)][-draws:]
    least = (1 - MOST_LEFT_OUT) * len(train)
    return [end for end in lines if end >= least] or [len(train)]


@dataclass(frozen=True, slots=True)
class KeptSizes:
    """A folder of sizes that were measured before, each under the hash of what was asked.

    The hash is of the training text and the documents themselves: runs share the sizes if these are
    the same. A file that is damaged or another's is measured again; one that cannot be written is
    done without. say: called with one line when sizes are taken from here.
    """

    folder: Path
    say: Callable[[str], None]

    def find(self, key: str, shape: tuple[int, int]) -> NDArray[np.int64] | None:
        """The sizes of a request; None if they are not here."""
        kept = dict[str, Any]()
        with suppress(OSError):
            kept = read_if_whole(self.path(key))
        if kept.get("key") != key:
            return None
        self.say("  compressor baseline: measured by an earlier run on the same texts, reused")
        return np.array(kept["sizes"], dtype=np.int64).reshape(shape)

    def keep(self, key: str, sizes: NDArray[np.int64]) -> None:
        """Write the sizes of a request."""
        with suppress(OSError):
            write_sealed(self.path(key), {"key": key, "sizes": sizes.tolist()})

    def path(self, key: str) -> Path:
        """The file of a request."""
        return self.folder / f"compressor-{key[:32]}.json"


def compressed_bytes(
    train: bytes,
    documents: Sequence[bytes],
    separator: bytes = SEPARATORS["document"],
    *,
    kept: KeptSizes | None = None,
    advance: Callable[[float], None] = lambda done: None,
) -> NDArray[np.int64]:
    """Bytes that separator and document add to the compressed training text: (draws, documents).

    kept: where the same sizes may have been kept by an earlier call, and are kept by this one.
    advance: called with the share of each draw. Raises EndonymError if the process dies.
    """
    train_ends = ends(train, draws_of(len(documents), sum(map(len, documents))))
    extras = [separator + document for document in documents]
    # The length of the header in 8 bytes, the header, the training text, then all extras.
    header = json.dumps({"ends": train_ends, "extras": list(map(len, extras))}).encode("utf-8")
    data = struct.pack("<Q", len(header)) + header + train[: train_ends[-1]] + b"".join(extras)
    shape = (len(train_ends), len(documents))
    key = ""
    if kept:  # of everything that sizes depend on
        settings = f"{own_code()} {ORDER} {MEMORY_BYTES} {version('pyppmd')}\n".encode()
        key = hashlib.sha256(settings + data).hexdigest()
    if kept and (found := kept.find(key, shape)) is not None:
        advance(1.0)
        return found
    rows: list[list[int]] = []
    with closing(sizes_by_end(data)) as answers:
        for row in answers:
            rows.append(row)
            advance(1 / len(train_ends))
    sizes = np.array(rows, dtype=np.int64).reshape(shape)
    if kept:
        kept.keep(key, sizes)
    return sizes


def sizes_by_end(request: bytes) -> Generator[list[int]]:
    """For each end of the text, the bytes that each extra adds, by a process of this module."""
    module = "endonym.evaluate.compressor"
    environment = device.with_huge_pages()
    try:
        for line in output_lines(module, request, environment):
            yield json.loads(line)
    except ProcessFailed as failure:
        raise EndonymError(
            f"the compressor {failure}",
            where="baseline compressor",
            do="Set baselines = false in [[evaluate]] to go on without baselines.",
        ) from failure


def read_request(stream: IO[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The training text, split at its ends, and the texts to measure after it.

    The layout is that of `compressed_bytes`.
    """
    (length,) = struct.unpack("<Q", stream.read(8))
    header = json.loads(stream.read(length))
    starts = [0, *header["ends"]]
    train = [stream.read(end - start) for start, end in zip(starts, header["ends"], strict=False)]
    return train, [stream.read(size) for size in header["extras"]]


def forked_sizes(train: Sequence[bytes], extras: Sequence[bytes]) -> Iterator[list[int]]:
    """For each end of the training text, the bytes that each extra adds; each in a forked child."""
    import pyppmd

    encoder = pyppmd.Ppmd8Encoder(ORDER, MEMORY_BYTES)

    def fork_child(extra: bytes) -> tuple[int, int]:
        """Start a child that writes to a pipe how many bytes `extra` and the end compress to.

        Returns the child's process id, and the end of the pipe to read from.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            size = len(encoder.encode(extra)) + len(encoder.flush())
            os.write(writer, struct.pack("<q", size))
            os._exit(0)
        os.close(writer)
        return child, reader

    texts = [b"", *extras]  # the first is the size to compare with
    # Memory is copied on write: a child may copy all of the compressor's memory.
    used = min(MEMORY_BYTES, 1 + MEMORY_PER_BYTE * sum(map(len, train)))
    at_once = max(1, min(device.cores(), device.free_memory_bytes() // used))
    for part in train:
        encoder.encode(part)
        sizes: list[int] = []
        for first in range(0, len(texts), at_once):
            children = [fork_child(text) for text in texts[first : first + at_once]]
            for child, reader in children:
                sizes += struct.unpack("<q", os.read(reader, 8))
                os.close(reader)
                os.waitpid(child, 0)
        yield [size - sizes[0] for size in sizes[1:]]


def answer_request() -> None:
    """Answer one request on standard input."""
    train, extras = read_request(sys.stdin.buffer)
    for sizes in forked_sizes(train, extras):
        sys.stdout.write(json.dumps(sizes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer_request()
