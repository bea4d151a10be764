"""How well proofreading finds typing errors that were planted in unseen text.

One in twenty words of test documents gets an error of a kind that is drawn by its weight
(endonym/lexicon/layouts.toml); then, in other cells, one in a hundred, which is nearer to what
people write. The threshold is chosen on dev documents. Next to the model (five_minutes.py) stand a
word list of the same training text (an unknown word is an error, the nearest word is meant) and
Hunspell with Debian's dictionary, where there is one.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from benchmark import MAKES_A_MODEL, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from five_minutes import LANGUAGES, model_of, work_folder
from pages import interval, markdown

from endonym import device
from endonym.commands.load import card_of, load_model
from endonym.commands.proofread import fitted
from endonym.corpus.corpus import Corpus
from endonym.evaluate.planted_errors import Found, Planted, planted, proofread
from endonym.generate.proofread import Correction, Finding, Proofreader
from endonym.lexicon.known_words import KnownWords
from endonym.lexicon.typing_errors import KINDS
from endonym.log import Log
from endonym.seed import named_seed
from endonym.store import Store

SHARES = {"1 in 20": 0.05, "1 in 100": 0.01}
LETTERS = 2_000
"""Of each document: a book must not be all of the text."""
WORDS = {"1 in 20": 3000, "1 in 100": 10_000}
TINY_WORDS = 60
PROOFREADERS = ("model", "word list", "Hunspell")
HUNSPELL = {"ro": "ro_RO"}
"""Debian's dictionaries, by language."""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each language and share of words with an error."""
    device.prepare()
    languages = ["tt"] if bench.tiny else list(LANGUAGES)
    shares = ["1 in 20"] if bench.tiny else list(SHARES)
    return {
        f"{language}, {share}": partial(proofreading_cell, bench, language, share)
        for language in languages
        for share in shares
    }


def proofreading_cell(bench: Bench, language: str, share: str) -> Cell:
    """Proofread unseen text with a model, with a word list, and with Hunspell."""
    work = work_folder(bench, language)
    store, run = Store(work / "store"), str(work / model_of(bench, language))
    model = load_model(run, store, "cpu", Log(quiet=True))
    history = card_of(run, store).history
    assert history is not None, "the run is in this store"
    corpus = Corpus(history.corpus.folder)
    reader = fitted(model, corpus, language)
    least = TINY_WORDS if bench.tiny else WORDS[share]
    texts = list(drawn_texts(corpus, reader.words, least, SHARES[share]))
    rows, seconds = {}, time.process_time()
    rows["model"] = figures(by_model(texts, reader))
    seconds = time.process_time() - seconds
    rows["word list"] = figures(proofread(texts, lambda text: by_list(text, reader.words)))
    dictionary = HUNSPELL.get(language)
    if dictionary and shutil.which("hunspell"):
        hunspell = Hunspell(dictionary, texts, reader.words)
        rows["Hunspell"] = figures(proofread(texts, hunspell.check))
    words = sum(text.words for text in texts)
    return {
        "language": language,
        "documents": len(texts),
        "words": words,
        "bytes": sum(len(text.text.encode()) for text in texts),
        "errors": sum(len(text.errors) for text in texts),
        "parameters": sum(weight.numel() for weight in model.decoder.parameters()),
        "train_bytes": corpus.card["total"]["kept"]["train"]["text_bytes"],
        "known_words": len(reader.words.counts),
        "threshold": reader.threshold,
        "words_per_cpu_second": round(words / seconds, 1),
        "rows": rows,
    }


def drawn_texts(corpus: Corpus, words: KnownWords, least: int, share: float) -> Iterator[Planted]:
    """Test documents with planted errors, in an order by hash, until there are so many words."""
    size = 0
    texts = (beginning(document.text) for document in corpus.documents("test"))
    for text in sorted(texts, key=lambda text: named_seed(1, text)):
        if size < least:
            changed = planted(text, words, seed=1, share=share)
            yield changed
            size += changed.words


def beginning(text: str) -> str:
    """The whole words at the beginning of a document."""
    cut = text[:LETTERS]
    return cut if cut == text else cut[: cut.rfind(" ")]


def by_model(texts: Sequence[Planted], reader: Proofreader) -> Found:
    """What the model finds."""
    found = Found()
    findings = reader.check_many([text.text for text in texts])
    for text, own in zip(texts, findings, strict=True):
        found.add(text, own)
    return found


def by_list(text: str, words: KnownWords) -> Iterator[Finding]:
    """Every unknown word of a text, with the nearest known ones."""
    for begin, end, word in words.written(text):
        if not words.knows(word):
            near = [Correction(near.word, -near.cost) for near in words.near(text[begin:end], 3)]
            yield Finding(begin, end, word, tuple(near))


class Hunspell:
    """Words that Hunspell refuses, with its suggestions; all words of texts are asked at once."""

    def __init__(self, dictionary: str, texts: Sequence[Planted], words: KnownWords) -> None:
        self.words = words
        written = [
            text.text[begin:end] for text in texts for begin, end, _ in words.written(text.text)
        ]
        different = list(dict.fromkeys(written))
        done = subprocess.run(
            ["hunspell", "-a", "-i", "utf-8", "-d", dictionary],
            input="".join(f"^{word}\n" for word in different),
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        answers = done.stdout.partition("\n")[2].split("\n\n")
        self.refused = {
            word: answer
            for word, answer in zip(different, answers, strict=False)
            if is_refused(answer)
        }

    def check(self, text: str) -> Iterator[Finding]:
        """The words of a text that it refuses."""
        for begin, end, _ in self.words.written(text):
            word = text[begin:end]
            if word in self.refused:
                listed = self.refused[word].partition(": ")[2].partition("\n")[0]
                near = [Correction(other, 0.0) for other in listed.split(", ") if other]
                yield Finding(begin, end, word, tuple(near))


def is_refused(answer: str) -> bool:
    """Whether an answer for one word, a line for each of its parts, refuses a part."""
    return any(line[:1] in ("&", "#", "?") for line in answer.strip().splitlines())


def figures(found: Found) -> dict[str, Any]:
    """The figures as the file keeps them, and what was found by kind.

    A figure is null where there was nothing that it could be a share of.
    """
    kinds = {kind: [found.found_of[kind], n] for kind, n in sorted(found.planted_of.items())}
    values = {name: figure and [*figure] for name, figure in found.figures().items()}
    return values | {"kinds": kinds}


def shares(cells: Cells) -> str:
    """Precision, recall, first correction, false alarms; each with a 95 % interval."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        for share in SHARES:
            if (cell := cells.get(f"{language}, {share}")) is None:
                continue
            for reader in (name for name in PROOFREADERS if name in cell["rows"]):
                row = cell["rows"][reader]
                columns = [with_interval(row[figure], 2) for figure in ("precision", "recall")]
                columns += [with_interval(row["first_right"], 2)]
                alarms = with_interval(row["false_alarms"], 0)
                errors = f"{cell['errors']} in {cell['words']:,}"
                rows.append([name, errors, reader, *columns, alarms])
    head = ["text", "errors in words", "found by", "precision", "recall"]
    head += ["first correction right", "false alarms per 1,000 words"]
    return markdown(head, rows, labels=3)


def with_interval(figure: list[float] | None, digits: int) -> str:
    """A figure with its interval; a dash where it is undefined."""
    return "–" if figure is None else interval(*figure, digits)


def kinds(cells: Cells) -> str:
    """Errors that the model has found of those planted, by kind; and its size and speed."""
    rows: list[list[str]] = []
    measured = {name: cell for name in LANGUAGES if (cell := cells.get(f"{name}, 1 in 20"))}
    planted_kinds = {kind for cell in measured.values() for kind in cell["rows"]["model"]["kinds"]}
    names = [kind for kind in KINDS if kind in planted_kinds]
    for language, cell in measured.items():
        by_kind = cell["rows"]["model"]["kinds"]
        counts = ["{} of {}".format(*by_kind[kind]) if kind in by_kind else "–" for kind in names]
        size, speed = f"{cell['parameters'] / 1e6:.1f}", f"{cell['words_per_cpu_second']:.0f}"
        rows.append([LANGUAGES[language], size, f"{cell['words']:,}", speed, *counts])
    head = ["text", "parameters, millions", "words", "words per CPU second"]
    return markdown([*head, *(name.replace("_", " ") for name in names)], rows)


BENCHMARK = Benchmark(
    name="proofreading",
    code=(*MAKES_A_MODEL, "endonym.lexicon"),
    cells=cells,
    tables={
        ("docs/proofreading.md", "proofreading"): shares,
        ("docs/proofreading.md", "proofreading kinds"): kinds,
    },
    watched={
        "rows/model/precision/0": Watch("higher", 0.1, timed=True),
        "rows/model/recall/0": Watch("higher", 0.1, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
