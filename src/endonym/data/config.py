"""The recipe's keys of packing: how documents become rows."""

from pydantic import Field

from endonym.config import Config

ALONE_SHARE = 0.85
"""Share of a joined source's stretches that are split up in an epoch, and so share of its documents
read alone. With a half, the loss of lines read alone is 1 to 2 % higher (docs/log.md)."""


class Pack(Config):
    """How documents become rows of equal length, without padding and without losing tokens."""

    context: int | None = Field(
        default=None,
        ge=8,
        le=131_072,
        description="tokens in a row; chosen from the texts if not given",
    )
    join: tuple[str, ...] = Field(
        default=(),
        description="sources that are lists of sentences\n"
        "    one document in seven is read together with its neighbours\n"
        "    a line end follows each document instead of end-of-text",
    )


class PackConfig(Config):
    """`Pack` with a value for every key."""

    context: int
    join: tuple[str, ...] = ()

    def usual_length(self, document: float) -> float:
        """Mean length, over tokens, of the text that is read at once; document: their length.

        Of joined sources, `ALONE_SHARE` is read alone, the rest in stretches with log-uniform
        lengths from a document to the context, whose mean over tokens is half of both ends' sum.
        """
        if not self.join:
            return document
        alone = min(document, self.context)
        return ALONE_SHARE * alone + (1 - ALONE_SHARE) * (alone + self.context) / 2

    def longest(self, document: int) -> int:
        """Most tokens read at once; document: length of the longest one."""
        return max(document, self.context) if self.join else document
