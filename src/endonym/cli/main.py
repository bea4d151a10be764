"""The command line. Commands are imported when they are called, so that help needs no torch."""

import importlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from endonym.device import pick, process_info, wait_briefly
from endonym.errors import EndonymError, printable, printable_lines
from endonym.gpus import unused_gpu
from endonym.log import Log, folded, for_screen
from endonym.store import Store

MODEL = click.argument("model")
PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)


class Positive(click.FloatRange):
    """A number above zero, up to `most`; click's own range takes nan, and up to infinity."""

    def __init__(self, most: float) -> None:
        super().__init__(min=0, max=most, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Fails for what is none."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number above 0.", param, ctx)
        return number


def adapter_option(
    use: str = "An adapter of MODEL, in peft's format or the model of an adapted phase.",
) -> Callable[..., Any]:
    """The flag --adapter; use: what is done with it."""
    return click.option("--adapter", metavar="DIR", help=use)


def text_option(use: str, kind: Any = PATH) -> Callable[..., Any]:
    """The flag --text, which names files or folders; use: what it is for. kind: of its values."""
    more = f"{use}; may be repeated."
    return click.option("--text", "texts", multiple=True, type=kind, metavar="PATH", help=more)


def split_option(use: str) -> Callable[..., Any]:
    """The flag --split; use: what each is for."""
    return click.option("--split", type=click.Choice(["test", "dev"]), default="test", help=use)


def count_option(use: str, default: int) -> Callable[..., Any]:
    """The flag -n; use: what is counted."""
    many = click.IntRange(1, 1_000_000)
    return click.option("-n", "count", type=many, default=default, help=use)


COMMANDS = {
    "doctor": ("recipe_commands", "what is wrong with texts, on a page, and what mends it"),
    "new": ("recipe_commands", "writes a commented starter recipe for your texts"),
    "check": ("recipe_commands", "parses a recipe, counts and estimates; makes nothing"),
    "run": ("recipe_commands", "makes every missing artefact, in order; safe to repeat"),
    "explain": ("recipe_commands", "type, default and meaning of a recipe key"),
    "status": ("store_commands", "what is done, what is missing, what to do next"),
    "write": ("write_commands", "makes synthetic text: by a grammar, a server, or a model"),
    "look": ("store_commands", "samples of an artefact: documents, rejects, tokens, curves"),
    "prune": ("store_commands", "lists artefacts that no run refers to"),
    "generate": ("answer_commands", "continues a text"),
    "suggest": ("answer_commands", "the likeliest next words of a text, or ends of its last one"),
    "proofread": ("proofread_command", "words that are probably wrong, with corrections"),
    "evaluate": ("model_commands", "bits per byte of the test documents, or of your files"),
    "judge": ("write_commands", "lets another model judge what models write"),
    "compare": ("store_commands", "finished runs in one table and one page with curves"),
    "tokenizer": ("store_commands", "compares tokenizers on the same texts"),
    "serve": ("answer_commands", "answers in the form of OpenAI's API, and on a page"),
    "chat": ("answer_commands", "continues texts, or holds a conversation, at a terminal"),
    "export": ("model_commands", "hands a model over to transformers or llama.cpp"),
    "verify": ("model_commands", "proves that an export is the model"),
    "publish": ("model_commands", "uploads an export to the Hugging Face hub"),
}
"""Command -> its module and its summary."""


@dataclass(slots=True)
class Settings:
    """The flags that every command takes."""

    store: Path = Path("store")
    device: str | None = None
    is_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    arguments: tuple[str, ...] = ()

    def log(self) -> Log:
        """The log of this command."""
        return Log(quiet=self.is_quiet, verbose=self.is_verbose)

    def open_store(self) -> Store:
        """The store that this command works on."""
        return Store(self.store)

    def pick_device(self) -> str:
        """The device of `--device`, if it is available; cpu by default. See `say_unused_gpu`."""
        self.say_unused_gpu()
        return pick(self.device)

    def say_unused_gpu(self) -> None:
        """Say that there is an idle GPU, and how to use it, unless a device is named."""
        if self.device is None and process_info().rank == 0 and (line := unused_gpu()):
            self.log().line(line)

    def show(self, text: str, data: Mapping[str, Any]) -> None:
        """Print a result for people or, with --json, as data; each dataclass in it as an object."""
        if self.is_json:
            print_json(data)
        else:
            say(text)


def _flag(*names: str, keeps: str, **keys: Any) -> click.Option:
    """An option that is stored in Settings, before or after the command's name.

    keeps: the field of Settings. keys: others of click's Option.
    """

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(context.find_root().ensure_object(Settings), keeps, value)

    return click.Option(names, expose_value=False, callback=keep, **keys)


def global_options(command: Any) -> Any:
    """The flags that may stand before or after a command's name."""
    store = "Where artefacts are kept (default: store)."
    name = "cpu, cuda or mps; cpu if not given."
    json_line = "Print one JSON object as the last line."
    command.params += [
        _flag("--store", keeps="store", type=FOLDER, metavar="DIR", help=store),
        _flag("--device", keeps="device", metavar="NAME", help=name),
        _flag("--json", keeps="is_json", is_flag=True, help=json_line),
        _flag("-q", "--quiet", keeps="is_quiet", is_flag=True, help="Only warnings and results."),
        _flag("-v", "--verbose", keeps="is_verbose", is_flag=True, help="More detail."),
    ]
    return command


class Lazy(click.Group):
    """A group whose commands' modules are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the usual order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command from its module, and add the flags of every command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"endonym.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        if not any(parameter.name == "store" for parameter in command.params):
            global_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each, without imports."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for an unknown one."""
        import difflib

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(error.message + hint, ctx) from error


@click.group(
    cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="endonym", message="endonym %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Make a language model of your own language from your own texts, and measure it.

    Start with `endonym new DIR --language tt --text PATH`, or try `endonym new DIR --demo french`.
    """
    context.ensure_object(Settings)


global_options(cli)


def say(text: str) -> None:
    """Print a result for people, folded to the screen; controls of a terminal are escaped."""
    click.echo(for_screen(text))


def print_json(value: Mapping[str, Any]) -> None:
    """The one JSON object of `--json`, as the last line; dataclasses as objects, paths as text."""

    def plain(each: Any) -> Any:
        return str(each) if isinstance(each, Path) else asdict(each)

    click.echo(json.dumps(value, ensure_ascii=False, sort_keys=True, default=plain))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; every failure becomes a message and an exit code, never a traceback."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    wait_briefly()
    sys.excepthook = partial(explain_fault, is_json="--json" in arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    code = answer(arguments)
    if process_info().size > 1:
        # Threads of gloo outlive the training. The interpreter may abort at exit if one of them
        # frees a tensor late (torch 2.13, pytorch#179291).
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def explain_fault(
    kind: type[BaseException], fault: BaseException, trace: Any, *, is_json: bool
) -> None:
    """Report an internal error: a short message, and the traceback in a file."""
    import tempfile
    import traceback

    trail = "".join(traceback.format_exception(kind, fault, trace))
    with_file = ""
    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile(prefix="endonym-fault-", suffix=".txt", delete=False) as file,
    ):
        file.write(trail.encode("utf-8", "backslashreplace"))
        with_file = f" with {file.name}"
    message = printable_lines(f"internal error of endonym: {kind.__name__}: {fault}")
    advice = printable_lines(f"Please report it{with_file}. Finished work is kept.")
    failure = {"kind": "Fault", "message": message, "where": "", "do": advice}
    _tell_failure(failure, f"{message}\n{advice}", is_json=is_json)


def _tell_failure(failure: dict[str, str], message: str, *, is_json: bool) -> None:
    """Print a failure for people, and before it as data if that is wanted."""
    if is_json:
        with suppress(BrokenPipeError):  # the reader has closed the pipe
            print_json({"error": failure})
    click.echo(folded(message), err=True)


def answer(arguments: list[str]) -> int:
    """Run a command and tell its failure; its exit code.

    0 done, 1 failed, 2 wrong usage or input, 130 interrupted with state saved.
    """
    try:
        obj = Settings(arguments=tuple(arguments))
        code = cli.main(args=arguments, prog_name="endonym", standalone_mode=False, obj=obj)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except EXPECTED as error:
        code, failure, message = described_failure(error)
        _tell_failure(failure, message, is_json="--json" in arguments)
        return code
    return code if isinstance(code, int) else 0  # click returns the code of its Exit


EXPECTED = (
    click.ClickException,
    click.Abort,
    KeyboardInterrupt,
    EndonymError,
    OSError,
    MemoryError,
)
"""Failures that are no internal errors."""


def described_failure(error: BaseException) -> tuple[int, dict[str, str], str]:
    """The exit code of an expected failure, its `--json` form, and its message."""
    code = 1
    kind = "OutOfMemory"
    where = ""
    do = ""
    match error:
        case EndonymError():
            return error.exit_code, error.as_dict(), str(error)
        case click.ClickException():
            code = 2
            kind = "UsageError"
            message = printable_lines(error.format_message())
            context = getattr(error, "ctx", None)
            do = f"Help: {context.command_path} --help" if context else ""
            is_help = isinstance(error, click.exceptions.NoArgsIsHelpError)
            text = message if is_help else f"{message}\n{do}".strip()
        case KeyboardInterrupt() | click.Abort():
            code = 130
            kind = "Interrupted"
            message = "interrupted"
            told = str(error) or str(error.__cause__ or "")  # click raises its Abort from ours
            do = told or "What was finished is kept. The same command goes on."
            text = f"\ninterrupted. {do}"
        case OSError():
            kind = "SystemFailure"
            message = printable(error.strerror or str(error))
            if isinstance(error.filename, str | bytes):  # the path that the system refused
                where = printable(os.fsdecode(error.filename))
            text = f"{where}: {message}" if where else message
        case _:
            # Training says what it needs by itself (train/memory_budget.py).
            message = "out of memory"
            do = (
                "Close other programs; shorter documents and records need less. "
                "What was finished is kept."
            )
            text = f"{message}. {do}"
    return code, {"kind": kind, "message": message, "where": where, "do": do}, text


if __name__ == "__main__":
    main()
