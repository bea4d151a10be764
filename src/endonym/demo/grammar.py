"""French fables: any number of short stories, by the grammar in `fables_fr`."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from endonym.synthesis.grammar import Grammar


@cache
def grammar() -> Grammar:
    """The grammar of the fables; cached, since it never changes."""
    return Grammar.load(Path(__file__).with_name("fables_fr"))


def fable(index: int, seed: int = 0) -> str:
    """The fable of an index: a title line, then paragraphs on one line each."""
    return grammar().text(index, seed)


def fables(count: int, seed: int = 0) -> Iterator[str]:
    """Yield the first `count` fables of a seed."""
    return (fable(index, seed) for index in range(count))
