"""The recipe that mends what the doctor has found: its sources and its [clean], to be copied."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from endonym.cleaning.rules import step_names
from endonym.errors import printable
from endonym.formats.config import Clean, Source
from endonym.formats.pages.ocr import tesseract
from endonym.formats.readable import Reading, allowance
from endonym.recipe.written import config_lines, toml
from endonym.survey.cleaning import ALWAYS
from endonym.survey.examination import Examined, Sources
from endonym.survey.findings import Finding, only_encoding
from endonym.survey.raw_files import globs

NEEDS = {
    "min_language_score": ("language", "contrast", "min_language_score"),
    "split_languages": ("language", "contrast", "split_languages"),
    "min_script_share": ("script", "min_script_share"),
}
"""Rules that need other keys."""
COPIES = ("exact", "near", "paragraphs")
UNKNOWN = "x-mine"
"""The code of a language that nobody has named."""
TRAINING = "everything else is chosen from the texts and the machine"


def recommended(clean: Clean, findings: Sequence[Finding], read: Sequence[Reading] = ()) -> Clean:
    """Of the rules that were switched on, those that did something, and those for every corpus.

    read: of each source, of which more than usual may have to be unreadable.
    """
    names = {each.name for each in findings}
    steps = tuple(step for step in clean.normalize if step in names or step in ALWAYS)
    given = clean.model_dump(exclude_defaults=True)
    keys: dict[str, Any] = {"normalize": steps, "dedup": clean.dedup}
    for name in [each for each in given if each in names and each not in keys]:
        keys |= {key: given[key] for key in NEEDS.get(name, (name,)) if key in given}
    if (allowed := allowance(read, usual := Clean().max_unreadable)) > usual:
        keys["max_unreadable"] = allowed
    return Clean.model_validate(keys)


def mended(found: Examined, sources: Sources) -> list[Source]:
    """The sources without files that gave nothing, with OCR for bad pages and certain encodings.

    A source of which nothing is left is no part of it.
    """
    every: list[Source] = []
    for source, files in sources:
        unread, keys = found.unread.get(source.name, {}), dict[str, Any]()
        if len(unread) == len(files):
            continue
        if unread:
            given = [file.path for file in files if file not in unread]
            home = files[0].path.absolute().parents[len(PurePosixPath(files[0].name).parts) - 1]
            keys["exclude"] = (*source.exclude, *globs([each.path for each in unread], given, home))
        dropped = next(each.dropped for each in found.stats if each.name == source.name)
        is_scan = "needs_ocr" in dropped or "bad_text_layer" in dropped
        if is_scan and source.ocr is None and tesseract() is not None:
            keys["ocr"] = "auto"
        if source.encoding is None and (encoding := only_encoding(found, source.name)):
            keys["encoding"] = encoding
        every.append(source.model_copy(update=keys))
    return every


def readings(found: Examined) -> list[Reading]:
    """How much of each source cannot be read, without the files that gave nothing."""
    every: list[Reading] = []
    for stats in found.stats:
        names, reading = {file.name for file in found.unread.get(stats.name, {})}, stats.reading()
        lost = {what: n for what, n in reading.lost.items() if what.partition("  ")[2] not in names}
        reading.bytes -= reading.lost.total() - sum(lost.values())
        reading.lost = Counter(lost)
        every.append(reading)
    return every


def prescribed(findings: Sequence[Finding], clean: Clean) -> list[Finding]:
    """The findings, each with the lines of [clean] that mend it. clean: what is recommended."""
    return [
        each if each.recipe else replace(each, recipe=lines_for(each.name, clean))
        for each in findings
    ]


def lines_for(name: str, clean: Clean) -> str:
    """The lines of [clean] for a rule; empty if no key of it does anything.

    An item of a list is a comment, as several findings may be copied and a key may stand only once.
    """
    if name.startswith("mask "):
        return f"# in mask: {toml(name.removeprefix('mask '))}"
    given = clean.model_dump(exclude_defaults=True)
    for key, names in (("normalize", step_names()), ("dedup", COPIES)):
        if name in names:
            return f"# in {key}: {toml(name)}" if name in given.get(key, ()) else ""
    keys = NEEDS.get(name, (name,))
    return "\n".join(f"{key} = {toml(given[key])}" for key in keys if key in given)


def recipe_text(
    name: str, language: str, sources: Sequence[Source], cleaning: str, *, notes: Sequence[str] = ()
) -> str:
    """A recipe with these sources. cleaning: its table. notes: comments at its beginning."""
    head = [*(f"# {each}" for each in notes), f"name = {toml(name)}"]
    head.append(f"language = {toml(language or UNKNOWN)}")
    phase = f'[[phase]]  # {TRAINING}\nname = "pretrain"'
    head_text = "\n".join(map(printable, head))
    return "\n\n".join([head_text, *map(source_table, sources), cleaning, phase]) + "\n"


def changes_text(
    path: Path, sources: Sequence[Source], cleaning: str, *, own: Iterable[str] = ()
) -> str:
    """What to change in a recipe: its [clean], and these sources.

    own: keys of its [clean] that were not tried.
    """
    notes = [f"# Put this in the place of [clean] in {printable(str(path))}; all else stays."]
    if sources:
        names = ", ".join(f'"{each.name}"' for each in sources)
        notes.append(f"# The same for [[source]] {names}.")
    if keys := ", ".join(own):
        notes.append(f"# It has keys that were not tried here; keep them if you want them: {keys}")
    return "\n\n".join(["\n".join(notes), *map(source_table, sources), cleaning]) + "\n"


def source_table(source: Source) -> str:
    """A source as a recipe writes it."""
    lines = ["[[source]]", *config_lines(source)]
    if not source.license:
        lines.append('# license = "…": what these texts may be used under')
    return "\n".join(lines)


def clean_table(clean: Clean, findings: Sequence[Finding], unreadable: Sequence[str] = ()) -> str:
    """[clean], where each key says what it mends. unreadable: sources much of which is broken."""
    reasons = {each.name: f"{each.title.lower()}: {each.count:,}" for each in findings}
    names = ", ".join(f'"{name}"' for name in unreadable)
    reasons["max_unreadable"] = f"so much of {names} may be unreadable; it is left out"
    return "\n".join(["[clean]", *config_lines(clean, reasons)])
