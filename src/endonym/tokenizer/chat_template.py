"""Chat templates: from the roles of a conversation to its text around the contents, and to ids.

A template (Jinja, as in `transformers`) is filled with placeholders instead of contents. So its own
text, in which special tokens stand by their names, is told from what people wrote, which is plain
text whatever it names. And the parts depend on the roles alone: conversations of the same roles
have the same parts. Serving and training both take them from here, so their ids are the same.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from endonym.errors import RecipeError
from endonym.tokenizer.template_process import fill_many
from endonym.tokenizer.tokenizer import Tokenizer

ANSWERING = "assistant"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template that recipes call "chatml"."""
OPENING = "{{ bos_token }}"
Encode = Callable[[str], list[int]]


class AnyVocabulary(Protocol):
    """A tokenizer of any program: its number of ids, and texts to ids and back."""

    @property
    def vocab(self) -> int: ...
    def encode(self, text: str) -> list[int]: ...
    def bytes_of(self, index: int) -> bytes: ...


class Part(NamedTuple):
    """A piece of a filled template: its own text, or the place of a message's content."""

    text: str
    message: int | None = None


class Asked(NamedTuple):
    """What a template is filled with. opens_answer: whether the model is to answer next."""

    messages: Sequence[Mapping[str, str]]
    opens_answer: bool


PROBE_ROLES = ("user", ANSWERING, "user")
ACTED_ON = (" \n<think>\nбер\n</think>\n\n<tool_response>ике</tool_response> өч. \n",) * 3
"""Contents that templates like to change: blanks around them, thoughts."""
HELLO = Asked(({"role": "user", "content": "1 һ"},), True)
"""A conversation that any template takes."""


class TemplateRefusal(RecipeError):
    """A template says that it does not take these messages."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template, and the names of the tokens before and after a text."""

    text: str
    start: str
    end: str

    def filled(self, asked: Sequence[Asked]) -> list[str]:
        """The template with each of these conversations, contents included.

        Raises TemplateRefusal, or RecipeError if it cannot be filled in or does not end.
        """
        names = {"bos_token": self.start, "eos_token": self.end}
        values = [
            {"messages": each.messages, "add_generation_prompt": each.opens_answer, **names}
            for each in asked
        ]
        found = fill_many(self.text, values)
        for each in found:
            if "refused" in each:
                raise TemplateRefusal(f"the model's chat template says: {each['refused']}")
            if "error" in each:
                message = f"the model's chat template cannot be filled in: {each['error']}"
                raise RecipeError(message)
        return [each["text"] for each in found]

    @property
    def opened(self) -> str:
        """The template's text with the start token in front, if it does not write that itself.

        transformers puts nothing before a filled template: there the template must do it.
        """
        with suppress(RecipeError):  # a template that is broken is told where it is used
            if self.filled([HELLO])[0].startswith(self.start):
                return self.text
        # A comment takes the line end behind it along, and the template still begins a line.
        return OPENING + ("{# #}\n" if self.text[:1].isspace() else "") + self.text

    def parts(self, asked: Sequence[tuple[Sequence[str], bool]]) -> list[list[Part]]:
        """The parts of conversations, each given as its roles and `opens_answer`."""
        # Digits outlast upper and lower case. There are always as many, as templates may count.
        secret = f"{secrets.randbits(64):020}"
        most = max((len(roles) for roles, _ in asked), default=0)
        places = {f"\ue000{secret}.{number}\ue001": number for number in range(most)}
        placed = [
            [{"role": role, "content": place} for role, place in zip(roles, places, strict=False)]
            for roles, _ in asked
        ]
        filled = self.filled(
            [Asked(each, opens) for each, (_, opens) in zip(placed, asked, strict=True)]
        )
        place = re.compile(f"(\ue000{secret}\\.[0-9]+\ue001)")
        return [
            [Part("", places[p]) if p in places else Part(p) for p in place.split(text) if p]
            for text in filled
        ]


def template_of(tokenizer: Tokenizer) -> ChatTemplate:
    """The template of a tokenizer that has one, as endonym's own runtime fills it in."""
    assert tokenizer.chat_template is not None, "asked of a base model"
    start, end = (tokenizer.token(each) for each in (tokenizer.start_id, tokenizer.end_id))
    return ChatTemplate(tokenizer.chat_template, start, end)


def ids_of(
    parts: Sequence[Part], contents: Sequence[str], plain: Encode, markup: Encode
) -> list[int]:
    """The ids of a filled template, part by part.

    plain: encodes what people wrote. markup: encodes the template's own text.
    """
    ids: list[int] = []
    for text, number in parts:
        ids += markup(text) if number is None else plain(contents[number])
    return ids


def differences(template: ChatTemplate, vocabulary: AnyVocabulary, markup: Encode) -> list[str]:
    """What programs that read the filled template as one text do otherwise, for a warning.

    They fill in the contents before they encode; here contents are encoded apart.
    """
    found: list[str] = []
    joined = _joined(vocabulary)
    with suppress(RecipeError):  # a template that is broken is told with the first message
        acting, joining = (
            [{"role": role, "content": each} for role, each in zip(PROBE_ROLES, said, strict=True)]
            for said in (ACTED_ON, joined)
        )
        filled = template.filled([Asked(acting, True), Asked(joining, True)])
        (parts,) = template.parts([(PROBE_ROLES, True)])
        if filled[0] != "".join(p if n is None else ACTED_ON[n] for p, n in parts):
            found.append(
                "its chat template tests or changes the texts of messages, which is left out here: "
                "each is encoded as it was written"
            )
        is_placed = filled[1] == "".join(p if n is None else joined[n] for p, n in parts)
        if is_placed and markup(filled[1]) != ids_of(parts, joined, vocabulary.encode, markup):
            found.append(
                "its chat template puts texts of messages right beside letters or blanks of its "
                "own, which are encoded apart here: llama.cpp's server and transformers read both "
                "as one text, and give other ids. Special tokens or line ends around them avoid it"
            )
    return found


def _joined(vocabulary: AnyVocabulary) -> list[str]:
    """Contents that become one token with a blank before them, if the vocabulary has such words."""
    texts = (vocabulary.bytes_of(n).decode("utf-8", "ignore") for n in range(vocabulary.vocab))
    words = (text[1:] for text in texts if text[:1] == " " and text[1:].isalpha())
    return [*islice(words, len(PROBE_ROLES)), *["һәм"] * len(PROBE_ROLES)][: len(PROBE_ROLES)]


class Markup:
    """Encodes a template's own text, in which special tokens stand by their names."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._encode = tokenizer.encode
        empty = (index for index in range(tokenizer.vocab) if not tokenizer.bytes_of(index))
        self.specials = {name: index for index in empty if (name := tokenizer.name_of(index))}
        """The ids that stand for no text; the end of a text is always among them."""
        names = sorted(self.specials, key=len, reverse=True)
        self._names = re.compile(f"({'|'.join(map(re.escape, names))})")

    def encode(self, text: str) -> list[int]:
        """The ids of a template's own text."""
        ids: list[int] = []
        for part in self._names.split(text):
            if part in self.specials:
                ids.append(self.specials[part])
            elif part:
                ids += self._encode(part)
        return ids
