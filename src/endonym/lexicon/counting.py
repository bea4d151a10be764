"""Counts the words of documents and the pairs of neighbours, in bounded memory."""

from collections import Counter, defaultdict
from typing import TypeVar

import regex

from endonym.lexicon.spans import Place, Spans, in_lower_case, places

PART_CHARS = 10_000
"""A long document counts as several: each part of so many characters, such as a chapter, is one."""
MOST_WORDS = 3_000_000
MOST_PAIRS = 3_000_000
"""What is counted at a time. When there are more, the rarest half goes."""

BESIDE = r"[\p{N}_@#\\]"
BEFORE = regex.compile(rf"(?r)(?:{BESIDE}|[\p{{L}}\p{{M}}\p{{N}}]\.|://?|[\p{{N}}.]/)\Z")
AFTER = regex.compile(rf"{BESIDE}|\.[\p{{L}}\p{{N}}]|://|/\p{{N}}")
CONTROL = regex.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u2060\ufffd]")
INITIAL = regex.compile(r"\p{Lu}\p{M}*\.")

Key = TypeVar("Key")


class Counted:
    """How often words stand in texts.

    inside, others: forms of words, with their capitals, that follow another word of the sentence,
    and all others. documents, pairs: by words in lower case. refused: by reason, what is no word of
    a dictionary at that place. forgotten: occurrences of words that were dropped, as there were too
    many. running: all occurrences.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.running = 0
        self.forgotten = 0
        self.inside = Counter[str]()
        self.others = Counter[str]()
        self.documents = Counter[str]()
        self.pairs = Counter[tuple[str, str]]()
        self.refused = defaultdict[str, Counter[str]](Counter[str])

    def add(self, text: str, spans: Spans) -> None:
        """Count the words of a document."""
        before = ""
        part = 0
        seen = set[str]()
        for place in places(text, spans):
            self.running += 1
            if reason := refusal(text, place):
                self.refused[reason][place.word] += 1
                before = ""
                continue
            key = in_lower_case(place.word, self.language)
            (self.inside if place.is_inside else self.others)[place.word] += 1
            if before and place.is_next:
                self.pairs[before, key] += 1
            before = key
            if place.begin // PART_CHARS > part:
                self.documents.update(seen)
                part = place.begin // PART_CHARS
                seen = set()
            seen.add(key)
        self.documents.update(seen)
        if len(self.pairs) > MOST_PAIRS:
            self.pairs = without_rare(self.pairs, MOST_PAIRS // 2)
        if len(self.documents) > MOST_WORDS:
            self._forget_rare()

    def _forget_rare(self) -> None:
        """Drop the words of the fewest documents."""
        before = self.inside.total() + self.others.total()
        self.documents = without_rare(self.documents, MOST_WORDS // 2)
        for counts in (self.inside, self.others):
            for form in [*counts]:
                if in_lower_case(form, self.language) not in self.documents:
                    del counts[form]
        self.forgotten += before - self.inside.total() - self.others.total()


def without_rare(counts: Counter[Key], kept: int) -> Counter[Key]:
    """At most so many of the most frequent: all that are more frequent than the next one."""
    limit = sorted(counts.values(), reverse=True)[kept]
    return Counter({key: count for key, count in counts.items() if count > limit})


def refusal(text: str, place: Place) -> str | None:
    """Why this is no word, by what stands beside it; None if it is one."""
    if BEFORE.search(text, max(0, place.begin - 4), place.begin) or AFTER.match(text, place.end):
        return "digits"
    if CONTROL.match(text, max(0, place.begin - 1)) or CONTROL.match(text, place.end):
        return "control"
    if INITIAL.fullmatch(text, place.begin, place.end + 1):
        return "initial"
    return None
