"""Finds the model that a command names: a run, a model artefact or a transformers folder."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from endonym.data.config import PackConfig
from endonym.disk import file_hash
from endonym.errors import ExportError, RecipeError
from endonym.export.adapters import (
    adapter_folder,
    adapter_identity,
    is_adapter,
    model_around,
    read_adapter,
)
from endonym.export.card import Card
from endonym.export.history import evaluations_of, history_of, spelling_of, turns_of, with_times
from endonym.export.huggingface import import_huggingface, load_pretrained
from endonym.generate.language_model import LanguageModel
from endonym.limited.opened import key_of
from endonym.log import Log
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.lora import changes_of, copy_on, merge_changes
from endonym.recipe.layers import parse, read
from endonym.runs.find import artifact_by_id, made_artifact, no_such, resolve_run
from endonym.store import (
    TRAINED,
    Artifact,
    Store,
    fingerprint,
    open_artifact,
    read_if_whole,
    write_sealed,
)
from endonym.tokenizer.tokenizer import Tokenizer

MODEL_FILES = (".json", ".jinja", ".safetensors")
"""Endings of the files that make a model of a folder in the format of `transformers`."""


def find_artifact(name: str, store: Store, log: Log | None = None) -> Artifact | None:
    """The final model of a run, or an artefact; None if the name is neither.

    log: is told which run it is if that is not beside the store.
    """
    if (Path(name) / "manifest.json").is_file():
        return open_artifact(Path(name))
    if (Path(name) / "config.json").is_file():
        return None
    run = resolve_run(store, name)
    if run is not None:
        if log is not None and run != Path(name) and run.parent != store.root.parent / "runs":
            log.line(f"using run {run}")
        return made_artifact(run, store, "model")
    return artifact_by_id(store, "model", name) or artifact_by_id(store, "member", name)


def identity_of(name: str, store: Store, *, where: str = "MODEL") -> str:
    """What tells a model from all others: an artefact's id, or a hash of a folder's files.

    Raises RecipeError if there is no such model.
    """
    artifact = find_artifact(name, store)
    if artifact is not None:
        return artifact.id
    if not (Path(name) / "config.json").is_file():
        raise no_such("model", name, store, where=where)
    files = sorted(each for each in Path(name).iterdir() if each.suffix in MODEL_FILES)
    # A hash of all weights takes as long as reading them: it is kept while the files are the same.
    key = key_of(files)
    memory = store.cache / "identities.json"
    known = read_if_whole(memory)
    if key not in known:
        known[key] = fingerprint([[file.name, file_hash(file)] for file in files])[:12]
        if store.root.is_dir():
            with suppress(OSError):  # it is hashed again the next time
                memory.parent.mkdir(exist_ok=True)
                write_sealed(memory, known)
    return str(known[key])


def origin_of(name: str, store: Store, adapter: str | None = None) -> dict[str, Any]:
    """The model that figures are of, as `--json` prints it, with the hash of an adapter's files.

    corpus: of the model; None if it is not known.
    """
    history = card_of(name, store).history
    found: dict[str, Any] = {"model": name, "identity": identity_of(name, store), "adapter": None}
    if adapter is not None:
        found["adapter"] = fingerprint(adapter_identity(find_adapter(adapter, store)))[:12]
    return found | {"corpus": None if history is None else history.corpus.id}


def card_of(name: str, store: Store) -> Card:
    """What the README of a model says: of a run its recipe's words, of an artefact its history."""
    artifact = find_artifact(name, store)
    history = None
    if artifact is not None and artifact.stage in TRAINED:
        with artifact.read_with_care():
            history = history_of(artifact, evaluations_of(artifact))
            history = with_times(history) if history else None
    return replace(words_of(name, store), history=history)


def words_of(name: str, store: Store) -> Card:
    """The words of a run's recipe; of an artefact its folder's name alone."""
    is_folder = any((Path(name) / each).is_file() for each in ("config.json", "manifest.json"))
    folder = None if is_folder else resolve_run(store, name)
    if folder is None:
        return Card(Path(name).name)
    recipe = parse(folder / "recipe.toml", read(folder / "recipe.toml"))
    stated = {each["name"]: each.get("license") for each in recipe.get("source", [])}
    licenses = {name: str(license) for name, license in stated.items() if license}
    made = tuple(each["name"] for each in recipe.get("source", []) if each.get("synthetic"))
    words = str(recipe.get("name", name)), str(recipe.get("language", ""))
    return Card(*words, licenses, synthetic=made)


def find_corpus(name: str, store: Store) -> Artifact:
    """The corpus of a run, or a corpus artefact by its folder. Raises RecipeError without one."""
    if (Path(name) / "manifest.json").is_file():
        found = open_artifact(Path(name))
        if found.stage != "corpus":
            raise RecipeError(f"{name} is a {found.stage}, not a corpus", where="MODEL")
        return found
    run = resolve_run(store, name)
    if run is None:
        raise no_such("corpus", name, store, where="MODEL")
    return made_artifact(run, store, "corpus", until=" --until corpus")


def shards_of(name: str, store: Store) -> tuple[Path, PackConfig] | None:
    """The shards that a model artefact was trained on, with their pack config.

    None if they are not in its store any more.
    """
    artifact = find_artifact(name, store)
    if artifact is None or artifact.stage not in TRAINED:
        return None
    with artifact.read_with_care():
        shards = Store.of(artifact.folder).find("shards", artifact.manifest["inputs"]["shards"])
        if shards is None:
            return None
        pack = PackConfig.model_validate(artifact.manifest["config"]["pack"])
        return shards.verify().folder, pack


def load_model(
    name: str,
    store: Store,
    device: str = "cpu",
    log: Log | None = None,
    *,
    adapter: str | None = None,
) -> LanguageModel:
    """The language model of this name. Raises RecipeError with the known runs.

    log: is told which run it is if that is not beside the store. adapter: one of this model, which
    is merged into its weights: see `find_adapter`.
    """
    if adapter is None:
        return _load(name, store, device, log)
    model = _load(name, store, "cpu", log)
    folder = find_adapter(adapter, store)
    merge_changes(model.decoder, read_adapter(folder, model.decoder))
    tokenizer = with_chat(model.tokenizer, folder)
    return moved(_with_adapted(model, model.decoder, tokenizer), device)


def with_adapter(model: LanguageModel, folder: Path) -> LanguageModel:
    """The model with an adapter, which shares its weights: several can be used side by side.

    folder: of the adapter, as `find_adapter` gives it. Raises ExportError if it is the adapter of
    another model, or if the model has an adapter already.
    """
    if changes_of(model.decoder):
        message = "this model has an adapter already, and adapters do not add up"
        do = "Give each its own model: call with_adapter on the base, which stays as it is."
        raise ExportError(message, where=folder, do=do)
    changes = read_adapter(folder, model.decoder)
    tokenizer = with_chat(model.tokenizer, folder)
    return _with_adapted(model, copy_on(model.decoder, changes), tokenizer)


def _with_adapted(model: LanguageModel, decoder: AnyDecoder, tokenizer: Tokenizer) -> LanguageModel:
    """The model with an adapter; how many turns a conversation has is not known of it."""
    found = model.with_parts(decoder, tokenizer)
    found.turns = 0
    return found


def with_chat(tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    """The tokenizer of a base with the chat template that its adapter was trained with, if any.

    folder: of the adapter. The template lies in it, as trl writes it, or in the model artefact that
    holds it.
    """
    around = model_around(folder)
    outer = tokenizer if around is None else tokenizer.with_chat_of(around)
    return outer.with_chat_of(folder)


def find_adapter(name: str, store: Store) -> Path:
    """The folder of an adapter: of peft's, or that in the model of an adapted phase.

    name: a folder, a model artefact, or a run whose last phase has adapters. Raises RecipeError if
    it is none.
    """
    folder = adapter_folder(Path(name))
    if is_adapter(folder):
        return folder
    artifact = find_artifact(name, store)
    if artifact is not None and is_adapter(inner := adapter_folder(artifact.verify().folder)):
        return inner
    if folder.is_dir():
        return folder  # reading it says what is missing
    do = "Name a folder that peft wrote, or a model or run whose last phase has adapt."
    raise RecipeError(f"there is no adapter {name}", where="--adapter", do=do)


def adapter_card(name: str, store: Store) -> Card:
    """What is known of an adapter that `find_adapter` finds: of its run, artefact or folder."""
    path = Path(name).resolve()
    if not is_adapter(adapter_folder(path)):
        return card_of(name, store)
    return card_of(str(model_around(path) or path), store)


def _load(name: str, store: Store, device: str, log: Log | None) -> LanguageModel:
    """The language model of this name."""
    artifact = find_artifact(name, store, log)
    if artifact is None and not (Path(name) / "config.json").is_file():
        raise no_such("model", name, store, where="MODEL")
    if artifact is None or artifact.stage == "export":
        folder = Path(name) if artifact is None else artifact.verify().folder
        return moved(import_huggingface(folder, store.opened), device)
    if artifact.stage not in TRAINED:
        raise RecipeError(f"{name} is a {artifact.stage}, not a model", where="MODEL")
    folder = artifact.verify().folder
    if folder.resolve() == Path(name).resolve():  # perhaps a stranger's
        model = moved(load_pretrained(folder, store.opened), device)
    else:
        model = LanguageModel.load(folder, device)
    model.spelled = spelling_of(artifact)
    model.turns = turns_of(artifact)
    return model


def moved(model: LanguageModel, device: str) -> LanguageModel:
    """The model on a device."""
    model.decoder.to(device)
    return model
