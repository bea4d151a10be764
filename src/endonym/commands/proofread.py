"""`endonym proofread`: words of files that are probably wrong, with corrections."""

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from endonym.commands.load import card_of, identity_of, load_model
from endonym.corpus.corpus import Corpus
from endonym.disk import require_writable
from endonym.errors import RecipeError, SourceError, reading_utf8
from endonym.evaluate.planted_errors import best_threshold, planted
from endonym.generate.language_model import LanguageModel
from endonym.generate.proofread import MOST_UNKNOWN, Finding, Proofreader
from endonym.lexicon.known_words import KnownWords
from endonym.log import Log, counted, listed
from endonym.script.languages import language_name
from endonym.seed import named_seed
from endonym.store import Artifact, Store, fingerprint, read_if_whole, write_sealed

VERSION = 2
"""Of what is kept; raise it when words, candidates, costs or planted errors change."""
THRESHOLD = 6.0
"""Bits, for a word list that brings no development text: about what is chosen for small models."""
FIT_WORDS = 2_000
"""Words of development text that choose a threshold."""
LEAST_ERRORS = 10
"""Planted errors from which on a threshold is chosen."""
PORTION = 50_000
"""Characters that are held at a time."""
STDIN = "-"


class Portion(NamedTuple):
    """A part of a text that begins at this line and column, counted from 1."""

    text: str
    line: int
    column: int


class Told(NamedTuple):
    """A finding in a file; line and column are counted from 1, column in characters."""

    file: str
    line: int
    column: int
    word: str
    corrections: list[dict[str, Any]]


@dataclass(slots=True)
class Summary:
    """What was counted in a file; each portion of a very long line counts as one.

    unchecked_lines: those that look like another language.
    """

    file: str
    findings: int = 0
    lines: int = 0
    unchecked_lines: int = 0

    def caution(self, language: str) -> str:
        """What was not checked, and why, in words; empty if all was. language: its code."""
        if not self.unchecked_lines:
            return ""
        other = (
            f"another language than {language_name(language)}" if language else "another language"
        )
        return (
            f"{self.file}: not checked: {self.unchecked_lines:,} of {counted(self.lines, 'line')}. "
            f"Most of the words there are not known: it seems to be {other}."
        )


def load_proofreader(
    name: str,
    store: Store,
    device: str,
    log: Log,
    *,
    word_file: Path | None = None,
    model: LanguageModel | None = None,
) -> Proofreader:
    """A model's proofreader. At the first use the words of its corpus are counted and its threshold
    is chosen, on development text with planted errors; both are kept in the store's cache.

    word_file: words in place of the corpus's; the threshold is then THRESHOLD. model: if it is
    loaded already. Raises RecipeError if there is neither a corpus nor a file.
    """
    card = card_of(name, store)
    corpus = None if card.history is None else card.history.corpus
    if corpus is None and word_file is None:
        raise RecipeError(
            f"the texts of {name} are not in the store, so its words are not known",
            where="MODEL",
            do="Name a run or a model of this store, or a file with a word a line: --words FILE.",
        )
    loaded = load_model(name, store, device, log) if model is None else model
    language = card.language or (language_of(corpus) if corpus else "")
    if word_file is not None:
        log.line(f"threshold: {THRESHOLD:g} bits, not chosen on text: a word list has none")
        return Proofreader(loaded, KnownWords.of_file(word_file, language), THRESHOLD)
    assert corpus is not None, "asked above"
    key = fingerprint([VERSION, identity_of(name, store), corpus.id, language])
    path = store.cache / f"proofreading-{key[:32]}.json"
    kept = dict[str, Any]()
    with suppress(OSError):
        kept = read_if_whole(path)
    if kept.get("key") == key:
        words = KnownWords.of_list(kept["words"], language, has_blanks=kept["has_blanks"])
        return Proofreader(loaded, words, kept["threshold"], kept["most_unknown"])
    log.line("first use: counting words, and choosing the threshold on development text …")
    reader = fitted(loaded, Corpus(corpus.verify().folder), language)
    kept = {"words": reader.words.as_listed(), "has_blanks": reader.words.has_blanks}
    kept |= {"threshold": reader.threshold, "most_unknown": reader.most_unknown}
    with suppress(OSError):
        write_sealed(path, {"key": key, **kept})
    return reader


def language_of(corpus: Artifact) -> str:
    """The language that a corpus's rules ask for; empty if they ask for none."""
    return str(corpus.manifest["config"]["clean"].get("language") or "")


def fitted(model: LanguageModel, corpus: Corpus, language: str) -> Proofreader:
    """A proofreader with the words of a corpus, and a threshold chosen on its development text.

    A text counts as of another language if more of its words are unknown than in the middle between
    the development text and all; at least MOST_UNKNOWN.
    """
    words = KnownWords.of_corpus(corpus, language)
    reader = Proofreader(model, words, THRESHOLD)
    texts = list[str]()
    size = 0
    dev = (each.text for each in corpus.documents("dev"))
    for text in sorted(dev, key=lambda text: named_seed(0, text)):
        if size < FIT_WORDS:
            texts.append(text)
            size += sum(1 for _ in words.written(text))
    unknown, size = words.unknown_share("\n".join(texts))
    reader.most_unknown = max(MOST_UNKNOWN, (1 + unknown / max(1, size)) / 2)
    wrong = [planted(text, words) for text in texts]
    if sum(len(each.errors) for each in wrong) >= LEAST_ERRORS:
        reader.threshold = best_threshold(reader, wrong)
    return reader


def proofread_file(
    reader: Proofreader, file: str, summary: Summary, out: TextIO | None = None
) -> Iterator[Told]:
    """The findings in a file, or in standard input, portion by portion.

    file: as `require_files` lets it pass. out: takes the text with the first correction of each.
    Raises SourceError if the file cannot be read as UTF-8.
    """
    with opened(file) as stream:
        for portion in portions(stream):
            found, unchecked = reader.check_known(portion.text)
            summary.findings += len(found)
            summary.lines += portion.text.count("\n") + (not portion.text.endswith("\n"))
            summary.unchecked_lines += unchecked
            for each in found:
                yield told(each, portion, file)
            if out is not None:
                out.write(corrected(portion.text, found))


def told(finding: Finding, portion: Portion, file: str) -> Told:
    """A finding by its line and column."""
    before = portion.text[: finding.begin]
    lines = before.count("\n")
    last = len(before) - (before.rfind("\n") + 1)
    column = last + (1 if lines else portion.column)
    corrections = [each._asdict() for each in finding.corrections]
    return Told(file, portion.line + lines, column, finding.word, corrections)


def corrected(text: str, findings: list[Finding]) -> str:
    """A text with the first correction of each finding."""
    parts = list[str]()
    end = 0
    for each in findings:
        parts += [text[end : each.begin], each.corrections[0].word]
        end = each.end
    return "".join([*parts, text[end:]])


@contextmanager
def opened(file: str) -> Generator[TextIO]:
    """A file, or standard input, as text in UTF-8 with its line ends."""
    with ExitStack() as stack:
        if file == STDIN:
            stream = TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
            stack.callback(stream.detach)
        else:
            stream = stack.enter_context(Path(file).open(encoding="utf-8-sig", newline=""))
        with reading_utf8(file):
            yield stream


def portions(stream: TextIO) -> Iterator[Portion]:
    """A text in portions that end with a line, or with a word of a very long one."""
    line = 1
    column = 1
    left = ""
    is_last = False
    while not is_last:
        more = stream.read(PORTION)
        text = left + more
        is_last = not more
        end = len(text) if is_last else text.rfind("\n") + 1
        if not end and len(text) >= PORTION:
            end = text.rfind(" ") + 1 or len(text)
        if end:
            yield Portion(text[:end], line, column)
        lines = text.count("\n", 0, end)
        line += lines
        column = (1 if lines else column) + end - (text.rfind("\n", 0, end) + 1)
        left = text[end:]


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(path.name + ".part")


@contextmanager
def written(path: Path | None) -> Generator[TextIO | None]:
    """A file that is written beside its place, and moved there when it is whole."""
    if path is None:
        yield None
        return
    part = part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def require_files(files: Sequence[str], write: Path | None = None) -> None:
    """Raise an error if a file is not there or `write` has no place, before a model is loaded.

    Files are regular files or pipes, such as /dev/stdin. Raises SourceError for one that is a
    folder or missing, and RecipeError if `write` cannot be written, or if it has several files.
    """
    for file in files:
        if file != STDIN and Path(file).is_dir():
            raise SourceError("this is a folder", where=file, do="Name the files in it.")
        if file != STDIN and not Path(file).exists():
            raise SourceError("there is no such file", where=file, do="Check the name.")
    if write is None:
        return
    if len(files) != 1:
        message = f"{len(files)} files cannot be one: {listed(files)}"
        raise RecipeError(message, where="--write", do="Name one file, or leave --write out.")
    do = "Name a file in a folder that exists and that you may write to."
    require_writable(part_of(write), where=f"--write {write}", do=do)


def proofread_files(
    reader: Proofreader, files: tuple[str, ...], log: Log, write: Path | None = None
) -> Iterator[Told | Summary]:
    """The findings in each file, and after them its summary. What was not checked is warned of.

    write: where the corrected text of the only file goes.
    """
    for file in files:
        summary = Summary(file)
        with written(write) as out:
            yield from proofread_file(reader, file, summary, out)
        if caution := summary.caution(reader.words.language):
            log.warn(caution)
        yield summary
