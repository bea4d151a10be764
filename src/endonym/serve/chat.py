"""From the messages of a conversation to ids, by the model's own chat template (Jinja)."""

from collections.abc import Mapping, Sequence

from endonym.serve.engine import Engine
from endonym.tokenizer.chat_template import ChatTemplate, differences, ids_of

Message = Mapping[str, str]


def chat_ids(engine: Engine, messages: Sequence[Message]) -> list[int]:
    """The ids of a conversation up to where the model answers.

    The template's own text may name special tokens. What people wrote is plain text, whatever it
    names: contents take their places only after the template is filled in. Raises RecipeError if
    the template refuses the messages, or cannot be filled in.
    """
    (parts,) = template_of(engine).parts([([each["role"] for each in messages], True)])
    contents = [each["content"] for each in messages]
    return ids_of(parts, contents, engine.vocabulary.encode, engine.encode_markup)


def prompt_differences(engine: Engine) -> list[str]:
    """What other programs do otherwise with the engine's template."""
    return differences(template_of(engine), engine.vocabulary, engine.encode_markup)


def template_of(engine: Engine) -> ChatTemplate:
    """The template of an engine that has one."""
    assert engine.template is not None, "asked of a base model"
    token = engine.vocabulary.token
    return ChatTemplate(engine.template, token(engine.opening), token(engine.ending))
