"""Where the answers stand in a filled chat template, and which ids are learnt.

Learnt are the contents of answers and the template's own ids after each, up to the first special
token: with it a turn ends. All else is only read. The ids before an answer are those that a server
makes of the same messages: where a template writes earlier turns otherwise than it does while the
conversation goes on, each answer is an example of its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.errors import RecipeError
from endonym.tokenizer.chat_template import ANSWERING, ChatTemplate, Markup, Part, TemplateRefusal
from endonym.tokenizer.tokenizer import Tokenizer


class Piece(NamedTuple):
    """The template's own ids, or the place of a message's content; and whether it is learnt."""

    ids: NDArray[np.int64]
    message: int | None
    is_learnt: bool


Layout = tuple[Piece, ...]
NONE = np.zeros(0, dtype=np.int64)


class Layouts:
    """The layouts of conversations by their roles, each made once.

    turn_ends: the special tokens that end an answer, as far as they were seen.
    """

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.template, self.tokenizer = template, tokenizer
        self._markup = Markup(tokenizer)
        self._specials = set(self._markup.specials.values())
        self._known: dict[tuple[tuple[str, ...], bool], tuple[Layout, ...] | TemplateRefusal] = {}
        self.turn_ends: dict[int, str] = {}

    def of(self, roles: Sequence[str], *, is_last_only: bool = False) -> tuple[Layout, ...]:
        """The examples that a conversation of these roles gives: one, or one for each answer.

        is_last_only: one example, in which the last answer alone is learnt. Raises TemplateRefusal
        if the template does not take the roles or leaves answers out, and RecipeError if it cannot
        be used at all.
        """
        key = (tuple(roles), is_last_only)
        if key not in self._known:
            try:
                self._known[key] = (self._alone(key[0]),) if is_last_only else self._made(key[0])
            except TemplateRefusal as refusal:
                self._known[key] = refusal
        found = self._known[key]
        if isinstance(found, TemplateRefusal):
            raise found
        return found

    def _made(self, roles: tuple[str, ...]) -> tuple[Layout, ...]:
        answers = [n for n, role in enumerate(roles) if role == ANSWERING]
        whole, *prompts = self.template.parts(
            [(roles, False), *((roles[:n], True) for n in answers)]
        )
        places = [part.message for part in whole]
        is_prefix = all(
            number in places and whole[: places.index(number)] == prompt
            for number, prompt in zip(answers, prompts, strict=True)
        )
        if is_prefix:
            return (self._layout(whole, answers),)
        return tuple(self._alone(roles[: number + 1]) for number in answers)

    def _alone(self, roles: tuple[str, ...]) -> Layout:
        """The last answer after the prompt that a server makes."""
        last = len(roles) - 1
        prompt, whole = self.template.parts([(roles[:-1], True), (roles, False)])
        places = [part.message for part in whole]
        if last not in places:
            raise TemplateRefusal(f"the model's chat template leaves out message {last + 1}")
        return self._layout([*prompt, *whole[places.index(last) :]], [last])

    def _layout(self, parts: Sequence[Part], learnt: Sequence[int]) -> Layout:
        """Pieces of the parts, without what follows the last piece that is learnt."""
        pieces: list[Piece] = []
        after = False  # whether an answer stands before this part
        for text, number in parts:
            if number is None:
                ids = np.array(self._markup.encode(text), dtype=np.int64)
                end = self._turn_end(ids) if after else 0
                pieces += [Piece(ids[:end], None, True), Piece(ids[end:], None, False)]
            elif after:
                raise self._endless()
            else:
                pieces.append(Piece(NONE, number, number in learnt))
            after = number in learnt
        if after:
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
