"""Commands about a model: generate, evaluate, export."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from endonym.cli.main import Settings, print_json, say
from endonym.cli.sampling_options import sampling_options
from endonym.errors import printable

if TYPE_CHECKING:
    from endonym.generate.language_model import Continuation

MODEL = click.argument("model")


@click.command()
@MODEL
@click.argument("prompt", required=False)
@sampling_options
@click.option("-n", "count", type=click.IntRange(min=1), default=1, help="Continuations.")
@click.pass_obj
def generate(
    settings: Settings,
    model: str,
    prompt: str | None,
    max_tokens: int,
    min_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    repetition_penalty: float,
    seed: int,
    count: int,
) -> None:
    """Continue a text, as it comes. MODEL is a run, a model artefact or a transformers folder.

    Without PROMPT, a terminal asks for prompts, one after the other; elsewhere each line of
    standard input is one. If it is empty, a text is written from its beginning.
    """
    from endonym import device
    from endonym.cli.prompt_loop import piped_prompts, prompt_loop
    from endonym.commands.load import load_model
    from endonym.generate.sample import Sampling

    loaded = load_model(model, settings.open_store(), device.pick(settings.device), settings.log())
    device.prepare()

    def continued(text: str, seed: int) -> "Continuation":
        sampling = Sampling(temperature, top_k, top_p, repetition_penalty, seed)
        readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        given = {"max_tokens": max_tokens, "min_tokens": min_tokens}
        return loaded.stream(readable, **given, sampling=sampling)

    is_typed = sys.stdin is not None and sys.stdin.isatty()
    if prompt is None and is_typed and not settings.is_json:
        prompt_loop(continued, seed)
        return
    prompts = [prompt or ""] if prompt is not None or is_typed else piped_prompts()
    every = (text for text in prompts for _ in range(count))
    for number, text in enumerate(every):
        if number and not settings.is_json:
            click.echo()  # A continuation may have several lines.
        write_continuation(settings, text, continued(text, seed + number))


def write_continuation(settings: Settings, prompt: str, made: "Continuation") -> None:
    """Write a prompt and its continuation as it comes, or one JSON object."""
    from endonym.cli.prompt_loop import write_text

    if not settings.is_json:
        write_text(prompt, made)
        return
    started = time.perf_counter()
    print_json(
        {
            "text": "".join(made),
            "finish_reason": made.finish_reason,
            "tokens": len(made.ids),
            "seconds": round(time.perf_counter() - started, 3),
        }
    )


@click.command(context_settings={"allow_extra_args": True})
@MODEL
@click.option(
    "--text",
    "texts",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file or folder of texts, of any kind that a recipe reads; may be repeated.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "dev"]),
    default="test",
    show_default=True,
    help="Without --text: dev to choose a model, test to judge the chosen one.",
)
@click.pass_context
def evaluate(
    context: click.Context, model: str, texts: tuple[Path, ...], split: Literal["test", "dev"]
) -> None:
    """Bits per byte of the corpus's test documents, or of your files, with baselines."""
    from endonym import device
    from endonym.commands.evaluate import conclusions, score_model
    from endonym.evaluate.tables import table

    settings: Settings = context.obj
    if context.args:
        raise click.UsageError(f"Write --text before {context.args[0]}.")
    device.prepare()
    scores, cautions = score_model(
        model,
        texts,
        split,
        store=settings.open_store(),
        log=settings.log(),
        device_name=device.pick(settings.device),
    )
    if settings.is_json:
        print_json({"scores": [score.as_dict() for score in scores]})
        return
    for name in dict.fromkeys(score.split for score in scores):
        part = [score for score in scores if score.split == name]
        click.echo(f"{name}\n{table(part)}\n")
        say("\n".join(conclusions(part, cautions.get(name, ()))))


@click.command()
@MODEL
@click.option(
    "--to", "form", type=click.Choice(["huggingface"]), default="huggingface", show_default=True
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write it (default: NAME-huggingface).",
)
@click.pass_obj
def export(settings: Settings, model: str, form: str, out: Path | None) -> None:
    """Hand a model over as a folder that transformers loads without remote code."""
    from endonym.commands.load import card_of, load_model
    from endonym.errors import ExportError
    from endonym.export.card import INSTALL
    from endonym.export.huggingface import export_huggingface

    target = out or Path(f"{Path(model).name}-{form}")
    if target.is_dir() and any(target.iterdir()):
        raise ExportError(
            "the folder is not empty", where=str(target), do="Choose another with --out DIR."
        )
    store = settings.open_store()
    loaded = load_model(model, store, log=settings.log())
    names = export_huggingface(loaded, target, card_of(model, store))
    files = [
        {"path": str(target / n), "format": form, "bytes": (target / n).stat().st_size}
        for n in names
    ]
    if settings.is_json:
        print_json({"files": files})
    else:
        lines = (f"{printable(str(each['path']))}  {each['bytes']}" for each in files)
        click.echo("\n".join(lines))
        settings.log().line(
            f'next: {INSTALL}, then AutoModelForCausalLM.from_pretrained("{target}")'
        )
