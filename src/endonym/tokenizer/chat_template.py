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
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

from endonym.disk import Json
from endonym.errors import RecipeError
from endonym.tokenizer.template_process import fill_many
from endonym.tokenizer.tokenizer import Tokenizer

ANSWERING = "assistant"
THOUGHTS = ("reasoning_content", "thinking", "reasoning")
"""Names that data sets and templates have for what is thought before an answer. Among roles such a
name stands for a thought, which belongs to the answer after it."""
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template that recipes call "chatml"."""
OPENING = "{{ bos_token }}"
Encode = Callable[[str], list[int]]
EncodeMarkup = Callable[[str, bool], list[int]]
"""Encodes a template's own text: the text, and whether the conversation begins with it."""


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


class Conversation(NamedTuple):
    """What a template is filled with. opens_answer: whether the model is to answer next."""

    messages: Sequence[Mapping[str, str]]
    opens_answer: bool


PROBE_ROLES = ("user", ANSWERING, "user")
ACTED_ON = (" \n<think>\nбер\n</think>\n\n<tool_response>ике</tool_response> өч. \n",) * 3
"""Contents that templates like to change: blanks around them, thoughts."""
HELLO = Conversation(({"role": "user", "content": "1 һ"},), True)
"""A conversation that any template takes."""


class TemplateRefusal(RecipeError):
    """A template says that it does not take these messages."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template, and the names of the tokens before and after a text.

    given: what it gets beside the messages, by name, such as `tools`.
    """

    text: str
    start: str
    end: str
    given: Mapping[str, Any] = field(default_factory=Json)

    def filled(self, conversations: Sequence[Conversation]) -> list[str]:
        """The template with each of these conversations, contents included.

        Raises TemplateRefusal, or RecipeError if it cannot be filled in or does not end.
        """
        names = {**self.given, "bos_token": self.start, "eos_token": self.end}
        values = [
            {"messages": each.messages, "add_generation_prompt": each.opens_answer, **names}
            for each in conversations
        ]
        results = fill_many(self.text, values)
        for result in results:
            if "refused" in result:
                raise TemplateRefusal(f"the model's chat template says: {result['refused']}")
            if "error" in result:
                raise RecipeError(
                    f"the model's chat template cannot be filled in: {result['error']}"
                )
        return [result["text"] for result in results]

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

    def parts(self, conversations: Sequence[tuple[Sequence[str], bool]]) -> list[list[Part]]:
        """The parts of conversations, each given as its roles and `opens_answer`.

        The template is filled with a placeholder for each content, and split at these. It gets a
        thought by each of THOUGHTS, as templates know one of them.
        """
        # Digits outlast upper and lower case. There are always as many, as templates may count.
        secret = f"{secrets.randbits(64):020}"
        most = max((len(roles) for roles, _ in conversations), default=0)
        placeholders = {f"\ue000{secret}.{number}\ue001": number for number in range(most)}
        to_fill = list[Conversation]()
        for roles, opens_answer in conversations:
            messages = list[dict[str, str]]()
            thought: dict[str, str] = {}
            for role, content in zip(roles, placeholders, strict=False):
                if role in THOUGHTS:
                    thought = dict.fromkeys(THOUGHTS, content)
                else:
                    messages.append({"role": role, "content": content, **thought})
                    thought = {}
            to_fill.append(Conversation(messages, opens_answer))
        any_placeholder = re.compile(f"(\ue000{secret}\\.[0-9]+\ue001)")

        def part(piece: str) -> Part:
            return Part("", placeholders[piece]) if piece in placeholders else Part(piece)

        texts = self.filled(to_fill)
        return [[part(piece) for piece in any_placeholder.split(text) if piece] for text in texts]


def template_of(tokenizer: Tokenizer) -> ChatTemplate:
    """The template of a tokenizer that has one, as endonym's own runtime fills it in."""
    assert tokenizer.chat_template is not None, "asked of a base model"
    return ChatTemplate(tokenizer.chat_template, tokenizer.start_name, tokenizer.end)


def exported_template(tokenizer: Tokenizer) -> str | None:
    """The chat template as an export has it; None of a base model.

    That of a tokenizer from elsewhere stays as it is: it says itself what a conversation starts
    with.
    """
    if tokenizer.chat_template is None or tokenizer.around is not None:
        return tokenizer.chat_template
    return template_of(tokenizer).opened


def ids_of(
    parts: Sequence[Part], contents: Sequence[str], plain: Encode, markup: EncodeMarkup
) -> list[int]:
    """The ids of a filled template, part by part.

    plain: encodes what people wrote. markup: encodes the template's own text.
    """
    ids = list[int]()
    for place, (text, number) in enumerate(parts):
        ids += markup(text, place == 0) if number is None else plain(contents[number])
    return ids


def differences(
    template: ChatTemplate, vocabulary: AnyVocabulary, markup: EncodeMarkup
) -> list[str]:
    """What programs that read the filled template as one text do otherwise, for a warning.

    They fill in the contents before they encode; here contents are encoded apart. markup: encodes
    the template's own text.
    """
    found = list[str]()
    joining = _joining(vocabulary)

    def to_ask(contents: Sequence[str]) -> Conversation:
        messages = zip(PROBE_ROLES, contents, strict=True)
        return Conversation([{"role": role, "content": each} for role, each in messages], True)

    def with_contents(parts: Sequence[Part], contents: Sequence[str]) -> str:
        return "".join(text if n is None else contents[n] for text, n in parts)

    with suppress(RecipeError):  # a template that is broken is told with the first message
        text_acted_on, text_joining = template.filled([to_ask(ACTED_ON), to_ask(joining)])
        (parts,) = template.parts([(PROBE_ROLES, True)])
        if text_acted_on != with_contents(parts, ACTED_ON):
            found.append(
                "its chat template tests or changes the texts of messages, which is left out here: "
                "each is encoded as it was written"
            )
        is_placed = text_joining == with_contents(parts, joining)
        ids_apart = ids_of(parts, joining, vocabulary.encode, markup)
        if is_placed and markup(text_joining, True) != ids_apart:
            found.append(
                "its chat template puts texts of messages right beside letters or blanks of its "
                "own, which are encoded apart here: llama.cpp's server and transformers read both "
                "as one text, and give other ids. Special tokens or line ends around them avoid it"
            )
    return found


def _joining(vocabulary: AnyVocabulary) -> list[str]:
    """Contents that become one token with a blank before them, if the vocabulary has such words.

    One for each role of PROBE_ROLES.
    """
    count = len(PROBE_ROLES)
    texts = (vocabulary.bytes_of(n).decode("utf-8", "ignore") for n in range(vocabulary.vocab))
    words = (text[1:] for text in texts if text[:1] == " " and text[1:].isalpha())
    return [*islice(words, count), *["һәм"] * count][:count]


class Markup:
    """Encodes a template's own text, in which special tokens stand by their names."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._encode = tokenizer.encode
        self._spaces = tokenizer.spaces_before
        empty = (index for index in range(tokenizer.vocab) if not tokenizer.bytes_of(index))
        self.specials = {name: index for index in empty if (name := tokenizer.name_of(index))}
        """The ids that stand for no text; the end of a text is always among them."""
        names = sorted(self.specials, key=len, reverse=True)
        self._names = re.compile(f"({'|'.join(map(re.escape, names))})")

    def encode(self, text: str, begins: bool = False) -> list[int]:
        """The ids of a template's own text. begins: whether the conversation begins with it.

        A tokenizer that puts a space before a text puts it here, too; some do after each special
        token, as `transformers` then reads them.
        """
        ids = list[int]()
        for place, part in enumerate(self._names.split(text)):
            if part in self.specials:
                ids.append(self.specials[part])
            elif part:
                is_spaced = self._spaces == "each" if place else self._spaces and begins
                ids += self._encode(f" {part}" if is_spaced else part)
        return ids
