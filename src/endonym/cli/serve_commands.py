"""Commands that answer: serve, chat."""

import sys
from pathlib import Path

import click

from endonym.cli.main import Settings, print_json


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. Any that other machines reach needs a key.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option(
    "--api-key-file",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Every request must bring the key in this file.",
)
@click.pass_obj
def serve(
    settings: Settings, models: tuple[str, ...], host: str, port: int, key_file: Path | None
) -> None:
    """Answer with models in the form of OpenAI's API, and on a page to try them.

    MODEL is a run, a model artefact, a transformers folder, or a GGUF file. llama.cpp computes
    what it can, from a GGUF file that is made on the first call; endonym computes the rest.
    """
    from endonym import device
    from endonym.commands.serve import place_of
    from endonym.commands.serve import serve as answer

    def ready(address: str, names: list[str]) -> None:
        if settings.is_json:
            print_json({"url": address, "models": names})
            sys.stdout.flush()
            return
        settings.log().line(
            f"page: {address}/\nAPI:  {address}/v1 (as OpenAI's; described at {address}/docs)\n"
            f"models: {', '.join(names)}\nCtrl-C ends."
        )

    answer(
        models,
        place_of(host, port, key_file),
        store=settings.open_store(),
        device_name=device.pick(settings.device),
        log=settings.log(),
        ready=ready,
    )
