"""What each stage receives, a config that is hashed and inputs, and does: it writes an artefact."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endonym.config import Config
from endonym.copies.held_out.split import Side
from endonym.copies.notes import distinct_names
from endonym.corpus.corpus import Corpus, make_corpus
from endonym.corpus.work import suitable_workers
from endonym.data.config import CHATML_NAME, read_template
from endonym.disk import write_json
from endonym.formats.files import RawSet
from endonym.log import Log, listed
from endonym.pipeline.stage import (
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
    TeacherConfig,
)
from endonym.tokenizer.config import TokenizerConfig
from endonym.workers import runner

if TYPE_CHECKING:
    from endonym.export.card import Card
    from endonym.export.formats import Exported
    from endonym.export.history import History
    from endonym.tokenizer.tokenizer import Tokenizer
    from endonym.train.distributed import Group


def source(raw: RawSet, ctx: StageContext) -> Numbers:
    """Write down which files a source consists of; nothing is copied."""
    write_json(ctx.out / "files.json", raw.listing())
    return {"files": len(raw.files), "bytes": raw.bytes()}


def named_files(config: NamedFiles, ctx: StageContext) -> Numbers:
    """Write down which files a recipe names: prompts, texts to judge, or a model."""
    write_json(ctx.out / "files.json", config.files)
    return {"files": len(config.paths), "bytes": sum(p.stat().st_size for p in config.paths)}


def pretrained(config: PretrainedFiles, ctx: StageContext) -> Numbers:
    """Load the pretrained model as a test, before any text is read; then write down its files.

    "made_of" is the id of the model that it was exported from, if its record tells.
    """
    from endonym.export.huggingface import load_pretrained
    from endonym.export.record import model_behind

    load_pretrained(config.folder)
    hashes = {file["name"]: file["sha256"] for file in config.files}
    made_of = model_behind(config.folder, hashes)
    return named_files(config, ctx) | ({"made_of": made_of} if made_of else {})


def corpus(config: CorpusConfig, ctx: StageContext) -> Numbers:
    """Read, clean, drop copies and evaluation texts, split. What is finished survives a kill."""
    workers = ctx.workers or suitable_workers(sum(each.bytes() for each in config.sources))
    sources = [(each.source, each.files) for each in config.sources]
    with runner(workers) as pool:
        return make_corpus(
            sources,
            config.clean,
            config.split,
            out=ctx.out,
            contrast=config.contrast,
            evaluation=judging_texts(config.evaluation, config.tasks or ()),
            work=ctx.work / "corpus",
            runner=pool,
            progress=ctx.log.progress,
        )


def judging_texts(
    paths: Sequence[Path], tasks: Sequence[int] = ()
) -> list[tuple[str, Iterator[str]]]:
    """The name and the texts of each file that judges models. tasks: the places of items."""
    from endonym.pipeline.evaluation_texts import texts_to_keep_out

    texts = (texts_to_keep_out(path, are_items=n in tasks) for n, path in enumerate(paths))
    return list(zip(distinct_names(paths), texts, strict=True))


def tokenizer(config: TokenizerConfig, ctx: StageContext) -> Numbers:
    """Train a tokenizer on the training split alone, and report how it fits the dev split."""
    from endonym.tokenizer.train import train_tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    return _keep_tokenizer(train_tokenizer(config, _training_texts(config, texts)), texts, ctx)


def changed_tokenizer(config: ChangedTokenizer, ctx: StageContext) -> Numbers:
    """Extend the pretrained model's tokenizer, or train another one; report how both fit."""
    from endonym.tokenizer.extend import extend_tokenizer
    from endonym.tokenizer.train import train_tokenizer

    texts = Corpus(ctx.inputs["corpus"].folder)
    settings = config.tokenizer
    base = _tokenizer_of(config.folder)
    sample = _training_texts(settings, texts)
    if settings.extend is None:
        return _keep_tokenizer(train_tokenizer(settings, sample), texts, ctx, before=base)
    extended = extend_tokenizer(base, settings, sample)
    numbers = _keep_tokenizer(extended, texts, ctx, before=base)
    return numbers | {"asked": settings.extend, "added": extended.vocab - base.vocab}


def _training_texts(config: TokenizerConfig, texts: Corpus) -> Callable[[], Iterator[str]]:
    """A function that iterates over the training documents, with the shares of a recipe."""
    from endonym.tokenizer.train import by_shares

    if config.sources:
        named = partial(_named_texts, texts, "train")
        return by_shares(named, config.sources, config.sample_bytes)
    return lambda: (document.text for document in texts.documents("train"))


def _named_texts(texts: Corpus, split: Side) -> Iterator[tuple[str, str]]:
    """The source and the text of each document of a split."""
    return ((document.source, document.text) for document in texts.documents(split))


def pretrained_tokenizer(config: PretrainedTokenizer, ctx: StageContext) -> Numbers:
    """Take the pretrained model's tokenizer, if it gives every document back as it was."""
    from endonym.data.shards import SPLITS

    texts = Corpus(ctx.inputs["corpus"].folder)
    tokenizer = _tokenizer_of(config.folder)
    for split in SPLITS:
        tokenizer.check_lossless(document.text for document in texts.documents(split))
    return _keep_tokenizer(tokenizer, texts, ctx)


def _tokenizer_of(folder: Path) -> "Tokenizer":
    """The tokenizer of an artefact or of a pretrained model."""
    from endonym.tokenizer.tokenizer import Tokenizer

    return Tokenizer.load(folder / "tokenizer.json")


def _keep_tokenizer(
    tokenizer: "Tokenizer", texts: Corpus, ctx: StageContext, before: "Tokenizer | None" = None
) -> Numbers:
    """Write a tokenizer, and how it fits the dev documents.

    before: the tokenizer that it replaces or extends, whose fit is written beside.
    """
    from endonym.tokenizer.train import fit

    tokenizer.save(ctx.out)
    report = fit(tokenizer, _named_texts(texts, "dev"))
    if before is not None:
        report["before"] = fit(before, _named_texts(texts, "dev"))
    write_json(ctx.out / "report.json", report)
    return {"vocab": tokenizer.vocab, "held_out": report}


def shards(_: Config, ctx: StageContext) -> Numbers:
    """Encode the corpus as token ids."""
    from endonym.data.shards import ShardDocument, write_shards

    texts = Corpus(ctx.inputs["corpus"].folder)
    tokenizer = _tokenizer_of(ctx.inputs["tokenizer"].folder)
    sources: dict[str, Any] = texts.card["sources"]  # what was counted, by the source's name
    n_bytes = sum(side["bytes"] for source in sources.values() for side in source["kept"].values())

    def documents(split: Side) -> Iterator[ShardDocument]:
        for each in texts.documents(split):
            yield ShardDocument(each.source, each.text, each.block, each.position)

    with ctx.log.progress("cutting into tokens", n_bytes) as advance:
        numbers = write_shards(ctx.out, tokenizer, sorted(sources), documents, advance=advance)
    # Why a source without training text has none.
    dropped = {
        name: {reason: lost["records"] for reason, lost in sources[name]["dropped"].items()}
        for name, counts in numbers["train"].items()
        if not counts["tokens"]
    }
    return {**numbers, "dropped": dropped}


def examples(config: ExamplesConfig, ctx: StageContext) -> Numbers:
    """Encode conversations or preference pairs, with the chat template of the recipe or model."""
    from endonym.data.examples import HELD_OUT, make_examples, read_held_out, with_template
    from endonym.data.kept_out import KeptOut
    from endonym.pipeline.sources import require_unchanged
    from endonym.tokenizer.chat_template import CHATML, Markup, differences, template_of

    before = ctx.inputs.get("examples before")
    template = CHATML if config.template == CHATML_NAME else None
    if config.template_file is not None:
        template = read_template(config.template_file)
    tokenizer = with_template(_tokenizer_of(ctx.inputs["tokenizer"].folder), template)

    def warn(text: str) -> None:
        ctx.log.warn(f"{config.objective}: {text}")

    for difference in differences(template_of(tokenizer), tokenizer, Markup(tokenizer).encode):
        warn(difference)
    if "strftime_now" in template_of(tokenizer).text:
        warn("its chat template may write the date: later prompts differ from what is learnt")
    texts = Corpus(ctx.inputs["corpus"].folder)
    sides = [(side, (each.text for each in texts.documents(side))) for side in ("dev", "test")]
    with ctx.log.progress("preparing conversations", 0) as advance:
        kept_out = KeptOut([*sides, *judging_texts(config.evaluation)])
        numbers = make_examples(
            config.paths,
            tokenizer,
            config,
            out=ctx.out,
            advance=advance,
            kept_out=kept_out,
            held_out=read_held_out(before.folder) if before else (),
        )
    if numbers["several_answers"]:
        warn(numbers["several_answers"])
    if unread := numbers["unread"]:
        fields = listed([f'"{name}" ({n:,})' for name, n in unread.items()])
        warn(
            f"the data have fields that are not read: {fields}. Each record counts once, and only "
            "answers are learnt"
        )
    if n := numbers["dropped"].get(HELD_OUT):
        warn(
            f"{n:,} of {numbers['records']:,} records left out: they share "
            "text with held-out or evaluation texts, and would make scores too good"
        )
    for number, path in enumerate(config.paths):
        require_unchanged(path, ctx.inputs[f"data {number}"])
    if config.template_file is not None:
        require_unchanged(config.template_file, ctx.inputs["template"])
    tokenizer.save(ctx.out)
    return numbers | {"written": list(config.written or ())}


def model(config: PhaseTraining, ctx: StageContext) -> Numbers:
    """Train one phase."""
    from endonym.train.distributed import called

    with called(ctx.device or "cpu") as group:
        group.broadcast((config, replace(ctx, log=Log(quiet=True), metrics=None)))
        return _train(config, ctx, group=group)


def help_training(device: str | None) -> None:
    """In another process than the first: train with it, phase after phase, until it is done."""
    from endonym.train.distributed import follow

    follow(lambda group: _train(*group.broadcast(), group=group), device or "cpu")


def _train(config: PhaseTraining, ctx: StageContext, *, group: "Group") -> Numbers:
    """Train one phase in one process of the group; errors about memory say what to set."""
    from endonym.pipeline.training import train_model
    from endonym.train.memory_budget import explained_memory_errors

    with explained_memory_errors(f"phase {config.phase.name}"):
        return train_model(config, ctx, group)


def teacher(config: TeacherConfig, ctx: StageContext) -> Numbers:
    """Keep what a teacher expects of every target of a phase."""
    from endonym.pipeline.teaching import keep_teacher

    return keep_teacher(config, ctx)


def evaluation(config: EvaluationConfig, ctx: StageContext) -> Numbers:
    """Evaluate the finished model."""
    from endonym.pipeline.evaluation import evaluate

    return evaluate(config, ctx)


def export_corpus(config: ExportConfig, ctx: StageContext) -> Numbers:
    """Export the corpus, as texts or as a dictionary."""
    from endonym.export.formats import make_corpus_export

    corpus = ctx.inputs["corpus"]
    card = _card(config)
    made = make_corpus_export(config.export, corpus, ctx.out, card=card, log=ctx.log)
    checks = [asdict(check) for check in made.checks]
    return {"format": config.export.format, "files": made.files, "checks": checks}


def export_adapter(config: ExportConfig, ctx: StageContext) -> Numbers:
    """Export the adapter of the last phase, without its base."""
    from endonym.export.adapters import Adapter, adapter_folder, base_name_of, read_adapter
    from endonym.export.formats import make_adapter_export
    from endonym.export.history import history_of
    from endonym.generate.language_model import LanguageModel
    from endonym.model.foreign.origin import Origin
    from endonym.pipeline.training import initial_decoder

    model = ctx.inputs["model"]
    training = config.training
    assert training is not None, "pipeline/plan.py gives it"
    assert training.phase.adapt is not None, "recipe/checks.py has refused it"
    folder = adapter_folder(model.folder)
    dropout = training.phase.adapt.dropout
    tokenizer = _tokenizer_of(model.folder)
    base = LanguageModel(initial_decoder(training, ctx.inputs), tokenizer)
    base.origin = Origin.of(model.folder)
    changes = read_adapter(folder, base.decoder)
    trained = LanguageModel.load(model.folder)
    words = config.name, base_name_of(folder)
    adapter = Adapter(base, changes, *words, dropout=dropout, trained=trained)
    make = partial(
        make_adapter_export, config.export, adapter, card=_card(config, history_of(model))
    )
    return _exported(make, config, ctx, tokenizer)


def export(config: ExportConfig, ctx: StageContext) -> Numbers:
    """Export the finished model."""
    from endonym.export.formats import make_export
    from endonym.export.history import history_of
    from endonym.generate.language_model import LanguageModel

    loaded = LanguageModel.load(ctx.inputs["model"].folder)
    judged = [each for name, each in ctx.inputs.items() if name.startswith("evaluation")]
    card = _card(config, history_of(ctx.inputs["model"], judged))
    make = partial(make_export, config.export, loaded, card=card)
    return _exported(make, config, ctx, loaded.tokenizer)


def _card(config: ExportConfig, history: "History | None" = None) -> "Card":
    """What the README of an export says."""
    from endonym.export.card import Card

    words = config.name, config.language, config.licenses or {}
    return Card(*words, history, synthetic=config.synthetic or ())


def _exported(
    make: Callable[..., "Exported"], config: ExportConfig, ctx: StageContext, tokenizer: "Tokenizer"
) -> Numbers:
    """Make an export in `ctx.out`, prove it on held-out documents, and return its counts.

    make: `make_export` or `make_adapter_export`, which lacks what is the same for both.
    """
    from endonym.pipeline.evaluation import held_out_documents

    texts = held_out_documents(ctx.inputs["shards"].folder, tokenizer)
    made = make(ctx.out, texts=texts, made_of=ctx.inputs["model"].id, log=ctx.log)
    checks = [asdict(check) for check in made.checks]
    return {"format": config.export.format, "files": made.files, "checks": checks}
