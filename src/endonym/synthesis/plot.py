"""A plot that is ready to be written, and what writes its texts."""

import random
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from endonym.synthesis.patterns import Pattern
from endonym.synthesis.templates import Choice, Mention, Template
from endonym.synthesis.words import Slot, Word

LOOK_BACK = 16
"""Characters before a slot that may say that a sentence begins."""
Lines = tuple[tuple[str, ...], tuple[Template, ...]]
"""Blocks that are drawn, and the lines that are filled then."""
SPACES = re.compile("  +")


@dataclass(frozen=True, slots=True)
class Group:
    """Slots of the cast that depend on each other. allowed: which combinations; all if None."""

    slots: tuple[Slot, ...]
    allowed: "array[int] | None"

    @property
    def size(self) -> int:
        """How many combinations there are."""
        if self.allowed is not None:
            return len(self.allowed)
        return prod(len(slot.entries) for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot, ready to be written."""

    name: str
    slots: tuple[Slot, ...]
    groups: tuple[Group, ...]
    drawn: tuple[Slot, ...]
    blocks: Mapping[str, tuple[Template, ...]]
    lines: tuple[Lines, ...]
    replace: tuple[tuple[Pattern, str], ...]
    sentence_start: Pattern
    capitals: Mapping[str, str]

    @property
    def casts(self) -> int:
        """How many casts it has."""
        return prod(group.size for group in self.groups)

    def cast(self, number: int) -> dict[str, Word]:
        """The words of a cast by their slots."""
        entries: dict[str, int] = {}
        for group in reversed(self.groups):
            number, row = divmod(number, group.size)
            row = row if group.allowed is None else group.allowed[row]
            for slot in reversed(group.slots):
                row, entries[slot.name] = divmod(row, len(slot.entries))
        chosen: dict[str, Word] = {}
        for slot in self.slots:
            chosen[slot.name] = slot.word(slot.entries[entries[slot.name]], chosen)
        return chosen


class Writer:
    """One text on its way: what was drawn for it, and the chance that draws the rest."""

    def __init__(self, plot: Plot, cast: dict[str, Word], chance: random.Random) -> None:
        self.plot = plot
        self.chosen = cast
        self.chance = chance
        self.fixed: dict[str, Template] = {}
        for slot in plot.drawn:
            entries = slot.entries
            if slot.links:
                entries = [each for each in entries if slot.allows(each, cast)]
            cast[slot.name] = slot.word(chance.choice(entries), cast)

    def lines(self) -> list[str]:
        """The finished lines."""
        finished = list[str]()
        for draw, templates in self.plot.lines:
            for name in draw:
                self.fixed[name] = self.chance.choice(self.plot.blocks[name])
            for template in templates:
                line = SPACES.sub(" ", self._filled(template, ""))
                for pattern, by in self.plot.replace:
                    line = pattern.replaced(by, line)
                finished.append(line.strip(" "))
        return finished

    def _filled(self, template: Template, before: str) -> str:
        """The text before, and behind it the template with its slots, blocks and alternatives."""
        for node in template:
            if isinstance(node, str):
                before += node
            elif isinstance(node, Choice):
                before = self._filled(self.chance.choice(node.options), before)
            else:
                before = self._mentioned(node, before)
        return before

    def _mentioned(self, mention: Mention, before: str) -> str:
        """A slot's words or a block, with a capital where they begin a sentence.

        The grammar says how it is written, or else Unicode.
        """
        start = len(before)
        name = mention.name
        if name in self.plot.blocks:
            block = self.fixed.get(name) or self.chance.choice(self.plot.blocks[name])
            after = self._filled(block, before)
        elif mention.parts:
            after = before + mention.parts[self.chosen[name].number or 0]
        else:
            after = before + self.chosen[name].forms[mention.key]
        if not self.plot.sentence_start.is_in(before, max(0, start - LOOK_BACK)):
            return after
        capitals = self.plot.capitals
        matching = (each for each in capitals if after.startswith(each, start))
        first = max(matching, key=len, default=after[start : start + 1])
        return before + capitals.get(first, first.title()) + after[start + len(first) :]
