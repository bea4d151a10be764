"""What is wrong with a recipe, and how it is told: where, what, and what to do.

    recipes/tatar.toml:31: model.mixer.head is not a key of attention.
        mixer.head = 8
              ^^^^
    Did you mean `heads`?  All keys: endonym explain model.mixer

All problems of a recipe are told at once, in the order of its lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from endonym.errors import EndonymError, RecipeError
from endonym.recipe.diagnostics.text import KeyPath, Mark, draw, line_number, normal, scan


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recipe came from: its file as given, the variant, and what was laid over it."""

    path: Path = Path("recipe.toml")
    text: str = ""
    variant: str | None = None
    sets: tuple[str, ...] = ()
    labels: Mapping[KeyPath, str] = field(default_factory=dict[KeyPath, str])
    """What people wrote outside the file, such as `--set model.layers=2`, by the key it reaches."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `at_value` puts the carets under the value, not the key."""

    path: KeyPath
    message: str
    do: str = ""
    at_value: bool = False
    where: str = ""
    """Said instead of a line, when the problem stands in no file."""
    about: tuple[KeyPath, ...] = ()
    """Other keys that play a part."""


@dataclass(frozen=True, slots=True)
class Block:
    """A problem with its place."""

    line: int
    where: str
    message: str
    do: str


class Places:
    """The lines of a recipe, found by the path of a key as the parsed recipe has it."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.text = normal(origin.text)
        self.marks = scan(self.text)

    def block(self, problem: Problem) -> Block:
        """The problem with its line, or with the words of the command that caused it."""
        label = self._label(problem.path)
        if problem.where or label:
            return Block(len(self.text), problem.where or label, problem.message, problem.do)
        path, mark = self._mark(problem.path)
        exact = path == self._written(problem.path)
        file = str(self.origin.path)
        words = self._labels_of(problem)
        if words and not exact:
            return Block(len(self.text), words, problem.message, problem.do)
        beneath = f", with {words}" if words else ""
        if mark is None:
            return Block(1, f"{file}:1{beneath}", problem.message, problem.do)
        at_value = problem.at_value and exact
        start = mark.value_start if at_value else mark.start
        end = mark.value_end if at_value else mark.end
        line = line_number(self.text, start)
        message = f"{problem.message}\n{draw(self.text, start, end)}"
        return Block(line, f"{file}:{line}{beneath}", message, problem.do)

    def _written(self, path: KeyPath) -> KeyPath:
        """The path as the file has it: a variant's tables stand under its name."""
        variant = self.origin.variant
        replaced = ("variant", variant or "", *path[:1])
        return ("variant", variant or "", *path) if replaced in self.marks and path else path

    def _mark(self, path: KeyPath) -> tuple[KeyPath, Mark | None]:
        """The place of the key, or of the nearest thing above it that is written."""
        written = self._written(path)
        while written and written not in self.marks:
            written = written[:-1]
        return written, self.marks.get(written)

    def _label(self, path: KeyPath) -> str:
        """The words outside the file that gave this key its value."""
        labels = self.origin.labels
        ways = [path[:length] for length in range(len(path), 0, -1) if path[:length] in labels]
        return labels[ways[0]] if ways else ""

    def _labels_of(self, problem: Problem) -> str:
        """The words outside the file that changed something in this table, or in a related key."""
        parts = [path for path in (problem.path, *problem.about) if path]
        labels = self.origin.labels.items()
        changed = [label for key, label in labels if any(key[: len(p)] == p for p in parts)]
        return " ".join(changed)


def refuse(
    found: Sequence[tuple[Iterable[Problem], Origin]], error: type[EndonymError] = RecipeError
) -> None:
    """Raise one error that tells every problem of one or more readings of a recipe, each once.

    What only a later reading meets is told with its variant.
    """
    blocks: list[Block] = []
    seen: set[Block] = set()
    for problems, origin in found:
        told = list(dict.fromkeys(problems))
        places = Places(origin) if told else None
        new = [block for each in told if places and (block := places.block(each)) not in seen]
        seen.update(new)
        among = f", in variant {origin.variant}" if origin.variant and len(found) > 1 else ""
        blocks += [replace(block, where=block.where + among) for block in new]
    blocks = sorted(blocks, key=lambda block: block.line)
    errors = [error(block.message, where=block.where, do=block.do) for block in blocks]
    if errors:
        raise errors[0] if len(errors) == 1 else error("\n\n".join(str(each) for each in errors))
