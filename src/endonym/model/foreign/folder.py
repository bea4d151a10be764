"""Reads a folder in the format of `transformers`. Imports no torch and reads no tensor.

Nothing in the folder is executed: weights are safetensors, all else is JSON, and a `config.json`
that asks for its own code is refused.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from endonym.config import Config
from endonym.disk import open_regular, packaged_tables, read_given
from endonym.errors import Damaged, ExportError
from endonym.model.config import ModelConfig
from endonym.model.refusals import misfit, refusals

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
OUR_WEIGHTS = "weights.safetensors"
ORIGIN = "origin"
"""The weights of a model artefact, which has our own `config.json`; and a folder in it with files
of the folder that it goes on from (`origin.py`)."""
refusal = refusals(Path(__file__).with_name("refusals.toml"), ExportError)
CONFIG_WORDS = packaged_tables("endonym.model.foreign", "words.toml")
FLOATS = ("F64", "F32", "F16", "BF16")
"""Dtypes of weights."""
WHOLE = ("I64", "I32", "I16", "I8", "U8", "BOOL")
"""Other dtypes that constants of foreign models may have."""
HEADER_LIMIT_BYTES = 25_000_000
"""A tensor takes about a hundred bytes of it."""
MOST_JSON_BYTES = 16 << 20
"""The list of 100,000 tensors takes less."""
MOST_PARTS = 100_000
MOST_SIZE = 1 << 32
"""Layers, heads or experts; any other number of a foreign config.json."""
UNKNOWN_CONTEXT = 1024
"""Context length of a model whose config.json has none."""
HEADS = ("lm_head.weight", "embed_out.weight")
"""Names of the head; a tied head may be stored beside the embedding."""
CONTEXTS = ("max_position_embeddings", "n_positions")

Shapes = dict[str, tuple[int, ...]]


class ForeignConfig(Config):
    """A model that `transformers` computes: its sizes and its own `config.json`.

    parameters: number of parameters; a tied head counts once.
    """

    family: str
    vocab: int
    context: int
    dim: int
    layers: int
    tied: bool
    parameters: int
    transformers: dict[str, Any]

    @property
    def remembered(self) -> int:
        """Channels of the keys, or of the values, of a token in one layer's cache."""
        heads = self.transformers.get("num_attention_heads") or 1
        shared = self.transformers.get("num_key_value_heads") or heads
        return shared * (self.transformers.get("head_dim") or self.dim // heads)


AnyModelConfig = ModelConfig | ForeignConfig
Shape = TypeVar("Shape", bound=AnyModelConfig)


def read_shape(data: dict[str, Any]) -> AnyModelConfig:
    """The model config in a model artefact's `config.json`."""
    kind = ForeignConfig if "transformers" in data else ModelConfig
    return kind.model_validate(data)


def foreign_config(folder: Path, config_json: dict[str, Any] | None = None) -> ForeignConfig:
    """The config of a folder of any architecture, from `config.json` and the weights' headers.

    config_json: what to read in place of the file. Raises ExportError for a model that endonym does
    not support, Damaged for broken weights.
    """
    path = folder / CONFIG
    config_json = read_json(path) if config_json is None else config_json
    refuse_code(config_json, path)
    _refuse_unsupported(config_json, path)
    _refuse_huge(config_json, path)
    sizes = {name: _size(config_json, keys, path) for name, keys in CONFIG_WORDS["sizes"].items()}
    shapes = weight_shapes(folder)
    heads = [name for name in HEADS if name in shapes]
    tied = bool(config_json.get("tie_word_embeddings", not heads))
    total = sum(math.prod(shape) for name, shape in shapes.items() if not tied or name not in HEADS)
    if sizes["layers"] > len(shapes):
        raise refusal("few_tensors", path, layers=sizes["layers"], tensors=len(shapes))
    context = UNKNOWN_CONTEXT
    if any(config_json.get(key) is not None for key in CONTEXTS):
        context = _size(config_json, CONTEXTS, path)
    return ForeignConfig(
        **sizes,
        family=str(config_json["model_type"]),
        context=context,
        tied=tied,
        parameters=total,
        transformers=config_json,
    )


def require_rows(shape: AnyModelConfig, context: int) -> None:
    """Raise ShapeError if rows of `context` tokens are longer than a model can read at once."""
    if context > shape.context:
        raise misfit("long_rows", "pack.context", context=context, own=shape.context)


def with_vocab(shape: Shape, vocab: int) -> Shape:
    """A config with another number of ids."""
    if isinstance(shape, ModelConfig):
        return shape.model_copy(update={"vocab": vocab})
    tables = 1 if shape.tied else 2
    changed = {
        "vocab": vocab,
        "parameters": shape.parameters + tables * (vocab - shape.vocab) * shape.dim,
        "transformers": shape.transformers | {"vocab_size": vocab},
    }
    return shape.model_copy(update=changed)


def _size(config_json: dict[str, Any], keys: Sequence[str], where: Path) -> int:
    """One of the sizes, by the first of these keys that there is."""
    size = next((config_json[key] for key in keys if key in config_json), None)
    if isinstance(size, int) and 0 < size < 1 << 40:
        return size
    what = "lacks" if size is None else f"has {size!r} for"
    raise ExportError(f"config.json {what} {keys[0]}", where=where)


def _refuse_huge(value: Any, where: Path, key: str = "") -> None:
    """Raise ExportError, with its name, for a number that no model has.

    What smaller ones do to a class is tried in a process with limits (`weights.py`).
    """
    if isinstance(value, dict):
        for name, each in value.items():
            _refuse_huge(each, where, name)
    elif isinstance(value, list):
        for each in value:
            _refuse_huge(each, where, key)
    elif isinstance(value, int) and "theta" not in key:
        is_count = key.startswith(("num_", "n_layer", "n_head")) or key.endswith("_layers")
        if abs(value) > (MOST_PARTS if is_count else MOST_SIZE):
            raise ExportError(f"config.json has {str(value)[:40]} for {key}", where=where)


def _refuse_half_artefact(config_json: dict[str, Any], where: Path) -> None:
    """Raise ExportError for the config of a model artefact: its weights are not beside it."""
    if "family" in config_json and "model_type" not in config_json:
        raise refusal("half_artefact", where, config=CONFIG, weights=OUR_WEIGHTS)


def _refuse_unsupported(config_json: dict[str, Any], where: Path) -> None:
    """Raise ExportError if it is not a causal model of text in plain numbers."""
    _refuse_half_artefact(config_json, where)
    for key, what in CONFIG_WORDS["unsupported"].items():
        if config_json.get(key):
            raise refusal("unsupported", where, key=key, what=what)
    if not isinstance(config_json.get("model_type"), str):
        raise ExportError("config.json lacks model_type", where=where)


def refuse_code(data: Mapping[str, Any], where: Path) -> None:
    """Raise ExportError if a `config.json` asks for code from its folder."""
    if "auto_map" in data:
        raise refusal("own_code", where)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ExportError if the file is none."""
    try:
        data = json.loads(read_given(path, MOST_JSON_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"no readable {path.name} ({error})", where=path) from error
    if not isinstance(data, dict):
        raise ExportError(f"{path.name} is not a JSON object", where=path)
    return data


def is_artefact(folder: Path) -> bool:
    """Whether a folder is a model artefact of ours; else it is in the format of `transformers`."""
    return (folder / OUR_WEIGHTS).is_file()


def folder_files(folder: Path) -> list[Path]:
    """The files that determine a folder's model and its exports, in a fixed order."""
    tokens = [folder / name for name in CONFIG_WORDS["tokenizer"] if (folder / name).is_file()]
    if is_artefact(folder):
        kept = sorted((folder / ORIGIN).iterdir()) if (folder / ORIGIN).is_dir() else []
        return [*kept, folder / CONFIG, folder / OUR_WEIGHTS, *tokens]
    _refuse_half_artefact(read_json(folder / CONFIG), folder / CONFIG)
    index = [folder / INDEX] if not (folder / WEIGHTS).is_file() else []
    return [folder / CONFIG, *weight_files(folder), *index, *tokens]


def weight_files(folder: Path) -> list[Path]:
    """The files of a folder's weights. Raises ExportError if they are not safetensors."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        pickle_note = f", only {pickles[0]}, a pickle, which could run code" if pickles else ""
        raise refusal("no_weights", folder, file=WEIGHTS, pickle_note=pickle_note)
    files = read_json(folder / INDEX).get("weight_map")
    names = sorted(set(map(str, files.values()))) if isinstance(files, dict) else []
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise ExportError(f"{INDEX} names {name}, which is not here", where=folder)
    if not names:
        raise ExportError(f"{INDEX} names no file", where=folder)
    return [folder / name for name in names]


def weight_shapes(folder: Path) -> Shapes:
    """Names and shapes of all of a folder's tensors, from the headers of its files."""
    files = weight_files(folder)
    return {name: shape for file in files for name, shape in tensor_shapes(file).items()}


def weight_dtypes(folder: Path) -> dict[str, str]:
    """Names and dtypes of all of a folder's tensors, from the headers of its files."""
    files = weight_files(folder)
    return {name: dtype for file in files for name, (_, dtype) in _header(file).items()}


def tensor_shapes(path: Path) -> Shapes:
    """Names and shapes of a file's tensors, from its header.

    Raises Damaged if the file is short, too long, or not safetensors.
    """
    return {name: shape for name, (shape, _) in _header(path).items()}


def require_numbers(
    files: Iterable[Path],
    dtypes: tuple[str, ...] = FLOATS,
    named: Callable[[str], str | None] = str,
) -> None:
    """Raise Damaged, from the headers, if a tensor has none of these dtypes.

    named: a tensor's name in our model; None for one that is left out.
    """
    for path in files:
        for name, (_, dtype) in _header(path).items():
            if dtype not in dtypes and named(name):
                raise damaged(path, f"holds {name} as {dtype}, not {', '.join(dtypes)}")


def _header(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of each tensor of a safetensors file.

    Its first 8 bytes are the length of the header; the header in JSON and the numbers follow.
    """
    try:
        opened = open_regular(path)
    except ValueError as error:
        raise Damaged(str(error), where=path, do="Take a whole copy.") from error
    with opened as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(HEADER_LIMIT_BYTES, size):
            raise damaged(path, "is not a whole safetensors file")
        try:
            header = json.loads(file.read(length))
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = max((int(each["data_offsets"][1]) for each in entries.values()), default=0)
            tensors = {
                name: (tuple(map(int, each["shape"])), str(each["dtype"]))
                for name, each in entries.items()
            }
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise damaged(path, f"has an unreadable header ({error})") from error
    if 8 + length + end != size:
        raise damaged(path, f"should have {8 + length + end} bytes but has {size}")
    return tensors


def require_shapes(
    shapes: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    """Raise Damaged if a tensor is missing, unknown or of another shape."""
    missing = sorted(wanted.keys() - shapes.keys())
    extra = sorted(shapes.keys() - wanted.keys())
    if missing or extra:
        raise damaged(path, f"lacks {missing[:3]} and has unknown {extra[:3]}")
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise damaged(path, f"holds {name} of shape {shape} instead of {wanted[name]}")


def damaged(path: Path, problem: str) -> Damaged:
    """An error in a file of weights."""
    return Damaged(
        f"{path.name} {problem}", where=path, do="Take a whole copy, or make the model anew."
    )
