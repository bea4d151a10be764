"""A model as a folder that `transformers` loads without remote code, and back."""

import json
from pathlib import Path
from typing import Any

from endonym.disk import write_json
from endonym.errors import ExportError
from endonym.export.names import to_ours, to_theirs
from endonym.export.shapes import config_json, read_config
from endonym.generate.language_model import LanguageModel
from endonym.model.weights import decoder_with, load_tensors, save_tensors
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer


def export_huggingface(model: LanguageModel, out: Path) -> list[str]:
    """Write the folder; returns its files' names."""
    config, tokenizer = model.decoder.config, model.tokenizer
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.float() for name, tensor in model.decoder.state_dict().items()}
    save_tensors(to_theirs(config, weights), out / "model.safetensors")
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


def import_huggingface(folder: Path) -> LanguageModel:
    """Read a folder in the transformers format. Nothing in it is executed.

    Raises ExportError for a shape that is not one of ours, Damaged for broken weights.
    """
    where = str(folder / "config.json")
    config = read_config(_read_json(folder / "config.json"), where)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    if tokenizer.vocab != config.vocab:
        raise ExportError(
            f"vocab_size = {config.vocab} beside a tokenizer of {tokenizer.vocab} ids",
            where=where,
            do="The model and the tokenizer must have as many ids.",
        )
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ExportError(
            f"no {weights.name} in this folder",
            where=str(folder),
            do="Weights in several files or in other formats must be saved again as one.",
        )
    decoder = decoder_with(config, to_ours(config, load_tensors(weights)), weights)
    return LanguageModel(decoder, tokenizer)


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ExportError if the file is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"no readable {path.name} ({error})", where=str(path)) from error
    if not isinstance(data, dict):
        raise ExportError(f"{path.name} is not a JSON object", where=str(path))
    return data
