"""From the messages of a conversation to ids, by the model's own chat template (Jinja)."""

import re
from collections.abc import Mapping, Sequence

from endonym.errors import EndonymError, RecipeError
from endonym.serve.engine import Engine

PLACE = "\ue000{}\ue001"
"""Stands for the content of a message while the template is filled in."""


def chat_ids(engine: Engine, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The ids of a conversation up to where the model answers.

    The template's own text may name special tokens. What people wrote is plain text, whatever it
    names: contents take their places only after the template is filled in.
    """
    assert engine.template is not None, "asked of a base model"
    places = [{**each, "content": PLACE.format(n)} for n, each in enumerate(messages)]
    ids: list[int] = []
    for part in re.split("(\ue000[0-9]+\ue001)", _filled(engine, places)):
        found = re.fullmatch("\ue000([0-9]+)\ue001", part)
        if found:
            ids += engine.vocabulary.encode(messages[int(found[1])]["content"])
        elif part:
            ids += engine.encode_markup(part)
    return ids


def _filled(engine: Engine, messages: Sequence[Mapping[str, str]]) -> str:
    """The template with these messages. Raises RecipeError if it refuses them."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise RecipeError(f"the model's chat template says: {message}")

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    token = engine.vocabulary.token
    names = {"bos_token": token(engine.opening), "eos_token": token(engine.ending)}
    try:
        template = environment.from_string(engine.template or "")
        return template.render(
            messages=messages, raise_exception=refuse, add_generation_prompt=True, **names
        )
    except EndonymError:
        raise
    except (TemplateError, TypeError, ValueError) as error:
        raise RecipeError(f"the model's chat template cannot be filled in: {error}") from error
