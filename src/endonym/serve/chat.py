"""From the messages of a conversation to ids, by the model's own chat template (Jinja)."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from endonym.errors import RecipeError
from endonym.serve.engine import Engine
from endonym.serve.template import TemplateProcess

Message = Mapping[str, str]
THOUGHT = " \n<think>\nбер\n</think>\n\n<tool_response>ике</tool_response> өч. \n"
PROBE = tuple({"role": role, "content": THOUGHT} for role in ("user", "assistant") * 2)[:3]
"""A conversation whose contents templates like to change: blanks around them, thoughts."""
_process = TemplateProcess()


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
        return _filled(engine, PROBE) != "".join(part for part, _ in _parts(engine, PROBE))
    return False


def _parts(engine: Engine, messages: Sequence[Message]) -> Iterator[tuple[str, bool]]:
    """The filled template in parts, each with whether it is the content of a message."""
    secret = secrets.randbits(64)  # digits: they outlast upper and lower case
    contents = {f"\ue000{secret}.{n}\ue001": each["content"] for n, each in enumerate(messages)}
    placed = [{**each, "content": place} for each, place in zip(messages, contents, strict=True)]
    for part in re.split(f"(\ue000{secret}\\.[0-9]+\ue001)", _filled(engine, placed)):
        if part:
            yield contents.get(part, part), part in contents


def _filled(engine: Engine, messages: Sequence[Message]) -> str:
    """The template with these messages."""
    assert engine.template is not None, "asked of a base model"
    token = engine.vocabulary.token
    names = {"bos_token": token(engine.opening), "eos_token": token(engine.ending)}
    values = {"messages": messages, "add_generation_prompt": True, **names}
    found = _process.fill(engine.template, values)
    if "refused" in found:
        raise RecipeError(f"the model's chat template says: {found['refused']}")
    if "error" in found:
        raise RecipeError(f"the model's chat template cannot be filled in: {found['error']}")
    return found["text"]
