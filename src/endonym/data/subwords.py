"""Subword dropout: in half of the rows some tokens are read as the two tokens they are made of.

A model that reads a small text many times then sees it in other pieces each time, and learns what
words are made of. This is BPE-dropout (Provilkov et al., arXiv:1910.13267) with two deviations.
Finished tokens are split, where BPE-dropout leaves merges out: that works with every tokenizer and
takes little time. And half of the rows stay whole, as texts are in use.
"""

from dataclasses import dataclass

import numpy as np

from endonym.data.order import Integers, Rows, uniform
from endonym.seed import named_seed
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer

SPLIT_SHARE = 0.5
"""Of the rows."""
WHOLE = -1


@dataclass(frozen=True, slots=True)
class Subwords:
    """The two tokens that each token is made of.

    left_V, right_V: their ids; WHOLE for a token that stays as it is: of one character, or special.
    chance: for each token of a row that is split.
    """

    left_V: Integers
    right_V: Integers
    chance: float
    seed: int

    @classmethod
    def of(cls, tokenizer: Tokenizer, chance: float, seed: int) -> "Subwords":
        """Those of a tokenizer.

        Tokens with low ids are frequent: of several places to cut a token in two, that one is taken
        where the higher id is lowest. No character is cut. A byte token that says the same as
        another token stands in no text, and is no part.
        """
        pieces = [tokenizer.bytes_of(index) for index in range(tokenizer.vocab)]
        ids: dict[bytes, int] = {}
        for index, piece in enumerate(pieces):
            is_byte = BYTE_TOKEN.fullmatch(tokenizer.name_of(index) or "")
            if piece and not (is_byte and piece in ids):
                ids[piece] = index
        left_V = np.full(len(pieces), WHOLE, dtype=np.int64)
        right_V = left_V.copy()
        for index, piece in enumerate(pieces):
            cuts = [
                (max(ids[piece[:at]], ids[piece[at:]]), at)
                for at in range(1, len(piece))
                if piece[at] & 0xC0 != 0x80 and piece[:at] in ids and piece[at:] in ids
            ]
            if cuts:
                at = min(cuts)[1]
                left_V[index], right_V[index] = ids[piece[:at]], ids[piece[at:]]
        return cls(left_V, right_V, chance, seed)

    def split(self, rows: Rows, first: int) -> Rows:
        """Rows with some tokens split. first: the number of the first one.

        A row is as long as before; what no longer fits is left out. It has no `places_BT`: halves
        of tokens are stored nowhere.
        """
        parts = [
            self._split_row(first + number, *row)
            for number, row in enumerate(
                zip(rows.tokens_BT, rows.targets_BT, rows.documents_BT, strict=True)
            )
        ]
        return Rows(*(np.stack(part) for part in zip(*parts, strict=True)))

    def _split_row(
        self, number: int, tokens_T: Integers, targets_T: Integers, documents_T: Integers
    ) -> tuple[Integers, Integers, Integers]:
        """One row: its targets are split, and its inputs follow from them."""
        seed = named_seed(self.seed, "subwords", number)
        if uniform(1, seed)[0] >= SPLIT_SHARE:
            return tokens_T, targets_T, documents_T
        size = len(targets_T)
        split, origins = self._split(targets_T, seed)
        split = split[:size]
        origins = origins[:size]
        before = np.concatenate((tokens_T[:1], split[:-1]))
        # An input that is not the target before it is the start of a document.
        is_first = np.diff(origins, prepend=0) > 0
        is_start = np.concatenate(([False], tokens_T[1:] != targets_T[:-1]))
        inputs = np.where(is_first & is_start[origins], tokens_T[origins], before)
        return inputs, split, documents_T[origins]

    def _split(self, ids: Integers, seed: int) -> tuple[Integers, Integers]:
        """Ids with some of them split, their parts too; and for each which one it was."""
        origins = np.arange(len(ids))
        is_new = np.ones(len(ids), dtype=np.bool_)
        level = 0
        while True:
            level += 1
            draws = uniform(len(ids), named_seed(seed, "level", level))
            is_split = is_new & (self.left_V[ids] != WHOLE) & (draws < self.chance)
            if not is_split.any():
                return ids, origins
            places = np.arange(len(ids)) + np.cumsum(is_split) - is_split
            halves = places[is_split]
            origins = np.repeat(origins, 1 + is_split)
            parts = np.empty(len(origins), dtype=np.int64)
            parts[places] = np.where(is_split, self.left_V[ids], ids)
            parts[halves + 1] = self.right_V[ids[is_split]]
            is_new = np.zeros(len(parts), dtype=np.bool_)
            is_new[halves] = is_new[halves + 1] = True
            ids = parts
