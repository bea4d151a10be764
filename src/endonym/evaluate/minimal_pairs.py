"""Minimal pairs made from a corpus: a held-out sentence, and the same with one fault.

They need no linguist, so they exist for every language. After BLiMP (Warstadt et al.,
arXiv:1912.00582), whose pairs are written by grammars. A fault is chosen so that training text
speaks against it: the neighbours that it makes stand nowhere in it, and words that end so seldom
stand beside words that end so. The kinds are in KINDS.

A quarter of the training text is not counted, and checks the pairs. A fault that stands in it is
right text, so its pair is left out. How often that happens says how many of the other pairs may be
right text, too (`Check`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import NamedTuple

from endonym.disk import write_jsonl
from endonym.evaluate.items import Item
from endonym.evaluate.score import wilson
from endonym.evaluate.word_counts import (
    STEM,
    WordCounts,
    has_inside,
    sentences_of,
    whole_sentences,
)
from endonym.lexicon.spans import Spans, have_blanks, words_in
from endonym.script.letters import LETTER
from endonym.seed import named_seed

FILE = "minimal_pairs.jsonl"
"""In an evaluation's artefact: the pairs, in the form that `items.read_items` reads."""
NONE = "no minimal pairs could be made: there is too little text, or few words stand often enough"
MOST = 200
"""Pairs of each kind."""
READ_BYTES = 16_000_000
"""About so much training text is counted."""
CHECKED = 4
"""Every so many-th training sentence is not counted: it checks what is made."""
SHARED = 0.5
"""Two words may be forms of one if they have this share of the longer one's letters in common, at
the beginning, and not fewer than STEM."""
WORDS = range(4, 41)
"""Words of a sentence."""
LEAST = 2.0
"""How strongly training text must speak against a fault, in nats: the difference of
`WordCounts.likes`."""
ENOUGH = 10
"""Right rows that must be found in the text that checks, before it says anything."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, where its words stand, and these in lower case."""

    text: str
    places: Sequence[tuple[int, int]]
    words: Sequence[str]

    @classmethod
    def of(cls, text: str, spans: Spans) -> "Sentence":
        """A sentence, cut into words."""
        places = spans(text)
        return cls(text, places, [text[begin:end].lower() for begin, end in places])

    def with_word(self, number: int, word: str) -> str:
        """The text with another word in a place, with a capital if one stood there."""
        begin, end = self.places[number]
        if self.text[begin] != self.words[number][0]:
            word = word[:1].upper() + word[1:]
        return self.text[:begin] + word + self.text[end:]

    def with_exchanged(self, number: int) -> str:
        """The text with a word and the next one in each other's place."""
        (begin, end), (other_begin, other_end) = self.places[number : number + 2]
        one = self.text[begin:end]
        other = self.text[other_begin:other_end]
        return self.text[:begin] + other + self.text[end:other_begin] + one + self.text[other_end:]

    def is_plain(self, first: int, last: int) -> bool:
        """Whether nothing but blanks stands between these words, and none is all in capitals."""
        places = self.places[first : last + 1]
        gaps = pairwise(places)
        return all(self.text[end:begin].strip() == "" for (_, end), (begin, _) in gaps) and not any(
            self.text[begin:end].isupper() for begin, end in places
        )


class Fault(NamedTuple):
    """A wrong sentence, and the words in a row that make it wrong."""

    text: str
    row: Sequence[str]


class Kind(NamedTuple):
    """A kind of fault.

    before, after: words on both sides of a place that make a row with it. faults: those of a
    sentence at a place, whose row is given.
    """

    name: str
    before: int
    after: int
    faults: Callable[[Sentence, int, Sequence[str], WordCounts], Iterator[Fault]]

    def rows(self, sentence: Sentence, counts: WordCounts) -> Iterator[tuple[int, Sequence[str]]]:
        """The places where a fault may be, in an order by hash, and their rows.

        Not the first word, whose capital says nothing. The words of a row are known.
        """
        places = range(max(1, self.before), len(sentence.words) - self.after)
        for n in sorted(places, key=lambda n: named_seed(0, sentence.text, n)):
            row = sentence.words[n - self.before : n + self.after + 1]
            is_word = len(row) == 1 and has_inside(row[0])
            is_known = is_word or (len(row) > 1 and counts.knows(*row))
            if is_known and sentence.is_plain(n - self.before, n + self.after):
                yield n, row


class Check(NamedTuple):
    """How good pairs of a kind are, by the text that was not counted.

    made: faults, and found: those of them that stand in that text. right, right_found: the same of
    what stands in held-out sentences and not in what was counted.
    """

    made: int
    found: int
    right: int
    right_found: int

    @property
    def precision(self) -> float | None:
        """The share of pairs whose wrong sentence is wrong, at least; None if too little checks it.

        If all wrong sentences were right ones, they would be found as often as right ones are. So
        the ratio of both shares is that of right text among the faults, and this is one less the
        upper end of its 95 % interval: MOVER-R (Newcombe 2016, MOVER-R confidence intervals for
        ratios and products of two independently estimated quantities, equation 4), with Wilson's
        intervals of both shares.
        """
        if self.right_found < ENOUGH or not self.made:
            return None
        faults = self.found / self.made
        right = self.right_found / self.right
        high = wilson(faults, self.made)[1]
        low = wilson(right, self.right)[0]
        product = faults * right
        lower = low * (2 * right - low)
        root = math.sqrt(max(0.0, product**2 - high * (2 * faults - high) * lower))
        least = 1 - (product + root) / lower
        if least <= 0:  # It may be all right text: found to be so, or too little is known.
            return 0.0 if faults >= right else None
        return least


class Training(NamedTuple):
    """What is counted of training text: most of its sentences, and those that check the pairs."""

    counted: WordCounts
    checking: WordCounts


class Made(NamedTuple):
    """Pairs, the right sentence first, with their kinds as groups; and the check of each kind."""

    pairs: list[Item]
    checks: dict[str, Check]

    def write(self, path: Path) -> None:
        """Write the pairs as JSON lines."""
        records = [
            {"good": good, "bad": bad, "group": each.group}
            for each in self.pairs
            for good, bad in [each.options]
        ]
        write_jsonl(path, records)


def make_minimal_pairs(train: Iterable[str], held_out: Iterable[str], *, most: int = MOST) -> Made:
    """At most so many pairs of each kind, from sentences of held-out texts, in an order by hash.

    train: training text, about READ_BYTES of it. There are fewer pairs, or none, where the texts
    are short, or too small to speak against a fault.
    """
    sentences = [sentence for text in train for sentence in sentences_of(text)]
    spans = words_in(sentences)
    checking = sentences[CHECKED - 1 :: CHECKED]
    counted = [text for n, text in enumerate(sentences) if (n + 1) % CHECKED]
    is_pieces = not have_blanks(sentences)
    training = Training(
        *(_counts(part, spans, is_pieces=is_pieces) for part in (counted, checking))
    )
    unique = {sentence for text in held_out for sentence in sentences_of(text)} - set(sentences)
    whole = whole_sentences(unique, like=sentences)
    fitting = [each for text in whole if len((each := Sentence.of(text, spans)).words) in WORDS]
    found = [_of_kind(kind, fitting, training, most) for kind in KINDS]
    checks = {kind.name: check for kind, (_, check) in zip(KINDS, found, strict=True)}
    return Made([item for items, _ in found for item in items], checks)


def _counts(sentences: Sequence[str], spans: Spans, *, is_pieces: bool) -> WordCounts:
    """The counts of sentences. is_pieces: whether words are pieces of them."""
    whole = "\n".join(sentences).lower() if is_pieces else ""
    return WordCounts.of((Sentence.of(text, spans).words for text in sentences), whole)


def _of_kind(
    kind: Kind, sentences: Iterable[Sentence], training: Training, most: int
) -> tuple[list[Item], Check]:
    """Pairs of one kind, at most one of each sentence."""
    (counted, checking), items = training, list[Item]()
    made = found = right = right_found = 0
    for sentence in sorted(sentences, key=lambda each: named_seed(0, kind.name, each.text)):
        if len(items) == most:
            break
        rows = list(kind.rows(sentence, counted))
        unseen = [row for _, row in rows if not counted.has_seen(row)]
        right += len(unseen)
        right_found += sum(map(checking.has_seen, unseen))
        faults = (
            (fault, row)
            for n, row in rows
            for fault in kind.faults(sentence, n, row, counted)
            if not counted.has_seen(fault.row, but=row)
        )
        if found_one := next(faults, None):
            fault, row = found_one
            made += 1
            if checking.has_seen(fault.row, but=row):
                found += 1
            else:
                items.append(Item("", (sentence.text, fault.text), 0, kind.name))
    return items, Check(made, found, right, right_found)


def exchanged(
    sentence: Sentence, n: int, row: Sequence[str], counts: WordCounts
) -> Iterator[Fault]:
    """Two neighbouring words in each other's place."""
    before, one, other, after = row
    wrong = (before, other, one, after)
    if one != other and counts.likes(*row) - counts.likes(*wrong) >= LEAST:
        yield Fault(sentence.with_exchanged(n), wrong)


def other_forms(
    sentence: Sentence, n: int, row: Sequence[str], counts: WordCounts
) -> Iterator[Fault]:
    """Another word with the same beginning, which is not much rarer: mostly another case, person,
    number or gender."""
    before, word, after = row
    likes = counts.likes(*row)
    for other in counts.beginning_as(word):
        wrong = (before, other, after)
        is_frequent = 2 * counts.words[other] >= counts.words[word]
        if is_frequent and are_forms(word, other) and likes - counts.likes(*wrong) >= LEAST:
            yield Fault(sentence.with_word(n, other), wrong)


def are_forms(word: str, other: str) -> bool:
    """Whether two words may be forms of one, by their beginning."""
    one = LETTER.findall(word)
    two = LETTER.findall(other)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    return word != other and same >= max(STEM, SHARED * max(len(one), len(two)))


def made_up(sentence: Sentence, n: int, row: Sequence[str], counts: WordCounts) -> Iterator[Fault]:
    """A word with another letter inside, which is no word of the text."""
    if (other := counts.near_word(row[0])) is not None:
        yield Fault(sentence.with_word(n, other), (other,))


KINDS = (
    Kind("word order", before=1, after=2, faults=exchanged),
    Kind("other form", before=1, after=1, faults=other_forms),
    Kind("made-up word", before=0, after=0, faults=made_up),
)
