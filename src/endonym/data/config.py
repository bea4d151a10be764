"""What a recipe may say about the rows that a model reads."""

from pydantic import Field

from endonym.config import Config

ALONE_SHARE = 0.85
"""Share of the stretches of a joined source that are taken apart in a pass, so that as many of its
documents are read alone. With a half, lines read alone cost 1 to 2 % more (docs/log.md)."""


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
        description="sources that are lists of sentences: one document in seven is read together "
        "with its neighbours, and a line end follows each instead of end-of-text",
    )

    def usual_length(self, document: float) -> float:
        """Tokens that a usual token is read with, where documents have so many.

        Of what is joined, `ALONE_SHARE` is read alone, the rest in stretches, log-uniform from a
        document to the context: the mean over the tokens of these is half of both ends' sum.
        """
        if not self.join or self.context is None:
            return document
        alone = min(document, self.context)
        return ALONE_SHARE * alone + (1 - ALONE_SHARE) * (alone + self.context) / 2

    def longest(self, document: int) -> int:
        """Tokens that are read together at most, where the longest document has so many."""
        return max(document, self.context or 0) if self.join else document
