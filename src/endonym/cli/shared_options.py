"""Flags that several commands share: how a text is continued, and texts to measure on."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from endonym.generate.sample import Sampling

MOST_TOKENS = 1 << 31
PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)


class Positive(click.FloatRange):
    """A number above zero, up to `most`; click's own range takes nan, and up to infinity."""

    def __init__(self, most: float) -> None:
        super().__init__(min=0, max=most, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Fails for what is none."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is not a number above 0.", param, ctx)
        return found


OPTIONS = (
    click.option("--max-tokens", type=click.IntRange(0, MOST_TOKENS), default=200),
    click.option(
        "--min-tokens",
        type=click.IntRange(0, MOST_TOKENS),
        default=40,
        help="The model may end the text only after so many: small models end early.",
    ),
    click.option("--temperature", type=float, default=0.8),
    click.option("--top-k", type=int, default=0, help="Keep the k likeliest; 0 keeps all."),
    click.option("--top-p", type=float, default=0.95, help="Keep the likeliest that reach p."),
    click.option("--repetition-penalty", type=float, default=1.0, help="1 does nothing."),
    click.option("--seed", type=click.IntRange(min=0), default=0),
)


class Generation(NamedTuple):
    """What the flags say about how a text is continued."""

    max_tokens: int
    min_tokens: int
    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    seed: int

    @property
    def lengths(self) -> dict[str, int]:
        """Bounds of the number of tokens."""
        return {"max_tokens": self.max_tokens, "min_tokens": self.min_tokens}

    def sampling(self, seed: int) -> "Sampling":
        """How tokens are chosen, with another seed."""
        from endonym.generate.sample import Sampling

        return Sampling(self.temperature, self.top_k, self.top_p, self.repetition_penalty, seed)


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command, which gets what they say as `how`."""

    @functools.wraps(command)
    def told(*given: Any, **flags: Any) -> Any:
        how = Generation(**{name: flags.pop(name) for name in Generation._fields})
        return command(*given, how=how, **flags)

    for option in reversed(OPTIONS):
        told = option(told)
    return told


def adapter_option(use: str = "") -> Callable[..., Any]:
    """The flag --adapter; use: what is done with it, if not merged into the model's weights."""
    said = use or "An adapter of MODEL, in peft's format or the model of an adapted phase."
    return click.option("--adapter", metavar="DIR", help=said)


def text_option(use: str) -> Callable[..., Any]:
    """The flag --text, which names files or folders; use: what it is for."""
    said = f"{use}; may be repeated."
    return click.option("--text", "texts", multiple=True, type=PATH, metavar="PATH", help=said)


def split_option(use: str) -> Callable[..., Any]:
    """The flag --split; use: what each is for."""
    return click.option("--split", type=click.Choice(["test", "dev"]), default="test", help=use)


def count_option(use: str, default: int) -> Callable[..., Any]:
    """The flag -n; use: what is counted."""
    many = click.IntRange(1, 1_000_000)
    return click.option("-n", "count", type=many, default=default, help=use)
