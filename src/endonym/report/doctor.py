"""`doctor.html`: what is wrong with texts, in one HTML file that loads nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from endonym.device import program
from endonym.log import counted, listed, number
from endonym.mappings import largest_first
from endonym.report.changes import kind_of, name_of
from endonym.report.formatting import cut
from endonym.report.page import render
from endonym.report.svg import CHARTS, Bar, Bars, Chart, Series
from endonym.script.languages import language_name
from endonym.survey.diagnosis import Diagnosis, rough
from endonym.survey.examination import FOREIGN, Examined
from endonym.survey.findings import TEMPLATE, Example, Finding, in_place
from endonym.survey.observing import EDGES, Seen, heaps, letter_script

RARE_SHARE = 5e-5
MOST_RARE = 60
"""Share of all letters below which one is rare, and how many of those are shown."""
KEPT_SHARE = 0.1
"""Share of a letter that may stay, if cleaning is said to take it away."""
FIRST_EXAMPLES = 5
"""Examples that are shown before the others are unfolded."""


GROUP_CHARS = 90
"""Characters of a text that stands for a group."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that is rare or goes, and a word with it."""

    letter: str
    name: str
    count: int
    word: str
    place: str


def doctor_page(diagnosis: Diagnosis) -> str:
    """The page as HTML."""
    examined = diagnosis.examined
    raw = diagnosis.examined.raw
    kept = diagnosis.examined.kept
    return render(
        "doctor.html",
        {
            "diagnosis": diagnosis,
            "language_code": diagnosis.patient.code,
            "marking": f"{program()} look {diagnosis.patient.called}",
            "percent": percent,
            "found_in": found_in,
            "rough": rough,
            "named_groups": partial(named_groups, own=diagnosis.patient.code.partition("-")[0]),
            "one_of_each": one_of_each,
            "first": FIRST_EXAMPLES,
            "languages": languages(diagnosis),
            "scripts": shares(raw.scripts, raw.documents),
            "mixed": shares(raw.mixed, raw.documents),
            "encodings": shares(examined.encodings, examined.encodings.total()),
            "lengths": lengths(raw) if raw.documents else None,
            "rare": rare_letters(kept),
            "gone": gone_letters(raw, kept),
            "growth": growth_chart(diagnosis),
            "exponent": heaps(examined.growth.get("kept", [])),
            "licences": licences(diagnosis),
            # By chance: what no rule has found is among them.
            "staying": [in_place(examined, *each) for _, each in sorted(kept.shown.items())],
            "files": files(examined),
        },
    )


def files(examined: Examined) -> list[tuple[Example, int, int]]:
    """Each file as an example, its documents, and how many files this is.

    Files of the same content are one example: a mark, which is of the content, is of all of them.
    """
    alike = dict[str, list[str]]()
    seen = examined.raw.files
    for name in seen:
        alike.setdefault(examined.hashes.get(name, name), []).append(name)
    rows: list[tuple[Example, int, int]] = []
    for names in alike.values():
        example = replace(in_place(examined, names[0], seen[names[0]][1]), place=listed(names))
        rows.append((example, sum(seen[name][0] for name in names), len(names)))
    return rows


def found_in(finding: Finding) -> str:
    """How much of what the finding was found in, such as "2 of 34 files"."""
    if finding.of == "page":  # nobody knows how many pages the documents had
        return counted(finding.count, finding.of)
    return f"{number(finding.count)} of {counted(finding.total, finding.of)}"


def percent(share: float) -> str:
    """A share as people read it: two digits of what is not zero."""
    if share <= 0:
        return "0 %"
    return "< 0.01 %" if share < 1e-4 else f"{100 * share:.2g} %" if share < 0.995 else "100 %"


def named_groups(finding: Finding, own: str = "") -> list[tuple[str, str]]:
    """The groups of a finding, such as templates, with their sizes. own: the corpus's language."""
    is_foreign = finding.name in FOREIGN
    groups = Counter[str]()
    for name, n in finding.groups:
        is_text = finding.name in ("near", TEMPLATE)
        shown = cut(name, GROUP_CHARS) if is_text else name
        groups[foreign_name(finding.name, name, own) if is_foreign else shown or "not told"] += n
    return [(name, number(n)) for name, n in groups.items()]


def foreign_name(reason: str, code: str, own: str) -> str:
    """The language of documents that go for one of FOREIGN; own: that of the corpus."""
    if not code or (code == own and reason != "min_script_share"):
        return "not told"
    return language_name(code) + (" in another script" if code == own else "")


def one_of_each(examples: Sequence[Example]) -> list[Example]:
    """Examples of changes, first one of each kind; all others as they stand."""
    seen = Counter[tuple[str, str]]()
    ranks = list[int]()
    for each in examples:
        kind = kind_of(each.before, each.after)
        ranks.append(seen[kind])
        seen[kind] += bool(each.before)
    return [examples[place] for place in sorted(range(len(ranks)), key=ranks.__getitem__)]


def shares(counts: Mapping[str, int], total: int) -> list[tuple[str, str, str]]:
    """Names with counts and shares, the most frequent first."""
    ordered = largest_first(counts).items()
    return [(name, number(n), percent(n / max(1, total))) for name, n in ordered]


def languages(diagnosis: Diagnosis) -> list[tuple[str, str, str]]:
    """(name, count, share) of documents by language, the corpus's own first.

    Languages of documents that were dropped as foreign may be unknown: others need not sum up to
    all that is not the corpus's own.
    """
    examined = diagnosis.examined
    if not diagnosis.patient.code:
        return []
    own_code = diagnosis.patient.code.partition("-")[0]
    others = Counter[str]()
    for reason, counts in examined.foreign.items():
        for code, n in counts.items():
            others[foreign_name(reason, code, own_code)] += n
    n_foreign = sum(examined.dropped(reason).records for reason in FOREIGN)
    own = {language_name(diagnosis.patient.code): max(0, examined.documents - n_foreign)}
    return shares(own, examined.documents) + [
        (f"other: {name}", n, share) for name, n, share in shares(others, examined.documents)
    ]


def lengths(raw: Seen) -> Bars:
    """The share of documents in each class of lengths, in percent."""
    names = [f"< {EDGES[0]}"]
    names += [f"{number(a)}–{number(b)}" for a, b in pairwise(EDGES)]
    names.append(f"≥ {number(EDGES[-1])}")
    rows = [(name, 100 * n / raw.documents) for name, n in zip(names, raw.lengths, strict=True)]
    filled = [place for place, (_, percent) in enumerate(rows) if percent]
    between = rows[filled[0] : filled[-1] + 1]  # without empty classes at both ends
    bars = [Bar(name, percent, None, None, "model") for name, percent in between]
    return Bars("Documents by their length in characters, in percent", bars)


def rare_letters(seen: Seen) -> list[Letter]:
    """Letters that are rare; first those in a word with another script, where look-alikes hide."""
    most = max(1, RARE_SHARE * seen.letters.total())
    rare = [letter_of(seen, letter) for letter, n in seen.letters.items() if n <= most]
    return sorted(rare, key=lambda each: (not mixes(each), each.count, each.letter))[:MOST_RARE]


def gone_letters(raw: Seen, kept: Seen) -> list[Letter]:
    """Letters that cleaning takes away, nearly all of them; the most frequent first."""
    gone = [
        letter_of(raw, letter)
        for letter, n in raw.letters.items()
        if kept.letters.get(letter, 0) <= KEPT_SHARE * n
    ]
    return sorted(gone, key=lambda each: (-each.count, each.letter))[:MOST_RARE]


def letter_of(seen: Seen, letter: str) -> Letter:
    """A letter with what is known of it."""
    return Letter(letter, name_of(letter), seen.letters[letter], *seen.examples[letter])


def mixes(letter: Letter) -> bool:
    """Whether the word of a letter has letters of two scripts."""
    scripts = {letter_script(each) for each in letter.word} - {""}
    return len(scripts) > 1


def growth_chart(diagnosis: Diagnosis) -> list[Chart]:
    """Distinct words against words read."""
    growth = diagnosis.examined.growth
    names = {"raw": "as it is", "kept": "what stays"}
    styles = {"raw": "train", "kept": "held"}
    series = [
        Series(names[side], [(float(x), float(y)) for x, y in points], styles[side])
        for side, points in growth.items()
        if len(points) > 2
    ]
    return [Chart(**CHARTS["growth"], series=series)] if series else []


def licences(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Each source with its licence, of the recipe or of its documents."""
    rows: list[tuple[str, str]] = []
    for source, _ in diagnosis.patient.sources:
        counts = diagnosis.examined.raw.licences.get(source.name, {})
        parts = [f"{name} ({number(n)})" for name, n in counts.items() if name][:5]
        n_without = counts.get("", 0)
        parts += [f"{number(n_without)} documents say none"] if parts and n_without else []
        rows.append((source.name, source.license or ", ".join(parts) or "none is named"))
    return rows
