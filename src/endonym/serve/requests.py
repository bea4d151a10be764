"""What clients may ask, as OpenAI's API has it.

A field that is not supported is accepted with a value that asks for nothing (`requests.toml`), and
refused by its name with any other. null is the same as left out.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endonym.disk import packaged_tables
from endonym.generate.sample import LEAST_PENALTY, MOST_PENALTY, Defaults, Sampling
from endonym.mappings import without_none

OWN = Defaults()
"""endonym's own, of models whose files say nothing."""
MOST_LIKELIEST = 20
MOST_WORDS = 10
"""Suggestions of one request."""
MOST_PROOFREAD = 20_000
"""Characters of one request: others wait."""
MOST_TEXTS = 2048
"""Of one request for embeddings, as in OpenAI's API."""

UNLIMITED = (1 << 31) - 1
"""The length that `max_tokens: -1` asks for: up to the end of the context."""
FIELDS: dict[str, Any] = packaged_tables("endonym.serve", "requests.toml")
EMPTY: tuple[Any, ...] = ("", [], {})

Id = Annotated[int, Field(ge=0, lt=1 << 31)]
Stop = Annotated[str, Field(min_length=1, max_length=200)]
PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""The kinds of parts of a message that are text, and the field with the text."""
PART = '{"type": "text", "text": "…"}'
Texts = str | list[str] | list[Id] | list[list[Id]]
"""A text, or ids, or several of one kind."""


class Body(BaseModel):
    """What a request, or a part of one, may hold."""

    model_config = ConfigDict(extra="forbid")
    unused: ClassVar[frozenset[str]] = frozenset(FIELDS["unused"])
    """Fields of which no value changes an answer."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: content
            for name, content in value.items()
            if content is not None
            and (name in cls.model_fields or not asks_for_nothing(name, content, cls.unused))
        }


def asks_for_nothing(name: str, value: Any, unused: frozenset[str]) -> bool:
    """Whether a value of a field that is not supported asks for nothing. Null in it is left out."""
    value = without_none(value) if isinstance(value, dict) else value
    if value in EMPTY:
        return name not in FIELDS["asks_when_empty"]
    return name in unused or value in FIELDS["off"].get(name, ())


def refusal(name: str) -> str:
    """Why a field is refused, and what to do."""
    if name in FIELDS["instead"]:
        return f"this value is not supported. {FIELDS['instead'][name]}"
    if name in FIELDS["off"]:
        return "this value is not supported. Leave it out."
    return "this server has no such field. Check its name, or leave it out."


class StreamOptions(Body):
    """include_usage: a last chunk counts the tokens."""

    include_usage: bool = False


class Request(Body):
    """What every request may hold. user: is not read."""

    model: str
    user: str | None = None


class Asked(Request):
    """What both kinds of request may hold. Left out, sampling is that of `endonym generate`: what
    the model's own files say, or endonym's defaults.

    min_tokens: the model may end a text only after so many. top_k: -1 keeps all, as 0. seed: -1
    draws another one each time.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    max_tokens: int | None = Field(None, ge=-1, lt=1 << 31)
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1, lt=1 << 31)
    repetition_penalty: float | None = Field(None, ge=LEAST_PENALTY, le=MOST_PENALTY)
    min_tokens: int = Field(0, ge=0, lt=1 << 31)
    n: int | None = Field(None, ge=1, le=128)
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    @pydantic.field_validator("stream_options")
    @classmethod
    def _require_stream(
        cls, value: StreamOptions | None, info: pydantic.ValidationInfo
    ) -> StreamOptions | None:
        if value is not None and value.include_usage and not info.data.get("stream"):
            raise ValueError("only with stream: true")
        return value

    @pydantic.field_validator("seed")
    @classmethod
    def _any_seed(cls, value: int | None) -> int | None:
        return None if value == -1 else value

    @pydantic.field_validator("stop", mode="wrap")
    @classmethod
    def _tell_stop(cls, value: Any, check: pydantic.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, list):
            value = [text for text in value if text != ""]
        with _told_as("a text of 1 to 200 characters, or a list of at most 16 of them"):
            return None if value == "" else check(value)

    def sampling(self, seed: int, defaults: Defaults = OWN) -> Sampling:
        """How tokens are chosen, with this seed. defaults: of the model, for what is left out."""
        keys = ("temperature", "top_k", "top_p", "repetition_penalty")
        stated = {key: getattr(self, key) for key in keys}
        if self.top_k == -1:
            stated["top_k"] = 0
        return defaults.sampling(seed=seed, **stated)

    def stops(self) -> list[str]:
        """The stop strings."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def length(self, defaults: Defaults = OWN) -> int:
        """The most tokens of an answer. defaults: as in `sampling`."""
        if self.max_tokens is None:
            return defaults.max_tokens
        return UNLIMITED if self.max_tokens == -1 else self.max_tokens


class CompletionRequest(Asked):
    """The body of `/v1/completions`.

    prompt: a text, or ids, or several of one kind. logprobs: how many of the likeliest tokens are
    told beside each. echo: the prompt is part of the answer. inside_word: the text may go on inside
    the prompt's last word, as in OpenAI's API; else the blank at the end of a prompt, if there is
    one, is the first character of the answer. spelled: a prompt that echo sends back is spelled as
    the training text, too, and the answer has each prompt as it was read.
    """

    prompt: Texts = ""
    logprobs: int | None = Field(None, ge=0, le=MOST_LIKELIEST)
    echo: bool | None = False
    inside_word: bool = True
    spelled: bool = False
    best_of: int | None = None

    @pydantic.field_validator("prompt", mode="wrap")
    @classmethod
    def _require_prompt(cls, value: Any, check: pydantic.ValidatorFunctionWrapHandler) -> Any:
        if value == []:
            raise ValueError('an empty list holds no prompt; for a text from nothing it is ""')
        return _texts(value, check)

    @pydantic.field_validator("logprobs", mode="before")
    @classmethod
    def _not_false(cls, value: Any) -> Any:
        return None if value is False else value

    @pydantic.model_validator(mode="after")
    def _check(self) -> "CompletionRequest":
        if self.best_of not in (None, self.n or 1):
            raise ValueError("best_of must be n: texts are not ranked here")
        return self

    def prompts(self) -> list[str | list[int]]:
        """Each prompt alone."""
        return each_alone(self.prompt)

    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are told; None tells nothing."""
        return self.logprobs


class EmbeddingRequest(Request):
    """The body of `/v1/embeddings`.

    input: a text, or ids, or several of one kind. encoding_format: lists of numbers, or the bytes
    of 32-bit floats in base64, the lowest byte first. dimensions: those that the model has.
    truncate: a text that is longer than the context is cut there, as in Ollama's API; else it is
    refused.
    """

    input: Texts
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    truncate: bool = False

    @pydantic.field_validator("input", mode="wrap")
    @classmethod
    def _require_input(cls, value: Any, check: pydantic.ValidatorFunctionWrapHandler) -> Any:
        is_text = not isinstance(value, list) or (value != [] and type(value[0]) is int)
        if not is_text and not 0 < len(value) <= MOST_TEXTS:
            raise ValueError(f"expected from 1 to {MOST_TEXTS} texts, found {len(value)}")
        return _texts(value, check)


class SuggestionRequest(Request):
    """The body of `/v1/suggestions`.

    text: what is written, up to the place where the writer is; its last word may be half typed. n:
    how many words at most.
    """

    text: str = ""
    n: int = Field(3, ge=1, le=MOST_WORDS)


class ProofreadRequest(Request):
    """The body of `/v1/proofread`."""

    text: str = Field(max_length=MOST_PROOFREAD)


class PreferenceRequest(Request):
    """The body of `/v1/preferences`: how a model has continued a prompt (rejected), and how its
    writer corrected that (chosen). Of a long prompt the end is kept."""

    prompt: str
    chosen: str
    rejected: str


class Message(Body):
    """One message of a conversation.

    A content in parts is joined if all parts are text. refusal: is read if there is no content.
    """

    unused: ClassVar[frozenset[str]] = frozenset(FIELDS["unused_in_message"])
    role: Literal["system", "developer", "user", "assistant"]
    content: str = ""
    refusal: str = ""

    @pydantic.field_validator("content", mode="before")
    @classmethod
    def _join(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        texts = list[str]()
        for number, part in enumerate(value):
            kind = part.get("type") if isinstance(part, dict) else None
            text = part.get(PARTS[kind]) if isinstance(kind, str) and kind in PARTS else None
            if not isinstance(text, str):
                raise ValueError(f"part {number} is no text: expected {PART}")
            texts.append(text)
        return "".join(texts)

    @property
    def text(self) -> str:
        """What is read."""
        return self.content or self.refusal


class ChatRequest(Asked):
    """The body of `/v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1, max_length=1000)
    max_completion_tokens: int | None = Field(None, ge=-1, lt=1 << 31)
    logprobs: bool | None = False
    top_logprobs: int | None = Field(None, ge=0, le=MOST_LIKELIEST)
    echo: ClassVar[bool] = False
    spelled: ClassVar[bool] = False

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_tools_not_to_call(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        choices = {"tools": "tool_choice", "functions": "function_call"}
        none: Any = ("none", {"type": "none"})
        off = {name for name, choice in choices.items() if value.get(choice) in none}
        return {name: content for name, content in value.items() if name not in off}

    @pydantic.field_validator("max_tokens", "max_completion_tokens")
    @classmethod
    def _require_length(cls, value: int | None) -> int | None:
        if value == 0:
            raise ValueError("expected 1 or more, or -1 for no limit but the context")
        return value

    @pydantic.model_validator(mode="after")
    def _take_newer_name(self) -> "ChatRequest":
        self.max_tokens = self.max_completion_tokens or self.max_tokens
        return self

    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are told; None tells nothing."""
        return (self.top_logprobs or 0) if self.logprobs else None


def each_alone(texts: Texts) -> list[str | list[int]]:
    """Each text alone; one at least."""
    if isinstance(texts, str):
        return [texts]
    is_ids = isinstance(texts[0], int)
    return [texts] if is_ids else [*texts]  # type: ignore[list-item]


def _texts(value: Any, check: pydantic.ValidatorFunctionWrapHandler) -> Any:
    """`check` of Texts, which are told in one sentence."""
    kinds = "a text, a list of texts, a list of ids, or a list of such lists"
    if isinstance(value, list):  # pydantic would tell an error for each item
        types = {type(each) for each in value}
        are_ids = types == {list} and all(type(n) is int for each in value for n in each)
        if types not in ({str}, {int}) and not are_ids:
            raise ValueError(f"expected {kinds}")
    with _told_as(kinds):
        return check(value)


@contextmanager
def _told_as(expected: str) -> Generator[None]:
    """One sentence for a value of several kinds; pydantic has one for each of them."""
    try:
        yield
    except ValidationError as error:
        raise ValueError(f"expected {expected}") from error
