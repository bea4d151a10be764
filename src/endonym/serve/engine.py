"""What computes the logits of several sequences at once: llama.cpp, or endonym's own runtime.

From the messages of a conversation to ids leads the model's own chat template (Jinja).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Defaults, Logits
from endonym.tokenizer.chat_template import AnyVocabulary, ChatTemplate, differences, ids_of

Vector = NDArray[np.float32]


class Vocabulary(AnyVocabulary, Protocol):
    """Text to ids and back; the name of a special token in a text is plain text.

    The bytes of a special token are empty.
    """

    def token(self, index: int) -> str:
        """An id as readable text; of a special token its name."""
        ...

    def text_ids(self, text: str) -> list[int]:
        """The ids of a whole text as the model reads it, with those before and after it."""
        ...

    def chat_ids(self, ids: Sequence[int]) -> list[int]:
        """The ids of a conversation as the model reads it, from those of its filled template."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """The next tokens of the sequence in a slot.

    past: how many of its tokens were computed before. outputs: of how many of these tokens, counted
    from the last one back, the logits are wanted.
    """

    slot: int
    ids: Sequence[int]
    past: int
    outputs: int


class Engine(Protocol):
    """Computes sequences, each with a cache of its own in a slot. Used by one thread.

    name: which runtime it is. slots: how many sequences it holds at once. context: tokens of the
    longest sequence. batch: tokens of the largest call. before: the ids before each text.
    document_start: what stands for a text without ids. start, end: the names of the tokens that a
    chat template calls bos and eos; empty if there is none. ends: all ids that end a text.
    template: the model's chat template, if it has one. spelled: writes a prompt as the training
    text was written. turns, defaults: as in LanguageModel. model: the same in endonym's own
    runtime, which suggests words; None for a file of llama.cpp's, and for a large model.
    """

    name: str
    slots: int
    context: int
    batch: int
    vocabulary: Vocabulary
    before: tuple[int, ...]
    document_start: tuple[int, ...]
    start: str
    end: str
    ends: Collection[int]
    template: str | None
    spelled: Callable[[str], str]
    turns: int
    defaults: Defaults
    model: LanguageModel | None

    def compute(self, rows: Sequence[Row]) -> Logits:
        """The wanted logits, row after row, as an array of its own."""
        ...

    def mean_state(self, ids: Sequence[int], slot: int) -> Vector:
        """The mean of a text's last hidden states, after the final norm, (D,).

        ids: behind those of `before`, which are not part of the mean. slot: a free one.
        """
        ...

    def release(self, slot: int) -> None:
        """Forget the sequence in a slot."""
        ...

    def encode_markup(self, text: str, begins: bool = False) -> list[int]:
        """The ids of a chat template's own text, in which special tokens stand by their names.

        begins: whether the conversation begins with it.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def chat_ids(engine: Engine, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The ids of a conversation up to where the model answers, with those before it.

    The template's own text may name special tokens. What people wrote is plain text, whatever it
    names: contents take their places only after the template is filled in. Raises RecipeError if
    the template refuses the messages, or cannot be filled in.
    """
    (parts,) = template_of(engine).parts([([message["role"] for message in messages], True)])
    contents = [message["content"] for message in messages]
    ids = ids_of(parts, contents, engine.vocabulary.encode, engine.encode_markup)
    return engine.vocabulary.chat_ids(ids)


def recent(messages: Sequence[Mapping[str, str]], turns: int) -> list[Mapping[str, str]]:
    """The last messages, with no more answers than in the conversations that were learnt.

    turns: these; 0 if that is not known. A model of single questions mixes the answer to a new one
    with those before.
    """
    return list(messages[1 - 2 * turns :] if turns else messages)


def prompt_differences(engine: Engine) -> list[str]:
    """What other programs do otherwise with the engine's template."""
    return differences(template_of(engine), engine.vocabulary, engine.encode_markup)


def template_of(engine: Engine) -> ChatTemplate:
    """The template of an engine that has one."""
    assert engine.template is not None, "asked of a base model"
    return ChatTemplate(engine.template, engine.start, engine.end)
