"""Language identification: which lines are kept, of a language and of the others.

Each of nine languages is the target once. Judged are 500 lines of each language (of Bashkir all
255 there are), whole and cut to 20 characters. The model learns from a corpus of other lines of
the target with a tenth of other languages, as raw texts have; with contrast it also gets files of
the other eight. Lines are judged in two halves: while one is judged, the other may be learnt. No
line that judges has the letters of one that is learnt. Cells "on FLORES" judge by sentences of
FLORES-200 instead, in the six of these languages that it has: a model then learns from one kind of
text and judges another. A line is kept from a probability of 0.6 on; "kept_by_new" is from the
`min_language_score` on that `endonym new` writes. A library alone keeps what it names so.
"""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

from benchmark import TINY, TINY_TEXTS, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from copied_lines import opened
from named_texts import NAMED
from pages import markdown

from endonym.cleaning.language import identify
from endonym.cleaning.language.identify import Identifier
from endonym.cleaning.language.sample import SAMPLE_CHARS, candidates, drawn_paragraphs, learn
from endonym.cleaning.language.votes import cld2_vote, langid_vote
from endonym.script.fold import folded
from endonym.survey.cleaning import SUSPECT_SCORE

FILES = {
    "tt": "tt/common_voice_sentences.txt",
    "ba": "other/ba_common_voice.txt",
    "kk": "other/kk_common_voice.txt",
    "ky": "other/ky_common_voice.txt",
    "km": "km/tico19_sentences.txt",
    "ro": "ro/common_voice_sentences.txt",
    "fr": "fr/common_voice_sentences.txt.gz",
    "fa": "other/fa_common_voice.txt",
    "ar": "other/ar_common_voice.txt",
}
IN_FLORES = ("tt", "km", "ro", "fr", "fa", "ar")
FLORES_FILE = "parallel/flores200_devtest.jsonl"
NAMES = {"tt": "Tatar", "ba": "Bashkir", "kk": "Kazakh", "ky": "Kyrgyz", "km": "Khmer",
         "ro": "Romanian", "fr": "French", "fa": "Persian", "ar": "Arabic"}  # fmt: skip
WAYS = ("pycld2", "py3langid", "votes", "own model", "with contrast")
LENGTHS = {"line": 10_000, "20 characters": 20}
LEAST_SCORE = 0.6
"""The probability from which on lines are kept, in every repeat of these cells."""
LINES = 500
"""Lines of each language that judge."""
LEARNT, CONTRAST, DIRT = 4_000, 1_000, 0.1
"""Lines of a corpus, lines of a file to contrast with, share of the corpus in other languages."""
FLORES = "on FLORES"
"""What ends the name of a cell that was judged there."""


class Half(NamedTuple):
    """Lines by language: those that judge, and those that may be learnt."""

    judging: dict[str, list[str]]
    learning: dict[str, list[str]]


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each target, then those that are judged by FLORES."""
    if bench.tiny:
        return {"tt": partial(target_cell, bench, "tt")}
    lines = {target: partial(target_cell, bench, target) for target in FILES}
    return lines | {
        f"{target} {FLORES}": partial(target_cell, bench, target, on_flores=True)
        for target in IN_FLORES
    }


def target_cell(bench: Bench, target: str, *, on_flores: bool = False) -> Cell:
    """What is kept of each language's lines, and how many lines judged."""
    for vote in (cld2_vote, langid_vote):
        if getattr(identify, vote.__name__) is vote:
            setattr(identify, vote.__name__, cache(vote))  # each line is asked about once
    parts = flores(bench) if on_flores else halves(bench)
    if target not in parts[0].learning:
        bench.file(FILES[target])  # says where it can be had
    kept, kept_by_new = kept_lines(target, parts, (LEAST_SCORE, SUSPECT_SCORE))
    accuracy = {
        length: round(
            (by_way["own model"][target] + 1 - mean_of_others(by_way["own model"], target)) / 2, 4
        )
        for length, by_way in kept.items()
    }
    return {
        "kept": kept,
        "kept_by_new": kept_by_new,
        "lines": sizes(parts),
        "least_score": LEAST_SCORE,
        "least_score_of_new": SUSPECT_SCORE,
        "accuracy": accuracy,
    }


def lines_by_language(bench: Bench) -> dict[str, list[str]]:
    """The lines of each language, in random order; without the files, those that have a name."""
    if not bench.tiny and not bench.has(*FILES.values()):
        raw = {code: bench.lines(code) for code in FILES if code in NAMED}
    else:
        paths = {code: TINY_TEXTS / name for code, name in TINY.items()}
        if not bench.tiny:
            paths = {code: bench.file(name) for code, name in FILES.items()}
        raw = {code: opened(path).split("\n") for code, path in paths.items()}
    by_language: dict[str, list[str]] = {}
    for code, every in raw.items():
        lines = distinct([line for line in every if line.strip()])
        random.Random(f"language {code}").shuffle(lines)
        by_language[code] = lines
    return by_language


@cache
def halves(bench: Bench) -> list[Half]:
    """The lines of all languages, twice: what judges in one half may be learnt in the other."""
    parts = [Half({}, {}) for _ in range(2)]
    for code, lines in lines_by_language(bench).items():
        chosen, rest = lines[:LINES], lines[LINES:]
        for number, half in enumerate(parts):
            half.judging[code] = chosen[number::2]
            half.learning[code] = [*chosen[1 - number :: 2], *rest][:LEARNT]
    return parts


@cache
def flores(bench: Bench) -> list[Half]:
    """Sentences of FLORES judge; lines with the letters of none of them may be learnt."""
    rows = opened(bench.file(FLORES_FILE)).splitlines()
    sentences = [json.loads(row) for row in rows if row]
    half = Half({}, {})
    for code, lines in lines_by_language(bench).items():
        judging = [row[code] for row in sentences if code in row][:LINES]
        own = set(folded(judging))
        pairs = zip(folded(lines), lines, strict=True)
        half.learning[code] = [line for letters, line in pairs if letters not in own][:LEARNT]
        if judging:
            half.judging[code] = judging
    return [half]


def distinct(lines: Sequence[str]) -> list[str]:
    """The first of lines with the same letters."""
    firsts: dict[str, str] = {}
    for letters, line in zip(folded(lines), lines, strict=True):
        firsts.setdefault(letters, line)
    return list(firsts.values())


def sizes(parts: Sequence[Half]) -> dict[str, int]:
    """How many lines of each language judge."""
    return {code: sum(len(half.judging[code]) for half in parts) for code in parts[0].judging}


Kept = dict[str, dict[str, dict[str, float]]]


def kept_lines(target: str, parts: Sequence[Half], least_scores: Sequence[float]) -> list[Kept]:
    """For each least probability the share of each language's lines that are kept, by length and
    by way."""
    codes, total = parts[0].judging, sizes(parts)
    tables: list[Kept] = [
        {length: {way: dict.fromkeys(codes, 0.0) for way in WAYS} for length in LENGTHS}
        for _ in least_scores
    ]
    for half in parts:
        ways = judges(target, half)
        for length, most in LENGTHS.items():
            for code, lines in half.judging.items():
                cut = [line[:most] for line in lines]
                for way, odds_of_lines in ways.items():
                    odds = odds_of_lines(cut)
                    for table, score in zip(tables, least_scores, strict=True):
                        kept = sum(odd >= odds_of(score) for odd in odds)
                        table[length][way][code] += kept / total[code]
    return [
        {
            length: {
                way: {code: round(share, 4) for code, share in shares.items()}
                for way, shares in by_way.items()
            }
            for length, by_way in table.items()
        }
        for table in tables
    ]


Odds = Callable[[Sequence[str]], list[float]]


def judges(target: str, half: Half) -> dict[str, Odds]:
    """For each way, the log-odds that it gives some lines."""
    every = {key: text for line in corpus(target, half.learning) for key, text in candidates(line)}
    sample = list(drawn_paragraphs(every, SAMPLE_CHARS).values())
    contrast = {code: lines[:CONTRAST] for code, lines in half.learning.items() if code != target}

    def named_by(vote: Callable[[str], identify.Vote]) -> Odds:
        return lambda lines: [
            math.inf if vote(line).code == target else -math.inf for line in lines
        ]

    return {
        "pycld2": named_by(identify.cld2_vote),
        "py3langid": named_by(identify.langid_vote),
        "votes": Identifier(target).odds,
        "own model": Identifier(target, learn(sample, target, {})).odds,
        "with contrast": Identifier(target, learn(sample, target, contrast)).odds,
    }


def odds_of(probability: float) -> float:
    """The log-odds of a probability."""
    return math.log(probability / (1 - probability))


def corpus(target: str, learning: dict[str, list[str]]) -> list[str]:
    """Lines of the target with a tenth of other languages, as raw texts have."""
    own = learning[target]
    others = [lines for code, lines in learning.items() if code != target]
    count = max(1, round(DIRT / (1 - DIRT) * len(own) / len(others)))
    return [*own, *(line for lines in others for line in lines[-count:])]


def by_lines(cells: Cells, where: str = "") -> str:
    """For each target the share of its own lines kept, then of all others, by way and length; and
    the language of which the own model keeps most wrongly.

    where: what ends the names of its cells.
    """
    rows: list[list[str]] = []
    for target in FILES:
        if (cell := cells.get(f"{target} {where}".strip())) is None:
            continue
        for length in LENGTHS:
            kept = cell["kept"][length]
            columns = [
                f"{percent(kept[way][target])} / {percent(mean_of_others(kept[way], target))}"
                for way in WAYS
            ]
            size = f"{cell['lines'][target]:,} / {sum(cell['lines'].values()):,}"
            most = most_of_others(kept["own model"], target)
            new = cell.get("kept_by_new", {}).get(length, {}).get("own model")
            by_new = (
                f"{percent(new[target])} / {percent(mean_of_others(new, target))}" if new else "–"
            )
            rows.append([NAMES[target], length, size, *columns, most, by_new])
    head = ["target", "judged by", "lines: own / all", *WAYS, "own model keeps most of"]
    head += ["own model, as `new` keeps"]
    return markdown(head, rows, labels=2)


def mean_of_others(kept: dict[str, float], target: str) -> float:
    """The mean share of the other languages' lines that is kept."""
    shares = [value for code, value in kept.items() if code != target]
    return sum(shares) / len(shares)


def most_of_others(kept: dict[str, float], target: str) -> str:
    """The language of which the largest share is kept wrongly."""
    value, code = max((value, code) for code, value in kept.items() if code != target)
    return f"{NAMES[code]} {percent(value)}" if value >= 0.0005 else "–"


def percent(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.1f}"


BENCHMARK = Benchmark(
    name="language-id",
    code=("endonym.cleaning.language", "endonym.script", "endonym.survey.cleaning"),
    cells=cells,
    tables={
        ("docs/cleaning.md", "languages"): by_lines,
        ("docs/cleaning.md", "languages, FLORES"): partial(by_lines, where=FLORES),
    },
    watched={"accuracy/*": Watch("higher", 0.005)},
)

if __name__ == "__main__":
    main(BENCHMARK)
