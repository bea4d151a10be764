"""Adapters: written beside a model, handed over alone, and read as peft or endonym wrote them.

`adapter_model.safetensors` and `adapter_config.json` are peft's, if peft can hold the adapter; else
the tensors have our own names, and there is no such config. `endonym.json` names the base by the
hash of its weights, so that the adapter of another base is told from one that fits.

An adapter is handed over as a folder for peft, or as a GGUF file for llama.cpp. It is proven before
it is kept: the program adds it to the base and gives what our own model gives with the adapter in
its weights.
"""

import copy
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor

from endonym.disk import file_hash, write_atomic, write_json
from endonym.errors import Damaged, ExportError, ShapeError
from endonym.export import peft_format
from endonym.export.card import Card
from endonym.export.gguf.write import (
    Provenance,
    export_gguf,
    write_gguf_adapter,
)
from endonym.export.huggingface import export_huggingface
from endonym.export.kept import (
    keeps_tokenizer,
    write_kept_generation,
    write_same_tokenizer,
)
from endonym.export.markdown import filled_template
from endonym.export.record import README
from endonym.export.refusals import refusal
from endonym.export.shapes import row_of
from endonym.export.verify import Check, Gguf, Ours, Peft, Sample
from endonym.generate.language_model import LanguageModel
from endonym.model import lora
from endonym.model.config import ModelConfig
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig, read_json, require_numbers
from endonym.model.foreign.weights import weights_of
from endonym.model.weights import load_tensors, require_finite, save_tensors
from endonym.store import MANIFEST
from endonym.tokenizer.chat_template import template_of

FOLDER = "adapter"
"""The folder of an adapter in a model artefact."""
TENSORS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
OURS = "endonym.json"
VERSION = 1
PARTS = ("lora_A", "lora_B", "magnitude")
SCALES = TypeAdapter[dict[str, float]](Annotated[dict[str, peft_format.Alpha], Field(min_length=1)])
UNBASED = ("positions.weight",)
"""Weights that do not tell one base from another: earlier versions cut learned positions to the
length of a row, and their adapters still fit."""


def base_identity(decoder: AnyDecoder) -> str:
    """SHA-256 of a decoder's own weights in fp32, by name."""
    total = hashlib.sha256()
    for name, tensor in sorted(weights_of(decoder).items()):
        if name in UNBASED or ".adapters." in name:
            continue
        total.update(f"{name} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().float().cpu().contiguous()
        total.update(flat.numpy().tobytes())
    return total.hexdigest()


def write_adapter(
    out: Path,
    decoder: AnyDecoder,
    changes: Mapping[str, lora.Change],
    *,
    base_name: str,
    dropout: float = 0.0,
    base: str | None = None,
) -> str:
    """Write the folder of an adapter; returns why peft cannot hold it, or nothing.

    decoder: the base, or another of its shape. base_name: how peft's config calls it. base: its
    identity, if the decoder has other weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    base = base or base_identity(decoder)
    record: dict[str, Any] = {"version": VERSION, "base": base, "base_name": base_name}
    try:
        tensors, config = in_peft(decoder, changes, base_name, dropout)
    except ExportError as error:
        own = {
            f"{name}.{part}": tensor.detach().float().cpu()
            for name, change in changes.items()
            for part, tensor in zip(PARTS, (change.a, change.b, change.magnitude), strict=True)
            if tensor is not None
        }
        save_tensors(own, out / TENSORS)
        scales = {name: each.scale for name, each in changes.items()}
        write_json(out / OURS, record | {"not_peft": error.message, "scales": scales})
        return error.message
    save_tensors(tensors, out / TENSORS)
    write_json(out / CONFIG, config)
    write_json(out / OURS, record)
    return ""


def in_peft(
    decoder: AnyDecoder,
    changes: Mapping[str, lora.Change],
    base_name: str = "",
    dropout: float = 0.0,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and config of an adapter for peft. Raises ExportError if it cannot hold it."""
    shape = decoder.config
    if isinstance(shape, ModelConfig):
        theirs = peft_format.to_peft(shape, changes)
        is_turned = bool(row_of(shape).transposed)
    else:
        maps = lora.linear_maps(decoder)
        theirs = changes
        is_turned = any(lora.is_inputs_first(maps[name]) for name in changes)
    config = peft_format.config_of(
        theirs, layers=shape.layers, base=base_name, dropout=dropout, inputs_first=is_turned
    )
    return peft_format.tensors_of(theirs), config


def read_adapter(folder: Path, decoder: AnyDecoder) -> dict[str, lora.Change]:
    """The changes of a decoder's matrices in a folder of peft's or of ours; nothing is unpickled.

    Raises ExportError for a folder that is none, an adapter of another base or one that endonym
    does not support; Damaged for broken files; ShapeError if it does not fit the decoder.
    """
    changes, base = read_changes(folder, decoder)
    # peft's own folders name none by hash
    if base is not None and base != (own := base_identity(decoder)):
        raise refusal("another_base", folder, its=str(base)[:12], own=own[:12])
    return changes


def read_changes(folder: Path, decoder: AnyDecoder) -> tuple[dict[str, lora.Change], str | None]:
    """The changes in a folder, of any base of the decoder's shape; and that base's identity.

    Raises the errors of `read_adapter`, but for another base.
    """
    path = folder / TENSORS
    record = _json(folder / OURS) if (folder / OURS).is_file() else {}
    if not path.is_file():
        pickle = (folder / "adapter_model.bin").is_file()
        pickle_note = ", only adapter_model.bin, a pickle, which could run code" if pickle else ""
        raise refusal("no_adapter", folder, file=TENSORS, pickle_note=pickle_note)
    require_numbers([path])
    tensors = load_tensors(path)
    require_finite(tensors, path)
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    if (folder / CONFIG).is_file():
        changes = peft_format.changes_from(tensors, _json(folder / CONFIG), str(folder / CONFIG))
        if isinstance(decoder.config, ModelConfig):
            changes = peft_format.from_peft(decoder.config, changes)
    elif "scales" in record:
        changes = _own_changes(tensors, record["scales"], path)
    else:
        raise ExportError(f"no {CONFIG} in this folder", where=folder)
    try:
        lora.require_fit(lora.linear_maps(decoder), changes)
    except ShapeError as error:
        raise ExportError(error.message, where=folder, do=error.do) from error
    return changes, record.get("base")


def adapter_identity(folder: Path) -> list[str]:
    """What tells an adapter from all others: the hashes of its files."""
    files = [folder / name for name in (TENSORS, CONFIG, OURS)]
    return [file_hash(file) for file in files if file.is_file()]


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, by its files' names."""
    return (folder / TENSORS).is_file()


def hub_name(folder: Path) -> str:
    """What to call the model of a folder: in the hub's cache by its name there, ORG/NAME."""
    cached = folder.parent.parent.name if folder.parent.name == "snapshots" else ""
    if not cached.startswith("models--"):
        return folder.name
    return cached.removeprefix("models--").replace("--", "/")


def base_name_of(folder: Path) -> str:
    """What a folder calls the base of its adapter; empty if it does not say."""
    for name, key in ((OURS, "base_name"), (CONFIG, "base_model_name_or_path")):
        if (folder / name).is_file() and isinstance(found := _json(folder / name).get(key), str):
            return found
    return ""


def model_around(folder: Path) -> Path | None:
    """The model artefact that the folder of an adapter lies in, if it lies in one."""
    is_inner = folder.name == FOLDER and (folder.parent / MANIFEST).is_file()
    return folder.parent if is_inner else None


def adapter_folder(folder: Path) -> Path:
    """The folder of an adapter: the given one, or that in a model artefact."""
    inner = folder / FOLDER
    return inner if not (folder / TENSORS).is_file() and inner.is_dir() else folder


def _own_changes(
    tensors: Mapping[str, Tensor], scales: object, path: Path
) -> dict[str, lora.Change]:
    """The changes in tensors of our own names. Raises Damaged if scales and tensors do not match.

    scales: of each change, by the name of its matrix, as the record has them.
    """
    changes: dict[str, lora.Change] = {}
    try:
        scales = SCALES.validate_python(scales, strict=True)
    except ValidationError as error:
        what = "scales are no table of numbers above zero"
        raise _not_whole(what, path.with_name(OURS)) from error
    for name, scale in scales.items():
        a, b, magnitude = (tensors.get(f"{name}.{part}") for part in PARTS)
        if a is None or b is None:
            raise _not_whole(f"no {PARTS[0]} and {PARTS[1]} of {name}", path)
        if min(a.ndim, b.ndim) < 2 or not a.shape[-2]:
            raise _not_whole(f"{tuple(a.shape)} and {tuple(b.shape)} for {name}", path)
        changes[name] = lora.Change(a, b, float(scale), magnitude)
    names = {f"{name}.{part}" for name in scales for part in PARTS}
    if unknown := sorted({*tensors} - names):
        raise _not_whole(f"no scale for {unknown[0]}", path)
    return changes


def _not_whole(what: str, path: Path) -> Damaged:
    return Damaged(f"the adapter is not whole ({what})", where=path)


def _json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises Damaged for anything else."""
    try:
        return read_json(path)
    except ExportError as error:
        raise Damaged(error.message, where=path) from error


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter with its base, whose tokenizer has the chat template that the adapter learnt.

    name: its own, of files, too. base_name: what peft's config calls the base. trained: the model
    that its phase has made, if that is known, with which an export is compared.
    """

    base: LanguageModel
    changes: Mapping[str, lora.Change]
    name: str
    base_name: str
    dropout: float = 0.0
    trained: LanguageModel | None = None

    def merged(self) -> LanguageModel:
        """What the base becomes with the adapter in its weights; the base stays as it is."""
        if self.trained is not None:
            return self.trained
        decoder = copy.deepcopy(self.base.decoder)
        lora.merge_changes(decoder, self.changes)
        return self.base.with_parts(decoder, self.base.tokenizer)

    def gguf_file(self, folder: Path) -> Path:
        """The path of the GGUF file in an export."""
        return folder / f"{self.name}-adapter.gguf"


def require_peft(shape: AnyModelConfig, changes: Mapping[str, lora.Change]) -> None:
    """Raise ExportError if peft cannot hold changes of a model of ours."""
    if isinstance(shape, ModelConfig):
        peft_format.to_peft(shape, changes)


def write_for_peft(out: Path, adapter: Adapter) -> None:
    """Write the folder that peft reads, with a tokenizer if the adapter learnt to answer."""
    decoder = adapter.base.decoder
    tokenizer = adapter.base.tokenizer
    write_adapter(
        out, decoder, adapter.changes, base_name=adapter.base_name, dropout=adapter.dropout
    )
    origin = adapter.base.origin
    if origin is not None and keeps_tokenizer(adapter.base):
        write_same_tokenizer(origin, tokenizer, out)
        write_kept_generation(origin, tokenizer, out)
    elif tokenizer.chat_template is not None:
        tokenizer = copy.copy(tokenizer)
        tokenizer.chat_template = template_of(tokenizer).opened
        tokenizer.save(out)


def write_gguf(out: Path, adapter: Adapter) -> None:
    """Write the GGUF file that llama.cpp adds to its base."""
    config = adapter.base.decoder.config
    assert isinstance(config, ModelConfig), "require_gguf has checked it"
    write_gguf_adapter(config, adapter.changes, adapter.gguf_file(out), name=adapter.name)


def write_card(
    out: Path, adapter: Adapter, card: Card, *, is_gguf: bool, checks: Sequence[Check]
) -> None:
    """Write the README of an adapter that is handed over alone. card: of the model it is from."""
    changes = adapter.changes.values()
    data, synthetic = card.last_data()
    text = filled_template(
        "adapter.md",
        adapter=adapter,
        is_dora=any(change.magnitude is not None for change in changes),
        is_gguf=is_gguf,
        numbers=sum(change.a.numel() + change.b.numel() for change in changes),
        data=data,
        synthetic=synthetic,
        checks=checks,
    )
    write_atomic(out / README, text.encode("utf-8"))


def checked_in_peft(folder: Path, adapter: Adapter, texts: Sequence[str]) -> list[Check]:
    """Compare the adapter on its base in peft, or in our own reader without peft, with ours."""
    base = adapter.base
    sample = Sample(adapter.merged(), texts)
    if find_spec("peft") and find_spec("transformers"):
        with tempfile.TemporaryDirectory(dir=folder) as work:  # as large as the base
            export_huggingface(base, Path(work))
            return list(sample.compared(Peft(Path(work), folder), folder.name, "F32"))
    read = lora.copy_on(base.decoder, read_adapter(folder, base.decoder))
    runtime = Ours(base.with_parts(read, base.tokenizer))
    runtime.name = "endonym's reader (peft is not installed)"
    return list(sample.compared(runtime, folder.name, "F32"))


def checked_in_llama_cpp(folder: Path, adapter: Adapter, texts: Sequence[str]) -> list[Check]:
    """Compare the adapter on its base in llama.cpp, both in fp32, with ours."""
    path = adapter.gguf_file(folder)
    sample = Sample(adapter.merged(), texts)
    with tempfile.TemporaryDirectory(dir=folder) as work:  # as large as the base
        (base,) = export_gguf(adapter.base, Path(work), ("F32",), Provenance())
        with closing(Gguf(base, context=sample.longest, adapter=path)) as runtime:
            return list(sample.compared(runtime, path.name, "F32"))
