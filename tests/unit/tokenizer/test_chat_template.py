"""A template's own text is told from what people wrote."""

import datetime
import re
import time
from typing import Any

import pytest
from foreign_folders import byte_level
from toys import CHAT_KINDS, toy_tokenizer

from endonym.errors import RecipeError
from endonym.tokenizer import chat_template, template_process
from endonym.tokenizer.chat_template import (
    CHATML,
    ChatTemplate,
    Conversation,
    Markup,
    Part,
    differences,
)
from endonym.tokenizer.template_process import LONGEST, MEMORY, fill_many, fill_one
from endonym.tokenizer.tokenizer import Tokenizer

END = "<|endoftext|>"


def template(text: str = CHATML) -> ChatTemplate:
    return ChatTemplate(text, END, END)


def test_parts_depend_on_the_roles_alone() -> None:
    asked = [(("system", "user"), True), (("user", "assistant"), False)]
    first, second = template().parts(asked)
    markup = ("<|im_start|>system\n", "<|im_end|>\n<|im_start|>user\n")
    opening, between = map(Part, markup)
    last = Part("<|im_end|>\n<|im_start|>assistant\n")
    assert first == [opening, Part("", 0), between, Part("", 1), last]
    assert second[-2:] == [Part("", 1), Part("<|im_end|>\n")]
    assert template().parts(asked) == [first, second]


def test_it_is_the_chatml_of_transformers() -> None:
    messages = [{"role": "user", "content": "Сәлам"}, {"role": "assistant", "content": "Сәлам!"}]
    (text,) = template().filled([Conversation(messages, True)])
    assert text == (
        "<|im_start|>user\nСәлам<|im_end|>\n<|im_start|>assistant\nСәлам!<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_refusals_and_errors_are_told_apart() -> None:
    with pytest.raises(chat_template.TemplateRefusal, match="юк"):
        template("{{ raise_exception('юк') }}").parts([(("user",), True)])
    with pytest.raises(RecipeError, match="cannot be filled in") as caught:
        template("{{ messages.__class__.__mro__ }}").parts([(("user",), True)])
    assert not isinstance(caught.value, chat_template.TemplateRefusal)


def test_a_template_that_loops_ends_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_process, "SECONDS", 1.0)
    text = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    start = time.monotonic()
    with pytest.raises(RecipeError, match="does not end"):
        template(text).parts([(("user",), True)])
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_specials_are_ids_in_markup_and_text_elsewhere(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    markup = Markup(tokenizer)
    assert markup.encode("<|im_start|>user\n") == [1, *tokenizer.encode("user\n")]
    assert markup.encode(f"{END}<|im_end|>") == [0, 2]
    assert 1 not in tokenizer.encode("<|im_start|>user\n")


INSTRUCTING = (
    "{% for m in messages %}{{ '[INST] ' if m['role'] == 'user' else ' ' }}{{ m['content'] }}"
    "{{ ' [/INST]' if m['role'] == 'user' else eos_token }}{% endfor %}"
)


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [(kind, CHATML, 0) for kind in CHAT_KINDS]
    + [("bpe", INSTRUCTING, 1), ("byte", INSTRUCTING, 0)],
)
def test_contents_that_join_the_text_beside_them_are_told(kind: str, text: str, count: int) -> None:
    tokenizer = toy_tokenizer(kind)
    found = differences(template(text), tokenizer, Markup(tokenizer).encode)
    assert ["encoded apart here" in each for each in found] == [True] * count


class Longest:
    """A tokenizer that reads the longest of its pieces; a sign of none of them is its code point.

    Its first pieces with a blank are no words.
    """

    pieces = ("китап", "алма", "кеше", " ", "  ", " 5", " “", " китап", " алма", " кеше")
    vocab = len(pieces)

    def bytes_of(self, index: int) -> bytes:
        return self.pieces[index].encode()

    def encode(self, text: str) -> list[int]:
        known = sorted(self.pieces, key=len, reverse=True)
        found = re.findall("|".join(map(re.escape, known)) + "|.", text, re.DOTALL)
        return [self.pieces.index(e) if e in self.pieces else 1_000 + ord(e) for e in found]


@pytest.mark.parametrize(
    ("before_user", "before_answer", "count"), [(" ", "\n", 1), ("\n", " ", 1), ("\n", "\n", 0)]
)
def test_contents_are_tried_behind_blanks(before_user: str, before_answer: str, count: int):
    """Words of letters: a template that strips contents leaves them as they are."""
    before = f"{before_user!r} if m['role'] == 'user' else {before_answer!r}"
    text = (
        f"{{% for m in messages %}}{{{{ {before} }}}}{{{{ m['content'] | trim }}}};{{% endfor %}}"
    )
    reader = Longest()
    found = differences(template(text), reader, lambda text, _: reader.encode(text))
    assert ["encoded apart here" in each for each in found] == [False] + [True] * count


def test_a_template_is_opened_once() -> None:
    assert template().opened == "{{ bos_token }}" + CHATML
    assert template(template().opened).opened == template().opened
    own = END + CHATML
    assert template(own).opened == own


@pytest.mark.parametrize("blank", ["", "   ", "\n", "\n  "])
def test_an_opened_template_writes_the_same_text_behind_its_start(blank: str) -> None:
    """Blanks before a block at the beginning of a line are no text."""
    asked = [Conversation([{"role": "user", "content": "Сәлам"}], True)]
    given = template(blank + CHATML)
    assert template(given.opened).filled(asked) == [END + given.filled(asked)[0]]


def test_the_longest_name_of_a_special_token_is_read() -> None:
    engine = byte_level()
    engine.add_special_tokens(["<turn>", "<turn>model", "<turn>m"])
    tokenizer = Tokenizer(engine, "<eos>")
    ids = {name: tokenizer.id_of(name) for name in ("<turn>", "<turn>model", "<turn>m")}
    found = Markup(tokenizer).encode("<turn>model<turn>mo<turn>")
    expected = [ids["<turn>model"], ids["<turn>m"], *tokenizer.encode("o"), ids["<turn>"]]
    assert found == expected


def test_a_template_that_changes_texts_is_not_said_to_join_them() -> None:
    tokenizer = toy_tokenizer("bpe")
    text = INSTRUCTING.replace("m['content']", "m['content'] | upper")
    (found,) = differences(template(text), tokenizer, Markup(tokenizer).encode)
    assert "tests or changes the texts of messages" in found


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_process, "SECONDS", 1.5)


def filled_there(template: str, values: dict[str, Any]) -> dict[str, str]:
    (found,) = fill_many(template, [values])
    return found


def test_a_template_is_filled_in_and_may_refuse() -> None:
    for fill in (filled_there, fill_one):
        assert fill("{{ a }} ភូមិ", {"a": "Сәлам"}) == {"text": "Сәлам ភូមិ"}
        assert fill("{{ raise_exception('юк') }}", {}) == {"refused": "юк"}
        assert "division" in fill("{{ 1/0 }}", {})["error"]
        assert str(LONGEST) in fill("{{ 'a' * 2000000 }}", {})["error"]
        assert "surrogates" in fill(r"{{ '\ud800' }}", {})["error"]


ENDLESS = [
    "{{ 'a' * 3000000000 }}",
    "{{ 10 ** (10 ** 10) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
]


@pytest.mark.parametrize("text", ENDLESS)
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
    answer = "{% generation %}\n{{ a }}.\n{% set a = 'кич' %}{% endgeneration %}\n{{ a }}!"
    assert filled_there(answer, {"a": "таң"}) == {"text": "таң.\nтаң!"}
    indented = "{% if a %}\n  {% for m in a %}\n    {{ m }};\n  {% endfor %}\n{% endif %}"
    assert filled_there(indented, {"a": ["бер"]}) == {"text": "    бер;\n"}
    assert filled_there("{{ a | tojson }}", {"a": ["<ә>"]}) == {"text": '["<ә>"]'}
    year = str(datetime.datetime.now().year)
    assert filled_there("{{ strftime_now('%Y') }}", {}) == {"text": year}
