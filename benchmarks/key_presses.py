"""How many key presses three suggestions save on unseen text, beside counted words.

    python benchmarks/key_presses.py [--languages tt km ro fr en] [--words 600]

It takes the models that beyond_bits.py has trained in its work folder, of half an hour each on at
most 3 MB. Test documents are typed from their start (endonym/evaluate/key_presses.py), drawn in an
order by hash until there are so many words; the last one is whole. Baselines have counted the words
of all training documents. Intervals are over documents.

Cells in benchmarks/results/key-presses.json are skipped; --again adds a repeat.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from beyond_bits import NAMES
from cells import RESULTS, ROOT, Cell, Cells
from pages import interval, markdown

from endonym import device
from endonym.commands.load import load_model, shards_of
from endonym.data.shards import TokenShards
from endonym.evaluate.bits import held_out_texts
from endonym.evaluate.key_presses import (
    LETTERS_TYPED,
    MOST_SHOWN,
    SHOWN,
    FrequentWords,
    Suggest,
    Typed,
    type_out,
)
from endonym.evaluate.neighbours import joined_texts
from endonym.evaluate.score import ratio
from endonym.evaluate.word_counts import words_in
from endonym.generate.suggest import Suggestion
from endonym.log import Log
from endonym.seed import named_seed
from endonym.store import Store


def main() -> None:
    """Run the cells that are missing, and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    device.prepare()
    for language in asked.languages:
        if language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--words", type=int, default=600)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "beyond-bits")
    parser.add_argument("--results", type=Path, default=RESULTS / "key-presses.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """Type unseen text with the suggestions of a model, and with those of counted words."""
    store, log = Store(asked.work / "store"), Log(quiet=True)
    project = str(asked.work / language)
    model = load_model(project, store, "cpu", log)
    found = shards_of(project, store)
    assert found is not None, "the run is in this store"
    train, test = (TokenShards(found[0], split) for split in ("train", "test"))
    texts = [*joined_texts(train, model.tokenizer)]
    documents = drawn([*held_out_texts(test, model.tokenizer).each()], asked.words)
    seconds = list[float]()

    def suggested(text: str) -> Sequence[Suggestion]:
        started = time.perf_counter()
        found = model.suggest(text, MOST_SHOWN)
        seconds.append(time.perf_counter() - started)
        return found

    every: dict[str, Suggest] = {
        "frequent words": FrequentWords(texts, model.tokenizer, pairs=False),
        "pairs of words": FrequentWords(texts, model.tokenizer, pairs=True),
        "model": suggested,
    }
    rows = {name: figures([type_out(t, shown) for t in documents]) for name, shown in every.items()}
    return {
        "language": language,
        "rows": rows,
        "documents": len(documents),
        "letters": sum(map(len, documents)),
        "median_seconds": median(seconds),
    }


def drawn(texts: Sequence[str], words: int) -> list[str]:
    """Whole texts, in an order by hash, until there are so many words."""
    spans, chosen, count = words_in(texts), list[str](), 0
    for text in sorted(texts, key=lambda text: named_seed(0, text)):
        if count < words:
            chosen.append(text)
            count += len(spans(text))
    return chosen


def figures(documents: Sequence[Typed]) -> dict[str, Any]:
    """Of typed documents the share of key presses that is saved, and how often words were shown."""
    letters = np.array([each.letters for each in documents])
    saved = {n: np.array([each.letters - each.presses[n] for each in documents]) for n in SHOWN}
    spans = {n: ratio(each.astype(np.float64), letters) for n, each in saved.items()}
    kinds = ("first", "among_three")
    counts = {n: sum(each.words.get(n, 0) for each in documents) for n in LETTERS_TYPED}
    shown = {
        kind: {
            str(n): sum(getattr(each, kind).get(n, 0) for each in documents) / count
            for n, count in counts.items()
            if count
        }
        for kind in kinds
    }
    return {"saved": {str(n): [s.value, s.low, s.high] for n, s in spans.items()}, **shown}


def table(cells: Cells | Mapping[str, Cell]) -> str:
    """Key presses saved with one, three and five suggestions, and the next word among three."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        for name, found in cells[language]["rows"].items():
            saved = [interval(*(100 * x for x in found["saved"][str(n)]), 1) for n in SHOWN]
            after = [found["among_three"].get(str(n)) for n in LETTERS_TYPED]
            shown = ["–" if x is None else f"{100 * x:.0f}" for x in after]
            rows.append([NAMES[language], name, *saved, *shown])
    heads = [f"saved by {n}, %" for n in SHOWN]
    heads += [f"among 3 after {n}, %" for n in LETTERS_TYPED]
    return markdown(["text", "suggestions by", *heads], rows, labels=2)


if __name__ == "__main__":
    main()
