"""How much of unseen text the words of a corpus cover, beside Debian's dictionaries for Hunspell.

    python benchmarks/dictionaries.py [--languages tt km ro fr en] [--dicttool dicttool_aosp.jar]

It takes the corpora of the recipes that `beyond_bits.py --prepare` has written, and makes those
that are missing. Words are those of training text; covered is the share of the running words of
test documents that the list knows, with an interval over documents, and the share of their letters.
Hunspell judges the same words with its own dictionary where Debian has one, and with the files that
the export writes: there it has to agree with the list.

Words of Khmer are pieces of a unigram model of its training text. It cuts unseen text into pieces
that it knows, so the share of letters says more there.

With --dicttool the combined list is compiled by AOSP's own program, and written by it again: words,
bigrams and their f have to be the same. Take it from github.com/remi0s/aosp-dictionary-tools; it
needs Java.

Cells in benchmarks/results/dictionaries.json are skipped; --again adds a repeat.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import regex
from beyond_bits import NAMES
from cells import RESULTS, ROOT, Cell, Cells
from pages import interval, markdown

from endonym.cli.main import answer
from endonym.commands.load import find_corpus
from endonym.corpus.corpus import Corpus
from endonym.evaluate.score import ratio
from endonym.export.dictionary import combined, hunspell
from endonym.lexicon.words import WordList, words_of_corpus
from endonym.store import Store

DEBIAN = {
    "ro": ("ro_RO", "hunspell-ro 7.5.0"),
    "fr": ("fr_FR", "hunspell-fr-classical 7.0"),
    "en": ("en_US", "hunspell-en-us 2020.12.07"),
}
"""Names of Debian's dictionaries, and their packages."""
WORD_LINE = regex.compile(r"^ word=([^,]+),f=(\d+)$", regex.MULTILINE)
NGRAM_LINES = regex.compile(r"^ ngram=([^,]+),f=(\d+)\n  prev_word\[0\]=(.+)$", regex.MULTILINE)
"""How dicttool writes a bigram."""
LETTERS = regex.compile(r"\p{L}")


def main() -> None:
    """Run the cells that are missing, and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    for language in asked.languages:
        if language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "beyond-bits")
    parser.add_argument("--results", type=Path, default=RESULTS / "dictionaries.json")
    parser.add_argument("--dicttool", type=Path)
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """The words of a corpus, and how much of its test text they cover."""
    store, project = asked.work / "store", asked.work / language
    run = ("run", project / "recipe.toml", "--until", "corpus", "--store", store, "--quiet")
    assert answer([*map(str, run)]) == 0, "the corpus is made, or was"
    corpus = Corpus(find_corpus(str(project), Store(store)).folder)
    words = words_of_corpus(corpus, language)
    texts = [each.text for each in corpus.documents("test")]
    found = [[each.word for each in words.places(text)] for text in texts]
    running = {word for each in found for word in each}
    own = {word for word in running if words.knows(word)}
    written = "".join(word for each in found for word in each if word in own)
    made: dict[str, Any] = {
        "language": language,
        "text_bytes": corpus.card["total"]["kept"]["train"]["text_bytes"],
        "words": len(words.words),
        "names": sum(each.is_name for each in words.words.values()),
        "pairs": len(words.pairs),
        "running": words.running,
        "left_out": {reason: each._asdict() for reason, each in words.left_out.items()},
        "combined_bytes": len(combined.combined(words, language).encode()),
        "test_words": sum(map(len, found)),
        "covered": covered(found, own),
        "letters": len(LETTERS.findall(written)) / len(LETTERS.findall("".join(texts))),
        "hunspell_differs": sorted(known_with_ours(running, words) ^ own),
    }
    if language in DEBIAN:
        name, package = DEBIAN[language]
        debian = known(running, name)
        made["debian"] = {"package": package, "covered": covered(found, debian)}
        made["either"] = covered(found, own | debian)
    if asked.dicttool is not None:
        made["dicttool"] = compiled(combined.combined(words, language), asked.dicttool)
    return made


def compiled(text: str, program: Path) -> dict[str, Any]:
    """What AOSP's dicttool makes of a combined list, and whether it has read all of it."""
    ours = combined.read_combined(text)
    with tempfile.TemporaryDirectory() as name:
        source, compact, again = (Path(name) / each for each in ("a.combined", "a.dict", "b"))
        source.write_text(text, encoding="utf-8")
        for option, out in (("-d", compact), ("-o", again)):
            java = ["java", "-Dfile.encoding=UTF-8", "-jar", str(program)]
            asked = [*java, "makedict", "-s", str(source), option, str(out)]
            subprocess.run(asked, capture_output=True, check=True)
        written, size = again.read_text(encoding="utf-8"), compact.stat().st_size
    words = {each[1]: int(each[2]) for each in WORD_LINE.finditer(written)}
    bigrams = {(each[3], each[1]): int(each[2]) for each in NGRAM_LINES.finditer(written)}
    same = words == ours.words and bigrams == ours.bigrams
    return {"dict_bytes": size, "words": len(words), "bigrams": len(bigrams), "same": same}


def covered(found: Iterable[Sequence[str]], words: Collection[str]) -> list[float | None]:
    """The share of running words that are known, and its interval over documents."""
    counts = [(sum(word in words for word in each), len(each)) for each in found if each]
    hits, totals = np.array(counts).T
    span = ratio(hits.astype(np.float64), totals)
    return [span.value, span.low, span.high]


def known_with_ours(words: Iterable[str], listed: WordList) -> set[str]:
    """The words that Hunspell knows with the files of the export."""
    with tempfile.TemporaryDirectory() as folder:
        for ending, text in {"dic": hunspell.dic(listed), "aff": hunspell.aff(listed)}.items():
            (Path(folder) / f"own.{ending}").write_text(text, encoding="utf-8")
        return known(words, f"{folder}/own")


def known(words: Iterable[str], dictionary: str) -> set[str]:
    """The words that Hunspell knows. dictionary: as its option -d takes it.

    With -L it prints the lines in which a word is wrong: here each line is a word.
    """
    given = [*words]
    ran = subprocess.run(
        ["hunspell", "-i", "UTF-8", "-d", dictionary, "-L"],
        input="\n".join(given) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert not ran.stderr, ran.stderr
    return {*given} - {*ran.stdout.splitlines()}


def table(cells: Cells) -> str:
    """Words of each corpus, and the share of unseen running words that lists know, in percent."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        each = cells[language]
        kinds = [each["covered"], each.get("debian", {}).get("covered"), each.get("either")]
        shares = [interval(*(100 * x for x in kind), 1) if kind else "–" for kind in kinds]
        own, *others = shares
        size, rare = f"{each['text_bytes'] / 1e6:.1f} MB", each["left_out"]["rare"]["words"]
        counts = [f"{each[name]:,}" for name in ("words", "names")] + [f"{rare:,}"]
        letters = f"{100 * each['letters']:.1f}"
        rows.append([NAMES[language], size, *counts, own, letters, *others])
    head = ["text", "size", "words", "of them names", "in one document alone", "covered, %"]
    return markdown([*head, "of letters, %", "by Debian's, %", "by either, %"], rows)


TABLES_OF_PAGE = {"dictionaries": lambda: table(Cells(RESULTS / "dictionaries.json"))}

if __name__ == "__main__":
    main()
