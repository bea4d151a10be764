"""What a stage is: its identity, the config that is hashed, and where it reads and writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from endonym.config import NOT_IDENTITY, Config, identity
from endonym.data.config import ExampleSettings, PackConfig
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.formats.config import Clean, Split
from endonym.formats.files import RawSet
from endonym.log import Log
from endonym.model.foreign.folder import AnyModelConfig
from endonym.pipeline.metrics import Metrics
from endonym.store import Artifact, fingerprint
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import TrainConfig

VERSIONS = {
    "source": 3,
    "corpus": 23,
    "tokenizer": 5,
    "shards": 5,
    "examples": 15,
    "model": 11,
    "teacher": 1,
    "evaluation": 24,
    "export": 21,
}
"""Raise a stage's version when you change what it produces."""
VERSIONS["member"] = VERSIONS["model"]
Numbers = dict[str, Any]
"""What a stage counted, for the manifest."""
BEFORE = "before"
"""The name of the scores, and of the input, of the model that training went on from."""
MEMBER = "member "
"""How the inputs of an evaluation begin that are members of the model's phase."""
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

Every config below is hashed. NOT_IDENTITY marks what inputs identify, and what changes no output.
"""


@dataclass(frozen=True, eq=False)
class Stage:
    """A pure function from a config and inputs to one artefact: `make(config, context)`.

    resumes: after a kill it continues from its checkpoints, so its journal is kept. fresh: what the
    identity also holds, if the artefact was asked for again (`pipeline/made_by.py`).
    """

    name: str
    kind: str
    config: Config
    make: StageFunction
    inputs: dict[str, "Stage"] = field(default_factory=dict)
    resumes: bool = False
    fresh: str | None = None

    @cached_property
    def id(self) -> str:
        """The hash of everything that determines the artefact."""
        return fingerprint(self.declared())

    def declared(self) -> dict[str, Any]:
        """Kind, version, config and the inputs' identities."""
        fresh = {} if self.fresh is None else {"fresh": self.fresh}
        return {
            **fresh,
            "stage": self.kind,
            "version": VERSIONS[self.kind],
            "config": identity(self.config),
            "inputs": {name: stage.id for name, stage in sorted(self.inputs.items())},
        }


class NamedFiles(Config):
    """Files that a recipe names beside its sources. files: name and SHA-256 of each."""

    paths: tuple[Path, ...] = Field(json_schema_extra=NOT_IDENTITY)
    files: tuple[dict[str, str], ...]


class PretrainedFiles(NamedFiles):
    """The files of a pretrained model in a folder. kept: what models that go on from it keep."""

    folder: Path = Field(json_schema_extra=NOT_IDENTITY)
    kept: str = "origin"


class CorpusConfig(Config):
    """How sources become a corpus.

    order: names of the sources, whose files are inputs. contrast: files in other languages;
    evaluation: files whose texts must not stand in it; both are inputs, too. tasks: the places of
    files of items among the latter. own_rules: what `clean` becomes for the sources that change it.
    """

    order: tuple[str, ...]
    sources: tuple[RawSet, ...] = Field(json_schema_extra=NOT_IDENTITY)
    contrast: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    evaluation: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    tasks: tuple[int, ...] | None = None
    clean: Clean
    own_rules: dict[str, Clean] | None = None
    split: Split


class PretrainedTokenizer(Config):
    """The tokenizer of a pretrained model, whose folder is an input.

    texts_start: what stands before a text; earlier versions of endonym put eos or bos there.
    """

    folder: Path = Field(json_schema_extra=NOT_IDENTITY)
    texts_start: Literal["as in the folder"] = "as in the folder"


class ExamplesConfig(ExampleSettings):
    """How a phase's conversations or preference pairs become examples.

    paths, template_file: inputs. template: the name of one of endonym's own, if the recipe says so.
    Without both it is the tokenizer's, or ChatML. evaluation: files that judge the model, inputs
    as well. written: the names of those of `paths` that `endonym write` wrote.
    """

    paths: tuple[Path, ...] = Field(json_schema_extra=NOT_IDENTITY)
    evaluation: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    template_file: Path | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    template: str | None = None
    written: tuple[str, ...] | None = None


class ChangedTokenizer(Config):
    """How a pretrained model's tokenizer is extended or replaced; its folder is an input.

    texts_start: as in PretrainedTokenizer.
    """

    folder: Path = Field(json_schema_extra=NOT_IDENTITY)
    tokenizer: TokenizerConfig
    texts_start: Literal["as in the folder"] = "as in the folder"


class PhaseTraining(Config):
    """Everything that one phase of training needs to know.

    folder: of the pretrained model, if any; its files are an input. penalty_tokens: micro_tokens if
    experts have a load-balancing penalty, which is a square within each micro-batch. prompts: a
    file whose first lines are continued during training, if any. exports: formats that must be able
    to hold the model. is_last: whether its adapter, if it has one, must fit into them, too.
    teacher: the folder of a teacher that reads the batches as well; an input. is_joined: True if
    the phase before has adapters, too: both become one adapter of the base of that phase.
    """

    model: AnyModelConfig
    folder: Path | None = Field(json_schema_extra=NOT_IDENTITY)
    pack: PackConfig
    phase: TrainConfig
    seed: int
    penalty_tokens: int | None = None
    is_joined: bool | None = None
    prompts: tuple[Path, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    exports: tuple[Export, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    is_last: bool = Field(default=True, json_schema_extra=NOT_IDENTITY)
    teacher: Path | None = Field(default=None, json_schema_extra=NOT_IDENTITY)


class TeacherConfig(Config):
    """What is kept of a teacher, whose folder is an input. sources: only these, if not None."""

    folder: Path | None = Field(json_schema_extra=NOT_IDENTITY)
    pack: PackConfig
    top_k: int
    seed: int
    sources: tuple[str, ...] | None = None


class ExportConfig(Config):
    """An export of the finished model, and what its README says of it.

    licenses: of the sources that say one, by name. synthetic: sources that no person wrote.
    training: what an adapter's base was read for, if it is a folder, whose files are an input.
    """

    export: Export
    name: str
    language: str
    licenses: dict[str, str] | None = None
    synthetic: tuple[str, ...] | None = None
    training: PhaseTraining | None = Field(default=None, json_schema_extra=NOT_IDENTITY)


class EvaluationConfig(Config):
    """An evaluation of the finished model.

    files, folder: inputs; the latter is the pretrained model that is scored beside it. tokens: of
    held-out text, at most. task: the split of items' scores. language: of a probe's records.
    """

    evaluation: Evaluation
    folder: Path | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    files: tuple[Path, ...] = Field(json_schema_extra=NOT_IDENTITY)
    pack: PackConfig
    seed: int
    tokens: int | None = None
    task: str | None = None
    language: str | None = None
