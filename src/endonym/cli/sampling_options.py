"""The flags of how a text is continued: generate and chat share them."""

from collections.abc import Callable
from typing import Any

import click

OPTIONS = (
    click.option("--max-tokens", type=click.IntRange(min=0), default=200, show_default=True),
    click.option(
        "--min-tokens",
        type=click.IntRange(min=0),
        default=40,
        show_default=True,
        help="The model may end the text only after so many: small models end early.",
    ),
    click.option("--temperature", type=float, default=0.8, show_default=True),
    click.option("--top-k", type=int, default=0, help="Keep the k likeliest; 0 keeps all."),
    click.option(
        "--top-p",
        type=float,
        default=0.95,
        show_default=True,
        help="Keep the likeliest that reach p.",
    ),
    click.option("--repetition-penalty", type=float, default=1.0, help="1 does nothing."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
)


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
