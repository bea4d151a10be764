"""What a recipe may say about the rows that a model reads."""

from pydantic import Field

from endonym.config import Config


class Pack(Config):
    """How documents become rows of equal length; no token is lost and none is padding."""

    context: int | None = Field(
        default=None,
        ge=8,
        le=131_072,
        description="tokens in a row; chosen from the texts if not given",
    )
    join: tuple[str, ...] = Field(
        default=(),
        description="sources that are lists of sentences: about half of the documents are read "
        "together with their neighbours, joined by a line end, in stretches of random length up "
        "to the context, drawn anew in each pass",
    )
