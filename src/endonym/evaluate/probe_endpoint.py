"""Features of texts from a server with OpenAI's `/embeddings`, such as one of a quantized model."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from endonym.errors import EndpointError, RecipeError, first_line
from endonym.evaluate.probes import Array
from endonym.synthesis.endpoint import (
    ADVICE,
    CONNECT_SECONDS,
    HEADERS,
    MOST_BYTES,
    is_address,
    require_httpx,
    words_of,
)

if TYPE_CHECKING:
    import httpx

WAY = "/embeddings"
BATCH, SECONDS = 32, 600.0
"""Texts of a request, and how long its answer may take."""
START = "Start one: endonym serve MODEL. Its address ends with /v1."


def served_features(
    address: str, model: str, texts: Sequence[str], advance: Callable[[int], None], *, key: str = ""
) -> Array:
    """The embeddings of texts, scaled to length 1, (texts, D).

    address: up to /v1. model: its name there. A server that refuses texts longer than its context
    is asked to cut them there, as endonym's and Ollama's do. Raises EndpointError for one that
    cannot be reached, refuses, or answers anything else.
    """
    require_httpx()
    import httpx

    address = address.rstrip("/")
    if not is_address(address):
        do = "For example: --probe-endpoint http://127.0.0.1:8000/v1"
        raise RecipeError(f"{address} is no address of a server", where="--probe-endpoint", do=do)
    more = dict[str, Any]()
    headers = HEADERS | ({"Authorization": f"Bearer {key}"} if key else {})
    times, found = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS), list[Array]()
    with httpx.Client(headers=headers, timeout=times) as client:
        for first in range(0, len(texts), BATCH):
            part = texts[first : first + BATCH]
            sent = {"model": model, "input": part, "encoding_format": "float", **more}
            data = _posted(client, address, sent)
            if data is None:
                more["truncate"] = True
                data = _posted(client, address, sent | more)
            found.append(_vectors(data or b"", len(part), address))
            advance(len(part))
    widths = sorted({each.shape[1] for each in found})
    if len(widths) > 1:
        raise EndpointError(f"embeddings of {widths} numbers, expected as many", where=address)
    return np.concatenate(found)


def _posted(client: "httpx.Client", address: str, sent: dict[str, Any]) -> bytes | None:
    """What the server sends back; None if a text is too long, unless it was asked to cut it.

    Raises EndpointError if it is no answer.
    """
    import httpx

    data = bytearray()
    try:
        with client.stream("POST", address + WAY, json=sent) as response:
            for part in response.iter_raw():
                data += part
                if len(data) > MOST_BYTES:
                    raise EndpointError(f"an answer of over {MOST_BYTES} bytes", where=address)
    except httpx.ConnectError as error:
        message = f"the server cannot be reached: {first_line(error)}"
        raise EndpointError(message, where=address, do=START) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"the server gives no answer: {first_line(error) or type(error).__name__}"
        raise EndpointError(message, where=address, do=START) from error
    if not response.is_success:
        if b'"context_length_exceeded"' in data and "truncate" not in sent:
            return None
        said = words_of(data.decode(errors="replace"))
        message = f"the server refuses the request ({response.status_code}): {said}"
        raise EndpointError(message, where=address, do=ADVICE.get(response.status_code, START))
    return bytes(data)


def _vectors(data: bytes, count: int, address: str) -> Array:
    """The embeddings in an answer, each scaled to length 1. Raises EndpointError for others."""
    try:
        rows = sorted(json.loads(data)["data"], key=lambda each: each["index"])
        found = np.array([each["embedding"] for each in rows], dtype=np.float64)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"its answer is no list of embeddings: {words_of(data.decode(errors='replace'))}"
        raise EndpointError(message, where=address, do=START) from error
    if found.ndim != 2 or len(found) != count or not found.size:
        message = f"it gave {len(found)} embeddings, of {count} texts"
        raise EndpointError(message, where=address, do=START)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(found).all() or not lengths.all():
        message = "an embedding has no length: its numbers are 0, infinite or none"
        raise EndpointError(message, where=address, do="Look at the server's model.")
    return (found / lengths).astype(np.float32)
