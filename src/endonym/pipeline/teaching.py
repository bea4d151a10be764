"""Teachers of a phase: members that were trained for it, or a model that the recipe names."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from endonym import device
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.data.teacher_cache import TeacherCache, cache_bytes, require_room
from endonym.errors import RecipeError
from endonym.evaluate.bits import held_out_texts
from endonym.export.history import phases_of_lineage
from endonym.export.huggingface import load_pretrained
from endonym.generate.language_model import LanguageModel
from endonym.log import append_jsonl
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import require_rows
from endonym.pipeline.stage import Numbers, PhaseTraining, StageContext, TeacherConfig
from endonym.recipe.recipe import Recipe
from endonym.store import MANIFEST, Artifact, open_artifact
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.memory_budget import explained_memory_errors
from endonym.train.teacher import CachedTeacher, LiveTeacher, Teach, keep_likely

READ_DOCUMENTS = 1_000
"""Held-out documents that a teacher must read as the phase does."""
FEWER_TEACHERS = (
    "Name a smaller teacher or fewer members, or a smaller pack.context; or end other programs. "
    "What was trained is kept."
)
"""What to do if teachers need more memory than there is."""
MAY_KNOW = (
    "the teacher {name} was not made from this corpus alone: it may have read texts that judge "
    "this model, and then the scores are too good"
)


@explained_memory_errors("reading with the teachers", FEWER_TEACHERS)
def keep_teacher(config: TeacherConfig, ctx: StageContext) -> Numbers:
    """Let the teachers read the training text once; returns what was kept, for the manifest.

    Raises RecipeError if what is kept does not fit on the disk.
    """
    device.prepare()
    target = device.pick(ctx.device)
    kept = None
    orders: list[Order | ExampleOrder] = []
    if "examples" in ctx.inputs:
        tokens = ExampleTokens(ctx.inputs["examples"].folder, "train")
        orders.append(ExampleOrder(tokens, context=config.pack.context, seed=config.seed))
        places = len(tokens.ids)
        vocab = tokens.vocab
    else:
        train = TokenShards(ctx.inputs["shards"].folder, "train")
        order = partial(Order, train, context=config.pack.context, seed=config.seed)
        orders += [order(join=config.pack.join, source=name) for name in config.sources or [None]]
        kept = None if config.sources is None else train.targets_of(config.sources)
        places = train.n_places(config.sources)
        vocab = train.vocab
    needed = cache_bytes(places, config.top_k, vocab)
    require_room(ctx.out, needed)
    decoders = teachers(ctx, config.folder, config.pack.context, target)
    total = sum(each.positions_per_epoch for each in orders)
    began = time.perf_counter()
    with ctx.log.progress(f"reading with {len(decoders)} teachers", total) as advance:
        cache = TeacherCache.new(ctx.out, places=places, top_k=config.top_k, vocab=vocab, kept=kept)
        for each in orders:
            keep_likely(cache, decoders, each, vocab=vocab, device=target, advance=advance)
    seconds = round(time.perf_counter() - began, 3)
    append_jsonl(ctx.journal, {"event": "read", "seconds": seconds})
    return {"teachers": len(decoders), "places": places, "top_k": config.top_k, "bytes": needed}


def teach_of(config: PhaseTraining, ctx: StageContext, target: str) -> Teach | None:
    """What a phase learns from beside its text; None if it has no teacher."""
    distill = config.phase.distill
    if distill is None:
        return None
    if not distill.live:
        cache = TeacherCache.read(ctx.inputs["teacher"].folder)
        return CachedTeacher(cache, distill.share)
    decoders = teachers(ctx, config.teacher, config.pack.context, target)
    vocab = config.model.vocab
    top_k = distill.top_k
    return LiveTeacher(decoders, vocab=vocab, top_k=top_k, share=distill.share)


def teachers(ctx: StageContext, folder: Path | None, context: int, target: str) -> list[AnyDecoder]:
    """The teachers of a phase, ready to read. folder: of the one that the recipe names, if any.

    context: tokens of a row. Raises ShapeError if a teacher never read such long rows.
    """
    inputs = ctx.inputs
    if folder is None:
        names = sorted(name for name in inputs if name.startswith("teacher "))
        models = [LanguageModel.load(inputs[name].folder) for name in names]
    else:
        if not is_of_this_corpus(folder, inputs["shards"].manifest["id"]):
            ctx.log.warn(MAY_KNOW.format(name=folder.name))
        models = [load_pretrained(folder)]
    for model in models:
        require_rows(model.decoder.config, context)
    return [each.decoder.to(target).eval().requires_grad_(requires_grad=False) for each in models]


def is_of_this_corpus(folder: Path, shards: str) -> bool:
    """Whether a teacher, and all that it learnt from, is of this corpus, which holds the same texts
    out. shards: the whole id of its shards, as in manifests.
    """
    if not (folder / MANIFEST).is_file():
        return False
    phases, lost = phases_of_lineage(open_artifact(folder))
    return not lost and all(each.manifest["inputs"].get("shards") == shards for each in phases)


def require_same_ids(recipe: Recipe, tokenizer: Artifact, shards: Artifact) -> None:
    """Raise RecipeError unless the teachers that a recipe names have its ids, and write its texts
    with them."""
    named = [(phase, recipe.teacher_folder(n)) for n, phase in enumerate(recipe.phase)]
    for phase, folder in named:
        if folder is None:
            continue
        ours = Tokenizer.load(tokenizer.folder / "tokenizer.json")
        theirs = Tokenizer.load(folder / "tokenizer.json")
        dev = held_out_texts(TokenShards(shards.folder, "dev"), ours)
        if other := difference(theirs, ours, [*islice(dev.each(), READ_DOCUMENTS)]):
            assert phase.distill is not None, "it has a teacher"
            raise RecipeError(
                f'the teacher "{phase.distill.model}" has another tokenizer: {other}',
                where=f"phase {phase.name}: distill.model",
                do="Name a run of the same texts with the same [clean] and [tokenizer].",
            )


def difference(theirs: Tokenizer, ours: Tokenizer, texts: Sequence[str]) -> str:
    """The first difference between a teacher's ids and ours, in words; empty if there is none.

    texts: that both must write with the same ids. A recipe of conversations alone has none.
    """
    if theirs.vocab != ours.vocab:
        return f"{theirs.vocab} ids, here {ours.vocab}"
    if theirs.end_id != ours.end_id:
        return f"texts end with id {theirs.end_id}, here with {ours.end_id}"
    if theirs.document_start != ours.document_start:
        return f"texts start with ids {theirs.document_start}, here with {ours.document_start}"
    for index in range(ours.vocab):
        pieces = theirs.bytes_of(index), ours.bytes_of(index)
        is_special = index != ours.end_id and not any(pieces)
        is_same = not is_special or theirs.name_of(index) == ours.name_of(index)
        if pieces[0] != pieces[1] or not is_same:
            return f"id {index} is {theirs.token(index)!r}, here {ours.token(index)!r}"
    for text, *ids in zip(texts, theirs.encode_many(texts), ours.encode_many(texts), strict=True):
        if ids[0].tolist() != ids[1].tolist():
            return f"it writes {text[:40]!r} with other ids"
    return ""
