"""An answer of a web server as an archive keeps it: status, heads, and the body as it was meant.

Bodies may be in chunks, and packed; what they unpack to is bounded.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

from endonym.formats.io.streams import ZSTD_PIECE_BYTES, ZstdFrame

MAX_BODY_BYTES = 64 << 20
MAX_RATIO, LEAST_BODY_BYTES = 100, 1 << 20
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
CHUNK = re.compile(rb"\s*0*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
"""The length of a chunk, which may begin with zeros, and its extensions (RFC 9112, 7.1)."""
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


Unpacked = tuple[bytes, bool]
"""Bytes, and whether they end early."""


class Bomb(Exception):
    """A body that unpacks to far more than any page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 if there is none. media_type: in lower case, without its parameters.

    is_cut: the body is not whole.
    """

    status: int
    media_type: str
    charset: str
    body: bytes
    is_cut: bool = False


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
    parts, at = list[bytes](), 0
    while (found := CHUNK.match(body, at)) is not None:
        size = int(found[1], 16)
        if size == 0:
            return b"".join(parts), False
        at = found.end() + size
        parts.append(body[found.end() : at])
    return (b"".join(parts), True) if parts else (body, False)


def unpacked(body: bytes, method: str) -> Unpacked:
    """The body without its packing, and whether it ends early. Raises Bomb.

    As it is if it is not packed after all.
    """
    unpack = UNPACK.get(method)
    if unpack is None or not body:
        return body, False
    most = min(MAX_BODY_BYTES, max(LEAST_BODY_BYTES, MAX_RATIO * len(body)))
    try:
        found, is_cut = unpack(body, most + 1)
    except (zlib.error, zstandard.ZstdError, ValueError):
        return body, False
    if len(found) > most:
        raise Bomb(f"its body unpacks to more than {most >> 20} MiB")
    return found, is_cut


def inflated(body: bytes, most: int) -> Unpacked:
    """gzip, of several members too, zlib, or bare deflate as some servers send it."""
    try:
        return members(body, most, GZIP_OR_ZLIB)
    except zlib.error:
        return members(body, most, -zlib.MAX_WBITS)


def members(body: bytes, most: int, kind: int) -> Unpacked:
    """One member after the other; what follows them and is none is left out."""
    found, left = bytearray(), body
    while left and len(found) < most:
        member = zlib.decompressobj(kind)
        try:
            found += member.decompress(left, most - len(found))
        except zlib.error:
            if left is body:
                raise
            break
        if not member.eof:
            return bytes(found), True
        left = member.unused_data if kind == GZIP_OR_ZLIB else b""
    return bytes(found), False


def brotli_unpacked(body: bytes, most: int) -> Unpacked:
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
    return bytes(found), not unpacker.is_finished()


def zstd_unpacked(body: bytes, most: int) -> Unpacked:
    """Zstandard, of several frames too."""
    frame, found = ZstdFrame(), bytearray()
    for at in range(0, len(body), ZSTD_PIECE_BYTES):
        left = body[at : at + ZSTD_PIECE_BYTES]
        while left and len(found) < most:
            if frame.eof:
                frame = ZstdFrame()
            found += frame.decompress(left, most)
            left = frame.unused_data if frame.eof else b""
    return bytes(found), not frame.eof


UNPACK: dict[str, Callable[[bytes, int], Unpacked]] = {
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), inflated),
    **{"br": brotli_unpacked, "zstd": zstd_unpacked},
}
