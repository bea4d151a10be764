"""How probable it is that a text, or each line of one, is in the language of the corpus.

Three opinions are added as log-odds: the character model's, pycld2's, and, where these two do not
agree or say little, py3langid's. A library that does not know the language has no say. Nor has
py3langid, if a text is not short and pycld2 names a language that py3langid does not know. The
model is learnt from the corpus itself (`language/sample.py`); without one the libraries decide
alone.
"""

import math
from collections.abc import Sequence

import numpy as np
import regex

from endonym.cleaning.language.sample import Learnt
from endonym.cleaning.language.votes import NONE, Vote, cld2_vote, excerpt, known_codes, langid_vote

MOST_LETTERS = 100
"""Letters beyond which evidence does not add up: a text of another kind is unlikely all along."""
MOST_ODDS = 6.0
"""The largest log-odds of one opinion."""
MOST_UNKNOWN = 4.0
MOST_UNTOLD = 2.0
"""The largest log-odds against languages of which the model has no texts: with texts to contrast
with, which are the language's neighbours, and without, when a neighbour may be among them."""
ALIEN = 60.0
"""Nats below the background from which on a text is in no language like this one: its letters, or
their order, are of a legacy font or of another alphabet. Not one of 3,000 sentences lies there."""
LEAST_OTHERS = 0.05
MOST_OTHERS = 0.27
"""Bounds of the share of other languages that a corpus is taken to have, and the most if no model
was learnt. A text of which nothing tells the language is in another one with this probability."""
FOR_EACH_FOUND = 3.0
"""Texts in other languages for each that was found in the sample. The libraries find few that are
short or in a neighbour's language, and the sample has only whole paragraphs. With 1, a model of
Bashkir took 28 % of Tatar lines of 20 characters for Bashkir, not 12 %; a corpus in which nearly
nothing was found loses no more of its own lines either way."""
ENOUGH_ODDS = 4.0
"""From so much on, one more opinion would change nothing."""
LEAST_LETTERS = 10
WHOLE_VOTE = 30
"""Letters below which a text says nothing, and below which a library's vote counts for less."""
LEAST_KNOWN = 0.5
"""Share of the letters of a short text that the language's texts must have."""
SURE = 0.8
LEAST_WEIGHT = 0.5
"""Probability and weight from which on a vote for a language that was not learnt outweighs the
model."""
SWITCH_ODDS = 2.5
HEADING_CHARS = 100
"""Of a line in capitals that is no longer, nothing tells that it is in another language."""
LETTER = regex.compile(r"[\p{L}\p{M}]")


class Identifier:
    """Tells texts in one language from others. language: its code."""

    def __init__(self, language: str, learnt: Learnt | None = None) -> None:
        self.language = language.partition("-")[0]
        self.learnt = learnt
        others = MOST_OTHERS if learnt is None else FOR_EACH_FOUND * learnt.others
        self.prior = math.log(1 / min(max(others, LEAST_OTHERS), MOST_OTHERS) - 1)
        self.prepared: dict[str, float] = {}

    def score(self, text: str) -> float:
        """The probability, from 0 to 1, that a text is in the language; of a long one, of parts."""
        return float(1 / (1 + math.exp(-self.odds([excerpt(text)])[0])))

    def prepare(self, texts: Sequence[str]) -> None:
        """Ask the model about texts that will be judged one by one: that is faster at once."""
        parts = [*map(excerpt, texts)]
        self.prepared = dict(zip(parts, self.own_odds(parts), strict=True))

    def odds(self, texts: Sequence[str]) -> list[float]:
        """The log-odds of each text being in the language."""
        own = self.own_odds(texts)
        return [self._with_votes(text, first) for text, first in zip(texts, own, strict=True)]

    def own_odds(self, texts: Sequence[str]) -> list[float]:
        """The character model's log-odds; 0 without a model."""
        if self.learnt is None:
            return [0.0] * len(texts)
        if len(texts) == 1 and texts[0] in self.prepared:
            return [self.prepared[texts[0]]]
        model = self.learnt.model
        place = self.learnt.model.codes.index(self.language)
        # A row for each text: a column for each language that was learnt, then the background.
        likely, letters = model.likelihoods(texts)
        likely[:, -1] += self.learnt.least * letters
        own = likely[:, place]
        best_other = np.delete(likely[:, :-1], place, axis=1).max(axis=1, initial=-np.inf)
        scale = np.minimum(1, MOST_LETTERS / np.maximum(1, letters))
        against_known = np.clip(scale * (own - best_other), -MOST_ODDS, MOST_ODDS)
        most = MOST_UNKNOWN if self.learnt.knows_neighbours else MOST_UNTOLD
        above = scale * (own - likely[:, -1])
        against_unknown = np.clip(above, np.where(above < -ALIEN, -MOST_ODDS, -most), most)
        odds = np.minimum(against_known, against_unknown)
        # Texts too short for words to tell: against the language where the letters are foreign.
        short = np.flatnonzero(letters < LEAST_LETTERS)
        some = [texts[number] for number in short.tolist()]
        has_letters = np.array([LETTER.search(text) is not None for text in some], dtype=np.bool_)
        is_foreign = has_letters & (model.known_letters(some, place) < LEAST_KNOWN)
        odds[short] = np.where(is_foreign, -MOST_ODDS, 0.0)
        return odds.tolist()

    def _with_votes(self, text: str, own: float) -> float:
        """The log-odds with the libraries' votes, as far as these are needed."""
        letters = len(LETTER.findall(text[: 4 * WHOLE_VOTE]))
        if letters < LEAST_LETTERS:
            return self.prior + min(0.0, own)
        weight = min(1.0, letters / WHOLE_VOTE)
        vote = cld2_vote(text)
        if own > 0 and weight >= LEAST_WEIGHT and self._names_unlearnt(text, vote):
            own = 0.0
        odds = self.prior + own + weight * self._odds_of(vote, "pycld2")
        is_told = not vote.code or vote.code in known_codes()["py3langid"]
        if abs(odds) < ENOUGH_ODDS and (is_told or weight < 1):
            odds += weight * self._odds_of(langid_vote(text), "py3langid")
        return odds

    def _names_unlearnt(self, text: str, vote: Vote) -> bool:
        """Whether neither library names the language, though both know it, and pycld2 is sure of
        one that the model has no texts of: the model can only say that the text is like its own.

        Not asked if there are texts of neighbours: other languages are less like it than those."""
        return (
            self.learnt is not None
            and not self.learnt.knows_neighbours
            and vote.probability >= SURE
            and vote.code not in self.learnt.model.codes
            and all(self.language in codes for codes in known_codes().values())
            and langid_vote(text).code != self.language
        )

    def _odds_of(self, vote: Vote, library: str) -> float:
        """What a vote says about the language."""
        if vote == NONE or self.language not in known_codes()[library]:
            return 0.0
        p = min(max(vote.probability, 0.02), 0.98)
        odds = math.log(p / (1 - p))
        return odds if vote.code == self.language else -abs(odds)


def other_language(lines: Sequence[str], identifier: Identifier) -> list[bool]:
    """For each line of a document, whether it is in another language.

    Blank lines go with the line before. Each has its log-odds of being in the language; a change of
    language between two lines costs SWITCH_ODDS. The likeliest sequence is chosen (Viterbi), so
    that a short line, which says little, goes with its neighbours, and so does a heading in
    capitals, which often lacks its accents. Taking the others out changes nothing about those that
    stay.
    """
    odds = identifier.odds(lines)
    for place, line in enumerate(lines):
        if len(line) <= HEADING_CHARS and line.isupper():
            odds[place] = max(0.0, odds[place])
    return likeliest(odds)


def likeliest(odds: Sequence[float]) -> list[bool]:
    """Whether each is in state 1 and not 0, in the likeliest sequence of states (Viterbi).

    odds: log-odds of each being in state 0.
    """
    best = [0.0, 0.0]  # of all sequences up to here that end in state 0, and in state 1
    befores: list[tuple[int, int]] = []  # the state before, if this one is 0, and if it is 1
    for odd in odds:
        before_0 = int(best[0] < best[1] - SWITCH_ODDS)
        before_1 = int(best[1] > best[0] - SWITCH_ODDS)
        befores.append((before_0, before_1))
        best = [
            best[before_0] - SWITCH_ODDS * (before_0 != 0) + odd / 2,
            best[before_1] - SWITCH_ODDS * (before_1 != 1) - odd / 2,
        ]
    states = [best[1] > best[0]]  # from the last one back to the one before the first
    for before in reversed(befores):
        states.append(bool(before[states[-1]]))
    return states[-2::-1]
