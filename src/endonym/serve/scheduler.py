"""Continuous batching: sequences come and go while a thread computes the next token of each."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from heapq import heappop, heappush

from endonym.errors import EndonymError
from endonym.generate.sample import Logits, Sampler, SamplerState, likeliest, log_probabilities
from endonym.serve.answers import ApiError
from endonym.serve.engine import Engine, Row, Vector
from endonym.serve.pieces import Pieces, TextPiece, Token
from endonym.serve.requests import MOST_TEXTS

QUEUE_PER_SLOT = 4
SHORTEST_QUEUE = 16
LONGEST_WAIT = 60


@dataclass(slots=True, eq=False)
class Generation:
    """One text to continue. `ids` begins with the token that opens a document.

    past: how many of the ids were computed. begun: when it got its slot. logprobs: how many of the
    likeliest tokens are told beside each; None tells nothing. scored: log-probabilities of the
    prompt are wanted, too. They stand in `prompt` before the first Update of this text, and of all
    texts after it in its request that have the same prompt. take: is called with each Update.
    """

    ids: list[int]
    max_tokens: int
    sampler_state: SamplerState
    stop: Sequence[str] = ()
    logprobs: int | None = None
    scored: bool = False
    take: Callable[["Update"], None] = lambda update: None
    is_cancelled: bool = False
    slot: int = -1
    past: int = 0
    prompt: list[Token] = field(default_factory=list)
    pieces: Pieces = field(init=False)
    begun: float = 0.0

    def __post_init__(self) -> None:
        self.pieces = Pieces(self.stop)


LONG_TOKEN = 64
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Update:
    """News of a sequence: more text, the end.

    reason: "stop" for the end of the text or a stop string, "length" for max_tokens or a full
    context, "failed"; None as long as the sequence goes on.
    """

    pieces: Sequence[TextPiece] = ()
    reason: str | None = None


News = list[tuple[Generation, Update]]


def take_each(news: News) -> None:
    """Tell each generation what is new."""
    for generation, update in news:
        generation.take(update)


@dataclass(slots=True)
class Counts:
    """What a scheduler has done so far."""

    prompt_tokens: int = 0
    generated_tokens: int = 0
    ended: int = 0
    cancelled: int = 0
    refused: int = 0
    failed: int = 0


class Scheduler:
    """Gives slots to sequences, in turn over the requests that they came with.

    report: is told of failures. hand_out: gets all news of a step at once, from the scheduler's
    thread, and calls `take_each` with them where they are read.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        report: Callable[[str], None],
        hand_out: Callable[[News], None] = take_each,
    ) -> None:
        self.engine = engine
        self.counts = Counts()
        self.capacity = max(SHORTEST_QUEUE, QUEUE_PER_SLOT * engine.slots)
        vocabulary = engine.vocabulary
        token_bytes = [vocabulary.bytes_of(index) for index in range(vocabulary.vocab)]
        self.most_bytes = engine.context * max(LONG_TOKEN, *map(len, token_bytes))
        """No longer text fits into the context: it needs not be encoded, which takes hundreds of
        times its memory. A token may stand for letters that the vocabulary lacks."""
        self._report = report
        self._hand_out = hand_out
        self._sampler = Sampler(token_bytes, engine.ends)
        self._news: News = []
        self._waiting: deque[deque[Generation]] = deque()
        self._texts: deque[tuple[Sequence[int], Future[Vector]]] = deque()
        """Those whose features are wanted."""
        self._active: list[Generation] = []
        self._free = list(range(engine.slots))
        self._seconds = 1.0
        self.is_ending = self.has_died = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Sequences without a slot."""
        return sum(map(len, tuple(self._waiting)))

    @property
    def active(self) -> int:
        """Sequences with a slot."""
        return len(self._active)

    def failure(self) -> ApiError:
        """What is told of a text that is not computed."""
        if self.is_ending and not self.has_died:
            return ApiError(503, "the server is ending", code="server_ending")
        return ApiError(500, "the model could not be computed; the server's log says why")

    def require_place(self, count: int) -> None:
        """Raise ApiError if so many sequences cannot be queued now."""
        with self._changed:
            waiting = self.waiting
            if self.is_ending or self.has_died:
                raise self.failure()
            if waiting and waiting + count > self.capacity + len(self._free):
                self.counts.refused += count
                rounds = 1 + waiting / self.engine.slots
                seconds = max(1, min(LONGEST_WAIT, round(rounds * self._seconds)))
                message = f"{waiting} sequences wait already. Try again in about {seconds} seconds."
                headers = {"Retry-After": str(seconds)}
                raise ApiError(429, message, code="queue_full", headers=headers)

    def submit(self, sequences: Sequence[Generation]) -> None:
        """Queue the sequences of one request, one at least. Raises ApiError unless all fit."""
        if not sequences:
            raise ValueError("a request without sequences")
        with self._changed:
            self.require_place(len(sequences))
            self._waiting.append(deque(sequences))
            self._changed.notify()

    def mean_states(self, texts: Sequence[Sequence[int]]) -> list["Future[Vector]"]:
        """The mean of the last hidden states of each text, soon (`Engine.mean_state`).

        They are computed one by one, between the steps of sequences. Raises ApiError if there are
        so many already that these do not fit.
        """
        with self._changed:
            self.require_place(0)
            if len(self._texts) + len(texts) > MOST_TEXTS:
                self.counts.refused += len(texts)
                message = f"{len(self._texts)} texts wait already. Try again soon."
                raise ApiError(429, message, code="queue_full", headers={"Retry-After": "1"})
            asked = [(ids, Future[Vector]()) for ids in texts]
            self._texts += asked
            self._changed.notify()
        return [future for _, future in asked]

    def cancel(self, sequences: Sequence[Generation]) -> None:
        """Stop these, if they have not ended: nobody reads them any more."""
        with self._changed:
            for each in sequences:
                each.is_cancelled = True
            for request in self._waiting:
                remaining = [each for each in request if not each.is_cancelled]
                self.counts.cancelled += len(request) - len(remaining)
                request.clear()
                request.extend(remaining)
            self._waiting = deque(request for request in self._waiting if request)
            self._changed.notify()

    def stop(self) -> None:
        """End all sequences as failed, soon. The engine stays: others may read its vocabulary."""
        with self._changed:
            self.is_ending = True
            self._changed.notify()

    def close(self, seconds: float = 10.0) -> None:
        """Stop, wait for it, and free the engine, which nobody may use any more."""
        self.stop()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self.engine.close()

    def _work(self) -> None:
        """Compute until the end. Whatever dies here, no client waits for ever."""
        try:
            while self._is_wanted():
                try:
                    self._read_text()
                    with self._changed:
                        self._admit()
                    self._step()
                except Exception as error:  # noqa: BLE001 - clients wait; others may come
                    self._report_error(error)
                    self._fail_all()
                self._tell_news()
        except Exception as error:  # noqa: BLE001 - clients wait
            self._report_error(error, "no longer computed: ")
        with self._changed:
            self.has_died = not self.is_ending
        try:
            self._fail_all()
            self._tell_news()
        except Exception as error:  # noqa: BLE001 - clients wait
            self._report_error(error, "not ended cleanly: ")

    def _is_wanted(self) -> bool:
        """Wait for something to do; False at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.is_ending or self._waiting or self._active or self._texts
            )
            return not self.is_ending

    def _read_text(self) -> None:
        """Compute the features of one text, if some are wanted and a slot is free for a moment."""
        if not self._free or not self._texts:
            return
        ids, future = self._texts.popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            mean_D = self.engine.mean_state(ids, self._free[0])
        except Exception as error:  # noqa: BLE001 - its client waits; others go on
            self.counts.failed += 1
            self._report_error(error)
            future.set_exception(self.failure())
            return
        self.counts.prompt_tokens += len(ids)
        future.set_result(mean_D)

    def _report_error(self, error: Exception, state: str = "") -> None:
        message = str(error) if isinstance(error, EndonymError) else repr(error)
        self._report(f"{self.engine.name}: {state}{message}")

    def _tell_news(self) -> None:
        news = self._news
        self._news = []
        if news:
            self._hand_out(news)

    def _admit(self) -> None:
        """Give free slots to waiting sequences, one of each request in turn."""
        for each in [each for each in self._active if each.is_cancelled]:
            self._leave(each)
            self.counts.cancelled += 1
        while self._free and self._waiting:
            request = self._waiting.popleft()
            sequence = request.popleft()
            if request:
                self._waiting.append(request)
            sequence.slot = heappop(self._free)
            sequence.begun = time.monotonic()
            self.counts.prompt_tokens += len(sequence.ids)
            self._active.append(sequence)

    def _step(self) -> None:
        """Compute one token of each text, and a part of the prompts that are not read yet.

        Rows are in the order of their slots: llama.cpp computes neighbouring slots together.
        """
        rows: list[Row] = []
        sequences: list[Generation] = []
        room = self.engine.batch
        # Texts first, then prompts, of which more than one token is to be computed, as they came.
        for each in sorted(self._active, key=lambda each: len(each.ids) - each.past > 1):
            ids = each.ids[each.past : each.past + room]
            if not ids:
                break
            is_last = each.past + len(ids) == len(each.ids)
            rows.append(Row(each.slot, ids, each.past, len(ids) if each.scored else int(is_last)))
            sequences.append(each)
            room -= len(ids)
        if not rows:
            return
        order = sorted(range(len(rows)), key=lambda n: rows[n].slot)
        rows = [rows[n] for n in order]
        sequences = [sequences[n] for n in order]
        logits_NV = self.engine.compute(rows)
        offset = 0
        lasts: list[int] = []
        writers: list[Generation] = []
        for row, each in zip(rows, sequences, strict=True):
            self._read(each, row, logits_NV[offset : offset + row.outputs])
            offset += row.outputs
            if each.past == len(each.ids):
                lasts.append(offset - 1)
                writers.append(each)
        if writers:
            self._write(logits_NV[lasts], writers)

    def _read(self, each: Generation, row: Row, logits_NV: Logits) -> None:
        """Count the tokens of a row as computed; score those of a prompt."""
        each.past += len(row.ids)
        if not each.scored:
            return
        begin = each.past - len(row.ids) + 1
        following = each.ids[begin : each.past + 1]
        log_NV = log_probabilities(logits_NV[: len(following)])
        each.prompt += [
            self._token(index, log_V, each.logprobs)
            for index, log_V in zip(following, log_NV, strict=True)
        ]

    def _token(self, index: int, log_V: Logits, count: int | None) -> Token:
        """A token with its log-probability. No id that the tokenizer lacks is told beside it."""
        nats = float(log_V[index])
        others = likeliest(log_V[: self.engine.vocabulary.vocab], count or 0)
        return Token(index, nats if math.isfinite(nats) else None, tuple(others))

    def _write(self, logits_BV: Logits, writers: list[Generation]) -> None:
        """Choose the next token of each text, and tell it. Row n of the logits is of writer n."""
        rows = [n for n, each in enumerate(writers) if each.logprobs is not None]
        log_V_of = dict(zip(rows, log_probabilities(logits_BV[rows]), strict=True)) if rows else {}
        continuing = [n for n, each in enumerate(writers) if each.max_tokens > 0]
        chosen = self._sampler.next_tokens(
            logits_BV[continuing], [writers[n].sampler_state for n in continuing]
        )
        indices = dict(zip(continuing, chosen, strict=True))
        for number, each in enumerate(writers):
            each.scored = False
            if number not in indices:
                self._end(each, Update((), "length"))
                continue
            token = Token(indices[number])
            if number in log_V_of:
                token = self._token(token.index, log_V_of[number], each.logprobs)
            self._tell(each, token)

    def _tell(self, each: Generation, token: Token) -> None:
        """Add a token to its text."""
        self.counts.generated_tokens += 1
        if token.index in self.engine.ends:
            pieces = [*each.pieces.end(), TextPiece("", (token,))]
            self._end(each, Update(pieces, "stop"))
            return
        each.ids.append(token.index)
        pieces = each.pieces.add(token, self.engine.vocabulary.bytes_of(token.index))
        if each.pieces.has_stopped:
            self._end(each, Update(pieces, "stop"))
        elif each.sampler_state.made >= each.max_tokens or len(each.ids) > self.engine.context:
            self._end(each, Update([*pieces, *each.pieces.end()], "length"))
        elif pieces:
            self._news.append((each, Update(pieces)))

    def _end(self, each: Generation, update: Update) -> None:
        """End a sequence with its last update; `_seconds` is a running mean of their times."""
        self.counts.ended += 1
        self._seconds += 0.1 * (time.monotonic() - each.begun - self._seconds)
        self._leave(each)
        self._news.append((each, update))

    def _leave(self, each: Generation) -> None:
        """Free the slot of a sequence."""
        self._active.remove(each)
        heappush(self._free, each.slot)
        self.engine.release(each.slot)

    def _fail_all(self) -> None:
        """End everything: the engine has failed, or the server ends."""
        with self._changed:
            failed = [*self._active, *(each for request in self._waiting for each in request)]
            self._waiting.clear()
            texts = [*self._texts]
            self._texts.clear()
        self.counts.failed += len(failed) + len(texts)
        for _, future in texts:
            if future.set_running_or_notify_cancel():
                future.set_exception(self.failure())
        self._news += [(each, Update(reason="failed")) for each in failed]
        for each in [*self._active]:
            self._leave(each)
