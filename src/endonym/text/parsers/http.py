"""An answer of a web server as an archive keeps it: status, heads, and the body as it was meant.

Bodies may be in chunks, and packed; what they unpack to is bounded.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

MAX_BODY_BYTES = 64 << 20
MAX_RATIO, LEAST_BODY_BYTES = 100, 1 << 20
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
CHUNK = re.compile(rb"\s*([0-9a-fA-F]{1,8})[^\r\n]{0,200}\r?\n")
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class Bomb(Exception):
    """A body that unpacks to far more than any page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 if there is none. media_type: in lower case, without its parameters."""

    status: int
    media_type: str
    charset: str
    body: bytes


def answer(data: bytes) -> Answer:
    """The answer in these bytes. Raises Bomb."""
    if not data.startswith(b"HTTP/"):
        return Answer(0, "", "", data)
    end = END_OF_HEAD.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    first, *lines = head.decode("latin-1").splitlines()
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    status = first.split(" ")[1] if first.count(" ") else ""
    media_type, charset = media(fields.get("content-type", ""))
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = without_chunks(body)
    for method in reversed(fields.get("content-encoding", "").lower().split(",")):
        body = unpacked(body, method.strip())
    return Answer(int(status) if status.isdecimal() else 0, media_type, charset, body)


def media(value: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type."""
    kind, *parameters = value.split(";")
    found = (each.partition("=") for each in parameters)
    named = {name.strip().lower(): value.strip().strip("\"'") for name, _, value in found}
    return kind.strip().lower(), named.get("charset", "")


def without_chunks(body: bytes) -> bytes:
    """The body without the lengths of its chunks; as it is if it is not in chunks after all.

    The last chunk may be shorter than it says.
    """
    parts, at = list[bytes](), 0
    while (found := CHUNK.match(body, at)) is not None:
        size = int(found[1], 16)
        if size == 0:
            return b"".join(parts)
        at = found.end() + size
        parts.append(body[found.end() : at])
    return b"".join(parts) if parts else body


def unpacked(body: bytes, method: str) -> bytes:
    """The body without its packing; as it is if it is not packed after all. Raises Bomb."""
    unpack = UNPACK.get(method)
    if unpack is None or not body:
        return body
    most = min(MAX_BODY_BYTES, max(LEAST_BODY_BYTES, MAX_RATIO * len(body)))
    try:
        found = unpack(body, most + 1)
    except (zlib.error, zstandard.ZstdError, ValueError):
        return body
    if len(found) > most:
        raise Bomb(f"its body unpacks to more than {most >> 20} MiB")
    return found


def inflated(body: bytes, most: int) -> bytes:
    """gzip, zlib, or bare deflate as some servers send it."""
    try:
        return zlib.decompressobj(GZIP_OR_ZLIB).decompress(body, most)
    except zlib.error:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, most)


def brotli_unpacked(body: bytes, most: int) -> bytes:
    """Brotli; fastwarc brings the library."""
    import brotli

    unpacker, found = brotli.Decompressor(), bytearray()
    try:
        found += unpacker.process(body, output_buffer_limit=most)
        while not unpacker.is_finished() and len(found) < most:
            more = unpacker.process(b"", output_buffer_limit=most)
            if not more:
                break
            found += more
    except brotli.error as error:
        raise ValueError("no brotli") from error
    return bytes(found)


def zstd_unpacked(body: bytes, most: int) -> bytes:
    """Zstandard."""
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as reader:
        return reader.read(most)


UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": inflated,
    "x-gzip": inflated,
    "deflate": inflated,
    "br": brotli_unpacked,
    "zstd": zstd_unpacked,
}
