"""From the messages of a conversation to ids, by the model's own chat template (Jinja)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from endonym.errors import RecipeError
from endonym.serve.engine import Engine
from endonym.tokenizer.chat_template import Asked, ChatTemplate

Message = Mapping[str, str]
THOUGHT = " \n<think>\nбер\n</think>\n\n<tool_response>ике</tool_response> өч. \n"
PROBE = tuple({"role": role, "content": THOUGHT} for role in ("user", "assistant") * 2)[:3]
"""A conversation whose contents templates like to change: blanks around them, thoughts."""


def chat_ids(engine: Engine, messages: Sequence[Message]) -> list[int]:
    """The ids of a conversation up to where the model answers.

    The template's own text may name special tokens. What people wrote is plain text, whatever it
    names: contents take their places only after the template is filled in. Raises RecipeError if
    the template refuses the messages, or cannot be filled in.
    """
    ids: list[int] = []
    for part, is_content in _parts(engine, messages):
        ids += (engine.vocabulary.encode if is_content else engine.encode_markup)(part)
    return ids


def acts_on_contents(engine: Engine) -> bool:
    """Whether a template does more with contents than put them into their places: it trims them, or
    looks for a thought in them. It sees placeholders here, so that this is left out.
    """
    with suppress(RecipeError):  # a template that is broken is told with the first message
        (filled,) = template_of(engine).filled([Asked(PROBE, True)])
        return filled != "".join(part for part, _ in _parts(engine, PROBE))
    return False


def template_of(engine: Engine) -> ChatTemplate:
    """The template of an engine that has one."""
    assert engine.template is not None, "asked of a base model"
    token = engine.vocabulary.token
    return ChatTemplate(engine.template, token(engine.opening), token(engine.ending))


def _parts(engine: Engine, messages: Sequence[Message]) -> list[tuple[str, bool]]:
    """The filled template in parts, each with whether it is the content of a message."""
    roles = [each["role"] for each in messages]
    (parts,) = template_of(engine).parts([(roles, True)])
    return [
        (text, False) if number is None else (messages[number]["content"], True)
        for text, number in parts
    ]
