"""`endonym generate MODEL` without a prompt: it comes from a terminal or from a pipe."""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module

import click

from endonym.errors import printable_lines

HELP = "Type the beginning of a text. Enter alone: another continuation. Ctrl-D ends."


def prompt_loop(continued: Callable[[str, int], Iterable[str]], seed: int) -> None:
    """Ask for prompts and write their continuations, until the input ends.

    continued: the pieces of a prompt's continuation with a seed, which counts up. Enter alone
    repeats the prompt; at first it stands for a text from its beginning. Ctrl-C stops a
    continuation.
    """
    with suppress(ImportError):
        import_module("readline")  # makes lines editable, and brings earlier ones back
    click.echo(HELP, err=True)
    prompt = ""
    while True:
        try:
            line = input("> ")
        except (EOFError, KeyboardInterrupt):
            click.echo(err=True)
            return
        prompt = line if line.strip() else prompt
        with suppress(KeyboardInterrupt):
            write_text(prompt, continued(prompt, seed))
        seed += 1


def piped_prompts() -> Iterator[str]:
    """The lines of standard input that are not blank; the empty prompt if there is none."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    is_empty = True
    for line in sys.stdin or ():
        if line.strip():
            is_empty = False
            yield line.rstrip("\r\n")
    if is_empty:
        yield ""


def write_text(prompt: str, pieces: Iterable[str]) -> None:
    """A prompt and its continuation as it comes, and a line end even if Ctrl-C stops it.

    Controls of a terminal are escaped.
    """
    click.echo(printable_lines(prompt), nl=False)
    try:
        for piece in pieces:
            click.echo(printable_lines(piece), nl=False)
    finally:
        click.echo()
