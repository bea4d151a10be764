"""An adapter handed over alone: a folder for the library `peft`, or a GGUF file for llama.cpp.

It is proven before it is kept: the program adds it to the base and gives what our own model gives
with the adapter in its weights.
"""

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from endonym.disk import write_atomic
from endonym.errors import ExportError
from endonym.export.adapter_folder import (
    base_identity,
    in_peft,
    read_adapter,
    write_adapter,
)
from endonym.export.config import ADAPTERS, Export
from endonym.export.formats import README, Exported, require_gguf_packages, write_record
from endonym.export.markdown import filled_template
from endonym.export.peft_format import to_peft
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.model.adapt_config import AdaptConfig, adapted_matrices
from endonym.model.config import ModelConfig
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.lora import Change, changes_of, copy_on, merge_changes
from endonym.tokenizer.chat_template import template_of

if TYPE_CHECKING:
    from endonym.export.verify import Check


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter with its base, whose tokenizer has the chat template that the adapter learnt.

    name: its own, of files, too. base_name: what peft's config calls the base.
    """

    base: LanguageModel
    changes: Mapping[str, Change]
    name: str
    base_name: str
    dropout: float = 0.0

    def merged(self) -> LanguageModel:
        """The base with the adapter in its weights; the base stays as it is."""
        decoder = copy.deepcopy(self.base.decoder)
        merge_changes(decoder, self.changes)
        return LanguageModel(decoder, self.base.tokenizer)


def require_form(export: Export, shape: AnyModelConfig, adapt: AdaptConfig) -> None:
    """Raise ExportError if the format cannot hold such an adapter of a model of this shape.

    Changes of rank 1 are tried, as small as may be.
    """
    changes: dict[str, Change] = {}
    for each in adapted_matrices(shape, adapt) if isinstance(shape, ModelConfig) else ():
        experts = (each.copies,) if each.copies > 1 else ()
        a, b = torch.zeros(*experts, 1, each.inputs), torch.zeros(*experts, each.outputs, 1)
        changes[each.name] = Change(a, b, 1.0, b[..., 0] if adapt.dora else None)
    if export.format != "adapter":
        from endonym.export.gguf.write import require_gguf_adapter

        require_gguf_adapter(shape, changes)
    elif isinstance(shape, ModelConfig):
        to_peft(shape, changes)


def require_adapter(export: Export, decoder: AnyDecoder, changes: Mapping[str, Change]) -> None:
    """Raise ExportError if the format cannot hold these changes."""
    if export.format == "adapter":
        in_peft(decoder, changes, "")
        return
    require_gguf_packages()
    from endonym.export.gguf.write import require_gguf_adapter

    require_gguf_adapter(decoder.config, changes)


def require_adapter_formats(
    exports: Iterable[Export], decoder: AnyDecoder, *, is_last: bool
) -> None:
    """Raise ExportError if an adapter's export lacks a package, or cannot hold the decoder's.

    is_last: whether the decoder's adapter is that of the last phase, the only one to be exported.
    """
    for each in exports:
        if each.format in ADAPTERS and is_last:
            require_adapter(each, decoder, changes_of(decoder))
        elif each.format == "gguf-adapter":
            require_gguf_packages()


def make_adapter_export(
    export: Export,
    adapter: Adapter,
    out: Path,
    *,
    texts: Sequence[str],
    made_of: str,
    log: Log,
) -> Exported:
    """Write the adapter into a folder, and verify it there.

    texts: held-out documents to verify it on. made_of: the model's identity, for the record.
    Raises ExportError if the format cannot hold the adapter, or if a check fails.
    """
    from endonym.export.verify import require_ok

    decoder = adapter.base.decoder
    require_adapter(export, decoder, adapter.changes)
    out.mkdir(parents=True, exist_ok=True)
    if export.format == "adapter":
        write_adapter(
            out,
            decoder,
            adapter.changes,
            base=base_identity(decoder),
            base_name=adapter.base_name,
            dropout=adapter.dropout,
        )
        if adapter.base.tokenizer.chat_template is not None:
            tokenizer = copy.copy(adapter.base.tokenizer)
            tokenizer.chat_template = template_of(tokenizer).opened
            tokenizer.save(out)
        checks = _checked_in_peft(out, adapter, texts)
    else:
        from endonym.export.gguf.write import write_gguf_adapter

        path = out / f"{adapter.name}-adapter.gguf"
        assert isinstance(decoder.config, ModelConfig), "require_adapter has checked it"
        write_gguf_adapter(decoder.config, adapter.changes, path, name=adapter.name)
        checks = _checked_in_llama_cpp(path, adapter, texts)
    require_ok(checks)
    changes = adapter.changes.values()
    readme = filled_template(
        "adapter.md",
        adapter=adapter,
        is_dora=any(each.magnitude is not None for each in changes),
        is_gguf=export.format != "adapter",
        ranks=[each.rank for each in changes],
        numbers=sum(each.a.numel() + each.b.numel() for each in changes),
        checks=checks,
    )
    write_atomic(out / README, readme.encode("utf-8"))
    told = [each.as_dict() for each in checks]
    files = write_record(out, model=made_of, format=export.format, checks=told)
    log.line(f"  verified on the base in {checks[0].runtime}")
    return Exported(files, checks)


def _checked_in_peft(folder: Path, adapter: Adapter, texts: Sequence[str]) -> list["Check"]:
    """The adapter on its base in peft, or in our own reader where peft is not installed."""
    from endonym.export.huggingface import export_huggingface
    from endonym.export.verify import Ours, Peft, Sample

    base, sample = adapter.base, Sample(adapter.merged(), texts)
    if find_spec("peft") and find_spec("transformers"):
        with tempfile.TemporaryDirectory(dir=folder) as work:  # as large as the base
            export_huggingface(base, Path(work))
            return list(sample.compared(Peft(Path(work), folder), folder.name, "F32"))
    read = copy_on(base.decoder, read_adapter(folder, base.decoder))
    runtime = Ours(LanguageModel(read, base.tokenizer))
    runtime.name = "endonym's own reader (peft is not installed)"
    return list(sample.compared(runtime, folder.name, "F32"))


def _checked_in_llama_cpp(path: Path, adapter: Adapter, texts: Sequence[str]) -> list["Check"]:
    """The adapter on its base in llama.cpp, both in fp32."""
    from endonym.export.gguf.write import Provenance, export_gguf
    from endonym.export.verify import Gguf, Sample

    sample = Sample(adapter.merged(), texts)
    with tempfile.TemporaryDirectory(dir=path.parent) as work:  # as large as the base
        (base,) = export_gguf(adapter.base, Path(work), ("F32",), Provenance())
        with closing(Gguf(base.path, context=sample.longest, adapter=path)) as runtime:
            return list(sample.compared(runtime, path.name, "F32"))


def no_adapter(model: str) -> ExportError:
    """An error for a model without an adapter."""
    return ExportError(
        "this model was not made by a phase with adapters: there is none to hand over",
        where=model,
        do="Name the adapter: endonym export BASE --adapter DIR; or the model of a phase with "
        "adapt.",
    )
