"""`endonym export` and `endonym verify`: a model in another format, compared with it."""

import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from endonym.commands import load
from endonym.commands.load import shards_of
from endonym.disk import translated_disk_errors
from endonym.errors import ExportError, RecipeError
from endonym.export import adapters
from endonym.export.adapters import Adapter
from endonym.export.card import Card, Merged
from endonym.export.config import Export
from endonym.export.formats import make_adapter_export, make_corpus_export, make_export
from endonym.export.huggingface import load_pretrained
from endonym.export.record import RECORD, content_of, record_of
from endonym.export.verify import Check, verify_export
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.pipeline.evaluation import held_out_documents
from endonym.pipeline.evaluation_texts import texts_below
from endonym.store import Store, open_artifact

NO_TEXTS = (
    "the store has no held-out texts of this model: the export is compared on strange strings "
    "alone. endonym verify EXPORT --text FILE compares it on yours"
)


def export_corpus(
    name: str, export: Export, out: Path, *, store: Store, log: Log
) -> tuple[list[Path], list[Check]]:
    """Export the corpus of a run, or a corpus artefact, into a new folder; its files and checks.

    export: of a format that is made of a corpus. Nothing is left of an export that fails. Raises
    RecipeError if there is no finished corpus, and ExportError if the folder is not empty, or if
    the corpus is too small for a dictionary.
    """
    corpus = load.find_corpus(name, store).verify()
    with new_folder(out) as part, corpus.read_with_care():
        card = load.words_of(name, store)
        made = make_corpus_export(export, corpus, part, card=card, log=log)
    return [out / file for file in made.files], made.checks


def export_model(
    name: str, export: Export, out: Path, *, store: Store, log: Log, adapter: str | None = None
) -> tuple[list[Path], list[Check]]:
    """Export a model into a new folder; its files, and how they compare with the model.

    Nothing is left of an export that fails.

    adapter: is merged into the weights; or, with the format of an adapter, exported alone. Raises
    ExportError if the folder is not empty, the format cannot hold the model, or a check fails.
    """
    require_empty(out)
    if export.row.content == "adapter":
        alone, card = adapter_of(name, adapter, store, log)
        model = alone.base
        make = partial(make_adapter_export, export, alone)
    else:
        model = load.load_model(name, store, log=log, adapter=adapter)
        card = load.card_of(name, store)
        make = partial(make_export, export, model)
        card = card if adapter is None else _merged_card(card, adapter, store)
    artifact = load.find_artifact(name, store)
    texts = texts_of(name, model, store)
    if not texts:
        log.warn(NO_TEXTS)
    made_of = Path(name).name if artifact is None else artifact.id  # no path is told
    with new_folder(out) as part:
        made = make(part, card=card, texts=texts, made_of=made_of, log=log)
    return [out / file for file in made.files], made.checks


def _merged_card(card: Card, adapter: str, store: Store) -> Card:
    """The card of a base with an adapter in its weights, of which the base's scores say nothing."""
    own = load.adapter_card(adapter, store)
    model_folder = adapters.model_around(load.find_adapter(adapter, store))
    identity = "" if model_folder is None else open_artifact(model_folder).id
    merged = Merged(own.name, identity, *own.last_data())
    history = None if card.history is None else replace(card.history, evaluations=())
    return replace(card, history=history, merged=merged)


def adapter_of(name: str, adapter: str | None, store: Store, log: Log) -> tuple[Adapter, Card]:
    """An adapter with its base, to be exported alone, and what is known of it.

    adapter: of the base `name`; without it `name` is the model of an adapted phase, whose base is
    in the same store. Raises ExportError if there is no adapter or no base.
    """
    if adapter is not None:
        base = load.load_model(name, store, log=log)
        folder = load.find_adapter(adapter, store)
        base_name = adapters.base_name_of(folder) or Path(name).name
    else:
        artifact = load.find_artifact(name, store)
        folder = None if artifact is None else adapters.adapter_folder(artifact.verify().folder)
        if artifact is None or folder is None or not adapters.is_adapter(folder):
            raise ExportError(
                "this model was not made by a phase with adapters: there is none to hand over",
                where=name,
                do="Name the adapter: endonym export BASE --adapter DIR; or the model of a phase "
                "with adapt.",
            )
        start = adapters.base_name_of(folder)
        base_artifact = Store.of(artifact.folder).find("model", start) if start else None
        if base_artifact is None:
            raise ExportError(
                "the base of its adapter is not in the store, so that nothing could be proven",
                where=name,
                do=f"Name the base as well: endonym export BASE --adapter {name}",
            )
        base = load_pretrained(base_artifact.verify().folder)
        base_name = base_artifact.id
    card = load.adapter_card(adapter or name, store)
    changes = adapters.read_adapter(folder, base.decoder)
    base = base.with_parts(base.decoder, load.with_chat(base.tokenizer, folder))
    return Adapter(base, changes, card.name, base_name), card


def require_empty(out: Path) -> None:
    """Raise ExportError if a folder has files."""
    if out.is_dir() and any(out.iterdir()):
        do = "Choose another with --out DIR."
        raise ExportError("the folder is not empty", where=out, do=do)


@contextmanager
def new_folder(out: Path) -> Generator[Path]:
    """A folder beside `out`, which takes its name when all is well, or is deleted."""
    require_empty(out)
    whole = out.absolute()
    part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with translated_disk_errors(whole, option="--out"):
            yield part
            whole.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.rename(whole)
            except OSError:
                require_empty(out)  # something came there meanwhile
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def texts_of(name: str, model: LanguageModel, store: Store) -> list[str]:
    """The held-out documents of a model's own corpus; none if that is not in the store."""
    shards = shards_of(name, store)
    return [] if shards is None else held_out_documents(shards[0], model.tokenizer)


def verify_model(
    path: Path,
    against: str | None,
    files: Sequence[Path],
    *,
    store: Store,
    log: Log,
    adapter: str | None = None,
) -> tuple[list[Check], int]:
    """Compare an export with the model it was made of, or with another one.

    files: texts to compare them on; by default the held-out documents of the model's corpus.
    Returns the checks and the number of documents. Raises RecipeError if the model is not known.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise RecipeError("there is no such file or folder", where=path)
    has_record = (folder / RECORD).is_file()
    record: dict[str, Any] = record_of(folder) if has_record else {}
    name = against or record.get("model")
    made_with = record.get("adapter") if against is None else None
    message = do = ""
    if content_of(record) == "corpus":
        made = "dictionary" if record["format"] == "dictionary" else "data set"
        message = f"this is a {made}, which has no model to be compared with; its files are whole"
    elif content_of(record) == "adapter":
        message = (
            "this is an adapter, which was proven on its base when it was exported; its files are "
            "whole"
        )
        do = "Try it again: endonym export BASE --adapter DIR --to FORMAT"
    elif not name:
        message = f"there is no {RECORD} that names the model it was made of"
        do = "Name the model: --against MODEL"
    if message or not name:
        raise RecipeError(message, where=folder, do=do)
    try:
        model = load.load_model(name, store, log=log, adapter=adapter or made_with)
    except RecipeError as error:
        if made_with is None:
            raise
        message = f"it was made of {name} with the adapter {made_with}: {error.message}"
        do = "Name both: --against BASE --adapter DIR"
        raise RecipeError(message, where=folder, do=do) from error
    texts = [text for file in files for text in texts_below(file, model.tokenizer, log).each()]
    texts = texts or texts_of(name, model, store)
    if not texts:
        log.warn(NO_TEXTS)
    return verify_export(path, model, texts), len(texts)
