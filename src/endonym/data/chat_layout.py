"""Where the answers stand in a filled chat template, and which ids are learnt.

Learnt are the contents of answers and the template's own ids after each, up to the first special
token: with it a turn ends. What the template writes between the prompt and the answer is learnt,
too, with a thought in it or without. All else is only read. The ids before what is learnt are those
that a server makes of the same messages: where a template writes earlier turns otherwise than it
does while the conversation continues, each answer is an example of its own.
"""

import functools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from endonym.data.conversations import Unfit
from endonym.disk import Json
from endonym.errors import RecipeError
from endonym.tokenizer.chat_template import (
    ANSWERING,
    THOUGHTS,
    ChatTemplate,
    Markup,
    Part,
    TemplateRefusal,
)
from endonym.tokenizer.tokenizer import Ids, Tokenizer


class LayoutPart(NamedTuple):
    """The template's own ids, or the place of a message's content; and whether it is learnt.

    of: the answer, or the thought before it, with which the template's own ids are learnt.
    """

    ids: Ids
    message: int | None
    is_learnt: bool
    of: int | None = None


Layout = tuple[LayoutPart, ...]
Roles = tuple[str, ...]
Parts = Sequence[Part]
NONE = np.zeros(0, dtype=np.int64)


def learning_only(layout: Layout, learns: Sequence[bool]) -> Layout:
    """The layout in which only these messages, with what ends them, are learnt; () if none is."""
    parts = [
        part._replace(is_learnt=part.is_learnt and part.of is not None and learns[part.of])
        for part in layout
    ]
    last = max((n for n, part in enumerate(parts) if part.is_learnt), default=-1)
    return tuple(parts[: last + 1])


PIECES_KEPT = 1 << 20
"""Pieces of layouts that are remembered."""
PIECE_BYTES = 100
"""Of a piece, about."""
MESSAGES_AT_ONCE = 1 << 12
"""Messages of the prompts that a template is filled with in one call, within its time limit."""
PATIENCE_SECONDS = 60.0
"""In all, for conversations that the template cannot be filled with."""


@dataclass
class Layouts:
    """The layouts of conversations by their roles, each made once.

    longest: tokens that an example may have. turn_ends: the special tokens that end an answer, as
    far as they were seen. _cached_size: pieces of all layouts in the cache.
    """

    template: ChatTemplate
    tokenizer: Tokenizer
    longest: int

    def __post_init__(self) -> None:
        self._markup = Markup(self.tokenizer)
        self._specials = set(self._markup.specials.values())
        # Most turns have the same text of the template.
        cached = functools.lru_cache(PIECES_KEPT)
        self._ids_of = cached(lambda *part: np.array(self._markup.encode(*part), dtype=np.int64))
        self._cache: dict[tuple[Roles, str, bool], tuple[Layout, ...] | Unfit] = {}
        self._cached_size = 0
        self._lost_seconds = 0.0
        self.turn_ends: dict[int, str] = {}

    def _with(self, given: str) -> tuple[ChatTemplate, ChatTemplate | None]:
        """The template with what it gets; and without the tools among it, if there are any.

        given: as in `of`. Raises Unfit if a special token is named, which would end a turn.
        """
        if not given:
            return self.template, None
        if special := next((each for each in self._markup.specials if each in given), None):
            raise Unfit("tools", f'"tools" names the special token {special}')
        names: Json = json.loads(given)
        rest = {name: value for name, value in names.items() if name != "tools"}
        bare = replace(self.template, given=rest) if names.get("tools") else None
        return replace(self.template, given=names), bare

    def probe(self) -> None:
        """Raise RecipeError if the template cannot be used at all."""
        try:
            self._made(("user", ANSWERING))
        except Unfit:  # A row is too short for any conversation: each is told so.
            return

    def of(
        self, roles: Sequence[str], given: str = "", *, is_last_only: bool = False
    ) -> tuple[Layout, ...]:
        """The examples that a conversation of these roles gives: one, or one for each answer.

        given: what the template gets beside the messages, as JSON by name. is_last_only: one
        example, in which the last answer alone is learnt. Raises Unfit if the template does not
        take the roles, leaves answers or tools out, cannot be filled in or makes too many tokens;
        RecipeError if that alone takes more than PATIENCE_SECONDS.
        """
        if len(roles) > self.longest:
            raise Unfit(
                "longer_than_context", f"{len(roles):,} messages; {self.longest:,} tokens have room"
            )
        key = (tuple(roles), given, is_last_only)
        if key not in self._cache:
            layouts = self._tried(*key)
            size = len(roles) if isinstance(layouts, Unfit) else sum(map(len, layouts))
            size += len(given) // PIECE_BYTES
            if self._cached_size + size > PIECES_KEPT:
                self._cache.clear()
                self._cached_size = 0
            self._cached_size += size
            self._cache[key] = layouts
        layouts = self._cache[key]
        if isinstance(layouts, Unfit):
            raise Unfit(layouts.reason, layouts.detail)  # One raised again keeps all frames.
        return layouts

    def _tried(self, roles: Roles, given: str, is_last_only: bool) -> tuple[Layout, ...] | Unfit:
        """The layouts, or why there are none."""
        start = time.monotonic()
        try:
            return self._made(roles, given, is_last_only=is_last_only)
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

    def _made(
        self, roles: Roles, given: str = "", *, is_last_only: bool = False
    ) -> tuple[Layout, ...]:
        """The layouts, made now. One for all answers, if each stands in it after its own prompt.

        The last answer decides whether there is room: an earlier one has fewer tokens before it.
        """
        template, bare = self._with(given)
        answers = [n for n, role in enumerate(roles) if role == ANSWERING]
        ((prompt, whole),) = _filled(template, roles, answers[-1:])
        last = self._example(roles, prompt, whole)
        size = sum(len(piece.ids) for piece in last)
        if size > self.longest + 1:  # An end-of-text at the start opens no second text.
            raise Unfit(
                "longer_than_context",
                f"{size:,} tokens without the contents; {self.longest:,} have room",
            )
        written = {part.message for part in whole}
        for number, role in enumerate(roles):
            # Thoughts before the last answer may be left out.
            if number not in written and role not in THOUGHTS:
                raise _left_out(roles, number)
        if bare is not None and bare.parts([(roles, False)]) == [whole]:
            raise Unfit("tools", '"tools" is left out by the model\'s chat template')
        if is_last_only:
            return (last,)
        openings = dict[int, str]()
        is_prefix = True
        filled = chain(_filled(template, roles, answers[:-1]), [(prompt, whole)])
        for answer, parts in zip(answers, filled, strict=True):
            before, opening, rest = _divided(roles[: answer + 1], *parts)
            openings[_first_of(roles, answer)] = opening
            is_prefix = is_prefix and [*before, rest[0]] == whole[: len(before) + 1]
        if is_prefix:
            return (self._layout(whole, roles, openings),)
        return tuple(
            self._example(roles[: answer + 1], *parts)
            for answer, parts in zip(answers, _filled(template, roles, answers), strict=True)
        )

    def _example(self, roles: Roles, prompt: Parts, whole: Parts) -> Layout:
        """The layout in which the last answer is learnt, after the prompt that a server makes."""
        before, opening, rest = _divided(roles, prompt, whole)
        return self._layout([*before, *rest], roles, {_first_of(roles, len(roles) - 1): opening})

    def _layout(self, parts: Parts, roles: Roles, openings: Mapping[int, str]) -> Layout:
        """The parts as a layout, which ends with the last piece that is learnt.

        openings: the end of the text before each answer to learn, or before its thought, by the
        number of that message: it is learnt, too.
        """
        pieces = list[LayoutPart]()
        before: int | None = None  # the answer or thought to learn that stands before this part
        for place, (text, number) in enumerate(parts):
            if number is not None:
                if before is not None and roles[before] == ANSWERING:
                    raise self._endless()
                before = number if _first_of(roles, number) in openings else None
                pieces.append(LayoutPart(NONE, number, before is not None, before))
                continue
            after = parts[place + 1].message if place + 1 < len(parts) else None
            opening = "" if after is None else openings.get(after, "")
            ids = self._ids_of(text.removesuffix(opening), place == 0)
            if before is None:
                pieces.append(LayoutPart(ids, None, False))
            elif roles[before] in THOUGHTS:
                pieces.append(LayoutPart(ids, None, True, before))
            else:
                end = self._turn_end(ids)
                pieces.append(LayoutPart(ids[:end], None, True, before))
                pieces.append(LayoutPart(ids[end:], None, False))
                before = None
            if opening:
                pieces.append(LayoutPart(self._ids_of(opening, False), None, True, after))
        if before is not None:
            raise self._endless()
        last = max(n for n, piece in enumerate(pieces) if piece.is_learnt)
        kept = pieces[: last + 1]
        return tuple(each for each in kept if len(each.ids) or each.message is not None)

    def _turn_end(self, ids: Ids) -> int:
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


def _filled(
    template: ChatTemplate, roles: Roles, answers: Sequence[int]
) -> Iterator[tuple[list[Part], list[Part]]]:
    """The prompt before each of these answers, and the conversation that ends with it.

    Some are filled in at a time: together they grow as a square.
    """
    batch = list[tuple[Roles, bool]]()
    n_messages = 0
    for answer in answers:
        batch += [(roles[: _first_of(roles, answer)], True), (roles[: answer + 1], False)]
        n_messages += 2 * answer + 1
        if n_messages >= MESSAGES_AT_ONCE or answer == answers[-1]:
            parts = iter(template.parts(batch))
            yield from zip(parts, parts, strict=True)
            batch = []
            n_messages = 0


def _first_of(roles: Roles, answer: int) -> int:
    """The number of the thought before an answer, or of the answer if it has none."""
    has_thought = answer > 0 and roles[answer - 1] in THOUGHTS
    return answer - 1 if has_thought else answer


def _place(roles: Roles, number: int) -> int:
    """Which message of its conversation this is, from 1: thoughts are a part of their answers."""
    return number + 1 - sum(role in THOUGHTS for role in roles[:number])


def _left_out(roles: Roles, number: int) -> TemplateRefusal:
    place = _place(roles, number)
    return TemplateRefusal(f"the model's chat template leaves out message {place}")


def _divided(roles: Roles, prompt: Parts, whole: Parts) -> tuple[list[Part], str, Parts]:
    """The conversation up to its last answer or the thought before that, and from there on.

    It begins with the prompt. Between both is the text with which a template opens the answer, such
    as an empty thought. A server does not send it, so the model must write it. Blanks are no such
    text, as words have tokens with their blank. whole: the filled template.
    """
    last = len(roles) - 1
    first = _first_of(roles, last)
    places = [part.message for part in whole]
    if last not in places:
        raise _left_out(roles, last)
    if first not in places:
        name = f'message {_place(roles, last)} has "{roles[first]}"'
        raise Unfit("thoughts", f"{name}, which the model's chat template leaves out")
    rest = whole[places.index(first) :]
    end, written = (
        parts[-1].text if parts else "" for parts in (prompt, whole[: places.index(first)])
    )
    if not written.startswith(end) and first < last:
        raise TemplateRefusal(
            "the model's chat template begins an answer otherwise when it has a thought "
            f'("{roles[first]}")'
        )
    opening = written[len(end) :] if written.startswith(end) else ""
    if not opening or (first == last and opening.isspace()):
        return [*prompt], "", rest
    if prompt and prompt[-1].message is None:
        return [*prompt[:-1], Part(written)], opening, rest
    return [*prompt, Part(opening)], opening, rest
