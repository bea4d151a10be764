"""What the texts of a corpus are: letters, lengths, scripts, words, encodings, licences.

Chunks are observed one by one, in any process; what was seen of them adds up in their order. In
memory are eight bytes for each distinct word.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import regex

from endonym.cleaning.corpus_rules import Facts, skeleton
from endonym.cleaning.keyed import key_of
from endonym.cleaning.language.sample import candidates, drawn_paragraphs
from endonym.cleaning.personal import URL, begin_shown, showable
from endonym.corpus.chunk_steps import ChunkTask, notes_of
from endonym.corpus.corpus_stats import text_warnings
from endonym.formats.chunks import read_chunk, write_array
from endonym.formats.faults import passing_over
from endonym.script.letters import around
from endonym.script.scripts import BREAK_SCRIPTS, COMMON_SCRIPTS, script_class
from endonym.workers import Advance, Result

EDGES = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000)
"""Characters at which a document belongs to the next class of lengths."""
SCRIPT_CHARS = 2_000
MIXED_SHARE = 0.1
"""Characters of a document whose script is looked at, and the share from which on a second script
makes it a mixed one."""
SAMPLE_CHARS = 400_000
MOST_NAMED = 200
"""Files with a guessed encoding, and letters of a file, that are named one by one."""
DAMAGE = frozenset({"lost_letters", "replacement"})
"""Warnings about a text that no rule mends."""
REPLACEMENT = "replacement"
LINK = "mask url"
WORD_MARKS = "word_marks"
MIXED = "mixed"
SKELETON = "skeleton"
"""What is found in documents: letters that an earlier program lost, addresses of the web, U+200B
between words; a second script, what a program filled in. The first three are names of findings."""
MOST_FILES = 500
"""Files that are listed one by one."""
SHOWN_CHARS = 300
LINE_CHARS = 160
POINTS = 60
"""Points of the curve of vocabulary."""
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
LETTER = regex.compile(r"[\p{L}\p{M}]")
WORD_MARK = regex.compile(f"(?:{'|'.join(map(script_class, sorted(BREAK_SCRIPTS)))})\u200b")


@dataclass(slots=True)
class Seen:
    """What was seen of some documents, which `add` joins with what was seen of those after them.

    examples: of each letter the first word with it, and its place. scripts: documents by the script
    of most letters; mixed: those with a second one. lengths: documents by class of EDGES.
    named: some files with a guessed encoding. licences: documents by what each says.
    skeletons: those of documents that stay, though a program filled them in.
    paragraphs: a sample by key. shown: by key the place and the beginning of some documents.
    files: of the first MOST_FILES files, by source and number, the documents, and the beginning of
    the first one.
    found: documents by what was found in them, such as REPLACEMENT; found_in: some of each, with
    their places, a part of the text, and maybe what it was.
    """

    documents: int = 0
    chars: int = 0
    bytes: int = 0
    words: int = 0
    letters: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    scripts: Counter[str] = field(default_factory=Counter)
    mixed: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    named: dict[str, list[str]] = field(default_factory=dict)
    licences: dict[str, Counter[str]] = field(default_factory=dict)
    skeletons: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    found_in: dict[str, list[list[str]]] = field(default_factory=dict)
    paragraphs: dict[int, str] = field(default_factory=dict)
    shown: dict[int, list[str]] = field(default_factory=dict)
    files: dict[str, list[Any]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The form that `add` reads."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {
            "paragraphs": list(self.paragraphs.values()),
            "shown": list(self.shown.items()),
        }

    def add(self, seen: dict[str, Any], samples: int) -> None:
        """Add what was seen of the documents that come next, as `as_dict` gives it.

        samples: how many examples are kept of each kind.
        """
        for name in ("documents", "chars", "bytes", "words"):
            setattr(self, name, getattr(self, name) + seen[name])
        for name in ("letters", "scripts", "mixed", "skeletons", "found"):
            getattr(self, name).update(seen[name])
        self.lengths = [one + two for one, two in zip(self.lengths, seen["lengths"], strict=True)]
        self.examples = seen["examples"] | self.examples
        for what, some in seen["found_in"].items():
            shown = self.found_in.setdefault(what, [])
            shown += some[: max(0, samples - len(shown))]
        for file, guess in seen["named"].items():
            if len(self.named) < MOST_NAMED:
                self.named.setdefault(file, guess)
        for key, each in seen["shown"]:
            self.show(key, each, samples)
        for file, (count, first) in seen["files"].items():
            if file in self.files or len(self.files) < MOST_FILES:
                self.files.setdefault(file, [0, first])[0] += count
        for source, counts in seen["licences"].items():
            self.licences.setdefault(source, Counter()).update(counts)
        self.draw((key_of(each), each) for each in seen["paragraphs"])

    def find(self, what: str, samples: int, *example: str) -> None:
        """Count a document in which something was found, and keep it as an example."""
        self.found[what] += 1
        if self.found[what] <= samples:
            self.found_in.setdefault(what, []).append([*example])

    def wants(self, key: int, samples: int) -> bool:
        """Whether `show` would keep a document of this key."""
        return len(self.shown) < samples or key < max(self.shown, default=0)

    def show(self, key: int, document: list[str], samples: int) -> None:
        """Keep the place and the beginning of a document if its key is among the smallest."""
        self.shown[key] = document
        if len(self.shown) > samples:
            del self.shown[max(self.shown)]

    def draw(self, paragraphs: Iterable[tuple[int, str]]) -> None:
        """Draw the sample of paragraphs again, from these ones (each with its key) as well."""
        self.paragraphs = drawn_paragraphs(self.paragraphs | dict(paragraphs), SAMPLE_CHARS)


@functools.cache
def letter_script(letter: str) -> str:
    """The script of a letter, in lower case; empty for marks and signs of any script."""
    names = (n for n in sorted(COMMON_SCRIPTS) if regex.match(script_class(n), letter))
    return next(names, "other" if unicodedata.category(letter)[0] == "L" else "")


def script_shares(text: str) -> list[tuple[str, float]]:
    """The scripts of a text's letters with their shares, the largest first."""
    counts = Counter[str]()
    for letter, number in Counter(text[:SCRIPT_CHARS]).items():
        if letter.isalpha() and (name := letter_script(letter)):
            counts[name] += number
    return [(name, number / counts.total()) for name, number in counts.most_common()]


def observe_chunk(task: ChunkTask, advance: Advance) -> Result:
    """Observe the documents of a chunk, raw or cleaned: a `Seen`, and the file of its words.

    The file has a row for each word: its key, and after how many words it stands first. By what the
    task knows of the corpus, documents are told that stay though a program filled them in. One in
    which our code fails is half seen; cleaning it tells of the fault.
    """
    seen = Seen()
    first = dict[str, int]()
    facts = None if task.knowledge is None else Facts.load(task.knowledge)
    templates = set[int]() if facts is None else {int(key) for key in facts.skeletons[:, 0]}
    table = read_chunk(task.chunk, ["text", "id", "meta", "file", "size", "reason"])
    language = task.clean.language
    member = ""
    for text, place, meta, number, size, reason in zip(
        *(column.to_pylist() for column in table.columns), strict=True
    ):
        advance(size)
        if reason is not None:
            continue
        where = f"{task.source}/{place}"
        notes = notes_of(meta)
        if (file := where.rpartition("#")[0]) != member:
            member = file
            encoding = notes.get("encoding", "utf-8")
            if not encoding.startswith("utf-") and len(seen.named) < MOST_NAMED:
                seen.named[file] = [encoding, begin_shown(text, LINE_CHARS, language)]
        licences = seen.licences.setdefault(task.source, Counter())
        licence = notes.get("license", "")
        is_named = licence in licences or len(licences) < MOST_NAMED
        licences[licence if is_named else "others"] += 1
        root = f"{task.source}/{number}"
        if root in seen.files or len(seen.files) < MOST_FILES:
            if root not in seen.files:
                seen.files[root] = [0, begin_shown(text, SHOWN_CHARS, language)]
            seen.files[root][0] += 1
        if seen.wants(key := key_of(where), task.samples):
            shown = [where, begin_shown(text, SHOWN_CHARS, language)]
            seen.show(key, shown, task.samples)
        with passing_over():
            _count(seen, text, where, task)
            for word in WORD.findall(text):
                first.setdefault(word.lower(), seen.words)
                seen.words += 1
            same = skeleton(text, facts.usual) if facts is not None and templates else ""
            if same and key_of(same) in templates:
                seen.skeletons[same] += 1
                begin = begin_shown(text, LINE_CHARS, language)
                seen.find(SKELETON, task.samples, where, begin, same)
    seen.draw(())
    keys = [[key_of(word), number] for word, number in first.items()]
    rows = np.array(keys, dtype=np.uint64).reshape(-1, 2)
    written = write_array(task.folder, f"{task.name}.npy", rows)
    return {"files": [written], "seen": seen.as_dict()}


def _count(seen: Seen, text: str, where: str, task: ChunkTask) -> None:
    """Count the letters, the length and the script of a document, and what is found in it."""
    begin = partial(begin_shown, text, LINE_CHARS, task.clean.language)
    seen.documents += 1
    seen.chars += len(text)
    seen.bytes += len(text.encode("utf-8", "surrogatepass"))
    seen.lengths[int(np.searchsorted(EDGES, len(text), side="right"))] += 1
    seen.paragraphs.update(candidates(text))
    for letter, number in Counter(text).items():
        if not LETTER.match(letter):
            continue
        seen.letters[letter] += number
        if letter not in seen.examples:
            seen.examples[letter] = [word_with(letter, text), where]
    warnings = text_warnings(text)
    if lost := DAMAGE.intersection(warnings):
        reason = warnings[min(lost)]
        seen.find(REPLACEMENT, task.samples, where, begin(), reason)
    url = URL.search(text) if "://" in text or "www." in text else None
    if url is not None:
        part = around(text, url.start() - 60, url.start() + 100)
        seen.find(LINK, task.samples, where, showable(text, part, task.clean.language))
    if mark := WORD_MARK.search(text):
        near = around(text, mark.start() - 20, mark.start() + 100)
        seen.find(WORD_MARKS, task.samples, where, showable(text, near, task.clean.language))
    shares = script_shares(text)
    if not shares:
        seen.scripts["none"] += 1
        return
    seen.scripts[shares[0][0]] += 1
    if len(shares) > 1 and shares[1][1] >= MIXED_SHARE:
        seen.mixed[f"{shares[0][0]} and {shares[1][0]}"] += 1
        seen.find(MIXED, task.samples, where, begin())


def word_with(letter: str, text: str) -> str:
    """The word of a text in which a letter stands first; of a long one the part around it."""
    place = text.index(letter)
    near = text[part := around(text, place - 20, place + 20)]
    for word in WORD.finditer(near):
        if word.start() <= place - part.start < word.end():
            return word[0]
    return near


def together(made: Iterable[Result], samples: int) -> Seen:
    """What was seen of all chunks."""
    seen = Seen()
    for each in made:
        seen.add(each["seen"], samples)
    return seen


MOST_FASTER = 0.1
"""How much larger the exponent of the second half may be than that of the first."""
Point = tuple[int, int]
"""Words read, and distinct words among them."""


def growth(folder: Path, made: Sequence[Result]) -> list[Point]:
    """At a few points of the texts in their order: words so far, and distinct words among them."""
    total = 0
    known_words = np.zeros(0, dtype=np.uint64)
    points: list[Point] = [(0, 0)]
    step = max(1, sum(each["seen"]["words"] for each in made) // POINTS)
    for each in made:
        rows = np.load(folder / each["files"][0]["name"], allow_pickle=False)
        rows = rows[np.argsort(rows[:, 0])]
        is_new = ~np.isin(rows[:, 0], known_words)
        firsts = np.sort(rows[is_new, 1])
        words = each["seen"]["words"]
        # The round numbers of words within a chunk.
        for edge in range(total - total % step + step, total + words, step):
            points.append((edge, len(known_words) + int(np.searchsorted(firsts, edge - total))))
        known_words = np.union1d(known_words, rows[:, 0])
        total += words
    return [*points, (total, len(known_words))] if total else []


def heaps(points: Sequence[Point]) -> float | None:
    """The exponent of Heaps' law: distinct words grow as words to this power; None if unknown.

    Least squares of the logarithms over the latter two thirds of the text, as the law holds for
    long texts. Unknown is it also where new words come faster and faster, or the exponent is above
    1: then the order of the files decides, as where those of another kind come last.
    """
    end = points[-1][0] if points else 0
    some = [(words, kinds) for words, kinds in points if words >= end / 3 and kinds > 1]
    if end < 2_000 or len(some) < 5:
        return None
    log_words, log_kinds = (np.log(np.array(each, dtype=float)) for each in zip(*some, strict=True))
    slope, early, late = (
        float(np.polyfit(log_words[part], log_kinds[part], 1)[0])
        for part in (slice(None), slice(len(some) // 2 + 1), slice(len(some) // 2, None))
    )
    return None if slope > 1 or late > early + MOST_FASTER else slope
