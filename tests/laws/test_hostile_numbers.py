"""Numbers that nobody means, for every option of every command and every key of a recipe.

Each is refused by an error of ours, or is done.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest

from endonym.cli.main import cli
from endonym.errors import EndonymError
from endonym.recipe.keys import tables
from endonym.recipe.recipe import Recipe

NUMBERS = ["nan", "inf", "-inf", "1e-300", "1e300", "-1", "0", str(2**63), str(2**1024), "1e400"]
DEEP = ["[" * 5_000, "[" * 900 + "]" * 900, "[" * 40 + "]" * 40, "{a=" * 3_000, "'" * 5_000]
SAMPLING = (
    "--min-p",
    "--temperature",
    "--top-k",
    "--top-p",
    "--repetition-penalty",
    "--seed",
    "-n",
)
LENGTHS = ("--max-tokens", "--min-tokens")


def options() -> Iterator[tuple[str, click.Option]]:
    """Every option that takes a number, with the name of its command."""
    waiting: list[tuple[str, click.Command]] = [("", cli)]
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            inner = (
                (each, command.get_command(context, each))
                for each in command.list_commands(context)
            )
            waiting += [(f"{name} {each}".strip(), found) for each, found in inner if found]
        for each in command.params:
            kinds = (type(click.INT), type(click.FLOAT))
            if isinstance(each, click.Option) and isinstance(each.type, kinds):
                yield name, each


def test_every_number_of_a_command_has_bounds() -> None:
    found = list(options())
    assert len(found) > 15
    for name, option in found:
        for number in NUMBERS:
            try:
                value = option.type.convert(number, option, None)
            except click.BadParameter:
                continue
            is_checked_later = option.opts[-1] in SAMPLING
            assert is_checked_later or math.isfinite(value), (name, option.opts, number)
            assert is_checked_later or abs(value) <= 1 << 31, (name, option.opts, number)


@pytest.mark.parametrize("option", [*SAMPLING, *LENGTHS])
def test_no_number_of_sampling_is_an_internal_error(
    finished: Path, command: Callable[..., Any], option: str
) -> None:
    given = [finished / "runs" / "small", "Әбием", "--max-tokens", 2, "--min-tokens", 0]
    given += ["--store", finished / "store"]
    for number in NUMBERS:
        said = command(
            "generate", *given, f"{option}={number}" if option != "-n" else f"-n{number}"
        )
        assert said.code in (0, 2), (option, number, said.err)
        assert "internal" not in said.err.lower(), (option, number)


@pytest.mark.parametrize(
    "table", list(tables(Recipe).values()), ids=lambda each: each.name or "top"
)
def test_no_number_of_a_recipe_is_an_internal_error(
    table: Any, tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    """Each key with half of the values, in turn: keys of one kind are checked alike."""
    path = small_recipe(tmp_path)
    for turn, key in enumerate(table.keys):
        dotted = f"{table.name}.{key}" if table.name else key
        for number in [*NUMBERS, *DEEP][turn % 2 :: 2]:
            with suppress(EndonymError):
                Recipe.load(path, sets=[f"{dotted}={number}"])
