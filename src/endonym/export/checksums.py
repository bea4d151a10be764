"""`SHA256SUMS` of an export: what was written, as `sha256sum --check` reads it.

The README and the Modelfile are not in it: people edit them.
"""

import re
from pathlib import Path

from endonym.disk import file_hash, write_atomic
from endonym.errors import Damaged, ExportError

SUMS = "SHA256SUMS"
EDITED = ("README.md", "Modelfile")
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\n]+)")


def write_sums(folder: Path) -> None:
    """Write the hash of every file of a folder; called when all of them are there."""
    lines = [f"{file_hash(path)}  {path.name}\n" for path in weights_and_settings(folder)]
    write_atomic(folder / SUMS, "".join(lines).encode("utf-8"))


def weights_and_settings(folder: Path) -> list[Path]:
    """The files of an export except those that people edit, and the hashes themselves."""
    aside = (*EDITED, SUMS, "manifest.json")
    return [p for p in sorted(folder.iterdir()) if p.is_file() and p.name not in aside]


def check_sums(folder: Path) -> list[str]:
    """The names of an export's files, after each was compared with its hash.

    Raises ExportError if the folder is not an export, Damaged for a file that is not as written.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(
            f"this is not an export: it has no readable {SUMS}",
            where=str(folder),
            do="Make one: endonym export MODEL --out DIR.",
        ) from error
    names: list[str] = []
    for line in lines:
        found = LINE.fullmatch(line)
        if found is None:
            raise Damaged(f"{line[:80]!r} is not a hash and a name", where=str(folder / SUMS))
        digest, name = found.groups()
        path = folder / name
        if not path.is_file():
            raise _changed(path, "is missing")
        if file_hash(path) != digest:
            raise _changed(path, "is not what was written: its SHA-256 differs")
        names.append(name)
    return names


def _changed(path: Path, what: str) -> Damaged:
    return Damaged(f"{path.name} {what}", where=str(path), do="Export the model again.")
