"""Commands that answer: serve, chat."""

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from endonym.cli.main import Settings, print_json
from endonym.cli.shared_options import Generation, adapter_option, sampling_options

if TYPE_CHECKING:
    from endonym.cli.prompt_loop import Messages, Text
    from endonym.commands.chat import Talk
    from endonym.serve.pieces import TextPiece


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--host",
    default="127.0.0.1",
    help="The address to listen on. Any that other machines reach needs a key.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000)
@click.option(
    "--api-key-file",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Every request but for the pages and /health must bring the key in this file.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="NAME",
    help="The name of a proxy before this server, as in the address of its pages; repeatable.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="DIR",
    help="An adapter of the one MODEL, which makes another model of the adapter's name; "
    "repeatable.",
)
@click.pass_obj
def serve(
    settings: Settings,
    models: tuple[str, ...],
    host: str,
    port: int,
    key_file: Path | None,
    proxies: tuple[str, ...],
    adapters: tuple[str, ...],
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
        place_of(host, port, key_file, proxies),
        store=settings.open_store(),
        device_name=device.pick(settings.device),
        log=settings.log(),
        ready=ready,
        adapters=adapters,
    )


@click.command()
@click.argument("model")
@sampling_options
@click.option(
    "--surprise", is_flag=True, help="Colour each token by its surprise, as the server's page does."
)
@adapter_option("An adapter of MODEL.")
@click.pass_obj
def chat(
    settings: Settings, model: str, how: Generation, surprise: bool, adapter: str | None
) -> None:
    """Hold a conversation with a model that has a chat template; other models continue texts.

    MODEL is a run, a model artefact, a transformers folder, or a GGUF file. Without a terminal each
    line of standard input is a message, or the beginning of a text.
    """
    from endonym import device
    from endonym.cli.prompt_loop import (
        HELP,
        conversation_loop,
        piped_prompts,
        prompt_loop,
        readable,
    )
    from endonym.commands.chat import Talk
    from endonym.commands.serve import make_engine

    log, context = settings.log(), click.get_current_context()
    target = device.pick(settings.device)
    engine = make_engine(model, settings.open_store(), target, log, adapter=adapter)
    if engine.template and context.get_parameter_source("min_tokens") is ParameterSource.DEFAULT:
        how = how._replace(min_tokens=0)  # an answer may be short
    with Talk(engine, log.warn) as talk:

        def continued(text: str, seed: int) -> "Iterator[Text]":
            found = talk.continued(readable(text), how.sampling(seed), **how.lengths)
            return texts(found, has_shades=surprise)

        def answered(messages: "Messages", seed: int) -> "Iterator[Text]":
            told = [{**each, "content": readable(each["content"])} for each in messages]
            found = talk.answered(told, how.sampling(seed), **how.lengths)
            return texts(found, has_shades=surprise)

        is_typed = sys.stdin is not None and sys.stdin.isatty() and not settings.is_json
        if is_typed and engine.template is None:
            prompt_loop(continued, how.seed, f"{model} is a base model: it continues texts. {HELP}")
        elif is_typed:
            conversation_loop(answered, how.seed)
        elif engine.template is None:
            for number, line in enumerate(piped_prompts()):
                _write(settings, talk, line, continued(line, how.seed + number))
        else:
            messages: Messages = []
            for number, line in enumerate(piped_prompts()):
                messages.append({"role": "user", "content": line})
                said = _write(settings, talk, "", answered(messages, how.seed + number))
                messages.append({"role": "assistant", "content": said})


def texts(pieces: "Iterable[TextPiece]", *, has_shades: bool) -> "Iterator[Text]":
    """The texts of pieces, each with the surprise of its tokens if shades are wanted."""
    from endonym.cli.prompt_loop import Shaded

    for piece in pieces:
        nats = -sum(token.nats or 0.0 for token in piece.tokens)
        if piece.text:
            yield Shaded(piece.text, nats / math.log(2)) if has_shades else piece.text


def _write(settings: Settings, talk: "Talk", prompt: str, pieces: "Iterable[Text]") -> str:
    """Write a text as it comes, or one JSON object; gives the text without its prompt."""
    from endonym.cli.prompt_loop import made_text, noted, write_text

    said: list[str] = []
    if not settings.is_json:
        write_text(prompt, noted(pieces, said))
        return "".join(said)
    reasons = {"stop": "end"}
    made = made_text(pieces, lambda: (reasons.get(talk.reason, talk.reason), talk.tokens))
    print_json(made)
    return made["text"]
