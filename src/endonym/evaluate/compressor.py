"""What a classical compressor reaches: PPMd, primed with training text, each document read afresh.

bits per byte = 8 · (C(train + document) - C(train)) / bytes(document), with C the compressed size.
Run as a program of its own (`python -m endonym.evaluate.compressor`), which primes once and forks
for each document; a process with threads, as torch has, must not fork. Where there is no fork, each
of the first twenty documents costs a pass over the training text.
Source: Shkarin 2002, PPM: one step to practicality; the library is pyppmd (variant I, as in zip).
"""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

from endonym.errors import EndonymError

ORDER = 16
MEMORY_BYTES = 1 << 30
PRIMING_LIMIT_BYTES = 32_000_000
DOCUMENTS_WITHOUT_FORK = 20
SEPARATOR = b"\n\n"


def compressed_bytes(train: bytes, documents: Sequence[bytes]) -> list[int]:
    """Bytes that each document adds to the compressed training text.

    Only the first twenty documents where the system cannot fork. Raises EndonymError if the
    compressor's process dies.
    """
    header = {"train": len(train), "documents": [len(document) for document in documents]}
    line = json.dumps(header).encode("utf-8")
    data = struct.pack("<Q", len(line)) + line + train + b"".join(documents)
    # -P: the folder that a person stands in is no place to import from.
    command = [sys.executable, "-P", "-m", "endonym.evaluate.compressor"]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise EndonymError(
            f"the compressor ended with {done.returncode}: {done.stderr.decode()[-200:]}",
            where="baseline compressor",
            do="Set baselines = false in [[evaluate]] to go on without this line.",
        )
    return list(json.loads(done.stdout))


def read_request(stream: IO[bytes]) -> tuple[bytes, list[bytes]]:
    """The training text and the documents that the parent sent."""
    (length,) = struct.unpack("<Q", stream.read(8))
    header = json.loads(stream.read(length))
    train = stream.read(header["train"])
    return train, [stream.read(size) for size in header["documents"]]


def forked_sizes(train: bytes, documents: list[bytes]) -> list[int]:
    """Prime once, then let a child for each document say how many bytes it adds."""
    import pyppmd

    encoder = pyppmd.Ppmd8Encoder(ORDER, MEMORY_BYTES)
    encoder.encode(train)

    def finished(extra: bytes) -> int:
        """Bytes of all that the encoder would still write, had it read these too."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            size = len(encoder.encode(extra)) + len(encoder.flush())
            os.write(writer, struct.pack("<q", size))
            os._exit(0)
        os.close(writer)
        (size,) = struct.unpack("<q", os.read(reader, 8))
        os.close(reader)
        os.waitpid(child, 0)
        return size

    alone = finished(b"")
    return [finished(SEPARATOR + document) - alone for document in documents]


def whole_sizes(train: bytes, documents: list[bytes]) -> list[int]:
    """The same without fork, a whole pass for each document."""
    import pyppmd

    def size(data: bytes) -> int:
        encoder = pyppmd.Ppmd8Encoder(ORDER, MEMORY_BYTES)
        return len(encoder.encode(data)) + len(encoder.flush())

    alone = size(train)
    chosen = documents[:DOCUMENTS_WITHOUT_FORK]
    return [size(train + SEPARATOR + document) - alone for document in chosen]


def main() -> None:
    """Answer one request on standard input."""
    train, documents = read_request(sys.stdin.buffer)
    measure = forked_sizes if hasattr(os, "fork") else whole_sizes
    sys.stdout.write(json.dumps(measure(train, documents)))


if __name__ == "__main__":
    main()
