"""How much of unseen text the words of a corpus cover, next to Debian's dictionaries of Hunspell.

The corpora are those of the five-minute models (five_minutes.py). Words are those of training text;
covered is the share of the running words of test documents that the list knows, with an interval
over documents, and the share of their letters. Hunspell judges the same words with its own
dictionary where Debian has one, and with the files that the export writes: there it has to agree
with the list.

Words of Khmer are pieces of a unigram model of its training text. It cuts unseen text into pieces
that it knows, so the share of letters says more there.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import regex
from benchmark import MAKES_A_MODEL, Bench, Benchmark, Unavailable, Watch, main
from cells import Cell, Cells
from five_minutes import LANGUAGES, finished_run, work_folder
from pages import markdown, percent

from endonym.corpus.corpus import Corpus
from endonym.evaluate.score import ratio
from endonym.export.dictionary import combined, hunspell
from endonym.lexicon.words import WordList, words_of_corpus

DEBIAN = {"ro": ("ro_RO", "hunspell-ro")}
"""Names of Debian's dictionaries, and their packages."""
LETTERS = regex.compile(r"\p{L}")


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each language of the five-minute models."""
    languages = ["tt"] if bench.tiny else list(LANGUAGES)
    return {language: partial(words_cell, bench, language) for language in languages}


def words_cell(bench: Bench, language: str) -> Cell:
    """The words of a corpus, and how much of its test text they cover."""
    if shutil.which("hunspell") is None and not bench.tiny:
        raise Unavailable("no hunspell: apt-get install hunspell hunspell-ro")
    finished = finished_run(bench, language, "--until", "corpus")
    (stage,) = [stage for stage in finished["stages"] if stage["name"].split()[0] == "corpus"]
    corpus = Corpus(work_folder(bench, language) / "store" / "corpus" / stage["id"])
    words = words_of_corpus(corpus, language)
    texts = [document.text for document in corpus.documents("test")]
    running = [[place.word for place in words.places(text)] for text in texts]
    different = {word for text in running for word in text}
    own = {word for word in different if words.knows(word)}
    written = "".join(word for text in running for word in text if word in own)
    cell: Cell = {
        "language": language,
        "train_bytes": corpus.card["total"]["kept"]["train"]["text_bytes"],
        "words": len(words.words),
        "names": sum(word.is_name for word in words.words.values()),
        "pairs": len(words.pairs),
        "running": words.running,
        "left_out": {reason: left._asdict() for reason, left in words.left_out.items()},
        "combined_bytes": len(combined.combined(words, language).encode()),
        "test_documents": len(texts),
        "test_words": sum(map(len, running)),
        "covered": covered(running, own),
        "letters": len(LETTERS.findall(written)) / max(1, len(LETTERS.findall("".join(texts)))),
    }
    if bench.tiny:
        return cell
    cell["hunspell_differs"] = sorted(known_with_ours(different, words) ^ own)
    if language in DEBIAN:
        name, package = DEBIAN[language]
        debian = known(different, name)
        cell["debian"] = {"package": package, "covered": covered(running, debian)}
        cell["either"] = covered(running, own | debian)
    return cell


def covered(running: Iterable[Sequence[str]], words: Collection[str]) -> list[float | None]:
    """The share of running words that are known, and its interval over documents."""
    counts = [(sum(word in words for word in text), len(text)) for text in running if text]
    hits, totals = np.array(counts).T
    span = ratio(hits.astype(np.float64), totals)
    return [span.value, span.low, span.high]


def known_with_ours(words: Collection[str], listed: WordList) -> set[str]:
    """The words that Hunspell knows with the files of the export."""
    with tempfile.TemporaryDirectory() as folder:
        for ending, text in {"dic": hunspell.dic(listed), "aff": hunspell.aff(listed)}.items():
            (Path(folder) / f"own.{ending}").write_text(text, encoding="utf-8")
        return known(words, f"{folder}/own")


def known(words: Collection[str], dictionary: str) -> set[str]:
    """The words that Hunspell knows. dictionary: as its option -d takes it.

    With -L it prints the lines in which a word is wrong: here each line is a word.
    """
    ran = subprocess.run(
        ["hunspell", "-i", "UTF-8", "-d", dictionary, "-L"],
        input="\n".join(words) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert not ran.stderr, ran.stderr
    return {*words} - {*ran.stdout.splitlines()}


def coverage(cells: Cells) -> str:
    """Words of each corpus, and the share of unseen running words that lists know, in percent."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        if (cell := cells.get(language)) is None:
            continue
        kinds = [cell["covered"], cell.get("debian", {}).get("covered"), cell.get("either")]
        shares = [percent(*kind) if kind else "–" for kind in kinds]
        counts = [f"{cell[count]:,}" for count in ("words", "names")]
        rare, letters = cell["left_out"]["rare"]["words"], f"{100 * cell['letters']:.1f}"
        tested = f"{cell['test_words']:,}"
        size = f"{cell['train_bytes'] / 1e6:.1f}"
        rows.append([name, size, *counts, f"{rare:,}", tested, shares[0], letters, *shares[1:]])
    head = ["text", "MB", "words", "names", "in one document", "tested on words", "covered, %"]
    return markdown([*head, "of letters, %", "by Debian's, %", "by either, %"], rows)


BENCHMARK = Benchmark(
    name="dictionaries",
    code=(*MAKES_A_MODEL, "endonym.lexicon"),
    cells=cells,
    tables={("docs/dictionaries.md", "dictionaries"): coverage},
    watched={"covered/0": Watch("higher", 0.02)},
)

if __name__ == "__main__":
    main(BENCHMARK)
