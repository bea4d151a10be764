"""A client of servers with OpenAI's `/chat/completions`: many prompts at a time, and patience.

Three kinds of trouble are told apart. A server that is busy or away is asked again, ever more
rarely, and at last the work stops. An answer that is odd (no JSON, no text, an error of the server,
a stall) is asked for a few times and then is a reject, if the server answers other prompts.
A stall takes long, so fewer of them in a row stop the work, and one that never answered is enough.
A prompt that stalls is a reject also where the work stops, so that the next command gets past it.
What the server refuses (a key, a name, a field) stops the work at once, in the server's words.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from endonym.disk import Json
from endonym.errors import EndpointError, RecipeError, first_line, printable
from endonym.log import Log, counted, duration
from endonym.mappings import without_none
from endonym.synthesis.shards import Answer, Ask, json_line

if TYPE_CHECKING:
    import httpx

Take = Callable[[Answer], None]
WAY = "/chat/completions"
HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
"""Of each request. A few kB that are compressed may be an answer of gigabytes."""
BUSY = (408, 425, 429, 502, 503, 504)
"""What servers and proxies say that may be able to answer later."""
WHOLE = (None, "stop", "eos", "eos_token", "end_turn", "stop_sequence")
"""Reasons to finish that leave a whole text."""
UNKNOWN_FIELD = re.compile(
    r"support|unknown|unrecogni|unexpected|extra|not (permitted|allowed)", re.I
)
"""What a server says of a field that it does not take."""
UNFIT = (400, 413, 422)
"""What a server that has answered others says of one prompt that it cannot take."""
BUSY_TRIES = 8
ODD_TRIES = 3
LONGEST_BACKOFF = 60.0
LONGEST_WAIT = 3600.0
CONNECT_SECONDS = 15.0
MOST_ODD = 20
"""Prompts in a row without one answer, after which the server is taken to be broken."""
MOST_STALLS = 6
"""Requests in a row without an answer in time, after which one that has answered is broken."""
MOST_BYTES = 16 << 20
"""Of an answer; a million tokens have fewer."""
KEPT = "What was finished is kept: the same command goes on."
BYTES_PER_TOKEN = 3
"""A guess where a server does not count."""
WORDS = 300
MOST_READ = 10_000
"""Characters of an error: that are told at most, and that are read for it."""
KEY_VARIABLE = "ENDONYM_API_KEY"
ADVICE = {
    401: f"Put the right key into the environment variable {KEY_VARIABLE}.",
    403: f"The key in {KEY_VARIABLE} does not allow this.",
    404: "Is this the address up to /v1, and does the server have a model of this name?",
}
OTHER_NAMES = {"max_tokens": "max_completion_tokens", "seed": None, "temperature": None}
"""Fields that some servers want under another name, or not at all.

A temperature is left out only if it is 0: texts would be others than those asked for.
"""


class Odd(Exception):
    """An answer that is none. tokens: what it cost all the same. said: the server's words.

    is_final: the server will not answer this prompt, however often it is asked.
    """

    def __init__(
        self, reason: str, tokens: int = 0, said: str = "", *, is_final: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tokens = tokens
        self.said = said
        self.is_final = is_final


class Away(Exception):
    """The server cannot answer now. seconds: how long it asks to wait, if it says so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Reply(NamedTuple):
    """What a server wrote, why it stopped, and what that cost."""

    text: str
    finish_reason: str | None
    tokens: int


def client_options(key: str, seconds: float) -> dict[str, Any]:
    """What a client of httpx is made with. Raises RecipeError for a key that no header can hold.

    seconds: of silence before an answer counts as late.
    """
    import httpx

    if not key.isascii() or len(key.split()) > 1:
        raise RecipeError("a key is one word of ASCII", where=KEY_VARIABLE)
    headers = HEADERS | ({"Authorization": f"Bearer {key}"} if key else {})
    return {"headers": headers, "timeout": httpx.Timeout(seconds, connect=CONNECT_SECONDS)}


def is_address(text: str) -> bool:
    """Whether this is the address of a server."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port
        return False


def address_of(flag: str, given: str) -> str:
    """The address of a server. Raises RecipeError if it is none, or cannot be asked."""
    if find_spec("httpx") is None:
        raise RecipeError(
            "asking a server needs httpx", where="--endpoint", do='pip install "endonym[synthetic]"'
        )
    address = given.rstrip("/")
    if not is_address(address):
        do = f"For example: {flag} http://127.0.0.1:8000/v1"
        raise RecipeError(f"{address} is no address of a server", where=flag, do=do)
    return address


@dataclass(slots=True)
class Endpoint:
    """A server, and how it is asked.

    address: up to /v1. fields: of each request, beside the prompt. seconds: within which an answer
    must be complete. first_wait: before it is asked again; doubled each time.
    """

    address: str
    fields: Json
    key: str = ""
    system: str = ""
    concurrency: int = 8
    log: Log = field(default_factory=Log)
    seconds: float = 600.0
    first_wait: float = 1.0
    works: bool = False
    """Whether it has answered, this time or before."""
    _taken: set[str] = field(default_factory=set)
    """The fields of requests that it has answered this time."""
    _pause_until: float = 0.0
    _good: int = 0
    _stalls: int = 0
    """Requests in a row that got no answer in time."""
    _said: str = ""
    """The server's words in the last odd answer."""
    _odd: list[Answer] = field(default_factory=list)
    """Rejects that are kept back. What they cost is told."""

    def answer_all(self, asks: Iterator[Ask], take: Take) -> None:
        """Give the answers to `take` as they come, each prompt's once. Raises EndpointError.

        What an odd answer cost is given to it at once: its prompt may never be done.
        """
        try:
            asyncio.run(self._answer_all(asks, take))
            if self._odd and not self.works:
                raise self._broken()
            self._let_go(take)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _answer_all(self, asks: Iterator[Ask], take: Take) -> None:
        """Each worker has a client of its own: in one pool each request looks at all others."""
        import httpx

        options = client_options(self.key, self.seconds)
        trusted = httpx.create_ssl_context()  # takes long

        async def work() -> None:
            async with httpx.AsyncClient(**options, verify=trusted) as client:
                for ask in asks:
                    self._sort(await self._answer(client, ask, take), take)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(work())

    def _sort(self, answer: Answer, take: Take) -> None:
        """Take an answer; keep odd ones back until it is sure that the server works.

        A stall is taken: one that has never answered may not stall, and another has a limit.
        """
        is_odd = answer.finish_reason is None and answer.reason != ""
        if is_odd and answer.reason != "timeout":
            charge(answer, take)
            self._odd.append(replace(answer, tokens=0))
            if len(self._odd) >= max(MOST_ODD, 2 * self.concurrency):
                raise self._broken()
            return
        if not is_odd:
            self.works = True
            self._let_go(take)
        self._hand_over(answer, take)

    def _let_go(self, take: Take) -> None:
        """Take the odd answers: it is their prompts, not the server."""
        while self._odd:
            self._hand_over(self._odd.pop(), take)

    def _hand_over(self, answer: Answer, take: Take) -> None:
        """Take an answer, which says whether the server takes seeds."""
        take(replace(answer, is_seeded=not self._is_left_out("seed")))

    def _broken(self) -> EndpointError:
        last = self._odd[-1].reason.replace("_", " ")
        last += f" ({self._said})" if self._said else ""
        return EndpointError(
            f"{counted(len(self._odd), 'prompt')} in a row got no answer; the last one: {last}",
            where=self.address,
            do=f"Try the server with one prompt. {KEPT}",
        )

    async def _answer(self, client: "httpx.AsyncClient", ask: Ask, take: Take) -> Answer:
        """The answer to a prompt, or why there is none, after a few tries."""
        busy = odd = 0
        good = self._good
        while True:
            try:
                reply = await self._reply(client, ask)
            except Odd as error:
                odd += 1
                found = Answer(ask, tokens=error.tokens, reason=error.reason)
                why = ": ".join(filter(None, (error.reason.replace("_", " "), error.said)))
                self.log.warn(f"a prompt got no answer ({why}); rejects are counted", once="odd")
                self._said = error.said
                if odd == ODD_TRIES or error.is_final:
                    return found
                charge(found, take)
                await self._wait(odd, None)
            except Away as away:
                # A server that answers others is slow and not away.
                busy = busy + 1 if good == self._good else 1
                good = self._good
                if busy == BUSY_TRIES:
                    raise EndpointError(str(away), where=self.address, do=KEPT) from away
                self.log.warn(f"{away}; it is asked again, ever more rarely", once="away")
                await self._wait(busy, away.seconds)
            else:
                self._good = self._good + 1
                self._stalls = 0
                why = reply.finish_reason
                reason = cut_reason(why) or ("" if reply.text.strip() else "empty")
                return Answer(ask, reply.text, why, reply.tokens, reason)

    async def _wait(self, tries: int, seconds: float | None) -> None:
        """Wait before another try: as long as the server asks, else about twice as long as before.

        What the server asks for holds for all requests.
        """
        if not seconds:
            longest = min(LONGEST_BACKOFF, self.first_wait * 2 ** (tries - 1))
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))
            return
        if seconds > LONGEST_WAIT:
            raise EndpointError(
                f"the server asks to come back in {duration(seconds)}",
                where=self.address,
                do="What was finished is kept: the same command goes on then.",
            )
        if seconds > LONGEST_BACKOFF:
            self.log.line(f"the server asks to wait {duration(seconds)}")
        self._pause_until = max(self._pause_until, time.monotonic() + seconds)

    async def _reply(self, client: "httpx.AsyncClient", ask: Ask) -> Reply:
        """What the server says to a prompt. Raises Odd, Away, and EndpointError for a refusal."""
        import httpx

        while (pause := self._pause_until - time.monotonic()) > 0:
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))
        sent = self._body(ask)
        try:
            async with asyncio.timeout(self.seconds):
                response, data = await self._posted(client, sent)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Away(f"the server cannot be reached: {first_line(error)}") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            self._count_stall()
            raise Odd("timeout") from error
        except httpx.InvalidURL as error:
            raise RecipeError(first_line(error), where="--endpoint") from error
        except httpx.HTTPError as error:
            raise Odd("broken_connection") from error
        if response.is_success:
            self._taken |= sent.keys()
            return read_reply(data, sent)
        self._raise_for(response, words_of(data.decode(errors="replace")), sent)
        return await self._reply(client, ask)  # in another form

    async def _posted(
        self, client: "httpx.AsyncClient", sent: Json
    ) -> "tuple[httpx.Response, bytes]":
        """What the server sends back. Raises Odd for more than any answer has.

        Nothing is unpacked: of an error that is compressed the words are lost, and an answer is an
        EndpointError.
        """
        data = bytearray()
        body = json_line(sent)
        asked = client.stream("POST", self.address + WAY, content=body)
        async with asked as response:
            packed = response.headers.get("content-encoding", "").lower()
            if packed not in ("", "identity"):
                if not response.is_success:
                    return response, b""
                raise EndpointError(
                    f"the server compresses its answers ({shortened(packed)}), asked for plain "
                    "ones",
                    where=self.address,
                    do=f"Look at its settings, or at those of a proxy before it. {KEPT}",
                )
            async for part in response.aiter_raw():
                data += part
                if len(data) > MOST_BYTES:
                    raise Odd("answer_too_long")
        return response, bytes(data)

    def _count_stall(self) -> None:
        """Note that a request got no answer in time. Raises EndpointError for too many in a row."""
        self._stalls += 1
        if self._stalls >= (max(MOST_STALLS, 2 * self.concurrency) if self.works else 1):
            raise EndpointError(
                f"{counted(self._stalls, 'request')} in a row got no whole answer within "
                f"{duration(self.seconds)}",
                where=self.address,
                do="Try the server with one prompt. If it is slow, give it more seconds (--timeout)"
                f" or fewer requests at a time (--concurrency). {KEPT}",
            )

    def _body(self, ask: Ask) -> Json:
        """A request."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        messages = [*system, {"role": "user", "content": ask.prompt}]
        body = {"messages": messages, "seed": ask.seed, **self.fields}
        return without_none(body)

    def _raise_for(self, response: "httpx.Response", said: str, sent: Mapping[str, Any]) -> None:
        """Raise for an answer that is an error, unless another form of the request may be taken."""
        status = response.status_code
        if status in BUSY:
            raise Away(
                f"the server is busy ({status}: {said})",
                retry_after(response.headers.get("retry-after", ""), time.time()),
            )
        if status >= 500:
            raise Odd("server_error")
        for name, other in OTHER_NAMES.items():
            if name == "temperature" and sent.get(name):
                continue
            is_named = name in sent and re.search(rf"\b{name}\b", said)
            is_meant = (other and other in said) or UNKNOWN_FIELD.search(said)
            if status in UNFIT and is_named and is_meant and name not in self._taken:
                self._rename(name, other)
                return
        if status in UNFIT and self.works:
            raise Odd("refused", said=f"{status}: {said}", is_final=True)
        raise EndpointError(
            f"the server refuses the request ({status}): {said}",
            where=self.address,
            do=ADVICE.get(status, "Nothing more was asked. What was finished is kept."),
        )

    def _rename(self, name: str, other: str | None) -> None:
        """Send a field under another name from now on, or not at all."""
        if self._is_left_out(name):
            return  # another request was refused for the same
        if other is not None:
            self.fields[other] = self.fields[name]
        self.fields[name] = None
        how = f"goes to this server as {other}" if other else "is not taken by this server"
        self.log.line(f"{name} {how}")

    def _is_left_out(self, name: str) -> bool:
        """Whether requests have no such field any more."""
        return self.fields.get(name, ...) is None


def charge(answer: Answer, take: Take) -> None:
    """Tell what an odd answer cost. Its prompt is not done yet."""
    if answer.tokens:
        take(Answer(answer.ask, tokens=answer.tokens, is_last=False))


def read_reply(data: bytes, sent: Mapping[str, Any]) -> Reply:
    """The text in an answer. Raises Odd if there is none."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise Odd("no_json") from None
    choice = _within(value, "choices", 0)
    text = _within(choice, "message", "content")
    why = _within(choice, "finish_reason")
    tokens = _within(value, "usage", "total_tokens")
    if type(tokens) is not int or tokens < 0:
        asked = sum(len(each["content"].encode("utf-8", "replace")) for each in sent["messages"])
        answered = len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0
        tokens = -(-(asked + answered) // BYTES_PER_TOKEN)
    if choice is None:
        raise Odd("no_choices", tokens, shortened(message_of(value)))
    why = why if isinstance(why, str) else None
    if not isinstance(text, str) and why in WHOLE:
        raise Odd("no_text", tokens)
    return Reply(text if isinstance(text, str) else "", why, tokens)


def cut_reason(finish_reason: str | None) -> str:
    """Why an answer is no whole text, by why it ended; empty if it is whole."""
    if finish_reason in WHOLE:
        return ""
    is_long = re.search("length|max_tokens", finish_reason, re.IGNORECASE)
    return "length" if is_long else re.sub(r"\W+", "_", finish_reason)[:40]


def _within(value: Any, *path: str | int) -> Any:
    """What stands there in a value of JSON; None if nothing does."""
    for key in path:
        try:
            value = value[key]
        except (TypeError, KeyError, IndexError):
            return None
    return value


def words_of(body: str) -> str:
    """What a server says of an error, shortened: its message, or its page without marks."""
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
    return shortened(message_of(value) or body) or "nothing"


def message_of(value: Any) -> str:
    """What an answer says of an error; empty if it says nothing."""
    for path in (("error", "message"), ("message",), ("detail",), ("error",)):
        said = _within(value, *path)
        if isinstance(said, str) and said:
            return said
    return ""


def shortened(text: str) -> str:
    """The first words of a text, in one line without marks."""
    # Cut first: looking for the end of each mark takes a time that grows with the square.
    plain = " ".join(re.sub(r"<[^>]*>", " ", text[:MOST_READ]).split())
    plain = printable(plain)
    return plain[:WORDS] + "…" * (len(plain) > WORDS)


def retry_after(value: str, now: float) -> float | None:
    """The seconds of a header `Retry-After`, which may be a date; None if it is neither.

    More digits than those of ten thousand years are no time.
    """
    value = value.strip()
    with suppress(ValueError, OverflowError):
        return (
            float(value)
            if re.fullmatch(r"\d{1,12}(\.\d+)?", value)
            else max(0.0, parsedate_to_datetime(value).timestamp() - now)
        )
    return None
