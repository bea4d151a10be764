"""Fills in chat templates, which are strangers' programs, in a process with limits."""

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from endonym.limited.process import Failure, LimitedProcess, Limits

SECONDS = 5.0
"""A template that has not ended by then is stopped, even if nobody waits for it any more."""
MEMORY = 1 << 29
"""Bytes of the whole process."""
LONGEST = 1 << 20
"""Characters of the filled template, without the contents of messages."""
_process = LimitedProcess("endonym.tokenizer.template_process:fill_asked")


def fill_many(template: str, values: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Fill in the template with each of the values, within one limit of time and memory.

    Each has one key: `text`, the filled template; `refused`, what the template says against the
    values; or `error`.
    """
    question = {"template": template, "values": values}
    try:
        return _process.ask(question, Limits(MEMORY, SECONDS, SECONDS))["filled"]
    except Failure as failure:
        return [{"error": str(failure)}] * len(values)


def fill_asked(question: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the process with limits: `fill_one` for each of the values."""
    return {"filled": [fill_one(question["template"], each) for each in question["values"]]}


def fill_one(template: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Fill in the template here: its `text`, what it `refused`, or an `error`."""
    refusals = list[str]()  # tells raise_exception from other errors

    def refuse(message: str) -> None:
        refusals.append(message)
        raise ValueError

    try:
        text = compiled(template).render(raise_exception=refuse, **values)
        text.encode("utf-8")
    except MemoryError:
        return {"error": f"it takes more than {MEMORY >> 20} MiB of memory"}
    except Exception as error:  # noqa: BLE001 - a stranger's program
        if refusals:
            return {"refused": str(refusals[-1])[:LONGEST]}
        return {"error": (str(error) or type(error).__name__)[:LONGEST]}
    if len(text) > LONGEST:
        return {"error": f"it makes {len(text)} characters; at most {LONGEST}"}
    return {"text": text}


@functools.lru_cache(maxsize=4)
def compiled(template: str) -> Any:
    """The template in the sandbox, where loops are allowed and reaching into objects is not.

    With what `transformers` adds to Jinja: break and continue, {% generation %} around what is
    learnt, which changes no text, tojson that keeps letters, and strftime_now.
    """
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - as Jinja has it

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = to_json
    return environment.from_string(template, globals={"strftime_now": strftime_now})


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    *,
    sort_keys: bool = False,
) -> str:
    """The filter tojson of `transformers`; Jinja's own escapes letters of HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def strftime_now(form: str) -> str:
    """The time of this machine, as in `transformers`."""
    return datetime.datetime.now().strftime(form)
