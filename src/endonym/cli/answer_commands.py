"""Commands that answer: generate, serve, chat; prompts and messages from a terminal or a pipe."""

import functools
import io
import math
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from endonym import device
from endonym.cli.main import MODEL, Settings, adapter_option, count_option, print_json
from endonym.errors import EndonymError, RecipeError, printable, printable_lines
from endonym.log import Log, folded, listed
from endonym.serve.pieces import SURPRISE_BITS

if TYPE_CHECKING:
    from endonym.commands.chat import Talk
    from endonym.generate.language_model import Continuation
    from endonym.generate.sample import Defaults, Sampling
    from endonym.serve.pieces import TextPiece

HELP = "Type the beginning of a text. Enter alone: another continuation. Ctrl-D ends."
CHAT_HELP = "Type a message. Enter alone: another answer. /new: from the beginning. /exit ends."
ENDS = ("/exit", "/quit", "/bye")
NEW = "/new"
SHADES = (None, 230, 223, 216, 209, 202, 196)
"""Background of a piece in a terminal of 256 colours, by its surprise."""
MOST_TOKENS = 1 << 31
MAX_TOKENS = 200
BASE_MIN_TOKENS = 40
Messages = list[dict[str, str]]
OWN = "the model's, else {default:g}"
"""The default of a flag that a folder's generation_config.json may say."""


def sampling_option(flag: str, default: float, words: str = "", **kind: Any) -> Any:
    """A flag that a model's own files may say; None if it is not given."""
    shown = OWN.format(default=default)
    return click.option(flag, default=None, show_default=shown, help=words or None, **kind)


SAMPLING_OPTIONS = (
    sampling_option("--max-tokens", MAX_TOKENS, type=click.IntRange(0, MOST_TOKENS)),
    click.option(
        "--min-tokens",
        type=click.IntRange(0, MOST_TOKENS),
        default=None,
        show_default=f"0; of base models {BASE_MIN_TOKENS}",
        help="The model may end the text only after so many: small base models end early.",
    ),
    sampling_option("--temperature", 0.8, type=float),
    sampling_option("--top-k", 0, "Keep the k likeliest; 0 keeps all.", type=int),
    sampling_option("--top-p", 0.95, "Keep the likeliest that reach p.", type=float),
    sampling_option(
        "--min-p", 0, "Keep those at least p times as likely as the likeliest.", type=float
    ),
    sampling_option("--repetition-penalty", 1, "1 does nothing.", type=float),
    click.option("--seed", type=click.IntRange(min=0), default=0),
    click.option(
        "--inside-word", is_flag=True, help="The text may go on inside the prompt's last word."
    ),
)


class Shaded(NamedTuple):
    """A piece of text with its surprise in bits, which is shown as a colour."""

    text: str
    bits: float


Text = str | Shaded


class Generation(NamedTuple):
    """What the flags say about how a text is continued; None where they say nothing."""

    max_tokens: int | None
    min_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    seed: int
    inside_word: bool

    def lengths(self, defaults: "Defaults", *, has_template: bool) -> dict[str, int]:
        """Bounds of the number of tokens of a model with these defaults."""
        least = 0 if has_template else BASE_MIN_TOKENS
        return {
            "max_tokens": defaults.max_tokens if self.max_tokens is None else self.max_tokens,
            "min_tokens": least if self.min_tokens is None else self.min_tokens,
        }

    def sampling(self, seed: int, defaults: "Defaults") -> "Sampling":
        """How tokens are chosen, with another seed."""
        given = self._asdict() | {"seed": seed}
        return defaults.sampling(**{n: v for n, v in given.items() if not n.endswith("_tokens")})


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command, which gets what they say as `options`."""

    @functools.wraps(command)
    def with_options(*arguments: Any, **flags: Any) -> Any:
        options = Generation(**{name: flags.pop(name) for name in Generation._fields})
        return command(*arguments, options=options, **flags)

    for option in reversed(SAMPLING_OPTIONS):
        with_options = option(with_options)
    return with_options


@click.command()
@MODEL
@click.argument("prompt", required=False)
@sampling_options
@count_option("Continuations.", default=1)
@adapter_option()
@click.pass_obj
def generate(
    settings: Settings,
    model: str,
    prompt: str | None,
    options: Generation,
    count: int,
    adapter: str | None,
) -> None:
    """Continue a text, as it comes. MODEL is a run, a model artefact or a transformers folder.

    Without PROMPT, a terminal asks for prompts, one after the other; elsewhere each line of
    standard input is one. If it is empty, a text is written from its beginning.
    """
    say_loading(settings, model)
    from endonym.commands.load import load_model

    target = settings.pick_device()
    loaded = load_model(model, settings.open_store(), target, settings.log(), adapter=adapter)
    device.prepare()
    if words := loaded.defaults.words():
        settings.log().line(f"sampling where no flag says it: {words} ({model})")
    has_template = loaded.tokenizer.chat_template is not None
    lengths = options.lengths(loaded.defaults, has_template=has_template)

    def continued(text: str, seed: int) -> "tuple[str, Continuation]":
        sampling = options.sampling(seed, loaded.defaults)
        made = loaded.stream(readable(text), **lengths, sampling=sampling)
        return as_read(settings.log(), loaded.spelled, text), made

    is_typed = sys.stdin is not None and sys.stdin.isatty()
    if prompt is None and is_typed and not settings.is_json:
        prompt_loop(continued, options.seed)
        return
    prompts = [prompt or ""] if prompt is not None or is_typed else piped_prompts()
    repeated = (text for text in prompts for _ in range(count))
    for number, text in enumerate(repeated):
        begun, made = continued(text, options.seed + number)
        if settings.is_json:
            print_json(made_text(made, lambda made=made: (made.finish_reason, len(made.ids))))
            continue
        if number:
            click.echo()  # A continuation may have several lines.
        write_text(begun, made)


@click.command()
@MODEL
@click.argument("text", required=False)
@count_option("Words.", default=3)
@adapter_option()
@click.pass_obj
def suggest(
    settings: Settings, model: str, text: str | None, count: int, adapter: str | None
) -> None:
    """The likeliest words after a text, whose last word may be half typed.

    The likeliest is first; --json has the probabilities. In scripts without blanks it is the next
    piece of a word. Without TEXT each line of standard input is one.
    """
    say_loading(settings, model)
    from endonym.commands.load import load_model

    target = settings.pick_device()
    loaded = load_model(model, settings.open_store(), target, settings.log(), adapter=adapter)
    device.prepare()
    for number, each in enumerate(piped_prompts() if text is None else [text]):
        found = loaded.suggest(readable(each), count)
        if settings.is_json:
            print_json({"text": each, "suggestions": [one._asdict() for one in found]})
            continue
        if number:
            click.echo()
        for one in found:
            click.echo(one.word)


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
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Corrections that a writer keeps on the page are added to this JSONL file, from which a "
    'phase with objective = "preferences" learns.',
)
@click.pass_obj
def serve(
    settings: Settings,
    models: tuple[str, ...],
    adapters: tuple[str, ...],
    keep: Path | None,
    **place: Any,
) -> None:
    """Answer with models in the form of OpenAI's API, and on a page to write with them.

    MODEL is a run, a model artefact, a transformers folder, or a GGUF file. llama.cpp computes
    what it can, from a GGUF file that is made on the first call; endonym computes the rest.
    """
    say_loading(settings, *models)
    from endonym.commands import serve as serving

    def ready(address: str, names: list[str]) -> None:
        if settings.is_json:
            print_json({"url": address, "models": names})
            sys.stdout.flush()
            return
        settings.log().line(
            f"page: {address}/\nAPI:  {address}/v1 (as OpenAI's; described at {address}/docs)\n"
            f"models: {', '.join(names)}\nCtrl-C ends."
        )

    serving.serve(
        models,
        serving.place_of(**place),
        store=settings.open_store(),
        device_name=settings.pick_device(),
        log=settings.log(),
        ready=ready,
        adapters=adapters,
        keep=keep,
    )


@click.command()
@MODEL
@sampling_options
@click.option(
    "--surprise", is_flag=True, help="Colour each token by its surprise, as the server's page does."
)
@click.option("--system", default="", help="A system message before the conversation.")
@adapter_option("An adapter of MODEL.")
@click.pass_obj
def chat(
    settings: Settings,
    model: str,
    options: Generation,
    *,
    surprise: bool,
    system: str,
    adapter: str | None,
) -> None:
    """Hold a conversation with a model that has a chat template; other models continue texts.

    MODEL is a run, a model artefact, a transformers folder, or a GGUF file. Without a terminal each
    line of standard input is a message, or the beginning of a text.
    """
    say_loading(settings, model)
    from endonym.commands.chat import Talk
    from endonym.commands.serve import make_engine

    log = settings.log()
    target = settings.pick_device()
    store = settings.open_store()
    engine = make_engine(model, store, target, log, adapter=adapter, suggests=False)
    if system and not engine.template:
        do = "It continues texts: begin the text as it should go on."
        raise RecipeError(f"{model} has no chat template", where="--system", do=do)
    lengths = options.lengths(engine.defaults, has_template=bool(engine.template))
    with Talk(engine, log.warn, system=readable(system)) as talk:

        def continued(text: str, seed: int) -> tuple[str, Iterator[Text]]:
            sampling = options.sampling(seed, engine.defaults)
            pieces = talk.continued(readable(text), sampling, **lengths)
            return as_read(log, engine.spelled, text), texts(pieces, has_shades=surprise)

        def answered(messages: Messages, seed: int) -> Iterator[Text]:
            decoded = [{**message, "content": readable(message["content"])} for message in messages]
            pieces = talk.answered(decoded, options.sampling(seed, engine.defaults), **lengths)
            return texts(pieces, has_shades=surprise)

        is_typed = sys.stdin is not None and sys.stdin.isatty() and not settings.is_json
        if is_typed and engine.template is None:
            prompt_loop(
                continued, options.seed, f"{model} is a base model: it continues texts. {HELP}"
            )
        elif is_typed:
            conversation_loop(answered, options.seed)
        else:
            messages: Messages = []
            for seed, line in enumerate(commanded(piped_prompts(), CHAT_HELP), options.seed):
                if engine.template is None:
                    _write(settings, talk, *continued(line, seed))
                    continue
                if line.strip() == NEW:
                    messages = []
                    continue
                messages.append({"role": "user", "content": line})
                answer = _write(settings, talk, "", answered(messages, seed))
                messages.append({"role": "assistant", "content": answer})


def say_loading(settings: Settings, *models: str) -> None:
    """Say so at once: the first answer takes seconds."""
    settings.log().line(f"loading {printable(listed(models))} …")


def texts(pieces: "Iterable[TextPiece]", *, has_shades: bool) -> Iterator[Text]:
    """The texts of pieces, each with the surprise of its tokens if shades are wanted."""
    for piece in pieces:
        nats = -sum(token.nats or 0.0 for token in piece.tokens)
        if piece.text:
            yield Shaded(piece.text, nats / math.log(2)) if has_shades else piece.text


def _write(settings: Settings, talk: "Talk", prompt: str, pieces: Iterable[Text]) -> str:
    """Write a text as it comes, or one JSON object; returns the text without its prompt."""
    if settings.is_json:
        reasons = {"stop": "end"}
        made = made_text(pieces, lambda: (reasons.get(talk.reason, talk.reason), talk.tokens))
        print_json(made)
        return made["text"]
    written: list[str] = []
    write_text(prompt, recording(pieces, written))
    return "".join(written)


def prompt_loop(
    continued: Callable[[str, int], tuple[str, Iterable[Text]]], seed: int, hint: str = HELP
) -> None:
    """Ask for prompts and write their continuations, until the input ends.

    continued: a prompt as it is read, and the pieces of its continuation with a seed, which counts
    up. Enter alone repeats the prompt; at first it stands for a text from its beginning. Ctrl-C
    stops a continuation. A prompt that is refused is forgotten.
    """
    prompt = ""
    for number, line in enumerate(typed_lines(hint)):
        new_prompt = line if line.strip() else prompt
        with told_refusals():
            with suppress(KeyboardInterrupt):
                write_text(*continued(new_prompt, seed + number))
            prompt = new_prompt


def conversation_loop(stream_answer: Callable[[Messages, int], Iterable[Text]], seed: int) -> None:
    """Ask for messages and write the answers, each with all messages before it.

    stream_answer: from the messages and a seed to the pieces of an answer.
    Enter alone asks for another answer to the last message. An answer that Ctrl-C stops stays in
    the conversation as far as it came. A message that is refused is forgotten; /new forgets all.
    """
    messages: Messages = []
    for number, line in enumerate(typed_lines(CHAT_HELP)):
        if line.strip() == NEW:
            messages = []
            continue
        message = {"role": "user", "content": line}
        question = [*messages, message] if line.strip() else messages[:-1]
        if not question:
            continue
        answer: list[str] = []
        with told_refusals():
            with suppress(KeyboardInterrupt):
                write_text("", recording(stream_answer(question, seed + number), answer))
            messages = [*question, {"role": "assistant", "content": "".join(answer)}]


@contextmanager
def told_refusals() -> Generator[None]:
    """An error of one prompt or message is told, and the next may come."""
    try:
        yield
    except EndonymError as error:
        click.echo(folded(str(error)), err=True)


def recording(pieces: Iterable[Text], written: list[str]) -> Iterator[Text]:
    """Pieces as they are; their texts are added to `written`."""
    for piece in pieces:
        written.append(piece if isinstance(piece, str) else piece.text)
        yield piece


def typed_lines(hint: str) -> Iterator[str]:
    """The lines that are typed at a terminal, until Ctrl-D, Ctrl-C or one of ENDS."""
    with suppress(ImportError):
        import_module("readline")  # makes lines editable, and brings earlier ones back

    def entered() -> Iterator[str]:
        while True:
            try:
                yield input("> ")
            except (EOFError, KeyboardInterrupt):
                click.echo(err=True)
                return

    click.echo(hint, err=True)
    yield from commanded(entered(), hint)


def commanded(lines: Iterable[str], hint: str) -> Iterator[str]:
    """The lines until one of ENDS; /help shows the hint."""
    for line in lines:
        if line.strip() in ENDS:
            return
        if line.strip() == "/help":
            click.echo(hint, err=True)
        else:
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


def as_read(log: Log, spelled: Callable[[str], str], prompt: str) -> str:
    """A prompt spelled as the training text was. Says so if that changes it."""
    if (text := spelled(readable(prompt))) != readable(prompt):
        log.line(f"the prompt is read as the training text is spelled: {printable(text)}")
    return text


def write_text(prompt: str, pieces: Iterable[Text]) -> None:
    """A prompt and its continuation as it comes, and a line end even if Ctrl-C stops it.

    Controls of a terminal are escaped.
    """
    click.echo(printable_lines(prompt), nl=False)
    try:
        for piece in pieces:
            if isinstance(piece, Shaded):
                shade = SHADES[bisect_right(SURPRISE_BITS, piece.bits)]
                ink = None if shade is None else 16  # black
                click.secho(printable_lines(piece.text), bg=shade, fg=ink, nl=False)
            else:
                click.echo(printable_lines(piece), nl=False)
    finally:
        click.echo()


def made_text(pieces: Iterable[Text], ended: Callable[[], tuple[str, int]]) -> dict[str, Any]:
    """A text and how long it took, as `--json` prints it. ended: why, and after how many tokens."""
    started = time.perf_counter()
    text = "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)
    reason, tokens = ended()
    seconds = round(time.perf_counter() - started, 3)
    return {"text": text, "finish_reason": reason, "tokens": tokens, "seconds": seconds}
