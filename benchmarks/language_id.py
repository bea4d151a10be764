"""Language identification: what is kept of a corpus's own lines, and of those of its neighbours.

    python benchmarks/language_id.py [--texts ../shared/data] [--lines 500]

Each of nine languages is the target once. Judged are 500 lines of each language (of Bashkir all
255 there are), whole and cut to 20 characters. The model learns from a corpus of other lines of
the target with a tenth of other languages, as raw texts have; with contrast it also gets files of
the other eight. Lines are judged in two halves: while one is judged, the other may be learnt. No
line that judges has the letters of one that is learnt. --judge flores judges by sentences of
FLORES-200 instead, in the six of these languages that it has: a model then learns from one kind of
text and judges another. A line is kept from the
`min_language_score` on that `endonym new` writes; a library alone keeps what it names so. Results:
benchmarks/results/language-id.json.
"""

import argparse
import functools
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cells import RESULTS, ROOT, Cells
from copied_lines import opened
from pages import markdown

from endonym.cleaning.language import identify
from endonym.cleaning.language.identify import Identifier
from endonym.cleaning.language.sample import SAMPLE_CHARS, candidates, drawn_paragraphs, learn
from endonym.cleaning.language.votes import cld2_vote, langid_vote
from endonym.script.fold import folded

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
NAMES = {"tt": "Tatar", "ba": "Bashkir", "kk": "Kazakh", "ky": "Kyrgyz", "km": "Khmer",
         "ro": "Romanian", "fr": "French", "fa": "Persian", "ar": "Arabic"}  # fmt: skip
WAYS = ("pycld2", "py3langid", "votes", "own model", "with contrast")
LENGTHS = {"line": 10_000, "20 characters": 20}
LEARNT, CONTRAST, DIRT = 4_000, 1_000, 0.1
"""Lines of a corpus, lines of a file to contrast with, share of the corpus in other languages."""
LEAST_SCORE = 0.6
"""The score from which on a line is in the language."""
LIBRARIES, CERTAIN_VOTE = "libraries", 0.9
JUDGES = ("lines", "flores")
FLORES = "on FLORES"
"""What ends the key of a target that was judged there."""
RESULT = RESULTS / "language-id.json"


class Half(NamedTuple):
    """Lines by language: those that judge, and those that may be learnt."""

    judging: dict[str, list[str]]
    learning: dict[str, list[str]]


def main() -> None:
    """Measure every target, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--judge", choices=JUDGES, default="lines", help="what judges")
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    remember_votes()
    cells = Cells(asked.results)
    parts = [flores(asked.texts, asked.lines)]
    if asked.judge == "lines":
        parts = halves(asked.texts, asked.lines)
    for target in parts[0].judging:
        kept = kept_lines(target, parts)
        key = target if asked.judge == "lines" else f"{target} {FLORES}"
        cells.keep(key, {"kept": kept, "lines": sizes(parts)})
        print(key, kept["line"]["with contrast"], flush=True)
    if asked.judge == "lines":
        cells.keep(LIBRARIES, right_votes(parts))
    print(own_table(cells), false_table(cells), sep="\n")


def remember_votes() -> None:
    """Ask the libraries about each line once, not once for each target."""
    for vote in (cld2_vote, langid_vote):
        setattr(identify, vote.__name__, functools.cache(vote))


def halves(texts: Path, count: int) -> list[Half]:
    """The lines of all languages, twice: what judges in one half may be learnt in the other."""
    found = [Half({}, {}) for _ in range(2)]
    for code, name in FILES.items():
        lines = distinct([line for line in opened(texts / name).split("\n") if line.strip()])
        random.Random(f"language {code}").shuffle(lines)
        chosen, rest = lines[:count], lines[count:]
        for number, half in enumerate(found):
            half.judging[code] = chosen[number::2]
            half.learning[code] = [*chosen[1 - number :: 2], *rest][:LEARNT]
    return found


def flores(texts: Path, count: int) -> Half:
    """Sentences of FLORES judge; lines with the letters of none of them may be learnt."""
    rows = opened(texts / "parallel" / "flores200_devtest.jsonl").splitlines()
    sentences = [json.loads(row) for row in rows if row]
    found = Half({}, {})
    for code, name in FILES.items():
        judging = [row[code] for row in sentences if code in row][:count]
        own = set(folded(judging))
        lines = distinct([line for line in opened(texts / name).split("\n") if line.strip()])
        random.Random(f"language {code}").shuffle(lines)
        pairs = zip(folded(lines), lines, strict=True)
        found.learning[code] = [line for letters, line in pairs if letters not in own][:LEARNT]
        if judging:
            found.judging[code] = judging
    return found


def distinct(lines: Sequence[str]) -> list[str]:
    """The first of lines with the same letters."""
    firsts: dict[str, str] = {}
    for letters, line in zip(folded(lines), lines, strict=True):
        firsts.setdefault(letters, line)
    return list(firsts.values())


def sizes(parts: Sequence[Half]) -> dict[str, int]:
    """How many lines of each language judge."""
    return {code: sum(len(half.judging[code]) for half in parts) for code in parts[0].judging}


def kept_lines(target: str, parts: Sequence[Half]) -> dict[str, dict[str, dict[str, float]]]:
    """The share of each language's lines that are kept, by length and by way."""
    codes = parts[0].judging
    kept = {length: {way: dict.fromkeys(codes, 0) for way in WAYS} for length in LENGTHS}
    for half in parts:
        ways = judges(target, half)
        for length, most in LENGTHS.items():
            for code, lines in half.judging.items():
                cut = [line[:most] for line in lines]
                for way, keeps in ways.items():
                    kept[length][way][code] += sum(keeps(cut))
    total = sizes(parts)
    return {
        length: {
            way: {code: round(count / total[code], 4) for code, count in counts.items()}
            for way, counts in by_way.items()
        }
        for length, by_way in kept.items()
    }


Keeps = Callable[[Sequence[str]], list[bool]]


def judges(target: str, half: Half) -> dict[str, Keeps]:
    """For each way, what it keeps of some lines."""
    every = {key: text for line in corpus(target, half.learning) for key, text in candidates(line)}
    sample = list(drawn_paragraphs(every, SAMPLE_CHARS).values())
    contrast = {code: lines[:CONTRAST] for code, lines in half.learning.items() if code != target}
    identifiers = {
        "votes": Identifier(target),
        "own model": Identifier(target, learn(sample, target, {})),
        "with contrast": Identifier(target, learn(sample, target, contrast)),
    }

    def named_by(vote: Callable[[str], identify.Vote]) -> Keeps:
        return lambda lines: [vote(line).code == target for line in lines]

    def scored_by(identifier: Identifier) -> Keeps:
        least = odds_of(LEAST_SCORE)
        return lambda lines: [each >= least for each in identifier.odds(lines)]

    libraries = {
        "pycld2": named_by(identify.cld2_vote),
        "py3langid": named_by(identify.langid_vote),
    }
    return libraries | {way: scored_by(each) for way, each in identifiers.items()}


def right_votes(parts: Sequence[Half]) -> dict[str, dict[str, list[int]]]:
    """By length and library: lines, certain votes, and how many of these are right.

    A vote is certain if it has at least CERTAIN_VOTE as its probability.
    """
    votes = {"pycld2": identify.cld2_vote, "py3langid": identify.langid_vote}
    found = {length: {name: [0, 0, 0] for name in votes} for length in LENGTHS}
    for length, most in LENGTHS.items():
        for half in parts:
            for code, lines in half.judging.items():
                for name, vote in votes.items():
                    made = [vote(line[:most]) for line in lines]
                    certain = [each for each in made if each.probability >= CERTAIN_VOTE]
                    right = sum(each.code == code for each in certain)
                    counts = (len(made), len(certain), right)
                    found[length][name] = [
                        a + b for a, b in zip(found[length][name], counts, strict=True)
                    ]
    return found


def library_table(cells: Cells) -> str:
    """How often the libraries are certain, and how often they are then right."""
    rows = [
        [name, length, f"{lines:,}", share(certain / lines), share(right / max(1, certain))]
        for length in LENGTHS
        for name, (lines, certain, right) in cells[LIBRARIES][length].items()
    ]
    return markdown(["library", "judged by", "lines", "certain %", "then right %"], rows, labels=2)


def odds_of(probability: float) -> float:
    """The log-odds of a probability."""
    return math.log(probability / (1 - probability))


def corpus(target: str, learning: dict[str, list[str]]) -> list[str]:
    """Lines of the target with a tenth of other languages, as raw texts have."""
    own = learning[target]
    others = [code for code in FILES if code != target]
    each = max(1, round(DIRT / (1 - DIRT) * len(own) / len(others)))
    return [*own, *(line for code in others for line in learning[code][-each:])]


def own_table(cells: Cells, where: str = "") -> str:
    """For each target the share of its own lines kept, then of all others, by way and length.

    where: what ends the keys of its cells.
    """
    head = ["target", "judged by", *WAYS]
    rows: list[list[str]] = []
    for target in (code for code in FILES if f"{code} {where}".strip() in cells):
        kept = cells[f"{target} {where}".strip()]["kept"]
        for length in LENGTHS:
            columns = [
                f"{share(kept[length][w][target])} / {share(others(kept[length][w], target))}"
                for w in WAYS
            ]
            rows.append([NAMES[target], length, *columns])
    return markdown(head, rows, labels=2)


def others(kept: dict[str, float], target: str) -> float:
    """The mean share of the other languages' lines that is kept."""
    found = [value for code, value in kept.items() if code != target]
    return sum(found) / len(found)


def false_table(cells: Cells) -> str:
    """For each target the language of which most is kept wrongly, by way and length."""
    head = ["target", "judged by", *WAYS]
    rows: list[list[str]] = []
    for target in (code for code in FILES if code in cells):
        for length in LENGTHS:
            by_way = cells[target]["kept"][length]
            rows.append([NAMES[target], length, *(worst(by_way[way], target) for way in WAYS)])
    return markdown(head, rows, labels=2)


def worst(kept: dict[str, float], target: str) -> str:
    """The language of which the largest share is kept wrongly."""
    value, code = max((value, code) for code, value in kept.items() if code != target)
    return f"{NAMES[code]} {share(value)}" if value >= 0.0005 else "–"


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
