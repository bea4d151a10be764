"""How well proofreading finds typing errors that were planted in unseen text.

    python benchmarks/proofreading.py [--languages tt km ro fr en] [--words 3000] [--work DIR]

It takes finished runs: DIR has a store and a folder for each language with its recipe, as
beyond_bits.py leaves them. One in twenty words of test documents gets an error of a kind that is
drawn by its weight (endonym/lexicon/layouts.toml). The threshold is chosen on dev documents with
errors planted in the same way. Documents are drawn in an order by hash until there are so many
words. Beside the model stand a word list of the same training text (an unknown word is an error,
the nearest word is meant) and Hunspell with Debian's dictionary where there is one.

Cells in benchmarks/results/proofreading.json are skipped; --again adds a repeat.
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from beyond_bits import NAMES
from cells import RESULTS, ROOT, Cell, Cells
from pages import interval, markdown

from endonym import device
from endonym.commands.load import card_of, load_model
from endonym.commands.proofread import fitted
from endonym.corpus.corpus import Corpus
from endonym.evaluate.planted_errors import Found, Planted, planted, proofread
from endonym.generate.proofread import Correction, Finding
from endonym.lexicon.known_words import KnownWords
from endonym.lexicon.typing_errors import KINDS
from endonym.log import Log
from endonym.seed import named_seed
from endonym.store import Store

FOUND_BY = ("model", "word list", "Hunspell")
HUNSPELL = {"ro": "ro_RO", "fr": "fr_FR", "en": "en_US"}
"""Debian's dictionaries, by language."""


def main() -> None:
    """Run the cells that are missing, and print the tables."""
    asked = arguments()
    cells = Cells(asked.results)
    device.prepare()
    for language in asked.languages:
        if language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(table(cells))
    print(kinds(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "beyond-bits")
    parser.add_argument("--results", type=Path, default=RESULTS / "proofreading.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """Proofread unseen text with a model, with a word list, and with Hunspell."""
    store, project = Store(asked.work / "store"), str(asked.work / language)
    model = load_model(project, store, "cpu", Log(quiet=True))
    history = card_of(project, store).history
    assert history is not None, "the run is in this store"
    corpus = Corpus(history.corpus.folder)
    reader = fitted(model, corpus, language)
    texts = [*drawn(corpus, reader.words, asked.words)]
    started = time.process_time()
    found = Found()
    for text, findings in zip(texts, reader.check_many([t.text for t in texts]), strict=True):
        found.add(text, findings)
    seconds = time.process_time() - started
    rows = {"model": figures(found)}
    rows["word list"] = figures(proofread(texts, lambda text: by_list(text, reader.words)))
    dictionary = HUNSPELL.get(language)
    if dictionary and shutil.which("hunspell"):
        hunspell = Hunspell(dictionary, texts, reader.words)
        rows["Hunspell"] = figures(proofread(texts, hunspell.check))
    return {
        "language": language,
        "parameters": sum(each.numel() for each in model.decoder.parameters()),
        "train_bytes": corpus.card["total"]["kept"]["train"]["text_bytes"],
        "known_words": len(reader.words.counts),
        "threshold": reader.threshold,
        "words": sum(each.words for each in texts),
        "errors": found.errors,
        "words_per_cpu_second": sum(each.words for each in texts) / seconds,
        "rows": rows,
    }


def drawn(corpus: Corpus, words: KnownWords, least: int) -> Iterator[Planted]:
    """Test documents with planted errors, until there are so many words."""
    size = 0
    texts = (each.text for each in corpus.documents("test"))
    for text in sorted(texts, key=lambda text: named_seed(1, text)):
        if size < least:
            yield (wrong := planted(text, words, seed=1))
            size += wrong.words


def by_list(text: str, words: KnownWords) -> Iterator[Finding]:
    """Every unknown word of a text, with the nearest known ones."""
    for begin, end, word in words.written(text):
        if not words.knows(word):
            near = [Correction(each.word, -each.cost) for each in words.near(text[begin:end], 3)]
            yield Finding(begin, end, word, tuple(near))


class Hunspell:
    """Words that Hunspell refuses, with its suggestions; all words of texts are asked at once."""

    def __init__(self, dictionary: str, texts: Sequence[Planted], words: KnownWords) -> None:
        self.words = words
        every = [t.text[w.begin : w.end] for t in texts for w in words.written(t.text)]
        once = [*dict.fromkeys(every)]
        done = subprocess.run(
            ["hunspell", "-a", "-i", "utf-8", "-d", dictionary],
            input="".join(f"^{word}\n" for word in once),
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        answers = done.stdout.partition("\n")[2].split("\n\n")
        self.refused = {
            word: said for word, said in zip(once, answers, strict=False) if is_refused(said)
        }

    def check(self, text: str) -> Iterator[Finding]:
        """The words of a text that it refuses."""
        for begin, end, _ in self.words.written(text):
            word = text[begin:end]
            if word in self.refused:
                said = self.refused[word].partition(": ")[2].partition("\n")[0]
                near = [Correction(each, 0.0) for each in said.split(", ") if each]
                yield Finding(begin, end, word, tuple(near))


def is_refused(said: str) -> bool:
    """Whether an answer for one word, a line for each of its parts, refuses a part."""
    return any(line[:1] in ("&", "#", "?") for line in said.strip().splitlines())


def figures(found: Found) -> dict[str, Any]:
    """The figures as the file keeps them, and what was found by kind.

    A figure is null where there was nothing that it could be a share of.
    """
    kinds = {kind: [found.found_of[kind], n] for kind, n in sorted(found.planted_of.items())}
    every = found.figures().items()
    return {name: each and [*each] for name, each in every} | {"kinds": kinds}


def table(cells: Cells) -> str:
    """Precision, recall, first correction, false alarms; each with a 95 % interval."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        found_by = cells[language]["rows"]
        for name in (each for each in FOUND_BY if each in found_by):
            found = found_by[name]
            shares = ("precision", "recall", "first_right")
            shown = [spread(found[each], 2) for each in shares]
            rows.append([NAMES[language], name, *shown, spread(found["false_alarms"], 0)])
    heads = ["precision", "recall", "first correction right", "false alarms per 1,000 words"]
    return markdown(["text", "errors found by", *heads], rows, labels=2)


def spread(figure: list[float] | None, digits: int) -> str:
    """A figure with its interval; a dash where it is undefined."""
    if figure is None:
        return "–"
    value, low, high = figure
    return interval(value, low, high, digits)


def kinds(cells: Cells) -> str:
    """Errors that the model has found of those planted, by kind; and its size and speed."""
    found = {kind for each in cells for kind in cells[each]["rows"]["model"]["kinds"]}
    names = [kind for kind in KINDS if kind in found]
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        here = cells[language]
        by_kind = here["rows"]["model"]["kinds"]
        counts = [f"{by_kind[k][0]} of {by_kind[k][1]}" if k in by_kind else "–" for k in names]
        size = f"{here['parameters'] / 1e6:.1f}"
        speed = f"{here['words_per_cpu_second']:.0f}"
        rows.append([NAMES[language], size, f"{here['words']:,}", speed, *counts])
    heads = ["text", "parameters, millions", "words", "words per CPU second"]
    return markdown([*heads, *(name.replace("_", " ") for name in names)], rows)


TABLES_OF_PAGE = {
    "proofreading": lambda: table(Cells(RESULTS / "proofreading.json")),
    "proofreading kinds": lambda: kinds(Cells(RESULTS / "proofreading.json")),
}

if __name__ == "__main__":
    main()
