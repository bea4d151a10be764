"""What an export keeps of the folder that its model goes on from.

config.json and generation_config.json keep all keys but those that training has changed. The files
of an unchanged tokenizer are copied byte by byte. An extended tokenizer is another one, whose
special tokens keep their ids and their uses.
"""

import json
from pathlib import Path
from typing import Any

from endonym.disk import read_given, write_json
from endonym.errors import ExportError
from endonym.export.config import Quantization
from endonym.export.row import HFArchitecture, Json
from endonym.export.shapes import (
    config_json,
    has_row,
    read_config,
    row_of,
    row_that_fits,
    without_own_code,
)
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import CONFIG
from endonym.model.foreign.origin import GENERATION, MOST_BYTES, TOKENIZER_FILES, Origin
from endonym.tokenizer.chat_template import template_of
from endonym.tokenizer.tokenizer import (
    CHAT_TEMPLATE,
    SETTINGS,
    Tokenizer,
    chat_template_in,
    read_engine,
)

USES = ("bos", "eos", "pad", "unk", "sep", "cls", "mask")
"""What special tokens are for, as settings and configs name them."""
KEPT_SETTINGS = (*(f"{use}_token" for use in USES), "padding_side", "truncation_side")
"""What an extended tokenizer keeps of the folder's settings."""


def keeps_tokenizer(model: LanguageModel) -> bool:
    """Whether the model's tokenizer is that of its folder, but perhaps for the chat template."""
    path = None if model.origin is None else model.origin.folder / "tokenizer.json"
    if path is None or not path.is_file():
        return False
    return f"{read_engine(path).to_str(pretty=True)}\n" == model.tokenizer.to_json()


def keeps_specials(model: LanguageModel) -> bool:
    """Whether the special tokens of its folder have the same ids in the model's tokenizer."""
    path = None if model.origin is None else model.origin.folder / "tokenizer.json"
    if path is None or not path.is_file():
        return False
    tokens = json.loads(read_engine(path).to_str())["added_tokens"]
    return all(model.tokenizer.id_of(each["content"]) == each["id"] for each in tokens)


def number_format(model: LanguageModel) -> Quantization:
    """The coarsest number format of the weights in an export that keeps those of its folder."""
    if model.origin is None or not keeps_specials(model):
        return "F32"
    return model.origin.number_format


def special_ids(origin: Origin, tokenizer: Tokenizer) -> dict[str, int]:
    """The ids of special tokens by their use, as converters of llama.cpp find them.

    By name from the tokenizer's settings, else by id from config.json.
    """
    settings = [origin.json(name) for name in (SETTINGS, "special_tokens_map.json")]
    config, ids = origin.json(CONFIG), dict[str, int]()
    for use in USES:
        named = next((each[f"{use}_token"] for each in settings if each.get(f"{use}_token")), None)
        name = named.get("content") if isinstance(named, dict) else named
        index = tokenizer.id_of(name) if isinstance(name, str) else config.get(f"{use}_token_id")
        index = index[0] if isinstance(index, list) and index else index
        if isinstance(index, int) and 0 <= index < tokenizer.vocab:
            ids[use] = index
    return ids


def row_for(model: LanguageModel) -> HFArchitecture:
    """The class of transformers for our own decoder: that of its folder, if it still fits."""
    config = model.decoder.config
    assert isinstance(config, ModelConfig), "of our own decoder"
    if model.origin is not None and has_row(model.origin.json(CONFIG)):
        return row_that_fits(model.origin.json(CONFIG), config, str(model.origin.folder))
    return row_of(config)


def kept_config(origin: Origin, config: ModelConfig, row: HFArchitecture) -> Json:
    """The folder's `config.json` with the keys that training has changed.

    If another shape comes of that, as older names of a key may stand beside the new ones, it has
    all keys of the row as they are written for models of endonym's own.
    """
    where = str(origin.folder / CONFIG)
    given = without_own_code(origin.json(CONFIG))
    before, after = (config_json(each, 0, row) for each in (read_config(given, where), config))
    for ids in ("bos_token_id", "eos_token_id", "dtype"):
        del before[ids], after[ids]
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    old_names = {old for old, new in row.aliases.items() if new in changed}
    gone = old_names | (before.keys() - after.keys())
    kept = {key: value for key, value in given.items() if key not in gone} | changed
    try:
        is_same = read_config(kept, where) == config
    except ExportError:
        is_same = False
    return kept if is_same else given | after


def kept_generation(model: LanguageModel) -> Json | None:
    """The folder's `generation_config.json`, which ends a text at all of the model's ends.

    None if the folder has none and needs none. Ends are only added: a folder may have more of them
    than its template writes.
    """
    origin = model.origin
    assert origin is not None, "of a model with a folder"
    config, kept = origin.json(CONFIG), origin.json(GENERATION)
    known = kept.get("eos_token_id", config.get("eos_token_id"))
    known = known if isinstance(known, list) else [] if known is None else [known]
    new = [each for each in model.tokenizer.stop_ids if each not in known]
    if new:
        ids = {key: config[key] for key in ("bos_token_id", "pad_token_id") if key in config}
        return (kept or ids) | {"eos_token_id": [*known, *new] if known or new[1:] else new[0]}
    return kept or None


def write_kept(origin: Origin, name: str, content: Json, out: Path) -> None:
    """Write a JSON file; byte by byte as the folder has it if it says the same."""
    if content == origin.json(name):
        (out / name).write_bytes(read_given(origin.folder / name, MOST_BYTES))
    else:
        write_json(out / name, content)


def write_same_tokenizer(model: LanguageModel, out: Path) -> None:
    """Copy the files of the folder's tokenizer; only a new chat template replaces the old one."""
    origin, tokenizer = model.origin, model.tokenizer
    assert origin is not None, "of a model with a folder"
    for name in TOKENIZER_FILES:
        if name != GENERATION and (origin.folder / name).is_file():
            (out / name).write_bytes(read_given(origin.folder / name, MOST_BYTES))
    if tokenizer.chat_template != chat_template_in(origin.folder):
        (out / CHAT_TEMPLATE).unlink(missing_ok=True)
        settings = origin.json(SETTINGS)
        if settings.pop("chat_template", None) is not None:
            write_json(out / SETTINGS, settings)
        if tokenizer.chat_template is not None:
            opened = template_of(tokenizer).opened
            (out / CHAT_TEMPLATE).write_text(opened, encoding="utf-8")


def with_kept_settings(origin: Origin, written: dict[str, Any]) -> dict[str, Any]:
    """The settings of an extended tokenizer, with the folder's special tokens and their uses."""
    settings = origin.json(SETTINGS)
    return written | {key: settings[key] for key in KEPT_SETTINGS if settings.get(key) is not None}
