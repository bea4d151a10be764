"""Finds and hashes the raw files of a recipe's sources. Hashes are cached by size and times.

It also finds texts beside them that no source reads.
"""

import functools
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from endonym.autopilot import machine
from endonym.device import program
from endonym.disk import file_hash
from endonym.errors import SourceError, printable, quoted
from endonym.formats.config import Source
from endonym.formats.fetched import is_address, require_hash
from endonym.formats.files import (
    Omitted,
    RawFile,
    RawSet,
    files_matching,
    is_remote,
    not_a_file,
    size_on_disk,
    source_files,
    source_root,
)
from endonym.formats.io.formats import file_format, is_savable
from endonym.formats.io.kinds import OWN_PAGE, ZIP_HEAD_BYTES
from endonym.formats.pages.ocr import tesseract
from endonym.formats.reader import no_access
from endonym.formats.source_errors import source_error
from endonym.log import QUIET, Log, counted
from endonym.recipe.recipe import Recipe
from endonym.script.languages import usual_script
from endonym.store import Artifact, Store, read_if_whole, write_sealed
from endonym.survey.format_guess import pack_of
from endonym.survey.raw_files import PROBE
from endonym.survey.survey import NOT_YET

Found = tuple[Source, list[RawFile]]
"""A source and its files."""
TRIED_FILES = 4
"""Files of a source in which a page is looked for that OCR has to read."""
AWAITED = re.compile(f"^# {NOT_YET}: .*$", re.MULTILINE)
"""Comments of a recipe on files that can be read once something is installed."""
LEFT_OUT = re.compile(rf"# ((?:left out|conversations|{NOT_YET})[^:]*): (.*?)(?:: (.*))?")
TO_USE, TABLE_LINES = "# To use it all the same:", 12
OWN_PATH = re.compile(r'^# path = "(.*)"', re.MULTILINE)
"""Comments on files that are left out; below some stands the [[source]] with which to read one."""
SHOWN = 5
MOST_FILES = 20_000
"""Unused texts that are named, and files of a folder that are looked at for them."""


def file_identity(path: Path) -> dict[str, str]:
    """Name and hash of a file."""
    return {"name": path.name, "sha256": hash_once(path)}


def hash_once(path: Path) -> str:
    """The SHA-256 of a file, which this process reads once unless its mark changes."""
    return _hash_once(path, *_mark(path))


def require_unchanged(path: Path, named: Artifact) -> None:
    """Raise SourceError if a file has changed since it was hashed; named: the artefact of its hash.

    Called after reading, so that nothing is made of other contents under this identity.
    """
    if path.is_file() and file_identity(path) in named.manifest["config"]["files"]:
        return
    raise source_error("has_changed", path)


@functools.lru_cache(maxsize=1024)
def _hash_once(path: Path, *mark: int) -> str:
    """The SHA-256 of a file, cached: hashing a model's weights is slow."""
    return file_hash(path)


def find(recipe: Recipe, store: Store | None = None, log: Log = QUIET) -> list[Found]:
    """The files of every source. Raises MissingSource for the first path that has none.

    Where OCR is to choose its language pack, it does so here, once for the source, if there is a
    store to remember it in: the pack's name is part of what the corpus is made of.
    log: gets a line about what endonym made or fetched below a source, which is left out.
    """
    sources: list[Found] = []
    for source in recipe.source:
        own_folders: list[Path] = []
        files = source_files(source, recipe.folder, own_folders, log)
        if own_folders:
            count = sum(each.is_file() for folder in own_folders for each in folder.rglob("*"))
            names = ", ".join(os.path.relpath(each, recipe.folder) for each in sorted(own_folders))
            log.line(
                f'source "{source.name}": {names} left out ({counted(count, "file")}): '
                "endonym made or fetched them"
            )
        same_name = (file.path for file in files if file.path.name == recipe.path.name)
        if any(path.resolve() == recipe.path.resolve() for path in same_name):
            log.line(
                f'source "{source.name}": it reads the recipe\'s own folder. A log or a report '
                "that is written there becomes training text. Give the texts their own folder."
            )
        usual = usual_script(source.language or recipe.language)
        sources.append((source.in_script(recipe.clean.of(source).script or usual), files))
    if store is None:
        return sources
    return [(with_pack(source, files, recipe, store), files) for source, files in sources]


def with_pack(source: Source, files: Sequence[RawFile], recipe: Recipe, store: Store) -> Source:
    """A source whose OCR names its language pack, which is remembered for this machine."""
    if source.ocr != "auto" or tesseract() is None:
        return source
    language = source.language or recipe.language
    letters = recipe.clean.of(source).expected_letters or ""
    tried = files[:TRIED_FILES]
    marks = [[file.name, *_mark(file.path)] for file in tried if file.path.is_file()]
    digest = hashlib.sha256(repr(marks).encode()).hexdigest()[:16]
    key = f"ocr {language} {letters} {digest}"
    measure = functools.partial(pack_of, source, tried, language, letters)
    pack = machine.remembered(store.root / "machine.json", key, measure)
    return source.model_copy(update={"ocr": (pack,)}) if pack else source


def hash_all(
    sources: Sequence[Found], store: Store, log: Log, *, is_kept: bool = True
) -> list[RawSet]:
    """Hash every file whose mark has changed since it was last hashed.

    Raises SourceError for a file with another hash than its source says.
    is_kept: the hashes are written down; a dry run writes nothing.
    """
    memory = store.root / "hashes.json"
    entries = read_if_whole(memory)
    total = sum(size_on_disk(file.path) for _, files in sources for file in files)
    sets: list[RawSet] = []
    with log.progress("looking for changes", total) as advance:
        for source, files in sources:
            hashes = tuple(_hash(file, entries, advance) for file in files)
            for file, found in zip(files, hashes, strict=True):
                require_hash(source, found, file.path, source.sha256)
            if is_address(source.path) and not source.sha256:
                log.line(
                    f'source "{source.name}": so that no other file is ever taken for it, write in '
                    f'its [[source]]: sha256 = "{hashes[0]}"'
                )
            sets.append(RawSet(source=source, files=tuple(files), hashes=hashes))
    if is_kept and entries != read_if_whole(memory):
        write_sealed(memory, entries)
    return sets


def remembered(sources: Sequence[Found], store: Store) -> list[RawSet] | None:
    """As `hash_all`, but with the hashes of earlier runs alone; None if that of a file is missing.

    No file is read. Without all hashes there is no corpus of these files in this store.
    """
    entries = read_if_whole(store.root / "hashes.json")
    sets: list[RawSet] = []
    for source, files in sources:
        hashes = tuple(_known_hash(file.path, entries) for file in files)
        if not all(hashes):
            return None
        sets.append(RawSet(source=source, files=tuple(files), hashes=hashes))
    return sets


def changed(
    recipe: Recipe, store: Store, read: Iterable[Artifact], named: Sequence[Path]
) -> list[str]:
    """The files that are new or changed since a run, as paths from the recipe's folder, and the
    names of texts that are gone.

    read: the artefacts of the files that it has read. named: those that are no texts of sources.
    A text is hashed only if it was touched and has the size that it had, or if it was moved.
    """
    configs: list[dict[str, Any]] = [each.manifest["config"] for each in read]
    known = {file["sha256"] for config in configs for file in config["files"] if "sha256" in file}
    local = {each.name: each for each in recipe.source if not is_remote(each)}
    # The names of the files by their hashes, and the hashes that are still to come.
    texts = dict[str, str]()
    awaited = set[str]()
    for config in (each for each in configs if "source" in each):
        names = (Path(file["name"]).name for file in config["files"])
        texts |= dict(zip(config["hashes"], names, strict=True))
        awaited.update(config["hashes"] if config["source"]["name"] in local else ())
    entries = read_if_whole(store.root / "hashes.json")
    found = dict[Path, str]()
    for source in local.values():
        with suppress(SourceError):
            for path in (file.path for file in source_files(source, recipe.folder)):
                hashed = _known_hash(path, entries)
                entry = entries.get(str(path.resolve()))
                is_like = path.name in texts.values()
                if entry:
                    is_like = size_on_disk(path) == entry["mark"][0]
                found[path] = hashed or (hash_once(path) if is_like else "")
    found |= {path: hash_once(path) for path in named if path.is_file()}
    told = [path for path, sha256 in found.items() if sha256 not in known | texts.keys()]
    gone = {texts[sha256] for sha256 in awaited.difference(found.values())}
    gone -= {path.name for path in told}
    told_as = [os.path.relpath(path, recipe.folder) for path in told]
    return [*told_as, *(f"{name} (gone)" for name in sorted(gone))]


def _hash(file: RawFile, entries: dict[str, Any], advance: Any) -> str:
    """The file's SHA-256, remembered under its path and mark.

    Raises SourceError if it cannot be read from the disk.
    """
    path = file.path
    try:
        if sha256 := _known_hash(path, entries):
            advance(size_on_disk(path))
            return sha256
        entry = {"mark": _mark(path), "sha256": file_hash(path, advance)}
        entries[str(path.resolve())] = entry
    except OSError as error:
        raise no_access(file, error) from error
    return str(entry["sha256"])


def _known_hash(path: Path, entries: dict[str, Any]) -> str:
    """The remembered SHA-256; empty if the file is new or has changed.

    Of what is no file, such as a pipe or a device, it is that of the reason why it is not read:
    reading it may never end.
    """
    if refusal := not_a_file(path):
        return hashlib.sha256(refusal.encode()).hexdigest()
    entry = entries.get(str(path.resolve()), {"mark": None})
    return str(entry["sha256"]) if entry["mark"] == _mark(path) else ""


def _mark(path: Path) -> list[int]:
    """What changes with a file: its size, modification time, change time and inode.

    tar and rsync set the modification time back to that of the file they bring. The change time
    nobody can set: writing, replacing and renaming all move it. What changes no mark is the decay
    of a disk.
    """
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


@dataclass(frozen=True, slots=True)
class Beside:
    """Texts beside those of a recipe's sources that none of them reads.

    read: the files that some source reads. renamed: by the number of a source whose file is
    missing, the file that has its content now. missing: the numbers of the other such sources.
    added: by the name of a source, files that it reads and that no run has read, and how many
    others of it runs have read, if they have. awaited: files that could not be read before
    something is installed.
    """

    read: set[Path]
    unused: list[Path]
    awaited: list[Path]
    renamed: dict[int, Path]
    missing: list[int]
    added: dict[str, tuple[list[Path], int]]


def beside(recipe: Recipe, store: Store) -> Beside:
    """The texts beside the files of the sources, and below them, that none reads or excludes.

    Those that the recipe names otherwise, if only in a comment, are left out. A file is read only
    if it is as large as one that is missing and whose hash is remembered.
    """
    read = set[Path]()
    missing = dict[int, Path]()
    added = dict[str, tuple[list[Path], int]]()
    entries = read_if_whole(store.root / "hashes.json")
    for number, source in enumerate(recipe.source):
        with suppress(SourceError):
            if not is_remote(source):
                files = [file.path for file in source_files(source, recipe.folder)]
                new = [path for path in files if os.path.realpath(path) not in entries]
                if 0 < len(new) < len(files):
                    added[source.name] = new, len(files) - len(new)
                read.update(files)
            continue
        missing[number] = Path(os.path.abspath(recipe.folder / source.path))  # noqa: PTH100
    read.update(path for number in range(len(recipe.phase)) for path in recipe.data_files(number))
    folders = {path.parent for path in (*read, *missing.values())}
    others = [
        path
        for path in texts_in(folders, recipe.folder)
        if path not in read and path.resolve() not in read
    ]
    awaited = [path for path in others if is_awaited(path, recipe)]
    unused = [
        path
        for path in others
        if file_format(path.name, PROBE).format != "image"
        and not is_left_out(path, recipe)
        and size_on_disk(path)
        and not is_own_page(path)
    ]
    renamed = dict[int, Path]()
    for number, path in missing.items():
        entry = entries.get(str(path.resolve()), {"mark": [-1], "sha256": ""})
        for each in unused:
            with suppress(OSError):
                if size_on_disk(each) == entry["mark"][0] and hash_once(each) == entry["sha256"]:
                    renamed.setdefault(number, each)
    unused = [each for each in unused if each not in renamed.values()]
    left = [number for number in missing if number not in renamed]
    return Beside(read, unused, awaited, renamed, left, added)


def texts_in(folders: set[Path], home: Path) -> list[Path]:
    """The files in these folders and below them that are texts or pictures by their names, or that
    can be saved as texts.

    Of `home`, the recipe's folder, and of those above it nothing below is looked at: what lies
    there has other purposes.
    """
    texts = set[Path]()
    above = {folder for folder in folders if home.is_relative_to(folder)}
    for folder in sorted(
        above | {each for each in folders if not {*each.parents} & folders - above}
    ):
        parts = ("*",) if folder in above else ("**",)
        with suppress(OSError):
            for path in islice(files_matching(folder, parts, Omitted()), MOST_FILES):
                kind = file_format(path.name, PROBE)
                if kind.archive or kind.format or is_savable(path.name):
                    texts.add(path)
    return sorted(path for path in texts if not not_a_file(path))


def is_left_out(path: Path, recipe: Recipe) -> bool:
    """Whether a recipe names a file somewhere, if only in a comment, or a source excludes it."""
    if names(recipe.text, path):
        return True
    return any(excludes(source, path, recipe.folder) for source in recipe.source)


def left_out(recipe: Recipe) -> dict[str, str]:
    """The files that a recipe leaves out as a whole, each with why, and how to take it in.

    Named are those of its comments, as these write their paths, and what its sources exclude.
    """
    found = dict[str, str]()
    lines = recipe.text.splitlines()
    for number, line in enumerate(lines):
        if not (comment := LEFT_OUT.fullmatch(line)):
            continue
        fate = comment[1]
        names = comment[2].split(", ")
        why = comment[3]
        below = "\n".join(lines[number + 1 : number + TABLE_LINES])
        if below.startswith(TO_USE) and (own := OWN_PATH.search(below)):
            names = [own[1]]
            why = line.partition(": ")[2]
            fate = f"{why}. To take it in, take out the # before its [[source]] in {recipe.path}"
        elif why:
            fate = f"{fate}: {why}"
        elif ", too" in fate:
            fate = f"{fate}. To take it in, write a [[source]] with its path into {recipe.path}"
        else:
            continue
        found |= dict.fromkeys(names, fate)
    with suppress(SourceError):
        local = [each for each in recipe.source if not is_remote(each)]
        every = [(each, source_files(each, recipe.folder)) for each in local]
        read = {file.path for _, files in every for file in files}
        named = {Path(each).name for each in found}
        for source, _ in every:
            for file in source_files(source.model_copy(update={"exclude": ()}), recipe.folder):
                if file.path not in read and printable(file.path.name) not in named:
                    why = f"`exclude` of source {source.name} names it: take its name out there"
                    found[printable(file.path)] = f"{why} to read it ({recipe.path})"
    # A phase reads the files of conversations that no source reads.
    phases = map(recipe.data_files, range(len(recipe.phase)))
    answers = {printable(file.name) for files in phases for file in files}
    return {path: why for path, why in found.items() if Path(path).name not in answers}


def is_awaited(path: Path, recipe: Recipe) -> bool:
    """Whether a recipe says of a file that it can be read once something is installed."""
    return any(names(line, path) for line in AWAITED.findall(recipe.text))


def names(text: str, path: Path) -> bool:
    """Whether a text names a file.

    Its name alone will do, or with its folder: neither "11.txt" nor "2026/1.txt" is 2027/1.txt.
    """
    name, above = (printable(each) for each in (path.name, path.parent.name))
    before = rf"""(?:(?<![^\s"'(#])|(?<=\./)|(?<={re.escape(above)}/))"""
    pattern = rf"""{before}{re.escape(name)}(?=\.?(?:[\s"':,;)]|$))"""
    # Patterns alone take their time.
    return name in text and re.search(pattern, text) is not None


def excludes(source: Source, path: Path, folder: Path) -> bool:
    """Whether a source excludes a file: by its name, or by its path below the source's."""
    root = source_root(source, folder)
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return Omitted(exclude=source.exclude).has_path(printable(name))


def is_own_page(path: Path) -> bool:
    """Whether endonym wrote this page."""
    if path.suffix == ".html":
        with suppress(OSError), path.open("rb") as file:
            return OWN_PAGE in file.read(ZIP_HEAD_BYTES)
    return False


def words_of(found: Beside, recipe: Recipe) -> list[str]:
    """What to tell a person of files that are not used or were renamed, with the command to take.

    Empty if there are none.
    """
    told = list[str]()
    for number, path in found.renamed.items():
        source = recipe.source[number]
        name = printable(path.name)
        told.append(f"{printable(source.path)} of source {source.name} is called {name} now")
    if found.unused:
        names = [printable(each.name) for each in found.unused]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        texts = counted(len(names), "text")
        told.append(f"no source reads {texts} beside the others: {', '.join(names[:SHOWN])}{more}")
    if told:
        path = quoted(recipe.path)
        command = f"{program()} new {path} --update"
        leave = "; to leave texts out, name them in `exclude`" if found.unused else ""
        told[-1] += f". To take in what is new: {command}{leave}"
    return told
