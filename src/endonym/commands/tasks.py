"""`endonym evaluate` on items: --tasks, --minimal-pairs, and --flores beside published models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.commands.evaluate import shards_of
from endonym.commands.load import card_of
from endonym.copies.notes import distinct_names
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError
from endonym.evaluate.halves import TEXTS, Published, halves, published
from endonym.evaluate.items import PER_TEXT, table
from endonym.evaluate.minimal_pairs import NONE, Made
from endonym.evaluate.score import Score, find
from endonym.evaluate.tables import aligned
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, number
from endonym.pipeline.evaluation import judged_items, made_pairs, score_items
from endonym.pipeline.evaluation_texts import Cutting, documents_below
from endonym.store import Store

OTHER_TEXTS = "{found} texts; FLORES-200's devtest has {texts}. Its published figures are left out"
NO_CORPUS = "this model's corpus is not in the store"
CHECK_HEADS = ["kind of fault", "precision, at least", "found in text", "right text found"]
HEADS = ["model", "bits of a half", "95 %", "MB read", "text"]


Shown = tuple[dict[str, Any], str]
"""The keys that `--json` prints, and the text for people."""


def score_tasks(model: LanguageModel, files: Sequence[Path], *, log: Log) -> Shown:
    """The scores of a model on files of items, by the files' names (`evaluate/items.py`)."""
    names = zip(files, distinct_names(files), strict=True)
    found = {file: score_items(model, path, log, task=file) for path, file in names}
    text = "\n\n".join(f"{file}\n{table(part)}" for file, part in found.items())
    return {"scores": [score for part in found.values() for score in part]}, text


def score_minimal_pairs(
    name: str, model: LanguageModel, file: Path, *, store: Store, log: Log
) -> Shown:
    """Make minimal pairs of test documents of a model's corpus, write them to a file, and score it.

    name: of the model. Raises RecipeError if the file is there, the corpus is not in the store, or
    no pairs can be made.
    """
    if file.exists():
        do = f"Judge a model on it by --tasks {file}, or name another file."
        raise RecipeError("this file is there already", where=str(file), do=do)
    read = shards_of(name, store)
    if read is None:
        raise RecipeError(NO_CORPUS, where=name, do="Give a file of pairs: --tasks FILE.")
    made = made_pairs(read[0], model.tokenizer, "test")
    if not made.pairs:
        raise RecipeError(NONE, where=name, do="Give a file of pairs: --tasks FILE.")
    made.write(file)
    found, table = score_tasks(model, [file], log=log)
    checks = {kind: check._asdict() for kind, check in made.checks.items()}
    return found | {"checks": checks}, f"{table}\n\n{_checked(made)}"


def _checked(made: Made) -> str:
    """What text that was not counted says of the faults, as aligned text."""
    rows = [CHECK_HEADS]
    for kind, check in made.checks.items():
        share = "" if check.precision is None else f"{check.precision:.2f}"
        faults, right = f"{check.found} of {check.made}", f"{check.right_found} of {check.right}"
        rows.append([kind, share, faults, right])
    return "\n".join(aligned(rows, indent=2))


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
