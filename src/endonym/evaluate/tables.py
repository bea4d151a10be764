"""Tables of scores: the mean over sources, each source with its share, and all by bytes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from endonym.evaluate.score import (
    BITS,
    FEW_GROUPS,
    FEWEST_DOCUMENTS,
    FEWEST_OF_SOURCE,
    JUDGED_BYTES,
    LARGEST_SHARE,
    SOURCE_BYTES,
    TOO_FEW,
    UNEVEN,
    Score,
)
from endonym.log import columns, folded, number, padded, screen_width, size

MODELS = (
    *("model", "before", "ensemble", "uniform", "unigram", "bigram", "compressor"),
    "model_on_sample",
)
TEXTS = ("document", "block")
NOT_ENOUGH = "not enough text"
"""What stands instead of an interval in evaluations that have not kept the reason."""
LACKS = {
    TOO_FEW: "neighbouring {text}s count as one group; an interval takes "
    f"{FEWEST_DOCUMENTS} groups, and {FEWEST_OF_SOURCE} of each source in a mean",
    UNEVEN: f"one {{text}}, or one group of neighbours, has more than {LARGEST_SHARE:.0%} of the "
    "bytes (of a source, in a mean), so an interval would say little",
    NOT_ENOUGH: f"an interval takes {FEWEST_DOCUMENTS} groups of neighbouring {{text}}s, "
    "none of which has more than that share",
}
"""Why a score has no interval, in a note. text: as in Score."""
BLOCKS = "blocks: neighbouring lines of lists, joined to texts of about 2,000 bytes"


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """Bits per byte by model. of_bytes: the source's share of the text."""

    name: str
    scores: dict[str, Score]
    of_bytes: float = 1.0

    @property
    def score(self) -> Score:
        """The model's score, or the first baseline's."""
        return self.scores.get("model") or next(iter(self.scores.values()))


def score_rows(found: Sequence[Score]) -> list[ScoreRow]:
    """The rows of one split and kind of text, headline first: a mean over sources, or all bytes.

    With several sources each has a row, and below a mean the last row is of all bytes.
    """
    rows: dict[tuple[str | None, str], dict[str, Score]] = {}
    for score in found:
        if score.metric == BITS:
            rows.setdefault((score.source, score.weighting), {})[score.model] = score
    sources = sorted({source for source, _ in rows if source is not None})
    mean = rows.get((None, "sources"))
    whole = ScoreRow("all", rows[None, "bytes"])
    if len(sources) < 2 and mean is None:
        return [whole]

    def with_shares(name: str, scores: dict[str, Score]) -> ScoreRow:
        row = ScoreRow(name, scores)
        return replace(row, of_bytes=row.score.n_bytes / whole.score.n_bytes)

    parts = [with_shares(source, rows[source, "bytes"]) for source in sources]
    total = replace(whole, name="all, by bytes")
    if mean is None:
        return [total, *parts]
    count = len(next(iter(mean.values())).averaged)
    return [with_shares(f"mean of {count} sources", mean), *parts, total]


def by_text(found: Sequence[Score]) -> list[list[Score]]:
    """The scores of documents and those of blocks, if there are any."""
    parts = [[score for score in found if score.text == text] for text in TEXTS]
    return [part for part in parts if part]


def table(found: Sequence[Score]) -> str:
    """Bits per byte of one split as aligned text, with a table each for documents and blocks.

    The weakest baselines stand in the report alone, so that the columns fit on a screen.
    """
    lines: list[str] = []
    for part in by_text([e for e in found if e.model not in ("uniform", "unigram")]):
        rows = score_rows(part)
        text = rows[0].score.text
        kind = "bits/byte" if text == "document" else f"bits/byte, {text}s"
        heads, *cells = model_cells(rows, kind)
        heads += ["of bytes", f"{text}s"]
        for row, line in zip(rows, cells, strict=True):
            line += [f"{100 * row.of_bytes:.1f} %", number(row.score.n_documents)]
        if text == "block":
            lines += [*([""] if lines else []), folded(f"  {BLOCKS}")]
        lines.append(aligned([heads, *cells]))
        lines += [folded(f"  {note}") for note in remarks(rows)]
    return "\n".join(lines)


def model_cells(rows: Sequence[ScoreRow], kind: str) -> list[list[str]]:
    """Bits per byte of each model and the model's interval, by row; the head first.

    kind: what stands above the rows' names.
    """
    names = [name for name in MODELS if name in rows[0].scores]
    mine, *others = model_heads(rows[0])
    cells = [[kind, mine, "95 % of model", *others]]
    for row in rows:
        own, *more = [f"{row.scores[n].value:.4f}" if n in row.scores else "" for n in names]
        cells.append([row.name, own, span(row.score), *more])
    return cells


def span(found: Any, form: str = ".4f", *, none: str | None = None) -> str:
    """A 95 % interval, its ends in this format; or what stands where there is none: why.

    found: what has `low`, `high` and, without `none`, `no_interval`, such as a score.
    """
    if found.low is None:
        return (found.no_interval or NOT_ENOUGH) if none is None else none
    return f"{found.low:{form}}–{found.high:{form}}"


def model_heads(row: ScoreRow) -> list[str]:
    """The names of a row's models, with a star if they were scored on a sample."""
    found = [(name, row.scores[name]) for name in MODELS if name in row.scores]
    return [
        name.removesuffix("_on_sample") + "*" * (score.sampled_from is not None)
        for name, score in found
    ]


def remarks(rows: Sequence[ScoreRow]) -> list[str]:
    """Notes on what a mean leaves out, missing intervals, and the primed compressor."""
    first = rows[0].score
    notes: list[str] = []
    totals = [row.score for row in rows if row.score.source is None]
    if (held_out := totals[-1].held_out_bytes) is not None:
        notes.append(
            f"scored on {size(totals[-1].n_bytes)} of the {size(held_out)} that are held out, "
            "evenly spread, so that judging takes a small part of the time of training; "
            "`endonym evaluate` scores all"
        )
    # Between the mean and the total are the sources.
    left_out = [row.name for row in rows[1:-1] if row.name not in first.averaged]
    if first.weighting == "sources" and left_out:
        notes.append(
            f"the mean leaves out {', '.join(left_out)}: it is over sources of at least "
            f"{size(SOURCE_BYTES)}, with {size(JUDGED_BYTES)} of them scored"
        )
    lacks = {span(row.score) for row in rows if row.score.low is None}
    notes += [f"{why}: {LACKS[why].format(text=first.text)}" for why in LACKS if why in lacks]
    if first.low is not None and first.n_groups is not None:
        rough = f"; of fewer than {FEW_GROUPS} it is rough" if first.has_few_groups else ""
        if rough or first.n_groups < first.n_documents:
            groups = f"{number(first.n_groups)} groups of neighbouring {first.text}s"
            notes.append(f"the interval is over {groups}{rough}")
        if first.of_lengths:
            notes.append(
                f"bits depend on the length of {first.text}s here: the interval holds for "
                f"{first.text}s of about these lengths. Over others it is too narrow"
            )
    primed = rows[0].scores.get("compressor")
    if primed is None:
        return notes
    if primed.sampled_from is not None:
        notes.append(
            f"* of {number(primed.n_documents)} of the {number(primed.sampled_from)} "
            f"{primed.text}s, evenly spread within each source; the model's value on them is in "
            "the next column"
        )
    if primed.deviation is not None:
        notes.append(
            "compressor: mean over several ends of the training text, "
            f"with a standard deviation of {primed.deviation:.4f}"
        )
    return notes


def rows_with_heads(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    """The heads of the first row, then each row in their order. A missing cell is empty."""
    if not rows:
        return []
    heads = list(rows[0])
    return [heads, *([row.get(head, "") for head in heads] for row in rows)]


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1, indent: int = 2) -> str:
    """Rows of cells as text: the first `left` columns left-aligned, the others right-aligned.

    A table that is wider than the screen becomes several, each with the first column.
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    screen = (screen_width() or sys.maxsize) - indent
    parts = [[0]]
    for index, width in enumerate(widths[1:], start=1):
        used = sum(widths[n] + 2 for n in parts[-1])
        if used + width > screen and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(index)
    lines: list[str] = []
    for part in parts:
        lines += [""] if lines else []
        for row in rows:
            if len(part) < len(widths) and not any(row[n] for n in part[1:]):
                continue
            cells = [padded(row[n], widths[n], right=n >= left) for n in part]
            lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)
