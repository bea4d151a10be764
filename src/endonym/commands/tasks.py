"""`endonym evaluate` on items and probes: --tasks, --minimal-pairs, --probe."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from endonym.commands.load import shards_of
from endonym.commands.scoring import (
    NO_CORPUS,
    Judging,
    Loaded,
    Shown,
    by_items,
    by_probe,
    in_json,
    named,
)
from endonym.errors import RecipeError
from endonym.evaluate.items import cells as item_cells
from endonym.evaluate.minimal_pairs import NONE, Made
from endonym.evaluate.probes import cells as probe_cells
from endonym.evaluate.tables import aligned
from endonym.log import folded
from endonym.pipeline.evaluation import made_pairs
from endonym.store import Store
from endonym.tokenizer.tokenizer import Tokenizer

CHECK_HEADS = ["kind of fault", "precision, at least", "found in text", "right text found"]


def score_tasks(loaded: Loaded, files: Sequence[Path]) -> Shown:
    """The scores of a model on files of items."""
    judging = {file: by_items(path, file, loaded.log) for file, path in named(files).items()}
    return _score_files(loaded, judging, item_cells, "item")


def score_probes(loaded: Loaded, files: Sequence[Path], language: str, *, fine_tune: bool) -> Shown:
    """The scores of a model on probes."""
    every = named(files).items()
    judging = {file: by_probe(path, file, language, fine_tune=fine_tune) for file, path in every}
    return _score_files(loaded, judging, probe_cells, "text")


def _score_files(
    loaded: Loaded, files: Mapping[str, Judging], cells: Callable[[Any], list[list[str]]], what: str
) -> Shown:
    """The scores of a model by files, with the overlap of each. what: as in `Overlap.sentences`."""
    scores = {file: each.scores(loaded.model, log=loaded.log) for file, each in files.items()}
    found = loaded.overlap({file: each.texts for file, each in files.items()}, what)
    parts = list[str]()
    for file, part in scores.items():
        said = [folded(f"  {each}") for each in found[file].sentences(what)]
        parts.append("\n".join([file, aligned(cells(part)), *said]))
    keys = {"scores": [score for part in scores.values() for score in part]}
    return keys | in_json(found), "\n\n".join(parts)


def score_minimal_pairs(loaded: Loaded, file: Path) -> Shown:
    """Make minimal pairs of test documents of a model's corpus, write them to a file, and score it.

    Raises RecipeError as `write_pairs` does.
    """
    made = write_pairs(loaded.name, loaded.here.tokenizer, file, split="test", store=loaded.store)
    found, shown = score_tasks(loaded, [file])
    checks = {kind: check._asdict() for kind, check in made.checks.items()}
    return found | {"checks": checks}, f"{shown}\n\n{_checked(made)}"


def write_pairs(
    name: str, tokenizer: Tokenizer, file: Path, *, split: Literal["test", "dev"], store: Store
) -> Made:
    """Make minimal pairs of held-out documents of a model's corpus, and write them to a file.

    Raises RecipeError if the file is there or cannot be read as one of items, the corpus is not in
    the store, or no pairs can be made.
    """
    if file.suffix != ".jsonl":
        do = f"Write them to {file.name}.jsonl: --tasks reads it."
        raise RecipeError("pairs are written as JSON lines", where=file, do=do)
    if not file.absolute().parent.is_dir():
        raise RecipeError("there is no such folder", where=file.parent, do="Make it first.")
    if file.exists():
        do = f"Judge a model on it by --tasks {file}, or name another file."
        raise RecipeError("this file is there already", where=file, do=do)
    read = shards_of(name, store)
    if read is None:
        raise RecipeError(NO_CORPUS, where=name, do="Give a file of pairs: --tasks FILE.")
    made, _ = made_pairs(read[0], tokenizer, split)
    if not made.pairs:
        raise RecipeError(NONE, where=name, do="Give a file of pairs: --tasks FILE.")
    made.write(file)
    return made


def _checked(made: Made) -> str:
    """What text that was not counted says of the faults, as aligned text."""
    rows = [CHECK_HEADS]
    for kind, check in made.checks.items():
        share = "" if check.precision is None else f"{check.precision:.2f}"
        faults = f"{check.found} of {check.made}"
        right = f"{check.right_found} of {check.right}"
        rows.append([kind, share, faults, right])
    return aligned(rows)
