"""What each stage does: from its config and inputs it writes one artefact and returns counts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endonym.config import Config
from endonym.copies.notes import distinct_names
from endonym.corpus.corpus import Corpus, make_corpus
from endonym.data.config import CHATML_NAME, read_template
from endonym.device import cores, free_memory_bytes
from endonym.disk import write_json
from endonym.formats.files import RawSet
from endonym.log import Log
from endonym.pipeline.types import (
    ChangedTokenizer,
    CorpusConfig,
    EvaluationConfig,
    ExamplesConfig,
    ExportConfig,
    NamedFiles,
    Numbers,
    PhaseTraining,
    PretrainedFiles,
    PretrainedTokenizer,
    StageContext,
)
from endonym.tokenizer.config import TokenizerConfig
from endonym.workers import runner

if TYPE_CHECKING:
    from endonym.data.kept_out import KeptOut
    from endonym.tokenizer.tokenizer import Tokenizer

LARGE_BYTES = 50_000_000
"""Of raw files together, from which on several processes make the corpus."""
WORKER_BYTES = 1 << 30
"""What a worker may need: it holds a few copies of a chunk, or of one document of 64 MiB."""


def source(raw: RawSet, ctx: StageContext) -> Numbers:
    """Write down which files a source consists of; nothing is copied."""
    write_json(ctx.out / "files.json", raw.listing())
    return {"files": len(raw.files), "bytes": raw.bytes()}


def named_files(config: NamedFiles, ctx: StageContext) -> Numbers:
    """Write down which files a recipe names: prompts, texts to judge, or a model."""
    write_json(ctx.out / "files.json", list(config.files))
    return {"files": len(config.paths), "bytes": sum(p.stat().st_size for p in config.paths)}


def pretrained(config: PretrainedFiles, ctx: StageContext) -> Numbers:
    """Load the pretrained model as a test, before any text is read; then write down its files.

    made_of: the id of the model that it was exported from, if its record tells.
    """
    from endonym.export.formats import model_behind
    from endonym.export.huggingface import load_pretrained

    load_pretrained(config.folder)
    made_of = model_behind(config.folder, {each["name"]: each["sha256"] for each in config.files})
    return named_files(config, ctx) | ({"made_of": made_of} if made_of else {})


def corpus(config: CorpusConfig, ctx: StageContext) -> Numbers:
    """Read, clean, drop copies and evaluation texts, split. What is finished survives a kill."""
    workers = ctx.workers or suitable_workers(sum(each.bytes() for each in config.sources))
    with runner(workers) as pool:
        return make_corpus(
            [(each.source, each.files) for each in config.sources],
            config.clean,
            config.split,
            out=ctx.out,
            contrast=config.contrast,
            evaluation=_evaluation_texts(config.evaluation),
            work=ctx.work / "corpus",
            runner=pool,
            progress=ctx.log.progress,
        )


def _evaluation_texts(paths: Sequence[Path]) -> list[tuple[str, Iterator[str]]]:
    """The name and the texts of each file that judges models."""
    from endonym.pipeline.evaluation_texts import texts_to_keep_out

    return list(zip(distinct_names(paths), map(texts_to_keep_out, paths), strict=True))


def _kept_out(config: ExamplesConfig, texts: Corpus) -> "KeptOut":
    """What conversations and preference pairs are compared with."""
    from endonym.data.kept_out import KeptOut

    own = [(split, (each.text for each in texts.documents(split))) for split in ("dev", "test")]
    return KeptOut([*own, *_evaluation_texts(config.evaluation)])


def suitable_workers(raw_bytes: int) -> int:
    """One process for small texts, as others take a second to start; else one for each core.

    Not more than there is memory for.
    """
    if raw_bytes < LARGE_BYTES:
        return 1
    return max(1, min(cores(), free_memory_bytes() // WORKER_BYTES))


def tokenizer(config: TokenizerConfig, ctx: StageContext) -> Numbers:
    """Train on the training split alone, and report the fit on the dev split."""
    from endonym.tokenizer.train import train_tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    return _keep_tokenizer(train_tokenizer(config, _training_texts(config, texts)), texts, ctx)


def changed_tokenizer(config: ChangedTokenizer, ctx: StageContext) -> Numbers:
    """Extend the pretrained model's tokenizer, or train another one; report both fits."""
    from endonym.tokenizer.extend import extend_tokenizer
    from endonym.tokenizer.tokenizer import Tokenizer
    from endonym.tokenizer.train import train_tokenizer

    texts, asked = Corpus(ctx.inputs["corpus"].folder), config.tokenizer
    given, sample = Tokenizer.load(config.folder / "tokenizer.json"), _training_texts(asked, texts)
    if asked.extend is None:
        return _keep_tokenizer(train_tokenizer(asked, sample), texts, ctx, before=given)
    made = extend_tokenizer(given, asked, sample)
    numbers = _keep_tokenizer(made, texts, ctx, before=given)
    return numbers | {"asked": asked.extend, "added": made.vocab - given.vocab}


def _training_texts(config: TokenizerConfig, texts: Corpus) -> Callable[[], Iterator[str]]:
    """A function that iterates over the training documents, with the shares of a recipe."""
    from endonym.tokenizer.train import by_shares

    def documents() -> Iterator[tuple[str, str]]:
        return ((each.source, each.text) for each in texts.documents("train"))

    def sample() -> Iterator[str]:
        return (text for _, text in documents())

    if config.sources:
        return by_shares(documents, config.sources, config.sample_bytes)
    return sample


def pretrained_tokenizer(config: PretrainedTokenizer, ctx: StageContext) -> Numbers:
    """Take the pretrained model's tokenizer, after a round trip of every document."""
    from endonym.data.shards import SPLITS
    from endonym.tokenizer.tokenizer import Tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    given = Tokenizer.load(config.folder / "tokenizer.json")
    for split in SPLITS:
        given.check_lossless(each.text for each in texts.documents(split))
    return _keep_tokenizer(given, texts, ctx)


def _keep_tokenizer(
    made: "Tokenizer", texts: Corpus, ctx: StageContext, before: "Tokenizer | None" = None
) -> Numbers:
    """Write a tokenizer, and how it fits the dev documents. before: the one that it takes over."""
    from endonym.tokenizer.train import fit

    made.save(ctx.out)
    report, *old = [
        fit(each, ((document.source, document.text) for document in texts.documents("dev")))
        for each in (made, before)
        if each is not None
    ]
    report |= {"before": old[0]} if old else {}
    write_json(ctx.out / "report.json", report)
    return {"vocab": made.vocab, "held_out": report}


def shards(_: Config, ctx: StageContext) -> Numbers:
    """Encode the corpus as token ids."""
    from endonym.data.shards import ShardDocument, write_shards
    from endonym.tokenizer.tokenizer import Tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    tokenizer = Tokenizer.load(ctx.inputs["tokenizer"].folder / "tokenizer.json")
    sources = sorted(texts.card["sources"])
    total = sum(
        kept["bytes"] for each in texts.card["sources"].values() for kept in each["kept"].values()
    )

    def documents(split: Any) -> Iterator[ShardDocument]:
        documents = texts.documents(split)
        return (
            ShardDocument(each.source, each.text, each.block, each.position) for each in documents
        )

    with ctx.log.progress("shards", total, "bytes") as advance:
        return write_shards(ctx.out, tokenizer, sources, documents, advance=advance)


def examples(config: ExamplesConfig, ctx: StageContext) -> Numbers:
    """Encode conversations or preference pairs, with the chat template of the recipe or model."""
    from endonym.data.examples import HELD_OUT, ExampleSettings, make_examples, with_template
    from endonym.pipeline.sources import require_unchanged
    from endonym.tokenizer.chat_template import CHATML, Markup, differences, template_of
    from endonym.tokenizer.tokenizer import Tokenizer

    template = CHATML if config.template == CHATML_NAME else None
    if config.template_file is not None:
        template = read_template(config.template_file)
    tokenizer = Tokenizer.load(ctx.inputs["tokenizer"].folder / "tokenizer.json")
    tokenizer = with_template(tokenizer, template)
    told = differences(template_of(tokenizer), tokenizer, Markup(tokenizer).encode)
    if "strftime_now" in template_of(tokenizer).text:
        told.append(
            "its chat template may write the date: later prompts differ from what is learnt"
        )
    for each in told:
        ctx.log.warn(f"{config.objective}: {each}")
    settings = ExampleSettings(
        config.objective, config.context, config.val_share, config.max_rejected, config.seed
    )
    with ctx.log.progress("examples", 0, "records") as advance:
        counted = make_examples(
            config.paths,
            tokenizer,
            settings,
            out=ctx.out,
            advance=advance,
            kept_out=_kept_out(config, Corpus(ctx.inputs["corpus"].folder)),
        )
    if n := counted["unread_weights"]:
        ctx.log.warn(
            f'{config.objective}: {n:,} of {counted["records"]:,} records have a "weight" beside '
            "those of answers, which is not read: each counts once, and only answers are learnt"
        )
    if n := counted["dropped"].get(HELD_OUT):
        ctx.log.warn(
            f"{config.objective}: {n:,} of {counted['records']:,} records left out: they share "
            "text with held-out or evaluation texts, and would make scores too good"
        )
    for number, path in enumerate(config.paths):
        require_unchanged(path, ctx.inputs[f"data {number}"])
    if config.template_file is not None:
        require_unchanged(config.template_file, ctx.inputs["template"])
    tokenizer.save(ctx.out)
    return counted


def model(config: PhaseTraining, ctx: StageContext) -> Numbers:
    """Train one phase."""
    from endonym.pipeline.training import train_model
    from endonym.train.distributed import called
    from endonym.train.memory_budget import explained_memory_errors

    where = f"phase {config.phase.name}"
    with called(ctx.device or "cpu") as group, explained_memory_errors(where):
        group.broadcast((config, replace(ctx, log=Log(quiet=True), metrics=None)))
        return train_model(config, ctx, group)


def help_training(device: str | None) -> None:
    """Train together with the first process, phase after phase, until it ends the work."""
    from endonym.pipeline.training import train_model
    from endonym.train.distributed import Group, follow
    from endonym.train.memory_budget import explained_memory_errors

    def help_one(group: Group) -> None:
        config, ctx = group.broadcast()
        with explained_memory_errors(f"phase {config.phase.name}"):
            train_model(config, ctx, group)

    follow(help_one, device or "cpu")


def evaluation(config: EvaluationConfig, ctx: StageContext) -> Numbers:
    """Evaluate the finished model."""
    from endonym.pipeline.evaluation import evaluate

    return evaluate(config, ctx)


def dataset(config: ExportConfig, ctx: StageContext) -> Numbers:
    """Export the corpus."""
    from endonym.export.formats import make_dataset

    files = make_dataset(
        ctx.inputs["corpus"],
        ctx.out,
        name=config.name,
        language=config.language,
        licenses=config.licenses or {},
    )
    return {"format": config.export.format, "files": files, "checks": []}


def export_adapter(config: ExportConfig, ctx: StageContext) -> Numbers:
    """Export the adapter of the last phase, without its base."""
    from endonym.export.adapter_export import Adapter, make_adapter_export
    from endonym.export.adapter_folder import adapter_folder, base_name_of, read_adapter
    from endonym.generate.language_model import LanguageModel
    from endonym.pipeline.evaluation import held_out_documents
    from endonym.pipeline.training import initial_decoder
    from endonym.tokenizer.tokenizer import Tokenizer

    model, training = ctx.inputs["model"], config.training
    assert training is not None, "pipeline/plan.py gives it"
    assert training.phase.adapt is not None, "recipe/checks.py has refused it"
    folder = adapter_folder(model.folder)
    tokenizer = Tokenizer.load(model.folder / "tokenizer.json")
    base = LanguageModel(initial_decoder(training, ctx.inputs), tokenizer)
    changes = read_adapter(folder, base.decoder)
    adapter = Adapter(
        base, changes, config.name, base_name_of(folder), training.phase.adapt.dropout
    )
    texts = held_out_documents(ctx.inputs["shards"].folder, tokenizer)
    made = make_adapter_export(
        config.export, adapter, ctx.out, texts=texts, made_of=model.id, log=ctx.log
    )
    return {
        "format": config.export.format,
        "files": made.files,
        "checks": [each.as_dict() for each in made.checks],
    }


def export(config: ExportConfig, ctx: StageContext) -> Numbers:
    """Export the finished model."""
    from endonym.export.card import Card
    from endonym.export.formats import make_export
    from endonym.export.history import history_of
    from endonym.generate.language_model import LanguageModel
    from endonym.pipeline.evaluation import held_out_documents

    loaded = LanguageModel.load(ctx.inputs["model"].folder)
    judged = [each for name, each in ctx.inputs.items() if name.startswith("evaluation")]
    history = history_of(ctx.inputs["model"], judged)
    card = Card(config.name, config.language, config.licenses or {}, history)
    made = make_export(
        config.export,
        loaded,
        ctx.out,
        card=card,
        texts=held_out_documents(ctx.inputs["shards"].folder, loaded.tokenizer),
        made_of=ctx.inputs["model"].id,
        log=ctx.log,
    )
    return {
        "format": config.export.format,
        "files": made.files,
        "checks": [each.as_dict() for each in made.checks],
    }
