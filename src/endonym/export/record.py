"""The record of an export: the model it was made of, its files with their hashes, the checks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from endonym.disk import file_hash, list_files, own_file, read_given, read_json, write_json
from endonym.errors import Damaged, ExportError
from endonym.export.config import FORMATS, Content
from endonym.model.foreign.folder import MOST_JSON_BYTES
from endonym.store import IDENTIFIER

RECORD = "export.json"
"""In every export: the model it was made of, the size and hash of each file, and the checks."""
README, MODELFILE = EDITED = ("README.md", "Modelfile")
"""They are not in the record: people edit them."""
WEIGHTS = ".safetensors"
"""How the name of a file of weights ends, in an export and in an artefact."""
AGAIN = "Export the model again."
"""What to do about a folder that is not as it was exported."""


def write_record(out: Path, record: Mapping[str, Any]) -> list[str]:
    """Write the record of an export, with the hashes of its files; returns all files' names."""
    files = {name: entry for name, entry in list_files(out).items() if name not in EDITED}
    write_json(out / RECORD, {**record, "files": files})
    return sorted(each.name for each in out.iterdir())


def record_of(folder: Path) -> dict[str, Any]:
    """The record of an export, after comparing every file with it.

    Raises ExportError if there is none, Damaged if a file is missing, changed or not in the folder.
    """
    path = folder / RECORD
    try:
        record = read_json(own_file(folder, RECORD, do=AGAIN) if path.is_symlink() else path)
    except FileNotFoundError as error:
        raise ExportError(
            f"no {RECORD} here: this is no folder that endonym exported", where=folder
        ) from error
    if wrong := _wrong_in(record):
        raise Damaged(f"cannot be read ({wrong})", where=path, do=AGAIN)
    for name, entry in record["files"].items():
        file = own_file(folder, name, do=AGAIN)
        if file_hash(file) != entry["sha256"]:
            raise Damaged(
                f"{name} is not what was written: its SHA-256 differs", where=file, do=AGAIN
            )
    return record


def content_of(record: Mapping[str, Any]) -> Content:
    """What a record says was exported; a model if it names no format, or none that is known."""
    # The record may hold anything in place of a name, also what is no key of a dict.
    told = record.get("format")
    known: Content | None = next((row.content for n, row in FORMATS.items() if n == told), None)
    return known or "model"


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
    if not isinstance(record.get("corpus" if content_of(record) == "corpus" else "model"), str):
        return '"model" is missing or no text'
    files = record.get("files")
    if not isinstance(files, dict) or not files:
        return '"files" is missing, empty or no object'
    for name, entry in files.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            return f'"sha256" of {name} is missing or no text'
    return ""
