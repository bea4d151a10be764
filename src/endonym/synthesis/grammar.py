"""Grammars with slots: any number of texts, each a pure function of grammar, index and seed.

A cast is what the slots of [cast] hold, in one plot. Index and seed choose it by counting rather
than by chance, so no two indices share a cast before all casts of a plot were used. All that can
be wrong with a grammar is refused when it is loaded.
"""

import random
from dataclasses import dataclass
from functools import cache
from itertools import count as count_from
from math import gcd
from pathlib import Path

from endonym.synthesis.building import PLOT, Builder
from endonym.synthesis.grammar_file import read_plots
from endonym.synthesis.plot import Plot, Writer


@dataclass(frozen=True)
class Grammar:
    """A grammar whose every slot, block and form was found."""

    plots: tuple[Plot, ...]

    @classmethod
    def load(cls, path: Path) -> "Grammar":
        """Read a grammar: a .toml file, or a folder of them with a folder `plots` inside.

        Raises RecipeError for all that is wrong with it.
        """
        return cls(tuple(Builder(tables).plot() for tables in read_plots(path)))

    @property
    def casts(self) -> int:
        """How many indices from 0 have different casts, whatever the seed."""
        return len(self.plots) * min(plot.casts for plot in self.plots)

    def text(self, index: int, seed: int = 0) -> str:
        """The text of an index. It has no blank lines, which separate documents."""
        writer = self._writer(index, seed)
        return "\n".join(filter(None, writer.lines()))

    def slots(self, index: int, seed: int = 0) -> dict[str, str]:
        """The words of this text's slots, and its plot if there are several."""
        writer = self._writer(index, seed)
        named = {PLOT: writer.plot.name} if writer.plot.name else {}
        return named | {name: word.text for name, word in writer.chosen.items()}

    def _writer(self, index: int, seed: int) -> Writer:
        """What writes the text of an index; each block of indices uses every plot once."""
        if index < 0:
            raise ValueError(f"the index of a text is 0 or more, not {index}")
        block, rank = divmod(index, len(self.plots))
        order = list(range(len(self.plots)))
        random.Random(f"{seed}/order/{block}").shuffle(order)
        plot = self.plots[order[rank]]
        start = random.Random(f"{seed}/start/{order[rank]}").randrange(plot.casts)
        cast = plot.cast((start + block * _stride(plot.casts)) % plot.casts)
        return Writer(plot, cast, random.Random(f"{seed}/{index}"))


@cache
def _stride(count: int) -> int:
    """A step near the golden section, which visits all of `count`, far apart at each step."""
    golden = (2 * count * 6_180_339_887 + 10**10) // (2 * 10**10)
    return next(n for n in count_from(golden) if gcd(n, count) == 1)
