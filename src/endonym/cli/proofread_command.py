"""The command that proofreads files."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from endonym import device
from endonym.cli.answer_commands import say_loading
from endonym.cli.main import MODEL, Settings, print_json
from endonym.errors import printable
from endonym.log import counted

if TYPE_CHECKING:
    from endonym.commands.proofread import Told


@click.command()
@MODEL
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT",
    help="Write the one FILE with the first correction of each word to OUT.",
)
@click.option(
    "--words",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Known words, one a line, maybe with a tab and a count; those of the model's texts if not "
    "given.",
)
@click.pass_obj
def proofread(
    settings: Settings, model: str, files: tuple[str, ...], write: Path | None, words: Path | None
) -> None:
    """Show words that are probably wrong, each with its place and corrections, the best first.

    FILE is text in UTF-8, or a pipe; - is standard input. No file is changed but OUT. The words
    that are known are those of the texts that MODEL was made of. The exit code is 0 whether or not
    words are found. --json prints an object for each word, and last one for all files.
    """
    say_loading(settings, model)
    from endonym.commands.proofread import (
        Summary,
        load_proofreader,
        proofread_files,
        require_files,
    )

    require_files(files, write)
    log = settings.log()
    target = settings.pick_device()
    reader = load_proofreader(model, settings.open_store(), target, log, word_file=words)
    device.prepare()
    every = list[Summary]()
    for each in proofread_files(reader, files, log, write):
        if isinstance(each, Summary):
            every.append(each)
        elif settings.is_json:
            print_json(each._asdict())
        else:
            click.echo(in_words(each))
    totals = {
        "findings": sum(each.findings for each in every),
        "lines": sum(each.lines for each in every),
        "unchecked_lines": sum(each.unchecked_lines for each in every),
    }
    if settings.is_json:
        print_json({"files": every, **totals})
    else:
        log.line(in_all(totals["findings"], totals["lines"]))


def in_words(told: "Told") -> str:
    """A finding as one line."""
    words = ", ".join(each["word"] for each in told.corrections)
    return printable(f"{told.file}:{told.line}:{told.column}: {told.word} → {words}")


def in_all(findings: int, lines: int) -> str:
    """How many words were found in how many lines."""
    if not findings:
        return f"no wrong words in {counted(lines, 'line')}"
    are = "is" if findings == 1 else "are"
    return f"{counted(findings, 'word')} {are} probably wrong, in {counted(lines, 'line')}"
