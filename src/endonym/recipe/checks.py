"""Checks across keys: repeated names, sizes that do not fit, missing files, a base without a model.

The checks read each part by itself, so that they also run on a recipe with other mistakes.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from endonym.data.config import CHATML_NAME, Chat, Pack, read_template
from endonym.device import program
from endonym.disk import is_file, packaged_tables
from endonym.errors import (
    EndonymError,
    ExportError,
    MissingSource,
    RecipeError,
    ShapeError,
    did_you_mean,
    quoted,
)
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.export.shapes import ROW_OF
from endonym.formats.config import OF_THE_WHOLE, REST, Clean, Source
from endonym.formats.files import files_named, source_files
from endonym.log import QUIET, Log
from endonym.model.adapt_config import require_adaptable
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.families import resolve, without_heads
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.prune_config import shape_without
from endonym.recipe.messages import AnyConfig, findings, validated
from endonym.recipe.problems import Problem
from endonym.recipe.text import KeyPath
from endonym.script.languages import language_name, usual_script
from endonym.store import MANIFEST, PLAN, Store, read_plan
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.train.config import Phase


def base_model(named: Path, where: str = "model.folder") -> Path:
    """The folder with the `config.json` that a key such as this means: of a run, of its last phase.

    named: a run, a model artefact or a transformers folder. Raises RecipeError if there is none,
    or none yet.
    """
    if is_file(named / "config.json"):
        return named
    if not is_file(named / PLAN):
        what = "holds no model" if os.path.exists(named) else "is not there"  # noqa: PTH110
        message = f"{named.name} {what}"
        do = (
            "Name a run's folder (runs/NAME), a model artefact (store/model/ID) or a folder in "
            "the transformers format: its path starts at the recipe's folder."
        )
        raise RecipeError(message, where=where, do=do)
    plan = read_plan(named)
    store = Store((named / plan["store"]).resolve())
    models = [each["id"] for each in plan["stages"] if each["stage"] == "model"]
    last_model = store.folder("model", models[-1] if models else "none")
    if not store.root.is_dir():
        message = f"the store of the run {named.name} is not found: it should be {store.root}"
        do = "Put the run back beside its store, or name the model's artefact: STORE/model/ID."
    elif not (last_model / MANIFEST).is_file():
        message = f"the run {named.name} has no finished model yet"
        do = f"Finish it: {program()} run {quoted(os.path.relpath(named))}"
    else:
        return last_model
    raise RecipeError(message, where=where, do=do)


PROBLEMS: dict[str, list[str]] = packaged_tables("endonym.recipe", "checks.toml")["problems"]
"""Of each kind of problem what is wrong, and what to do."""
SHARES_TOLERANCE = 1e-6
ASSUMED_VOCAB = 512
ASSUMED_CONTEXT = 64
"""Used to check a shape before they are chosen; the result does not depend on them."""
LONGEST_RUN_NAME_BYTES = 200
"""File systems allow 255 bytes, and files beside a run's folder add to its name."""


class Parts:
    """The tables of a recipe that are valid by themselves.

    model: None if it is not valid; other tables have their defaults then. Items of lists have their
    numbers; those that are not valid are left out.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.model = _part(ModelKeys, data.get("model", {}))
        self.tokenizer = _part(TokenizerConfig, data.get("tokenizer")) or TokenizerConfig()
        self.pack = _part(Pack, data.get("pack")) or Pack()
        self.clean = _part(Clean, data.get("clean")) or Clean()
        self.chat = _part(Chat, data.get("chat")) or Chat()
        self.sources = _items(data, "source", Source)
        self.phases = _items(data, "phase", Phase)
        self.evaluations = _items(data, "evaluate", Evaluation)
        self.exports = _items(data, "export", Export)
        # Whether training goes on from a model in a folder.
        self.is_continued = self.model is not None and self.model.folder is not None


def contradictions(data: Mapping[str, Any], variant: str | None) -> list[Problem]:
    """Values that are valid one by one and contradict one another."""
    parts = Parts(data)
    of_texts = (_repeated_names, _own_rules, _single_characters, _wrong_sources, _small_batches)
    of_the_model = (_flops_of_no_shape, _shape, _beside_a_folder)
    of_phases = (_answers, _typed_words, _texts_of_none, _refinements_of_nothing)
    of_exports = (_exports_of_no_adapter, _keyboard_exports, _keyboard_code)
    checks = (*of_texts, *of_the_model, *of_phases, *of_exports)
    problems: list[Problem] = []
    if len(f"{data.get('name', '')}@{variant or ''}".encode()) > LONGEST_RUN_NAME_BYTES:
        problems.append(_problem("long_name", ("name",), bytes=LONGEST_RUN_NAME_BYTES))
    return problems + [problem for check in checks for problem in check(parts)]


def _problem(
    kind: str, path: KeyPath, /, *about: KeyPath, at_value: bool = True, **words: Any
) -> Problem:
    """A problem of this kind. about: other keys involved. words: for the braces of its text."""
    message, do = (text.format(**words) for text in PROBLEMS[kind])
    return Problem(path, message, do, at_value=at_value, about=about)


def _problem_of(error: EndonymError, path: KeyPath, *about: KeyPath) -> Problem:
    """An error as a problem of the value at a path. about: other keys involved."""
    return Problem(path, f"{error.message}.", error.do, at_value=True, about=about)


def missing_files(data: Mapping[str, Any], folder: Path) -> Iterator[Problem]:
    """Missing files of evaluations and of cleaning, and folders without a model."""
    parts = Parts(data)
    yield from _missing_models(parts, folder)
    for number, pattern in enumerate(parts.clean.contrast):
        if not Clean(contrast=(pattern,)).contrast_files(folder):
            yield _problem("contrast", ("clean", "contrast", number), pattern=pattern)
    for pattern in files_named(parts.clean.decontaminate, folder)[1]:
        yield _problem("decontaminate", ("clean", "decontaminate"), pattern=pattern)
    yield from _unfit_template(parts.chat.template, folder)
    for number, each in parts.evaluations:
        if not all(is_file(file) for file in each.files(folder)):
            yield _problem("evaluated_file", ("evaluate", number, "file"), file=each.file)


def _missing_models(parts: Parts, folder: Path) -> Iterator[Problem]:
    """A model to go on from, or a teacher, that is not there."""
    named: dict[KeyPath, str | None] = {}
    if parts.model is not None:
        named[("model", "folder")] = parts.model.folder
    for number, phase in parts.phases:
        named[("phase", number, "distill", "model")] = phase.distill and phase.distill.model
    for path, name in named.items():
        if name is not None:
            try:
                base_model(folder / name)
            except RecipeError as error:
                yield _problem_of(error, path)


def _unfit_template(named: str | None, folder: Path) -> Iterator[Problem]:
    """A chat template that is missing, no text, or cannot be filled in."""
    if named in (None, CHATML_NAME):
        return
    path = ("chat", "template")
    if not is_file(folder / named):
        yield _problem("template_file", path, file=named, usual=CHATML_NAME)
        return
    from endonym.tokenizer.chat_template import ANSWERING, ChatTemplate

    try:
        # The names of the tokens do not matter here; the tokenizer is not made yet.
        template = ChatTemplate(read_template(folder / named), "<|begin|>", "<|end|>")
        template.parts([(("user", ANSWERING), False)])
    except RecipeError as error:
        error.do = error.do or "Repair the template; it is tried with a question and its answer."
        yield _problem_of(error, path)


def missing_sources(
    sources: Sequence[Source],
    phases: Sequence[Phase],
    folder: Path,
    log: Log = QUIET,
    *,
    but: Collection[str] = (),
) -> Iterator[Problem]:
    """The problems of sources, and of `data` of phases, whose path matches no file.

    log: told of what is fetched. but: names of sources and phases that need no file.
    """
    for number, source in enumerate(sources):
        if source.name in but:
            continue
        try:
            source_files(source, folder, log=log)
        except MissingSource as error:
            yield _problem_of(error, ("source", number, "path"))
    for number, phase in enumerate(phases):
        for pattern in files_named(phase.data_patterns, folder)[1] if phase.name not in but else ():
            place = ("phase", number, "data")
            yield _problem("data_file", place, pattern=pattern, phase=phase.name)


def _part(config: type[AnyConfig], value: Any) -> AnyConfig | None:
    """A part of the recipe as its config; None if it is not valid."""
    if not isinstance(value, dict):
        return None
    try:
        return validated(config, value)
    except ValidationError:
        return None


def _items(
    data: Mapping[str, Any], key: str, config: type[AnyConfig]
) -> list[tuple[int, AnyConfig]]:
    """The valid items of a list of tables, with their numbers."""
    items = data.get(key, [])
    tables = enumerate(items) if isinstance(items, list) else ()
    return [(n, part) for n, item in tables if (part := _part(config, item)) is not None]


def _repeated_names(parts: Parts) -> Iterator[Problem]:
    """Names of sources and of phases are unique."""
    for key, items in (("source", parts.sources), ("phase", parts.phases)):
        seen: dict[str, int] = {}
        for number, item in items:
            first = seen.setdefault(item.name, number)
            if first != number:
                path = (key, number, "name")
                numbers: dict[str, Any] = {"number": number + 1, "first": first + 1}
                yield _problem("repeated_name", path, key=key, name=item.name, **numbers)


def named_sources(parts: Parts) -> list[tuple[KeyPath, Any]]:
    """Every key that names sources, with their names, or with shares by name; None without any."""
    uses: list[tuple[KeyPath, Any]] = [(("tokenizer", "sources"), parts.tokenizer.sources or None)]
    uses += [(("pack", "join"), parts.pack.join)]
    replaced = enumerate(parts.clean.replace or ())
    uses += [(("clean", "replace", number, "sources"), each.sources) for number, each in replaced]
    return uses + [(("phase", number, "sources"), phase.sources) for number, phase in parts.phases]


def _wrong_sources(parts: Parts) -> Iterator[Problem]:
    """Keys that name sources name those of the recipe, and shares are parts of one whole."""
    tables = parts.data.get("source")
    names = None
    if isinstance(tables, list):
        names = [table.get("name") for table in tables if isinstance(table, dict)]
    for path, sources in named_sources(parts):
        known = [*(names or ()), *([REST] if isinstance(sources, dict) else ())]
        for name in sources or ():
            if names is not None and name not in known:
                yield _problem("unknown_source", path, name=name, known=", ".join(map(str, names)))
        if isinstance(sources, dict):
            total = sum(sources.values())
            if abs(total - 1) > SHARES_TOLERANCE:
                yield _problem("shares", path, table=path[0], total=total)
        elif path[0] == "phase" and sources is not None and len({*sources}) < max(1, len(sources)):
            yield _problem("repeated_source", path)


def _own_rules(parts: Parts) -> Iterator[Problem]:
    """Keys of [clean] in a source are right in their place there; those of all texts are not."""
    of_all = parts.data.get("clean", {})
    for number, source in parts.sources:
        path = ("source", number, "clean")
        own = source.clean or {}
        unfit = [key for key in own if key in OF_THE_WHOLE or key not in Clean.model_fields]
        for key in unfit:
            near = did_you_mean(key, [*Clean.model_fields])
            kind = "of_the_whole" if key in OF_THE_WHOLE else "no_rule"
            yield _problem(kind, (*path, key), at_value=False, key=key, near=near)
        if unfit or not own or not isinstance(of_all, dict) or findings(Clean, of_all):
            continue
        for each in findings(Clean, {**of_all, **own}):
            yield replace(each, path=(*path, *each.path))


def _single_characters(parts: Parts) -> Iterator[Problem]:
    """A byte tokenizer has a fixed vocabulary; tokens of one character or byte are not split."""
    kind = parts.tokenizer.kind
    vocab = parts.tokenizer.vocab
    for number, phase in parts.phases if kind in ("char", "byte") else ():
        if phase.subword_dropout is not None:
            yield _problem("no_subwords", ("phase", number, "subword_dropout"), kind=kind)
    if kind == "byte" and vocab not in (None, BYTE_VOCAB):
        yield _problem("byte_vocab", ("tokenizer", "vocab"), bytes=BYTE_VOCAB, vocab=vocab)


def _beside_a_folder(parts: Parts) -> Iterator[Problem]:
    """A model that is trained further already has its shape; its tokenizer may change."""
    model = parts.data.get("model")
    tokenizer = parts.data.get("tokenizer")
    keys = list(tokenizer) if isinstance(tokenizer, dict) else []
    if not isinstance(model, dict) or model.get("folder") is None:
        if "extend" in keys:
            yield _problem("extend_nothing", ("tokenizer", "extend"), at_value=False)
        return
    for key in model:
        if key != "folder":
            yield _problem("beside_folder", ("model", key), at_value=False, key=key)
    for key in ("kind", "vocab"):
        if "extend" in keys and key in keys:
            yield _problem("beside_extend", ("tokenizer", key), at_value=False, key=key)
    if keys and not {"extend", "kind", "vocab"} & {*keys}:
        yield _problem("unsaid_tokenizer", ("tokenizer",), at_value=False)
    for number, phase in parts.phases:
        if phase.start == "scratch":
            yield _problem("scratch", ("phase", number, "start"))


def _answers(parts: Parts) -> Iterator[Problem]:
    """A phase that learns answers has data and no sources; others have no data."""
    for number, phase in parts.phases:
        path: KeyPath = ("phase", number)
        objective = phase.objective
        if phase.reads_texts:
            if phase.data is not None:
                data_path = (*path, "data")
                yield _problem("data_of_texts", data_path, at_value=False, objective=objective)
            continue
        if phase.data is None:
            yield _problem("no_data", (*path, "objective"), objective=objective)
        for key in ("sources", "temperature"):
            if getattr(phase, key) is not None:
                words: dict[str, Any] = {"key": key, "objective": objective}
                yield _problem("texts_of_data", (*path, key), at_value=False, **words)


def _typed_words(parts: Parts) -> Iterator[Problem]:
    """Keys from A to Z can be typed in Latin scripts, with a tokenizer that has tokens for them."""
    language = str(parts.data.get("language", ""))
    script = usual_script(language)
    for number, phase in parts.phases:
        if not phase.is_of_typed_words:
            continue
        path: KeyPath = ("phase", number, "objective")
        if script not in (None, "latin"):
            name = language_name(language)
            in_script = script.capitalize()
            yield _problem("no_latin_keys", path, ("language",), language=name, script=in_script)
        elif parts.tokenizer.kind != "keyboard" and not parts.is_continued:
            yield _problem("no_keys", path, ("tokenizer", "kind"), kind=parts.tokenizer.kind)


def _texts_of_none(parts: Parts) -> Iterator[Problem]:
    """A recipe needs no texts if it only teaches a model to answer; what reads texts is refused."""
    if parts.data.get("source"):
        return
    if not parts.is_continued or any(phase.reads_texts for _, phase in parts.phases):
        yield _problem("no_source", ("source",), at_value=False)
        return
    if parts.data.get("tokenizer"):
        yield _problem("tokenizer_of_none", ("tokenizer",), at_value=False)
    for number, each in parts.evaluations:
        if each.kind != "prompts" and each.file is None:
            yield _problem("evaluation_of_none", ("evaluate", number), at_value=False)
    for number, each in parts.exports:
        if each.row.content == "corpus":
            yield _problem("export_of_none", ("export", number), at_value=False)


def _refinements_of_nothing(parts: Parts) -> Iterator[Problem]:
    """Adapters and preferences change a model that has learned something.

    Adapters train no rows of a vocabulary, so that new ones would stay as they begin.
    """
    for number, phase in parts.phases:
        path = ("phase", number, "adapt")
        is_adapted = phase.adapt is not None
        if parts.is_continued:
            if number == 0 and is_adapted and parts.data.get("tokenizer"):
                yield _problem("adapt_new_tokens", path, ("tokenizer",))
        elif number == 0 or phase.start == "scratch":
            if is_adapted:
                yield _problem("adapt_nothing", path)
            if phase.prune is not None:
                yield _problem("prune_nothing", ("phase", number, "prune"))
            if phase.is_of_pairs:
                yield _problem("prefer_nothing", ("phase", number, "objective"))


def _exports_of_no_adapter(parts: Parts) -> Iterator[Problem]:
    """An adapter can be exported if the last phase makes one."""
    tables = parts.data.get("phase")
    last = _part(Phase, tables[-1]) if isinstance(tables, list) and tables else None
    before = _unadapted_before(parts) if parts.is_continued else None
    for number, item in parts.exports:
        path = ("export", number, "format")
        if item.row.content != "adapter" or last is None:
            continue
        if last.adapt is None:
            yield _problem("no_adapter", path, phase=last.name)
        elif before is not None:
            yield _problem("adapter_of_changed", path, phase=before, last=last.name)


def _unadapted_before(parts: Parts) -> str | None:
    """The phase that trains all weights, on whose model the last adapters are; None if they are on
    the model of model.folder.
    """
    for _, phase in reversed([*parts.phases]):
        if phase.adapt is None:
            return phase.name
        if phase.start == "scratch":
            return None
    return None


def _keyboard_exports(parts: Parts) -> Iterator[Problem]:
    """A file for a phone's keyboard has its tokenizer."""
    kind = parts.tokenizer.kind
    for number, item in parts.exports:
        if item.format == "keyboard" and kind != "keyboard" and not parts.is_continued:
            path = ("export", number, "format")
            yield _problem("keyboard_kind", path, ("tokenizer", "kind"), kind=kind)


def _keyboard_code(parts: Parts) -> Iterator[Problem]:
    """A phone's keyboard finds a model by the code of its language, which "x-NAME" is not.

    Of all that is for the keyboard the first is refused: an export, a phase, the tokenizer.
    """
    language = str(parts.data.get("language", ""))
    exports = [number for number, each in parts.exports if each.format == "keyboard"]
    phases = [number for number, each in parts.phases if each.is_of_typed_words]
    paths: list[KeyPath] = [("export", number, "format") for number in exports]
    paths += [("phase", number, "objective") for number in phases]
    paths += [("tokenizer", "kind")] if parts.tokenizer.kind == "keyboard" else []
    if paths and language.startswith("x-"):
        yield _problem("keyboard_code", paths[0], ("language",), language=language)


def _small_batches(parts: Parts) -> Iterator[Problem]:
    """A batch holds at least one row."""
    context = parts.pack.context
    for number, phase in parts.phases:
        tokens = phase.batch_tokens
        if context is not None and tokens is not None and tokens < context:
            path = ("phase", number, "batch_tokens")
            about = ("pack", "context")
            yield _problem("small_batch", path, about, tokens=tokens, context=context)


def _flops_of_no_shape(parts: Parts) -> Iterator[Problem]:
    """Operations can be counted when the model's size is given; it is chosen by the budget."""
    keys = parts.model
    if keys is None or keys.folder is not None or None not in (keys.dim, keys.layers):
        return
    for number, phase in parts.phases:
        if phase.flops is not None:
            yield _problem("flops", ("phase", number, "flops"))


def _shape(parts: Parts) -> Iterator[Problem]:
    """The sizes of a model fit together, adapters fit them, and every export can express them."""
    keys = parts.model
    if keys is None or None in (keys.dim, keys.layers) or without_heads(keys):
        return
    windows = [mixer.window or 0 for mixer in keys.mixers]
    context = parts.pack.context or max(ASSUMED_CONTEXT, *windows)
    try:
        shape = resolve(keys, vocab=parts.tokenizer.vocab or ASSUMED_VOCAB, context=context)
    except ShapeError as error:
        path = tuple(int(part) if part.isdigit() else part for part in error.where.split("."))
        yield _problem_of(error, path, ("model",))
        return
    for number, phase in parts.phases:
        try:
            require_adaptable(shape, phase.adapt.resolved() if phase.adapt else None)
        except ShapeError as error:
            yield unfit_part(number, error)
    left, problems = after_pruning(shape, parts.phases)
    yield from problems
    yield from unfit_exports(left, parts.exports)


def after_pruning(
    shape: AnyModelConfig, phases: Iterable[tuple[int, Phase]]
) -> tuple[AnyModelConfig, list[Problem]]:
    """The shape that the last of these phases leaves, and what is wrong with their `prune`."""
    left = shape
    problems = list[Problem]()
    for number, phase in phases:
        left = shape if phase.start == "scratch" else left
        if phase.prune is not None:
            try:
                left = shape_without(left, phase.prune)
            except ShapeError as error:
                problems.append(unfit_part(number, error))
    return left, problems


def unfit_exports(
    shape: AnyModelConfig, exports: Iterable[tuple[int, Export]]
) -> Iterator[Problem]:
    """Exports that cannot express a shape."""
    for number, item in exports:
        if item.row.content == "model" and isinstance(shape, ModelConfig):
            try:
                ROW_OF[item.format](shape)
            except ExportError as error:
                path = ("export", number)
                message = f"{error.message}."
                yield Problem(path, message, error.do, about=(("model",),))


def unfit_part(phase: int, error: ShapeError) -> Problem:
    """What is wrong with `adapt` or `prune` of a phase."""
    return _problem_of(error, ("phase", phase, *error.where.split(".")), ("model",))
