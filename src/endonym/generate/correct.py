"""The words that were meant by typed keys, under a model with the tokens of a keyboard.

A beam over tokens goes on from the text and the keys, in the form that the model has learnt
(data/typed_words.py). A word ends with a token that ends in a blank, or with `<XEC>`, as in FUTO
Keyboard; the probabilities of several rows of tokens that write one word are added. What is no word
is not given.
"""

import math
from collections import defaultdict

from endonym.data.typed_words import Keyboard
from endonym.errors import TokenizerError
from endonym.generate.sample import likeliest
from endonym.generate.suggest import WORD, Prefix, Row, Suggestion, best_words, promising
from endonym.lexicon.typing_errors import typed_keys
from endonym.model.foreign.decoder import AnyDecoder
from endonym.tokenizer.tokenizer import Tokenizer

BEAM = 3
"""As FUTO Keyboard has it."""
MOST_TOKENS = 16
"""Of a word; one that is longer is not found."""


class Corrector:
    """Finds the words that are meant by typed keys. It keeps the cache of the text before them.

    Raises RecipeError for a tokenizer without the tokens of a keyboard.
    """

    def __init__(self, decoder: AnyDecoder, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.keyboard = Keyboard(tokenizer)
        self.prefix = Prefix(decoder)

    def correct(self, text: str, typed: str, count: int = 3) -> list[Suggestion]:
        """The likeliest words that may be meant, the likeliest first.

        text: what stands before, with the blank behind its last word. typed: the word as it was
        typed; its accents and its capitals are not looked at. Raises TokenizerError if it has a
        letter for which no key from A to Z is typed.
        """
        if count < 1:
            return []
        keys = typed_keys(typed)
        if keys is None:
            raise TokenizerError(
                f"the keys of {typed!r} are not all from A to Z",
                where="correct",
                do="Give a word in Latin letters, without digits and signs.",
            )
        before = self.tokenizer.begun_ids(text)
        self.prefix.read([*before, *self.keyboard.question(keys)])
        found = defaultdict[str, float](float)
        rows = [Row((), 0.0, b"", b"")]
        for _ in range(MOST_TOKENS):
            longer = list[Row]()
            logs_BV = self.prefix.after([row.ids for row in rows])
            for row, log_V in zip(rows, logs_BV, strict=True):
                for index, nats in likeliest(log_V, BEAM):
                    written = row.followed_by(index, b"", nats)
                    word = self.tokenizer.decode(written.ids)
                    if index == self.keyboard.corrected_id or word.endswith(" "):
                        word = word.removesuffix(" ")
                        if WORD.fullmatch(word):
                            found[word] += math.exp(written.nats)
                    else:
                        longer.append(written)
            if not (rows := promising(longer, found, count, BEAM)):
                break
        return [Suggestion(word, f"{word} ", found[word]) for word in best_words(found, count)]
