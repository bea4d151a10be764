"""What each stage does: it writes one artefact from its inputs and returns its counts.

The plan binds the first arguments; `ctx` comes from the run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endonym.data.config import PackConfig
from endonym.disk import write_json
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.log import Log
from endonym.pipeline.sources import file_identity
from endonym.pipeline.types import Numbers, PhaseTraining, StageContext
from endonym.text.config import Clean, Split
from endonym.text.corpus import Corpus, make_corpus
from endonym.text.files import RawSet
from endonym.tokenizer.config import TokenizerConfig

if TYPE_CHECKING:
    from endonym.tokenizer.tokenizer import Tokenizer


def source(raw: RawSet, ctx: StageContext) -> Numbers:
    """Write down which files a source consists of; nothing is copied."""
    write_json(ctx.out / "files.json", raw.identity())
    return {"files": len(raw.files), "bytes": raw.bytes()}


def named_files(paths: Sequence[Path], ctx: StageContext) -> Numbers:
    """Write down the content of files that a recipe names: prompts or a model."""
    write_json(ctx.out / "files.json", [file_identity(path) for path in paths])
    return {"files": len(paths), "bytes": sum(path.stat().st_size for path in paths)}


def given_model(folder: Path, paths: Sequence[Path], ctx: StageContext) -> Numbers:
    """Load the pretrained model as a test, before any text is read; then write down its files."""
    from endonym.export.huggingface import import_huggingface

    import_huggingface(folder)
    return named_files(paths, ctx)


def corpus(
    raw: Sequence[RawSet],
    clean: Clean,
    split: Split,
    ctx: StageContext,
    *,
    seed: int,
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
    """Take the pretrained model's tokenizer, after a round trip of every document."""
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
    """Encode the corpus as token ids."""
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
        return (Piece(each.source, each.text, each.block, each.position) for each in documents)

    with ctx.log.progress("shards", total, "bytes") as advance:
        return write_shards(ctx.out, reader, sources, documents, advance=advance)


def model(mine: PhaseTraining, ctx: StageContext) -> Numbers:
    """Train one phase."""
    from endonym.pipeline.training import train_model
    from endonym.train.distributed import called
    from endonym.train.memory_budget import explained_memory_errors

    where = f"phase {mine.config.name}"
    with called(ctx.device or "cpu") as group, explained_memory_errors(where):
        group.broadcast((mine, replace(ctx, log=Log(quiet=True))))
        return train_model(mine, ctx, group)


def help_training(device: str | None) -> None:
    """Train together with the first process, phase after phase, until it ends the work."""
    from endonym.pipeline.training import train_model
    from endonym.train.distributed import Group, follow
    from endonym.train.memory_budget import explained_memory_errors

    def help_one(group: Group) -> None:
        mine, ctx = group.broadcast()
        with explained_memory_errors(f"phase {mine.config.name}"):
            train_model(mine, ctx, group)

    follow(help_one, device or "cpu")


def evaluation(
    asked: Evaluation,
    files: Sequence[Path],
    pack: PackConfig,
    ctx: StageContext,
    *,
    seed: int,
) -> Numbers:
    """Evaluate the finished model."""
    from endonym.pipeline.evaluation import judge

    return judge(asked, files, pack, seed=seed, ctx=ctx)


def export(asked: Export, ctx: StageContext) -> Numbers:
    """Export the finished model."""
    from endonym.export.huggingface import export_huggingface
    from endonym.generate.language_model import LanguageModel

    loaded = LanguageModel.load(ctx.inputs["model"].folder)
    return {"format": asked.format, "files": export_huggingface(loaded, ctx.out)}
