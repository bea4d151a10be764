"""Answers in OpenAI's form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
        self.status, self.param, self.code = status, param, code
        self.headers = headers or {}


TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_json(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> Json:
    """An error as OpenAI's clients read it."""
    usual = "server_error" if status >= 500 else "invalid_request_error"
    kind = TYPES.get(status, usual)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def token_text(vocabulary: Vocabulary, index: int) -> str:
    r"""A token as OpenAI spells it: its text, `bytes:\xe1\x9e` for a part of a character."""
    data = vocabulary.bytes_of(index)
    if not data:
        return vocabulary.token(index)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def usage_json(prompt_tokens: int, completion_tokens: int) -> Json:
    """Tokens of a request; the one that opens a document is not counted."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


class Form(Protocol):
    """How choices are told."""

    prefix: str
    whole_kind: str
    chunk_kind: str

    def opening(self, index: int) -> Json | None:
        """The choice of a first chunk without text, if there is one."""
        ...

    def chunk(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """A choice in a chunk."""
        ...

    def whole(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """A choice in a whole answer."""
        ...


@dataclass(slots=True)
class TextForm:
    """The choices of `/v1/completions`. has_logprobs: they were asked for."""

    vocabulary: Vocabulary
    has_logprobs: bool
    prefix = "cmpl"
    whole_kind = chunk_kind = "text_completion"
    _told: dict[int, int] = field(default_factory=dict[int, int])
    """How many characters of each choice were told."""

    def opening(self, index: int) -> Json | None:
        """There is none."""
        return None

    def chunk(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """Some more text."""
        text = "".join(each.text for each in pieces)
        logprobs = None
        if self.has_logprobs:
            offset = self._told.get(index, 0)
            self._told[index] = offset + len(text)
            logprobs = text_logprobs(self.vocabulary, pieces, offset)
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}

    whole = chunk


@dataclass(slots=True)
class ChatForm:
    """The choices of `/v1/chat/completions`."""

    vocabulary: Vocabulary
    has_logprobs: bool
    prefix = "chatcmpl"
    whole_kind, chunk_kind = "chat.completion", "chat.completion.chunk"

    def opening(self, index: int) -> Json | None:
        """Says who speaks."""
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """Some more text."""
        text = "".join(each.text for each in pieces)
        return {
            "index": index,
            "delta": {"content": text} if text else {},
            "logprobs": self._logprobs(pieces),
            "finish_reason": reason,
        }

    def whole(self, index: int, pieces: Sequence[TextPiece], reason: str | None) -> Json:
        """A message."""
        text = "".join(each.text for each in pieces)
        return {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._logprobs(pieces),
            "finish_reason": reason,
        }

    def _logprobs(self, pieces: Sequence[TextPiece]) -> Json | None:
        return chat_logprobs(self.vocabulary, pieces) if self.has_logprobs else None


def text_logprobs(vocabulary: Vocabulary, pieces: Iterable[TextPiece], offset: int = 0) -> Json:
    """The log-probabilities of pieces, as `/v1/completions` has them.

    text_offset: where a token's text begins; tokens of one character begin together.
    """
    tokens: list[str] = []
    nats: list[float | None] = []
    top: list[dict[str, float] | None] = []
    offsets: list[int] = []
    for piece in pieces:
        for token in piece.tokens:
            tokens.append(token_text(vocabulary, token.index))
            nats.append(token.nats)
            told = {token_text(vocabulary, n): value for n, value in token.likeliest}
            top.append(None if token.nats is None else told)
            offsets.append(offset)
        offset += len(piece.text)
    return {"tokens": tokens, "token_logprobs": nats, "top_logprobs": top, "text_offset": offsets}


def chat_logprobs(vocabulary: Vocabulary, pieces: Iterable[TextPiece]) -> Json:
    """The log-probabilities of pieces, as `/v1/chat/completions` has them."""

    def told(index: int, nats: float | None) -> Json:
        data = vocabulary.bytes_of(index)
        return {"token": token_text(vocabulary, index), "logprob": nats, "bytes": [*data]}

    return {
        "content": [
            told(token.index, token.nats)
            | {"top_logprobs": [told(*each) for each in token.likeliest]}
            for piece in pieces
            for token in piece.tokens
        ]
    }


def pieces_of(vocabulary: Vocabulary, tokens: Iterable[Token]) -> list[TextPiece]:
    """Tokens of a whole text as pieces."""
    cut = Pieces()
    found = [each for token in tokens for each in cut.add(token, vocabulary.bytes_of(token.index))]
    return [*found, *cut.end()]
