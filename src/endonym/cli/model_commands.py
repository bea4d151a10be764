"""Commands about a model: generate, evaluate, export."""

import sys
import time
from pathlib import Path
from typing import Literal

import click

from endonym.cli.main import Settings, print_json
from endonym.errors import printable

MODEL = click.argument("model")


@click.command()
@MODEL
@click.argument("prompt", required=False)
@click.option("--max-tokens", type=click.IntRange(min=0), default=200, show_default=True)
@click.option(
    "--min-tokens",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="The model may end the text only after so many: small models end early.",
)
@click.option("--temperature", type=float, default=0.8, show_default=True)
@click.option("--top-k", type=int, default=0, help="Keep the k likeliest; 0 keeps all.")
@click.option(
    "--top-p", type=float, default=0.95, show_default=True, help="Keep the likeliest that reach p."
)
@click.option("--repetition-penalty", type=float, default=1.0, help="1 does nothing.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
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

    Without PROMPT, a terminal asks for prompts, one after the other; elsewhere a text is written
    from its beginning.
    """
    from endonym import device
    from endonym.cli.prompt_loop import prompt_loop, write_text
    from endonym.commands.load import load_model
    from endonym.generate.language_model import Continuation
    from endonym.generate.sample import Sampling

    loaded = load_model(model, settings.open_store(), device.pick(settings.device))
    device.prepare()

    def continued(text: str, seed: int) -> Continuation:
        sampling = Sampling(temperature, top_k, top_p, repetition_penalty, seed)
        readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        given = {"max_tokens": max_tokens, "min_tokens": min_tokens}
        return loaded.stream(readable, **given, sampling=sampling)

    if prompt is None and sys.stdin.isatty() and not settings.is_json:
        prompt_loop(continued, seed)
        return
    for number in range(count):
        started = time.perf_counter()
        made = continued(prompt or "", seed + number)
        if settings.is_json:
            text = "".join(made)
            print_json(
                {
                    "text": text,
                    "finish_reason": made.finish_reason,
                    "tokens": len(made.ids),
                    "seconds": round(time.perf_counter() - started, 3),
                }
            )
            continue
        write_text(prompt or "", made)


@click.command()
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
@click.pass_obj
def evaluate(
    settings: Settings, model: str, texts: tuple[Path, ...], split: Literal["test", "dev"]
) -> None:
    """Bits per byte of the corpus's test documents, or of your files, with baselines."""
    from endonym import device
    from endonym.commands.evaluate import score_model
    from endonym.evaluate.tables import table

    device.prepare()
    scores = score_model(
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
        click.echo(f"{name}\n" + table([score for score in scores if score.split == name]))


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
    from endonym.export.huggingface import export_huggingface

    target = out or Path(f"{Path(model).name}-{form}")
    if target.is_dir() and any(target.iterdir()):
        raise ExportError(
            "the folder is not empty", where=str(target), do="Choose another with --out DIR."
        )
    store = settings.open_store()
    names = export_huggingface(load_model(model, store), target, card_of(model, store))
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
            f'next: AutoModelForCausalLM.from_pretrained("{target}") in transformers'
        )
