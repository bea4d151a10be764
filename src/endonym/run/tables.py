"""Scores as the rows of a table: the headline, its sources with their shares, all by bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from endonym.evaluate.score import BITS, Score
from endonym.log import number
from endonym.recipe.text import columns

MODELS = ("model", "uniform", "unigram", "bigram", "compressor", "model_on_sample")
TEXTS = ("document", "block")


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """Bits per byte by model. of_bytes, of_documents: a source's shares of the text; 1 in all."""

    name: str
    scores: dict[str, Score]
    of_bytes: float = 1.0
    of_documents: float = 1.0

    @property
    def score(self) -> Score:
        """The model's, or that of the first that is there."""
        return self.scores.get("model") or next(iter(self.scores.values()))


def score_rows(found: Sequence[Score]) -> list[ScoreRow]:
    """The rows of one text, the headline first; with several sources also each of them.

    The headline is the mean of the sources that Score.averaged names, and then the last row is of
    all bytes. If fewer than two are averaged, it is of all bytes. found: of one split, read in one
    way.
    """
    rows: dict[tuple[str | None, str], dict[str, Score]] = {}
    for score in found:
        if score.metric == BITS:
            rows.setdefault((score.source, score.weighting), {})[score.model] = score
    sources = sorted({source for source, _ in rows if source is not None})
    whole = ScoreRow("all", rows[None, "bytes"])
    if len(sources) < 2 and (None, "sources") not in rows:
        return [whole]
    parts = [_shared(ScoreRow(source, rows[source, "bytes"]), whole.score) for source in sources]
    whole, mean = replace(whole, name="all, by bytes"), rows.get((None, "sources"))
    if mean is None:
        return [whole, *parts]
    count = len(next(iter(mean.values())).averaged)
    return [ScoreRow(f"mean of {count} sources", mean), *parts, whole]


def _shared(row: ScoreRow, whole: Score) -> ScoreRow:
    """A source's row with its shares of all."""
    part = row.score
    of_bytes, of_documents = part.n_bytes / whole.n_bytes, part.n_documents / whole.n_documents
    return replace(row, of_bytes=of_bytes, of_documents=of_documents)


def by_text(found: Sequence[Score]) -> list[list[Score]]:
    """The scores of documents and those of blocks, where there are any."""
    parts = [[score for score in found if score.text == text] for text in TEXTS]
    return [part for part in parts if part]


def table(found: Sequence[Score]) -> str:
    """Bits per byte of every model: their headline, every source, and all; as aligned text.

    found: of one split; scores of blocks make a table of their own.
    """
    return "\n".join(line for part in by_text(found) for line in _lines(part))


def _lines(found: Sequence[Score]) -> list[str]:
    """The table of one way to read a text, and what must be known of its compressor line."""
    rows = score_rows(found)
    text = rows[0].score.text
    kind = "bits/byte" if text == "document" else f"bits/byte, {text}s"
    heads = [kind, *model_heads(rows[0]), "95 % of model", "of bytes", f"of {text}s", f"{text}s"]
    names = [name for name in MODELS if name in rows[0].scores]
    cells = [heads, *(_cells(row, names) for row in rows)]
    return [f"  {line}" for line in [*aligned(cells), *remarks(rows)]]


def model_heads(row: ScoreRow) -> list[str]:
    """The names of a row's models; a star at those that are of a sample."""
    found = [(name, row.scores[name]) for name in MODELS if name in row.scores]
    return [
        name.removesuffix("_on_sample") + "*" * (score.sampled_from is not None)
        for name, score in found
    ]


def shares(row: ScoreRow) -> list[str]:
    """A row's shares of the bytes and of the documents."""
    return [f"{100 * share:.1f} %" for share in (row.of_bytes, row.of_documents)]


def _cells(row: ScoreRow, names: Sequence[str]) -> list[str]:
    mine = row.score
    values = [f"{row.scores[n].value:.4f}" if n in row.scores else "" for n in names]
    span = "" if mine.low is None else f"{mine.low:.4f}–{mine.high:.4f}"
    return [row.name, *values, span, *shares(row), number(mine.n_documents)]


def remarks(rows: Sequence[ScoreRow]) -> list[str]:
    """What the compressor's value is a mean over, and which documents it is of."""
    line = rows[0].scores.get("compressor")
    if line is None:
        return []
    told: list[str] = []
    if line.sampled_from is not None:
        told.append(
            f"* of {number(line.n_documents)} of the {number(line.sampled_from)} {line.text}s, "
            "evenly spread within each source; the model's value there stands beside it"
        )
    if line.deviation is not None:
        told.append(
            f"compressor: a mean over several ends of the training text, "
            f"with a standard deviation of {line.deviation:.4f} among them"
        )
    return told


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Rows of cells as lines: the first `left` columns to the left, the others to the right."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        blanks = [" " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        padded = [
            *map(str.__add__, row[:left], blanks),
            *map(str.__add__, blanks[left:], row[left:]),
        ]
        lines.append("  ".join(padded).rstrip())
    return lines
