"""The plan: every stage a recipe needs, in order. This page documents the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from endonym.config import identity
from endonym.export.shapes import folder_shape
from endonym.model.families import pays_for_balance
from endonym.model.folder import folder_files, with_context
from endonym.recipe.recipe import Recipe
from endonym.run import stages
from endonym.run.sources import RawSet, file_identity
from endonym.run.work import Work
from endonym.store import fingerprint
from endonym.train.config import Phase
from endonym.train.room import USEFUL_TOKENS

VERSIONS = {
    "source": 1,
    "corpus": 2,
    "tokenizer": 2,
    "shards": 3,
    "model": 8,
    "evaluation": 7,
    "export": 2,
}
"""Raised by whoever changes what a stage produces."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A pure function from declared inputs to one artefact."""

    name: str
    kind: str
    config: dict[str, Any]
    make: Work
    inputs: dict[str, "Stage"] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The hash of all that decides what this stage makes."""
        return fingerprint(self.declared())

    def declared(self) -> dict[str, Any]:
        """Kind, version, config and the inputs' identities."""
        return {
            "stage": self.kind,
            "version": VERSIONS[self.kind],
            "config": self.config,
            "inputs": {name: stage.id for name, stage in sorted(self.inputs.items())},
        }


def plan(recipe: Recipe, raw: Sequence[RawSet]) -> list[Stage]:
    """Every stage the recipe needs, in order; inputs are other stages, so cycles cannot be written.

    raw: the hashed files behind the recipe's sources, in its order.
    """
    sources = [source_stage(each) for each in raw]
    named = {stage.name: stage for stage in sources}
    corpus_config = {
        "order": [stage.id for stage in sources],
        "clean": identity(recipe.clean),
        "split": identity(recipe.split),
        "seed": recipe.seed,
    }
    corpus = Stage("corpus", "corpus", corpus_config, partial(stages.corpus, recipe, raw), named)
    begun = model_stage(recipe)
    tokenizer = tokenizer_stage(recipe, corpus, begun)
    given = {"corpus": corpus, "tokenizer": tokenizer}
    shards = Stage("shards", "shards", {}, stages.shards, given)
    named_files = file_stages(recipe)
    found = [*sources, *begun.values(), *named_files.values(), corpus, tokenizer, shards]
    models = trainings(recipe, tokenizer, shards, begun)
    judged = judgements(recipe, models[-1], shards, named_files)
    return [*found, *models, *judged, *handovers(recipe, models[-1])]


def model_stage(recipe: Recipe) -> dict[str, Stage]:
    """The model to go on from, if there is one: a source of a few files.

    Raises ShapeError if it cannot read rows as long as the recipe says.
    """
    folder = recipe.model_folder
    if folder is None:
        return {}
    if recipe.pack.context is not None:
        with_context(folder_shape(folder), recipe.pack.context)
    files = folder_files(folder)
    config = {"files": [file_identity(path) for path in files]}
    maker = partial(stages.given_model, folder, files)
    return {"folder": Stage(f"source {folder.name}", "source", config, maker)}


def tokenizer_stage(recipe: Recipe, corpus: Stage, begun: dict[str, Stage]) -> Stage:
    """A tokenizer of the corpus, or that of the model to go on from."""
    folder, inputs = recipe.model_folder, {"corpus": corpus, **begun}
    if folder is not None:
        maker = partial(stages.given_tokenizer, folder)
        return Stage("tokenizer", "tokenizer", {}, maker, inputs)
    maker = partial(stages.tokenizer, recipe.tokenizer)
    return Stage("tokenizer", "tokenizer", identity(recipe.tokenizer), maker, inputs)


def trainings(
    recipe: Recipe, tokenizer: Stage, shards: Stage, begun: dict[str, Stage]
) -> list[Stage]:
    """The recipe's phases; each starts where the previous one ended unless it says otherwise."""
    found: list[Stage] = []
    for phase in recipe.phase:
        inputs = {"tokenizer": tokenizer, "shards": shards}
        if found and phase.start == "previous":
            inputs["start"] = found[-1]
        elif begun:
            inputs |= begun
        config = {
            "model": identity(recipe.model),
            "pack": identity(recipe.pack),
            "phase": identity(phase) | _split(recipe, phase),
            "seed": recipe.seed,
        }
        maker = partial(stages.model, recipe, phase)
        found.append(Stage(f"model {phase.name}", "model", config, maker, inputs))
    return found


def _split(recipe: Recipe, phase: Phase) -> dict[str, int]:
    """What a batch is split into decides what is learnt only where experts pay for imbalance.

    Their penalty is the square of what each part of a batch shows.
    """
    micro_tokens = phase.micro_tokens or USEFUL_TOKENS
    return {"micro_tokens": micro_tokens} if pays_for_balance(recipe.model) else {}


def source_stage(raw: RawSet) -> Stage:
    """A source is its files' names and hashes and how they are to be read."""
    config = {"source": identity(raw.source), "files": raw.identity()}
    return Stage(f"source {raw.source.name}", "source", config, partial(stages.source, raw))


def file_stages(recipe: Recipe) -> dict[str, Stage]:
    """Every other file that the recipe names, as it names it: a source of one file."""
    found: dict[str, Stage] = {}
    for evaluation in recipe.evaluate:
        for path in evaluation.files(recipe.folder):
            config = {"files": [file_identity(path)]}
            name = f"source {path.name}"
            found[str(path)] = Stage(name, "source", config, partial(stages.named_files, [path]))
    return found


def judgements(
    recipe: Recipe, model: Stage, shards: Stage, named_files: dict[str, Stage]
) -> list[Stage]:
    """The recipe's evaluations of the finished model."""
    found: list[Stage] = []
    for number, evaluation in enumerate(recipe.evaluate):
        config: dict[str, Any] = {
            "evaluation": identity(evaluation),
            "pack": identity(recipe.pack),
            "seed": recipe.seed,
        }
        files = evaluation.files(recipe.folder)
        inputs = {"model": model, "shards": shards}
        inputs |= {f"file {place}": named_files[str(each)] for place, each in enumerate(files)}
        name = f"evaluation {evaluation.kind}" + (f" {number}" if number else "")
        maker = partial(stages.evaluation, recipe, evaluation)
        found.append(Stage(name, "evaluation", config, maker, inputs))
    return found


def handovers(recipe: Recipe, model: Stage) -> list[Stage]:
    """The recipe's exports of the finished model."""
    return [
        Stage(
            f"export {export.format}",
            "export",
            identity(export),
            partial(stages.export, export),
            {"model": model},
        )
        for export in recipe.export
    ]
