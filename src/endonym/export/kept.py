"""What an export keeps of the folder that its model goes on from.

config.json and generation_config.json keep all keys but those that training has changed. The files
of an unchanged tokenizer are copied byte by byte. An extended tokenizer is another one, whose
special tokens keep their ids and their uses.
"""

from functools import lru_cache
from pathlib import Path

import tokenizers

from endonym.disk import read_given, write_json
from endonym.errors import ExportError
from endonym.export.config import Quantization
from endonym.export.row import HFArchitecture, Json
from endonym.export.shapes import (
    config_json,
    read_config,
    without_own_code,
)
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import CONFIG
from endonym.model.foreign.origin import GENERATION, MOST_BYTES, TOKENIZER_FILES, Origin
from endonym.tokenizer.chat_template import exported_template
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
    engine = _engine_of_folder(model)
    return engine is not None and engine.to_str(pretty=True) == model.tokenizer.to_json().rstrip()


def origin_kept_by(model: LanguageModel) -> Origin | None:
    """The folder whose files an export keeps.

    None if the special tokens of the folder do not have the same ids in the model's tokenizer.
    """
    engine = _engine_of_folder(model)
    if engine is None:
        return None
    tokens = engine.get_added_tokens_decoder().items()
    is_same = all(model.tokenizer.id_of(token.content) == index for index, token in tokens)
    return model.origin if is_same else None


def _engine_of_folder(model: LanguageModel) -> tokenizers.Tokenizer | None:
    """The tokenizer of the model's folder; None if it has none."""
    return None if model.origin is None else _engine_of(model.origin)


@lru_cache(1)
def _engine_of(origin: Origin) -> tokenizers.Tokenizer | None:
    path = origin.folder / "tokenizer.json"
    return read_engine(path) if path.is_file() else None


def number_format(model: LanguageModel) -> Quantization:
    """The coarsest number format of the weights in an export that keeps those of its folder."""
    origin = origin_kept_by(model)
    used = {"F32"} if origin is None else {*origin.dtypes.values()}
    return "BF16" if "BF16" in used else "F16" if "F16" in used else "F32"


def special_ids(origin: Origin, tokenizer: Tokenizer) -> dict[str, int]:
    """The ids of special tokens by their use, as converters of llama.cpp find them.

    By name from the tokenizer's settings, else by id from config.json.
    """
    files = [origin.json(name) for name in ("special_tokens_map.json", SETTINGS)]
    settings = {key: value for file in files for key, value in file.items() if value}
    config = origin.json(CONFIG)
    ids = dict[str, int]()
    for use in USES:
        name = settings.get(f"{use}_token")
        name = name.get("content") if isinstance(name, dict) else name
        index = tokenizer.id_of(name) if isinstance(name, str) else config.get(f"{use}_token_id")
        index = index[0] if isinstance(index, list) and index else index
        if isinstance(index, int) and 0 <= index < tokenizer.vocab:
            ids[use] = index
    return ids


def kept_config(origin: Origin, config: ModelConfig, row: HFArchitecture) -> Json:
    """The folder's `config.json` with the keys that training has changed.

    If another shape comes of that, as older names of a key may stand beside the new ones, it has
    all keys of the row as they are written for models of endonym's own.
    """
    where = origin.folder / CONFIG
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


def write_kept_generation(origin: Origin, tokenizer: Tokenizer, out: Path) -> None:
    """Write the folder's `generation_config.json`, which ends a text at all ends of the tokenizer.

    Nothing if the folder has none and needs none. Ends are only added: a folder may have more of
    them than its template writes.
    """
    config = origin.json(CONFIG)
    kept = origin.json(GENERATION)
    known = kept.get("eos_token_id", config.get("eos_token_id"))
    known = known if isinstance(known, list) else [] if known is None else [known]
    new = [each for each in tokenizer.stop_ids if each not in known]
    if new:
        ids = {key: config[key] for key in ("bos_token_id", "pad_token_id") if key in config}
        ends = [*known, *new]
        kept = (kept or ids) | {"eos_token_id": ends if ends[1:] else ends[0]}
    if kept:
        write_kept(origin, GENERATION, kept, out)


def write_kept(origin: Origin, name: str, content: Json, out: Path) -> None:
    """Write a JSON file; byte by byte as the folder has it if it says the same."""
    if content == origin.json(name):
        (out / name).write_bytes(read_given(origin.folder / name, MOST_BYTES))
    else:
        write_json(out / name, content)


def write_same_tokenizer(origin: Origin, tokenizer: Tokenizer, out: Path) -> None:
    """Copy the files of the folder's tokenizer; only a new chat template replaces the old one."""
    for name in TOKENIZER_FILES:
        if name != GENERATION and (origin.folder / name).is_file():
            (out / name).write_bytes(read_given(origin.folder / name, MOST_BYTES))
    if tokenizer.chat_template != chat_template_in(origin.folder):
        (out / CHAT_TEMPLATE).unlink(missing_ok=True)
        settings = origin.json(SETTINGS)
        if settings.pop("chat_template", None) is not None:
            write_json(out / SETTINGS, settings)
        if template := exported_template(tokenizer):
            (out / CHAT_TEMPLATE).write_text(template, encoding="utf-8")


def kept_settings(origin: Origin) -> Json:
    """The folder's settings of special tokens and their uses, for an extended tokenizer."""
    settings = origin.json(SETTINGS)
    return {key: settings[key] for key in KEPT_SETTINGS if settings.get(key) is not None}
