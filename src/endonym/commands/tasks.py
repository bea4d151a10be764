"""`endonym evaluate --tasks` and `--flores`: items of tasks, and published models beside ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.commands.evaluate import shards_of
from endonym.commands.load import card_of
from endonym.copies.notes import distinct_names
from endonym.data.shards import TokenShards
from endonym.evaluate.halves import TEXTS, Published, halves, published
from endonym.evaluate.items import PER_TEXT, table
from endonym.evaluate.score import Score, find
from endonym.evaluate.tables import aligned
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, number
from endonym.pipeline.evaluation import judged_items, score_items
from endonym.pipeline.evaluation_texts import Cutting, documents_below
from endonym.store import Store

OTHER_TEXTS = "{found} texts; FLORES-200's devtest has {texts}. Its published figures are left out"
HEADS = ["model", "bits of a half", "95 %", "MB read", "text"]


Shown = tuple[dict[str, Any], str]
"""The keys that `--json` prints, and the text for people."""


def score_tasks(model: LanguageModel, files: Sequence[Path], *, log: Log) -> Shown:
    """The scores of a model on files of items, by the files' names (`evaluate/items.py`)."""
    names = zip(files, distinct_names(files), strict=True)
    found = {file: score_items(model, path, log) for path, file in names}
    text = "\n\n".join(f"{file}\n{table(part)}" for file, part in found.items())
    return {"scores": [score for part in found.values() for score in part]}, text


def scoreboard(
    name: str, model: LanguageModel, file: Path, *, cutting: Cutting, store: Store, log: Log
) -> Shown:
    """A model on the second halves of the texts of a file, as Goldfish scores FLORES-200.

    name: of the model. The published figures are those of its language, if the file has as many
    texts as FLORES-200's devtest.
    """
    texts, _ = documents_below(file, log, cutting)
    items = halves(texts)
    scores = judged_items(model, items, file.name, log)
    if len(items) != TEXTS:
        log.warn(f"{file.name}: " + OTHER_TEXTS.format(found=number(len(items)), texts=TEXTS))
    read, language = shards_of(name, store), card_of(name, store).language
    read_bytes = read and int(TokenShards(read[0], "train").bytes_by_source().sum())
    others = list(published(language)) if language and len(items) == TEXTS else []
    keys = {"scores": scores, "published": [each._asdict() for each in others]}
    return keys | {"training_bytes": read_bytes}, _board(name, scores, others, read_bytes)


def _board(
    name: str, scores: Sequence[Score], others: Sequence[Published], read_bytes: int | None
) -> str:
    """The model among the published ones, the best first, as aligned text."""
    own = find(scores, metric=PER_TEXT, model="model", source=None)
    assert own is not None, "texts were scored"
    span = "" if own.low is None else f"{own.low:.2f}–{own.high:.2f}"
    megabytes = None if read_bytes is None else read_bytes / 1e6
    rows = [(own.value, [name, f"{own.value:.2f}", span, _megabytes(megabytes), ""])]
    for each in others:
        cells = [each.model, f"{each.bits:.2f}", "", _megabytes(each.megabytes), each.flores]
        rows.append((each.bits, cells))
    return "\n".join(aligned([HEADS, *(cells for _, cells in sorted(rows))], indent=2))


def _megabytes(size: float | None) -> str:
    """A size, if it is known."""
    return "" if size is None else f"{size:,.1f}"
