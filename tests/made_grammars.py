"""A stand-in for a grammar, importable in workers; and one that is made of the demo's fables."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from endonym.demo.grammar import fable

TEXTS = Path(__file__).parent / "texts"


@cache
def sentences() -> list[str]:
    """Sentences in Tatar, Romanian and French."""
    paths = [TEXTS / f"{name}.txt" for name in ("tatar", "romanian", "french")]
    return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Sentences:
    """Two sentences and a number, by index and seed."""

    head: str
    casts: int = 1_000

    def text(self, index: int, seed: int = 0) -> str:
        """A text."""
        first, second = (sentences()[each % len(sentences())] for each in (index, index + seed))
        return f"{self.head} {index}\n{first}\n{second}"

    def slots(self, index: int, seed: int) -> dict[str, str]:
        """What stands in the slots of a text."""
        return {"сан": str(index), "орлык": str(seed)}


def load(path: Path) -> Sentences:
    """The grammar in a file, whose first line begins each text."""
    return Sentences(path.read_text(encoding="utf-8").splitlines()[0])


class Fables:
    """The demo's fables."""

    casts = 1_000_000

    def text(self, index: int, seed: int = 0) -> str:
        """A text."""
        return fable(index, seed)

    def slots(self, index: int, seed: int) -> dict[str, str]:
        """None are known."""
        return {}


def load_fables(path: Path) -> Fables:
    """The demo's grammar."""
    return Fables()
