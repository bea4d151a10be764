"""Every export, from a finished model to a folder whose files are compared with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch

from endonym.corpus.corpus import Corpus
from endonym.disk import write_atomic
from endonym.export import adapters, dataset
from endonym.export.adapters import Adapter
from endonym.export.card import Card, write_card
from endonym.export.config import Export, Quantization
from endonym.export.dictionary.write import prove_dictionary, require_words, write_dictionary
from endonym.export.gguf.keyboard import SIGN_OF_BLANK, export_keyboard, require_keyboard
from endonym.export.gguf.write import (
    Provenance,
    export_gguf,
    require_gguf,
    require_gguf_adapter,
)
from endonym.export.huggingface import export_huggingface
from endonym.export.kept import number_format
from endonym.export.record import README, write_record
from endonym.export.refusals import refusal
from endonym.export.shapes import row_of
from endonym.export.verify import (
    Check,
    require_ok,
    require_same_ids,
    require_unchanged,
    verify_export,
)
from endonym.generate.language_model import LanguageModel
from endonym.lexicon.words import WordList
from endonym.log import Log
from endonym.model.adapt_config import AdaptConfig, adapted_matrices
from endonym.model.config import ModelConfig
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.lora import Change, changes_of
from endonym.store import Artifact
from endonym.tokenizer.kinds import kind_of
from endonym.tokenizer.tokenizer import Tokenizer


class Exported(NamedTuple):
    """A written and verified export. files: names of its files."""

    files: list[str]
    checks: list[Check]


class Making(NamedTuple):
    """The functions of one format: what is refused, how an export is written, and how proven.

    Those of a model take it with its card (`make_export`); those of an adapter take it alone
    (`make_adapter_export`); those of a corpus hand on what they have counted
    (`make_corpus_export`).
    """

    require: Callable[..., object]
    write: Callable[..., Any]
    prove: Callable[..., list[Check]] = verify_export


def require_formats(
    exports: Iterable[Export], config: AnyModelConfig, tokenizer: Tokenizer, texts: Sequence[str]
) -> None:
    """Raise ExportError if a format cannot hold this model, or its tokenizer.

    texts: which the format's program must read as the tokenizer does. Of an export of adapters, the
    program that adds it must be able to run the base.
    """
    for export in exports:
        if export.row.content != "corpus":
            export.row.require_packages()
            of_model = BASES.get(export.format, export.format)
            MAKING[of_model].require(config, tokenizer, texts)


def require_adapter_formats(
    exports: Iterable[Export], decoder: AnyDecoder, *, is_last: bool
) -> None:
    """Raise ExportError if an export of adapters lacks a package, or cannot hold the decoder's.

    is_last: whether the decoder's adapter is that of the last phase: no other one is exported.
    """
    for export in exports:
        if export.row.content == "adapter":
            export.row.require_packages()
            if is_last:
                MAKING[export.format].require(decoder.config, changes_of(decoder))


def require_form(export: Export, shape: AnyModelConfig, adapt: AdaptConfig) -> None:
    """Raise ExportError if the format cannot hold such an adapter of a model of this shape.

    Changes of rank 1 are tried, as small as may be.
    """
    changes: dict[str, Change] = {}
    for each in adapted_matrices(shape, adapt) if isinstance(shape, ModelConfig) else ():
        experts = (each.copies,) if each.copies > 1 else ()
        a = torch.zeros(*experts, 1, each.inputs)
        b = torch.zeros(*experts, each.outputs, 1)
        changes[each.name] = Change(a, b, 1.0, b[..., 0] if adapt.dora else None)
    MAKING[export.format].require(shape, changes)


def make_export(
    export: Export,
    model: LanguageModel,
    out: Path,
    *,
    card: Card,
    texts: Sequence[str],
    made_of: str,
    log: Log,
) -> Exported:
    """Write one export into an empty folder, and verify it there.

    texts: held-out documents to verify it on. made_of: the model's identity, for the record.
    Raises ExportError if the format cannot hold the model, or if a check fails.
    """
    export.row.require_packages()
    making = MAKING[export.format]
    limits = making.write(export, model, out, card=card, made_of=made_of)
    for limit in limits:
        log.line(f"  limit: {limit}")
    checks = making.prove(out, model, texts, name=card.name)
    require_ok(checks)
    is_keyboard = export.format == "keyboard"
    is_gguf = is_keyboard or export.format == "gguf"
    about = {"is_gguf": is_gguf, "is_keyboard": is_keyboard}
    write_card(out, card, model, **about, checks=checks, limits=limits)
    figures = [asdict(check) for check in checks]
    record = {"model": made_of, "format": export.format, "limits": limits, "checks": figures}
    if card.merged is not None:
        record["adapter"] = card.merged.id or card.merged.name
    return Exported(write_record(out, record), checks)


def make_adapter_export(
    export: Export,
    adapter: Adapter,
    out: Path,
    *,
    card: Card,
    texts: Sequence[str],
    made_of: str,
    log: Log,
) -> Exported:
    """Write an adapter into a folder, and verify it there, as `make_export` does with a model."""
    export.row.require_packages()
    making = MAKING[export.format]
    making.require(adapter.base.decoder.config, adapter.changes)
    out.mkdir(parents=True, exist_ok=True)
    making.write(out, adapter)
    checks = making.prove(out, adapter, texts)
    require_ok(checks)
    adapters.write_card(out, adapter, card, is_gguf=export.format == "gguf-adapter", checks=checks)
    figures = [asdict(check) for check in checks]
    files = write_record(out, {"model": made_of, "format": export.format, "checks": figures})
    log.line(f"  verified on the base in {checks[0].runtime}")
    return Exported(files, checks)


def make_corpus_export(
    export: Export, corpus: Artifact, out: Path, *, card: Card, log: Log
) -> Exported:
    """Write what is made of a corpus into an empty folder, with its card, and verify it there.

    card: what the recipe says. Raises ExportError for the corpus of a recipe without texts, which
    holds no document, and for one with too few words for a dictionary.
    """
    if not corpus.numbers["sources"]:
        raise refusal("no_corpus", card.name)
    making = MAKING[export.format]
    subject = making.require(corpus, card)
    making.write(corpus, subject, out, card)
    checks = making.prove(out, subject)
    require_ok(checks)
    record: dict[str, Any] = {"format": export.format, "corpus": corpus.id}
    if isinstance(subject, WordList):
        log.line(f"  {subject.summary()}")
        record["checks"] = [asdict(check) for check in checks]
    write_record(out, record)
    files = [each.relative_to(out).as_posix() for each in out.rglob("*") if each.is_file()]
    return Exported(sorted(files), checks)


def _require_transformers(
    config: AnyModelConfig, tokenizer: Tokenizer, texts: Sequence[str]
) -> None:
    """Raise ExportError if no class of transformers has this shape, or reads texts as we do.

    Tokenizers that endonym trains are read alike, which tests prove for every kind.
    """
    is_ours = isinstance(config, ModelConfig)
    if is_ours:
        row_of(config)
    if not is_ours or (kind_of(tokenizer) is None and find_spec("transformers")):
        require_unchanged(config, tokenizer, texts)


def _require_llama_cpp(config: AnyModelConfig, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Raise ExportError if llama.cpp cannot compute this model, or reads texts otherwise."""
    require_gguf(config, tokenizer)
    assert isinstance(config, ModelConfig), "require_gguf has checked it"
    require_same_ids(config, tokenizer, texts)


def _write_folder(_: Export, model: LanguageModel, out: Path, **__: object) -> list[str]:
    """Write a folder for transformers, which does nothing otherwise than endonym."""
    export_huggingface(model, out)
    return []


def _write_gguf(
    export: Export, model: LanguageModel, out: Path, *, card: Card, made_of: str = ""
) -> list[str]:
    """Write a GGUF file for each number format; returns what llama.cpp does otherwise than endonym.

    made_of: the model's identity, which they keep.
    """
    limits = require_gguf(model.decoder.config, model.tokenizer)
    # fp16 cannot hold all numbers of bf16: what was not trained would change.
    own = number_format(model)
    usual: list[Quantization] = [
        own if each == "F16" and own == "BF16" else each for each in export.quantizations
    ]
    export_gguf(model, out, export.quantize or usual, _provenance(card, made_of))
    return limits


def _provenance(card: Card, made_of: str) -> Provenance:
    """What a GGUF file says of itself."""
    if card.merged is not None:
        made_of += f" with adapter {card.merged.name}"
    identifier, named = card.license or ("", "")
    return Provenance(
        name=card.name,
        language=card.language,
        license=named if identifier == "other" else identifier,
        made_of=made_of,
    )


def _write_keyboard(
    export: Export, model: LanguageModel, out: Path, *, card: Card, made_of: str = ""
) -> list[str]:
    """Write a file for FUTO Keyboard for each number format; returns what is otherwise there."""
    export_keyboard(model, out, export.quantizations, _provenance(card, made_of))
    return [SIGN_OF_BLANK]


def _write_dataset(corpus: Artifact, _: object, out: Path, card: Card) -> None:
    """Write the documents of a corpus and their card."""
    dataset.write_dataset(Corpus(corpus.folder), out, card.licenses)
    text = dataset.readme(corpus.numbers, corpus.manifest["config"]["clean"], card)
    write_atomic(out / README, text.encode("utf-8"))


def _nothing(*_: object) -> list[Check]:
    """No requirement, or no proof: a data set is a copy, and no program computes with it."""
    return []


MAKING = {
    "huggingface": Making(_require_transformers, _write_folder),
    "gguf": Making(_require_llama_cpp, _write_gguf),
    "dataset": Making(_nothing, _write_dataset, _nothing),
    "dictionary": Making(require_words, write_dictionary, prove_dictionary),
    "adapter": Making(adapters.require_peft, adapters.write_for_peft, adapters.checked_in_peft),
    "gguf-adapter": Making(
        require_gguf_adapter, adapters.write_gguf, adapters.checked_in_llama_cpp
    ),
    "keyboard": Making(require_keyboard, _write_keyboard),
}
"""The functions of every format."""
BASES = {"adapter": "huggingface", "gguf-adapter": "gguf"}
"""For each format of adapters, the format of the base on which it is proven."""
