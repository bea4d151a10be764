"""Every export, from a finished model to a folder whose files are compared with it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from endonym.disk import (
    file_hash,
    list_files,
    own_file,
    read_given,
    read_json,
    write_atomic,
    write_json,
)
from endonym.errors import Damaged, ExportError
from endonym.export.config import ADAPTERS, DATASET, Export
from endonym.export.gguf.rows import architecture_of
from endonym.export.shapes import row_of
from endonym.log import Log
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import MOST_JSON_BYTES, AnyModelConfig
from endonym.store import IDENTIFIER, Artifact

if TYPE_CHECKING:
    from endonym.export.card import Card
    from endonym.export.verify import Check
    from endonym.generate.language_model import LanguageModel
    from endonym.tokenizer.tokenizer import Tokenizer

RECORD = "export.json"
"""In every export: the model it was made of, the size and hash of each file, and the checks."""
README, MODELFILE = EDITED = ("README.md", "Modelfile")
"""They are not in the record: people edit them."""
WEIGHTS = ".safetensors"
"""How the name of a file of weights ends, in an export and in an artefact."""
AGAIN = "Export the model again."
"""What to do about a folder that is not as it was exported."""
GGUF_PACKAGES = ("gguf", "xllamacpp")


class Exported(NamedTuple):
    """A written and verified export. files: names of its files."""

    files: list[str]
    checks: list["Check"]


def require_formats(
    exports: Iterable[Export],
    config: AnyModelConfig,
    tokenizer: "Tokenizer | None" = None,
    texts: Sequence[str] = (),
) -> None:
    """Raise ExportError if a format cannot hold this model, or, if given, its tokenizer.

    texts: which the format's program must read as the tokenizer does.
    """
    for export in exports:
        if export.format == "gguf":
            require_gguf_packages()
            if tokenizer is None and isinstance(config, ModelConfig):
                architecture_of(config)
            elif tokenizer is not None:
                from endonym.export.gguf.write import require_gguf
                from endonym.export.verify import require_same_ids

                require_gguf(config, tokenizer)
                assert isinstance(config, ModelConfig)
                require_same_ids(config, tokenizer, texts)
        elif export.format not in (DATASET, *ADAPTERS) and isinstance(config, ModelConfig):
            row_of(config)


def require_gguf_packages() -> None:
    """Raise ExportError if what writes and verifies GGUF files is not installed."""
    gone = [name for name in GGUF_PACKAGES if find_spec(name) is None]
    if gone:
        raise ExportError(
            f"GGUF files need {' and '.join(gone)}, which is not installed here",
            where="export gguf",
            do='Install it: pip install "endonym[gguf]"',
        )


def make_export(
    export: Export,
    model: "LanguageModel",
    out: Path,
    *,
    card: "Card",
    texts: Sequence[str],
    made_of: str,
    log: Log,
) -> Exported:
    """Write one export into an empty folder, and verify it there.

    texts: held-out documents to verify it on. made_of: the model's identity, for the record.
    Raises ExportError if the format cannot hold the model, or if a check fails.
    """
    from endonym.export.card import write_card
    from endonym.export.verify import require_ok, verify_export

    limits, fallbacks = write_export(export, model, out, card, made_of=made_of)
    for name, types in fallbacks.items():
        log.line(
            f"  {name}: rows of {len(types)} matrices are no multiple of its blocks (256 for K "
            f"types, 32 for others): stored as {', '.join(dict.fromkeys(types.values()))}, as "
            "llama.cpp does"
        )
    for limit in limits:
        log.line(f"  limit: {limit}")
    checks = verify_export(out, model, texts, name=card.name)
    require_ok(checks)
    form = "gguf" if export.format == "gguf" else "huggingface"
    write_card(out, card, model, form=form, checks=checks, limits=limits)
    merged = {} if card.merged is None else {"adapter": card.merged.id or card.merged.name}
    told = [check.as_dict() for check in checks]
    files = write_record(
        out, model=made_of, **merged, format=export.format, limits=limits, checks=told
    )
    return Exported(files, checks)


def write_record(out: Path, **record: Any) -> list[str]:
    """Write what is known of an export, and its files with their hashes; the names of all files."""
    files = list_files(out).items()
    kept = {name: entry for name, entry in files if name not in EDITED}
    write_json(out / RECORD, record | {"files": kept})
    return sorted(each.name for each in out.iterdir())


def make_dataset(
    corpus: Artifact, out: Path, *, name: str, language: str, licenses: Mapping[str, str]
) -> list[str]:
    """Write a corpus as a data set into an empty folder, with its card; the files' names.

    name, language: of the recipe, for the card. licenses: of its sources, by name. Raises
    ExportError for the corpus of a recipe without texts, which holds no document.
    """
    if not corpus.numbers["sources"]:
        raise ExportError(
            "there is no corpus to export: the recipe has no [[source]], only conversations",
            where=name,
            do="They are in the files that data in [[phase]] names.",
        )
    from endonym.corpus.corpus import Corpus
    from endonym.export.dataset import readme, write_dataset

    files = write_dataset(Corpus(corpus.folder), out, licenses)
    clean = corpus.manifest["config"]["clean"]
    text = readme(corpus.numbers, clean, name=name, language=language, licenses=licenses)
    write_atomic(out / README, text.encode("utf-8"))
    write_record(out, format=DATASET, corpus=corpus.id)
    return [*files, README, RECORD]


def write_export(
    export: Export, model: "LanguageModel", out: Path, card: "Card", *, made_of: str = ""
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Write the files; what the format does otherwise, and matrices that did not fit their type.

    made_of: the model's identity, which a GGUF file keeps.
    """
    if export.format == "huggingface":
        from endonym.export.huggingface import export_huggingface

        export_huggingface(model, out)
        return [], {}
    from endonym.export.gguf.write import Provenance, export_gguf, require_gguf
    from endonym.export.markdown import hub_license

    require_gguf_packages()
    limits = require_gguf(model.decoder.config, model.tokenizer)
    if card.merged is not None:
        made_of += f" with adapter {card.merged.name}"
    history = card.history if card.merged is None else None
    known = hub_license(history.licenses(card.licenses) if history else ())
    about = Provenance(
        name=card.name,
        language=card.language,
        license="" if known is None else known[0] if known[0] != "other" else known[1],
        made_of=made_of,
    )
    files = export_gguf(model, out, export.quantizations, about)
    return limits, {file.path.name: file.fallbacks for file in files if file.fallbacks}


def record_of(folder: Path) -> dict[str, Any]:
    """The record of an export, after comparing every file with it.

    Raises ExportError if there is none, Damaged if a file is missing, changed or not in the folder.
    """
    path = folder / RECORD
    try:
        record = read_json(own_file(folder, RECORD, do=AGAIN) if path.is_symlink() else path)
    except FileNotFoundError as error:
        raise ExportError(
            f"no {RECORD} here: this is no folder that endonym exported", where=str(folder)
        ) from error
    if wrong := _wrong_in(record):
        raise Damaged(f"cannot be read ({wrong})", where=str(path), do=AGAIN)
    for name, entry in record["files"].items():
        file = own_file(folder, name, do=AGAIN)
        if file_hash(file) != entry["sha256"]:
            raise Damaged(
                f"{name} is not what was written: its SHA-256 differs", where=str(file), do=AGAIN
            )
    return record


def model_behind(folder: Path, hashes: Mapping[str, str]) -> str:
    """The id of the model that a folder's weights were exported from; empty if it is not known.

    hashes: SHA-256 of the folder's files, by name. With an adapter in the weights the model is that
    of the adapted phase. Nothing is believed of weights that are not those of the record.
    """
    try:
        record = json.loads(read_given(folder / RECORD, MOST_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return ""
    if _wrong_in(record):
        return ""
    weights = {name: each for name, each in hashes.items() if name.endswith(WEIGHTS)}
    written = {name: record["files"].get(name, {}).get("sha256") for name in weights}
    made_of = record.get("adapter", record.get("model"))
    is_id = isinstance(made_of, str) and IDENTIFIER.fullmatch(made_of)
    return made_of if is_id and weights and weights == written else ""


def _wrong_in(record: Any) -> str:
    """What a record lacks; empty for a whole one."""
    if not isinstance(record, dict):
        return "it is no JSON object"
    if not isinstance(record.get("corpus" if record.get("format") == DATASET else "model"), str):
        return '"model" is missing or no text'
    files = record.get("files")
    if not isinstance(files, dict) or not files:
        return '"files" is missing, empty or no object'
    for name, entry in files.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            return f'"sha256" of {name} is missing or no text'
    return ""
