"""The plan: every stage that a recipe needs, in order.

The data stages are planned when the vocabulary is chosen; the others when the tokens are counted
and every key of training has a value. A stage receives its own config and its inputs, but neither
the recipe nor other stages (`pipeline/execute.py` calls it). Its identity is the hash of the same
two. Paths in a config are not hashed: the inputs hash the contents of these files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from endonym.autopilot.resolve import ResolvedTraining
from endonym.config import Config, identity
from endonym.data.config import CHATML_NAME
from endonym.export.config import ADAPTERS, DATASET
from endonym.export.history import is_of_split
from endonym.export.shapes import folder_shape
from endonym.formats.files import RawSet
from endonym.model.config import ExpertsConfig, ModelConfig
from endonym.model.foreign.folder import AnyModelConfig, folder_files, with_context
from endonym.pipeline import stages
from endonym.pipeline.sources import file_identity, hash_once
from endonym.pipeline.types import (
    ChangedTokenizer,
    CorpusConfig,
    EvaluationConfig,
    ExamplesConfig,
    ExportConfig,
    NamedFiles,
    PhaseTraining,
    PretrainedFiles,
    PretrainedTokenizer,
    StageFunction,
)
from endonym.recipe.recipe import Recipe
from endonym.store import MANIFEST, fingerprint, open_artifact
from endonym.tokenizer.config import TokenizerConfig

VERSIONS = {
    "source": 2,
    "corpus": 15,
    "tokenizer": 5,
    "shards": 4,
    "examples": 7,
    "model": 10,
    "evaluation": 17,
    "export": 16,
}
"""Raise a stage's version when you change what it produces."""
SPEED_NAME = "evaluation speed"
"""How the evaluations are called that measure exports, and come after them."""


@dataclass(frozen=True)
class Stage:
    """A pure function from a config and inputs to one artefact: `make(config, context)`.

    resumes: after a kill it continues from its checkpoints, so its journal is kept.
    """

    name: str
    kind: str
    config: Config
    make: StageFunction
    inputs: dict[str, "Stage"] = field(default_factory=dict)
    resumes: bool = False

    @cached_property
    def id(self) -> str:
        """The hash of everything that determines the artefact."""
        return fingerprint(self.declared())

    def declared(self) -> dict[str, Any]:
        """Kind, version, config and the inputs' identities."""
        return {
            "stage": self.kind,
            "version": VERSIONS[self.kind],
            "config": identity(self.config),
            "inputs": {name: stage.id for name, stage in sorted(self.inputs.items())},
        }


class DataStages(NamedTuple):
    """What is made before training is resolved. files: other files that the recipe names."""

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
    sources = [Stage(f"source {each.source.name}", "source", each, stages.source) for each in raw]
    files, contrast = file_stages(recipe), recipe.clean.contrast_files(recipe.folder)
    inputs = {stage.name: stage for stage in sources}
    inputs |= {f"contrast {path.name}": files[str(path)] for path in contrast}
    inputs |= evaluation_inputs(recipe, files)
    corpus = Stage(
        "corpus",
        "corpus",
        CorpusConfig(
            order=tuple(each.source.name for each in raw),
            sources=tuple(raw),
            contrast=tuple(contrast),
            evaluation=tuple(recipe.evaluation_texts),
            clean=recipe.clean,
            split=recipe.split.resolved(),
        ),
        stages.corpus,
        inputs,
    )
    folder, inputs = pretrained_stage(recipe), {"corpus": corpus}
    if folder is not None:
        inputs = {**inputs, "folder": folder}
    config, make = _tokenizer(recipe, tokenizer)
    ids = Stage("tokenizer", "tokenizer", config, make, inputs)
    inputs = {"corpus": corpus, "tokenizer": ids}
    shards = Stage("shards", "shards", Config(), stages.shards, inputs)
    return DataStages(sources, folder, files, corpus, ids, shards)


def evaluation_inputs(recipe: Recipe, files: dict[str, Stage]) -> dict[str, Stage]:
    """The files that judge models, of which no stage may learn anything."""
    return {
        f"evaluation text {n}": files[str(path)] for n, path in enumerate(recipe.evaluation_texts)
    }


def plan_examples(recipe: Recipe, data: DataStages, context: int) -> dict[int, Stage]:
    """The examples of each phase that learns from conversations or preference pairs, by its number.

    context: positions of a row.
    """
    found: dict[int, Stage] = {}
    for number, phase in enumerate(recipe.phase):
        if phase.objective == "next_token":
            continue
        paths, file = tuple(recipe.data_files(number)), recipe.template_file
        config = ExamplesConfig(
            paths=paths,
            evaluation=tuple(recipe.evaluation_texts),
            template_file=file,
            template=CHATML_NAME if recipe.chat.template == CHATML_NAME else None,
            objective=phase.objective,
            context=context,
            val_share=recipe.chat.val_share,
            max_rejected=recipe.chat.max_rejected,
            seed=recipe.split.seed,
        )
        inputs = {f"data {n}": data.files[str(path)] for n, path in enumerate(paths)}
        inputs |= {"template": data.files[str(file)]} if file is not None else {}
        inputs |= evaluation_inputs(recipe, data.files)
        inputs |= {"corpus": data.corpus, "tokenizer": data.tokenizer}
        name = f"examples {phase.name}"
        found[number] = Stage(name, "examples", config, stages.examples, inputs)
    return found


def _tokenizer(recipe: Recipe, tokenizer: TokenizerConfig) -> tuple[Config, StageFunction]:
    """The config and the function of the tokenizer's stage."""
    folder = recipe.model_folder
    if folder is None:
        return tokenizer, stages.tokenizer
    if recipe.keeps_tokenizer:
        return PretrainedTokenizer(folder=folder), stages.pretrained_tokenizer
    return ChangedTokenizer(folder=folder, tokenizer=tokenizer), stages.changed_tokenizer


def plan_training(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> list[Stage]:
    """Examples, the phases, evaluations and exports of the last one's model, what measures both."""
    models = model_stages(recipe, data, training)
    evaluations = evaluation_stages(recipe, data, training, models[-1])
    speeds = [each for each in evaluations if each.name.startswith(SPEED_NAME)]
    planned = [*models, *(each for each in evaluations if each not in speeds)]
    inputs = {"model": models[-1], "shards": data.shards}
    inputs |= {each.name: each for each in evaluations if is_of_split(identity(each.config))}
    exports: list[Stage] = []
    datasets: list[Stage] = []
    adapters: list[Stage] = []
    for export in recipe.export:
        config = ExportConfig(
            export=export,
            name=recipe.name,
            language=recipe.language,
            licenses={each.name: each.license for each in recipe.source if each.license} or None,
        )
        name = f"export {export.format}"
        if export.format == DATASET:  # needs no model, and comes before it
            given = {"corpus": data.corpus}
            datasets.append(Stage(name, "export", config, stages.dataset, given))
        elif export.format in ADAPTERS:
            adapters.append(_adapter_stage(name, config, models[-1], inputs))
        else:
            exports.append(Stage(name, "export", config, stages.export, inputs))
    made = {each.name: each for each in exports}
    speeds = [replace(each, inputs={**each.inputs, **made}) for each in speeds]
    examples = plan_examples(recipe, data, training.pack.context).values()
    return [*datasets, *examples, *planned, *exports, *adapters, *speeds]


def _adapter_stage(
    name: str, config: ExportConfig, model: Stage, inputs: dict[str, Stage]
) -> Stage:
    """The export of the last phase's adapter, which is proven on the weights that it began with."""
    # A folder is read with the tokenizer of the recipe, which may have changed its vocabulary.
    needed = ("start",) if "start" in model.inputs else ("folder", "tokenizer")
    began = {key: model.inputs[key] for key in needed}
    assert isinstance(model.config, PhaseTraining)
    given = {**{key: inputs[key] for key in ("model", "shards")}, **began}
    config = config.model_copy(update={"training": model.config})
    return Stage(name, "export", config, stages.export_adapter, given)


def pretrained_stage(recipe: Recipe) -> Stage | None:
    """The pretrained model, if there is one.

    Raises ShapeError if it cannot read rows as long as the recipe says, and Damaged if it is an
    artefact whose files are not those of its manifest.
    """
    folder = recipe.model_folder
    if folder is None:
        return None
    if (folder / MANIFEST).is_file():
        open_artifact(folder).verify(hash_once)
    if recipe.pack.context is not None:
        with_context(folder_shape(folder), recipe.pack.context)
    paths = tuple(folder_files(folder))
    files = tuple(file_identity(path) for path in paths)
    config = PretrainedFiles(folder=folder, paths=paths, files=files)
    return Stage(f"source {folder.name}", "source", config, stages.pretrained)


def file_stages(recipe: Recipe) -> dict[str, Stage]:
    """A stage for every other file that the recipe names, by its path."""
    by_path: dict[str, Stage] = {}
    for path in named_files(recipe):
        config = NamedFiles(paths=(path,), files=(file_identity(path),))
        by_path[str(path)] = Stage(f"source {path.name}", "source", config, stages.named_files)
    return by_path


def named_files(recipe: Recipe) -> list[Path]:
    """The files that evaluations, cleaning and phases name, each once."""
    named = [path for each in recipe.evaluate for path in each.files(recipe.folder)]
    contrast = recipe.clean.contrast_files(recipe.folder)
    given = [path for number in range(len(recipe.phase)) for path in recipe.data_files(number)]
    given += [recipe.template_file] if recipe.template_file is not None and given else []
    return list(dict.fromkeys([*contrast, *named, *recipe.evaluation_texts, *given]))


def model_stages(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> list[Stage]:
    """The phases; each starts from the previous one unless the recipe says otherwise."""
    models: list[Stage] = []
    prompts = tuple(path for each in recipe.evaluate for path in each.prompt_files(recipe.folder))
    examples = plan_examples(recipe, data, training.pack.context)
    for number, (asked, phase) in enumerate(zip(recipe.phase, training.phases, strict=True)):
        inputs = {"tokenizer": data.tokenizer, "shards": data.shards}
        if number in examples:
            inputs["examples"] = examples[number]
        if models and asked.start == "previous":
            inputs["start"] = models[-1]
        elif data.folder is not None:
            inputs["folder"] = data.folder
        config = PhaseTraining(
            model=training.model,
            folder=training.folder,
            pack=training.pack,
            phase=phase,
            seed=training.seed,
            penalty_tokens=phase.execution.micro_tokens if _has_penalty(training.model) else None,
            prompts=prompts[:1],
            exports=recipe.export,
            is_last=number == len(recipe.phase) - 1,
        )
        name = f"model {phase.name}"
        models.append(Stage(name, "model", config, stages.model, inputs, resumes=True))
    return models


def _has_penalty(shape: AnyModelConfig) -> bool:
    """Whether experts have a load-balancing penalty."""
    ffns = shape.ffns if isinstance(shape, ModelConfig) else ()
    return any(isinstance(ffn, ExpertsConfig) and ffn.balance == "penalty" for ffn in ffns)


def evaluation_stages(
    recipe: Recipe, data: DataStages, training: ResolvedTraining, model: Stage
) -> list[Stage]:
    """The recipe's evaluations of the finished model."""
    evaluations: list[Stage] = []
    for number, asked in enumerate(recipe.evaluate):
        files = tuple(asked.files(recipe.folder))
        inputs = {"model": model, "shards": data.shards}
        inputs |= {f"file {n}": data.files[str(each)] for n, each in enumerate(files)}
        before = data.folder if asked.kind == "bits" else None
        inputs |= {"folder": before} if before else {}
        config = EvaluationConfig(
            evaluation=asked,
            folder=training.folder if before else None,
            files=files,
            pack=training.pack,
            seed=training.seed,
        )
        name = evaluation_names(recipe)[number]
        evaluations.append(Stage(name, "evaluation", config, stages.evaluation, inputs))
    return evaluations


def evaluation_names(recipe: Recipe) -> list[str]:
    """What the evaluations are called: by kind and split, with a number if that is not enough."""
    names: list[str] = []
    for number, asked in enumerate(recipe.evaluate):
        is_dev = asked.kind == "bits" and asked.split == "dev" and asked.file is None
        name = f"evaluation {asked.kind}" + " dev" * is_dev
        names.append(f"{name} {number}" if name in names else name)
    return names


def stage_names(recipe: Recipe) -> list[tuple[str, str]]:
    """Name and kind of every stage, in order, without planning any."""
    given = [recipe.model_folder] if recipe.model_folder else []
    files = [*given, *named_files(recipe)]
    sources = [each.name for each in recipe.source] + [path.name for path in files]
    judged = [(name, "evaluation") for name in evaluation_names(recipe)]
    speeds = [each for each in judged if each[0].startswith(SPEED_NAME)]
    asked = [each.format for each in recipe.export]
    whole = [each for each in asked if each not in (DATASET, *ADAPTERS)]
    return [
        *((f"source {name}", "source") for name in sources),
        *((kind, kind) for kind in ("corpus", "tokenizer", "shards")),
        *(
            (f"examples {each.name}", "examples")
            for each in recipe.phase
            if each.objective != "next_token"
        ),
        *((f"export {each.format}", "export") for each in recipe.export if each.format == DATASET),
        *((f"model {phase.name}", "model") for phase in recipe.phase),
        *(each for each in judged if each not in speeds),
        *((f"export {each}", "export") for each in whole),
        *((f"export {each}", "export") for each in asked if each in ADAPTERS),
        *speeds,
    ]
