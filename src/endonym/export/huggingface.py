"""A model as a folder that `transformers` loads without remote code, and back.

Training goes on from such a folder, or from a model artefact.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from endonym.disk import write_json
from endonym.errors import ExportError
from endonym.export.names import to_ours, to_theirs
from endonym.export.refusals import refusal
from endonym.export.shapes import (
    config_json,
    has_row,
    our_shape,
    read_config,
    row_named,
    row_that_fits,
    without_own_code,
)
from endonym.generate.language_model import LanguageModel, most_tokens
from endonym.generate.sample import Sampling
from endonym.model.decoder import on_meta
from endonym.model.foreign import folder as folders
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.foreign.weights import load_tried, require_harmless, stored_weights
from endonym.model.vocabulary import with_vocabulary
from endonym.model.weights import decoder_with, read_tensors, require_tied, save_tensors
from endonym.tokenizer.chat_template import template_of
from endonym.tokenizer.spelling import spelled
from endonym.tokenizer.tokenizer import CHAT_TEMPLATE, Tokenizer

SHARD_BYTES = 5_000_000_000
"""Largest weights file, as in `transformers`."""


def export_huggingface(model: LanguageModel, out: Path) -> None:
    """Write the folder. Foreign models keep their own keys and names.

    `generation_config.json` has endonym's own defaults, and a length that fits beside a prompt.
    `config.json` names no padding token: transformers would keep its embedding from learning.
    """
    decoder, tokenizer, context = model.decoder, model.tokenizer, model.decoder.config.context
    if isinstance(decoder, ForeignDecoder):
        keys = {k: v for k, v in decoder.config.transformers.items() if k != "torch_dtype"}
        config, weights = keys | {"dtype": "float32"}, stored_weights(decoder)
    else:
        config = config_json(decoder.config, tokenizer.end_id)
        weights = to_theirs(decoder.config, decoder.state_dict())
    out.mkdir(parents=True, exist_ok=True)
    write_shards({name: tensor.float() for name, tensor in weights.items()}, out)
    write_json(out / folders.CONFIG, config)
    stops, defaults = list(tokenizer.stop_ids), Sampling()
    generation = {
        "bos_token_id": tokenizer.start_id,
        "eos_token_id": stops[0] if len(stops) == 1 else stops,
        "pad_token_id": tokenizer.end_id,
        "do_sample": True,
        "temperature": defaults.temperature,
        "top_k": defaults.top_k,
        "top_p": defaults.top_p,
        "max_new_tokens": most_tokens(context),
    }
    write_json(out / "generation_config.json", generation)
    write_tokenizer(tokenizer, context, out)


def write_tokenizer(tokenizer: Tokenizer, context: int, out: Path) -> None:
    """Write `tokenizer.json` and the settings by which `AutoTokenizer` reads texts as we do.

    * Without a chat template, the post-processor puts bos before each text, as in training, unless
      add_special_tokens=False. The name of a special token in a text stays plain text
      (split_special_tokens). `tokenizer.json` has no such setting: programs that read this file
      alone set `encode_special_tokens = True` themselves.
    * With a chat template, the template writes bos, and names are read as special tokens, since
      transformers reads a filled template as one text.

    Of the tokenizer's own post-processor only the trimming of offsets is kept.
    """
    content: dict[str, Any] = json.loads(tokenizer.to_json())
    start, index, processor = tokenizer.start, tokenizer.start_id, content["post_processor"]
    # One text, and a pair of texts: the start token before each.
    first = [
        [{"SpecialToken": {"id": start, "type_id": n}}, {"Sequence": {"id": name, "type_id": n}}]
        for n, name in enumerate("AB")
    ]
    start_first = {
        "type": "TemplateProcessing",
        "single": first[0],
        "pair": first[0] + first[1],
        "special_tokens": {start: {"id": start, "ids": [index], "tokens": [start]}},
    }
    steps: list[dict[str, Any]] = processor.get("processors", [processor]) if processor else []
    trimming = [step for step in steps if step["type"] == "ByteLevel"]
    sequence = {"type": "Sequence", "processors": [*trimming, start_first]}
    content["post_processor"] = sequence if trimming else start_first
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


def write_shards(tensors: dict[str, Tensor], out: Path) -> None:
    """Write one file of weights, or several of at most SHARD_BYTES with an index."""
    shards: list[dict[str, Tensor]] = [{}]
    for name in sorted(tensors):
        size = sum(each.nbytes for each in shards[-1].values())
        if shards[-1] and size + tensors[name].nbytes > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = tensors[name]
    if len(shards) == 1:
        save_tensors(tensors, out / folders.WEIGHTS)
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_tensors(shard, out / file)
        weight_map |= dict.fromkeys(shard, file)
    total = {"total_size": sum(tensor.nbytes for tensor in tensors.values())}
    write_json(out / folders.INDEX, {"metadata": total, "weight_map": weight_map})


def import_huggingface(folder: Path) -> LanguageModel:
    """Load a folder in the transformers format. Nothing in it is executed.

    Architectures that endonym does not have are computed by `transformers`. Before any tensor is
    read, raises ExportError for unsupported models and Damaged for damaged weights.
    """
    where = str(folder / folders.CONFIG)
    config_json = without_own_code(folders.read_json(folder / folders.CONFIG))
    folders.refuse_code(config_json, where)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    if not has_row(config_json):
        decoder: AnyDecoder = load_tried(folder, config_json)
        _require_ids(decoder.config, tokenizer, where)
        return LanguageModel(decoder, tokenizer)
    config = read_config(config_json, where)
    _require_ids(config, tokenizer, where)
    files, shapes = folders.weight_files(folder), folders.weight_shapes(folder)
    own_names = names_in(config_json, shapes)
    shapes_now = {now: shapes[name] for name, now in own_names.items()}
    if config.layers > len(shapes_now):
        raise ExportError(f"{config.layers} layers, but {len(shapes_now)} tensors", where=where)
    row = row_that_fits(config_json, config, where)
    stored = to_theirs(config, on_meta(config).state_dict(), row)
    expected = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    doubled = [name for name in folders.HEADS if config.tied and name in shapes_now]
    expected |= dict.fromkeys(doubled, (config.vocab, config.dim))
    tensors = read_tensors(files, expected, named=own_names.get)
    heads = {name: tensors.pop(name) for name in doubled}
    ours = to_ours(config, tensors, row)
    require_tied(heads, ours["embedding.weight"], where)
    return LanguageModel(decoder_with(config, ours, files[0]), tokenizer)


def names_in(config_json: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """The names of a folder's tensors, and those that their class has for them now.

    Without the buffers that it computes by itself. A folder that was saved without its head, as
    GPT-2 was published, lacks the prefix of all names.
    """
    row = row_named(config_json, folders.CONFIG)
    weights = [name for name in names if not re.search(row.buffers, name)]
    prefix = row.prefix
    if any(name.startswith(prefix) for name in weights):
        return {name: name for name in weights}
    return {name: name if name in folders.HEADS else prefix + name for name in weights}


def _require_ids(config: folders.AnyModelConfig, tokenizer: Tokenizer, where: str) -> None:
    """Raise ExportError if the tokenizer has more ids than the model; it may have fewer."""
    if tokenizer.used_vocab > config.vocab:
        raise refusal("too_many_ids", where, vocab=config.vocab, ids=tokenizer.used_vocab)


def load_pretrained(folder: Path) -> LanguageModel:
    """The model and the tokenizer of a folder. Nothing in it is executed.

    Raises ExportError for a model that is not supported, and Damaged for damaged weights.
    """
    if not folders.is_artefact(folder):
        return import_huggingface(folder)
    config_json = folders.read_json(folder / folders.CONFIG)
    our_shape(config_json, str(folder / folders.CONFIG))
    require_harmless(folder, config_json)
    return LanguageModel.load(folder)


def pretrained_decoder(folder: Path, context: int, tokenizer: Tokenizer, vocab: int) -> AnyDecoder:
    """A folder's decoder as training goes on from it.

    context: of the rows; learned positions beyond it are cut off. tokenizer, vocab: of the new
    model. If the tokenizer is not the folder's, rows of new ids begin from those that they replace;
    the model's ids beyond the tokenizer keep theirs. Raises ShapeError if the model never read so
    many tokens at once.
    """
    base = load_pretrained(folder)
    decoder = with_context(base.decoder, context, folder)
    if base.tokenizer.to_json() == tokenizer.to_json():
        return decoder
    replaced = spelled(tokenizer, base.tokenizer)
    replaced += [[index] for index in range(len(replaced), vocab)]
    return with_vocabulary(decoder, replaced)


def with_context(decoder: AnyDecoder, context: int, folder: Path) -> AnyDecoder:
    """A folder's decoder for rows of `context` tokens; learned positions beyond it are cut off."""
    if isinstance(decoder, ForeignDecoder):
        decoder.config = folders.with_context(decoder.config, context)
        return decoder
    shape, weights = folders.with_context(decoder.config, context), decoder.state_dict()
    if "positions.weight" in weights:
        weights["positions.weight"] = weights["positions.weight"][:context].clone()
    return decoder_with(shape, weights, folder)
