"""The words of a corpus that belong in a dictionary, with their counts and those of pairs.

A word stands in several documents and has letters of one script alone. It is written as it mostly
is inside sentences, so a capital at the beginning of a sentence changes nothing. A word that is
hardly ever in lower case there is a name or an abbreviation, and keeps its capitals. One that is
only seen at the beginning of sentences is listed in lower case.

What is left out is counted by reason: all occurrences of words in the texts are those of listed
words, and those of words left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import regex

from endonym.corpus.corpus import Corpus
from endonym.disk import packaged_tables
from endonym.lexicon.counting import Counted
from endonym.lexicon.spans import Place, Spans, as_listed, in_lower_case, places, words_in
from endonym.mappings import largest_first
from endonym.script.fold import folded
from endonym.script.scripts import COMMON_SCRIPTS, script_class, script_share

REASONS: dict[str, str] = packaged_tables("endonym.lexicon", "reasons.toml")
"""Why words are left out, in words."""
Pairs = dict[tuple[str, str], int]
"""How often words follow each other."""
LEAST_DOCUMENTS = 2
MANY_WORDS = 1_000_000
"""A word must stand in so many documents. In a corpus of so many running words in one more, and in
another one more for each ten times as many."""
LEAST_PAIRS = 2
"""How often two words must have stood beside each other."""
NAME_SHARE = 0.05
"""A name is listed in lower case, too, if so many of its occurrences inside sentences are."""
MISSPELLED_TIMES = 100
"""A word is a misspelling if one that differs in marks alone is so many times as frequent."""
LONGEST = 47
"""Characters of a word. The dictionaries of Android's keyboard leave out words of 48."""
SAMPLE_BYTES = 20_000_000
"""Of a corpus: what is looked at to find the words of a script without blanks."""
SCRIPT_WORDS = 1000
"""The most frequent words tell the script."""
TOGETHER = ("han", "hiragana", "katakana")
"""Scripts that one language writes side by side."""


@dataclass(frozen=True, slots=True)
class Word:
    """How often a word stands in the texts, and in how many documents.

    is_name: whether it is written with a capital, or several, inside sentences.
    """

    count: int
    documents: int
    is_name: bool


class LeftOut(NamedTuple):
    """How many words were left out for a reason, and how often they stand in the texts."""

    words: int
    times: int


@dataclass(frozen=True, slots=True)
class WordList:
    """The words of a corpus, the most frequent first, and pairs of words that follow each other.

    left_out: by reason, a key of REASONS. running: how many words the texts have. least: in how
    many documents a listed word is at least. spans: finds words in other texts as in these.
    """

    words: dict[str, Word]
    pairs: Pairs
    left_out: dict[str, LeftOut]
    running: int
    least: int
    script: str
    language: str
    spans: Spans

    def knows(self, word: str) -> bool:
        """Whether a word is listed, also with the capitals of a sentence's beginning or a heading.

        Of one with hyphens its parts may be listed, as Hunspell has it. A name in lower case is not
        known.
        """
        spelled = as_listed(word)
        lower = in_lower_case(spelled, self.language)
        if spelled in self.words or lower in self.words:
            return True
        if spelled.isupper() and spelled[:1] + lower[1:] in self.words:
            return True
        return "-" in spelled and all(map(self.knows, spelled.split("-")))

    def places(self, text: str) -> Iterator[Place]:
        """The words of a text, as those of the list were found."""
        return places(text, self.spans)

    def summary(self) -> str:
        """How many words there are and were left out, in a line."""
        told = self.told()
        left_out = self.left_out.items()
        left = "; ".join(f"{each.words:,} {told[reason]}" for reason, each in left_out)
        counts = f"{len(self.words):,} words and {len(self.pairs):,} pairs"
        return f"{counts}; left out: {left}" if left else counts

    def told(self) -> dict[str, str]:
        """Why words were left out: by reason, in words."""
        known = {
            "least": self.least,
            "script": self.script.replace("_", " ").title(),
            "longest": LONGEST,
            "times": MISSPELLED_TIMES,
        }
        return {reason: REASONS[reason].format(**known) for reason in self.left_out}


def words_of_corpus(corpus: Corpus, language: str = "") -> WordList:
    """The words of a corpus's training documents. Its held-out documents are not read.

    language: its code, for how its capitals are written.
    """
    size = corpus.card["total"]["kept"]["train"]["text_bytes"]
    sample = islice(corpus.documents("train"), 0, None, 1 + size // SAMPLE_BYTES)
    spans = words_in([each.text for each in sample])
    return word_list((each.text for each in corpus.documents("train")), spans, language)


def word_list(
    texts: Iterable[str], spans: Spans, language: str = "", *, least: int | None = None
) -> WordList:
    """The words of documents, which are read once. spans: from `words_in` of some of them.

    least: in how many documents a word must stand, if not by `least_documents`.
    """
    counted = Counted(language)
    for text in texts:
        counted.add(text, spans)
    forms_of = defaultdict[str, list[str]](list)
    for form in sorted(counted.inside | counted.others):
        forms_of[in_lower_case(form, language)].append(form)
    times = Counter(
        {
            key: sum(counted.inside[form] + counted.others[form] for form in forms)
            for key, forms in forms_of.items()
        }
    )
    script = main_script(times)
    least = least or least_documents(counted.running)
    reasons = _reasons(times, counted.documents, script, least)
    entries = {
        key: _entries(key, forms, counted) for key, forms in forms_of.items() if key not in reasons
    }
    words = {form: word for found in entries.values() for form, word in found.items()}
    return WordList(
        dict(sorted(words.items(), key=lambda each: (-each[1].count, each[0]))),
        _pairs({key: next(iter(found)) for key, found in entries.items()}, counted.pairs),
        _left_out(reasons, times, counted),
        counted.running,
        least,
        script,
        language,
        spans,
    )


def least_documents(running: int) -> int:
    """In how many documents a word must be, in a corpus of so many running words.

    >>> least_documents(300_000), least_documents(2_000_000), least_documents(30_000_000)
    (2, 3, 4)
    """
    return LEAST_DOCUMENTS + (len(str(running // MANY_WORDS)) if running >= MANY_WORDS else 0)


def main_script(times: Counter[str]) -> str:
    """The script of most letters in the most frequent words; Latin if there are none."""
    frequent = "".join(word for word, _ in times.most_common(SCRIPT_WORDS))
    return max(["latin", *sorted(COMMON_SCRIPTS)], key=lambda each: script_share(frequent, each))


def misspellings(times: Mapping[str, int]) -> set[str]:
    """The words beside which one with the same letters and other marks is far more frequent.

    Apostrophes and hyphens count: "were" is no misspelling of "we're".
    """
    words = [*times]
    signs = [regex.sub("[^'-]", "", word) for word in words]
    most = Pairs()
    bare = [*zip(folded(words), signs, strict=True)]
    for word, key in zip(words, bare, strict=True):
        most[key] = max(most.get(key, 0), times[word])
    return {
        word
        for word, key in zip(words, bare, strict=True)
        if times[word] * MISSPELLED_TIMES <= most[key]
    }


def _reasons(
    times: Counter[str], documents: Mapping[str, int], script: str, least: int
) -> dict[str, str]:
    """Why words in lower case are left out; those that are kept are not in it."""
    scripts = TOGETHER if script in TOGETHER else (script,)
    letter = "|".join(map(script_class, scripts))
    fits = regex.compile(rf"(?!\p{{M}})(?:{letter}|[\p{{Script=Common}}\p{{Script=Inherited}}])+")
    found = dict[str, str]()
    for word in times:
        if not fits.fullmatch(word):
            found[word] = "script"
        elif len(word) > LONGEST:
            found[word] = "long"
        elif documents[word] < least:
            found[word] = "rare"
    kept = {word: count for word, count in times.items() if word not in found}
    return found | dict.fromkeys(misspellings(kept), "misspelling")


def _entries(key: str, forms: Iterable[str], counted: Counted) -> dict[str, Word]:
    """How a word is listed: in one form, or as a name and in lower case; the most frequent first.

    key: the word in lower case. forms: how it is written in the texts.
    """
    inside = counted.inside
    others = counted.others
    every = {form: inside[form] + others[form] for form in forms}
    total = sum(every.values())
    documents = counted.documents[key]
    written = max(every, key=lambda form: (inside[form], form == key))
    if not inside[written] or written == key:
        return {key: Word(total, documents, is_name=False)}
    share = inside[key] / sum(inside[form] for form in every)
    if share < NAME_SHARE or every[key] < LEAST_DOCUMENTS:
        return {written: Word(total, documents, is_name=True)}
    lower = every[key]
    return {
        written: Word(total - lower, documents, is_name=True),
        key: Word(lower, documents, is_name=False),
    }


def _pairs(written: Mapping[str, str], counts: Mapping[tuple[str, str], int]) -> Pairs:
    """The pairs of listed words, the most frequent first. written: how each is listed."""
    kept = {
        (written[one], written[other]): count
        for (one, other), count in counts.items()
        if count >= LEAST_PAIRS and one in written and other in written
    }
    return largest_first(kept)


def _left_out(
    reasons: Mapping[str, str], times: Mapping[str, int], counted: Counted
) -> dict[str, LeftOut]:
    """How many words were left out, and how often they stand in the texts, by reason."""
    by_reason = defaultdict[str, list[int]](list)
    for word, reason in reasons.items():
        by_reason[reason].append(times[word])
    for reason, counts in counted.refused.items():
        by_reason[reason] += counts.values()
    if counted.forgotten:
        by_reason["rare"].append(counted.forgotten)
    return {
        reason: LeftOut(len(by_reason[reason]), sum(by_reason[reason]))
        for reason in REASONS
        if reason in by_reason
    }
