"""An answer of a web server as an archive keeps it: status, heads, and the body as it was meant.

Bodies may be in chunks, and packed; what they unpack to is bounded.
"""

import re
from typing import NamedTuple

from endonym.formats.io.streams import MAGIC, Feed, member_pieces
from endonym.formats.parsers.unit import Refused

MAX_BODY_BYTES = 64 << 20
MAX_RATIO = 100
LEAST_BODY_BYTES = 1 << 20
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
CHUNK = re.compile(rb"\s*0*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
"""The length of a chunk, which may begin with zeros, and its extensions (RFC 9112, 7.1)."""
PACKINGS = {
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), ("gzip", "zlib", "deflate")),
    **{"br": ("brotli",), "zstd": ("zstd",)},
}
"""How a body may be packed. Some servers send bare deflate, and call gzip what is none."""

Unpacked = tuple[bytes, bool]
"""Bytes, and whether they end early."""


class Answer(NamedTuple):
    """An answer of a web server, its body unpacked. status: 0 if there is none.

    media_type: in lower case, without its parameters. is_cut: the body is not whole.
    """

    status: int
    media_type: str
    charset: str
    body: bytes
    is_cut: bool = False


def answer(data: bytes, content_type: str = "") -> Answer:
    """The answer of a web server in these bytes, parsed. Raises Refused.

    content_type: of bytes that are no answer, but a body alone.
    """
    if not data.startswith(b"HTTP/"):
        return Answer(0, *media(content_type), data)
    end = END_OF_HEAD.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    status_line, *lines = head.decode("latin-1").splitlines()
    parts = (line.partition(":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in parts}
    status = status_line.split(" ")[1] if status_line.count(" ") else ""
    media_type, charset = media(fields.get("content-type", ""))
    is_cut = False
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body, is_cut = without_chunks(body)
    for method in reversed(fields.get("content-encoding", "").lower().split(",")):
        body, ends_early = unpacked(body, method.strip())
        is_cut = is_cut or ends_early
    code = int(status) if status.isdecimal() else 0
    return Answer(code, media_type, charset, body, is_cut)


def media(value: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type."""
    kind, *parameters = value.split(";")
    found = (parameter.partition("=") for parameter in parameters)
    named = {name.strip().lower(): value.strip().strip("\"'") for name, _, value in found}
    return kind.strip().lower(), named.get("charset", "")


def without_chunks(body: bytes) -> Unpacked:
    """The body without the lengths of its chunks, and whether it ends before the last of them.

    As it is if it is not in chunks after all.
    """
    parts = list[bytes]()
    at = 0
    while (found := CHUNK.match(body, at)) is not None:
        size = int(found[1], 16)
        if size == 0:
            return b"".join(parts), False
        at = found.end() + size
        parts.append(body[found.end() : at])
    return (b"".join(parts), True) if parts else (body, False)


def unpacked(body: bytes, method: str) -> Unpacked:
    """The body without its packing, and whether it ends early. Raises Refused.

    As it is if it is not packed after all.
    """
    found = (members(body, kind) for kind in PACKINGS.get(method, ()) if body)
    return next((each for each in found if each is not None), (body, False))


def members(body: bytes, kind: str) -> Unpacked | None:
    """The members of a body, unpacked, one after the other. Raises Refused.

    What follows them and is none is left out. None if the body does not begin with a whole member,
    or with what there is of one. kind: a name in UNPACKERS.
    """
    most = min(MAX_BODY_BYTES, max(LEAST_BODY_BYTES, MAX_RATIO * len(body)))
    feed = Feed(iter([body]))
    found = bytearray()
    is_first = True
    while is_first or kind in MAGIC:
        if kind in MAGIC and not feed.peek(6).startswith(MAGIC[kind]):
            break
        size = len(found)
        for piece in member_pieces(feed, kind):
            if isinstance(piece, bytes):
                found += piece
            elif piece.reason == "truncated":
                return bytes(found), True
            else:
                return None if is_first else (bytes(found[:size]), False)
            if len(found) > most:
                raise Refused("bomb", f"its body unpacks to more than {most >> 20} MiB")
        is_first = False
    return None if is_first else (bytes(found), False)
