"""Templates: text with slots and blocks in braces, and alternatives in square brackets.

{A} {A.de}      a slot or a block; a form of the slot's word
{A?lent/lente}  the words that agree with a slot
[a|b|c]         one of the alternatives; an empty one leaves them all out
"""

from typing import NamedTuple, TypeAlias

import regex

from endonym.errors import RecipeError

Template: TypeAlias = "tuple[str | Mention | Choice, ...]"

PIECE = regex.compile(r"\{[^{}]*\}|[\[\]|{}]|[^\[\]|{}]+")
MENTION = regex.compile(r"\{(\w+)(?:\.([^{}\[\]|?]+)|\?([^{}\[\]|]*))?\}")
NAME = regex.compile(r"\w+")


class Mention(NamedTuple):
    """A slot or block that a template names. parts: the words that agree; none if it has no `?`."""

    name: str
    key: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        behind = f".{self.key}" if self.key else f"?{'/'.join(self.parts)}" if self.parts else ""
        return f"{{{self.name}{behind}}}"


class Choice(NamedTuple):
    """Alternatives, of which one is drawn."""

    options: tuple[Template, ...]


class RawTemplate(NamedTuple):
    """A template as somebody wrote it, with its name in messages and its file."""

    text: str
    name: str
    where: str

    def error(self, message: str, do: str) -> RecipeError:
        """What is wrong with it."""
        shown = self.text if len(self.text) <= 100 else f"{self.text[:99]}…"
        return RecipeError(f"{self.name}: {message}, in “{shown}”.", where=self.where, do=do)


def parse(written: RawTemplate) -> Template:
    """The template's parts. Raises RecipeError where braces or brackets do not fit together."""
    open_choices: list[list[list[str | Mention | Choice]]] = [[[]]]
    for piece in PIECE.findall(written.text):
        if piece == "[":
            open_choices.append([[]])
        elif piece in ("]", "|") and len(open_choices) == 1:
            raise written.error(
                f"{piece} stands behind no [",
                "Alternatives stand in brackets, with | between them: [red|green]",
            )
        elif piece == "|":
            open_choices[-1].append([])
        elif piece == "]":
            options = tuple(map(tuple, open_choices.pop()))
            if len(options) == 1:
                raise written.error(
                    "there is one alternative in brackets",
                    "For words that may be left out, write [words|]",
                )
            open_choices[-1][-1].append(Choice(options))
        else:
            open_choices[-1][-1].append(_mention(written, piece) if piece[0] in "{}" else piece)
    if len(open_choices) > 1:
        raise written.error("[ is not closed", "Close it with ]")
    return tuple(open_choices[0][0])


def _mention(written: RawTemplate, piece: str) -> Mention:
    """What stands in a pair of braces."""
    if piece in ("{", "}"):
        missing = "}" if piece == "{" else "{"
        raise written.error(f"{piece} has no {missing}", "Braces stand in pairs: {A}")
    match = MENTION.fullmatch(piece)
    if match is None:
        raise written.error(
            f"{piece} is no slot",
            "Write {A}, {A.key} or {A?one/other}, with the name of a slot or a block.",
        )
    parts = () if match[3] is None else tuple(match[3].split("/"))
    return Mention(match[1], match[2] or "", parts)
