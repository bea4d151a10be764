"""What the compressed parts of an Arrow file say that they unpack to, read before any is unpacked.

pyarrow makes room for as much as a buffer says, and unpacks all buffers of a batch at once.
Source: Apache Arrow, format/Message.fbs, format/File.fbs, and FlatBuffers' internals.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

MAGIC, CONTINUES = b"ARROW1", b"\xff\xff\xff\xff"
DICTIONARY, RECORDS = 2, 3
"""Kinds of messages."""
MOST_METADATA_BYTES = 16 << 20
NOT_PACKED = -1


class Table:
    """A table of FlatBuffers at a place in some bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.fields = at - self.number("<i", at)

    def number(self, form: str, at: int) -> int:
        """A number. Raises struct.error if it is not there."""
        if at < 0:
            raise struct.error("a place before the beginning")
        return struct.unpack_from(form, self.data, at)[0]

    def place(self, field: int) -> int:
        """Where a field stands; 0 if the table has none."""
        entry = 4 + 2 * field
        if entry >= self.number("<H", self.fields):
            return 0
        offset = self.number("<H", self.fields + entry)
        return self.at + offset if offset else 0

    def value(self, form: str, field: int) -> int:
        """The number in a field; 0 if there is none."""
        at = self.place(field)
        return self.number(form, at) if at else 0

    def table(self, field: int) -> "Table | None":
        """The table that a field leads to."""
        at = self.place(field)
        return Table(self.data, at + self.number("<I", at)) if at else None

    def structs(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        """The structures in a list."""
        at = self.place(field)
        if at:
            at += self.number("<I", at)
            size = struct.calcsize(form)
            for n in range(self.number("<I", at)):
                yield struct.unpack_from(form, self.data, at + 4 + n * size)


def declared_bytes(file: BinaryIO) -> tuple[int, int]:
    """What all compressed batches of a file unpack to, and the largest of them.

    Raises ValueError if a message cannot be read. The file is at its beginning afterwards.
    """
    total = largest = 0
    try:
        for at in places(file):
            size = batch_bytes(file, at)
            total, largest = total + size, max(largest, size)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"a message in it has another form: {error}") from error
    finally:
        file.seek(0)
    return total, largest


def places(file: BinaryIO) -> Iterator[int]:
    """Where the messages of a file begin."""
    end = file.seek(0, 2)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        at = 0
        while (found := message(file, at)) is not None:
            yield at
            metadata, body = found
            size = Table(metadata, struct.unpack_from("<I", metadata)[0]).value("<q", 3)
            at = body + max(0, size)
        return
    file.seek(max(0, end - 4 - len(MAGIC)))
    (size,) = struct.unpack("<i", file.read(4))
    file.seek(max(0, end - 4 - len(MAGIC) - size))
    footer = file.read(max(0, min(size, MOST_METADATA_BYTES)))
    table = Table(footer, struct.unpack_from("<I", footer)[0])
    blocks = (block for field in (2, 3) for block in table.structs(field, "<qi4xq"))
    yield from dict.fromkeys(at for at, *_ in blocks)  # of dictionaries and of batches


def message(file: BinaryIO, at: int) -> tuple[bytes, int] | None:
    """The head of the message at a place, and where its body begins; None at the end."""
    file.seek(at)
    head = file.read(8)
    begins = 8 if head.startswith(CONTINUES) else 4
    size = int.from_bytes(head[begins - 4 : begins], "little")
    if len(head) < begins or not 0 < size <= MOST_METADATA_BYTES:
        return None
    file.seek(at + begins)
    metadata = file.read(size)
    return (metadata, at + begins + size) if len(metadata) == size else None


def batch_bytes(file: BinaryIO, at: int) -> int:
    """What the buffers of the batch at a place unpack to; 0 if it is not compressed."""
    found = message(file, at)
    if found is None:
        return 0
    metadata, body = found
    top = Table(metadata, struct.unpack_from("<I", metadata)[0])
    batch, kind = top.table(2), top.value("<B", 1)
    if batch is not None and kind == DICTIONARY:
        batch = batch.table(1)
    if batch is None or kind not in (DICTIONARY, RECORDS) or not batch.place(3):
        return 0
    total = 0
    for offset, length in batch.structs(2, "<qq"):
        if length >= 8:
            file.seek(body + offset)
            (size,) = struct.unpack("<q", file.read(8))
            total += length if size == NOT_PACKED else max(0, size)
    return total
