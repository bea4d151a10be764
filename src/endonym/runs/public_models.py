"""A model from elsewhere beside runs: a transformers folder, scored on the runs' own documents."""

from dataclasses import replace
from pathlib import Path

from endonym.data.config import PackConfig
from endonym.errors import RecipeError
from endonym.evaluate import bits
from endonym.evaluate.documents import documents, ordered
from endonym.evaluate.score import headline
from endonym.export.huggingface import load_pretrained
from endonym.log import Log
from endonym.model.count import parameters
from endonym.pipeline.evaluation import held_texts, read_texts
from endonym.runs.finished_runs import FinishedRun, PublicModel, Split
from endonym.store import Store
from endonym.tokenizer.tokenizer import Tokenizer


def is_model_folder(name: str) -> bool:
    """Whether this is a folder in the transformers format."""
    return (Path(name) / "config.json").is_file()


def public_model(
    folder: Path, beside: FinishedRun, split: Split, *, log: Log, device: str
) -> PublicModel:
    """Score a model as a run was scored: on the same documents, by the same code.

    It reads them with its own tokenizer, in its own context. Raises RecipeError if the store of the
    run does not hold their texts any more, and ExportError for a model that is not supported.
    """
    judged = beside.judged.manifest
    shards = Store.of(beside.judged.folder).find("shards", judged["inputs"]["shards"])
    if shards is None:
        do = "The same `endonym run` makes them again."
        message = f"the {split} documents are not in its store any more"
        raise RecipeError(message, where=beside.name, do=do)
    pack = PackConfig.model_validate(judged["config"]["pack"])
    tokenizer = Tokenizer.load(beside.models[-1].folder / "tokenizer.json")
    tokens = judged["config"]["tokens"]
    texts = held_texts(shards.verify().folder, split, tokenizer, pack, tokens=tokens)[0]
    model = load_pretrained(folder)
    model.decoder.to(device)
    written = list(texts.each())
    model.tokenizer.check_lossless(written)
    texts = replace(texts, ids=model.tokenizer.encode_documents(written), tokenizer=model.tokenizer)
    log.line(f"{folder}: scored on the {split} documents of {beside.name}")
    measured = read_texts(model, texts, log)
    score = headline(bits.by_source(texts, measured, model="model", split=split), model="model")
    found = ordered(documents(written, texts.sources, measured, texts.in_mean()))
    assert score is not None, "there are documents"
    assert found is not None, "they are of today's form"
    shape = model.decoder.config
    return PublicModel(
        name=folder.resolve().name,
        folder=folder,
        family=shape.family,
        parameters=parameters(shape).total,
        score=score,
        documents=found,
    )
