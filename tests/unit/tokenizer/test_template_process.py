"""A stranger's template may fail, loop or grow; the process that asks goes on."""

import datetime
import time
from typing import Any

import pytest

from endonym.tokenizer import template_process
from endonym.tokenizer.template_process import LONGEST, MEMORY, fill_many, filled


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_process, "SECONDS", 1.5)


def filled_there(template: str, values: dict[str, Any]) -> dict[str, str]:
    (found,) = fill_many(template, [values])
    return found


def test_a_template_is_filled_in_and_may_refuse() -> None:
    for fill in (filled_there, filled):
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
def test_what_does_not_end_or_grows_is_stopped(text: str) -> None:
    assert filled_there("а", {}) == {"text": "а"}
    started = time.monotonic()
    assert "error" in filled_there(text, {})
    assert time.monotonic() - started < 6
    assert filled_there("ә", {}) == {"text": "ә"}


def test_memory_is_bounded_and_is_named() -> None:
    text = "{% set a = 'a' * " + str(MEMORY + (1 << 27)) + " %}{{ 'ә' }}"
    assert filled_there(text, {}) == {"error": "it takes more than 512 MiB of memory"}


def test_what_transformers_adds_to_jinja_is_there() -> None:
    """Its break and continue, what marks answers for training, its tojson, and the date."""
    loop = "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 4 %}{% break %}"
    assert filled_there(loop + "{% endif %}{{ i }}{% endfor %}", {}) == {"text": "023"}
    answer = "{% for m in a %}\n{% generation %}\n{{ m }}.\n{% endgeneration %}\n{% endfor %}!"
    assert filled_there(answer, {"a": ["бер", "ике"]}) == {"text": "бер.\nике.\n!"}
    indented = "{% if a %}\n  {% for m in a %}\n    {{ m }};\n  {% endfor %}\n{% endif %}"
    assert filled_there(indented, {"a": ["бер"]}) == {"text": "    бер;\n"}
    assert filled_there("{{ a | tojson }}", {"a": ["<ә>"]}) == {"text": '["<ә>"]'}
    year = str(datetime.datetime.now().year)
    assert filled_there("{{ strftime_now('%Y') }}", {}) == {"text": year}
