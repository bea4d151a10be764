"""The answers to a person who writes: to `/v1/suggestions`, `/v1/proofread`, `/v1/preferences`."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from endonym.data.conversations import Unfit, pair_of
from endonym.generate.suggest import is_unbroken
from endonym.script.letters import GAP
from endonym.serve.answers import ApiError, Json, json_bytes
from endonym.serve.limits import Receive
from endonym.serve.requests import PreferenceRequest, ProofreadRequest, SuggestionRequest
from endonym.serve.service import Service, require_unicode, unless_gone

REFUSALS = {
    "no_suggestions": "{model} suggests no words: a GGUF file, or a model of more than 256 million "
    "parameters, only continues texts. Serve a run, a model artefact or a transformers folder of a "
    "smaller model.",
    "no_proofreading": "{model} cannot proofread: its words are those of the texts that it was "
    "made of. Serve a run or a model artefact whose texts are in the store.",
}
NOT_KEPT = (
    "this server keeps no corrections. Start it with --keep FILE: then each that you ask for is a "
    'line of FILE, which a phase with objective = "preferences" learns from.'
)

TOO_LONG = (
    "the correction and what it corrects have {tokens} tokens; they and twice what stands before "
    "them are a row of {context} tokens in training. Let the model write less at once, and keep a "
    "correction before you write on."
)
T = TypeVar("T")
TOKENS_AROUND = 4
"""Tokens that a chat template may add to each side."""


def _helper(service: Service, model: str, helpers: Mapping[str, T], code: str) -> T:
    """What helps the writers of a model. Raises ApiError if there is no such model, or no help."""
    service.scheduler(model)
    if model not in helpers:
        raise ApiError(400, REFUSALS[code].format(model=model), param="model", code=code)
    return helpers[model]


async def suggestions(service: Service, body: SuggestionRequest, receive: Receive) -> bytes | None:
    """The answer to `/v1/suggestions`; None if the client has gone. Raises ApiError.

    Inside a character, of which half is typed, nothing is suggested.
    """
    writers = _helper(service, body.model, service.desk.writers, "no_suggestions")
    if "\ud800" <= body.text[-1:] <= "\udfff":
        return _answer(body.model, [])
    require_unicode(body.text, "text")
    work = partial(writers.suggest, body.text, body.n)
    found = await unless_gone(service.desk.suggesting.run(work), receive)
    if found is None:
        return None
    words = [{**each._asdict(), "blank": not is_unbroken(each.word)} for each in found]
    return _answer(body.model, words)


async def proofread(service: Service, body: ProofreadRequest, receive: Receive) -> bytes | None:
    """The answer to `/v1/proofread`; None if the client has gone. Raises ApiError."""
    reader = _helper(service, body.model, service.desk.readers, "no_proofreading")
    require_unicode(body.text, "text")
    work = partial(reader.check_known, body.text)
    checked = await unless_gone(service.desk.proofreading.run(work), receive)
    if checked is None:
        return None
    found, unchecked_lines = checked
    rows = [
        {**each._asdict(), "corrections": [one._asdict() for one in each.corrections]}
        for each in found
    ]
    return _answer(body.model, rows, unchecked_lines=unchecked_lines)


async def preference(service: Service, body: PreferenceRequest) -> Json:
    """The answer to `/v1/preferences`: how many are kept now. Raises ApiError.

    A phase of training puts both sides, each behind the prompt, into one row as long as the
    context. So a prompt is cut at its beginning until they fit.
    """
    engine = service.scheduler(body.model).engine
    if service.desk.corrections is None:
        raise ApiError(400, NOT_KEPT, code="no_file")
    pair = {"prompt": body.prompt, "chosen": body.chosen, "rejected": body.rejected}
    try:
        pair_of(pair)
    except Unfit as unfit:
        raise ApiError(400, unfit.detail, code=unfit.reason) from unfit
    encode = engine.vocabulary.encode
    sides = len(encode(body.chosen)) + len(encode(body.rejected))
    room = (engine.context - sides) // 2 - TOKENS_AROUND
    pair["prompt"] = await asyncio.to_thread(fitting_end, body.prompt, room, encode)
    if not pair["prompt"].strip():
        message = TOO_LONG.format(tokens=sides, context=engine.context)
        raise ApiError(400, message, code="context_length_exceeded")
    kept = await asyncio.to_thread(service.desk.corrections.add, pair)
    return {"object": "preference", "file": str(service.desk.corrections.path), "kept": kept}


def fitting_end(text: str, room: int, encode: Callable[[str], Sequence[int]]) -> str:
    """The end of a text that has at most so many tokens, from the beginning of a word on."""
    while text and len(encode(text)) > room:
        least = max(1, len(text) // 8)
        gap = GAP.search(text, least)
        text = text[least:] if gap is None else text[gap.end() :]
    return text


def _answer(model: str, data: list[Json], **more: int) -> bytes:
    return json_bytes({"object": "list", "data": data, "model": model, **more})
