"""Messages between a reader and its worker process: JSON, and texts as they are.

Before both stand their lengths, of four bytes each. Texts are no part of the JSON, as to write
them so takes longer than to send them.

Beside them, both see a few bytes of memory, in which the worker says where it is. It outlives the
worker, so that a reader knows in which unit it crashed, though the units before are not sent yet.
"""

import json
import mmap
import os
import select
import struct
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Message = dict[str, Any]
"""A message, as JSON and texts."""
HEAD = struct.Struct(">II")
"""The bytes of the JSON, and of the texts."""
WHEREABOUTS = struct.Struct("=qq")
"""The number of the unit in work, and a count of steps."""
MAX_FRAME_BYTES = 192 << 20
"""Of both parts: the largest document, and as much again of what its reader must know."""
PIECE_BYTES = 1 << 18
ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""As json.dumps, which would make a new encoder for each message."""


class BadFrame(Exception):
    """What came is no message."""


def utf8(text: str) -> bytes:
    """A text as bytes. Halves of characters become U+FFFD: UTF-8 cannot hold them."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def sendable(path: str | Path) -> str:
    """A path in letters that each stand for a byte: its name need not be UTF-8, JSON must be."""
    return os.fsencode(path).decode("latin-1")


def as_sent(name: str) -> Path:
    """The path that `sendable` has put in letters."""
    return Path(os.fsdecode(name.encode("latin-1")))


@contextmanager
def readable(name: str) -> Generator[str]:
    """A path that can be opened, from what `sendable` has made of it.

    If it is not UTF-8, which libraries in C refuse, the file is open, and named by its number.
    """
    path = as_sent(name)
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        with path.open("rb") as file:
            yield f"/dev/fd/{file.fileno()}"
    else:
        yield str(path)


def framed(message: Message, texts: bytes = b"") -> bytes:
    """A message as bytes. texts: arrive in the message under "texts", as they are."""
    body = utf8(ENCODE(message))
    return b"".join((HEAD.pack(len(body), len(texts)), body, texts))


def send(descriptor: int, message: Message) -> None:
    """Write one message."""
    write(descriptor, framed(message))


def write(descriptor: int, data: bytes | bytearray) -> None:
    """Write all of these bytes."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


class Whereabouts:
    """The memory that a reader and its worker share: the unit in work, and a count of steps.

    The unit is 0 while the file is opened.
    """

    def __init__(self, descriptor: int) -> None:
        self.memory = mmap.mmap(descriptor, WHEREABOUTS.size)

    @property
    def unit(self) -> int:
        """The unit in work."""
        return WHEREABOUTS.unpack_from(self.memory)[0]

    @property
    def steps(self) -> int:
        """Changes whenever the worker has got further."""
        return WHEREABOUTS.unpack_from(self.memory)[1]

    def say(self, unit: int) -> None:
        """Set the unit in work, one step further."""
        WHEREABOUTS.pack_into(self.memory, 0, unit, (self.steps + 1) % (1 << 62))


class Incoming:
    """The messages that arrive at one end of a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.held = bytearray()
        self.poll = select.poll()
        self.poll.register(descriptor, select.POLLIN)

    def is_waiting(self) -> bool:
        """Whether bytes, or the end, can be read now."""
        return bool(self.held) or bool(self.poll.poll(0))

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message; None at the end. Raises BadFrame.

        seconds: within which it must be there as a whole, else TimeoutError is raised.
        """
        until = time.monotonic() + (seconds or 0)
        while (message := self.whole()) is None:
            left = max(0, until - time.monotonic())
            if not self.poll.poll(None if seconds is None else left * 1_000):
                raise TimeoutError
            if not self.more():
                return None
        return message

    def more(self) -> bool:
        """Read what has arrived, at least one byte; False at the end."""
        data = os.read(self.descriptor, PIECE_BYTES)
        self.held += data
        return bool(data)

    def whole(self) -> Message | None:
        """The first message, if it has arrived as a whole. Raises BadFrame."""
        if len(self.held) < HEAD.size:
            return None
        size, texts_size = HEAD.unpack_from(self.held)
        end = HEAD.size + size + texts_size
        if end > MAX_FRAME_BYTES:
            raise BadFrame
        if len(self.held) < end:
            return None
        with memoryview(self.held) as view:
            body = bytes(view[HEAD.size : end - texts_size])
            texts = bytes(view[end - texts_size : end])
        del self.held[:end]
        try:
            message = json.loads(body.decode())
        except (ValueError, RecursionError) as error:
            raise BadFrame from error
        if not isinstance(message, dict):
            raise BadFrame
        return message | {"texts": texts} if texts else message
