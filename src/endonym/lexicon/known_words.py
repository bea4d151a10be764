"""The words that a text may have, for proofreading: those of a corpus, or of a file.

In scripts without blanks between words, where an error would move the borders of words, a letter
with its signs stands for a word.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import regex

from endonym.cleaning.normalize import in_one_script
from endonym.corpus.corpus import Corpus
from endonym.errors import SourceError, reading_utf8
from endonym.lexicon.counting import refusal
from endonym.lexicon.edits import COSTS, Near, WordIndex
from endonym.lexicon.spans import as_listed, have_blanks, in_lower_case, in_upper_case, places
from endonym.lexicon.typing_errors import Layout, layout_of
from endonym.lexicon.words import main_script, word_list
from endonym.mappings import largest_first
from endonym.script.letters import LETTER

SAMPLE = 2_000
"""Documents that tell whether the script has blanks."""
LEAST_TIMES = 3
"""A letter with its signs is known if it stands so often in the texts."""
MOST_DIGITS = 12
"""Digits of a count in a file of words."""
ADDRESS = regex.compile(r"://|@|www\.")
CHUNK = regex.compile(r"\S+")
HAS_LETTER = regex.compile(r"\p{L}")


class Written(NamedTuple):
    """A word as it stands in a text, from `begin` to `end`."""

    begin: int
    end: int
    word: str


@dataclass(frozen=True)
class KnownWords:
    """Words with their counts. listed: from a word in lower case to how it is written.

    has_blanks: whether blanks part words; otherwise words are letters with their signs.
    """

    counts: dict[str, int]
    listed: dict[str, str]
    language: str
    has_blanks: bool

    @classmethod
    def of_corpus(cls, corpus: Corpus, language: str = "") -> "KnownWords":
        """The words of a corpus's training documents."""
        sample = [each.text for each in islice(corpus.documents("train"), SAMPLE)]
        texts = (each.text for each in corpus.documents("train"))
        return cls.of_texts(texts, language, has_blanks=have_blanks(sample))

    @classmethod
    def of_texts(
        cls, texts: Iterable[str], language: str = "", *, has_blanks: bool = True
    ) -> "KnownWords":
        """The words of texts that are good for a dictionary, also if they stand in one text."""
        if not has_blanks:
            letters = Counter(each for text in texts for each in syllables(text))
            kept = {each: count for each, count in letters.items() if count >= LEAST_TIMES}
            return cls(kept, {each: each for each in kept}, language, has_blanks=False)
        found = word_list(texts, whole, language, least=1).words
        counts = {word: each.count for word, each in found.items()}
        return cls.of_list(counts, language, has_blanks=True)

    @classmethod
    def of_list(
        cls, words: dict[str, int], language: str = "", *, has_blanks: bool | None = None
    ) -> "KnownWords":
        """Of words with their counts, as they are written; the most frequent spelling counts.

        has_blanks: whether blanks part words, if it is not to be told from the words.
        """
        counts = Counter[str]()
        listed = dict[str, str]()
        if has_blanks is None:
            has_blanks = have_blanks([*words])
        if not has_blanks:
            letters = Counter[str]()
            for word, count in words.items():
                letters.update(dict.fromkeys(syllables(word), count))
            words = letters
        for word, count in largest_first(words).items():
            lower = in_lower_case(word, language)
            counts[lower] += count
            listed.setdefault(lower, word)
        return cls(dict(counts), listed, language, has_blanks)

    def as_listed(self) -> dict[str, int]:
        """The words as they are written, with their counts; `of_list` makes the same of them."""
        return {self.listed[word]: count for word, count in self.counts.items()}

    @classmethod
    def of_file(cls, path: Path, language: str = "") -> "KnownWords":
        """Of a file with a word a line, maybe with its count behind a tab. Lines that begin with #
        are left out. Raises SourceError if it is not UTF-8, if there is no word in it, or if a
        count is no number of at most MOST_DIGITS digits."""
        with reading_utf8(str(path)):
            lines = path.read_text("utf-8-sig").splitlines()
        words = dict[str, int]()
        for number, line in enumerate(lines, 1):
            word, *fields = line.split("\t")
            if not word.strip() or word.startswith("#"):
                continue
            count = fields[0].strip() if fields else "1"
            if not count.isdecimal() or len(count) > MOST_DIGITS:
                raise SourceError(
                    f"the second column of line {number} is no count of at most {MOST_DIGITS} "
                    f"digits: {count[:40]!r}",
                    where=path,
                    do="Write a word a line, or a word, a tab and how often it stands in texts.",
                )
            words[as_listed(word.strip())] = int(count)
        if not words:
            raise SourceError("there is no word in it", where=path, do="Write a word a line.")
        return cls.of_list(words, language)

    @cached_property
    def script(self) -> str:
        """The script of most letters."""
        return main_script(Counter(self.counts))

    @cached_property
    def layout(self) -> Layout:
        """The keyboard of the language, or else of the script."""
        return layout_of(self.language.split("-")[0], self.script)

    @cached_property
    def index(self) -> WordIndex:
        """Finds near words."""
        return WordIndex(self.counts, self.layout)

    def written(self, text: str) -> Iterator[Written]:
        """The words of a text; what stands beside digits or is part of an address is none."""
        if not self.has_blanks:
            for found in LETTER.finditer(text):
                if HAS_LETTER.match(found[0]):
                    yield Written(found.start(), found.end(), found[0])
            return
        if ADDRESS.search(text):
            text = CHUNK.sub(lambda found: blanked(found[0]), text)
        for place in places(text, whole):
            if refusal(text, place) is None:
                yield Written(place.begin, place.end, place.word)

    def knows(self, word: str) -> bool:
        """Whether a word is known, with capitals or without. Of one with hyphens its parts may be
        known, as in a dictionary (`WordList.knows`)."""
        lower = in_lower_case(as_listed(word), self.language)
        return lower in self.counts or ("-" in lower and all(map(self.knows, lower.split("-"))))

    def near(self, word: str, most: int) -> list[Near]:
        """What may have been meant by a written word, with its capitals, and what that costs.

        A word of two scripts may also be meant in one, if it is not known, too.
        """
        lower = in_lower_case(as_listed(word), self.language)
        found = self.index.near(lower, most)
        one_script = in_one_script(lower, self.script)
        if one_script != lower and all(each.word != one_script for each in found):
            found = [Near(one_script, COSTS["look_alike"]), *found]
        spelled = [
            Near(with_capitals(self.listed.get(n.word, n.word), word, self.language), n.cost)
            for n in found
        ]
        return [each for each in spelled if each.word != word]

    def unknown_share(self, text: str) -> tuple[int, int]:
        """How many words of a text are not known, and how many it has."""
        words = [each.word for each in self.written(text)]
        return sum(not self.knows(word) for word in words), len(words)


def whole(run: str) -> list[tuple[int, int]]:
    """A run of letters as one word."""
    return [(0, len(run))]


def blanked(chunk: str) -> str:
    """What stands between two blanks; as many blanks if it is an address."""
    return " " * len(chunk) if ADDRESS.search(chunk) else chunk


def syllables(text: str) -> Iterator[str]:
    """The letters of a text, each with its signs."""
    return (found[0] for found in LETTER.finditer(text) if HAS_LETTER.match(found[0]))


def with_capitals(word: str, like: str, language: str) -> str:
    """A word with the capitals of another: of all of its letters, or of the first one."""
    if len(like) > 1 and like.isupper():
        return in_upper_case(word, language)
    return in_upper_case(word[:1], language) + word[1:] if like[:1].isupper() else word
