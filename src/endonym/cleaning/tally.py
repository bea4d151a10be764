"""What each rule did: how many documents it changed or dropped, and a few samples.

Tallies of parts of a corpus add up to that of the whole, in any order: the samples are those whose
documents' names have the smallest hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from endonym.cleaning.keyed import key_of
from endonym.cleaning.personal import begin_shown, showable
from endonym.script.letters import around

SAMPLES = 3
"""Samples of each rule, if nobody asks for more."""
SHOWN = 160
AROUND = 40
"""Characters of a sample, and of what stands around a change."""


@dataclass(slots=True)
class RuleCount:
    """The work of one rule.

    documents: changed, shortened or dropped by it. parts: lines or paragraphs taken out.
    bytes: of documents dropped and of parts taken out, in UTF-8. samples: by the key of the
    document, its name, and `before` and `after`, or `text`. most: how many are kept.
    """

    documents: int = 0
    parts: int = 0
    bytes: int = 0
    samples: dict[int, dict[str, str]] = field(default_factory=dict)
    most: int = SAMPLES

    def sample(self, key: int, made: dict[str, str]) -> None:
        """Keep a sample if it is among the first by key."""
        self.samples[key] = made
        if len(self.samples) > self.most:
            del self.samples[max(self.samples)]

    def wants(self, key: int) -> bool:
        """Whether a sample of this key would be kept."""
        if key in self.samples:
            return False
        return len(self.samples) < self.most or key < max(self.samples, default=0)

    def as_dict(self, read: int) -> dict[str, Any]:
        """The form in card.json. read: documents of which this is a share."""
        return {
            "documents": self.documents,
            "share": round(self.documents / max(1, read), 6),
            "parts": self.parts,
            "bytes": self.bytes,
            "samples": [self.samples[key] for key in sorted(self.samples)],
        }


@dataclass(slots=True)
class Tally:
    """The work of all rules on a source, by rule.

    most: samples that are kept of each. language: of the texts, so that their personal data is not
    shown in samples.
    """

    most: int = SAMPLES
    language: str | None = None
    rules: dict[str, RuleCount] = field(default_factory=dict)
    _id: str = ""
    _key: int = 0
    _seen: set[str] = field(default_factory=set)

    def begin(self, document_id: str) -> None:
        """Begin a document: what the next calls say is counted for it."""
        self._id = document_id
        self._key = -1  # hashed when a rule first asks for it
        self._seen.clear()

    def _rule(self, name: str) -> RuleCount:
        """The count of a rule; the document is counted once."""
        rule = self.rules.setdefault(name, RuleCount(most=self.most))
        if name not in self._seen:
            self._seen.add(name)
            rule.documents += 1
        if self._key < 0:
            self._key = key_of(self._id)
        return rule

    def changed(self, name: str, before: str, after: str) -> None:
        """A rule changed the text."""
        rule = self._rule(name)
        if rule.wants(self._key):
            pairs = enumerate(zip(before, after, strict=False))
            start = next((place for place, (one, two) in pairs if one != two), len(after))
            low = start - AROUND
            high = start + AROUND
            was, is_now = (
                showable(text, around(text, low, high), self.language) for text in (before, after)
            )
            rule.sample(self._key, {"id": self._id, "before": was, "after": is_now})

    def removed(self, name: str, part: str) -> None:
        """A rule took a line or a paragraph out of the text."""
        rule = self._rule(name)
        rule.parts += 1
        rule.bytes += len(part.encode("utf-8", "surrogatepass"))
        self._sample(rule, part)

    def dropped(self, name: str, text: str, detail: str, size: int) -> None:
        """A rule dropped the document, whose size as read this is."""
        rule = self._rule(name)
        rule.bytes += size
        self._sample(rule, text, why=detail)

    def _sample(self, rule: RuleCount, text: str, **shown: str) -> None:
        """Keep how a text begins as a sample of the document, if it is among the first by key."""
        if rule.wants(self._key):
            begin = begin_shown(text, SHOWN, self.language)
            rule.sample(self._key, {"id": self._id, "text": begin, **shown})

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON, in full; `add` reads them."""
        return {
            name: [rule.documents, rule.parts, rule.bytes, sorted(rule.samples.items())]
            for name, rule in self.rules.items()
        }

    def add(self, counts: Mapping[str, Sequence[Any]]) -> None:
        """Add the work on another part of the corpus, as its `as_dict` tells it."""
        for name, (documents, parts, size, samples) in counts.items():
            rule = self.rules.setdefault(name, RuleCount(most=self.most))
            rule.documents += documents
            rule.parts += parts
            rule.bytes += size
            for key, made in samples:
                rule.sample(key, made)
