"""What the commands that score a model share: the model, how a file judges it, what is shown."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from endonym.commands.load import find_artifact
from endonym.copies.notes import distinct_names
from endonym.evaluate.probe_file import read_probe
from endonym.evaluate.probes import ProbeScore
from endonym.evaluate.score import Score
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.pipeline.evaluation import judged_items, read_task
from endonym.pipeline.evaluation_texts import Overlap, overlaps
from endonym.pipeline.probing import Served, score_probe
from endonym.store import Store

NO_CORPUS = "this model's corpus is not in the store"
Shown = tuple[dict[str, Any], str]
"""The keys that `--json` prints, and the text for people."""


class Loaded(NamedTuple):
    """A model that is judged. name: as it was given; adapter: the one in its weights.

    Nothing is known of what an adapter, or a server's model, was trained on.
    """

    name: str
    model: LanguageModel | Served
    store: Store
    log: Log
    adapter: str | None = None

    @property
    def here(self) -> LanguageModel:
        """The model, where it is none of a server."""
        assert isinstance(self.model, LanguageModel), "it was loaded here"
        return self.model

    def overlap(self, texts: Mapping[str, Sequence[str]], what: str) -> dict[str, Overlap]:
        """How many texts of each file it was trained on. what: as in `Overlap.sentences`."""
        is_here = isinstance(self.model, LanguageModel)
        made = find_artifact(self.name, self.store) if is_here else None
        return overlaps(texts, made, self.log, adapter=self.adapter, what=what)


class Judging(NamedTuple):
    """How a file judges a model: its scores, given the model and a log; and by which texts."""

    scores: Callable[..., Sequence[Score | ProbeScore]]
    texts: Sequence[str] = ()


def named(files: Sequence[Path]) -> dict[str, Path]:
    """Files by short names that tell them apart."""
    return dict(zip(distinct_names(files), files, strict=True))


def by_items(path: Path, file: str, log: Log) -> Judging:
    """How a file of items judges a model (`evaluate/items.py`). file: its name there."""
    items = read_task(path, file, log)
    texts = [each.right for each in items]
    return Judging(partial(judged_items, found=items, task=file), texts)


def by_probe(path: Path, file: str, language: str, **how: bool) -> Judging:
    """How a probe judges a model. file: its name there. how: as in `score_probe`."""
    probe = read_probe(path, language)
    return Judging(partial(score_probe, probe=probe, task=file, **how), probe.test_texts)


def in_json(overlap: Mapping[str, Overlap]) -> dict[str, Any]:
    """The overlap of each file, as `--json` prints it."""
    return {"overlap": {file: each._asdict() for file, each in overlap.items()}}
