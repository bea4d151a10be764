"""The plan: every stage a recipe needs, in order. This page is the documentation of the pipeline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from endonym.config import identity
from endonym.log import Log
from endonym.recipe.recipe import Recipe
from endonym.run import stages
from endonym.run.sources import RawSet
from endonym.store import Artifact, Making, canonical_json, fingerprint

VERSIONS = {
    "source": 1,
    "corpus": 1,
    "tokenizer": 1,
    "shards": 1,
    "model": 1,
    "evaluation": 1,
    "export": 1,
}
"""Raised by whoever changes what a stage produces."""


class Maker(Protocol):
    """A stage's work: from its inputs to files in `making.out`; returns what it counted."""

    def __call__(
        self, making: Making, inputs: Mapping[str, Artifact], log: Log
    ) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A pure function from declared inputs to one artefact."""

    name: str
    kind: str
    config: dict[str, Any]
    make: Maker
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
        "clean": identity(recipe.clean),
        "split": identity(recipe.split),
        "seed": recipe.seed,
    }
    corpus = Stage("corpus", "corpus", corpus_config, stages.corpus(recipe, raw), named)
    tokenizer = Stage(
        "tokenizer",
        "tokenizer",
        identity(recipe.tokenizer),
        stages.tokenizer(recipe.tokenizer),
        {"corpus": corpus},
    )
    given = {"corpus": corpus, "tokenizer": tokenizer}
    shards = Stage("shards", "shards", {}, stages.shards, given)
    found = [*sources, corpus, tokenizer, shards]
    model = None
    for phase in recipe.phase:
        inputs = {"tokenizer": tokenizer, "shards": shards}
        if model is not None and phase.start == "previous":
            inputs["start"] = model
        config = {
            "model": identity(recipe.model),
            "pack": identity(recipe.pack),
            "phase": identity(phase),
            "seed": recipe.seed,
        }
        maker = stages.model(recipe, phase)
        model = Stage(f"model {phase.name}", "model", config, maker, inputs)
        found.append(model)
    assert model is not None
    return found + judgements(recipe, model, shards) + handovers(recipe, model)


def source_stage(raw: RawSet) -> Stage:
    """A source is its files' names and hashes and how they are to be read."""
    config = {"source": identity(raw.source), "files": raw.identity()}
    return Stage(f"source {raw.source.name}", "source", config, stages.source(raw))


def judgements(recipe: Recipe, model: Stage, shards: Stage) -> list[Stage]:
    """The recipe's evaluations of the finished model."""
    found: list[Stage] = []
    for number, evaluation in enumerate(recipe.evaluate):
        config = {"evaluation": identity(evaluation), "seed": recipe.seed}
        files = evaluation.files(recipe.folder)
        if files:
            config["files"] = [stages.file_identity(path) for path in files]
        name = f"evaluation {evaluation.kind}" + (f" {number}" if number else "")
        maker = stages.evaluation(recipe, evaluation)
        found.append(
            Stage(name, "evaluation", config, maker, {"model": model, "shards": shards})
        )
    return found


def handovers(recipe: Recipe, model: Stage) -> list[Stage]:
    """The recipe's exports of the finished model."""
    return [
        Stage(
            f"export {export.format}",
            "export",
            identity(export),
            stages.export(export),
            {"model": model},
        )
        for export in recipe.export
    ]


def same_plan(stages_: Sequence[Stage]) -> bytes:
    """A plan's identity as bytes, for tests and for the lockfile."""
    return canonical_json([stage.declared() for stage in stages_])


Advance = Callable[[int], None]
