"""What each stage does: inputs in, one artefact out, and what it counted.

The plan binds what the recipe says (the first arguments); the rest is a stage's context.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endonym.data.config import PackConfig
from endonym.disk import write_json
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.export.shapes import folder_shape
from endonym.log import Log
from endonym.model.foreign.folder import with_context
from endonym.pipeline.sources import file_identity
from endonym.pipeline.types import Numbers, PhaseTraining, StageContext
from endonym.text.config import Clean, Split
from endonym.text.corpus import Corpus, make_corpus
from endonym.text.files import RawSet
from endonym.tokenizer.config import TokenizerConfig

if TYPE_CHECKING:
    from endonym.tokenizer.tokenizer import Tokenizer


def source(raw: RawSet, ctx: StageContext) -> Numbers:
    """Note which files a source consists of; nothing is copied."""
    write_json(ctx.out / "files.json", raw.identity())
    return {"files": len(raw.files), "bytes": raw.bytes()}


def named_files(paths: Sequence[Path], ctx: StageContext) -> Numbers:
    """Note the content of files that a recipe names: prompts, or a model to go on from."""
    write_json(ctx.out / "files.json", [file_identity(path) for path in paths])
    return {"files": len(paths), "bytes": sum(path.stat().st_size for path in paths)}


def given_model(folder: Path, paths: Sequence[Path], ctx: StageContext) -> Numbers:
    """Open the model to go on from and try it, before any text is read; then note its files."""
    from endonym.export.huggingface import import_huggingface

    import_huggingface(folder)
    return named_files(paths, ctx)


def require_context(folder: Path, context: int | None) -> None:
    """Raise ShapeError if the model in a folder cannot read rows as long as the recipe says."""
    if context is not None:
        with_context(folder_shape(folder), context)


def corpus(
    raw: Sequence[RawSet],
    clean: Clean,
    split: Split,
    *,
    seed: int,
    ctx: StageContext,
) -> Numbers:
    """Read, clean, split."""
    total = sum(each.bytes() for each in raw)
    with ctx.log.progress("corpus", total, "raw bytes") as advance:
        return make_corpus(
            [(each.source, each.files) for each in raw],
            clean,
            split,
            seed=seed,
            out=ctx.out,
            advance=advance,
        )


def tokenizer(config: TokenizerConfig, ctx: StageContext) -> Numbers:
    """Train on the training split alone, and report the fit on the dev split."""
    from endonym.tokenizer.train import train_tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    made = train_tokenizer(config, lambda: (each.text for each in texts.documents("train")))
    return _keep_tokenizer(made, texts, ctx)


def given_tokenizer(folder: Path, ctx: StageContext) -> Numbers:
    """Take over a model's tokenizer, after every document went through it and came back."""
    from endonym.data.shards import SPLITS
    from endonym.tokenizer.tokenizer import Tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    given = Tokenizer.load(folder / "tokenizer.json")
    for split in SPLITS:
        given.check_lossless(each.text for each in texts.documents(split))
    return _keep_tokenizer(given, texts, ctx)


def _keep_tokenizer(made: "Tokenizer", texts: Corpus, ctx: StageContext) -> Numbers:
    """Write a tokenizer, and how it fits the dev documents."""
    from endonym.tokenizer.train import fit

    made.save(ctx.out)
    report = fit(made, ((each.source, each.text) for each in texts.documents("dev")))
    write_json(ctx.out / "report.json", report)
    return {"vocab": made.vocab, "held_out": report}


def shards(ctx: StageContext) -> Numbers:
    """Turn the corpus into ids."""
    from endonym.data.shards import Piece, write_shards
    from endonym.tokenizer.tokenizer import Tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    reader = Tokenizer.load(ctx.inputs["tokenizer"].folder / "tokenizer.json")
    sources = sorted(texts.card["sources"])
    total = sum(
        kept["bytes"] for each in texts.card["sources"].values() for kept in each["kept"].values()
    )

    def documents(split: Any) -> Iterator[Piece]:
        documents = texts.documents(split)
        return (Piece(each.source, each.text, each.block, each.place) for each in documents)

    with ctx.log.progress("shards", total, "bytes") as advance:
        return write_shards(ctx.out, reader, sources, documents, advance=advance)


def model(mine: PhaseTraining, ctx: StageContext) -> Numbers:
    """Train one phase."""
    from endonym.pipeline.training import train_model
    from endonym.train.distributed import called
    from endonym.train.memory_budget import explained_memory_errors

    where = f"phase {mine.config.name}"
    with called(ctx.device or "cpu") as group, explained_memory_errors(where):
        group.tell((mine, replace(ctx, log=Log(quiet=True))))
        return train_model(mine, ctx, group)


def help_training(device: str | None) -> None:
    """Train with the first process, phase after phase, until it says that all is over."""
    from endonym.pipeline.training import train_model
    from endonym.train.distributed import Group, follow
    from endonym.train.memory_budget import explained_memory_errors

    def help_one(group: Group) -> None:
        mine, ctx = group.tell()
        with explained_memory_errors(f"phase {mine.config.name}"):
            train_model(mine, ctx, group)

    follow(help_one, device or "cpu")


def evaluation(
    asked: Evaluation,
    files: Sequence[Path],
    pack: PackConfig,
    *,
    seed: int,
    ctx: StageContext,
) -> Numbers:
    """Judge the finished model."""
    from endonym.pipeline.evaluation import judge

    return judge(asked, files, pack, seed=seed, ctx=ctx)


def export(asked: Export, ctx: StageContext) -> Numbers:
    """Hand the finished model over."""
    from endonym.export.huggingface import export_huggingface
    from endonym.generate.language_model import LanguageModel

    loaded = LanguageModel.load(ctx.inputs["model"].folder)
    return {"format": asked.format, "files": export_huggingface(loaded, ctx.out)}
