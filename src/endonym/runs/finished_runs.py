"""Runs to compare: found by name or recipe, and read from their own folders and stores.

A run's `plan.json` names its store, so runs of several stores can be compared.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from endonym.autopilot.cautions import Read
from endonym.data.config import RECORDS
from endonym.errors import Damaged, RecipeError, quoted
from endonym.evaluate.documents import Documents, load_documents
from endonym.evaluate.score import Score, headline
from endonym.evaluate.speed import SPEED_FILE, Efficiency, measured_efficiency
from endonym.evaluate.tables import MODELS
from endonym.export import history
from endonym.log import Log
from endonym.mappings import without_none
from endonym.model.count import parameters
from endonym.model.foreign.folder import AnyModelConfig, read_shape
from endonym.pipeline.execute import run_folder
from endonym.recipe.layers import parse
from endonym.recipe.layers import read as read_recipe
from endonym.recipe.recipe import Recipe
from endonym.runs import find
from endonym.store import USUAL_STORE, Artifact, Store, read_plan

Split = Literal["test", "dev"]
LENGTH = re.compile(r"(phase\..+)\.(?:steps|tokens|epochs|flops)")
"""Keys of a recipe that say how long a phase is."""
Texts = list[tuple[str, str]]
"""Prompts and their continuations."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run: its models, first phase first, their journals, and its evaluations.

    judged: the evaluation whose documents runs are compared on.
    """

    name: str
    folder: Path
    models: list[Artifact]
    journals: list[list[dict[str, Any]]]
    judged: Artifact
    evaluations: list[Artifact]

    @cached_property
    def shape(self) -> AnyModelConfig:
        """The decoder's shape."""
        return read_shape(self.models[-1].json("config.json"))

    @property
    def seed(self) -> int:
        """The seed of the last phase."""
        return int(self.models[-1].manifest["config"]["seed"])

    @property
    def lr(self) -> float:
        """The peak learning rate of the last phase."""
        return float(self.models[-1].manifest["config"]["phase"]["lr"])

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan, which holds variant and overrides; empty if there is none."""
        return read_plan(self.folder)

    @cached_property
    def settings(self) -> dict[str, str]:
        """The dotted keys of its recipe as it ran, with their values: what makes its model.

        What is left out has its default, unless the recipe is of another version. Empty without
        the run's copy of the recipe. Raises Damaged if the copy cannot be read.
        """
        path = self.folder / "recipe.toml"
        if not path.exists():
            return {}
        try:
            recipe = parse(path, read_recipe(path))
        except RecipeError as error:
            do = "The same `endonym run` writes this copy of the recipe anew."
            raise Damaged(error.message, where=error.where, do=do) from error
        recipe.pop("variant", None)
        with suppress(ValidationError):
            recipe = Recipe.model_validate(recipe).model_dump(exclude_none=True)
        for key in ("name", "seed", "evaluate", "export"):
            recipe.pop(key, None)
        return dict(_settings("", recipe))

    @cached_property
    def dev_score(self) -> Score | None:
        """The headline bits per byte of dev documents, if an evaluation scored them."""
        rows = [row for evaluation in self.evaluations for row in evaluation.rows("scores.json")]
        return headline([Score(**row) for row in rows if row["split"] == "dev"], model="model")

    @property
    def parameters(self) -> tuple[int, int]:
        """How many parameters the last model has, and how many of them each token uses."""
        counted = parameters(self.shape)
        return counted.total, counted.active

    @property
    def tokens(self) -> int:
        """Training tokens of all its phases."""
        return sum(model.numbers["tokens"] for model in self.models)

    @property
    def epochs(self) -> float:
        """Epochs of all its phases."""
        return sum(model.numbers["epochs"] for model in self.models)

    @cached_property
    def read(self) -> Read | None:
        """The training text that its phases have read; None if the store holds it no more."""
        total = epochs = token_bytes = 0.0
        for model in self.models:
            shards_id = model.manifest["inputs"].get("shards")
            if model.manifest["config"]["phase"].get("objective") in RECORDS:
                continue
            shards = Store.of(model.folder).find("shards", shards_id) if shards_id else None
            if shards is None:
                return None
            counts = shards.numbers["train"].values()
            positions = sum(each["tokens"] + each["documents"] for each in counts)
            n_bytes = sum(each["bytes"] for each in counts)
            total += model.numbers["tokens"] * n_bytes / max(1, positions)
            epochs += model.numbers["epochs"]
            token_bytes = n_bytes / max(1, positions)
        lengths = {
            key: value
            for key, value in self.settings.items()
            if (phase := LENGTH.fullmatch(key))
            and self.settings.get(f"{phase[1]}.objective", "").strip("'") not in RECORDS
        }
        context = self.models[-1].manifest["config"]["pack"]["context"]
        return Read(total, epochs, lengths, context, token_bytes)

    @cached_property
    def seconds(self) -> float:
        """Time of all training steps, those of members and teachers too; 0 without a journal."""
        of_teachers = history.journals_of_teachers(self.models)
        return history.training_seconds([*self.journals, *of_teachers])

    @property
    def speed(self) -> float | None:
        """Training tokens a second, without the time of members and teachers."""
        seconds = history.training_seconds(self.journals)
        return self.tokens / seconds if seconds else None

    @cached_property
    def machine(self) -> tuple[str, str] | None:
        """Processor and threads of the last phase; times compare only within one machine."""
        return history.machine_of(self.journals[-1])

    @property
    def versions(self) -> dict[str, str]:
        """Of endonym, Python and the libraries, at the last start of training; empty without it."""
        started = history.events(self.journals[-1], "started")
        return started[-1].get("versions", {}) if started else {}

    @property
    def corpus(self) -> str | None:
        """The id of its corpus; None without a plan."""
        stages = self.plan.get("stages", [])
        return next((each["id"] for each in stages if each["stage"] == "corpus"), None)

    @property
    def split_seed(self) -> int | None:
        """The seed of what is held out; None without a plan or texts."""
        stages = self.plan.get("stages", [])
        splits = (each["config"].get("split") for each in stages if each["stage"] == "corpus")
        return next((split["seed"] for split in splits if split), None)

    @cached_property
    def every_score(self) -> list[Score]:
        """All scores of the documents that runs are compared on."""
        return [Score(**row) for row in self.judged.json("scores.json")]

    @cached_property
    def scores(self) -> dict[str, Score]:
        """The headline bits per byte, of the model and of each baseline."""
        by_model = {name: headline(self.every_score, model=name) for name in MODELS}
        return without_none(by_model)

    @property
    def score(self) -> Score:
        """Bits per byte of the model."""
        return self.scores["model"]

    @cached_property
    def documents(self) -> Documents | None:
        """Scores of each held-out document; None if the evaluation kept none."""
        return load_documents(self.judged.folder)

    @cached_property
    def efficiency(self) -> list[Efficiency]:
        """What an evaluation measured of the programs that run it; empty without one."""
        timed = [each for each in self.evaluations if (each.folder / SPEED_FILE).is_file()]
        measurements = (measured_efficiency(evaluation) for evaluation in timed)
        return next((rows for rows in measurements if rows), [])

    @property
    def continuations(self) -> Texts:
        """The finished model's continuations of its recipe's prompts."""
        lines = [row for each in self.evaluations for row in each.rows("continuations.json")]
        return [(line["prompt"], line["text"]) for line in lines]

    @property
    def written(self) -> Texts:
        """The last samples written during training."""
        samples = history.events(self.journals[-1], "sample")
        last = [line for line in samples if line["step"] == samples[-1]["step"]]
        return [(line["prompt"], line["text"]) for line in last]


@dataclass(frozen=True)
class PublicModel:
    """A model that no run here made, with its scores of documents that runs were scored on."""

    name: str
    folder: Path
    family: str
    parameters: int
    score: Score
    documents: Documents


RunOrModel = FinishedRun | PublicModel


def _settings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The dotted keys of a recipe below this name, with their values as Python writes them.

    A source is one key, so that a recipe that lacks it differs in one key.
    """
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _settings(f"{name}.{key}" if name else key, inside)
    elif isinstance(value, list | tuple) and any(isinstance(each, dict) for each in value):
        for place, each in enumerate(value):
            part = f"{name}.{each.get('name', place)}"
            if name == "source":
                yield part, repr(each)
            else:
                yield from _settings(part, {k: v for k, v in each.items() if k != "name"})
    elif value != ():
        yield name, repr(value)


def finished_runs(
    names: Sequence[str], store: Store, log: Log, split: Split = "test", *, fewest: int = 2
) -> list[FinishedRun]:
    """The runs with these names; a recipe stands for all its finished runs, under all seeds.

    split: whose scores are compared. A folder and a run may have one name: beside others it is the
    run, alone all the runs of the recipe in the folder. fewest: how many it takes. Raises
    RecipeError if there are fewer, or if one is unknown, unfinished, unscored or named twice.
    """
    folders: list[Path] = []
    for name in names:
        recipe = find.recipe_file(Path(name))
        if recipe is not None and (len(names) == 1 or find.run_by_name(store, name) is None):
            folders += _finished_of(recipe, store, log, split)
        elif Path(name).is_file() or name.endswith(".toml"):
            folders += _finished_of(Path(name), store, log, split)
        else:
            folders.append(find.find_run(store, name))
    paths = [folder.resolve() for folder in folders]
    if repeated := [path for path in paths if paths.count(path) > 1]:
        message = f"{repeated[0].name} is named twice"
        raise RecipeError(message, where="compare", do="Name each run once.")
    if len(folders) < fewest:
        do = f"{find.known_runs(store)} Another run of a recipe: endonym run RECIPE "
        do += "--set KEY=VALUE, or --seeds 2, or --variant all. A public model "
        do += "beside a run: the folder of its files, in the transformers format"
        needed = "two finished runs" if fewest > 1 else "a finished run beside these models"
        raise RecipeError(f"it takes {needed} to compare", where="compare", do=do)
    folder_names = [folder.name for folder in folders]
    return [
        read(folder, folder.name if folder_names.count(folder.name) == 1 else str(folder), split)
        for folder in folders
    ]


def _finished_of(recipe: Path, store: Store, log: Log, split: Split) -> list[Path]:
    """The folders of a recipe's finished runs; warns of each run that is not finished.

    Not of a recipe of which only variants were run.
    """
    base, *variants = [run_folder(store, each) for each in Recipe.load_all(recipe)]
    folders = dict.fromkeys([base, *variants, *find.runs_of(store, recipe)])
    stages = {folder: missing(folder, split) for folder in folders}
    finished = [folder for folder, stage in stages.items() if not stage]
    for folder, stage in stages.items():
        if stage and not (folder == base and finished and not find.planned(folder)):
            log.warn(f"left out: {folder.name}: {stage} is not made yet")
    return finished


def missing(folder: Path, split: Split) -> str:
    """The name of the first stage that a comparison needs but that is not made; empty if all are.

    folder: of the run. split: whose scores are needed.
    """
    stages = find.planned(folder)
    models = [stage for stage in stages if stage["stage"] == "model"]
    if not models:
        return "the model"
    evaluations = [stage for stage in stages if history.is_of_split(stage["config"], split)]
    store = find.store_of(folder, Store(USUAL_STORE))
    for stage in stages:
        is_needed = stage in models or stage in evaluations
        if is_needed and store.find(stage["stage"], stage["id"]) is None:
            return stage["name"]
    return ""


def read(folder: Path, name: str, split: Split = "test") -> FinishedRun:
    """Read a run from its folder and its store.

    Raises RecipeError if it is unfinished or was not scored on the documents of the split.
    """
    stages = find.planned(folder)
    store = find.store_of(folder, Store(USUAL_STORE))
    held_out = [stage for stage in stages if history.is_of_split(stage["config"], split)]
    corpora = [stage for stage in stages if stage["stage"] == "corpus"]
    message = do = ""
    if unfinished := missing(folder, split):
        message = f"{unfinished} is not made yet"
        do = "The same `endonym run` goes on from where it stopped."
    elif not held_out and corpora and corpora[0]["config"].get("order") == []:
        message = "this run has no held-out documents to compare: its recipe has no [[source]]"
        do = "Score each model on the same file: endonym evaluate MODEL --text FILE."
    elif not held_out:
        message = f"this run was not scored on {split} documents"
        do = (
            f"To score it alone: endonym evaluate {quoted(name)} --split {split}. To compare it, "
            f'add [[evaluate]] with kind = "bits" and split = "{split}" to its recipe and run it '
            "again: what is made is kept."
        )
    if message:
        raise RecipeError(message, where=folder, do=do)
    models = history.phases_of(find.made_artifact(folder, store, "model"))
    ids = [stage["id"] for stage in stages if stage["stage"] == "evaluation"]
    evaluations = [store.find("evaluation", identity) for identity in ids]
    judged = store.find("evaluation", held_out[0]["id"])
    assert judged is not None, "`missing` has looked for it"
    journals = [history.journal_of(model) for model in models]
    made = [each.verify() for each in evaluations if each is not None]
    return FinishedRun(
        name, folder, models, journals=journals, judged=judged.verify(), evaluations=made
    )
