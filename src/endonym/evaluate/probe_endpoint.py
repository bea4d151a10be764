"""Features of texts from a server with OpenAI's `/embeddings`, such as one of a quantized model."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from endonym.batching import in_batches
from endonym.errors import EndpointError, first_line
from endonym.evaluate.probes import Array
from endonym.synthesis.endpoint import (
    ADVICE,
    BUSY,
    LONGEST_BACKOFF,
    MOST_BYTES,
    address_of,
    client_options,
    retry_after,
    words_of,
)
from endonym.synthesis.shards import json_line

if TYPE_CHECKING:
    import httpx

WAY = "/embeddings"
BATCH = 32
BATCH_BYTES = 1 << 19
SECONDS = 600.0
"""Texts of a request and their bytes in JSON, and how long its answer may take. A longer text is a
request of its own."""
TRIES = 5
"""Of a request, while the server is busy."""
# Codes, as serve/ answers.
TOO_LONG = "context_length_exceeded"
NO_TOKEN = "no_token"
START = "Start one: endonym serve MODEL. Its address ends with /v1."
LOOK = "Nothing was scored. Look at the server's log, and whether its model gives embeddings."
Ask = Callable[..., Array]
"""Gives the vectors of texts, (texts, D). truncate=True: a text that is too long is cut."""


class Unfit(Exception):
    """A request with a text that is too long, or has no token: the code of the answer."""


def served_features(
    address: str, model: str, texts: Sequence[str], advance: Callable[[int], None], *, key: str = ""
) -> tuple[Array, int]:
    """The embeddings of texts, scaled to length 1, (texts, D); and how many texts were cut.

    NaN of a text without a token, where the server says so. address: up to /v1. model: its name
    there. A server that refuses texts longer than its context is asked to cut them there, as
    endonym's and Ollama's do; what one cuts unasked is not counted. Raises EndpointError for one
    that cannot be reached, refuses, or answers anything else.
    """
    address = address_of("--probe-endpoint", address)
    import httpx

    rows = list[Array | None]()
    n_cut = 0
    with httpx.Client(**client_options(key, SECONDS)) as client:
        ask = partial(_asked, client, address, model)
        for part in in_batches(texts, _size, BATCH_BYTES, is_within=True):
            found, cut = _rows(ask, part)
            rows += found
            n_cut += cut
            advance(len(part))
    widths = sorted({len(row) for row in rows if row is not None})
    if len(widths) > 1:
        raise EndpointError(f"embeddings of {widths} numbers, expected as many", where=address)
    none_D = np.full(widths[0] if widths else 1, np.nan, dtype=np.float32)
    return np.stack([none_D if row is None else row for row in rows]), n_cut


def _size(text: str) -> int:
    """The bytes of a text in a request; of a short one its share, so that BATCH texts are full."""
    return max(len(json.dumps(text, ensure_ascii=False).encode()), BATCH_BYTES // BATCH)


def _rows(ask: Ask, texts: Sequence[str]) -> tuple[list[Array | None], int]:
    """The vector of each text, None of one without a token, and how many texts were cut.

    A request that is refused for one of its texts is halved until that one is alone.
    """
    try:
        return [*ask(texts)], 0
    except Unfit as unfit:
        if len(texts) == 1:
            return ([None], 0) if str(unfit) == NO_TOKEN else ([*ask(texts, truncate=True)], 1)
    half = len(texts) // 2
    first = _rows(ask, texts[:half])
    second = _rows(ask, texts[half:])
    return first[0] + second[0], first[1] + second[1]


def _asked(
    client: "httpx.Client", address: str, model: str, texts: Sequence[str], **more: Any
) -> Array:
    """The vectors of texts. A server that is busy is asked again.

    Raises Unfit unless a text was asked to be cut, and EndpointError for any other refusal.
    """
    sent = {"model": model, "input": texts, "encoding_format": "float", **more}
    response, data = _posted(client, address, sent)
    for tries in range(TRIES - 1):
        asked_for = retry_after(response.headers.get("retry-after", ""), time.time())
        seconds = asked_for or 2.0**tries
        if response.status_code not in BUSY or seconds > LONGEST_BACKOFF:
            break
        time.sleep(seconds)
        response, data = _posted(client, address, sent)
    if response.is_success:
        return _vectors(data, len(texts), address)
    for code in (TOO_LONG, NO_TOKEN):
        if f'"{code}"'.encode() in data and not more:
            raise Unfit(code)
    said = words_of(data.decode(errors="replace"))
    status = response.status_code
    message = f"the server refuses the request ({status}): {said}"
    do = "Nothing was scored: the server is busy. Try again later." if status in BUSY else LOOK
    raise EndpointError(message, where=address, do=ADVICE.get(status, do))


def _posted(
    client: "httpx.Client", address: str, sent: dict[str, Any]
) -> "tuple[httpx.Response, bytes]":
    """What the server sends back. Raises EndpointError if that is nothing, or too much."""
    import httpx

    data = bytearray()
    try:
        with client.stream("POST", address + WAY, content=json_line(sent)) as response:
            for part in response.iter_raw():
                data += part
                if len(data) > MOST_BYTES:
                    raise EndpointError(f"an answer of over {MOST_BYTES} bytes", where=address)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        message = f"the server cannot be reached: {first_line(error)}"
        raise EndpointError(message, where=address, do=START) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"the server gives no answer: {first_line(error) or type(error).__name__}"
        raise EndpointError(message, where=address, do=LOOK) from error
    return response, bytes(data)


def _vectors(data: bytes, count: int, address: str) -> Array:
    """The embeddings in an answer, each scaled to length 1. Raises EndpointError for others."""
    try:
        rows = sorted(json.loads(data)["data"], key=lambda each: each["index"])
        numbers = [each["index"] for each in rows]
        found = np.array([each["embedding"] for each in rows], dtype=np.float64)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"its answer is no list of embeddings: {words_of(data.decode(errors='replace'))}"
        raise EndpointError(message, where=address, do=LOOK) from error
    if found.ndim != 2 or numbers != [*range(count)] or not found.size:
        places = f", at the places {numbers}" if found.size and len(found) == count else ""
        message = f"it gave {len(found)} embeddings{places}, of {count} texts"
        raise EndpointError(message, where=address, do=LOOK)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(found).all() or not lengths.all():
        message = "an embedding has no length: its numbers are 0, infinite or none"
        raise EndpointError(message, where=address, do="Look at the server's model.")
    return (found / lengths).astype(np.float32)
