"""Where the answers stand in a filled chat template, and which ids are learnt.

Learnt are the contents of answers and the template's own ids after each, up to the first special
token: with it a turn ends. All else is only read. The ids before an answer are those that a server
makes of the same messages: where a template writes earlier turns otherwise than it does while the
conversation goes on, each answer is an example of its own.
"""

import functools
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.data.conversations import Unfit
from endonym.errors import RecipeError
from endonym.tokenizer.chat_template import ANSWERING, ChatTemplate, Markup, Part, TemplateRefusal
from endonym.tokenizer.tokenizer import Tokenizer


class LayoutPart(NamedTuple):
    """The template's own ids, or the place of a message's content; and whether it is learnt."""

    ids: NDArray[np.int64]
    message: int | None
    is_learnt: bool


Layout = tuple[LayoutPart, ...]
NONE = np.zeros(0, dtype=np.int64)


def learning_only(layout: Layout, learns: Sequence[bool]) -> Layout:
    """The layout in which only these messages, with what ends them, are learnt; () if none is."""
    parts: list[LayoutPart] = []
    is_of_learnt_answer = False
    for part in layout:
        if part.message is not None:
            is_of_learnt_answer = learns[part.message]
        parts.append(part._replace(is_learnt=part.is_learnt and is_of_learnt_answer))
    last = max((n for n, part in enumerate(parts) if part.is_learnt), default=-1)
    return tuple(parts[: last + 1])


PIECES_KEPT = 1 << 20
"""Pieces of layouts that are remembered; a piece takes about a hundred bytes."""
MESSAGES_AT_ONCE = 1 << 12
"""Messages of the prompts that a template is filled with in one call, within its time limit."""
PATIENCE_SECONDS = 60.0
"""In all, for conversations that the template cannot be filled with."""


class Layouts:
    """The layouts of conversations by their roles, each made once.

    longest: tokens that an example may have. turn_ends: the special tokens that end an answer, as
    far as they were seen. _cached_size: pieces of all layouts in the cache.
    """

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer, longest: int) -> None:
        self.template, self.tokenizer, self.longest = template, tokenizer, longest
        self._markup = Markup(tokenizer)
        self._specials = set(self._markup.specials.values())
        # Most turns have the same text of the template.
        cached, encode = functools.lru_cache(PIECES_KEPT), self._markup.encode
        self._ids_of = cached(lambda text: np.array(encode(text), dtype=np.int64))
        self._cache: dict[tuple[tuple[str, ...], bool], tuple[Layout, ...] | Unfit] = {}
        self._cached_size, self._lost_seconds = 0, 0.0
        self.turn_ends: dict[int, str] = {}

    def probe(self) -> None:
        """Raise RecipeError if the template cannot be used at all."""
        try:
            self._made(("user", ANSWERING))
        except Unfit:  # A row is too short for any conversation: each is told so.
            return

    def of(self, roles: Sequence[str], *, is_last_only: bool = False) -> tuple[Layout, ...]:
        """The examples that a conversation of these roles gives: one, or one for each answer.

        is_last_only: one example, in which the last answer alone is learnt. Raises Unfit if the
        template does not take the roles, leaves answers out, cannot be filled in or makes too many
        tokens; RecipeError if that alone takes more than PATIENCE_SECONDS.
        """
        if len(roles) > self.longest:
            detail = f"{len(roles):,} messages; {self.longest:,} tokens have room"
            raise Unfit("longer_than_context", detail)
        key = (tuple(roles), is_last_only)
        if key not in self._cache:
            layouts = self._tried(*key)
            size = len(roles) if isinstance(layouts, Unfit) else sum(map(len, layouts))
            if self._cached_size + size > PIECES_KEPT:
                self._cache.clear()
                self._cached_size = 0
            self._cached_size += size
            self._cache[key] = layouts
        layouts = self._cache[key]
        if isinstance(layouts, Unfit):
            raise Unfit(layouts.reason, layouts.detail)  # One raised again keeps all frames.
        return layouts

    def _tried(self, roles: tuple[str, ...], is_last_only: bool) -> tuple[Layout, ...] | Unfit:
        """The layouts, or why there are none."""
        start = time.monotonic()
        try:
            return self._made(roles, is_last_only=is_last_only)
        except Unfit as unfit:
            return unfit
        except TemplateRefusal as refusal:
            return Unfit("refused_by_template", refusal.message)
        except RecipeError as error:
            self._lost_seconds += time.monotonic() - start
            if self._lost_seconds > PATIENCE_SECONDS:
                raise RecipeError(
                    f"{error.message}; conversations like this took "
                    f"{self._lost_seconds:.0f} seconds",
                    where="chat.template",
                    do="Repair the template: it must end for every conversation in the data.",
                ) from error
            return Unfit("template", error.message)

    def _made(self, roles: tuple[str, ...], *, is_last_only: bool = False) -> tuple[Layout, ...]:
        """The layouts, made now. One for all answers, if each stands in it after its own prompt.

        The last answer decides whether there is room: an earlier one has fewer tokens before it.
        """
        last, prompt, whole = self._last_answer(roles)
        size = sum(len(piece.ids) for piece in last)
        if size > self.longest + 1:  # An end-of-text at the start opens no second text.
            detail = f"{size:,} tokens without the contents; {self.longest:,} have room"
            raise Unfit("longer_than_context", detail)
        if is_last_only:
            return (last,)
        answers = [n for n, role in enumerate(roles) if role == ANSWERING]
        places = {part.message: place for place, part in enumerate(whole) if not part.text}
        prompts = chain(self._prompts(roles, answers[:-1]), [prompt])
        is_prefix = all(
            number in places and whole[: places[number]] == before
            for number, before in zip(answers, prompts, strict=True)
        )
        if is_prefix:
            return (self._layout(whole, answers),)
        earlier = (self._last_answer(roles[: number + 1])[0] for number in answers[:-1])
        return (*earlier, last)

    def _prompts(self, roles: tuple[str, ...], answers: Sequence[int]) -> Iterator[list[Part]]:
        """The prompts before these answers, some at a time: together they grow as a square."""
        batch: list[tuple[Sequence[str], bool]] = []
        n_messages = 0
        for number in answers:
            batch.append((roles[:number], True))
            n_messages += number
            if n_messages >= MESSAGES_AT_ONCE:
                yield from self.template.parts(batch)
                batch, n_messages = [], 0
        if batch:
            yield from self.template.parts(batch)

    def _last_answer(self, roles: tuple[str, ...]) -> tuple[Layout, list[Part], list[Part]]:
        """The layout in which the last answer is learnt, after the prompt that a server makes.

        Also the parts of this prompt, and those of the whole conversation.
        """
        prompt, whole = self.template.parts([(roles[:-1], True), (roles, False)])
        last, places = len(roles) - 1, [part.message for part in whole]
        if last not in places:
            raise TemplateRefusal(f"the model's chat template leaves out message {last + 1}")
        return self._layout([*prompt, *whole[places.index(last) :]], [last]), prompt, whole

    def _layout(self, parts: Sequence[Part], learnt: Sequence[int]) -> Layout:
        """The parts as a layout, which ends with the last piece that is learnt.

        learnt: the numbers of the answers to learn.
        """
        pieces: list[LayoutPart] = []
        is_after_answer = False
        for text, number in parts:
            if number is None:
                ids = self._ids_of(text)
                end = self._turn_end(ids) if is_after_answer else 0
                pieces += [LayoutPart(ids[:end], None, True), LayoutPart(ids[end:], None, False)]
            elif is_after_answer:
                raise self._endless()
            else:
                pieces.append(LayoutPart(NONE, number, number in learnt))
            is_after_answer = number in learnt
        if is_after_answer:
            raise self._endless()
        last = max(n for n, piece in enumerate(pieces) if piece.is_learnt)
        kept = pieces[: last + 1]
        return tuple(each for each in kept if len(each.ids) or each.message is not None)

    def _turn_end(self, ids: NDArray[np.int64]) -> int:
        """How many ids after an answer are learnt: up to the first special token."""
        for count, index in enumerate(ids.tolist(), 1):
            if index in self._specials:
                self.turn_ends[index] = str(self.tokenizer.name_of(index))
                return count
        raise self._endless()

    def _endless(self) -> RecipeError:
        known = ", ".join(self._markup.specials)
        return RecipeError(
            "the chat template writes no special token of this tokenizer after an answer, so the "
            "model could not learn where an answer ends",
            where="chat.template",
            do=f"This tokenizer's special tokens are {known}. Write a template that ends each "
            'answer with one of them and name it in [chat], such as template = "chat.jinja"; '
            "ChatML needs <|im_start|> and <|im_end|>.",
        )
