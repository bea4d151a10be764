"""What each stage receives: its config, which is hashed, and where it reads and writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from endonym.config import NOT_IDENTITY, Config
from endonym.data.config import ExampleSettings, PackConfig
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.formats.config import Clean, Split
from endonym.formats.files import RawSet
from endonym.log import Log
from endonym.model.foreign.folder import AnyModelConfig
from endonym.pipeline.metrics import Metrics
from endonym.store import Artifact
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import TrainConfig

Numbers = dict[str, Any]
"""What a stage counted, for the manifest."""
Inputs = Mapping[str, Artifact]
"""The artefacts that a stage reads, by the name of the input."""


@dataclass(frozen=True, slots=True)
class StageContext:
    """Where a stage reads and writes.

    out: the folder that becomes the artefact. work: a folder that survives a kill. device: the one
    asked for, if any; never part of an identity. metrics: of the run, if this is a training.
    workers: how many processes make the corpus, or "ray"; chosen by the size of the texts if None.
    """

    out: Path
    work: Path
    journal: Path
    inputs: Inputs
    log: Log
    device: str | None = None
    metrics: Metrics | None = None
    workers: int | str | None = None


StageFunction = Callable[[Any, StageContext], Numbers]
"""From a stage's config and inputs to files in `ctx.out`.

Every config below is hashed as it is. NOT_IDENTITY marks what the inputs identify, such as paths,
and what changes nothing that is made.
"""


class NamedFiles(Config):
    """Files that a recipe names beside its sources. files: name and SHA-256 of each."""

    paths: tuple[Path, ...] = Field(json_schema_extra=NOT_IDENTITY)
    files: tuple[dict[str, str], ...]


class PretrainedFiles(NamedFiles):
    """The files of a pretrained model in a folder."""

    folder: Path = Field(json_schema_extra=NOT_IDENTITY)


class CorpusConfig(Config):
    """How sources become a corpus.

    order: names of the sources, whose files are inputs. contrast: files in other languages, which
    are inputs, too. evaluation: files whose texts must not stand in it; inputs, too.
    """

    order: tuple[str, ...]
    sources: tuple[RawSet, ...] = Field(json_schema_extra=NOT_IDENTITY)
    contrast: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    evaluation: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    clean: Clean
    split: Split


class PretrainedTokenizer(Config):
    """The tokenizer of a pretrained model, whose folder is an input."""

    folder: Path = Field(json_schema_extra=NOT_IDENTITY)


class ExamplesConfig(ExampleSettings):
    """How a phase's conversations or preference pairs become examples.

    paths, template_file: inputs. template: the name of one of endonym's own, if the recipe says so.
    Without both it is the tokenizer's, or ChatML. evaluation: files that judge the model, inputs
    as well.
    """

    paths: tuple[Path, ...] = Field(json_schema_extra=NOT_IDENTITY)
    evaluation: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    template_file: Path | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    template: str | None = None


class ChangedTokenizer(Config):
    """How a pretrained model's tokenizer is extended or replaced; its folder is an input."""

    folder: Path = Field(json_schema_extra=NOT_IDENTITY)
    tokenizer: TokenizerConfig


class PhaseTraining(Config):
    """Everything that one phase of training needs to know.

    folder: of the pretrained model, if any; its files are an input. penalty_tokens: micro_tokens if
    experts have a load-balancing penalty, which is a square within each micro-batch. prompts: a
    file whose first lines are continued during training, if any. exports: formats that must be able
    to hold the model. is_last: whether its adapter, if it has one, must fit into them, too.
    """

    model: AnyModelConfig
    folder: Path | None = Field(json_schema_extra=NOT_IDENTITY)
    pack: PackConfig
    phase: TrainConfig
    seed: int
    penalty_tokens: int | None = None
    prompts: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    exports: tuple[Export, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    is_last: bool = Field(default=True, json_schema_extra=NOT_IDENTITY)


class ExportConfig(Config):
    """An export of the finished model, and what its README says of it.

    licenses: of the sources that say one, by name. training: what an adapter's base was read for,
    if it is a folder, whose files are an input.
    """

    export: Export
    name: str
    language: str
    licenses: dict[str, str] | None = None
    training: PhaseTraining | None = Field(default=None, json_schema_extra=NOT_IDENTITY)


class EvaluationConfig(Config):
    """An evaluation of the finished model.

    files: the one that it names, if any; an input. folder: of the pretrained model that was trained
    further, if any, which is scored beside it; an input, too.
    """

    evaluation: Evaluation
    folder: Path | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    files: tuple[Path, ...] = Field(json_schema_extra=NOT_IDENTITY)
    pack: PackConfig
    seed: int
