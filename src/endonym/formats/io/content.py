"""The bytes of a raw file or of a member, in the form that its reader needs.

Most readers take a stream of decompressed bytes. Parsers of documents need a file on disk: what is
compressed or in an archive is then written to a temporary one, up to a limit.
"""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from endonym.formats.io.streams import Damage, Expansion, Stream, unpacked

MAX_TEMPORARY_BYTES = 4 << 30
"""The largest file that is extracted to a temporary one."""


class Unusable(Exception):
    """The bytes cannot all be written to a file: why, and how many there were."""

    def __init__(self, damage: Damage) -> None:
        self.damage = damage
        super().__init__(damage.detail)


@dataclass(frozen=True, slots=True)
class Content:
    """One file's bytes.

    packed: as they stand in the raw file or its archive. compression: how they are packed, "" if
    they are not. path: the file on disk, None for a member of an archive. advance: called with the
    number of raw bytes newly read, by a reader that does not read the stream.
    """

    packed: Stream
    compression: str
    expansion: Expansion
    path: Path | None
    raw_bytes: int
    advance: Callable[[int], None]

    def stream(self) -> Stream:
        """The decompressed bytes."""
        if not self.compression:
            return self.packed
        return self.expansion.bounded(unpacked(self.packed, self.compression))

    @contextmanager
    def on_disk(self, *, packed: bool = False) -> Generator[Path]:
        """A file with these bytes; `packed`: as they are, for a parser that unpacks them itself.

        Raises Unusable.
        """
        if self.path is not None and (packed or not self.compression):
            yield self.path
            return
        with tempfile.NamedTemporaryFile(prefix="endonym-") as file:
            size = 0
            for piece in self.packed if packed else self.stream():
                if isinstance(piece, Damage):
                    raise Unusable(Damage(piece.reason, piece.detail, size + piece.raw_bytes))
                size += len(piece)
                if size > MAX_TEMPORARY_BYTES:
                    limit = f"it unpacks to more than {MAX_TEMPORARY_BYTES >> 30} GiB"
                    raise Unusable(Damage("too_long", limit, size))
                file.write(piece)
            file.flush()
            yield Path(file.name)
