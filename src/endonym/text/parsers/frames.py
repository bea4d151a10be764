"""Messages between a reader and its worker process: a length in four bytes, and that much JSON.

Beside them, both see a few bytes of memory, in which the worker says where it is. It outlives the
worker, so that a reader knows in which unit it crashed, though the units before are not sent yet.
"""

import json
import mmap
import os
import select
import struct
from collections.abc import Mapping
from typing import Any

HEAD, WHEREABOUTS = struct.Struct(">I"), struct.Struct("=qq")
MAX_FRAME_BYTES = 192 << 20
"""The largest document, each byte of which JSON may write as two or three."""
PIECE_BYTES = 1 << 18
ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""As json.dumps, which would make a new encoder for each message."""


class BadFrame(Exception):
    """What came is no message."""


def framed(message: Mapping[str, Any]) -> bytes:
    """A message as bytes. Halves of characters become U+FFFD: UTF-8 cannot hold them."""
    text = ENCODE(message)
    try:
        body = text.encode("utf-8")
    except UnicodeEncodeError:
        body = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")
    return HEAD.pack(len(body)) + body


def send(descriptor: int, message: Mapping[str, Any]) -> None:
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

    def is_waiting(self, seconds: float = 0.0) -> bool:
        """Whether bytes, or the end, can be read within so many seconds."""
        return bool(self.held) or bool(self.poll.poll(max(0, seconds) * 1_000))

    def receive(self) -> dict[str, Any] | None:
        """The next message, however long it takes; None at the end."""
        while (message := self.whole()) is None:
            if not self.more():
                return None
        return message

    def more(self) -> bool:
        """Read what has arrived, at least one byte; False at the end."""
        data = os.read(self.descriptor, PIECE_BYTES)
        self.held += data
        return bool(data)

    def whole(self) -> dict[str, Any] | None:
        """The first message, if it has arrived as a whole. Raises BadFrame."""
        if len(self.held) < HEAD.size:
            return None
        (size,) = HEAD.unpack_from(self.held)
        if size > MAX_FRAME_BYTES:
            raise BadFrame
        if len(self.held) < HEAD.size + size:
            return None
        body = bytes(self.held[HEAD.size : HEAD.size + size])
        del self.held[: HEAD.size + size]
        try:
            message = json.loads(body.decode())
        except (ValueError, RecursionError) as error:
            raise BadFrame from error
        if not isinstance(message, dict):
            raise BadFrame
        return message
