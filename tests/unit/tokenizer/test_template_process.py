"""A stranger's template may fail, loop or grow; the process that asks goes on."""

import time
from collections.abc import Generator

import pytest

from endonym.tokenizer import template_process as template
from endonym.tokenizer.template_process import LONGEST, TemplateProcess, filled


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
