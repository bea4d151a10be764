"""Checks across keys: repeated names, sizes that do not fit, missing files.

The checks read each part by itself, so that they also run on a recipe with other mistakes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from endonym.data.config import CHATML_NAME, Chat, Pack, read_template
from endonym.disk import is_file
from endonym.errors import ExportError, MissingSource, RecipeError, ShapeError
from endonym.evaluate.config import Evaluation
from endonym.export.config import ADAPTERS, DATASET, Export
from endonym.export.gguf.rows import architecture_of
from endonym.export.shapes import row_of
from endonym.formats.config import Clean, Source
from endonym.formats.files import files_named, source_files
from endonym.model.adapt_config import require_adaptable
from endonym.model.config import ModelConfig
from endonym.model.families import resolve, without_heads
from endonym.model.keys import ModelKeys
from endonym.recipe.base_model import base_model
from endonym.recipe.diagnostics.messages import AnyConfig, validated
from endonym.recipe.diagnostics.problems import Problem
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.train.config import Phase

SHARES_TOLERANCE = 1e-6
ASSUMED_VOCAB, ASSUMED_CONTEXT = 512, 64
"""Used to check a shape before they are chosen; the result does not depend on them."""
LONGEST_RUN_NAME_BYTES = 200
"""File systems allow 255 bytes, and files beside a run's folder add to its name."""


def contradictions(data: Mapping[str, Any], variant: str | None) -> list[Problem]:
    """Values that are valid one by one and contradict one another."""
    return [
        *_long_name(data, variant),
        *_repeated_names(data, "source", Source),
        *_repeated_names(data, "phase", Phase),
        *_byte_vocab(data),
        *_shares(data),
        *_unknown_joins(data),
        *_shares_of_phases(data),
        *_small_batches(data),
        *_flops_of_no_shape(data),
        *_shape(data),
        *_beside_a_folder(data),
        *_answers(data),
        *_texts_of_none(data),
        *_refinements_of_nothing(data),
        *_adapters_of_new_rows(data),
        *_exports_of_no_adapter(data),
    ]


def missing_files(data: Mapping[str, Any], folder: Path) -> list[Problem]:
    """Missing files of evaluations and of cleaning, and a `model.folder` without a model."""
    missing: list[Problem] = []
    keys = _part(ModelKeys, data.get("model"))
    named = keys.folder if keys else None
    try:
        if named is not None:
            base_model(folder / named)
    except RecipeError as error:
        problem = Problem(("model", "folder"), f"{error.message}.", error.do, at_value=True)
        missing.append(problem)
    clean = _part(Clean, data.get("clean"))
    missing += [
        Problem(
            ("clean", "contrast", number),
            f"no file matches {pattern}.",
            "Put texts there, or correct the pattern: it starts at the recipe's folder.",
            at_value=True,
        )
        for number, pattern in enumerate(clean.contrast if clean else ())
        if not Clean(contrast=(pattern,)).contrast_files(folder)
    ]
    unmatched = files_named(clean.decontaminate, folder)[1] if clean else []
    missing += [
        Problem(
            ("clean", "decontaminate"),
            f"no file matches {pattern}.",
            "Correct it, or leave it out: it is a path or a glob from the recipe's folder.",
            at_value=True,
        )
        for pattern in unmatched
    ]
    missing += _missing_examples(data, folder)
    return missing + [
        Problem(
            ("evaluate", number, "file"),
            f"there is no file {evaluation.file}.",
            "Put it there, or correct the path: it starts at the recipe's folder.",
            at_value=True,
        )
        for number, evaluation in _items(data, "evaluate", Evaluation)
        if not all(is_file(file) for file in evaluation.files(folder))
    ]


def _missing_examples(data: Mapping[str, Any], folder: Path) -> list[Problem]:
    """Missing files of conversations and preference pairs, and of their template."""
    missing = [
        Problem(
            ("phase", number, "data"),
            f"no file matches {phase.data}.",
            "Put it there, or correct it: it is a path or a glob from the recipe's folder.",
            at_value=True,
        )
        for number, phase in _items(data, "phase", Phase)
        if phase.data is not None and files_named([phase.data], folder)[1]
    ]
    return missing + _unfit_template(_part(Chat, data.get("chat")), folder)


def _unfit_template(chat: Chat | None, folder: Path) -> list[Problem]:
    """A chat template that is missing, no text, or cannot be filled in."""
    named = chat.template if chat else None
    if named in (None, CHATML_NAME):
        return []
    if not is_file(folder / named):
        message = f"there is no file {named}."
        do = f'Write template = "{CHATML_NAME}", or a path that starts at the recipe\'s folder.'
        return [Problem(("chat", "template"), message, do, at_value=True)]
    from endonym.tokenizer.chat_template import ANSWERING, ChatTemplate

    try:
        # The names of the tokens do not matter here; the tokenizer is not made yet.
        template = ChatTemplate(read_template(folder / named), "<|begin|>", "<|end|>")
        template.parts([(("user", ANSWERING), False)])
    except RecipeError as error:
        do = error.do or "Repair the template; it is tried with a question and its answer."
        return [Problem(("chat", "template"), f"{error.message}.", do, at_value=True)]
    return []


def missing_sources(sources: Sequence[Source], folder: Path) -> list[tuple[str, Problem]]:
    """The paths of sources that match no file, each with its problem."""
    missing: list[tuple[str, Problem]] = []
    for number, source in enumerate(sources):
        try:
            source_files(source, folder)
        except MissingSource as error:
            path = ("source", number, "path")
            problem = Problem(path, f"{error.message}.", error.do, at_value=True)
            missing.append((source.path, problem))
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
    parts = enumerate(items) if isinstance(items, list) else ()
    read = [(number, _part(config, item)) for number, item in parts]
    return [(number, part) for number, part in read if part is not None]


def _long_name(data: Mapping[str, Any], variant: str | None) -> list[Problem]:
    """File systems limit the name of a run's folder."""
    run_name = f"{data.get('name', '')}@{variant or ''}"
    if len(run_name.encode()) <= LONGEST_RUN_NAME_BYTES:
        return []
    message = f"a run's name holds at most {LONGEST_RUN_NAME_BYTES} bytes, its variant included."
    return [Problem(("name",), message, "Choose a shorter name.", at_value=True)]


def _repeated_names(
    data: Mapping[str, Any], key: str, config: type[Source] | type[Phase]
) -> list[Problem]:
    """Names of sources and of phases are unique."""
    seen: dict[str, int] = {}
    problems: list[Problem] = []
    for number, item in _items(data, key, config):
        if item.name in seen:
            message = f'{key} {number + 1} is called "{item.name}", as {key} {seen[item.name]} is.'
            path = (key, number, "name")
            problems.append(Problem(path, message, "Give each its own name.", at_value=True))
        seen.setdefault(item.name, number + 1)
    return problems


def _unknown_joins(data: Mapping[str, Any]) -> list[Problem]:
    """`pack.join` names sources of the recipe."""
    pack = _part(Pack, data.get("pack"))
    return [] if pack is None else _unknown_sources(data, pack.join, ("pack", "join"))


def _shares(data: Mapping[str, Any]) -> list[Problem]:
    """`tokenizer.sources` names sources of the recipe, and its shares are parts of one whole."""
    tokenizer = _part(TokenizerConfig, data.get("tokenizer"))
    if tokenizer is None or not tokenizer.sources:
        return []
    return _wrong_shares(data, tokenizer.sources, ("tokenizer", "sources"))


def _shares_of_phases(data: Mapping[str, Any]) -> list[Problem]:
    """`sources` of a phase names sources of the recipe, and shares are parts of one whole."""
    problems: list[Problem] = []
    for number, phase in _items(data, "phase", Phase):
        path = ("phase", number, "sources")
        if isinstance(phase.sources, dict):
            problems += _wrong_shares(data, phase.sources, path)
        elif phase.sources is not None:
            problems += _unknown_sources(data, phase.sources, path)
            if len(set(phase.sources)) < max(1, len(phase.sources)):
                message, do = "names each source once, and at least one.", "Correct the list."
                problems.append(Problem(path, f"sources {message}", do, at_value=True))
    return problems


def _wrong_shares(
    data: Mapping[str, Any], shares: Mapping[str, float], path: tuple[str | int, ...]
) -> list[Problem]:
    """Shares of sources that the recipe lacks, or that are not parts of one whole."""
    problems = _unknown_sources(data, shares, path)
    total = sum(shares.values())
    if abs(total - 1) > SHARES_TOLERANCE:
        message = f"the shares of {path[0]}.sources sum up to {total:g}, not to 1."
        do = "Write them as parts of one whole, such as 0.6 and 0.4."
        problems.append(Problem(path, message, do, at_value=True))
    return problems


def _unknown_sources(
    data: Mapping[str, Any], names: Iterable[str], path: tuple[str | int, ...]
) -> list[Problem]:
    """Names of sources that the recipe does not have."""
    given = data.get("source")
    if not isinstance(given, list):
        return []
    known = [each.get("name") for each in given if isinstance(each, dict)]
    listed = f"Sources here: {', '.join(str(each) for each in known)}."
    return [
        Problem(path, f'no source is called "{name}".', listed, at_value=True)
        for name in names
        if name not in known
    ]


def _byte_vocab(data: Mapping[str, Any]) -> list[Problem]:
    """A byte tokenizer has a fixed vocabulary."""
    tokenizer = _part(TokenizerConfig, data.get("tokenizer"))
    if tokenizer is None or tokenizer.kind != "byte" or tokenizer.vocab in (None, BYTE_VOCAB):
        return []
    message = f'kind = "byte" always has {BYTE_VOCAB} ids, not {tokenizer.vocab}.'
    do = 'Leave vocab out, or choose kind = "bpe".'
    return [Problem(("tokenizer", "vocab"), message, do, at_value=True)]


def _beside_a_folder(data: Mapping[str, Any]) -> list[Problem]:
    """A model that is trained further already has its shape; its tokenizer may change."""
    model, tokenizer = data.get("model"), data.get("tokenizer")
    keys: list[str] = list(tokenizer) if isinstance(tokenizer, dict) else []
    if not isinstance(model, dict) or model.get("folder") is None:
        return _extends_nothing(keys)
    problems = [
        Problem(("model", key), f"{key} is set by model.folder.", "Leave one of the two out.")
        for key in model
        if key != "folder"
    ]
    problems += _vocabulary(keys)
    for number, phase in _items(data, "phase", Phase):
        if phase.start == "scratch":
            message = 'start = "scratch" forgets what model.folder holds.'
            path = ("phase", number, "start")
            problems.append(Problem(path, message, "Leave one of the two out.", at_value=True))
    return problems


def _answers(data: Mapping[str, Any]) -> list[Problem]:
    """A phase that learns answers has data and no sources; others have no data."""
    problems: list[Problem] = []
    for number, phase in _items(data, "phase", Phase):
        path, said = ("phase", number), f'objective = "{phase.objective}"'
        if phase.objective == "next_token":
            if phase.data is not None:
                message = f"data is not read with {said}."
                do = 'Write objective = "chat" or "preferences", or make it a [[source]] of texts.'
                problems.append(Problem((*path, "data"), message, do))
            continue
        if phase.data is None:
            message = f"{said} needs data."
            do = 'Name the file: data = "conversations.jsonl".'
            problems.append(Problem((*path, "objective"), message, do, at_value=True))
        for key in ("sources", "temperature"):
            if getattr(phase, key) is not None:
                message = f"{key} is for phases that read texts; {said} reads data."
                do = "Leave it out, or give the texts a phase of their own."
                problems.append(Problem((*path, key), message, do))
    return problems


def _texts_of_none(data: Mapping[str, Any]) -> list[Problem]:
    """A recipe needs no texts if it only teaches a model to answer; what reads texts is refused."""
    if data.get("source"):
        return []
    keys, phases = _part(ModelKeys, data.get("model")), _items(data, "phase", Phase)
    is_taught = keys is not None and keys.folder is not None
    if not is_taught or any(phase.objective == "next_token" for _, phase in phases):
        do = "Write it under [[source]].  All keys: endonym explain source"
        return [Problem(("source",), "source is missing.", do)]
    problems: list[Problem] = []
    do = "Add a [[source]], or leave it out."
    if data.get("tokenizer"):
        message = "a tokenizer is changed with the texts of [[source]], and there are none."
        problems.append(Problem(("tokenizer",), message, do))
    problems += [
        Problem(("evaluate", number), "it reads the texts of [[source]], and there are none.", do)
        for number, each in _items(data, "evaluate", Evaluation)
        if each.kind != "prompts" and each.file is None
    ]
    return problems + [
        Problem(("export", number), "it is made of [[source]], and there is none.", do)
        for number, each in _items(data, "export", Export)
        if each.format == DATASET
    ]


def _refinements_of_nothing(data: Mapping[str, Any]) -> list[Problem]:
    """Adapters and preferences change a model that has learned something."""
    keys = _part(ModelKeys, data.get("model"))
    problems: list[Problem] = []
    for number, phase in _items(data, "phase", Phase):
        if (keys is not None and keys.folder is not None) or not (
            number == 0 or phase.start == "scratch"
        ):
            continue
        here = "and this phase begins with random weights."
        if phase.adapt is not None:
            do = "Let a phase without adapt come before it, or name a model in model.folder."
            message = f"adapters change little of a model, {here}"
            problems.append(Problem(("phase", number, "adapt"), message, do, at_value=True))
        if phase.objective == "preferences":
            do = (
                'Let a phase on texts, or one with objective = "chat", come before it, or name a '
                "model in model.folder."
            )
            message = f"preferences choose among answers that a model can give, {here}"
            problems.append(Problem(("phase", number, "objective"), message, do, at_value=True))
    return problems


def _adapters_of_new_rows(data: Mapping[str, Any]) -> list[Problem]:
    """Adapters train no rows of a vocabulary, so that new ones would stay as they begin."""
    keys, tokenizer = _part(ModelKeys, data.get("model")), data.get("tokenizer")
    first = next((phase for number, phase in _items(data, "phase", Phase) if number == 0), None)
    if keys is None or keys.folder is None or not tokenizer or first is None or not first.adapt:
        return []
    message = "adapters train no embeddings, and [tokenizer] gives the model new ones."
    do = "Let a phase without adapt come before it, which learns them, or leave [tokenizer] out."
    return [Problem(("phase", 0, "adapt"), message, do, at_value=True, about=(("tokenizer",),))]


def _exports_of_no_adapter(data: Mapping[str, Any]) -> list[Problem]:
    """An adapter can be exported if the last phase makes one."""
    phases = data.get("phase")
    last = _part(Phase, phases[-1]) if isinstance(phases, list) and phases else None
    if last is None or last.adapt is not None:
        return []
    do = "Give the last [[phase]] adapt = {}, or leave this export out."
    return [
        Problem(
            ("export", number, "format"),
            f"the last phase, {last.name}, trains no adapter.",
            do,
            at_value=True,
        )
        for number, item in _items(data, "export", Export)
        if item.format in ADAPTERS
    ]


def _extends_nothing(keys: Sequence[str]) -> list[Problem]:
    """`tokenizer.extend` needs a tokenizer to extend."""
    if "extend" not in keys:
        return []
    message = "extend adds pieces to the tokenizer of model.folder, and there is none."
    do = "Name a model to go on from in [model] folder, or give the new tokenizer a vocab."
    return [Problem(("tokenizer", "extend"), message, do)]


def _vocabulary(keys: Sequence[str]) -> list[Problem]:
    """Beside a folder, [tokenizer] either extends the folder's or replaces it."""
    if "extend" in keys:
        return [
            Problem(
                ("tokenizer", key),
                f"extend keeps the {key} of the folder's tokenizer.",
                f"Leave {key} out, or leave extend out to replace the tokenizer.",
            )
            for key in ("kind", "vocab")
            if key in keys
        ]
    if keys and not {"kind", "vocab"} & {*keys}:
        message = "[tokenizer] says neither how to extend the folder's tokenizer nor a new one."
        do = "Write extend = 2000 to add pieces, or kind and vocab for a new tokenizer."
        return [Problem(("tokenizer",), message, do)]
    return []


def _small_batches(data: Mapping[str, Any]) -> list[Problem]:
    """A batch holds at least one row."""
    pack = _part(Pack, data.get("pack"))
    if pack is None or pack.context is None:
        return []
    return [
        Problem(
            ("phase", number, "batch_tokens"),
            f"batch_tokens = {phase.batch_tokens} holds no row of context = {pack.context}.",
            f"Choose a multiple of {pack.context}, or a smaller pack.context.",
            at_value=True,
            about=(("pack", "context"),),
        )
        for number, phase in _items(data, "phase", Phase)
        if phase.batch_tokens is not None and phase.batch_tokens < pack.context
    ]


def _flops_of_no_shape(data: Mapping[str, Any]) -> list[Problem]:
    """Operations can be counted when the model's size is given; it is chosen by the budget."""
    model = data.get("model")
    keys = _part(ModelKeys, {} if model is None else model)
    if keys is None or keys.folder is not None or None not in (keys.dim, keys.layers):
        return []
    message = "flops needs a model whose size is given."
    do = "Write model.dim and model.layers, or give the phase tokens or epochs."
    return [
        Problem(("phase", number, "flops"), message, do, at_value=True)
        for number, phase in _items(data, "phase", Phase)
        if phase.flops is not None
    ]


def _shape(data: Mapping[str, Any]) -> list[Problem]:
    """The sizes of a model must fit together, and every export must be able to express them."""
    keys = _part(ModelKeys, data.get("model"))
    if keys is None or None in (keys.dim, keys.layers) or without_heads(keys):
        return []
    tokenizer = _part(TokenizerConfig, data.get("tokenizer"))
    pack = _part(Pack, data.get("pack"))
    vocab = tokenizer.vocab if tokenizer else None
    windows = [each.window or 0 for each in keys.mixers]
    context = (pack.context if pack else None) or max(ASSUMED_CONTEXT, *windows)
    try:
        shape = resolve(keys, vocab=vocab or ASSUMED_VOCAB, context=context)
    except ShapeError as error:
        path = tuple(int(part) if part.isdigit() else part for part in error.where.split("."))
        about = (("model",),)
        return [Problem(path, f"{error.message}.", error.do, at_value=True, about=about)]
    return _unfit_adapters(data, shape) + [
        problem
        for number, item in _items(data, "export", Export)
        if item.format not in (DATASET, *ADAPTERS)
        for problem in _inexpressible(number, item, shape)
    ]


def _unfit_adapters(data: Mapping[str, Any], shape: ModelConfig) -> list[Problem]:
    """Adapters must fit the shape: names of matrices that there are, and no rank above them."""
    problems: list[Problem] = []
    for number, phase in _items(data, "phase", Phase):
        try:
            require_adaptable(shape, phase.adapt.resolved() if phase.adapt else None)
        except ShapeError as error:
            problems.append(unfit_adapter(number, error))
    return problems


def unfit_adapter(phase: int, error: ShapeError) -> Problem:
    """What is wrong with `adapt` of a phase."""
    path, about = ("phase", phase, *error.where.split(".")), (("model",),)
    return Problem(path, f"{error.message}.", error.do, at_value=True, about=about)


def _inexpressible(number: int, export: Export, shape: ModelConfig) -> list[Problem]:
    """What a format cannot hold of a model."""
    try:
        architecture_of(shape) if export.format == "gguf" else row_of(shape)
    except ExportError as error:
        message, about = f"{error.message}.", (("model",),)
        return [Problem(("export", number), message, error.do, about=about)]
    return []
