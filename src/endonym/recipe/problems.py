"""Problems of a recipe and their error message: where, what, and what to do.

    recipes/tatar.toml:31: model.mixer.head is not a key of attention.
        mixer.head = 8
              ^^^^
    Did you mean `heads`?  All keys: endonym explain model.mixer

All problems of a recipe are reported at once, in the order of its lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from endonym.errors import EndonymError, RecipeError
from endonym.recipe.text import KeyPath, Mark, draw, line_number, normal, scan


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recipe came from: its file as given, the variant, and the overrides."""

    path: Path = Path("recipe.toml")
    text: str = ""
    variant: str | None = None
    sets: tuple[str, ...] = ()
    labels: Mapping[KeyPath, str] = field(default_factory=dict)
    """Overrides outside the file, such as `--set model.layers=2`, by the key that they set."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of one key; `at_value` puts the carets under the value, not the key."""

    path: KeyPath
    message: str
    do: str = ""
    at_value: bool = False
    where: str = ""
    """Replaces the line number if the problem is not in a file."""
    about: tuple[KeyPath, ...] = ()
    """Other keys involved."""
    do_in_set: str = ""
    """Replaces what to do if the key was not in the file but in an override."""


class Block(NamedTuple):
    """A problem with its line, ready to print."""

    line: int
    where: str
    message: str
    do: str


def block_of(problem: Problem, origin: Origin, text: str, marks: Mapping[KeyPath, Mark]) -> Block:
    """The problem with its line, or with the override that caused it.

    marks: the positions in the text, by the path of a key as the parsed recipe has it.
    """
    labels = origin.labels
    above = [problem.path[:length] for length in range(len(problem.path), 0, -1)]
    label = next((labels[path] for path in above if path in labels), "")
    do_in_set = problem.do_in_set or problem.do
    if problem.where or label:
        return Block(len(text), problem.where or label, problem.message, do_in_set)
    # In the file, a variant's tables are below [variant.NAME].
    path = problem.path
    variant = ("variant", origin.variant or "")
    if path and (*variant, path[0]) in marks:
        path = (*variant, *path)
    # If the key is not in the file, the nearest table above it is marked.
    written = path
    while written and written not in marks:
        written = written[:-1]
    mark = marks.get(written)
    is_exact = written == path
    # Overrides of the same table or of a related key are named too.
    parts = [each for each in (problem.path, *problem.about) if each]
    overrides = " ".join(
        label for key, label in labels.items() if any(key[: len(p)] == p for p in parts)
    )
    if overrides and not is_exact:
        return Block(len(text), overrides, problem.message, do_in_set)
    line = 1
    message = problem.message
    if mark is not None:
        is_value = problem.at_value and is_exact
        start = mark.value_start if is_value else mark.start
        line = line_number(text, start)
        message += f"\n{draw(text, start, mark.value_end if is_value else mark.end)}"
    beneath = f", with {overrides}" if overrides else ""
    return Block(line, f"{origin.path}:{line}{beneath}", message, problem.do)


def refuse(
    drafts: Sequence[tuple[Iterable[Problem], Origin]], error: type[EndonymError] = RecipeError
) -> None:
    """Raise one error with all problems of a recipe and its variants, each once.

    drafts: the problems and the origin of the recipe and of each of its variants; those of a
    variant are reported with its name.
    """
    blocks: list[Block] = []
    seen: set[Block] = set()
    for problems, origin in drafts:
        unique = list(dict.fromkeys(problems))
        text = normal(origin.text)
        marks = scan(text) if unique else {}
        every = [block_of(each, origin, text, marks) for each in unique]
        new = [block for block in every if block not in seen]
        seen.update(new)
        among = f", in variant {origin.variant}" if origin.variant and len(drafts) > 1 else ""
        blocks += [block._replace(where=block.where + among) for block in new]
    blocks.sort(key=lambda block: block.line)
    errors = [error(each.message, where=each.where, do=each.do) for each in blocks]
    if errors:
        raise errors[0] if len(errors) == 1 else error("\n\n".join(map(str, errors)))
