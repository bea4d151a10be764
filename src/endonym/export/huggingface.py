"""A model as a folder that `transformers` loads without remote code, and back."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from endonym.disk import write_json
from endonym.errors import ExportError
from endonym.export.names import their_shapes, to_ours, to_theirs
from endonym.export.shapes import config_json, read_config
from endonym.generate.language_model import LanguageModel
from endonym.model.decoder import on_meta
from endonym.model.weights import (
    decoder_with,
    load_tensors,
    require_shapes,
    save_tensors,
    tensor_shapes,
)
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

SHARD_BYTES = 5_000_000_000
"""What `transformers` and the hubs take for one file."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TIED_HEADS = ("lm_head.weight", "embed_out.weight")
"""A head that is the embedding may be stored twice; then it is read once."""


def export_huggingface(model: LanguageModel, out: Path) -> list[str]:
    """Write the folder; returns its files' names."""
    config, tokenizer = model.decoder.config, model.tokenizer
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.float() for name, tensor in model.decoder.state_dict().items()}
    write_shards(to_theirs(config, weights), out)
    write_json(out / "config.json", config_json(config, tokenizer.end_id))
    generation = {"bos_token_id": tokenizer.end_id, "eos_token_id": tokenizer.end_id}
    write_json(out / "generation_config.json", {**generation, "do_sample": True})
    (out / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "model_max_length": config.context,
            "clean_up_tokenization_spaces": False,
        },
    )
    return sorted(path.name for path in out.iterdir())


def write_shards(tensors: dict[str, Tensor], out: Path) -> None:
    """One file of weights; or several of at most SHARD_BYTES, with an index of their tensors."""
    shards: list[dict[str, Tensor]] = [{}]
    for name in sorted(tensors):
        held = sum(each.nbytes for each in shards[-1].values())
        if shards[-1] and held + tensors[name].nbytes > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = tensors[name]
    if len(shards) == 1:
        save_tensors(tensors, out / WEIGHTS)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_tensors(shard, out / file)
        places |= dict.fromkeys(shard, file)
    total = {"total_size": sum(each.nbytes for each in tensors.values())}
    write_json(out / INDEX, {"metadata": total, "weight_map": places})


def import_huggingface(folder: Path) -> LanguageModel:
    """Read a folder in the transformers format. Nothing in it is executed.

    Raises ExportError for a shape that is not one of ours, Damaged for broken weights; both before
    any tensor is read.
    """
    where = str(folder / "config.json")
    config = read_config(read_json(folder / "config.json"), where)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    if tokenizer.vocab != config.vocab:
        raise ExportError(
            f"vocab_size = {config.vocab} beside a tokenizer of {tokenizer.vocab} ids",
            where=where,
            do="The model and the tokenizer must have as many ids.",
        )
    files = weight_files(folder)
    found = {name: shape for file in files for name, shape in tensor_shapes(file).items()}
    wanted = their_shapes(config, on_meta(config).state_dict())
    if config.tied and "lm_head.weight" not in wanted:
        found = {name: shape for name, shape in found.items() if name not in TIED_HEADS}
    require_shapes(found, wanted, files[0])
    theirs = {name: each for file in files for name, each in load_tensors(file).items()}
    ours = to_ours(config, {name: each for name, each in theirs.items() if name in wanted})
    return LanguageModel(decoder_with(config, ours, files[0]), tokenizer)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights. Raises ExportError if they are of another kind."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        found = f", only {pickles[0]}, a pickle, which could run code" if pickles else ""
        raise ExportError(
            f"no {WEIGHTS} in this folder{found}",
            where=str(folder),
            do="Save the model again with transformers: save_pretrained writes safetensors.",
        )
    places = read_json(folder / INDEX).get("weight_map")
    given = list(places.values()) if isinstance(places, dict) else []
    names = sorted({str(name) for name in given})
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise ExportError(f"{INDEX} names {name}, which is not here", where=str(folder))
    if not names:
        raise ExportError(f"{INDEX} names no file", where=str(folder))
    return [folder / name for name in names]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ExportError if the file is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"no readable {path.name} ({error})", where=str(path)) from error
    if not isinstance(data, dict):
        raise ExportError(f"{path.name} is not a JSON object", where=str(path))
    return data
