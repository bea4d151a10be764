"""One reader of an engine: texts that are continued, or answers in a conversation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from queue import SimpleQueue

from endonym.errors import EndonymError, RecipeError
from endonym.generate.sample import SamplerState, Sampling, beginning
from endonym.log import counted
from endonym.serve.engine import Engine, chat_ids, recent
from endonym.serve.pieces import TextPiece
from endonym.serve.scheduler import Generation, Scheduler, Update

SHORT_TALKS = (
    "it has learnt short conversations: it reads the last {messages}, and not those before"
)


class Talk:
    """Continues texts with an engine, one at a time. A context manager.

    report: is told what goes wrong, and which messages do not fit into the context.
    system: a message that stands before each conversation; "" for none.
    """

    def __init__(self, engine: Engine, report: Callable[[str], None], *, system: str = "") -> None:
        self.engine = engine
        self._report = report
        self._system = [{"role": "system", "content": system}] if system else []
        self._scheduler = Scheduler(engine, report=report)
        self._is_told = False
        self.reason = ""
        self.tokens = 0
        """Why the last text ended ("stop" or "length"), and how many tokens it has."""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._scheduler.close()

    def continued(
        self, text: str, sampling: Sampling, *, max_tokens: int, min_tokens: int
    ) -> Iterator[TextPiece]:
        """The pieces that follow a text; its last word stays as it is (`beginning`).

        Raises RecipeError if it is longer than the context.
        """
        self._require_fitting(text, "PROMPT")
        text = self.engine.spelled(text)
        begun, not_first = beginning(text, inside_word=sampling.inside_word)
        ids = self.engine.vocabulary.text_ids(begun)
        if len(ids) > self.engine.context:
            message = f"{len(ids)} tokens, but the model's context is {self.engine.context}"
            raise RecipeError(message, where="PROMPT", do="Give the end of the text only.")
        state = SamplerState(sampling, ids, min_tokens=min_tokens, not_first=not_first)
        return self._pieces(ids, state, max_tokens, n_given=len(text) - len(begun))

    def answered(
        self,
        messages: Sequence[Mapping[str, str]],
        sampling: Sampling,
        *,
        max_tokens: int,
        min_tokens: int,
    ) -> Iterator[TextPiece]:
        """The answer to a conversation; its oldest messages are left out if they do not fit.

        So are those before as many as the model has learnt together.
        """
        self._require_fitting(messages[-1]["content"], "MESSAGE")
        turns = self.engine.turns
        messages, all_messages = recent(messages, turns), messages
        if len(messages) < len(all_messages) and not self._is_told:
            self._is_told = True
            self._report(SHORT_TALKS.format(messages=counted(len(messages), "message")))
        kept = list(messages)
        most_bytes = self._scheduler.most_bytes
        while len(kept) > 1 and sum(len(each["content"]) for each in kept) > most_bytes:
            del kept[:2]  # a question and its answer
        ids = chat_ids(self.engine, [*self._system, *kept])
        room = self.engine.context - min(max_tokens, self.engine.context // 4)
        while len(ids) > room and len(kept) > 1:
            del kept[:2]
            ids = chat_ids(self.engine, [*self._system, *kept])
        if len(kept) < len(messages):
            self._report(f"the context holds the last {len(kept)} of {len(messages)} messages")
        if len(ids) >= self.engine.context:
            raise RecipeError(
                f"a message of {len(ids)} tokens, but a context of {self.engine.context}",
                where="MESSAGE",
            )
        return self._pieces(ids, SamplerState(sampling, ids, min_tokens=min_tokens), max_tokens)

    def _require_fitting(self, text: str, where: str) -> None:
        """Raise RecipeError for a text that is longer than the context however it is encoded."""
        n_bytes = len(text.encode("utf-8", "replace"))
        most = self._scheduler.most_bytes
        if n_bytes > most:
            raise RecipeError(
                f"a text of {n_bytes} bytes, but the model's context is {self.engine.context} "
                f"tokens, which hold at most {most} bytes",
                where=where,
                do="Give the end of the text only.",
            )

    def _pieces(
        self, ids: list[int], state: SamplerState, max_tokens: int, *, n_given: int = 0
    ) -> Iterator[TextPiece]:
        """The pieces as they come, without the first `n_given` characters.

        The generation is cancelled if nobody reads on.
        """
        updates: SimpleQueue[Update] = SimpleQueue()
        generation = Generation(list(ids), max_tokens, state, logprobs=0, take=updates.put)
        self._scheduler.submit([generation])
        try:
            self.reason = ""
            self.tokens = 0
            while not self.reason:
                update = updates.get()
                if update.reason == "failed":
                    raise EndonymError("the model could not be computed")
                self.reason = update.reason or ""
                self.tokens = state.made
                for piece in update.pieces:
                    yield replace(piece, text=piece.text[n_given:])
                    n_given = max(0, n_given - len(piece.text))
        finally:
            self._scheduler.cancel([generation])
