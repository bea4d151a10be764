"""Rules that need the whole corpus: what is counted, what follows, and what is judged by it.

A corpus is cleaned as a map and a reduce. Each part of it (a chunk of documents) is counted on its
own; the counts of all parts are combined into facts; then each document is judged by the facts,
alone. There are up to two rounds of counting: skeletons need to know which words are rare, and the
sample of paragraphs (cleaning/language/sample.py) which keys are small enough, of all parts:

    facts = None
    for _ in range(rounds(clean)):
        counts = Counts(clean, facts)                 # one for each part, in any process
        ...                                           # counts.add(text) for each of its documents
        facts = combine(clean, [each.counted() for each in all_counts], facts, contrast)
    judge = CorpusJudge(clean, facts)                 # in any process

What was counted, and the facts, can be saved to a folder of a few files. Memory is bounded in every
step, and the facts are the same however the corpus is divided.
"""

import functools
import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
import pyarrow as arrow
import regex

from endonym.cleaning.keyed import key_of, keyed, merged, smallest, summed
from endonym.cleaning.language.identify import Identifier, other_language
from endonym.cleaning.language.sample import SAMPLE_CHARS, Learnt, candidates, learn, smallest_keys
from endonym.cleaning.rules import Verdict
from endonym.disk import json_bytes, read_json
from endonym.formats.chunks import read_arrays, read_chunk, write_arrays, write_chunk
from endonym.formats.config import Clean
from endonym.formats.document_files import write_file
from endonym.formats.faults import passing_over

ARRAYS = ("lines", "words", "paragraphs", "skeletons")
KEYS = ("lines", "common", "skeletons", "usual")
TEXTS = "texts.arrow"
SIZE = "documents.json"
LEARNT = "language"
TEXT = arrow.schema({"text": arrow.string()})
NONE = np.zeros((0, 2), dtype=np.uint64)
LEAST_SCORE = 0.5
"""Of a document that all paragraphs in another language can make up."""
LEAST_LEFT = 0.1
"""Share of a document that must be in the language; of less, nothing is kept: it is a heading, or a
line too short to tell."""
USUAL_SHARE = 0.001
"""Share of the documents in which a word must stand that is not rare."""

LONG_LETTERS = 40
"""Letters of a line that is taken out wherever it stands."""
COMMON_SHARE = 0.01
"""Share of all documents in which a shorter line must stand."""
SIGNS = regex.compile(r"[^\p{L}\p{M}]+")

LEAST_WORDS = 5
LEAST_SHARE = 0.4
"""Words that a skeleton must keep, and their share of all words."""
MOST_CHARS = 20_000
"""Longer texts are no template's."""
BLANK = "_"
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
NAME = regex.compile(r"[\p{Lu}\p{Lt}\p{N}]")


def folded_line(line: str) -> str:
    """What of a line is compared: its letters in lower case."""
    return SIGNS.sub(" ", line.lower()).strip()


def line_keys(text: str) -> set[int]:
    """The keys of a document's lines; none if it has one line."""
    lines = {folded_line(line) for line in text.split("\n")} - {""}
    return {key_of(line) for line in lines} if "\n" in text else set()


def without_boilerplate(
    text: str, frequent: Container[int], common: Container[int], *, is_part: bool = False
) -> tuple[str, list[str]]:
    """A document without its boilerplate (menus, notices, running heads), and the lines of that.

    Lines are compared without case, digits and signs. A document counts a line once. Long lines
    that stand in more documents than the limit (`frequent` has their keys) go wherever they stand.
    Short ones go at the beginning and the end of a document, down to the first line that is its
    own, and only if they also stand in COMMON_SHARE of all documents (`common`): in a large corpus
    more documents than any limit begin with a date or with "— Oui.". A document of one line has
    none: that is a copy, and the matter of `dedup`. A part of a longer text, which may begin with
    the name of a speaker, loses long ones alone.
    """
    lines = text.split("\n")
    if len(lines) < 2:
        return text, []
    folded = [folded_line(line) for line in lines]
    is_long = [len(line) >= LONG_LETTERS for line in folded]
    is_often = [
        bool(line) and key_of(line) in (frequent if long else common)
        for line, long in zip(folded, is_long, strict=True)
    ]
    if not any(is_often):
        return text, []
    every = range(len(lines))
    gone = {place for place in every if is_often[place] and is_long[place]}
    for places in () if is_part else (every, reversed(every)):
        edge = takewhile(lambda place: is_often[place] or not folded[place], places)
        gone.update(place for place in edge if is_often[place])
    kept = "\n".join(line for place, line in enumerate(lines) if place not in gone)
    return kept.strip("\n"), [lines[place] for place in sorted(gone)]


@functools.lru_cache(maxsize=1 << 17)
def word_key(word: str) -> int:
    """The key of a word; 0 for a name, which is a word with a capital letter or a digit."""
    return 0 if NAME.search(word) else key_of(word)


def word_keys(text: str) -> set[int]:
    """The keys of a document's words that are no names."""
    return {word_key(word) for word in set(WORD.findall(text[:MOST_CHARS]))} - {0}


def skeleton(text: str, usual: AbstractSet[int]) -> str:
    """What of a text is equal in all texts that a program has filled in; empty if it has none.

    It is the words in their order, without digits, names and rare words: a run of those is one
    blank. A rare word stands in fewer documents than the limit (`usual` has the keys of the
    others), so that it cannot be part of a template that is used more often. A skeleton says
    something only if enough of its words are left: short sentences of common words may be alike by
    chance.
    """
    if len(text) > MOST_CHARS:
        return ""
    words = WORD.findall(text)
    kept = list[str]()
    for word in words:
        if word_key(word) in usual:
            kept.append(word)
        elif not kept or kept[-1] is not BLANK:
            kept.append(BLANK)
    left = sum(word is not BLANK for word in kept)
    if left < LEAST_WORDS or left < LEAST_SHARE * len(words) or left == len(words):
        return ""
    return " ".join(kept)


def rounds(clean: Clean) -> int:
    """How often documents are counted before they are judged; 0 if no rule asks for it."""
    if clean.max_same_skeleton is not None or asks_language(clean):
        return 2
    return int(clean.max_line_documents is not None)


def asks_language(clean: Clean) -> bool:
    """Whether a rule needs to know the language."""
    return clean.min_language_score is not None or clean.split_languages


@dataclass
class Counts:
    """What is counted of one part of a corpus in one round. facts: of the round before."""

    clean: Clean
    facts: "Facts | None" = None

    def __post_init__(self) -> None:
        self.documents = 0
        self.lines = Counter[int]()
        self.words = Counter[int]()
        self.skeletons: list[tuple[int, int]] = []
        self.paragraphs = dict[int, int]()
        self.texts = dict[int, str]()

    def add(self, text: str) -> None:
        """Count a document, as far as our code can; judging it tells of the fault."""
        by_skeleton = self.clean.max_same_skeleton is not None
        by_language = asks_language(self.clean)
        with passing_over():
            if self.facts is None:
                self.documents += 1
                if self.clean.max_line_documents is not None:
                    self.lines.update(line_keys(text))
                if by_skeleton:
                    self.words.update(word_keys(text))
                if by_language:
                    self.paragraphs.update((key, len(each)) for key, each in candidates(text))
                return
            if by_skeleton and (found := skeleton(text, self.facts.usual)):
                self.skeletons.append((key_of(found), key_of(text)))
            if by_language:
                sampled = self.facts.sampled[self.clean.language or ""]
                pairs = candidates(text)
                self.texts.update((key, paragraph) for key, paragraph in pairs if key <= sampled)

    def counted(self) -> "Counted":
        """What was counted so far."""
        counters = (self.lines, self.words, self.paragraphs)
        lines, words, paragraphs = (keyed(list(each.items())) for each in counters)
        sample = smallest_keys([paragraphs], SAMPLE_CHARS)
        skeletons = keyed(self.skeletons)
        texts = tuple(self.texts.values())
        language = self.clean.language or ""
        return Counted(self.documents, lines, words, sample, skeletons, texts, language)


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one part of a corpus, as rows of key and value.

    paragraphs: keys and characters of those that may be in the sample. texts: of those that are.
    language: of the part's source, by its code.
    """

    documents: int
    lines: "np.ndarray"
    words: "np.ndarray"
    paragraphs: "np.ndarray"
    skeletons: "np.ndarray"
    texts: Sequence[str]
    language: str = ""

    def save(self, folder: Path) -> None:
        """Write the counts to files in a folder; that with the number of documents comes last."""
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder, {name: getattr(self, name) for name in ARRAYS})
        write_chunk(folder, TEXTS, TEXT, [self.texts])
        write_file(folder, SIZE, json_bytes([self.documents, self.language]))

    @classmethod
    def load(cls, folder: Path) -> "Counted":
        """The counts in a folder; of the arrays only what is used is read."""
        texts = tuple(read_chunk(folder / TEXTS, schema=TEXT)["text"].to_pylist())
        documents, language = read_json(folder / SIZE)
        return cls(documents, *read_arrays(folder, ARRAYS), texts=texts, language=language)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a whole corpus.

    lines: keys of lines in too many documents, sorted; common: those of lines that also stand in a
    share of all documents. usual: keys of words that are not rare. sampled: by language the largest
    key of a paragraph in the sample; -1 if there is none. skeletons: keys of those of too many
    documents, and the largest key of a document that is kept. learnt: by language its model, if a
    rule asks for it and there is enough text.
    """

    documents: int = 0
    lines: "np.ndarray" = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    common: "np.ndarray" = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    usual: frozenset[int] = frozenset()
    sampled: Mapping[str, int] = field(default_factory=dict)
    skeletons: "np.ndarray" = field(default_factory=NONE.copy)
    learnt: Mapping[str, Learnt] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the facts to files in a folder; that with the number of documents comes last."""
        folder.mkdir(parents=True, exist_ok=True)
        usual = np.array(sorted(self.usual), dtype=np.uint64)
        arrays = zip(KEYS, (self.lines, self.common, self.skeletons, usual), strict=True)
        write_arrays(folder, dict(arrays))
        for language, learnt in self.learnt.items():
            learnt.save(folder / LEARNT / language)
        write_file(folder, SIZE, json_bytes([self.documents, self.sampled]))

    @classmethod
    def load(cls, folder: Path) -> "Facts":
        """The facts in a folder."""
        documents, sampled = read_json(folder / SIZE)
        lines, common, skeletons, usual = read_arrays(folder, KEYS)
        folders = [folder / LEARNT / language for language in sampled]
        learnt = {each.name: Learnt.load(each) for each in folders if each.is_dir()}
        usual = frozenset(usual.tolist())
        return cls(documents, lines, common, usual, sampled, skeletons, learnt)


def combine(
    clean: Clean,
    parts: Iterable[Counted],
    before: Facts | None = None,
    contrast: Mapping[str, Sequence[str]] | None = None,
) -> Facts:
    """The facts from the counts of all parts.

    before: the facts of the first round. contrast: texts in other languages that the user names,
    by the code or name of each.
    """
    if before is None:
        return _first_facts(clean, parts)
    return _second_facts(clean, parts, before, contrast or {})


def _first_facts(clean: Clean, parts: Iterable[Counted]) -> Facts:
    """The facts of the first round: frequent lines and words, and the paragraphs to learn from."""
    every = list[Counted]()
    samples = dict[str, np.ndarray]()
    for part in parts:
        own = [samples.get(part.language, NONE), part.paragraphs]
        samples[part.language] = smallest_keys(own, SAMPLE_CHARS)
        every.append(part)
    documents = sum(each.documents for each in every)
    lines = merged([each.lines for each in every], summed((clean.max_line_documents or 0) + 1))
    least = max((clean.max_same_skeleton or 0) + 1, int(USUAL_SHARE * documents))
    usual = merged([each.words for each in every], summed(least))
    return Facts(
        documents=documents,
        lines=lines[:, 0].copy(),
        common=lines[lines[:, 1] >= np.uint64(math.ceil(COMMON_SHARE * documents)), 0].copy(),
        usual=frozenset(int(key) for key in usual[:, 0]),
        sampled={
            language: int(sample[-1, 0]) if len(sample) else -1
            for language, sample in samples.items()
        },
    )


def _second_facts(
    clean: Clean, parts: Iterable[Counted], before: Facts, contrast: Mapping[str, Sequence[str]]
) -> Facts:
    """The facts of the first round with what needs them: skeletons, and the language's model."""
    skeletons = list[np.ndarray]()
    texts = dict[str, dict[int, str]]()
    for part in parts:
        skeletons.append(part.skeletons)
        own = texts.setdefault(part.language, {})
        own.update((key_of(text), text) for text in part.texts)
    learnt = dict[str, Learnt]()
    for language, own in texts.items():
        paragraphs = [own[key] for key in sorted(own)]
        if paragraphs and (model := learn(paragraphs, language, contrast)) is not None:
            learnt[language] = model
    allowed = merged(skeletons, smallest(clean.max_same_skeleton or 1))
    return replace(before, skeletons=allowed, learnt=learnt)


class CorpusJudge:
    """Judges normalized documents by the facts of their corpus."""

    def __init__(self, clean: Clean, facts: Facts) -> None:
        self.clean = clean
        self.facts = facts
        self.lines = Members(facts.lines)
        self.common = Members(facts.common)
        # By the key of a skeleton the largest key of a document that is kept.
        self.largest_kept = dict(map(tuple, facts.skeletons.tolist()))
        self.identifier: Identifier | None = None
        if asks_language(clean):
            language = clean.language or ""
            self.identifier = Identifier(language, facts.learnt.get(language))

    def prepare(self, texts: Sequence[str]) -> None:
        """Look at documents that will be judged one by one: that is faster at once."""
        if self.identifier is not None:
            self.identifier.prepare(texts)

    def shortened(self, text: str, *, is_part: bool = False) -> tuple[str, list[tuple[str, str]]]:
        """A document without boilerplate and paragraphs in another language; and what is gone.

        Of each part that is gone its rule and its text. is_part: it is a part of a longer text.
        """
        gone: list[tuple[str, str]] = []
        if self.clean.max_line_documents is not None:
            known = (self.lines, self.common)
            text, lines = without_boilerplate(text, *known, is_part=is_part)
            gone += [("max_line_documents", line) for line in lines]
        if self.clean.split_languages and "\n" in text and self.identifier is not None:
            lines = text.split("\n")
            is_other = self._in_others(lines, self.identifier)
            if any(is_other) and not all(is_other):
                pairs = list(zip(lines, is_other, strict=True))
                text = "\n".join(line for line, other in pairs if not other).strip("\n")
                gone += [("split_languages", line) for line, other in pairs if other and line]
        return text, gone

    @staticmethod
    def _in_others(lines: Sequence[str], identifier: Identifier) -> list[bool]:
        """Which lines are in another language: all of them if hardly anything would be left."""
        is_other = other_language(lines, identifier)
        left = sum(len(line) for line, other in zip(lines, is_other, strict=True) if not other)
        is_page_of_others = left < LEAST_LEFT * sum(map(len, lines))
        return [True] * len(lines) if is_page_of_others else is_other

    def verdict(self, text: str) -> Verdict | None:
        """Why a document is dropped that no other rule drops."""
        if self.identifier is not None:
            score = self.identifier.score(text)
            least = self.clean.min_language_score
            if least is not None and score < least:
                return "min_language_score", f"the language's score is {score:.2f}, below {least:g}"
            # Without its paragraphs in another language nothing would be left. A least score that
            # the recipe names settles that for whole documents.
            if (
                self.clean.split_languages
                and least is None
                and score < LEAST_SCORE
                and all(self._in_others(text.split("\n"), self.identifier))
            ):
                return "split_languages", "all its paragraphs are in another language"
        if self.clean.max_same_skeleton is not None:
            own_skeleton = skeleton(text, self.facts.usual)
            largest = self.largest_kept.get(key_of(own_skeleton)) if own_skeleton else None
            if largest is not None and key_of(text) > largest:
                return "max_same_skeleton", (
                    f"more than {self.clean.max_same_skeleton} documents are the same once digits, "
                    f"names and rare words are blanked: {own_skeleton[:100]}"
                )
        return None


@dataclass(slots=True)
class Members:
    """A sorted array of keys as a set."""

    keys: "np.ndarray"

    def __contains__(self, key: int) -> bool:
        place = int(np.searchsorted(self.keys, np.uint64(key)))
        return place < len(self.keys) and int(self.keys[place]) == key
