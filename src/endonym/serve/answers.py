"""Answers in OpenAI's form."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from endonym.errors import EndonymError
from endonym.serve.engine import Vocabulary
from endonym.serve.pieces import Pieces, TextPiece, Token

Json = dict[str, Any]


class ApiError(EndonymError):
    """A refusal with its HTTP status, in OpenAI's form."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = headers or {}


TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def json_bytes(answer: Json) -> bytes:
    """An answer as it is sent."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def error_json(error: ApiError) -> Json:
    """An error as OpenAI's clients read it."""
    usual = "server_error" if error.status >= 500 else "invalid_request_error"
    fields = {"message": error.message, "type": TYPES.get(error.status, usual)}
    return {"error": {**fields, "param": error.param, "code": error.code}}


def token_text(vocabulary: Vocabulary, index: int) -> str:
    r"""A token as OpenAI spells it: its text, `bytes:\xe1\x9e` for a part of a character."""
    data = vocabulary.bytes_of(index)
    if not data:
        return vocabulary.token(index)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


@dataclass(slots=True)
class TextForm:
    """The choices of `/v1/completions`. has_logprobs: they were asked for."""

    vocabulary: Vocabulary
    has_logprobs: bool
    prefix = "cmpl"
    whole_kind = chunk_kind = "text_completion"
    _n_told: dict[int, int] = field(default_factory=dict)
    """How many characters of each choice were told."""

    def opening(self, index: int) -> Json | None:
        """There is none."""
        return None

    def chunk(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """Some more text."""
        text = "".join(piece.text for piece in pieces)
        logprobs = None
        if self.has_logprobs:
            offset = self._n_told.get(index, 0)
            logprobs = self._logprobs(pieces, offset)
            self._n_told[index] = offset + len(text)
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}

    whole = chunk

    def _logprobs(self, pieces: Iterable[TextPiece], offset: int) -> Json:
        """The log-probabilities of pieces, whose text begins at `offset`.

        text_offset: where a token's text begins; tokens of one character begin together.
        """
        keys = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
        columns: dict[str, list[Any]] = {key: [] for key in keys}
        for piece in pieces:
            for token in piece.tokens:
                likeliest = {token_text(self.vocabulary, n): nats for n, nats in token.likeliest}
                top = None if token.nats is None else likeliest
                values = (token_text(self.vocabulary, token.index), token.nats, top, offset)
                for key, value in zip(keys, values, strict=True):
                    columns[key].append(value)
            offset += len(piece.text)
        return columns


@dataclass(slots=True)
class ChatForm:
    """The choices of `/v1/chat/completions`."""

    vocabulary: Vocabulary
    has_logprobs: bool
    prefix = "chatcmpl"
    whole_kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"

    def opening(self, index: int) -> Json | None:
        """Says who speaks."""
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """Some more text."""
        text = "".join(piece.text for piece in pieces)
        delta = {"content": text} if text else {}
        return {"index": index, "delta": delta, **self._end(pieces, reason)}

    def whole(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """A message."""
        text = "".join(piece.text for piece in pieces)
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": index, "message": message, **self._end(pieces, reason)}

    def _end(self, pieces: Iterable[TextPiece], reason: str | None) -> Json:
        """The log-probabilities of pieces, if they were asked for, and why the text ended."""
        if not self.has_logprobs:
            return {"logprobs": None, "finish_reason": reason}
        content = [
            {
                **self._token(token.index, token.nats),
                "top_logprobs": [self._token(*each) for each in token.likeliest],
            }
            for piece in pieces
            for token in piece.tokens
        ]
        return {"logprobs": {"content": content}, "finish_reason": reason}

    def _token(self, index: int, nats: float | None) -> Json:
        data = self.vocabulary.bytes_of(index)
        return {"token": token_text(self.vocabulary, index), "logprob": nats, "bytes": [*data]}


Form = TextForm | ChatForm
"""How choices are told."""


def pieces_of(vocabulary: Vocabulary, tokens: Iterable[Token]) -> list[TextPiece]:
    """Tokens of a whole text as pieces."""
    cut = Pieces()
    pieces = [each for token in tokens for each in cut.add(token, vocabulary.bytes_of(token.index))]
    return [*pieces, *cut.end()]
