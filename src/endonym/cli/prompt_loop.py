"""Prompts and messages from a terminal or from a pipe, and the texts that answer them."""

import io
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NamedTuple

import click

from endonym.errors import EndonymError, printable_lines
from endonym.log import folded

HELP = "Type the beginning of a text. Enter alone: another continuation. Ctrl-D ends."
CHAT_HELP = "Type a message. Enter alone: another answer. Ctrl-D ends."
SHADES = (None, 230, 223, 216, 209, 202, 196)
"""Background of a piece in a terminal of 256 colours, by its surprise."""
SHADE_BITS = (1, 2, 4, 6, 9, 12)
"""Bits at which the next shade begins, as on the server's page."""
Messages = list[dict[str, str]]


class Shaded(NamedTuple):
    """A piece of text with its surprise in bits, which is shown as a colour."""

    text: str
    bits: float


Text = str | Shaded


def prompt_loop(
    continued: Callable[[str, int], Iterable[Text]], seed: int, hint: str = HELP
) -> None:
    """Ask for prompts and write their continuations, until the input ends.

    continued: the pieces of a prompt's continuation with a seed, which counts up. Enter alone
    repeats the prompt; at first it stands for a text from its beginning. Ctrl-C stops a
    continuation. A prompt that is refused is forgotten.
    """
    prompt = ""
    for number, line in enumerate(typed(hint)):
        asked = line if line.strip() else prompt
        with told_refusals():
            with suppress(KeyboardInterrupt):
                write_text(asked, continued(asked, seed + number))
            prompt = asked


def conversation_loop(
    answered: Callable[[Messages, int], Iterable[Text]], seed: int, hint: str = CHAT_HELP
) -> None:
    """Ask for messages and write the answers, each with all messages before it.

    Enter alone asks for another answer to the last message. An answer that Ctrl-C stops stays in
    the conversation as far as it came. A message that is refused is forgotten.
    """
    messages: Messages = []
    for number, line in enumerate(typed(hint)):
        asked = [*messages, {"role": "user", "content": line}] if line.strip() else messages[:-1]
        if not asked:
            continue
        said: list[str] = []
        with told_refusals():
            with suppress(KeyboardInterrupt):
                write_text("", noted(answered(asked, seed + number), said))
            messages = [*asked, {"role": "assistant", "content": "".join(said)}]


@contextmanager
def told_refusals() -> Generator[None]:
    """An error of one prompt or message is told, and the next may come."""
    try:
        yield
    except EndonymError as error:
        click.echo(folded(str(error)), err=True)


def noted(pieces: Iterable[Text], said: list[str]) -> Iterator[Text]:
    """Pieces as they are; their texts are noted."""
    for piece in pieces:
        said.append(piece if isinstance(piece, str) else piece.text)
        yield piece


def typed(hint: str) -> Iterator[str]:
    """The lines that are typed at a terminal, until Ctrl-D or Ctrl-C."""
    with suppress(ImportError):
        import_module("readline")  # makes lines editable, and brings earlier ones back
    click.echo(hint, err=True)
    while True:
        try:
            line = input("> ")
        except (EOFError, KeyboardInterrupt):
            click.echo(err=True)
            return
        yield line


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


def readable(text: str) -> str:
    """A line as a terminal gave it; bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def write_text(prompt: str, pieces: Iterable[Text]) -> None:
    """A prompt and its continuation as it comes, and a line end even if Ctrl-C stops it.

    Controls of a terminal are escaped.
    """
    click.echo(printable_lines(prompt), nl=False)
    try:
        for piece in pieces:
            if isinstance(piece, Shaded):
                shade = SHADES[bisect_right(SHADE_BITS, piece.bits)]
                ink = None if shade is None else 16
                click.secho(printable_lines(piece.text), bg=shade, fg=ink, nl=False)
            else:
                click.echo(printable_lines(piece), nl=False)
    finally:
        click.echo()


def made_text(pieces: Iterable[Text], ended: Callable[[], tuple[str, int]]) -> dict[str, Any]:
    """A text and how long it took, as `--json` prints it. ended: why, and after how many tokens."""
    started = time.perf_counter()
    text = "".join(each if isinstance(each, str) else each.text for each in pieces)
    reason, tokens = ended()
    seconds = round(time.perf_counter() - started, 3)
    return {"text": text, "finish_reason": reason, "tokens": tokens, "seconds": seconds}
