"""Members of a zip that is one document (EPUB, DOCX, ODT), read within limits."""

import zipfile
from pathlib import Path

from endonym.formats.io.archives import UNREADABLE, zip_stream
from endonym.formats.io.streams import Damage, Expansion
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
        self.expansion = Expansion(Path(path).stat().st_size)

    def __contains__(self, name: str) -> bool:
        return name in self.infos

    def read(self, name: str) -> bytes:
        """A member. Raises Refused, for this member, if it is damaged, missing or too large."""
        info = self.infos.get(name)
        if info is None:
            raise Refused("damaged", f"this is a zip archive that has no {name}")
        if info.flag_bits & 1:
            raise Refused("needs_password", f"{name} needs a password")
        pieces, size = list[bytes](), 0
        for piece in self.expansion.bounded(zip_stream(self.archive, info)):
            if isinstance(piece, Damage):
                raise Refused(piece.reason, f"{name}: {piece.detail}")
            size += len(piece)
            if size > MAX_MEMBER_BYTES:
                limit = MAX_MEMBER_BYTES >> 20
                raise Refused("bomb", f"{name} unpacks to more than {limit} MiB")
            pieces.append(piece)
        return b"".join(pieces)
