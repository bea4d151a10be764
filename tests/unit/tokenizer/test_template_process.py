"""A stranger's template may fail, loop or grow; the process that asks goes on."""

import datetime
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from endonym.tokenizer import template_process as template
from endonym.tokenizer.template_process import LONGEST, MEMORY, TemplateProcess, filled


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Generator[TemplateProcess]:
    monkeypatch.setattr(template, "SECONDS", 1.5)
    made = TemplateProcess()
    yield made
    made.close()


def test_a_template_is_filled_in_and_may_refuse(process: TemplateProcess) -> None:
    for fill in (process.fill, filled):
        assert fill("{{ a }} ភូមិ", {"a": "Сәлам"}) == {"text": "Сәлам ភូមិ"}
        assert fill("{{ raise_exception('юк') }}", {}) == {"refused": "юк"}
        assert "division" in fill("{{ 1/0 }}", {})["error"]
        assert str(LONGEST) in fill("{{ 'a' * 2000000 }}", {})["error"]
        assert "surrogates" in fill(r"{{ '\ud800' }}", {})["error"]


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 3000000000 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_what_does_not_end_or_grows_is_stopped(process: TemplateProcess, text: str) -> None:
    assert process.fill("а", {}) == {"text": "а"}
    started = time.monotonic()
    assert "error" in process.fill(text, {})
    assert time.monotonic() - started < 6
    assert process.fill("ә", {}) == {"text": "ә"}


def test_memory_is_bounded_and_is_named(process: TemplateProcess) -> None:
    text = "{% set a = 'a' * " + str(MEMORY + (1 << 27)) + " %}{{ 'ә' }}"
    assert process.fill(text, {}) == {"error": "it takes more than 512 MiB of memory"}


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
BUSY = "{% for a in range(9999) %}{% for b in range(300) %}{% endfor %}{% endfor %}ok"


def test_a_loop_ends_if_the_one_who_asked_was_killed() -> None:
    """The time is of each template: a server fills in many."""
    command = [sys.executable, "-P", template.__file__, "0.2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for text in [BUSY] * 24 + [LOOP]:
                process.stdin.write(json.dumps({"template": text, "values": [{}]}) + "\n")
            process.stdin.flush()
            for _ in range(24):
                assert json.loads(process.stdout.readline()) == [{"text": "ok"}]
            assert process.wait(timeout=60) == -signal.SIGXCPU
        finally:
            process.kill()


def test_what_transformers_adds_to_jinja_is_there(process: TemplateProcess) -> None:
    """Its break and continue, what marks answers for training, its tojson, and the date."""
    loop = "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 4 %}{% break %}"
    assert process.fill(loop + "{% endif %}{{ i }}{% endfor %}", {}) == {"text": "023"}
    answer = "{% for m in a %}\n{% generation %}\n{{ m }}.\n{% endgeneration %}\n{% endfor %}!"
    assert process.fill(answer, {"a": ["бер", "ике"]}) == {"text": "бер.\nике.\n!"}
    assert process.fill("{{ a | tojson }}", {"a": ["<ә>"]}) == {"text": '["<ә>"]'}
    year = str(datetime.datetime.now().year)
    assert process.fill("{{ strftime_now('%Y') }}", {}) == {"text": year}
