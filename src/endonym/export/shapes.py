"""A model's config as the `config.json` of `transformers`, and back. Imports no torch.

Reading is strict: any key or value that our own writer would not write for this model is refused,
so that nothing that changes the outputs is ignored. Nothing is executed.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from endonym.config import reason_of
from endonym.disk import packaged_tables
from endonym.errors import ExportError, ShapeError
from endonym.export.config import Export
from endonym.export.gguf.rows import architecture_of, keyboard_row_of
from endonym.export.refusals import refusal
from endonym.export.row import HFArchitecture, Json, nearest, our_activation
from endonym.export.rows import ROWS
from endonym.mappings import without_none
from endonym.model.config import AttentionConfig, ModelConfig, ModelKeys
from endonym.model.families import resolve
from endonym.model.foreign import folder as foreign

NO_LIMITS = ([0.0, float("inf")], (0.0, float("inf")), [0.0, {"__float__": "Infinity"}])
"""Infinity as written by Python's JSON and by `transformers`."""
ACTIVATION_KEYS = ("hidden_act", "activation_function", "activation")

KNOWN = packaged_tables("endonym.export", "known_keys.toml")
ANY_VALUE = {key for keys in KNOWN["any_value"].values() for key in keys}
"""Words of published config.json files that change no logit, whatever they say."""
ONLY: dict[str, list[Any]] = KNOWN["only"]
"""Words that change no logit if they have one of these values."""
UNLISTED: dict[str, list[str]] = KNOWN["unlisted"]
NO_MODELS = ("AutoTokenizer", "AutoProcessor", "AutoFeatureExtractor", "AutoImageProcessor")
"""Classes of an `auto_map` that compute nothing of a model."""


def row_of(config: ModelConfig) -> HFArchitecture:
    """The class of `transformers` for this model, of any family.

    Raises ExportError if there is none, with what the family's own class does not support.
    """
    row, reason = nearest(ROWS, config)
    if reason is None:
        return row
    architecture = row.architecture
    where = "export huggingface"
    raise refusal("not_in_transformers", where, architecture=architecture, reason=reason)


ROW_OF = {"huggingface": row_of, "gguf": architecture_of, "keyboard": keyboard_row_of}
"""For each format of a model: what gives its row for a shape, or raises ExportError."""


def require_shapes(exports: Iterable[Export], config: foreign.AnyModelConfig) -> None:
    """Raise ExportError if a format lacks a package, or cannot express this shape."""
    for export in exports:
        if export.row.content == "model":
            export.row.require_packages()
            if isinstance(config, ModelConfig):
                ROW_OF[export.format](config)


def config_json(config: ModelConfig, end_id: int, row: HFArchitecture | None = None) -> Json:
    """The `config.json` of a model, with the context length it was trained with."""
    row = row or row_of(config)
    return {
        "architectures": [row.architecture],
        "model_type": row.model_type,
        "vocab_size": config.vocab,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "tie_word_embeddings": config.tied,
        "max_position_embeddings": config.context,
        "dtype": "float32",
        "use_cache": True,
        **row.to_json(config),
    }


def read_config(data: Json, where: Path) -> ModelConfig:
    """The model that a `config.json` describes.

    Raises ExportError with the key that is missing, unknown, or has an unsupported value.
    """
    data = without_own_code(data)
    foreign.refuse_code(data, where)
    row = row_named(data, where)
    config = _read_shape(row, data, where)
    fitting = row_that_fits(data, config, where)
    model_type = row.model_type
    written = config_json(config, 0, fitting) | {"model_type": model_type}
    expected = row.required | written
    expected |= {old: written[new] for old, new in row.aliases.items() if new in written}
    for key, value in _as_we_write(row.assumed | data, written, config).items():
        is_expected = key in expected and expected[key] == value
        is_known = is_expected or key in row.harmless or is_harmless(key, value)
        if not (is_known or is_metadata(key, value)):
            allowed = (row.required[key],) if key in row.required else ONLY.get(key, ())
            values = " or ".join(map(repr, allowed))
            only = f"Only {key} = {values} can be read. " if allowed else ""
            shown = repr(value)
            raise refusal(
                "strange_key", where, key=key, value=shown, only=only, model_type=model_type
            )
    return config


def folder_shape(folder: Path) -> foreign.AnyModelConfig:
    """The config of a folder, ours or in the transformers format, without reading tensors.

    Raises ExportError if neither endonym nor transformers supports it, Damaged if the weights'
    headers are damaged.
    """
    config_json = foreign.read_json(folder / foreign.CONFIG)
    where = folder / foreign.CONFIG
    if foreign.is_artefact(folder):
        return our_shape(config_json, where)
    config_json = without_own_code(config_json)
    if not has_row(config_json):
        return foreign.foreign_config(folder, config_json)
    foreign.weight_shapes(folder)
    return read_config(config_json, where)


def without_own_code(config_json: Json) -> Json:
    """A `config.json` without an `auto_map` that names a class which transformers has since then.

    The first Falcons were published with their class as code. The class of the same name that we
    compute is in transformers; the folder's code is never run. Code of a tokenizer alone is not
    needed, as `tokenizer.json` has all of it.
    """
    named = config_json.get("auto_map") or {}
    if not isinstance(named, dict):
        return config_json
    own = {row.architecture for row in ROWS if row.model_type == config_json.get("model_type")}
    model = str(named.get("AutoModelForCausalLM")).rpartition(".")[2]
    is_own = model in own and config_json.get("architectures") == [model]
    if not is_own and not named.keys() <= {*NO_MODELS}:
        return config_json
    return {key: value for key, value in config_json.items() if key != "auto_map"}


def our_shape(config_json: Json, where: Path) -> foreign.AnyModelConfig:
    """The config in a model artefact's `config.json`. Raises ExportError if it is none."""
    try:
        return foreign.read_shape(config_json)
    except ValidationError as error:
        raise refusal("no_own_config", where) from error


def has_row(data: Json) -> bool:
    """Whether endonym itself computes the model of a `config.json`; else `transformers` does."""
    rows = [row for row in ROWS if row.model_type == data.get("model_type")]
    return any(not any(data.get(key) is True for key in row.elsewhere) for row in rows)


def row_named(config_json: Json, where: Path) -> HFArchitecture:
    """The row of a folder's model_type. Raises ExportError if there is none."""
    for row in ROWS:
        if row.model_type == config_json.get("model_type"):
            return row
    known = ", ".join(row.model_type for row in ROWS)
    raise refusal("strange_type", where, kind=repr(config_json.get("model_type")), known=known)


def row_that_fits(data: Json, config: ModelConfig, where: Path) -> HFArchitecture:
    """The row whose keys and names a folder uses: its own, or another one that fits the model."""
    row = row_named(data, where)
    if row.misfit(config) is None:
        return row
    try:
        return row_of(config)
    except ExportError as error:
        raise ExportError(error.message, where=where, do="Take another folder.") from error


def _as_we_write(data: Json, written: Json, config: ModelConfig) -> Json:
    """The keys as given, with equivalent values written as we write them."""
    plain = without_none(data)
    mixer = config.mixers[0]
    kind = "linear_attention"
    if isinstance(mixer, AttentionConfig):
        kind = "full_attention" if mixer.window is None else "sliding_attention"
    types = plain.get("layer_types")
    if isinstance(types, list) and types[: config.layers + 1] == [kind] * config.layers:
        del plain["layer_types"]
    if plain.get("time_step_rank") == "auto":
        del plain["time_step_rank"]
    if plain.get("time_step_limit") in NO_LIMITS:
        plain["time_step_limit"] = NO_LIMITS[0]
    for key in ACTIVATION_KEYS:
        if key in plain and our_activation(plain[key]) == our_activation(written.get(key)):
            plain[key] = written[key]
    window = plain.get("sliding_window")
    if written.get("sliding_window") == config.context and isinstance(window, int):
        plain["sliding_window"] = min(window, config.context)
    return plain


def _read_shape(row: HFArchitecture, data: Json, where: Path) -> ModelConfig:
    """The model that a `config.json` describes, with the row's defaults. Raises ExportError."""
    fields = without_none(data)
    fields |= {key: None for key in row.may_be_null if key in data and data[key] is None}
    for old, new in row.aliases.items():
        if old in fields:
            fields.setdefault(new, fields[old])
    fields = row.assumed | fields
    try:
        return resolve(
            ModelKeys.model_validate(row.to_keys(fields)),
            vocab=fields["vocab_size"],
            context=fields[row.context_key],
        )
    except KeyError as error:
        raise ExportError(f"config.json lacks {error}", where=where) from error
    except ExportError as error:
        raise ExportError(error.message, where=where, do=error.do) from error
    except ShapeError as error:
        raise ExportError(f"config.json does not fit: {error.message}", where=where) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "table")
        raise ExportError(
            f"config.json gives {first['input']!r} for {key}: {reason_of(first)}", where=where
        ) from error
    except TypeError as error:
        raise ExportError(f"config.json does not fit: {error}", where=where) from error


def is_metadata(key: str, value: Any) -> bool:
    """Whether a word that no list has says where a model comes from, and not what it computes.

    A number or a switch can change a computation, whatever it is called; so it is metadata only
    under the name of a tool, of a version, of a date or of a special token. Text can choose among
    ways to compute only if its key, or a key within it, says which part of the model it is about.
    """
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()))
    if words & {*UNLISTED["computing"]}:
        return False
    tools = tuple(UNLISTED["tools"])
    if key.removeprefix("_").startswith(tools) or key.endswith(("_token_id", "_token_ids")):
        return True
    return _is_text(value) or bool(words & {*UNLISTED["provenance"]})


def _is_text(value: Any) -> bool:
    """Whether a JSON value is text, or a list or a table with metadata alone."""
    if isinstance(value, dict):
        return all(is_metadata(key, each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_text, value))
    return isinstance(value, str)


def is_harmless(key: str, value: Any) -> bool:
    """Whether a word of any class changes no logit with this value."""
    return key in ANY_VALUE or any(value == each for each in ONLY.get(key, ()))
