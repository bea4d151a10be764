"""A model as a folder that `transformers` loads without remote code, and back.

Training goes on from such a folder, or from a model artefact.
"""

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from endonym.disk import write_json
from endonym.errors import EndonymError, ExportError
from endonym.export import kept
from endonym.export.names import to_ours, to_theirs
from endonym.export.refusals import refusal
from endonym.export.row import Json
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
from endonym.limited.opened import NEVER, Opened
from endonym.model.decoder import Decoder, on_meta
from endonym.model.foreign import folder as folders
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.foreign.origin import GENERATION, Origin
from endonym.model.foreign.weights import load_tried, require_harmless, stored_weights
from endonym.model.vocabulary import with_vocabulary
from endonym.model.weights import filled, read_tensors, require_tied, save_tensors
from endonym.tokenizer.chat_template import exported_template
from endonym.tokenizer.spelling import spelled
from endonym.tokenizer.tokenizer import CHAT_TEMPLATE, SETTINGS, Tokenizer

SHARD_BYTES = 5_000_000_000
"""Largest weights file, as in `transformers`."""


def export_huggingface(model: LanguageModel, out: Path) -> None:
    """Write the folder. A model that goes on from a folder keeps what training leaves (`kept`).

    Other models have weights in fp32, and in `generation_config.json` endonym's own defaults with a
    length that fits beside a prompt. Their `config.json` names no padding token: transformers would
    keep its embedding from learning.
    """
    out.mkdir(parents=True, exist_ok=True)
    decoder = model.decoder
    tokenizer = model.tokenizer
    context = model.decoder.config.context
    origin = kept.origin_kept_by(model)
    if isinstance(decoder, ForeignDecoder):
        config = decoder.config.transformers
        weights = stored_weights(decoder)
        if origin is None:
            config = {k: v for k, v in config.items() if k != "torch_dtype"} | {"dtype": "float32"}
    elif origin is None:
        config = config_json(decoder.config, tokenizer.end_id)
        weights = to_theirs(decoder.config, decoder.state_dict())
    else:
        given = origin.json(folders.CONFIG)
        row = row_that_fits(given, decoder.config, origin.folder)
        config = kept.kept_config(origin, decoder.config, row)
        weights = to_theirs(decoder.config, decoder.state_dict(), row)
    if origin is not None:
        write_shards(origin.as_stored(weights), out)
        kept.write_kept(origin, folders.CONFIG, config, out)
        kept.write_kept_generation(origin, tokenizer, out)
        if kept.keeps_tokenizer(model):
            kept.write_same_tokenizer(origin, tokenizer, out)
            return
        write_tokenizer(tokenizer, context, out, kept.kept_settings(origin))
        return
    write_shards({name: tensor.float() for name, tensor in weights.items()}, out)
    write_json(out / folders.CONFIG, config)
    stops = list(tokenizer.stop_ids)
    defaults = Sampling()
    generation = {
        "bos_token_id": tokenizer.start_id,
        "eos_token_id": stops[0] if len(stops) == 1 else stops,
        "pad_token_id": tokenizer.pad_id,
        "do_sample": True,
        "temperature": defaults.temperature,
        "top_k": defaults.top_k,
        "top_p": defaults.top_p,
        "max_new_tokens": most_tokens(context),
    }
    write_json(out / GENERATION, generation)
    write_tokenizer(tokenizer, context, out)


def write_tokenizer(
    tokenizer: Tokenizer, context: int, out: Path, own_settings: Json | None = None
) -> None:
    """Write `tokenizer.json` and the settings by which `AutoTokenizer` reads texts as we do.

    * A tokenizer made by endonym gets a post-processor that puts the start of a text before each
      text, as in training, unless add_special_tokens=False. Of its own post-processor only the
      trimming of offsets is kept. Its chat template writes the start, too: transformers puts
      nothing before a filled template.
    * One of a folder from elsewhere keeps its post-processor and its chat template.

    Names of special tokens in a text are read as special tokens, as programs for training expect
    when they write eos_token after a text. A caller that reads text of others sets
    `split_special_tokens=True`. own_settings: these replace the usual ones.
    """
    content: dict[str, Any] = json.loads(tokenizer.to_json())
    if tokenizer.around is None:
        content["post_processor"] = _start_first(tokenizer, content["post_processor"])
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    (out / "tokenizer.json").write_text(text, encoding="utf-8")
    if template := exported_template(tokenizer):
        (out / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
    reserved = tokenizer.conversation_tokens
    write_json(
        out / SETTINGS,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **({"bos_token": tokenizer.start} if tokenizer.start else {}),
            "eos_token": tokenizer.end,
            "pad_token": tokenizer.token(tokenizer.pad_id),
            "padding_side": "left",
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            **({"extra_special_tokens": reserved} if reserved else {}),
            **(own_settings or {}),
        },
    )


def _start_first(tokenizer: Tokenizer, processor: dict[str, Any] | None) -> dict[str, Any]:
    """The post-processor of a tokenizer made by endonym: its start before each text.

    processor: its own, of which the trimming of offsets is kept.
    """
    (index,) = tokenizer.before
    start = tokenizer.token(index)
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
    return sequence if trimming else start_first


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


def import_huggingface(folder: Path, opened: Opened = NEVER) -> LanguageModel:
    """Load a folder in the transformers format. Nothing in it is executed.

    Architectures that endonym does not have are computed by `transformers`. opened: notes of
    strangers' files that were tried before. Before any tensor is read, raises ExportError for
    unsupported models and Damaged for damaged weights.
    """
    where = folder / folders.CONFIG
    config_json = without_own_code(folders.read_json(folder / folders.CONFIG))
    folders.refuse_code(config_json, where)
    if has_row(config_json):
        # A tokenizer is first opened in another process: the weights are read meanwhile.
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(Tokenizer.load, folder / "tokenizer.json", opened)
            try:
                decoder: AnyDecoder = _import_decoder(folder, config_json, where)
            except EndonymError:
                # What is wrong with the tokenizer is told first.
                _require_ids(read_config(config_json, where), reading.result(), where)
                raise
            tokenizer = reading.result()
    else:
        tokenizer = Tokenizer.load(folder / "tokenizer.json", opened)
        decoder = load_tried(folder, config_json, opened)
    _require_ids(decoder.config, tokenizer, where)
    model = LanguageModel(decoder, tokenizer)
    model.origin = Origin.of(folder)
    return model


def _import_decoder(folder: Path, config_json: dict[str, Any], where: Path) -> Decoder:
    """The decoder of a folder whose architecture is one of ours."""
    config = read_config(config_json, where)
    files = folders.weight_files(folder)
    shapes = folders.weight_shapes(folder)
    own_names = names_in(config_json, shapes)
    shapes_now = {now: shapes[name] for name, now in own_names.items()}
    if config.layers > len(shapes_now):
        raise ExportError(f"{config.layers} layers, but {len(shapes_now)} tensors", where=where)
    row = row_that_fits(config_json, config, where)
    decoder = on_meta(config)
    stored = to_theirs(config, decoder.state_dict(), row)
    expected = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    doubled = [name for name in folders.HEADS if config.tied and name in shapes_now]
    expected |= dict.fromkeys(doubled, (config.vocab, config.dim))
    tensors = read_tensors(files, expected, named=own_names.get)
    heads = {name: tensors.pop(name) for name in doubled}
    ours = to_ours(config, tensors, row)
    require_tied(heads, ours["embedding.weight"], where)
    return filled(decoder, ours)


def names_in(config_json: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """The names of a folder's tensors, and those that their class has for them now.

    Without the buffers that it computes by itself. A folder that was saved without its head, as
    GPT-2 was published, lacks the prefix of all names.
    """
    row = row_named(config_json, Path(folders.CONFIG))
    weights = [name for name in names if not re.search(row.buffers, name)]
    prefix = row.prefix
    if any(name.startswith(prefix) for name in weights):
        return {name: name for name in weights}
    return {name: name if name in folders.HEADS else prefix + name for name in weights}


def _require_ids(config: folders.AnyModelConfig, tokenizer: Tokenizer, where: Path) -> None:
    """Raise ExportError if the tokenizer has more ids than the model; it may have fewer."""
    if tokenizer.used_vocab > config.vocab:
        raise refusal("too_many_ids", where, vocab=config.vocab, ids=tokenizer.used_vocab)


def load_pretrained(folder: Path, opened: Opened = NEVER) -> LanguageModel:
    """The model and the tokenizer of a folder. Nothing in it is executed.

    Raises ExportError for a model that is not supported, and Damaged for damaged weights.
    """
    if not folders.is_artefact(folder):
        return import_huggingface(folder, opened)
    config_json = folders.read_json(folder / folders.CONFIG)
    our_shape(config_json, folder / folders.CONFIG)
    require_harmless(folder, config_json, opened)
    return LanguageModel.load(folder)


def pretrained_decoder(folder: Path, tokenizer: Tokenizer, vocab: int) -> AnyDecoder:
    """A folder's decoder as training goes on from it, with the context of the folder.

    tokenizer, vocab: of the new model. If the tokenizer is not the folder's, rows of new ids begin
    from those that they replace; the model's ids beyond the tokenizer keep theirs.
    """
    base = load_pretrained(folder)
    if base.tokenizer.to_json() == tokenizer.to_json():
        return base.decoder
    replaced = spelled(tokenizer, base.tokenizer)
    replaced += [[index] for index in range(len(replaced), vocab)]
    return with_vocabulary(base.decoder, replaced)
