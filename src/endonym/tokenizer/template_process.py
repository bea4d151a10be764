"""Fills in chat templates, which are strangers' programs, in a process that can be ended.

This file is also that process: a template and values for it come as a line of JSON, and for each
of the values the text, a refusal or an error goes back, all on one line. It imports nothing of
endonym, so that it starts at once.
"""

import atexit
import datetime
import functools
import json
import math
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

SECONDS = 5.0
"""A template that has not ended by then is stopped, even if nobody waits for it any more."""
MEMORY = 1 << 29
"""Bytes of the whole process."""
LONGEST = 1 << 20
"""Characters of the filled template, without the contents of messages."""


class TemplateProcess:
    """Takes one template after the other; started when first asked, and again after a stop."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def fill(self, template: str, values: Mapping[str, Any]) -> dict[str, str]:
        """Under `text` the filled template, under `refused` what it refuses, or an `error`."""
        return self.fill_many(template, [values])[0]

    def fill_many(self, template: str, values: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
        """The same for several values, within the same time and memory."""
        asked = json.dumps({"template": template, "values": values})
        with self._lock:
            process = self._started()
            timer = threading.Timer(SECONDS, process.kill)
            timer.start()
            try:
                assert process.stdin is not None, "a pipe"
                assert process.stdout is not None, "a pipe"
                process.stdin.write(f"{asked}\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())
            except (OSError, ValueError):
                self.close()
                error = f"it does not end within {SECONDS:g} seconds, or takes too much"
                return [{"error": error}] * len(values)
            finally:
                timer.cancel()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:
                pass

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, f"{SECONDS}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        return self._process


def filled(template: str, values: Mapping[str, Any]) -> dict[str, str]:
    """What `TemplateProcess.fill` gives, in this process."""
    refusals: list[str] = []

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
    how: dict[str, Any] = {"ensure_ascii": ensure_ascii, "indent": indent, "sort_keys": sort_keys}
    return json.dumps(value, separators=separators, **how)


def strftime_now(form: str) -> str:
    """The time of this machine, as in `transformers`."""
    return datetime.datetime.now().strftime(form)


def main(seconds: float) -> None:
    """Answer line by line until the other side closes. seconds: that each may take."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        # The asking program stops a long one. If it was killed, this does: SIGXCPU ends a process.
        used = time.process_time() + seconds
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used) + 1, hard))
        asked = json.loads(line)
        answer = json.dumps([filled(asked["template"], values) for values in asked["values"]])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
