"""Commands that ask servers: write, which makes synthetic text, and judge."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from endonym.cli.main import FOLDER, MODEL, PATH, Settings, print_json, say, split_option
from endonym.cli.recipe_commands import MOST_WORKERS
from endonym.device import program
from endonym.log import Log, number

OF_WRITERS = {
    "workers": ("grammar",),
    "model": ("endpoint",),
    "concurrency": ("endpoint",),
    "timeout": ("endpoint",),
    "temperature": ("endpoint", "model"),
    "max_tokens": ("endpoint", "model"),
    "budget_tokens": ("endpoint", "model"),
    "system": ("endpoint", "model"),
}
"""Flags that only some writers have."""
WRITERS = {"grammar": "a grammar alone", "endpoint": "--endpoint", "model": "--by"}
MOST_TEXTS = 10**9
MOST_TOKENS = 10**12
MOST_SECONDS = 86_400
MOST_JUDGED = 100_000


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of how a server is asked."""
    many = click.IntRange(1, 1000)
    seconds = click.IntRange(1, MOST_SECONDS)
    of_time = "Seconds to wait for a whole answer of the server."
    options = (
        click.option("--timeout", type=seconds, default=600, metavar="SECONDS", help=of_time),
        click.option(
            "--concurrency",
            type=many,
            default=8,
            metavar="N",
            help="Requests to a server at a time.",
        ),
    )
    for option in options:
        command = option(command)
    return command


@click.command()
@click.argument("prompts", metavar="PROMPTS", type=PATH)
@click.option(
    "--count", type=click.IntRange(1, MOST_TEXTS), required=True, metavar="N", help="Texts in all."
)
@click.option(
    "--out", "folder", type=FOLDER, required=True, metavar="DIR", help="Where they are written."
)
@click.option("--endpoint", metavar="URL", help="Ask this server, such as http://host:8000/v1.")
@click.option("--model", metavar="NAME", help="With --endpoint: the model's name there.")
@click.option("--by", metavar="MODEL", help="Let this run, model artefact or folder write.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0)
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=2,
    metavar="N",
    help="Processes that fill in a grammar; the bytes are the same for any number.",
)
@request_options
@click.option("--temperature", type=click.FloatRange(0, 100), default=0.8)
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 1 << 20),
    default=512,
    help="Of an answer. One that is longer is cut, and is a reject.",
)
@click.option(
    "--budget-tokens",
    type=click.IntRange(1, MOST_TOKENS),
    metavar="N",
    help="Stop when all answers in DIR have taken so many, with their prompts.",
)
@click.option("--system", default="", metavar="TEXT", help="A system message before each prompt.")
@click.option("--dry-run", is_flag=True, help="Say how many texts, files and bytes; write nothing.")
@click.pass_context
def write(context: click.Context, prompts: Path, folder: Path, **options: Any) -> None:
    """Make synthetic text: by a grammar, by a server, or by a model of yours.

    PROMPTS is a grammar (.toml), or a file with one prompt a line or a field "prompt" a line. A
    grammar alone writes its own texts. With --endpoint a server answers each prompt; with --by a
    model answers it, or continues it if it is a base model.

    Safe to interrupt and to repeat: the same command goes on, and a larger --count adds texts.
    Delete DIR/rejects.jsonl to ask again for the rejected ones. A server's key is read from the
    environment variable ENDONYM_API_KEY.
    """
    from endonym.commands import write as writing
    from endonym.synthesis.grammar import Grammar
    from endonym.synthesis.prompts import Prompts, is_grammar, read_prompts

    settings: Settings = context.obj
    log = settings.log()
    kind = kind_of_writer(context, prompts, options)
    plan = plan_of(settings, kind, prompts, options)
    grammar = Grammar.load(prompts) if is_grammar(prompts) else None
    texts = Prompts([] if grammar else read_prompts(prompts), grammar, plan.seed)
    if options["dry_run"]:
        found = writing.foreseen(plan, grammar, len(texts.listed))
        settings.show(writing.describe_foreseen(found), found)
        return
    if kind == "grammar":
        workers = options["workers"]
        written = writing.write_grammar(plan, prompts, folder, workers=workers, log=log)
    else:
        written = writing.write_answers(
            plan,
            texts,
            folder,
            lambda works: writer_of(settings, log, works, options),
            model=options["model"] or options["by"],
            budget=options["budget_tokens"],
            log=log,
        )
    table = writing.source_table(plan, folder)
    if settings.is_json:
        print_json({**written.as_dict(), "source": table})
        return
    say(writing.describe(written))
    if written.left:
        more = f"more than --budget-tokens {options['budget_tokens']}"
        log.line(f"{number(written.left)} are left: the same command with {more} goes on")
    if written.texts:
        log.line(f"next: a source of your recipe ({program()} explain source)\n\n{table}")


def kind_of_writer(context: click.Context, prompts: Path, options: dict[str, Any]) -> str:
    """Who writes, by the flags. Raises UsageError for flags that do not fit together."""
    from endonym.synthesis.prompts import is_grammar

    if options["endpoint"] and options["by"]:
        raise click.UsageError("Give --endpoint or --by, one of the two.")
    kind = "endpoint" if options["endpoint"] else "model" if options["by"] else "grammar"
    if kind == "endpoint" and not options["model"]:
        raise click.UsageError("--endpoint needs --model NAME: the model's name there.")
    if kind == "grammar" and prompts.is_file() and not is_grammar(prompts):
        raise click.UsageError(f"{prompts} holds prompts: who answers them, --endpoint or --by?")
    for name, kinds in OF_WRITERS.items():
        is_given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if is_given and kind not in kinds:
            flag = f"--{name.replace('_', '-')}"
            of = " or ".join(WRITERS[each] for each in kinds)
            raise click.UsageError(f"{flag} is for {of}; here it does nothing.")
    return kind


def plan_of(settings: Settings, kind: Any, prompts: Path, options: dict[str, Any]) -> Any:
    """What is to be written."""
    from endonym.synthesis.plan import Plan, plan_name
    from endonym.synthesis.prompts import source_hash

    source = source_hash(prompts)
    model = ""
    sampling = dict[str, Any]()
    if kind == "model":
        from endonym.commands.load import identity_of

        model = identity_of(options["by"], settings.open_store(), where="--by")
    elif kind == "endpoint":
        model = options["model"]
    if kind != "grammar":
        sampling = {name: options[name] for name in ("temperature", "max_tokens", "system")}
    name = plan_name(prompts)
    return Plan(name, kind, source, options["count"], options["seed"], model, sampling)


def writer_of(settings: Settings, log: Log, works: bool, options: dict[str, Any]) -> Any:
    """What answers the prompts: a server, or a model of ours."""
    asked = {name: options[name] for name in ("system", "temperature", "max_tokens")}
    if options["by"]:
        from endonym.commands.write_model import model_writer

        log.line(f"loading {options['by']} …")
        store = settings.open_store()
        return model_writer(options["by"], store, log, device_name=settings.device, **asked)
    fields = {"model": options["model"], **asked}
    system = fields.pop("system")
    return server(options, fields, log, works, system=system)


def server(
    options: dict[str, Any], fields: dict[str, Any], log: Log, works: bool, *, system: str = ""
) -> Any:
    """The client of --endpoint. Raises RecipeError for an address that is none."""
    from endonym.synthesis.endpoint import KEY_VARIABLE, Endpoint, address_of

    address = address_of("--endpoint", options["endpoint"])
    key = os.environ.get(KEY_VARIABLE, "").strip()
    many = options["concurrency"]
    seconds = options["timeout"]
    return Endpoint(address, fields, key, system, many, log, seconds=seconds, works=works)


@click.command()
@MODEL
@click.argument("other", required=False)
@click.option(
    "--out", "folder", type=FOLDER, required=True, metavar="DIR", help="For texts and answers."
)
@click.option("--endpoint", metavar="URL", help="The judge's server, such as http://host:8000/v1.")
@click.option("--judge", "judge_model", metavar="NAME", help="The judge's name there.")
@click.option(
    "--prompts",
    type=PATH,
    metavar="FILE",
    help='One prompt a line, or a field "prompt" a line, instead of beginnings of held-out texts.',
)
@click.option(
    "--rubric", type=PATH, metavar="FILE", help="Criteria, grades and questions of your own (TOML)."
)
@click.option("--count", type=click.IntRange(1, MOST_JUDGED), default=48, help="Prompts at most.")
@split_option("Held-out texts: dev to choose a model, test to judge the chosen one.")
@click.option("--temperature", type=click.FloatRange(0, 100), default=0.8, help="Of the models.")
@click.option(
    "--max-tokens", type=click.IntRange(1, 1 << 20), default=120, help="Of a text of the models."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0)
@click.option(
    "--answer-tokens",
    type=click.IntRange(1, 1 << 20),
    default=1024,
    help="Of an answer of the judge. One that is longer is cut, and no answer.",
)
@click.option(
    "--budget-tokens",
    type=click.IntRange(1, MOST_TOKENS),
    metavar="N",
    help="Stop when the answers of this judge have taken so many, with their questions.",
)
@request_options
@click.option(
    "--languagetool",
    metavar="URL",
    help="Count mistakes by this LanguageTool server, such as http://host:8010/v2.",
)
@click.pass_obj
def judge(settings: Settings, model: str, other: str | None, folder: Path, **options: Any) -> None:
    """Let another model judge what models write: pairs in both orders, and grades by a rubric.

    One MODEL is compared with held-out texts, two with each other; both go on from the same
    prompts. Without --endpoint the texts are written, and it is said what a judge would cost.

    Safe to interrupt and to repeat. The same command with another --judge asks that one about the
    same texts, and says how far all judges agree. A server's key is read from ENDONYM_API_KEY.
    """
    from endonym.commands.judge import Judge
    from endonym.commands.judge import judge as judged
    from endonym.commands.judge_texts import Request
    from endonym.evaluate.judging import read_rubric
    from endonym.synthesis.endpoint import address_of

    endpoint, name, tool = (options[key] for key in ("endpoint", "judge_model", "languagetool"))
    if bool(endpoint) != bool(name):
        raise click.UsageError("--endpoint URL and --judge NAME belong together.")
    log = settings.log()
    asked = None
    if endpoint and name:
        fields = {"model": name, "temperature": 0.0, "max_tokens": options["answer_tokens"]}
        make = partial(server, options, fields, log)
        asked = Judge(name, address_of("--endpoint", endpoint), make, options["budget_tokens"])
    options["languagetool"] = tool and address_of("--languagetool", tool)
    options["rubric"] = read_rubric(options["rubric"])
    given = {key: options[key] for key in Request.__dataclass_fields__ if key in options}
    request = Request((model, other) if other else (model,), **given)
    store = settings.open_store()
    target = settings.device
    found, text = judged(request, asked, folder, store=store, log=log, device_name=target)
    if settings.is_json:
        print_json(found)
    else:
        click.echo(f"\n{text}\n")
