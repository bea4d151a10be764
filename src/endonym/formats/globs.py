"""Globs: patterns for the paths of files."""

import os
import re
from collections.abc import Sequence
from fnmatch import translate
from pathlib import Path


class Glob:
    """A glob that is matched against a path name by name; `**` stands for any number of names.

    It is a finite automaton, so that no glob takes long. A state is the number of parts that were
    matched so far; a path can be in several states at once.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = [None if part == "**" else re.compile(translate(part)) for part in parts]
        self.start = self.with_stars({0})
        self.shows_hidden = any(part.startswith(".") for part in parts)

    def after(self, states: frozenset[int], name: str) -> frozenset[int]:
        """The states after this name; in state `len(parts)` the whole glob was matched."""
        following = set[int]()
        for number in states - {len(self.parts)}:
            part = self.parts[number]
            if part is None:
                following.add(number)
            elif part.match(name):
                following.add(number + 1)
        return self.with_stars(following)

    def matches(self, path: str) -> bool:
        """Whether the whole glob matches a path with forward slashes."""
        states = self.start
        for name in path.split("/"):
            states = self.after(states, name)
        return len(self.parts) in states

    def with_stars(self, states: set[int]) -> frozenset[int]:
        """These states, and those behind a `**`, which may stand for no name at all."""
        for number in sorted(states):
            while number < len(self.parts) and self.parts[number] is None:
                number += 1
                states.add(number)
        return frozenset(states)

    def entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """The entries of a folder that it may match, sorted by name from last to first."""
        with os.scandir(folder) as found:
            shown = [each for each in found if self.shows_hidden or not each.name.startswith(".")]
        return sorted(shown, key=lambda entry: entry.name, reverse=True)
