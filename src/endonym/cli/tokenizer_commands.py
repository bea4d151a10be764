"""Commands about tokenizers: tokenizer compare."""

from pathlib import Path

import click

from endonym.cli.main import Settings, global_options, print_json
from endonym.cli.shared_options import text_option
from endonym.errors import printable_lines


@click.group()
def tokenizer() -> None:
    """Compare tokenizers on the same texts: endonym tokenizer compare TOKENIZER..."""


@tokenizer.command()
@click.argument("tokenizers", metavar="TOKENIZER...", nargs=-1, required=True)
@text_option("A file or folder to measure them on instead of the runs' dev documents")
@click.pass_obj
def compare(settings: Settings, tokenizers: tuple[str, ...], texts: tuple[Path, ...]) -> None:
    """Several tokenizers on the same texts: lengths of tokens, cut letters, unused ids, speed.

    TOKENIZER is a run, a tokenizer.json, or a folder that holds one; it may be anybody's.
    """
    from endonym.runs import compare_tokenizers as comparing

    found = comparing.compare_tokenizers(tokenizers, texts, settings.open_store(), settings.log())
    if settings.is_json:
        print_json(comparing.tokenizer_figures(found))
        return
    click.echo(printable_lines("\n" + comparing.tokenizer_table(found)))


global_options(compare)
