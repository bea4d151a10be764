"""Mistakes that a LanguageTool server finds in texts, for languages that it knows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from endonym.cleaning.measures import is_unbroken
from endonym.errors import EndpointError, first_line, printable
from endonym.evaluate.score import Interval, ratio
from endonym.evaluate.writing import LETTER, WORD
from endonym.log import Log

CHECK = "/check"
DOWN = "Is the server running, and is this its address up to /v2?"
SHOWN = 300
Mistake = dict[str, Any]


def found_mistakes(
    address: str, texts: Sequence[str], language: str, *, seconds: float, log: Log
) -> Iterator[list[Mistake]]:
    """Of each text its mistakes: rule, message, offset and length.

    address: up to /v2. Raises EndpointError for an answer that is none, so that no text without an
    answer counts as one without a mistake.
    """
    import httpx

    try:
        with (
            httpx.Client(timeout=seconds) as client,
            log.progress("asking LanguageTool", len(texts)) as advance,
        ):
            for text in texts:
                form = {"text": text, "language": language}
                answer = client.post(address + CHECK, data=form)
                yield _mistakes(answer.content, answer.status_code, address)
                advance(1)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = first_line(error)
        raise EndpointError(f"LanguageTool: {why}", where=address, do=DOWN) from error


def _mistakes(data: bytes, status: int, address: str) -> list[Mistake]:
    """The mistakes in an answer, which must be whole."""
    try:
        answer = json.loads(data)
        matches = answer["matches"]
        warnings = answer.get("warnings") or {}
        if status != 200 or not isinstance(matches, list) or warnings.get("incompleteResults"):
            raise ValueError
        return [_mistake(each) for each in matches]
    except (AttributeError, ValueError, TypeError, KeyError, RecursionError):
        said = printable(data.decode("utf-8", "replace"))[:SHOWN]
        message = f"this is no answer of LanguageTool ({status}): {said or 'nothing'}"
        raise EndpointError(message, where=address, do=DOWN) from None


def _mistake(match: Mapping[str, Any]) -> Mistake:
    """A mistake, without the words around it and its corrections."""
    kept = {key: match[key] for key in ("message", "offset", "length")}
    return {"rule": match["rule"]["id"], **kept}


def mistake_rate(counts: Sequence[int], texts: Sequence[str]) -> Interval | None:
    """Mistakes per 1,000 words, or letters in scripts without blanks; None without a word.

    counts: of each text. With the 95 % interval over texts.
    """
    unit = LETTER if is_unbroken("\n".join(texts)) else WORD
    sizes = np.array([len(unit.findall(text)) for text in texts], dtype=np.int64)
    return ratio(1000.0 * np.array(counts), sizes) if sizes.sum() else None
