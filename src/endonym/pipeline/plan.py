"""The plan: every stage that a recipe needs, in order.

The data stages are planned when the vocabulary is chosen; the others when the tokens are counted
and every key of training has a value. A stage receives its own config and its inputs, but neither
the recipe nor other stages (`pipeline/execute.py` calls it). Its identity is the hash of the same
two. Paths in a config are not hashed: the inputs hash the contents of these files.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

from endonym.autopilot.model_size import Facts
from endonym.autopilot.resolve import ResolvedTraining
from endonym.autopilot.run_time import judged_tokens
from endonym.autopilot.teachers import kept_bytes
from endonym.config import Config, identity
from endonym.copies.notes import distinct_names
from endonym.data.config import CHATML_NAME
from endonym.data.example_tokens import ExampleTokens
from endonym.data.shards import TokenShards
from endonym.data.teacher_cache import MORE_ROOM, cache_bytes, lack_of_room
from endonym.export.config import Content
from endonym.export.history import is_of_split
from endonym.export.shapes import folder_shape
from endonym.formats.files import RawSet
from endonym.model.config import ExpertsConfig, ModelConfig
from endonym.model.foreign.folder import folder_files, require_rows
from endonym.pipeline import stages
from endonym.pipeline.sources import file_identity, hash_once
from endonym.pipeline.stage import (
    BEFORE,
    MEMBER,
    ChangedTokenizer,
    CorpusConfig,
    EvaluationConfig,
    ExamplesConfig,
    ExportConfig,
    NamedFiles,
    PhaseTraining,
    PretrainedFiles,
    PretrainedTokenizer,
    Stage,
    TeacherConfig,
)
from endonym.recipe.recipe import Recipe
from endonym.seed import named_seed
from endonym.store import MANIFEST, Store, open_artifact
from endonym.survey.raw_files import is_written
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import Phase

TEACHER = "teacher of "
"""How the stages begin that keep what the teacher of a phase expects."""
MADE = {"minimal_pairs": "minimal pairs", "writing": "writing", "typing": "typing"}
"""How splits of scores begin whose texts are made; the file or split that they are of follows."""
SPEED_NAME = "evaluation speed"
"""How the evaluations are called that measure exports, and come after them."""


class DataStages(NamedTuple):
    """The stages that are made before the keys of training are resolved.

    folder: the pretrained model, if any. files: other files that the recipe names, by path.
    """

    sources: list[Stage]
    folder: Stage | None
    files: dict[Path, Stage]
    corpus: Stage
    tokenizer: Stage
    shards: Stage

    def renewed(self, renew: Callable[[Stage], Stage]) -> "DataStages":
        """The same with other stages in the place of each. renew: as of `Fresh.renewed`."""
        return DataStages(
            sources=[*map(renew, self.sources)],
            folder=self.folder and renew(self.folder),
            files={path: renew(each) for path, each in self.files.items()},
            corpus=renew(self.corpus),
            tokenizer=renew(self.tokenizer),
            shards=renew(self.shards),
        )

    def all(self) -> list[Stage]:
        """Every one, in order."""
        folder = [self.folder] if self.folder else []
        computed = [self.corpus, self.tokenizer, self.shards]
        return [*self.sources, *folder, *self.files.values(), *computed]


def plan_data(recipe: Recipe, raw: Sequence[RawSet], tokenizer: TokenizerConfig) -> DataStages:
    """Sources, corpus, tokenizer and shards.

    raw: the hashed files of the recipe's sources, in its order.
    """
    sources = [Stage(f"source {each.source.name}", "source", each, stages.source) for each in raw]
    files: dict[Path, Stage] = {}
    for path in named_files(recipe):
        named = NamedFiles(paths=(path,), files=(file_identity(path),))
        files[path] = Stage(f"source {path.name}", "source", named, stages.named_files)
    for teacher in recipe.teachers:
        files[teacher] = pretrained_stage(teacher, recipe)
    contrast = recipe.clean.contrast_files(recipe.folder)
    inputs = {stage.name: stage for stage in sources}
    inputs |= {f"contrast {path.name}": files[path] for path in contrast}
    inputs |= evaluation_inputs(recipe, files)
    config = CorpusConfig(
        order=tuple(each.source.name for each in raw),
        sources=tuple(raw),
        contrast=tuple(contrast),
        evaluation=tuple(recipe.evaluation_texts),
        tasks=recipe.task_places or None,
        clean=recipe.clean,
        own_rules=recipe.own_rules,
        split=recipe.split.resolved(),
    )
    corpus = Stage("corpus", "corpus", config, stages.corpus, inputs)
    folder = recipe.model_folder
    pretrained = pretrained_stage(folder, recipe) if folder else None
    inputs = {"corpus": corpus, **({"folder": pretrained} if pretrained else {})}
    if folder is None:
        ids = Stage("tokenizer", "tokenizer", tokenizer, stages.tokenizer, inputs)
    elif recipe.keeps_tokenizer:
        kept = PretrainedTokenizer(folder=folder)
        ids = Stage("tokenizer", "tokenizer", kept, stages.pretrained_tokenizer, inputs)
    else:
        changed = ChangedTokenizer(folder=folder, tokenizer=tokenizer)
        ids = Stage("tokenizer", "tokenizer", changed, stages.changed_tokenizer, inputs)
    inputs = {"corpus": corpus, "tokenizer": ids}
    shards = Stage("shards", "shards", Config(), stages.shards, inputs)
    return DataStages(sources, pretrained, files, corpus, ids, shards)


def evaluation_inputs(recipe: Recipe, files: dict[Path, Stage]) -> dict[str, Stage]:
    """Inputs of a stage: the files that judge models, of which it may learn nothing, by name."""
    return {f"evaluation text {n}": files[path] for n, path in enumerate(recipe.evaluation_texts)}


def plan_examples(recipe: Recipe, data: DataStages, context: int) -> dict[int, Stage]:
    """The examples of each phase that learns from conversations or preference pairs, by its number.

    context: positions of a row.
    """
    examples: dict[int, Stage] = {}
    for number, phase in enumerate(recipe.phase):
        if phase.objective in ("next_token", "autocorrect"):
            continue
        paths = tuple(recipe.data_files(number))
        file = recipe.template_file
        config = ExamplesConfig(
            paths=paths,
            evaluation=tuple(recipe.evaluation_texts),
            template_file=file,
            template=CHATML_NAME if recipe.chat.template == CHATML_NAME else None,
            written=tuple(path.name for path in paths if is_written(path)) or None,
            objective=phase.objective,
            context=context,
            val_share=recipe.chat.val_share,
            max_rejected=recipe.chat.max_rejected,
            seed=recipe.split.seed,
            columns=phase.columns,
        )
        inputs = {f"data {n}": data.files[path] for n, path in enumerate(paths)}
        inputs |= {"template": data.files[file]} if file is not None else {}
        inputs |= evaluation_inputs(recipe, data.files)
        inputs |= {"corpus": data.corpus, "tokenizer": data.tokenizer}
        # What an earlier phase holds out, no later one learns.
        if examples:
            inputs["examples before"] = examples[max(examples)]
        name = f"examples {phase.name}"
        examples[number] = Stage(name, "examples", config, stages.examples, inputs)
    return examples


def plan_training(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> list[Stage]:
    """Examples, phases, and the evaluations and exports of the last phase's model, in order.

    Evaluations of speed come last, as they measure the exports, too.
    """
    models = model_stages(recipe, data, training)
    model = models[-1]
    # The recipe's evaluations of the finished model.
    evaluations: list[Stage] = []
    named = zip(evaluation_names(recipe), task_names(recipe), recipe.evaluate, strict=True)
    for name, task, each in named:
        files = tuple(each.files(recipe.folder))
        inputs = {"model": model, "shards": data.shards}
        inputs |= {f"file {n}": data.files[path] for n, path in enumerate(files)}
        folder = training.folder if each.kind == "bits" else None
        inputs |= {"folder": data.folder} if folder and data.folder else {}
        before = None if folder or each.kind != "bits" else model_of_texts(model)
        if each.kind == "bits":
            members = enumerate(members_beside(model), 1)
            inputs |= {f"{MEMBER}{number}": member for number, member in members}
        inputs |= {BEFORE: before} if before is not None and before is not model else {}
        is_chat = each.kind == "prompts" and each.chat is None and recipe.learns_answers
        asked = each.model_copy(update={"chat": True}) if is_chat else each
        config = EvaluationConfig(
            evaluation=asked,
            folder=folder,
            files=files,
            pack=training.pack,
            seed=training.seed,
            tokens=judged_tokens(each, training),
            task=task,
            language=recipe.language if each.kind == "probe" else None,
        )
        evaluations.append(Stage(name, "evaluation", config, stages.evaluation, inputs))
    speeds = [evaluation for evaluation in evaluations if evaluation.name.startswith(SPEED_NAME)]
    others = [evaluation for evaluation in evaluations if evaluation not in speeds]
    inputs = {"model": model, "shards": data.shards}
    scores = {each.name: each for each in others if is_of_split(identity(each.config))}
    licenses = {each.name: each.license for each in recipe.source if each.license} or None
    synthetic = tuple(each.name for each in recipe.source if each.synthetic) or None
    exports = list[Stage]()
    of_corpus = list[Stage]()
    adapters = list[Stage]()
    for export in recipe.export:
        config = ExportConfig(
            export=export,
            name=recipe.name,
            language=recipe.language,
            licenses=licenses,
            synthetic=synthetic,
        )
        stage = partial(Stage, f"export {export.format}", "export")
        match export.row.content:
            case "corpus":  # needs no model, and comes before it
                of_corpus.append(stage(config, stages.export_corpus, {"corpus": data.corpus}))
            case "adapter":  # proven on the weights that the first of adapted phases began with
                # A folder is read with the tokenizer of the recipe, which may have changed its ids.
                first = first_adapted(model)
                names = ("start",) if "start" in first.inputs else ("folder", "tokenizer")
                base = {name: first.inputs[name] for name in names}
                config = config.model_copy(update={"training": first.config})
                adapters.append(stage(config, stages.export_adapter, {**inputs, **base}))
            case "model":
                exports.append(stage(config, stages.export, {**inputs, **scores}))
    exports_by_name = {each.name: each for each in exports}
    speeds = [replace(speed, inputs={**speed.inputs, **exports_by_name}) for speed in speeds]
    examples = plan_examples(recipe, data, training.pack.context).values()
    trained = with_teachers(models)
    return [*of_corpus, *examples, *trained, *others, *exports, *adapters, *speeds]


def pretrained_stage(folder: Path, recipe: Recipe) -> Stage:
    """The stage of the files of a model to go on from, or of a teacher.

    Raises ShapeError if it cannot read rows as long as the recipe says, and Damaged if it is an
    artefact whose files are not those of its manifest.
    """
    if (folder / MANIFEST).is_file():
        open_artifact(folder).verify(hash_once)
    if recipe.pack.context is not None:
        require_rows(folder_shape(folder), recipe.pack.context)
    paths = tuple(folder_files(folder))
    files = tuple(file_identity(path) for path in paths)
    config = PretrainedFiles(folder=folder, paths=paths, files=files)
    return Stage(f"source {folder.name}", "source", config, stages.pretrained)


def named_files(recipe: Recipe) -> list[Path]:
    """The files that evaluations, cleaning and phases name, each once."""
    evaluated = [path for each in recipe.evaluate for path in each.files(recipe.folder)]
    contrast = recipe.clean.contrast_files(recipe.folder)
    data = [path for number in range(len(recipe.phase)) for path in recipe.data_files(number)]
    if recipe.template_file is not None and data:
        data.append(recipe.template_file)
    return list(dict.fromkeys([*contrast, *evaluated, *recipe.evaluation_texts, *data]))


def model_stages(recipe: Recipe, data: DataStages, training: ResolvedTraining) -> list[Stage]:
    """A stage for each phase of training; it starts from the one before, unless the recipe says
    otherwise."""
    models: list[Stage] = []
    prompts = tuple(
        path for each in recipe.evaluate for path in each.files(recipe.folder, "prompts")
    )
    examples = plan_examples(recipe, data, training.pack.context)
    ffns = training.model.ffns if isinstance(training.model, ModelConfig) else ()
    experts = [ffn for ffn in ffns if isinstance(ffn, ExpertsConfig)]
    has_penalty = any(each.balance == "penalty" for each in experts)
    for number, (keys, phase) in enumerate(zip(recipe.phase, training.phases, strict=True)):
        inputs = {"tokenizer": data.tokenizer, "shards": data.shards}
        if number in examples:
            inputs["examples"] = examples[number]
        if models and keys.start == "previous":
            inputs["start"] = models[-1]
        elif data.folder is not None:
            inputs["folder"] = data.folder
        config = PhaseTraining(
            model=training.model,
            folder=training.folder,
            pack=training.pack,
            phase=phase,
            seed=training.seed,
            penalty_tokens=phase.execution.micro_tokens if has_penalty else None,
            prompts=prompts[:1],
            exports=recipe.export,
            is_last=number == len(recipe.phase) - 1,
            is_joined=True
            if phase.adapt and "start" in inputs and is_adapted(models[-1])
            else None,
            teacher=recipe.teacher_folder(number),
        )
        taught = {**inputs, **teacher_inputs(keys, config, inputs, data)}
        name = f"model {phase.name}"
        models.append(Stage(name, "model", config, stages.model, taught, resumes=True))
    return models


def is_adapted(model: Stage) -> bool:
    """Whether a phase trains adapters."""
    assert isinstance(model.config, PhaseTraining), "of a model"
    return model.config.phase.adapt is not None


def first_adapted(model: Stage) -> Stage:
    """The first of the adapted phases in a row that end with this one."""
    before = model.inputs.get("start")
    return model if before is None or not is_adapted(before) else first_adapted(before)


def teacher_inputs(
    keys: Phase, config: PhaseTraining, inputs: Mapping[str, Stage], data: DataStages
) -> dict[str, Stage]:
    """What a phase learns from beside its text: its teachers, or what was kept of them.

    Members are this training under other seeds, without a teacher.
    """
    distill = config.phase.distill
    phase = config.phase
    if distill is None:
        return {}
    teachers = {"teacher": data.files[config.teacher]} if config.teacher else {}
    for number in range(1, (keys.members or 0) + 1):
        member = config.model_copy(
            update={
                "phase": phase.but(distill=None, keep_steps=None),
                "seed": named_seed(config.seed, "member", number),
                "exports": (),
            }
        )
        name = f"member {number} of {phase.name}"
        stage = Stage(name, "member", member, stages.model, dict(inputs), resumes=True)
        teachers[f"teacher {number}"] = stage
    if distill.live:
        return teachers
    read = {name: inputs[name] for name in ("shards", "examples", "tokenizer") if name in inputs}
    assert isinstance(data.corpus.config, CorpusConfig), "of a corpus"
    some = tuple(sorted(phase.shares))
    every = set(data.corpus.config.order)
    kept = TeacherConfig(
        folder=config.teacher,
        pack=config.pack,
        top_k=distill.top_k,
        seed=config.seed,
        sources=some if some and set(some) != every else None,
    )
    name = f"{TEACHER}{phase.name}"
    return {"teacher": Stage(name, "teacher", kept, stages.teacher, {**read, **teachers})}


def teacher_bytes(teacher: Stage, store: Store) -> int:
    """What will be kept of a teacher. Its shards and examples are in the store."""
    assert isinstance(teacher.config, TeacherConfig), "of a teacher"
    sources = [teacher.inputs[name] for name in ("examples", "shards") if name in teacher.inputs]
    read = store.find(sources[0].kind, sources[0].id)
    assert read is not None, "made before training is planned"
    if sources[0].kind == "examples":
        tokens = ExampleTokens(read.folder, "train")
        places = len(tokens.ids)
        vocab = tokens.vocab
    else:
        shards = TokenShards(read.folder, "train")
        places = shards.n_places(teacher.config.sources)
        vocab = shards.vocab
    return cache_bytes(places, teacher.config.top_k, vocab)


def room_warnings(
    recipe: Recipe, store: Store, facts: Facts, vocab: int, *, made: Collection[str] = ()
) -> list[str]:
    """A warning if the disk has no room for what will be kept of teachers, as far as it is known.

    facts: perhaps estimated. made: names of stages that are there already.
    """
    kept = kept_bytes(recipe, facts, vocab).items()
    needed = sum(size for phase, size in kept if f"{TEACHER}{phase}" not in made)
    lack = lack_of_room(store.root, needed)
    return [f"{lack}, as far as is known now. {MORE_ROOM}"] if lack else []


def with_teachers(models: Sequence[Stage]) -> list[Stage]:
    """Models, each after its members and what is kept of its teacher."""
    found: list[Stage] = []
    for model in models:
        kept = [each for each in model.inputs.values() if each.kind == "teacher"]
        found += [*members_of(model), *kept, model]
    return found


def members_of(model: Stage) -> list[Stage]:
    """The members of a model's phase, if it has any."""
    teachers = model.inputs
    if (kept := teachers.get("teacher")) is not None:
        teachers = kept.inputs
    return [each for each in teachers.values() if each.kind == "member"]


def members_beside(model: Stage) -> list[Stage]:
    """The members that are scored beside a model: of its phase, or else of the last one of texts.

    None of them if neither phase has any.
    """
    of_texts = model_of_texts(model)
    return members_of(model) or (members_of(of_texts) if of_texts else [])


def model_of_texts(model: Stage) -> Stage | None:
    """This model, or the one before its conversations and pairs, which learnt from texts last."""
    found: Stage | None = model
    while found is not None and not is_of_texts(found):
        found = found.inputs.get("start")
    return found


def is_of_texts(model: Stage) -> bool:
    """Whether a phase reads texts."""
    assert isinstance(model.config, PhaseTraining), "of a model"
    return model.config.phase.reads_texts


def evaluation_names(recipe: Recipe) -> list[str]:
    """What the evaluations are called: by kind and split, with a number if that is not enough."""
    names: list[str] = []
    for number, each in enumerate(recipe.evaluate):
        is_dev = each.kind == "bits" and each.split == "dev" and each.file is None
        name = f"evaluation {each.kind}" + " dev" * is_dev
        names.append(f"{name} {number}" if name in names else name)
    return names


def task_names(recipe: Recipe) -> list[str | None]:
    """Of each evaluation of items or of writing the split of its scores; None of others.

    A file has the end of its name as the recipe writes it: the recipe's own folder is nowhere in an
    identity.
    """
    kinds = ("task", "probe")
    tasks = [PurePath(each.file or "") for each in recipe.evaluate if each.kind in kinds]
    names = iter(distinct_names(tasks))
    return [
        next(names)
        if each.kind in kinds
        else f"{MADE[each.kind]}, {each.file or each.split}"
        if each.kind in MADE
        else None
        for each in recipe.evaluate
    ]


def names_of_phase(phase: Phase) -> list[str]:
    """The stages that train a phase, in order."""
    members = range(1, (phase.members or 0) + 1)
    is_kept = members or phase.distill
    is_live = phase.distill is not None and phase.distill.live
    return [
        *(f"member {number} of {phase.name}" for number in members),
        *[f"{TEACHER}{phase.name}"] * bool(is_kept and not is_live),
        f"model {phase.name}",
    ]


def stage_names(recipe: Recipe) -> list[str]:
    """The name of every stage, in order, without planning any; its first word is its kind."""

    def exports(content: Content) -> list[str]:
        matching = [each for each in recipe.export if each.row.content == content]
        return [f"export {each.format}" for each in matching]

    folders = [*([recipe.model_folder] if recipe.model_folder else []), *recipe.teachers]
    sources = [each.name for each in (*recipe.source, *folders, *named_files(recipe))]
    evaluations = evaluation_names(recipe)
    return [
        *(f"source {name}" for name in sources),
        *("corpus", "tokenizer", "shards"),
        *(f"examples {phase.name}" for phase in recipe.phase if not phase.reads_texts),
        *exports("corpus"),
        *(name for phase in recipe.phase for name in names_of_phase(phase)),
        *(name for name in evaluations if not name.startswith(SPEED_NAME)),
        *exports("model"),
        *exports("adapter"),
        *(name for name in evaluations if name.startswith(SPEED_NAME)),
    ]
