"""How probable it is that a text is in the language of the corpus.

Three opinions are added as log-odds: the character model's, pycld2's, and, where these two do not
agree or say little, py3langid's. A library that does not know the language has no say, unless it is
certain of a language of another script. The model is learnt from the corpus itself
(`language/sample.py`); without one the libraries decide alone.
"""

import math
from collections.abc import Sequence

import numpy as np

from endonym.text.language.model import CharacterModel
from endonym.text.language.votes import NONE, Vote, cld2_vote, known_codes, langid_vote

MOST_LETTERS = 100
"""Letters beyond which evidence does not add up: a text of another kind is unlikely all along."""
MOST_ODDS = 6.0
"""The largest log-odds of one opinion."""
ENOUGH_ODDS = 4.0
"""From so much on, one more opinion would change nothing."""
LEAST_LETTERS = 10
"""Shorter texts say nothing."""


class Identifier:
    """Tells texts in one language from others. language: its code."""

    def __init__(self, language: str, model: CharacterModel | None = None) -> None:
        self.language = language.partition("-")[0]
        self.model = model if model is not None and self.language in model.codes else None

    def score(self, text: str) -> float:
        """The probability, from 0 to 1, that a text is in the language; 0.5 if nothing tells."""
        return float(1 / (1 + math.exp(-self.odds([text])[0])))

    def odds(self, texts: Sequence[str]) -> list[float]:
        """The log-odds of each text being in the language."""
        own = self.own_odds(texts)
        return [self._with_votes(text, first) for text, first in zip(texts, own, strict=True)]

    def own_odds(self, texts: Sequence[str]) -> list[float]:
        """The character model's log-odds; 0 without a model."""
        if self.model is None:
            return [0.0] * len(texts)
        found, letters = self.model.likelihoods(texts)
        place = self.model.codes.index(self.language)
        others = np.delete(found, place, axis=1)
        most = others.max(axis=1)
        odds = found[:, place] - most
        odds *= np.minimum(1, MOST_LETTERS / np.maximum(1, letters))
        odds[letters < LEAST_LETTERS] = 0
        return [float(each) for each in np.clip(odds, -MOST_ODDS, MOST_ODDS)]

    def _with_votes(self, text: str, own: float) -> float:
        """The log-odds with the libraries' votes, as far as these are needed."""
        if sum(map(str.isalpha, text[:200])) < LEAST_LETTERS:
            return 0.0
        odds = own + self._odds_of(cld2_vote(text), "pycld2")
        if abs(odds) < ENOUGH_ODDS:
            odds += self._odds_of(langid_vote(text), "py3langid")
        return odds

    def _odds_of(self, vote: Vote, library: str) -> float:
        """What a vote says about the language."""
        if vote == NONE or self.language not in known_codes()[library]:
            return 0.0
        p = min(max(vote.probability, 0.02), 0.98)
        odds = math.log(p / (1 - p))
        return odds if vote.code == self.language else -abs(odds)
