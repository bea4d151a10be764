"""Commands about a model: evaluate, export, verify, publish."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click
from click.core import ParameterSource

from endonym.cli.main import (
    FOLDER,
    MODEL,
    PATH,
    Settings,
    adapter_option,
    print_json,
    say,
    split_option,
    text_option,
)
from endonym.device import program, signals_to
from endonym.errors import RecipeError, printable
from endonym.export.config import FORMATS
from endonym.log import columns, for_screen, listed, padded, size

if TYPE_CHECKING:
    from endonym.commands.evaluate import TextScores
    from endonym.commands.scoring import Shown
    from endonym.pipeline.evaluation_texts import DocumentIs


USES = {
    "texts": "--text",
    "tasks": "--tasks",
    "pairs": "--minimal-pairs",
    "flores": "--flores",
    "harness": "--harness",
    "probes": "--probe",
    "writing": "--writing",
    "typing": "--typing",
}
"""What `evaluate` may judge instead of the corpus's documents, by the parameter of the option."""
REPEATED = ("tasks", "probes", "harness")
"""Those that may be given several times, --text aside."""
OWN = "own"
"""Stands for the corpus's own documents."""
OF_USES = (
    ({"kept"}, {"harness"}, "--task-files goes with --harness: give both."),
    ({"fine_tune", "endpoint"}, {"probes"}, "--fine-tune and --probe-endpoint go with --probe."),
    ({"language"}, {"probes", "writing"}, "--language goes with --probe or --writing."),
    ({"prompts"}, {"writing"}, "--prompts goes with --writing: give both."),
    ({"document", "column"}, {"texts", "flores"}, "--document and --column say how --text and "
     "--flores are read: give one of these."),
    ({"no_start"}, {"texts", OWN}, "--no-start goes with --text and the corpus's own documents."),
    ({"context_tokens"}, {"texts", OWN}, "--context is of the corpus's own documents and of "
     "--text."),
    ({"split"}, {OWN, "steps"}, "--split is of the corpus's own documents: leave it out here."),
)  # fmt: skip
"""Parameters that only some of these have, which these are, and what is said without them."""


class EvaluateFlags(NamedTuple):
    """What the flags of `evaluate` say, by the parameters of its options."""

    texts: tuple[Path, ...]
    split: Literal["test", "dev"]
    document: "DocumentIs | None"
    column: str | None
    context_tokens: int | None
    tasks: tuple[Path, ...]
    pairs: Path | None
    flores: Path | None
    steps: bool
    harness: tuple[str, ...]
    kept: Path | None
    probes: tuple[Path, ...]
    fine_tune: bool
    endpoint: str | None
    writing: bool
    typing: bool
    prompts: Path | None
    language: str | None
    no_start: bool
    adapter: str | None


def _require_one_use(context: click.Context) -> None:
    """Raise UsageError for flags of `evaluate` that do not go together."""
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    uses = given & USES.keys()
    if context.args:
        option = next((USES[name] for name in REPEATED if name in uses), "--text")
        raise click.UsageError(f"Write {option} before {context.args[0]}.")
    if "steps" in given:
        others = set(USES) - {"tasks", "pairs", "flores", "probes"}
        alone = {"endpoint", "adapter", "kept", "prompts", "no_start", "context_tokens"}
        if given & (others | alone):
            raise click.UsageError(
                "--steps goes with --split, --tasks, --minimal-pairs, --flores and --probe alone."
            )
    elif len(uses) > 1:
        raise click.UsageError(f"Give one of {listed([*USES.values()])}.")
    judged = given & {*USES, "steps"} or {OWN}
    for parameters, of, message in OF_USES:
        if given & parameters and not judged & of:
            raise click.UsageError(message)
    if "endpoint" in given and given & {"fine_tune", "adapter"}:
        raise click.UsageError("--probe-endpoint asks a server: --fine-tune and --adapter do not.")


def _only_one(
    context: click.Context, parameter: click.Parameter, values: tuple[Path, ...]
) -> Path | None:
    """The value of an option that may be given once: click would take the last one in silence."""
    if len(values) > 1:
        raise click.UsageError(f"Give {parameter.opts[0]} once, not {len(values)} times.", context)
    return values[0] if values else None


@click.command(context_settings={"allow_extra_args": True})
@MODEL
@text_option("A file or folder of texts, of any kind that a recipe reads")
@split_option("Of its own documents: dev to choose a model, test to judge the chosen one.")
@click.option(
    "--document",
    type=click.Choice(["line", "blank_lines", "page", "file"]),
    help="With --text and --flores: what one document is, as in a [[source]]. If not given, empty "
    "lines divide documents where they stand evenly or often, and it is said how else a text could "
    "be read.",
)
@click.option(
    "--column",
    help="With --text and --flores: the field or column of the text, by its name or its number.",
)
@click.option(
    "--context",
    "context_tokens",
    type=click.IntRange(2, 1 << 30),
    metavar="N",
    help="Tokens that the model reads at once (default: its context, but at most 2,048). Longer "
    "documents are read in windows.",
)
@click.option(
    "--tasks",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Instead: choices, minimal pairs or texts that follow others, an item a line "
    "(docs/tasks.md); may be repeated.",
)
@click.option(
    "--minimal-pairs",
    "pairs",
    type=PATH,
    multiple=True,
    callback=_only_one,
    metavar="FILE",
    help="Instead: make minimal pairs of the test documents, write them to this file, and judge "
    "the model on them.",
)
@click.option(
    "--flores",
    type=PATH,
    multiple=True,
    callback=_only_one,
    metavar="FILE",
    help="Instead: bits of the second halves of the sentences of FLORES-200 (devtest), beside "
    "published models. --column names the language in a table.",
)
@click.option(
    "--steps",
    is_flag=True,
    help="Learning curves: the test documents, and what --tasks, --minimal-pairs, --flores and "
    "--probe name, after each step whose weights were kept (keep_steps in [[phase]]).",
)
@click.option(
    "--harness",
    multiple=True,
    metavar="TASKS",
    help="Instead: tasks of EleutherAI's lm-evaluation-harness by their names (NAME,NAME), and "
    "files of items as for --tasks, judged by that program; may be repeated.",
)
@click.option(
    "--task-files",
    "kept",
    type=FOLDER,
    metavar="DIR",
    help="With --harness: leave the files of items in this new folder as its task files.",
)
@click.option(
    "--probe",
    "probes",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Instead: what its hidden states tell of texts with labels, or of two texts with a score "
    "of their similarity (docs/probes.md); may be repeated.",
)
@click.option("--fine-tune", is_flag=True, help="With --probe: train the model itself on it, too.")
@click.option(
    "--probe-endpoint",
    "endpoint",
    metavar="URL",
    help="With --probe: a server of OpenAI's API, up to /v1, which has MODEL under this name, such "
    "as that of `endonym serve`.",
)
@click.option(
    "--writing",
    is_flag=True,
    help="Instead: let it write, and measure that: loops, made-up words, copies of its training "
    "text and other faults (docs/tasks.md).",
)
@click.option(
    "--typing",
    is_flag=True,
    help="Instead: type test documents with its suggestions, and count the key presses that they "
    "save (docs/typing.md).",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    callback=_only_one,
    metavar="FILE",
    help="With --writing: one prompt a line (default: those that come along for the language, or "
    "else beginnings of test documents).",
)
@click.option(
    "--language",
    metavar="CODE",
    help="With --probe: the language of the records to read; with --writing: of the prompts "
    "(default: the recipe's).",
)
@click.option(
    "--no-start",
    is_flag=True,
    help="Of --text and its own documents: read them as transformers does, without the token that "
    "starts a document if its tokenizer puts none there. Then the first token is not scored, and "
    "its bytes are not counted.",
)
@adapter_option()
@click.pass_context
def evaluate(context: click.Context, model: str, **flags: Any) -> None:
    """Bits per byte of the corpus's test documents, or of your files, with baselines."""
    from endonym import device
    from endonym.commands.load import origin_of

    settings: Settings = context.obj
    asked = EvaluateFlags(**flags)
    _require_one_use(context)
    device.prepare()
    found, text = _scored(settings, model, asked)
    if settings.is_json:  # of a server's model nothing is known but its name
        about = dict.fromkeys(("model", "identity", "adapter", "corpus")) | {"model": model}
        if asked.endpoint is None:
            about = origin_of(model, settings.open_store(), asked.adapter)
        print_json({**about, **device.environment(), **found})
    else:
        click.echo(f"\n{text}\n")


def _scored(settings: Settings, model: str, asked: EvaluateFlags) -> "Shown":
    """The scores of a model by what is asked, one of USES or its own documents."""
    from endonym.commands.evaluate import as_dict, score_model
    from endonym.commands.harness import score_harness
    from endonym.commands.learning_curves import ToJudge, learning_curves
    from endonym.commands.load import load_model
    from endonym.commands.scoreboard import scoreboard
    from endonym.commands.scoring import Loaded
    from endonym.commands.tasks import score_minimal_pairs, score_tasks
    from endonym.commands.typing import score_typing
    from endonym.commands.writing import score_writing
    from endonym.pipeline.evaluation_texts import Cutting

    store = settings.open_store()
    log = settings.log()
    target = settings.pick_device()
    cutting = Cutting.of(asked.document, asked.column)
    given: Any = {"store": store, "log": log, "adapter": asked.adapter}
    if asked.steps:
        others = asked.probes, asked.language, asked.fine_tune
        beside = ToJudge(asked.split, asked.tasks, asked.pairs, asked.flores, cutting, *others)
        return learning_curves(model, beside, store=store, log=log, device=target)
    if asked.harness:
        return score_harness(model, asked.harness, **given, device_name=target, kept=asked.kept)
    if asked.probes:
        return _probed(settings, model, asked)
    if not (asked.tasks or asked.pairs or asked.flores or asked.writing or asked.typing):
        how: Any = {
            "device_name": target,
            "cutting": cutting,
            "has_start": not asked.no_start,
            "context": asked.context_tokens,
        }
        scores = score_model(model, asked.texts, asked.split, **given, **how)
        return as_dict(scores), scores_text(scores)
    loaded = Loaded(model, load_model(model, store, target, log, adapter=asked.adapter), **given)
    if asked.pairs is not None:
        return score_minimal_pairs(loaded, asked.pairs)
    if asked.flores is not None:
        return scoreboard(loaded, asked.flores, cutting)
    if asked.writing:
        return score_writing(loaded, asked.prompts, asked.language)
    if asked.typing:
        return score_typing(loaded)
    return score_tasks(loaded, asked.tasks)


def _probed(settings: Settings, model: str, asked: EvaluateFlags) -> "Shown":
    """The scores of a model on probes, by a server if there is one."""
    from endonym.commands.load import load_model, words_of
    from endonym.commands.scoring import Loaded
    from endonym.commands.tasks import score_probes
    from endonym.pipeline.probing import Served
    from endonym.synthesis.endpoint import KEY_VARIABLE

    store = settings.open_store()
    log = settings.log()
    language = asked.language
    if asked.endpoint is not None:
        probed = Served(asked.endpoint, model, os.environ.get(KEY_VARIABLE, "").strip())
    elif model.endswith(".gguf"):
        do = f"Start a server, and name it by --probe-endpoint: {program()} serve {model}"
        raise RecipeError("a GGUF file is probed by a server", where=model, do=do)
    else:
        target = settings.pick_device()
        probed = load_model(model, store, target, log, adapter=asked.adapter)
        language = language or words_of(model, store).language
    loaded = Loaded(model, probed, store, log, asked.adapter)
    return score_probes(loaded, asked.probes, language or "", fine_tune=asked.fine_tune)


def scores_text(judged: "TextScores") -> str:
    """The scores of texts for people, and what they say."""
    from endonym.evaluate.tables import table
    from endonym.report.scores import splits

    parts = list[str]()
    for name, part in splits(judged.scores).items():
        said = for_screen("\n".join(judged.conclusions(name, part)))
        parts += [said, f"{name}\n{table(part)}"]
    parts.append(for_screen(judged.started()))
    return "\n\n".join(parts)


@click.command()
@MODEL
@click.option(
    "--to",
    "form",
    type=click.Choice([*FORMATS]),
    default="huggingface",
    help="A folder for transformers, files for llama.cpp and Ollama, the corpus as a data set or "
    "as dictionaries, an adapter alone, for peft or llama.cpp, or a file for FUTO Keyboard.",
)
@click.option(
    "--quantize",
    metavar="F16,Q8_0,…",
    help="gguf: number formats of the weights, a file for each: F32, F16, BF16, Q8_0, Q5_K_M, "
    "Q4_K_M; keyboard: F16, Q8_0.",
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Where to write it (default: NAME-FORMAT, or NAME-ADAPTER-FORMAT).",
)
@adapter_option()
@click.pass_obj
def export(
    settings: Settings,
    model: str,
    form: str,
    quantize: str | None,
    out: Path | None,
    adapter: str | None,
) -> None:
    """Hand a model over in another format, and compare it with the model there.

    With --adapter it is merged into the weights; --to adapter and gguf-adapter hand it over alone.

    --to dataset and dictionary hand over the corpus of a run instead, and its words; MODEL may be a
    corpus artefact then.
    """
    from pydantic import ValidationError

    from endonym.commands.export import export_corpus, export_model
    from endonym.config import reason_of
    from endonym.export.config import Export

    formats = tuple(each.strip() for each in quantize.split(",")) if quantize else None
    try:
        config = Export.model_validate({"format": form, "quantize": formats})
    except ValidationError as error:
        raise click.UsageError(f"--quantize {quantize}: {reason_of(error.errors()[0])}") from error
    if config.row.content == "corpus" and adapter is not None:
        raise click.UsageError(f"A {form} is made of texts, and has no --adapter.")
    names = [Path(each).name for each in (model, adapter) if each]
    target = out or Path(f"{'-'.join(names)}-{form}")
    store = settings.open_store()
    log = settings.log()
    # SIGTERM ends the work as Ctrl-C does, so that what is half written is removed.
    with signals_to(signal.default_int_handler, signal.SIGTERM):
        if config.row.content == "corpus":
            written, checks = export_corpus(model, config, target, store=store, log=log)
        else:
            written, checks = export_model(
                model, config, target, store=store, log=log, adapter=adapter
            )
    files = list[dict[str, Any]]()
    rows = list[str]()
    bits = {check.file: check for check in checks if check.check == "bits_per_byte"}
    width = max(columns(printable(path)) for path in written)
    for path in written:
        files.append({"path": path, "format": form, "bytes": path.stat().st_size})
        rows.append(f"{padded(printable(path), width)}  {size(files[-1]['bytes']):>8}")
        if path.suffix == ".gguf":
            kind = path.stem.rpartition("-")[2]
            check = bits.pop(path.name)
            files[-1] |= {"quantization": kind, "bits_per_byte_change": check.value}
            rows[-1] += f"  {kind:<7}  bits per byte {check.shown()}"
    rows += [f"in {each.runtime}: bits per byte {each.shown()}" for each in bits.values()]
    if settings.is_json:
        print_json({"files": files})
        return
    click.echo("\n".join(rows))
    gguf = next((path for path in written if path.suffix == ".gguf"), None)
    dictionary = next((path.with_suffix("") for path in written if path.suffix == ".dic"), None)
    names = {"folder": target, "file": gguf, "dictionary": dictionary, "program": program()}
    log.line(f"next: {config.row.use.format(**names)}")


@click.command()
@click.argument("path", metavar="EXPORT", type=PATH)
@click.option("--against", metavar="MODEL", help="The model it should equal (default: its own).")
@text_option("Compare on this text instead of the held-out one")
@adapter_option("The adapter that was merged into the model.")
@click.pass_obj
def verify(
    settings: Settings,
    path: Path,
    against: str | None,
    texts: tuple[Path, ...],
    adapter: str | None,
) -> None:
    """Prove that an export is the model: the same ids, logits and bits per byte.

    EXPORT is a folder that endonym exported, or a GGUF file. Each is run by its own program:
    transformers or llama.cpp.
    """
    from endonym.commands.export import verify_model
    from endonym.commands.filled import filled

    store = settings.open_store()
    log = settings.log()
    checks, _ = verify_model(path, against, texts, store=store, log=log, adapter=adapter)
    failed = [check for check in checks if not check.ok]
    if settings.is_json:
        print_json({"ok": not failed, "checks": checks})
    else:
        click.echo(filled("checks.txt", checks=checks))
        if failed:
            say(f"{len(failed)} of {len(checks)} checks failed: export the model again")
    if failed:
        click.get_current_context().exit(1)


@click.command(name="publish")
@click.argument("export")
@click.option("--to", "repository", required=True, metavar="OWNER/NAME", help="Its name there.")
@click.option("--public", is_flag=True, help="Everybody may read it; else only its owner.")
@click.option("--update", is_flag=True, help="Add a commit to a repository that exists.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def publish(
    settings: Settings, export: str, repository: str, *, public: bool, update: bool, yes: bool
) -> None:
    """Upload an export to the Hugging Face hub, privately if --public does not stand there.

    EXPORT is a folder that `endonym export` wrote, or a run with one export.
    """
    from endonym.commands import publish as publishing
    from endonym.log import counted, size

    publishing.require_hub()
    publishing.require_name(repository)
    upload = publishing.find_upload(export, settings.open_store())
    log = settings.log()
    whose = "as it is" if update else "public" if public else "private"
    for name, n_bytes in upload.sizes.items():
        log.line(f"  {size(n_bytes):>9}  {name}")
    for name in upload.left_out:
        log.warn(f"{name} is not part of the export and stays here")
    files = f"{counted(len(upload.sizes), 'file')}, {size(sum(upload.sizes.values()))}"
    log.line(f"from {upload.folder} to {repository} ({whose}): {files}")
    if not yes:
        if settings.is_json or sys.stdin is None or not sys.stdin.isatty():
            raise click.UsageError("Nothing was uploaded. Say --yes to upload it without asking.")
        click.confirm("Upload?", abort=True, err=True)
    made = publishing.publish(upload, repository, is_public=public, is_update=update, log=log)
    if settings.is_json:
        rows = [{"path": name, "bytes": n_bytes} for name, n_bytes in upload.sizes.items()]
        print_json({**made, "files": rows})
    else:
        click.echo(made["url"])
