"""A corpus as dictionaries: its word list in the forms of three kinds of programs, read back."""

from pathlib import Path

from endonym.corpus.corpus import Corpus
from endonym.disk import write_atomic
from endonym.export.card import Card
from endonym.export.dictionary import combined, hunspell, keyman
from endonym.export.markdown import filled_template, hub_license
from endonym.export.record import README
from endonym.export.refusals import refusal
from endonym.export.verify import Check
from endonym.lexicon.words import WordList, words_of_corpus
from endonym.store import Artifact

LEAST_WORDS = 1000
"""Fewer words make no dictionary: it would take most of a text for errors."""
WORDLIST = "wordlist.tsv"
MODEL = "model.ts"
UNKNOWN = "und"
"""The code of a language that is not said."""


def require_words(corpus: Artifact, card: Card) -> WordList:
    """The words of a corpus's training text. Raises ExportError if they are too few."""
    words = words_of_corpus(Corpus(corpus.folder), card.language)
    if len(words.words) < LEAST_WORDS:
        raise refusal("few_words", card.name, summary=words.summary(), least=LEAST_WORDS)
    return words


def file_names(words: WordList) -> tuple[str, str, str]:
    """The names of the list for Android's keyboards, and of Hunspell's .dic and .aff."""
    code = (words.language or UNKNOWN).replace("-", "_")
    return f"main_{code}.combined", f"{code}.dic", f"{code}.aff"


def write_dictionary(corpus: Artifact, words: WordList, out: Path, card: Card) -> None:
    """Write all forms into a folder, with a README."""
    list_name, dic_name, aff_name = file_names(words)
    files = {
        list_name: combined.combined(words, card.name),
        WORDLIST: keyman.tsv(words),
        MODEL: keyman.model(words, card.name),
        dic_name: hunspell.dic(words),
        aff_name: hunspell.aff(words),
        README: readme(words, card, corpus),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomic(out / name, text.encode("utf-8"))


def prove_dictionary(out: Path, words: WordList) -> list[Check]:
    """Read the files back: their words, counts and letters are those of the list.

    Raises ExportError with the first line that is none of its format.
    """
    list_name, dic_name, aff_name = file_names(words)
    texts = {
        name: (out / name).read_text(encoding="utf-8")
        for name in (list_name, WORDLIST, dic_name, aff_name)
    }
    counts = {word: each.count for word, each in words.words.items()}
    listed = combined.read_combined(texts[list_name], list_name)
    ordered = sorted(counts, key=lambda word: (-listed.words.get(word, 0), -counts[word], word))
    tried = hunspell.read_aff(texts[aff_name], aff_name).alone("TRY")
    in_tsv = keyman.read_tsv(texts[WORDLIST], WORDLIST).items()
    wrong = {
        list_name: {*listed.words} ^ {*counts},
        WORDLIST: {word for word, _ in in_tsv ^ counts.items()},
        dic_name: {*counts} ^ {*hunspell.read_dic(texts[dic_name], dic_name)},
        aff_name: {*"".join(counts)} - {*tried},
    }
    if ordered != [*counts]:
        wrong[list_name] |= {"the order by f"}
    return [
        Check(name, "endonym", "words", not each, len(each), 0, "words differ", _example(each))
        for name, each in wrong.items()
    ]


def _example(words: set[str]) -> str:
    """The first of some words, as checks show it."""
    return f": {min(words)}" if words else ""


def readme(words: WordList, card: Card, corpus: Artifact) -> str:
    """What the folder holds, for people; its head is for the hub."""
    sources = corpus.numbers["sources"]
    hub_names = [hub_license([card.licenses.get(source)]) for source in sources]
    list_name, dic_name, aff_name = file_names(words)
    return filled_template(
        "dictionary.md",
        name=card.name,
        language=card.language,
        hub_licenses=sorted({"unknown" if each is None else each[0] for each in hub_names}),
        licenses=card.licenses,
        sources=[*sources],
        files={"combined": list_name, "tsv": WORDLIST, "model": MODEL, "dic": dic_name},
        aff=aff_name,
        words=words,
        names=sum(each.is_name for each in words.words.values()),
        told=words.told(),
    )
