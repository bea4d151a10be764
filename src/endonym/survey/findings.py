"""What is wrong with texts.

There is a finding for each rule that acts on texts (survey/examination.py). Findings are ordered by
how much they matter: the weight of a rule by the share of the documents that it acts on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from endonym.cleaning.marks import DIGITS
from endonym.cleaning.packs import packs
from endonym.cleaning.personal import PERSONAL, begin_shown
from endonym.cleaning.rules import LAST
from endonym.disk import packaged_tables
from endonym.errors import printable
from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.faults import FAULT
from endonym.formats.reasons import READER_REASONS, in_words
from endonym.log import counted, listed
from endonym.recipe.layers import toml
from endonym.script.scripts import BREAK_SCRIPTS
from endonym.survey.chats import chat_phases, chats_in_words
from endonym.survey.examination import BROKEN_TEXT, FOREIGN, SHOWN_CHARS, Examined
from endonym.survey.observing import LINK, REPLACEMENT, SKELETON, WORD_MARKS
from endonym.survey.raw_files import pattern
from endonym.survey.survey import ODD, PERSONS, Survey

INSTALL = "To install it, with the administrator's password: apt-get install {packages}"
PAGES = frozenset({"needs_ocr", "bad_text_layer", "low_confidence"})
"""Reasons of pages that OCR may read."""
NO_FINDING = frozenset({"blank", "redirect", "not_article", "not_a_page", "own_page"})
"""Reasons of the reader that every dump and every book has."""
FINDING_WORDS = packaged_tables("endonym.survey", "finding_words.toml")
MOST_EXCLUDED = 12
SHOWN_PLACES = 2
"""Files that are named for their personal data."""
SERIOUS = 0.01
WORTHWHILE = 0.001
"""Weight by share from which on a finding is serious, or worth mending."""
AWAITED = ("pictures", "libraryless", "unread_files")
"""Findings of files that are left out; the first two until something is installed."""
MARKED_DOCUMENTS = 0.05, 0.95
"""Shares of documents with U+200B between words, from and up to which the texts are mixed."""
TEMPLATE = "max_same_skeleton"
PERSONAL_FINDINGS = frozenset(f"mask {kind}" for kind in PERSONAL)
MARKED_OUT = "marked_out"
MARKED_IN = "marked_in"
OWN_KEYS = (MARKED_OUT, MARKED_IN, "replace")
"""Keys that are decisions of a person, and no guess of ours."""


@dataclass(frozen=True, slots=True)
class Example:
    """A place, `source/file#number`, with what a person should look at.

    mark: the list that a person may put the document on, with the hash of its text. text: of the
    document, or of what is taken out of it. before, after: around a change. why: what
    the rule says. other: the text that stays in the place of a copy, and its place.
    """

    place: str
    text: str = ""
    before: str = ""
    after: str = ""
    why: str = ""
    other: str = ""
    other_place: str = ""
    mark: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong. name: the rule's, or the reader's reason. of: what is counted.

    count: documents, records, pages or files, of `total` ones; share: of all of these, or for
    files in another language, of the text. text_share: what is left out of the text's bytes, if
    that is known. parts: lines or paragraphs taken out. groups: templates or clusters with their
    sizes. recipe: the lines that mend it; table: where in the recipe these stand. is_mended:
    whether the recommended recipe does so by itself.
    """

    name: str
    title: str
    meaning: str
    count: int
    share: float
    total: int = 0
    text_share: float | None = None
    of: str = "document"
    parts: int = 0
    weight: float = 0.5
    recipe: str = ""
    table: str = "[clean]"
    is_mended: bool = False
    groups: list[tuple[str, int]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    @property
    def is_personal(self) -> bool:
        """Whether it is of personal data."""
        return self.name in PERSONAL_FINDINGS

    @property
    def rank(self) -> float:
        """How much it matters: personal data, however few, more than anything else."""
        return self.weight * self.share + self.is_personal

    @property
    def severity(self) -> str:
        """The same in words; serious is what a person has to act on."""
        if self.is_mended:
            return "masked by the recipe" if self.is_personal else "mended"
        if self.rank >= SERIOUS:
            return "serious"
        return "worth mending" if self.rank >= WORTHWHILE else "small"

    @property
    def within(self) -> str:
        """The title as it stands within a sentence."""
        is_name = self.title[1:2].isupper()
        return self.title if is_name else self.title[:1].lower() + self.title[1:]

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints; of examples only what is there."""
        data: dict[str, Any] = asdict(self)
        examples: list[dict[str, str]] = data["examples"]
        shown = [{key: value for key, value in each.items() if value} for each in examples]
        return data | {"severity": self.severity, "share": round(self.share, 6), "examples": shown}


def findings_of(
    examined: Examined,
    sources: Sequence[Source],
    survey: Survey | None,
    *,
    samples: int,
    packages: str,
    templates: Mapping[str, float] | None = None,
) -> list[Finding]:
    """All findings, those that matter most first.

    survey: if the sources were guessed. packages: of Debian, with which OCR reads the language.
    templates: the sources that a program filled in (survey/templates.py).
    """
    every = [*_of_rules(examined, samples), *_of_reader(examined, sources, packages)]
    every += _of_texts(examined, sources, samples)
    if survey is not None:
        every += _of_survey(survey, samples)
    if templates:
        part = "".join(f"{toml(name)} = 0.05, " for name in list(templates)[:1])
        line = f'# sources = {{{part}"*" = 0.95}}  # shares of the tokens; "*" are all others'
        groups = [(name, round(100 * share)) for name, share in templates.items()]
        words: dict[str, Any] = {"of": "source", "recipe": line, "table": "[[phase]]"}
        count = len(templates)
        every += [finding_of("templates", count, len(sources), groups=groups, **words)]
    return sorted(every, key=lambda each: (-each.rank, -each.count, each.name))


def finding_of(name: str, count: int, total: int, packages: str = "", **fields: Any) -> Finding:
    """A finding with its words from the table: `count` of `total`.

    name: of a rule of cleaning, or a reason of the reader. packages: what its words say of those
    that are to be installed.
    fields: the other fields of Finding.
    """
    of_recipe = name.partition(" ")[0]  # as in "replace 2"
    if name in FINDING_WORDS["words"] or of_recipe in OWN_KEYS:
        words = FINDING_WORDS["words"].get(name) or FINDING_WORDS["words"][of_recipe]
        title = words["title"].format(number=name.rpartition(" ")[2])
        weight = words["weight"]
        meaning = FINDING_WORDS["meanings"].get(words["meaning"], words["meaning"])
    else:
        kind = "unread" if name in READER_REASONS else "step" if name in packs() else "measured"
        meaning = FINDING_WORDS["meanings"][kind]
        weight = FINDING_WORDS["weights"][kind]
        title = FINDING_WORDS["measured"].get(name, in_words(name))
        if kind == "step":
            title = packs()[name].title
        elif kind == "unread":
            title = f"Unreadable: {in_words(name)}"
            meaning = f"{meaning} ({name})."
    meaning = meaning.format(packages=packages).rstrip()
    share = fields.pop("share", count / max(1, total))
    return Finding(name, title, meaning, count, share, total=total, weight=weight, **fields)


def personal_data(findings: Iterable[Finding]) -> str:
    """What personal data texts hold, and what to do about it; empty without any."""
    found = [each for each in findings if each.is_personal and each.count]
    if not found:
        return ""
    kinds = [f"{each.within} in {counted(each.count, 'document')}" for each in found]
    places = dict.fromkeys(one.place.rpartition("#")[0] for each in found for one in each.examples)
    such_as = f", such as of {listed([*places][:SHOWN_PLACES])}" if places else ""
    masks = toml([each.name.removeprefix("mask ") for each in found])
    are_masked = all(each.is_mended for each in found)
    answer = "the recipe masks it by" if are_masked else "no text may be learnt without"
    return (
        f"personal data: {listed(kinds)}{such_as}. A model may say it to anyone: {answer} "
        f"mask = {masks} in [clean]. Names cannot be found. Leave lists of persons out: "
        f"endonym look NAME --mark-out FILE"
    )


def _of_rules(examined: Examined, samples: int) -> Iterator[Finding]:
    """What rules of cleaning did."""
    for name, rule in sorted(examined.rules().items()):
        if name == FAULT:  # see _of_reader
            continue
        count = rule.documents
        groups = list[tuple[str, int]]()
        if name == TEMPLATE:
            stay = sum(examined.kept.skeletons.values())
            count += stay
            groups = examined.templates.most_common(20)
        elif name == "near":
            groups = examined.clusters
        elif name in FOREIGN:
            groups = examined.foreign.get(name, Counter()).most_common()
        is_known = rule.bytes and name not in {TEMPLATE, *BROKEN_TEXT}
        yield finding_of(
            name,
            count,
            examined.documents,
            text_share=rule.bytes / max(1, examined.raw.bytes) if is_known else None,
            parts=rule.parts,
            groups=groups,
            examples=_examples(examined, name, samples),
        )


def _examples(examined: Examined, name: str, samples: int) -> list[Example]:
    """Examples of a rule, evenly spread: its changes, what it dropped, what it took out."""
    every = [
        Example(
            f"{stats.name}/{one['id']}", before=one["before"], after=one["after"], mark=MARKED_OUT
        )
        for stats in examined.stats
        if name in stats.tally.rules
        for _, one in sorted(stats.tally.rules[name].samples.items())
        if "before" in one
    ]
    rejects = [*examined.rejects.get(name, ()), *examined.removed.get(name, ())]
    mark = "" if name in (*LAST, MARKED_OUT, FAULT) else MARKED_IN  # Copies go in any case.
    every += [replace(_rejected(reject, examined), mark=mark) for reject in rejects]
    if name == TEMPLATE:
        members = examined.kept.found_in.get(SKELETON, ())
        every += [in_place(examined, at, text, f"stays: {why}") for at, text, why in members]
    wanted = min(samples, len(every))
    shown = [every[len(every) * number // wanted] for number in range(wanted)]
    return [replace(each, hash=examined.hashes.get(each.place, "")[:DIGITS]) for each in shown]


def in_place(examined: Examined, place: str, text: str, why: str = "") -> Example:
    """A document that stays, and that a person may mark as out."""
    digest = examined.hashes.get(place, "")[:DIGITS]
    return Example(place, text, why=why, mark=MARKED_OUT, hash=digest)


def _rejected(reject: Reject, examined: Examined) -> Example:
    """A reject as an example."""
    why = "" if reject.stayed else reject.detail
    place = f"{reject.source}/{reject.id}"
    other = examined.stayed.get(reject.stayed, "")
    text = begin_shown(reject.text, SHOWN_CHARS, examined.clean.language)
    return Example(place, text, why=why, other=other, other_place=reject.stayed)


def _of_reader(examined: Examined, sources: Sequence[Source], packages: str) -> Iterator[Finding]:
    """What could not be read, by reason."""
    seeing = {source.name for source in sources if source.ocr}
    for reason in examined.reasons():
        if reason not in READER_REASONS or reason in NO_FINDING | BROKEN_TEXT:
            continue
        count = examined.dropped(reason).records
        rejects = examined.rejects.get(reason, [])
        is_page = reason in PAGES
        names = {stats.name for stats in examined.stats if reason in stats.dropped}
        is_read = is_page and names <= seeing
        yield finding_of(
            reason,
            count,
            examined.documents + count,
            "" if is_read else INSTALL.format(packages=packages),
            of="page" if is_page else "record",
            recipe="" if is_read else 'ocr = "auto"' if is_page else _excluded(examined, reason),
            is_mended=is_read,
            table=_sources(reject.source for reject in rejects),
            examples=[
                replace(example, why="" if is_read else example.why)  # which is how to read it
                for example in (_rejected(reject, examined) for reject in rejects)
            ],
        )


def _excluded(examined: Examined, reason: str) -> str:
    """The lines that leave out the files that gave nothing for this reason, or have them read."""
    by_source = {
        source: [pattern(file.path) for file, why in files.items() if why == reason]
        for source, files in examined.unread.items()
    }
    some = {source: names for source, names in by_source.items() if names}
    line = own_encoding if reason == "unknown_encoding" else exclude_line
    if len(some) == 1:
        return "".join(map(line, some.values()))
    return "\n".join(f"# {source}:\n{line(names)}" for source, names in some.items())


def exclude_line(names: Sequence[str]) -> str:
    """The key that leaves out files of these names."""
    is_cut = len(names) > MOST_EXCLUDED
    return f"exclude = {_shown(names)}" + ": the whole recipe leaves out all" * is_cut


def own_encoding(names: Sequence[str]) -> str:
    """How files of these names are read whose encoding nobody can guess."""
    return f'# As a source of their own, with their encoding: {_shown(names)}\n# encoding = "…"'


def _shown(names: Sequence[str], count: int = 0) -> str:
    """The first names as TOML, and how many more there are."""
    more = max(len(names), count) - len(names[:MOST_EXCLUDED])
    cut = f"  # and {more:,} more" if more else ""
    return f"{toml(tuple(names[:MOST_EXCLUDED]))}{cut}"


def _sources(names: Iterable[str]) -> str:
    """The tables of these sources."""
    every = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
    return f"[[source]] {every}".strip()


def only_encoding(examined: Examined, source: str) -> str:
    """The encoding, other than UTF-8, that was guessed for every file of a source; or ""."""
    (stats,) = (stat for stat in examined.stats if stat.name == source)
    is_whole = examined.files == examined.all_files
    is_whole &= not any(READER_REASONS.get(reason) == "file" for reason in stats.dropped)
    (name, *others) = [*stats.encodings, ""]
    return name if is_whole and others == [""] and not name.startswith("utf-") else ""


def _encoding_lines(examined: Examined, source: str, guessed: Counter[str]) -> str:
    """The line that names a source's encoding; for some of its files, how these get their own."""
    if encoding := only_encoding(examined, source):
        return f'encoding = "{encoding}"  # of "{source}"'
    lines: list[str] = []
    for encoding, count in guessed.most_common():
        names = [
            PurePosixPath(place).name
            for place, (name, _) in examined.raw.named.items()
            if name == encoding and place.partition("/")[0] == source
        ]
        lines += [
            f'# Not all files of "{source}" are {encoding}. Give those that are a source with',
            f'# encoding = "{encoding}"',
            f'# and leave them out of "{source}":',
            f"# exclude = {_shown(names, count)}",
        ]
    return "\n".join(lines)


def _of_texts(examined: Examined, sources: Sequence[Source], samples: int) -> Iterator[Finding]:
    """Guessed encodings, damage that stays, and sources without a licence."""
    named = {source.name for source in sources if source.encoding is not None}
    guesses = dict[str, Counter[str]]()
    for stats in examined.stats:
        some = {name: n for name, n in stats.encodings.items() if not name.startswith("utf-")}
        if some and stats.name not in named:
            guesses[stats.name] = Counter(some)
    guessed = sum(guesses.values(), Counter[str]())
    if guessed:
        examples = [
            Example(place, text, why=f"guessed: {encoding}")
            for place, (encoding, text) in examined.raw.named.items()
            if place.partition("/")[0] in guesses
        ]
        yield finding_of(
            "encoding",
            guessed.total(),
            examined.encodings.total(),
            of="file",
            recipe="\n".join(_encoding_lines(examined, name, guesses[name]) for name in guesses),
            table=_sources(guesses),
            groups=guessed.most_common(),
            examples=examples[:samples],
        )
    for name in (REPLACEMENT, LINK):
        if count := examined.kept.found[name]:
            some = examined.kept.found_in.get(name, ())
            examples = [in_place(examined, *each) for each in some]
            yield finding_of(name, count, examined.documents, examples=examples)
    marked = examined.kept.found[WORD_MARKS]
    unspaced = sum(examined.kept.scripts[script] for script in BREAK_SCRIPTS)
    if MARKED_DOCUMENTS[0] * unspaced <= marked <= MARKED_DOCUMENTS[1] * unspaced and marked:
        some = examined.kept.found_in.get(WORD_MARKS, ())
        examples = [
            replace(in_place(examined, at, ""), before=text, after=text.replace("\u200b", ""))
            for at, text in some
        ]
        lines = '[[clean.replace]]\nletters = { "\\u200b" = "" }'
        words = {"recipe": lines, "table": "a table of its own, after the other keys of [clean]"}
        yield finding_of(WORD_MARKS, marked, unspaced, examples=examples, **words)
    licences = {each.name: examined.raw.licences.get(each.name, {}) for each in sources}
    without = [each.name for each in sources if not each.license]
    # Sources of which the recipe names no licence, and some document names none itself.
    silent = [name for name in without if not licences[name] or licences[name].get("")]
    if silent:
        yield finding_of(
            "license",
            len(silent),
            len(sources),
            of="source",
            recipe='# license = "…"',
            table=_sources(silent),
        )


def _of_survey(survey: Survey, samples: int) -> Iterator[Finding]:
    """Files that were left out when the sources were guessed; the recipe leaves them out."""
    of_files = partial(finding_of, total=survey.files, of="file")
    savable = set(survey.convertible)
    kinds = ("no_texts", "chats", *AWAITED[:2])
    files_of: dict[str, list[tuple[str, str]]] = {name: [] for name in (*AWAITED, *kinds)}
    for path, why in survey.skipped:
        of = next((kind for kind in kinds if path in getattr(survey, kind)), "unread_files")
        files_of[of].append((path, why))
    # What a person can save in another format comes first.
    files_of["unread_files"].sort(key=lambda each: PurePosixPath(each[0]).name not in savable)
    names = survey.unknown_encodings
    for name in AWAITED:
        if files := files_of[name]:
            reasons = Counter(why for _, why in files).most_common(20)
            is_said = len(reasons) == 1 and name in AWAITED[:2]
            yield of_files(
                name,
                len(files),
                packages=survey.awaited.get(name, ""),
                recipe=own_encoding(names) if names and name == "unread_files" else "",
                table="a new [[source]]",
                groups=[] if is_said else reasons,
                examples=[
                    Example(path, why="" if is_said else why) for path, why in files[:samples]
                ],
            )
    problems = {printable(each.path): each.problem for each in survey.chat_files}
    if chats := [(path, problems.get(path) or why) for path, why in files_of["chats"]]:
        found = of_files(
            "conversations",
            len(chats),
            recipe="\n\n".join(chat_phases(survey.chat_files)),
            table="a phase after that of the texts",
            examples=[Example(path, why=why) for path, why in chats[:samples]],
        )
        said = [f"{chats_in_words(survey.chat_files) or 'No phase can read them'}.", found.meaning]
        yield replace(found, meaning=" ".join(said))
    for kind in ("no_texts", ODD, PERSONS):
        left, _, share = survey.left_as(kind)
        words: dict[str, Any] = {"share": share, "text_share": share} if kind == ODD else {}
        words |= {"is_mended": True} if kind == PERSONS else {}
        if files := files_of.get(kind) or [each[1:3] for each in left]:
            examples = [Example(path, why=why) for path, why in files[:samples]]
            yield of_files(kind, len(files), examples=examples, **words)
