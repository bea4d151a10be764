"""Checks across keys: repeated names, sizes that do not fit, missing files, a base without a model.

The checks read each part by itself, so that they also run on a recipe with other mistakes.
"""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from endonym.data.config import CHATML_NAME, Chat, Pack, read_template
from endonym.device import program
from endonym.disk import is_file
from endonym.errors import EndonymError, ExportError, MissingSource, RecipeError, ShapeError
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.export.shapes import ROW_OF
from endonym.formats.config import Clean, Source
from endonym.formats.files import files_named, source_files
from endonym.model.adapt_config import require_adaptable
from endonym.model.config import ModelKeys
from endonym.model.families import resolve, without_heads
from endonym.recipe.messages import AnyConfig, validated
from endonym.recipe.problems import Problem
from endonym.recipe.text import KeyPath
from endonym.store import MANIFEST, PLAN, Store, read_plan
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.train.config import Phase


def base_model(named: Path) -> Path:
    """The folder with the `config.json` that `[model] folder` means: of a run, of its last phase.

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
        raise RecipeError(message, where="model.folder", do=do)
    plan = read_plan(named)
    store = Store((named / plan["store"]).resolve())
    models = [each["id"] for each in plan["stages"] if each["stage"] == "model"]
    made = store.folder("model", models[-1] if models else "none")
    if not store.root.is_dir():
        message = f"the store of the run {named.name} is not found: it should be {store.root}"
        do = "Put the run back beside its store, or name the model's artefact: STORE/model/ID."
    elif not (made / MANIFEST).is_file():
        message = f"the run {named.name} has no finished model yet"
        do = f"Finish it: {program()} run {shlex.quote(os.path.relpath(named))}"
    else:
        return made
    raise RecipeError(message, where="model.folder", do=do)


SHARES_TOLERANCE = 1e-6
ASSUMED_VOCAB, ASSUMED_CONTEXT = 512, 64
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
    checks = (
        _repeated_names,
        _byte_vocab,
        _wrong_sources,
        _small_batches,
        _flops_of_no_shape,
        _shape,
        _beside_a_folder,
        _answers,
        _texts_of_none,
        _refinements_of_nothing,
        _exports_of_no_adapter,
    )
    problems: list[Problem] = []
    if len(f"{data.get('name', '')}@{variant or ''}".encode()) > LONGEST_RUN_NAME_BYTES:
        said = f"a run's name holds at most {LONGEST_RUN_NAME_BYTES} bytes, its variant included."
        problems.append(_wrong_value(("name",), said, "Choose a shorter name."))
    return problems + [problem for check in checks for problem in check(parts)]


def _wrong_value(path: KeyPath, message: str, do: str, *about: KeyPath) -> Problem:
    """A problem of a value. about: other keys involved."""
    return Problem(path, message, do, at_value=True, about=about)


def _told_by(error: EndonymError, path: KeyPath, *about: KeyPath) -> Problem:
    """What an error says of a value."""
    return _wrong_value(path, f"{error.message}.", error.do, *about)


def missing_files(data: Mapping[str, Any], folder: Path) -> list[Problem]:
    """Missing files of evaluations and of cleaning, and a `model.folder` without a model."""
    parts, missing = Parts(data), list[Problem]()
    try:
        if parts.model is not None and parts.model.folder is not None:
            base_model(folder / parts.model.folder)
    except RecipeError as error:
        missing.append(_told_by(error, ("model", "folder")))
    do = "Put texts there, or correct the pattern: it starts at the recipe's folder."
    for number, pattern in enumerate(parts.clean.contrast):
        if not Clean(contrast=(pattern,)).contrast_files(folder):
            path = ("clean", "contrast", number)
            missing.append(_wrong_value(path, f"no file matches {pattern}.", do))
    do = "Correct it, or leave it out: it is a path or a glob from the recipe's folder."
    for pattern in files_named(parts.clean.decontaminate, folder)[1]:
        path = ("clean", "decontaminate")
        missing.append(_wrong_value(path, f"no file matches {pattern}.", do))
    do = "Put it there, or correct it: it is a path or a glob from the recipe's folder."
    for number, phase in parts.phases:
        if phase.data is not None and files_named([phase.data], folder)[1]:
            path = ("phase", number, "data")
            missing.append(_wrong_value(path, f"no file matches {phase.data}.", do))
    missing += _unfit_template(parts.chat.template, folder)
    do = "Put it there, or correct the path: it starts at the recipe's folder."
    for number, each in parts.evaluations:
        if not all(is_file(file) for file in each.files(folder)):
            path = ("evaluate", number, "file")
            missing.append(_wrong_value(path, f"there is no file {each.file}.", do))
    return missing


def _unfit_template(named: str | None, folder: Path) -> list[Problem]:
    """A chat template that is missing, no text, or cannot be filled in."""
    if named in (None, CHATML_NAME):
        return []
    path = ("chat", "template")
    if not is_file(folder / named):
        do = f'Write template = "{CHATML_NAME}", or a path that starts at the recipe\'s folder.'
        return [_wrong_value(path, f"there is no file {named}.", do)]
    from endonym.tokenizer.chat_template import ANSWERING, ChatTemplate

    try:
        # The names of the tokens do not matter here; the tokenizer is not made yet.
        template = ChatTemplate(read_template(folder / named), "<|begin|>", "<|end|>")
        template.parts([(("user", ANSWERING), False)])
    except RecipeError as error:
        do = error.do or "Repair the template; it is tried with a question and its answer."
        return [_wrong_value(path, f"{error.message}.", do)]
    return []


def missing_sources(sources: Sequence[Source], folder: Path) -> list[tuple[str, Problem]]:
    """The paths of sources that match no file, each with its problem."""
    missing: list[tuple[str, Problem]] = []
    for number, source in enumerate(sources):
        try:
            source_files(source, folder)
        except MissingSource as error:
            missing.append((source.path, _told_by(error, ("source", number, "path"))))
    return missing


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
                message = f'{key} {number + 1} is called "{item.name}", as {key} {first + 1} is.'
                yield _wrong_value((key, number, "name"), message, "Give each its own name.")


def _wrong_sources(parts: Parts) -> Iterator[Problem]:
    """Keys that name sources name those of the recipe, and shares are parts of one whole."""
    written = parts.data.get("source")
    is_list = isinstance(written, list)
    known = [each.get("name") for each in written if isinstance(each, dict)] if is_list else None
    named: list[tuple[KeyPath, Any]] = [(("tokenizer", "sources"), parts.tokenizer.sources or None)]
    named += [(("pack", "join"), parts.pack.join)]
    named += [(("phase", number, "sources"), phase.sources) for number, phase in parts.phases]
    for path, sources in named:
        for name in sources or ():
            if known is not None and name not in known:
                do = f"Sources here: {', '.join(map(str, known))}."
                yield _wrong_value(path, f'no source is called "{name}".', do)
        if isinstance(sources, dict):
            total = sum(sources.values())
            if abs(total - 1) > SHARES_TOLERANCE:
                message = f"the shares of {path[0]}.sources sum up to {total:g}, not to 1."
                do = "Write them as parts of one whole, such as 0.6 and 0.4."
                yield _wrong_value(path, message, do)
        elif path[0] == "phase" and sources is not None and len({*sources}) < max(1, len(sources)):
            message = "sources names each source once, and at least one."
            yield _wrong_value(path, message, "Correct the list.")


def _byte_vocab(parts: Parts) -> Iterator[Problem]:
    """A byte tokenizer has a fixed vocabulary."""
    tokenizer = parts.tokenizer
    if tokenizer.kind == "byte" and tokenizer.vocab not in (None, BYTE_VOCAB):
        message = f'kind = "byte" always has {BYTE_VOCAB} ids, not {tokenizer.vocab}.'
        do = 'Leave vocab out, or choose kind = "bpe".'
        yield _wrong_value(("tokenizer", "vocab"), message, do)


def _beside_a_folder(parts: Parts) -> Iterator[Problem]:
    """A model that is trained further already has its shape; its tokenizer may change."""
    model, tokenizer = parts.data.get("model"), parts.data.get("tokenizer")
    keys = list(tokenizer) if isinstance(tokenizer, dict) else []
    if not isinstance(model, dict) or model.get("folder") is None:
        if "extend" in keys:
            message = "extend adds pieces to the tokenizer of model.folder, and there is none."
            do = "Name a model to go on from in [model] folder, or give the new tokenizer a vocab."
            yield Problem(("tokenizer", "extend"), message, do)
        return
    for key in model:
        if key != "folder":
            message = f"{key} is set by model.folder."
            yield Problem(("model", key), message, "Leave one of the two out.")
    for key in ("kind", "vocab"):
        if "extend" in keys and key in keys:
            message = f"extend keeps the {key} of the folder's tokenizer."
            do = f"Leave {key} out, or leave extend out to replace the tokenizer."
            yield Problem(("tokenizer", key), message, do)
    if keys and not {"extend", "kind", "vocab"} & {*keys}:
        message = "[tokenizer] says neither how to extend the folder's tokenizer nor a new one."
        do = "Write extend = 2000 to add pieces, or kind and vocab for a new tokenizer."
        yield Problem(("tokenizer",), message, do)
    for number, phase in parts.phases:
        if phase.start == "scratch":
            message = 'start = "scratch" forgets what model.folder holds.'
            yield _wrong_value(("phase", number, "start"), message, "Leave one of the two out.")


def _answers(parts: Parts) -> Iterator[Problem]:
    """A phase that learns answers has data and no sources; others have no data."""
    for number, phase in parts.phases:
        path, said = ("phase", number), f'objective = "{phase.objective}"'
        if phase.reads_texts:
            if phase.data is not None:
                message = f"data is not read with {said}."
                do = 'Write objective = "chat" or "preferences", or make it a [[source]] of texts.'
                yield Problem((*path, "data"), message, do)
            continue
        if phase.data is None:
            do = 'Name the file: data = "conversations.jsonl".'
            yield _wrong_value((*path, "objective"), f"{said} needs data.", do)
        for key in ("sources", "temperature"):
            if getattr(phase, key) is not None:
                message = f"{key} is for phases that read texts; {said} reads data."
                do = "Leave it out, or give the texts a phase of their own."
                yield Problem((*path, key), message, do)


def _texts_of_none(parts: Parts) -> Iterator[Problem]:
    """A recipe needs no texts if it only teaches a model to answer; what reads texts is refused."""
    if parts.data.get("source"):
        return
    reads_texts = any(phase.reads_texts for _, phase in parts.phases)
    if not parts.is_continued or reads_texts:
        do = "Write it under [[source]].  All keys: endonym explain source"
        yield Problem(("source",), "source is missing.", do)
        return
    do = "Add a [[source]], or leave it out."
    if parts.data.get("tokenizer"):
        message = "a tokenizer is changed with the texts of [[source]], and there are none."
        yield Problem(("tokenizer",), message, do)
    for number, each in parts.evaluations:
        if each.kind != "prompts" and each.file is None:
            message = "it reads the texts of [[source]], and there are none."
            yield Problem(("evaluate", number), message, do)
    for number, each in parts.exports:
        if each.row.content == "corpus":
            yield Problem(("export", number), "it is made of [[source]], and there is none.", do)


def _refinements_of_nothing(parts: Parts) -> Iterator[Problem]:
    """Adapters and preferences change a model that has learned something.

    Adapters train no rows of a vocabulary, so that new ones would stay as they begin.
    """
    first = "Let a phase without adapt come before it, "
    for number, phase in parts.phases:
        path = ("phase", number, "adapt")
        if parts.is_continued:
            if number == 0 and phase.adapt is not None and parts.data.get("tokenizer"):
                message = "adapters train no embeddings, and [tokenizer] gives the model new ones."
                do = f"{first}which learns them, or leave [tokenizer] out."
                yield _wrong_value(path, message, do, ("tokenizer",))
            continue
        if number > 0 and phase.start != "scratch":
            continue
        here = "and this phase begins with random weights."
        if phase.adapt is not None:
            message = f"adapters change little of a model, {here}"
            yield _wrong_value(path, message, f"{first}or name a model in model.folder.")
        if phase.is_of_pairs:
            message = f"preferences choose among answers that a model can give, {here}"
            do = (
                'Let a phase on texts, or one with objective = "chat", come before it, or name a '
                "model in model.folder."
            )
            yield _wrong_value(("phase", number, "objective"), message, do)


def _exports_of_no_adapter(parts: Parts) -> Iterator[Problem]:
    """An adapter can be exported if the last phase makes one."""
    written = parts.data.get("phase")
    last = _part(Phase, written[-1]) if isinstance(written, list) and written else None
    if last is None or last.adapt is not None:
        return
    message = f"the last phase, {last.name}, trains no adapter."
    do = "Give the last [[phase]] adapt = {}, or leave this export out."
    for number, item in parts.exports:
        if item.row.content == "adapter":
            yield _wrong_value(("export", number, "format"), message, do)


def _small_batches(parts: Parts) -> Iterator[Problem]:
    """A batch holds at least one row."""
    context = parts.pack.context
    for number, phase in parts.phases:
        tokens = phase.batch_tokens
        if context is not None and tokens is not None and tokens < context:
            message = f"batch_tokens = {tokens} holds no row of context = {context}."
            do = f"Choose a multiple of {context}, or a smaller pack.context."
            yield _wrong_value(("phase", number, "batch_tokens"), message, do, ("pack", "context"))


def _flops_of_no_shape(parts: Parts) -> Iterator[Problem]:
    """Operations can be counted when the model's size is given; it is chosen by the budget."""
    keys = parts.model
    if keys is None or keys.folder is not None or None not in (keys.dim, keys.layers):
        return
    message = "flops needs a model whose size is given."
    do = "Write model.dim and model.layers, or give the phase tokens or epochs."
    for number, phase in parts.phases:
        if phase.flops is not None:
            yield _wrong_value(("phase", number, "flops"), message, do)


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
        yield _told_by(error, path, ("model",))
        return
    for number, phase in parts.phases:
        try:
            require_adaptable(shape, phase.adapt.resolved() if phase.adapt else None)
        except ShapeError as error:
            yield unfit_adapter(number, error)
    for number, item in parts.exports:
        if item.row.content == "model":
            try:
                ROW_OF[item.format](shape)
            except ExportError as error:
                path, message = ("export", number), f"{error.message}."
                yield Problem(path, message, error.do, about=(("model",),))


def unfit_adapter(phase: int, error: ShapeError) -> Problem:
    """What is wrong with `adapt` of a phase."""
    return _told_by(error, ("phase", phase, *error.where.split(".")), ("model",))
