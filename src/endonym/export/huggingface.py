"""A model as a folder that `transformers` loads without remote code, and back."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from endonym.disk import write_json
from endonym.errors import ExportError
from endonym.export.harmless import is_buffer
from endonym.export.names import to_ours, to_theirs
from endonym.export.shapes import (
    config_json,
    has_row,
    read_config,
    row_that_fits,
    without_own_code,
)
from endonym.generate.language_model import LanguageModel, most_tokens
from endonym.generate.sample import Sampling
from endonym.model.decoder import on_meta
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.foreign.folder import (
    CONFIG,
    HEADS,
    INDEX,
    WEIGHTS,
    AnyModelConfig,
    read_json,
    refuse_code,
    require_numbers,
    require_shapes,
    weight_files,
    weight_shapes,
)
from endonym.model.foreign.weights import load_tried, stored_weights
from endonym.model.weights import decoder_with, load_tensors, require_tied, save_tensors
from endonym.tokenizer.chat_template import template_of
from endonym.tokenizer.tokenizer import CHAT_TEMPLATE, Tokenizer

PREFIXES = {
    **dict.fromkeys(("gpt2", "falcon"), "transformer."),
    **dict.fromkeys(("mamba", "mamba2"), "backbone."),
    "gpt_neox": "gpt_neox.",
}
"""How the names of a class begin, by model_type; else with "model."."""
SHARD_BYTES = 5_000_000_000
"""Largest weights file, as in `transformers`."""


def export_huggingface(model: LanguageModel, out: Path) -> list[str]:
    """Write the folder; returns the names of its files."""
    tokenizer, context = model.tokenizer, model.decoder.config.context
    config, weights = _as_theirs(model.decoder, tokenizer.end_id)
    out.mkdir(parents=True, exist_ok=True)
    write_shards({name: tensor.float() for name, tensor in weights.items()}, out)
    write_json(out / CONFIG, config)
    write_json(out / "generation_config.json", _generation(tokenizer, context))
    write_tokenizer(tokenizer, context, out)
    return sorted(path.name for path in out.iterdir())


def write_tokenizer(tokenizer: Tokenizer, context: int, out: Path) -> None:
    """Write `tokenizer.json` and the settings by which `AutoTokenizer` reads texts as we do.

    Each text begins with the bos token, as in training, unless add_special_tokens=False. Without a
    chat template the name of a special token in a text stays plain text (split_special_tokens), so
    bos cannot be written before a prompt. `tokenizer.json` has no such setting: programs that read
    this file alone set `encode_special_tokens = True` themselves. With a chat template names are
    read as special tokens, as transformers reads a filled template as one text; it writes bos.
    """
    content: dict[str, Any] = json.loads(tokenizer.to_json())
    content["post_processor"] = _start_first(content["post_processor"], tokenizer)
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    (out / "tokenizer.json").write_text(text, encoding="utf-8")
    if tokenizer.chat_template is not None:
        (out / CHAT_TEMPLATE).write_text(template_of(tokenizer).opened, encoding="utf-8")
    reserved = tokenizer.conversation_tokens
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokenizer.start,
            "eos_token": tokenizer.end,
            "pad_token": tokenizer.end,
            "padding_side": "left",
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": tokenizer.chat_template is None,
            **({"extra_special_tokens": reserved} if reserved else {}),
        },
    )


def _start_first(given: dict[str, Any] | None, tokenizer: Tokenizer) -> dict[str, Any]:
    """The post-processor that puts bos before a text. Of the given one, offsets' trimming stays."""
    start, index = tokenizer.start, tokenizer.start_id
    first = [
        [{"SpecialToken": {"id": start, "type_id": n}}, {"Sequence": {"id": name, "type_id": n}}]
        for n, name in enumerate("AB")
    ]
    named = {start: {"id": start, "ids": [index], "tokens": [start]}}
    template = {"type": "TemplateProcessing", "single": first[0], "pair": first[0] + first[1]}
    steps = (given or {}).get("processors", [given] if given else [])
    kept = [step for step in steps if step["type"] == "ByteLevel"]
    steps = [*kept, {**template, "special_tokens": named}]
    return {"type": "Sequence", "processors": steps} if kept else steps[0]


def _generation(tokenizer: Tokenizer, context: int) -> dict[str, Any]:
    """`generation_config.json`: endonym's own defaults, and a length that fits beside a prompt.

    `config.json` names no padding token: transformers would keep its embedding from learning.
    """
    stops = list(tokenizer.stop_ids)
    ids = {
        "bos_token_id": tokenizer.start_id,
        "eos_token_id": stops[0] if len(stops) == 1 else stops,
    }
    usual = Sampling()
    return {
        **ids,
        "pad_token_id": tokenizer.end_id,
        "do_sample": True,
        "temperature": usual.temperature,
        "top_k": usual.top_k,
        "top_p": usual.top_p,
        "max_new_tokens": most_tokens(context),
    }


def _as_theirs(decoder: AnyDecoder, end_id: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A decoder as `config.json` and tensors; foreign models keep their own keys and names."""
    if isinstance(decoder, ForeignDecoder):
        theirs = {k: v for k, v in decoder.config.transformers.items() if k != "torch_dtype"}
        return theirs | {"dtype": "float32"}, stored_weights(decoder)
    weights = to_theirs(decoder.config, decoder.state_dict())
    return config_json(decoder.config, end_id), weights


def write_shards(tensors: dict[str, Tensor], out: Path) -> None:
    """Write one file of weights, or several of at most SHARD_BYTES with an index."""
    shards: list[dict[str, Tensor]] = [{}]
    for name in sorted(tensors):
        held = sum(each.nbytes for each in shards[-1].values())
        if shards[-1] and held + tensors[name].nbytes > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = tensors[name]
    if len(shards) == 1:
        save_tensors(tensors, out / WEIGHTS)
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_tensors(shard, out / file)
        weight_map |= dict.fromkeys(shard, file)
    total = {"total_size": sum(each.nbytes for each in tensors.values())}
    write_json(out / INDEX, {"metadata": total, "weight_map": weight_map})


def import_huggingface(folder: Path) -> LanguageModel:
    """Load a folder in the transformers format. Nothing in it is executed.

    Architectures that endonym does not have are computed by `transformers`. Before any tensor is
    read, raises ExportError for unsupported models and Damaged for damaged weights.
    """
    where = str(folder / CONFIG)
    given = without_own_code(read_json(folder / CONFIG))
    refuse_code(given, where)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    if not has_row(given):
        decoder: AnyDecoder = load_tried(folder, given)
        _require_ids(decoder.config, tokenizer, where)
        return LanguageModel(decoder, tokenizer)
    config = read_config(given, where)
    _require_ids(config, tokenizer, where)
    files, shapes = weight_files(folder), weight_shapes(folder)
    own_names = names_in(given, shapes)
    found = {now: shapes[name] for name, now in own_names.items()}
    if config.layers > len(found):
        raise ExportError(f"{config.layers} layers, but {len(found)} tensors", where=where)
    row = row_that_fits(given, config, where)
    stored = to_theirs(config, on_meta(config).state_dict(), row)
    wanted = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    doubled = [name for name in HEADS if config.tied and name in found]
    wanted |= dict.fromkeys(doubled, (config.vocab, config.dim))
    require_shapes(found, wanted, files[0])
    require_numbers(files, names=own_names)
    theirs = {
        own_names[name]: each
        for file in files
        for name, each in load_tensors(file).items()
        if name in own_names
    }
    heads = {name: theirs.pop(name) for name in doubled}
    ours = to_ours(config, theirs, row)
    require_tied(heads, ours["embedding.weight"], where)
    return LanguageModel(decoder_with(config, ours, files[0]), tokenizer)


def names_in(given: dict[str, Any], found: Iterable[str]) -> dict[str, str]:
    """A folder's tensors with the names that their class has for them now.

    Without the buffers that it computes by itself. A folder that was saved without its head, as
    GPT-2 was published, lacks the prefix of all names.
    """
    kept = [name for name in found if not is_buffer(name, str(given.get("model_type")))]
    prefix = PREFIXES.get(str(given.get("model_type")), "model.")
    if any(name.startswith(prefix) for name in kept):
        return {name: name for name in kept}
    return {name: name if name in HEADS else prefix + name for name in kept}


def _require_ids(config: AnyModelConfig, tokenizer: Tokenizer, where: str) -> None:
    """Raise ExportError if the tokenizer has more ids than the model; it may have fewer."""
    if tokenizer.used_vocab > config.vocab:
        raise ExportError(
            f"vocab_size = {config.vocab}, but the tokenizer has {tokenizer.used_vocab} ids",
            where=where,
            do="The tokenizer is not the one this model was trained with.",
        )
