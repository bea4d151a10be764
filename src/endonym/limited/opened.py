"""Notes which strangers' files were opened without harm, so that they are not tried again.

A note stands for files as they are: their places, sizes, times and inodes. So no note that comes
with a stranger's folder fits, and a file that was changed is tried again.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Opened:
    """Notes in a folder, or none at all. A note is an empty file, so it is whole or not there."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def has(self, key: str) -> bool:
        """Whether there is a note of this key."""
        return self.folder is not None and (self.folder / key).is_file()

    def note(self, key: str) -> None:
        """Make one. Where that is not possible, the files are tried again the next time."""
        if self.folder is not None:
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / key).touch()


NEVER = Opened()
"""Remembers nothing."""


def key_of(files: Sequence[Path], *versions: str) -> str:
    """What tells files as they are now from all others. versions: of the programs that open them.

    Raises OSError if a file is not there.
    """
    marks = list[tuple[str | int, ...]]()
    for path in files:
        seen = path.stat()
        numbers = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
        marks.append((str(path.resolve()), *numbers))
    return hashlib.sha256(json.dumps([marks, versions]).encode()).hexdigest()
