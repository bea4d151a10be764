"""The recipe's keys of packing: how documents become rows."""

from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from endonym.config import NOT_IDENTITY, Config, optional
from endonym.errors import RecipeError, printable

PART_BYTES = 1_500
"""Joined documents of so many bytes on average are parts of longer texts, and never read alone."""
ALONE_SHARE = 0.85
"""Share of a joined source's stretches that are split up in an epoch, and so share of its documents
read alone. With a half, the loss of lines read alone is 1 to 2 % higher (docs/log.md)."""


CHATML_NAME = "chatml"


class Pack(Config):
    """How documents become rows of equal length, without padding and without losing tokens."""

    context: int | None = optional(ge=8, le=131_072)
    """tokens in a row of training; chosen from the texts if not given

    - a model made here can read as many at once: this is its context
    - a model from model.folder keeps its own context, and rows are at most as long
    """
    join: tuple[str, ...] = ()
    """sources that are lists of sentences, or parts of longer texts (document = "part")

    - one sentence in seven is read together with its neighbours; parts all are
    - a line end follows each document instead of end-of-text
    """


RECORDS = {"chat": "conversations", "preferences": "preference pairs"}
"""What the records are that an objective learns from."""


VAL_SHARE = 0.05
FEWEST_DIVIDED = 640
"""The share of prompts that is held out, and the fewest of which some are. Of fewer it would be
less than 32, too few to choose a step by, and each is missed."""


class Chat(Config):
    """How conversations and preference pairs become tokens."""

    template: str | None = optional(min_length=1)
    """chat template: "chatml", or the path of a Jinja template as `transformers` has them; it goes
    with the model and its exports

    - if not given, the template of model.folder, or chatml
    """
    val_share: float | None = optional(gt=0, lt=1)
    """share of the prompts that are held out for validations, by a keyed hash; at least one

    - if not given, 0.05; of fewer than 640 prompts none is held out, and validations read those
      that are learnt
    """
    max_rejected: float = Field(default=0.1, ge=0, le=1)
    """a larger share of records that cannot be used is an error; duplicates and held-out texts do
    not count
    """


class HasObjective(Protocol):
    """A config with the name of a training objective, as in a recipe."""

    objective: Any


class ObjectiveProperties:
    """What the objective of a config says about its data."""

    @property
    def reads_texts(self: HasObjective) -> bool:
        """Whether it learns from the corpus, and not from the records of `data`."""
        return self.objective in ("next_token", "autocorrect")

    @property
    def is_of_typed_words(self: HasObjective) -> bool:
        """Whether it also learns which words of the corpus typed keys mean."""
        return self.objective == "autocorrect"

    @property
    def is_of_pairs(self: HasObjective) -> bool:
        """Whether it learns which of two answers to one prompt is better."""
        return self.objective == "preferences"


class ExampleSettings(Config, ObjectiveProperties):
    """How examples are made.

    context: positions of a row; longer examples, or pairs, are rejected. val_share: of the prompts.
    max_rejected: share of the records above which it is an error. seed: of the split. columns: of
    questions and answers, if they have other names than the usual ones.
    """

    objective: Literal["chat", "preferences"]
    context: int
    val_share: float | None
    max_rejected: float = Field(json_schema_extra=NOT_IDENTITY)
    seed: int
    columns: tuple[str, str] | None = None


class PackConfig(Config):
    """`Pack` with a value for every key."""

    context: int
    join: tuple[str, ...] = ()

    def usual_length(self, document: float) -> float:
        """Mean length, over tokens, of the text that is read at once.

        document: the length of a document, averaged in the same way; all are in tokens.

        Of joined sources, `ALONE_SHARE` is read alone, the rest in stretches with log-uniform
        lengths from a document to the context, whose mean over tokens is half of both ends' sum.
        """
        if not self.join:
            return document
        alone = min(document, self.context)
        return ALONE_SHARE * alone + (1 - ALONE_SHARE) * (alone + self.context) / 2

    def longest(self, document: int) -> int:
        """The most tokens that are read at once. document: tokens of the longest document."""
        return max(document, self.context) if self.join else document


def read_template(path: Path) -> str:
    """The text of a chat template. Raises RecipeError if it cannot be read, or is empty."""
    do = f'Write a Jinja template in UTF-8, or template = "{CHATML_NAME}".'
    where = printable(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"the chat template is no UTF-8 at byte {error.start + 1}", where=where, do=do
        ) from error
    except OSError as error:
        raise RecipeError(
            f"the chat template cannot be read: {error.strerror or error}", where=where, do=do
        ) from error
    if not text.strip():
        raise RecipeError("the chat template is empty", where=where, do=do)
    return text
