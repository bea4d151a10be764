"""The rows of a corpus, by writing the whole stream of several epochs down and cutting it."""

from collections.abc import Collection, Sequence
from itertools import pairwise

Row = tuple[list[int], list[int], list[int]]


def rows_of(
    documents: Sequence[Sequence[int]],
    document_orders: Sequence[Sequence[Sequence[int]]],
    row_orders: Sequence[Sequence[int]],
    *,
    context: int,
    end_id: int,
    line_end: int = -1,
    lists: Collection[int] = (),
) -> list[Row]:
    """Inputs, targets and document numbers of every row that starts in the given epochs.

    document_orders: for each epoch its stretches, each a list of documents that are joined by
    `line_end`. lists: the documents after which a line end stands even where the stretch is over.
    The last row may go on into an epoch after them: one order more is needed.
    """
    stream: list[tuple[int, int, int]] = []
    epoch_starts: list[int] = []
    for epoch, order in enumerate(document_orders):
        epoch_starts.append(len(stream))
        for rank, (first, *others) in enumerate(order):
            ids = [end_id, *documents[first]]
            for document in others:
                ids += [line_end, *documents[document]]
            number = epoch * len(documents) + rank
            stream += [
                (a, b, number) for a, b in pairwise([*ids, line_end if first in lists else end_id])
            ]
    epoch_starts.append(len(stream))
    found: list[Row] = []
    for epoch, order in enumerate(row_orders):
        begins = [
            start
            for start in range(0, len(stream), context)
            if epoch_starts[epoch] <= start < epoch_starts[epoch + 1]
        ]
        assert len(order) == len(begins)
        for chosen in order:
            piece = stream[begins[chosen] : begins[chosen] + context]
            tokens, targets, numbers = (list(part) for part in zip(*piece, strict=True))
            found.append((tokens, targets, numbers))
    return found
