"""The raw files that a person gives, as groups, and their paths as a recipe writes them."""

import difflib
import os.path
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path

from endonym.errors import MissingSource, printable
from endonym.formats.config import Source
from endonym.formats.files import files_at
from endonym.formats.io.formats import COMPRESSIONS, PARSED, file_format
from endonym.store import read_if_whole
from endonym.synthesis.plan import SPENT, WRITTEN
from endonym.synthesis.shards import REJECTS

FEW_FILES = 24
"""Up to so many files of one kind in a folder, each is a source."""
DIVISIBLE = PARSED - {"warc", "wiki"}
"""Formats of one document a file, which a parser reads."""
PROBE = Source(name="probe", path=".")
UNDECODED = re.compile("[\ud800-\udfff]")
"""What stands for a byte of a file's name that is not UTF-8."""


def files_below(text: Path, option: str = "") -> list[Path]:
    """The files below a path, without those that `endonym write` keeps beside its texts.

    Raises MissingSource, with a name that may be meant, if there is none.
    """
    try:
        found = [file.path for file in files_at(text, Path.cwd(), name="texts")]
        return [path for path in found if not (is_written(path) and is_beside_texts(path))]
    except MissingSource as error:  # It speaks of a recipe, and there is none yet.
        beside = list[str]()
        meant = ""
        with suppress(OSError):
            if not text.exists():
                beside = [each.name for each in text.absolute().parent.iterdir()]
        for near in difflib.get_close_matches(text.name, beside, n=1):
            meant = f"Did you mean {printable(text.with_name(near))}? "
        raise MissingSource(
            error.message.removeprefix('source "texts": '),
            where=f"{option}{printable(text)}",
            do=f"{meant}Give a file or a folder of texts.",
        ) from error


def is_written(path: Path) -> bool:
    """Whether a file is of a folder in which `endonym write` wrote texts."""
    return (path.parent / WRITTEN).is_file()


def is_of_grammar(path: Path) -> bool:
    """Whether `endonym write` wrote a file by a grammar, so that its texts are all alike."""
    return read_if_whole(path.parent / WRITTEN).get("writer") == "grammar"


def is_beside_texts(path: Path) -> bool:
    """Whether this is no finished file of texts in such a folder."""
    return path.name in (WRITTEN, REJECTS, SPENT) or path.suffix in (".part", ".new")


def grouped(files: Sequence[Path]) -> list[list[Path]]:
    """Groups of files in their order: single files, or many of one kind in one folder."""
    kinds: dict[tuple[Path | None, str], list[Path]] = {}
    for path in files:
        # Documents of one kind are one source, wherever they lie: each is a text of its own.
        is_document = file_format(path.name, PROBE).format in DIVISIBLE
        folder = None if is_document else path.parent
        kinds.setdefault((folder, kind(path)), []).append(path)
    groups: list[list[Path]] = []
    for (folder, _), alike in kinds.items():
        is_one = folder is None or len(alike) > FEW_FILES
        groups += [alike] if is_one else [[path] for path in alike]
    order = {path: number for number, path in enumerate(files)}
    return sorted(groups, key=lambda group: order[group[0]])


def kind(path: Path) -> str:
    """How the names of a file's kind end: .txt, .txt.gz."""
    is_packed = path.suffix.lower() in COMPRESSIONS
    return Path(path.stem).suffix + path.suffix if is_packed else path.suffix


def excluding(unwanted: Iterable[Path], wanted: Iterable[Path], home: Path) -> list[str]:
    """Globs that leave these files out of the folder `home`, and none of those that are wanted.

    A name alone stands for all files with this name, wherever they lie.
    """
    wanted_names = {each.name for each in wanted}
    found = list[str]()
    for path in unwanted:
        if path.name not in wanted_names:
            found.append(pattern(path))
        elif path.absolute().is_relative_to(home):
            depth = len(path.absolute().relative_to(home).parts)
            found.append(f"/{pattern(path, depth)}")
    return list(dict.fromkeys(found))


def pattern(path: Path, depth: int = 1) -> str:
    """The glob for a file's name, or for the last `depth` parts of its path."""
    return escape(printable("/".join(path.absolute().parts[-depth:])))


def is_writable(path: str) -> bool:
    """Whether a recipe, which is UTF-8, can hold this path."""
    return not UNDECODED.search(path)


def as_glob(path: str) -> str:
    """A glob for this path that a recipe can hold: a byte that is no UTF-8 becomes `?`."""
    return UNDECODED.sub("?", escape(path))


def relative(path: Path, folder: Path) -> str:
    """The path as the recipe writes it: relative to the recipe's folder, if that is no root."""
    if folder.parent == folder.absolute():
        return path.absolute().as_posix()
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
