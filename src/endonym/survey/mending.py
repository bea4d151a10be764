"""The recipe that mends texts: its sources and its [clean], by what was found (findings.py)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from endonym.cleaning.rules import DROPS, step_names
from endonym.corpus.work import Sources
from endonym.errors import printable
from endonym.formats.config import Clean, Source, Split
from endonym.formats.pages.ocr import tesseract
from endonym.formats.readable import Reading, allowance
from endonym.log import number
from endonym.recipe.layers import config_lines, toml
from endonym.survey.cleaning import ALWAYS
from endonym.survey.examination import Examined
from endonym.survey.findings import OWN_KEYS, Finding, only_encoding
from endonym.survey.observing import WORD_MARKS
from endonym.survey.raw_files import excluding

MOST_DROPPED = 0.5
"""Share of the documents that a rule may drop, if it is recommended."""
NEEDS = {
    "min_language_score": ("language", "contrast", "min_language_score"),
    "split_languages": ("language", "contrast", "split_languages"),
    "min_script_share": ("script", "min_script_share"),
}
"""Rules that need other keys."""
KINDS_OF_COPIES = ("exact", "near", "paragraphs")
OF_ALIKE = frozenset({"max_line_documents", "max_same_skeleton"})
"""Rules against what many texts have in common, as those of a grammar do."""
ALIKE = "the texts of a grammar are all alike"
"""Why [split] has `keep_near_copies`."""
UNKNOWN = "x-mine"
"""The code of a language that nobody has named."""
TRAINING = "everything else is chosen from the texts and the machine"


def of_most(findings: Iterable[Finding]) -> list[Finding]:
    """The findings whose rule would drop most of the documents, and so is not recommended."""
    droppers = {*(rule.key for rule in DROPS), "min_language_score"}
    return [each for each in findings if each.name in droppers and each.share > MOST_DROPPED]


def recommended(
    clean: Clean,
    findings: Sequence[Finding],
    read: Sequence[Reading] = (),
    *,
    are_alike: bool = False,
) -> Clean:
    """The rules of `clean` that found something, and those that every corpus gets.

    Every corpus gets the script, the removal of copies, and the rules against other languages. A
    rule that would drop most of the texts is left out: either the corpus is like that, or its
    language is named wrongly. read: how much of each source could be read, which sets
    `max_unreadable` where it is less than usual. are_alike: a grammar wrote all texts: only equal
    ones are copies, and lines that stand in many are not taken out.
    """
    most = {finding.name for finding in of_most(findings)}
    most |= OF_ALIKE if are_alike else set[str]()
    # Rules against other languages stay for what was not examined: pictures, later files.
    always = {"min_script_share", "min_language_score"}
    names = always.union(finding.name for finding in findings) - most
    steps = tuple(step for step in clean.normalize if step in names or step in ALWAYS)
    tried = clean.model_dump(exclude_defaults=True)
    keys: dict[str, Any] = {key: tried[key] for key in OWN_KEYS if key in tried}
    copies = ("exact",) if are_alike else clean.dedup
    keys |= {"normalize": steps, "script": clean.script, "dedup": copies}
    if masks := [kind for kind in clean.mask if f"mask {kind}" in names]:
        keys |= {"mask": masks, "mask_with": clean.mask_with}
    for name in sorted((names & tried.keys()) - keys.keys()):
        keys |= {key: tried[key] for key in NEEDS.get(name, (name,)) if key in tried}
    usual = Clean().max_unreadable
    if (allowed := allowance(read, usual)) > usual:
        keys["max_unreadable"] = allowed
    return Clean.model_validate(keys)


def mended(examined: Examined, sources: Sources) -> list[Source]:
    """The sources without files that gave nothing, with OCR for bad pages and certain encodings.

    A source of which nothing is left is no part of it.
    """
    every: list[Source] = []
    for source, files in sources:
        unread = examined.unread.get(source.name, {})
        keys = dict[str, Any]()
        if len(unread) == len(files):
            continue
        if unread:
            wanted = [file.path for file in files if file not in unread]
            home = files[0].path.absolute().parents[len(PurePosixPath(files[0].name).parts) - 1]
            unwanted = excluding([each.path for each in unread], wanted, home)
            keys["exclude"] = (*source.exclude, *unwanted)
        dropped = next(stat.dropped for stat in examined.stats if stat.name == source.name)
        is_scan = "needs_ocr" in dropped or "bad_text_layer" in dropped
        if is_scan and source.ocr is None and tesseract() is not None:
            keys["ocr"] = "auto"
        if source.encoding is None and (encoding := only_encoding(examined, source.name)):
            keys["encoding"] = encoding
        every.append(source.model_copy(update=keys))
    return every


def readings(examined: Examined) -> list[Reading]:
    """How much of each source cannot be read, without the files that gave nothing."""
    every: list[Reading] = []
    for stats in examined.stats:
        names = {file.name for file in examined.unread.get(stats.name, {})}
        reading = stats.reading()
        lost = {what: n for what, n in reading.lost.items() if what.partition("  ")[2] not in names}
        reading.bytes -= reading.lost.total() - sum(lost.values())
        reading.lost = Counter(lost)
        every.append(reading)
    return every


def prescribed(
    findings: Sequence[Finding], clean: Clean, own: Clean | None = None
) -> list[Finding]:
    """The findings, each with the lines of [clean] that mend it.

    clean: what is recommended. own: what a person has decided; what it does not mask stays serious.
    """
    every: list[Finding] = []
    for finding in findings:
        table, lines = lines_for(finding.name, clean)
        is_own = finding.recipe or not lines
        of_recipe, _, kind = finding.name.partition(" ")
        is_mended = not is_own and (of_recipe != "mask" or kind in (own or clean).mask)
        changed = replace(finding, recipe=lines, table=table, is_mended=is_mended)
        every.append(finding if is_own else changed)
    return every


def lines_for(name: str, clean: Clean) -> tuple[str, str]:
    """Where in the recipe something stands for a rule, and its lines; "" if no key does anything.

    Of a list it is the item alone, as a key may stand only once.
    """
    if name.startswith("mask "):
        return "the list mask in [clean]", toml(name.removeprefix("mask "))
    table = clean.model_dump(exclude_defaults=True)
    for key, names in (("normalize", step_names()), ("dedup", KINDS_OF_COPIES)):
        if name in names:
            return f"the list {key} in [clean]", toml(name) if name in table.get(key, ()) else ""
    keys = NEEDS.get(name, (name,))
    return "[clean]", "\n".join(f"{key} = {toml(table[key])}" for key in keys if key in table)


def recipe_text(
    name: str,
    language: str,
    sources: Sequence[Source],
    cleaning: str,
    *,
    notes: Sequence[str] = (),
    chats: Sequence[str] = (),
    are_alike: bool = False,
) -> str:
    """A recipe with these sources. cleaning: its table. notes: comments at its beginning. chats:
    phases of conversations, as comments. are_alike: a grammar wrote all texts."""
    head = [*(f"# {note}" for note in notes), f"name = {toml(name)}"]
    head.append(f"language = {toml(language or UNKNOWN)}")
    phase = f'[[phase]]  # {TRAINING}\nname = "pretrain"'
    head_text = "\n".join(map(printable, head))
    split = [split_table()] if are_alike else []
    tables = [head_text, *map(source_table, sources), cleaning, *split, phase, *chats]
    return "\n\n".join(tables) + "\n"


def source_table(source: Source) -> str:
    """A source as a recipe writes it."""
    lines = ["[[source]]", *config_lines(source)]
    if not source.license:
        lines.append('# license = "…": what these texts may be used under')
    return "\n".join(lines)


def split_table() -> str:
    """[split] of texts that a grammar wrote: without it too few of them can be held out."""
    reasons = {"keep_near_copies": ALIKE}
    return "\n".join(["[split]", *config_lines(Split(keep_near_copies=True), reasons)])


def clean_table(clean: Clean, findings: Sequence[Finding], unreadable: Sequence[str] = ()) -> str:
    """[clean], where each key says what it mends. unreadable: sources much of which is broken."""
    reasons = {each.name: f"{each.within}: about {number(each.count)}" for each in findings}
    masks = [f"mask {kind}" for kind in clean.mask]
    for key, items in (("normalize", clean.normalize), ("dedup", clean.dedup), ("mask", masks)):
        mended = [reasons[item] for item in dict.fromkeys(items) if item in reasons]
        reasons[key] = "; ".join(mended)
    reasons["mask_with"] = "names cannot be found: leave lists of persons out (look --mark-out)"
    names = ", ".join(f'"{name}"' for name in unreadable)
    reasons["script"] = "the script of most letters"
    reasons["max_unreadable"] = f"so much of {names} may be unreadable; it is left out"
    table = ["[clean]", *config_lines(clean, reasons)]
    for each in findings:
        if each.name == WORD_MARKS:  # Whether they are wanted, a person knows.
            table.append(f"# {each.within}: {number(each.count)}. To take them out:")
            table += [f"# {line}" for line in each.recipe.splitlines()]
    return "\n".join(table)
