"""Which texts a tokenizer is trained on."""

import collections
from collections.abc import Callable, Iterator, Mapping

from endonym.errors import TokenizerError

LEAST_PART = 0.1
"""Of the text without shares. A sample of given shares that is smaller is refused."""


def evenly(texts: Callable[[], Iterator[str]], limit_bytes: int) -> Callable[[], Iterator[str]]:
    """Every k-th document, up to the limit; the last one may be cut."""
    total = sum(len(text.encode("utf-8")) for text in texts())
    every = max(1, -(-total // limit_bytes))

    def chosen() -> Iterator[str]:
        left = limit_bytes
        for number, text in enumerate(texts()):
            if number % every == 0 and left > 0:
                data = text.encode("utf-8")[:left]
                left -= len(data)
                yield data.decode("utf-8", errors="ignore")

    return chosen


def by_shares(
    documents: Callable[[], Iterator[tuple[str, str]]], shares: Mapping[str, float], limit: int
) -> Callable[[], Iterator[str]]:
    """The most text, up to `limit` bytes, in which the sources have these shares of the bytes.

    documents: pairs of source and text. Of each source documents are taken evenly, and none twice,
    so the source with the least text for its share limits the others. Raises TokenizerError if a
    share cannot be filled: a source without text, or so little that next to nothing would be left.
    """
    sizes: collections.Counter[str] = collections.Counter()
    for source, text in documents():
        sizes[source] += len(text.encode("utf-8"))
    scarce = min(shares, key=lambda source: sizes[source] / shares[source])
    total = min(limit, int(sizes[scarce] / shares[scarce]))
    usual = min(limit, sizes.total())
    if total < LEAST_PART * usual or total == 0:
        raise TokenizerError(
            f"{scarce} has {sizes[scarce]:,} bytes of training text. As a share of "
            f"{shares[scarce]:g} they leave {total:,} bytes to train on, instead of {usual:,}",
            where=f"tokenizer.sources.{scarce}",
            do=f"Give {scarce} a smaller share, or leave it out.",
        )
    quotas = {source: int(total * share) for source, share in shares.items()}

    def chosen() -> Iterator[str]:
        seen: collections.Counter[str] = collections.Counter()
        taken: collections.Counter[str] = collections.Counter()
        for source, text in documents():
            quota = quotas.get(source, 0)
            data = text.encode("utf-8")
            seen[source] += len(data)
            if taken[source] * sizes[source] < quota * seen[source]:
                data = data[: quota - taken[source]]
                taken[source] += len(data)
                yield data.decode("utf-8", errors="ignore")

    return chosen
