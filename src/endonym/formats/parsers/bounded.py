"""Files of strangers within bounds: members of a zip, XML, and files that may be compressed.

Of XML no entity is expanded, nothing else is fetched, and depth and size are bounded: lxml
(libxml2) keeps its own limits, as `huge_tree` is off: 256 levels, 10 MB in one text.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from endonym.formats.io import streams
from endonym.formats.io.archives import UNREADABLE, zip_stream
from endonym.formats.parsers.unit import Refused

MAX_MEMBER_BYTES = 64 << 20
"""No chapter is longer."""
OLE = bytes.fromhex("d0cf11e0a1b11ae1")
"""How files of older Office begin, and files of today's under a password (MS-CFB, MS-OFFCRYPTO)."""
MAX_MEMBERS = 100_000


class Bounded:
    """A zip on disk whose members together unpack to so much at most."""

    def __init__(self, path: str) -> None:
        """Raises Refused if it is no whole zip."""
        with Path(path).open("rb") as file:
            if file.read(len(OLE)) == OLE:
                what = "it needs a password, or is of an older kind of Office: save it anew"
                raise Refused("needs_password", what)
        try:
            self.archive = zipfile.ZipFile(path)
        except (*UNREADABLE, OSError) as error:
            raise Refused("damaged", f"not a whole zip archive: {error}") from error
        infos = self.archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise Refused("damaged", f"it has {len(infos):,} members; {MAX_MEMBERS:,} are read")
        self.infos = {info.filename: info for info in infos}
        self.raw_bytes = Path(path).stat().st_size
        self.expansion = streams.Expansion(self.raw_bytes)

    def __contains__(self, name: str) -> bool:
        return name in self.infos

    def read(self, name: str) -> bytes:
        """A member. Raises Refused, for this member, if it is damaged, missing or too large."""
        info = self.infos.get(name)
        if info is None:
            raise Refused("damaged", f"this is a zip archive that has no {name}")
        if info.flag_bits & 1:
            raise Refused("needs_password", f"{name} needs a password")
        pieces = list[bytes]()
        size = 0
        for piece in self.expansion.bounded(zip_stream(self.archive, info)):
            if isinstance(piece, streams.Damage):
                raise Refused(piece.reason, f"{name}: {piece.detail}")
            size += len(piece)
            if size > MAX_MEMBER_BYTES:
                limit = MAX_MEMBER_BYTES >> 20
                raise Refused("bomb", f"{name} unpacks to more than {limit} MiB")
            pieces.append(piece)
        return b"".join(pieces)


PIECE_BYTES = 1 << 16


SAFE_OPTIONS = {
    **dict.fromkeys(("resolve_entities", "load_dtd", "dtd_validation", "huge_tree"), False),
    **dict.fromkeys(("no_network", "remove_comments", "remove_pis"), True),
}
"""Of an lxml parser for such a file."""


def xml_root(data: bytes, what: str, emptied: Sequence[str] = ()) -> Any:
    """The root element. emptied: tags whose elements are emptied as they come, to save memory.

    Raises Refused if it is no XML, or declares entities; MemoryError.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

    parser = etree.XMLPullParser(("end",), tag=emptied or ("-",), **SAFE_OPTIONS)
    try:
        for at in range(0, max(1, len(data)), PIECE_BYTES):
            parser.feed(data[at : at + PIECE_BYTES])
            for _, element in parser.read_events():
                element.clear(keep_tail=True)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise Refused("damaged", f"{what} is no whole XML: {error.msg}") from error
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in data:
        raise Refused("damaged", f"{what} declares entities, as a bomb does; it is not read")
    return root


class Packed:
    """The decompressed bytes of an open file, and how many of its own bytes were read."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.consumed = self.told = 0
        self.compression = streams.packed_as(file.read(6))
        file.seek(0)
        expansion = streams.Expansion(Path(path).stat().st_size)
        packed = streams.uncompressed(file, self.count)
        self.stream = expansion.unpacked(packed, self.compression)

    def count(self, raw_bytes: int) -> None:
        """So many more bytes of the file were read."""
        self.consumed += raw_bytes

    def newly(self) -> int:
        """How many bytes of the file were read since this was last asked."""
        new = self.consumed - self.told
        self.told = self.consumed
        return new

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces. Raises Refused where they end early."""
        for piece in self.stream:
            if isinstance(piece, streams.Damage):
                raise Refused(piece.reason, piece.detail)
            yield piece
