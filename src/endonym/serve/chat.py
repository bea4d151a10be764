"""From the messages of a conversation to ids, by the model's own chat template (Jinja)."""

import re
import secrets
from collections.abc import Mapping, Sequence

from endonym.errors import RecipeError
from endonym.serve.engine import Engine
from endonym.serve.template import TemplateProcess

_process = TemplateProcess()


def chat_ids(engine: Engine, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The ids of a conversation up to where the model answers.

    The template's own text may name special tokens. What people wrote is plain text, whatever it
    names: contents take their places only after the template is filled in. Raises RecipeError if
    the template refuses the messages, or cannot be filled in.
    """
    assert engine.template is not None, "asked of a base model"
    secret = secrets.randbits(64)  # digits: they outlast upper and lower case
    contents = {f"\ue000{secret}.{n}\ue001": each["content"] for n, each in enumerate(messages)}
    placed = [{**each, "content": place} for each, place in zip(messages, contents, strict=True)]
    ids: list[int] = []
    for part in re.split(f"(\ue000{secret}\\.[0-9]+\ue001)", _filled(engine, placed)):
        if part in contents:
            ids += engine.vocabulary.encode(contents[part])
        elif part:
            ids += engine.encode_markup(part)
    return ids


def _filled(engine: Engine, messages: Sequence[Mapping[str, str]]) -> str:
    """The template with these messages."""
    token = engine.vocabulary.token
    names = {"bos_token": token(engine.opening), "eos_token": token(engine.ending)}
    values = {"messages": messages, "add_generation_prompt": True, **names}
    found = _process.fill(engine.template or "", values)
    if "refused" in found:
        raise RecipeError(f"the model's chat template says: {found['refused']}")
    if "error" in found:
        raise RecipeError(f"the model's chat template cannot be filled in: {found['error']}")
    return found["text"]
