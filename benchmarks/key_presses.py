"""How many key presses suggestions save on unseen text, beside counted words.

    python benchmarks/key_presses.py --prepare [--languages tt km ro fr en]    on an idle machine
    python benchmarks/key_presses.py [--languages tt km ro fr en] [--threads 2]

--prepare writes the texts, at most 3 MB of each language, and the recipe that `endonym new` makes
of them for ten minutes of training (beyond_bits.py). A cell trains that model and types its test
documents: `endonym evaluate --typing`, which counts words of all its training text beside it.

Cells in benchmarks/results/key-presses.json are skipped; --again adds a repeat.
"""

import argparse
from pathlib import Path
from typing import Any

from beyond_bits import NAMES, TEXTS, judged, prepare
from cells import RESULTS, ROOT, Cell, Cells, quiet_machine
from pages import interval, markdown
from runs import bits_rows, costs_of, endonym, last_json

from endonym.evaluate.typing_scores import FREQUENT, LETTERS_TYPED, MODEL, PAIRS, SAVED, SHOWN

MINUTES = 10


def main() -> None:
    """Prepare, or run the cells that are missing; print the tables."""
    asked = arguments()
    asked.hours = MINUTES / 60
    cells = Cells(asked.results)
    for language in asked.languages:
        if asked.prepare:
            quiet_machine(language, anyway=asked.anyway)
            prepare(language, asked)
        elif language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(saved(cells), next_words(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--prepare", action="store_true", help="write texts and recipes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "key-presses")
    parser.add_argument("--results", type=Path, default=RESULTS / "key-presses.json")
    parser.add_argument("--anyway", action="store_true", help="prepare on a busy machine")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """Train the model of a language, and type with its suggestions."""
    run = ("run", f"{language}/recipe.toml", "--json", "-q")
    finished = last_json(endonym(asked.work, *run, threads=asked.threads))
    typed = judged(asked.work, language, "--typing", threads=asked.threads)
    rows = bits_rows(finished["scores"])
    return costs_of(asked.work, finished) | {"language": language, "rows": rows, "typed": typed}


def typed_scores(cells: Cells, language: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The scores of typed text by metric and by what suggests."""
    scores = cells[language]["typed"]["scores"]
    return {(each["metric"], each["model"]): each for each in scores}


def saved(cells: Cells) -> str:
    """Key presses saved by one, three and five suggestions."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        found = typed_scores(cells, language)
        for name in (MODEL, PAIRS, FREQUENT):
            spans = [found[SAVED.format(n), name] for n in SHOWN]
            ends = [[100 * each[key] for key in ("value", "low", "high")] for each in spans]
            rows.append([NAMES[language], name, *(interval(*each, 1) for each in ends)])
    heads = [f"saved by {n}, %" for n in SHOWN]
    return markdown(["text", "suggestions by", *heads], rows, labels=2)


def next_words(cells: Cells) -> str:
    """How often the next word is shown, after so many letters."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        found = typed_scores(cells, language)
        for name in (MODEL, PAIRS, FREQUENT):
            metrics = [f"{kind}_after_{n}" for kind in KINDS for n in LETTERS_TYPED]
            shown = [found.get((metric, name)) for metric in metrics]
            if any(shown):
                values = ["–" if each is None else f"{100 * each['value']:.0f}" for each in shown]
                rows.append([NAMES[language], name, *values])
    heads = [f"{words}, {n} letters" for words in KINDS.values() for n in LETTERS_TYPED]
    return markdown(["text", "suggestions by", *heads], rows, labels=2)


KINDS = {"first": "first", "among_three": "of three"}
TABLES_OF_PAGE = {
    "saved": lambda: saved(Cells(RESULTS / "key-presses.json")),
    "next_words": lambda: next_words(Cells(RESULTS / "key-presses.json")),
}

if __name__ == "__main__":
    main()
