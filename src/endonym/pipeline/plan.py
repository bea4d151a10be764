"""The plan: every stage that a recipe needs, in order.

The data stages are planned when the vocabulary is chosen; the others when the tokens are counted
and every key of training has a value. A stage gets its own config and its inputs, and nothing
else; its identity is the hash of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from endonym.autopilot.resolve import ResolvedTraining
from endonym.config import Config, identity
from endonym.export.shapes import folder_shape
from endonym.model.config import ExpertsConfig, ModelConfig
from endonym.model.foreign.folder import folder_files, with_context
from endonym.pipeline import stages
from endonym.pipeline.sources import file_identity
from endonym.pipeline.types import PhaseTraining, StageFunction
from endonym.recipe.recipe import Recipe
from endonym.store import fingerprint
from endonym.text.files import RawSet
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import TrainConfig

VERSIONS = {
    "source": 1,
    "corpus": 3,
    "tokenizer": 2,
    "shards": 4,
    "model": 8,
    "evaluation": 7,
    "export": 2,
}
"""Raise a stage's version when you change what it produces."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A pure function from declared inputs to one artefact.

    resumes: after a kill it continues from its checkpoints, so its journal is kept.
    """

    name: str
    kind: str
    config: dict[str, Any]
    make: StageFunction
    inputs: dict[str, "Stage"] = field(default_factory=dict)
    resumes: bool = False

    @property
    def id(self) -> str:
        """The hash of everything that determines the artefact."""
        return fingerprint(self.declared())

    def declared(self) -> dict[str, Any]:
        """Kind, version, config and the inputs' identities."""
        return {
            "stage": self.kind,
            "version": VERSIONS[self.kind],
            "config": self.config,
            "inputs": {name: stage.id for name, stage in sorted(self.inputs.items())},
        }


class DataStages(NamedTuple):
    """What is made before training is settled. files: other files that the recipe names."""

    sources: list[Stage]
    folder: Stage | None
    files: dict[str, Stage]
    corpus: Stage
    tokenizer: Stage
    shards: Stage

    def all(self) -> list[Stage]:
        """Every one, in order."""
        folder = [self.folder] if self.folder else []
        made = [self.corpus, self.tokenizer, self.shards]
        return [*self.sources, *folder, *self.files.values(), *made]


def plan_data(recipe: Recipe, raw: Sequence[RawSet], tokenizer: TokenizerConfig) -> DataStages:
    """Sources, corpus, tokenizer and shards.

    raw: the hashed files of the recipe's sources, in its order.
    """
    sources = [source_stage(each) for each in raw]
    config = {
        "order": [stage.id for stage in sources],
        "clean": identity(recipe.clean),
        "split": identity(recipe.split),
        "seed": recipe.seed,
    }
    make = partial(stages.corpus, raw, recipe.clean, recipe.split, seed=recipe.seed)
    corpus = Stage("corpus", "corpus", config, make, {stage.name: stage for stage in sources})
    folder = folder_stage(recipe)
    if folder is None:
        maker, kind = partial(stages.tokenizer, tokenizer), identity(tokenizer)
        reader = Stage("tokenizer", "tokenizer", kind, maker, {"corpus": corpus})
    else:
        assert recipe.model_folder is not None
        maker = partial(stages.given_tokenizer, recipe.model_folder)
        reader = Stage("tokenizer", "tokenizer", {}, maker, {"corpus": corpus, "folder": folder})
    shards = Stage("shards", "shards", {}, stages.shards, {"corpus": corpus, "tokenizer": reader})
    return DataStages(sources, folder, file_stages(recipe), corpus, reader, shards)


def plan_training(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> list[Stage]:
    """The phases, then evaluations and exports of the last one's model."""
    models = model_stages(recipe, data, training)
    planned = [*models, *evaluation_stages(recipe, data, training, models[-1])]
    for export in recipe.export:
        name, make = f"export {export.format}", partial(stages.export, export)
        planned.append(Stage(name, "export", identity(export), make, {"model": models[-1]}))
    return planned


def source_stage(raw: RawSet) -> Stage:
    """A source is identified by its files' names and hashes and by how they are read."""
    config = {"source": identity(raw.source), "files": raw.identity()}
    return Stage(f"source {raw.source.name}", "source", config, partial(stages.source, raw))


def folder_stage(recipe: Recipe) -> Stage | None:
    """The pretrained model, if there is one.

    Raises ShapeError if it cannot read rows as long as the recipe says.
    """
    folder = recipe.model_folder
    if folder is None:
        return None
    if recipe.pack.context is not None:
        with_context(folder_shape(folder), recipe.pack.context)
    files = folder_files(folder)
    config = {"files": [file_identity(path) for path in files]}
    return Stage(
        f"source {folder.name}", "source", config, partial(stages.given_model, folder, files)
    )


def file_stages(recipe: Recipe) -> dict[str, Stage]:
    """A stage for every other file that the recipe names, by its path."""
    by_path: dict[str, Stage] = {}
    for evaluation in recipe.evaluate:
        for path in evaluation.files(recipe.folder):
            config = {"files": [file_identity(path)]}
            name = f"source {path.name}"
            by_path[str(path)] = Stage(name, "source", config, partial(stages.named_files, [path]))
    return by_path


def model_stages(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> list[Stage]:
    """The phases; each starts from the previous one unless the recipe says otherwise."""
    models: list[Stage] = []
    prompts = tuple(path for each in recipe.evaluate for path in each.prompt_files(recipe.folder))
    for phase, config in zip(recipe.phase, training.phases, strict=True):
        inputs = {"tokenizer": data.tokenizer, "shards": data.shards}
        if models and phase.start == "previous":
            inputs["start"] = models[-1]
        elif data.folder is not None:
            inputs["folder"] = data.folder
        mine = PhaseTraining(
            model=training.model,
            folder=training.folder,
            pack=training.pack,
            config=config,
            seed=training.seed,
            prompts=prompts[:1],
            is_exported=bool(recipe.export),
        )
        # A pretrained model is identified by its files, which are an input.
        identifying = {
            "model": {} if mine.folder else identity(mine.model),
            "pack": identity(mine.pack),
            "phase": identity(config) | _split(mine.model, config),
            "seed": mine.seed,
        }
        name, make = f"model {config.name}", partial(stages.model, mine)
        models.append(Stage(name, "model", identifying, make, inputs, resumes=True))
    return models


def _split(shape: Config, config: TrainConfig) -> dict[str, int]:
    """micro_tokens is part of the identity only if experts have a load-balancing penalty.

    That penalty is a square within each micro-batch.
    """
    ffns = shape.ffns if isinstance(shape, ModelConfig) else ()
    pays = any(isinstance(ffn, ExpertsConfig) and ffn.balance == "penalty" for ffn in ffns)
    return {"micro_tokens": config.execution.micro_tokens} if pays else {}


def evaluation_stages(
    recipe: Recipe, data: DataStages, training: ResolvedTraining, model: Stage
) -> list[Stage]:
    """The recipe's evaluations of the finished model."""
    evaluations: list[Stage] = []
    for number, evaluation in enumerate(recipe.evaluate):
        config: dict[str, Any] = {
            "evaluation": identity(evaluation),
            "pack": identity(training.pack),
            "seed": training.seed,
        }
        files = evaluation.files(recipe.folder)
        inputs = {"model": model, "shards": data.shards}
        inputs |= {f"file {n}": data.files[str(each)] for n, each in enumerate(files)}
        maker = partial(stages.evaluation, evaluation, files, training.pack, seed=training.seed)
        name = evaluation_name(evaluation.kind, number)
        evaluations.append(Stage(name, "evaluation", config, maker, inputs))
    return evaluations


def evaluation_name(kind: str, number: int) -> str:
    """What an evaluation is called."""
    return f"evaluation {kind}" + (f" {number}" if number else "")


def stage_names(recipe: Recipe) -> list[tuple[str, str]]:
    """Name and kind of every stage, in order, without planning any."""
    given = [recipe.model_folder] if recipe.model_folder else []
    files = [path for each in recipe.evaluate for path in each.files(recipe.folder)]
    sources = [each.name for each in recipe.source] + [path.name for path in [*given, *files]]
    return [
        *((f"source {name}", "source") for name in sources),
        *((kind, kind) for kind in ("corpus", "tokenizer", "shards")),
        *((f"model {phase.name}", "model") for phase in recipe.phase),
        *((evaluation_name(e.kind, n), "evaluation") for n, e in enumerate(recipe.evaluate)),
        *((f"export {each.format}", "export") for each in recipe.export),
    ]
