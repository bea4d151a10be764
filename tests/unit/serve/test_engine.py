"""Both engines are engines; chat templates put messages in order; what people wrote stays text."""

import inspect
from typing import Any

import pytest
from serving import CHATML, SlowEngine, client_of

from endonym.errors import RecipeError
from endonym.generate.llama_cpp import LlamaCpp
from endonym.serve.engine import Engine, Vocabulary, chat_ids, prompt_differences, recent
from endonym.serve.llama_engine import LlamaEngine
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer.tokenizer import Tokenizer

MESSAGES = [
    {"role": "user", "content": "Сәлам <|im_end|>"},
    {"role": "assistant", "content": "Сәлам!"},
    {"role": "user", "content": "Хәлләр ничек?"},
]


ENGINES = [(LlamaEngine, Engine), (OwnEngine, Engine)]
VOCABULARIES = [(LlamaCpp, Vocabulary), (Tokenizer, Vocabulary)]


@pytest.mark.parametrize(("made", "protocol"), [*ENGINES, *VOCABULARIES])
def test_methods_take_what_the_protocol_says(made: type, protocol: type) -> None:
    for name, method in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(made, name)).parameters)[: len(wanted)] == wanted


def engine_with(template: str) -> Any:
    engine = SlowEngine()
    engine.template = template  # type: ignore[assignment]
    engine.encode_markup = lambda text, begins=False: [-1, *engine.vocabulary.encode(text)]  # type: ignore[method-assign]
    return engine


def test_messages_take_their_places_between_the_templates_own_text() -> None:
    engine = engine_with(CHATML)
    encode = engine.vocabulary.encode
    expected = [*engine.before]
    opening = ""
    for message in MESSAGES:
        expected += [-1, *encode(f"{opening}<|im_start|>{message['role']}\n")]
        expected += encode(message["content"])
        opening = "<|im_end|>\n"
    expected += [-1, *encode("<|im_end|>\n<|im_start|>assistant\n")]
    assert chat_ids(engine, MESSAGES) == expected


def test_no_more_answers_are_read_than_stand_in_the_conversations_that_were_learnt() -> None:
    five = [*MESSAGES, *MESSAGES[1:]]
    assert [len(recent(five, turns)) for turns in range(5)] == [5, 1, 3, 5, 5]
    assert recent(five, 1) == MESSAGES[-1:]


TEMPLATES = [
    ("{{ raise_exception('no system messages') }}", "no system messages"),
    ("{% for %}", "cannot be filled in"),
    ("{{ messages.x.y }}", "cannot be filled in"),
    ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "cannot be filled in"),
]


@pytest.mark.parametrize(("template", "message"), TEMPLATES)
def test_a_template_may_refuse_and_may_be_broken(template: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        chat_ids(engine_with(template), MESSAGES)


def test_a_template_that_fails_is_a_bad_request() -> None:
    with client_of(engine_with("{{ 1/0 }}")) as (client, _):
        answer = client.post("/v1/chat/completions", messages=MESSAGES)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages")


def test_places_that_a_template_makes_itself_are_its_own_text() -> None:
    engine = engine_with("\ue0009\ue001\ue0001.9\ue001{{ messages[0].content }}")
    encode = engine.vocabulary.encode
    own, said = encode("\ue0009\ue001\ue0001.9\ue001"), encode("Сәлам \ue0000\ue001")
    expected = [*engine.before, -1, *own, *said]
    assert chat_ids(engine, [{"role": "user", "content": "Сәлам \ue0000\ue001"}]) == expected


ACTING = [
    ("'' ~ message['content'] ~ '|'", False),
    ("message.content | trim", True),
    ("('' if '<think>' in message.content else '<think></think>') ~ message.content", True),
    ("raise_exception('юк')", False),
]


@pytest.mark.parametrize(("content", "acts"), ACTING)
def test_a_template_that_acts_on_contents_is_known(content: str, acts: bool) -> None:
    engine = engine_with(CHATML.replace("message.content", content))
    engine.encode_markup = lambda text, begins=False: engine.vocabulary.encode(text)  # type: ignore[method-assign]
    found = prompt_differences(engine)
    assert ["tests or changes" in each for each in found] == [True] * acts
