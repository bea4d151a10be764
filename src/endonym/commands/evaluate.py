"""`endonym evaluate`: scores of one model, on its own corpus or on files."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from endonym.autopilot.format_guess import guess_source
from endonym.commands.load import find_artifact, load_model
from endonym.data.config import PackConfig
from endonym.errors import RecipeError, SourceError
from endonym.evaluate.bits import Texts
from endonym.evaluate.score import Score
from endonym.log import Log, number
from endonym.pipeline.evaluation import held_texts, read_texts, score_texts, training_text
from endonym.store import Store
from endonym.text.config import Source
from endonym.text.document import Document
from endonym.text.files import source_files
from endonym.text.reader import read_file
from endonym.tokenizer.tokenizer import Tokenizer

SHOWN_FILES = 10
"""Files of a folder whose cutting is said one by one."""


def score_model(
    name: str,
    files: Sequence[Path],
    split: Literal["test", "dev"],
    *,
    store: Store,
    log: Log,
    device_name: str,
) -> list[Score]:
    """Scores of a model: on given files and folders, or on its own corpus's documents of a split.

    Baselines need the training shards: a model from elsewhere gets none. A file's scores have its
    name as their split, without the folder, which differs between machines. Raises RecipeError if
    there is nothing to score.
    """
    model = load_model(name, store, device_name)
    train, judged = shards_of(name, store), list[tuple[str, Texts]]()
    for path, file in zip(files, names_of(files), strict=True):
        judged.append((file, texts_below(path, model.tokenizer, log)))
    read = None if train is None else training_text(*train)
    if not files:
        if train is None:
            raise RecipeError(
                "this model's corpus is not in the store",
                where=name,
                do="Give a text to score it on: --text FILE.",
            )
        shards, pack = train
        judged = [(split, each) for each in held_texts(shards, split, model.tokenizer, pack)]
    scores: list[Score] = []
    for text, texts in judged:
        scores += score_texts(read_texts(model, texts, log), texts, read, split=text, log=log)[0]
    return scores


def texts_below(path: Path, tokenizer: Tokenizer, log: Log) -> Texts:
    """The documents of a file, or of all files below a folder, read as a source would be.

    Says how each file was cut into documents, and counts what could not be read. Raises SourceError
    if there is no text.
    """
    if not path.exists():
        missing = SourceError("no such file", where=str(path), do="Check the path after --text.")
        missing.exit_code = 2
        raise missing
    texts, sources, rejects, first = list[str](), list[str](), Counter[str](), ""
    files = source_files(Source(name="texts", path=str(path.absolute())), Path("/"))
    for place, file in enumerate(files):
        source, reason = guess_source(file.path, "texts")
        before = len(texts)
        for each in read_file(source, file):
            if isinstance(each, Document):
                texts.append(each.text)
            else:
                rejects[each.reason] += 1
                first = first or each.detail
        sources += [file.name] * (len(texts) - before)
        say = log.line if place < SHOWN_FILES else log.detail
        say(f"{file.name}: {cut(source, len(texts) - before)} ({reason})")
    if len(files) > SHOWN_FILES:
        log.line(f"{path.name}: {documents(len(texts))} in {len(files)} files; -v lists them all")
    if texts and rejects:
        counts = ", ".join(f"{number(count)} {reason}" for reason, count in rejects.most_common())
        log.warn(f"{path.name}: not read: {counts}")
    if not texts:
        raise SourceError(
            f"no text that can be read: {first}", where=str(path), do="Give a text in UTF-8."
        )
    tokenizer.check_lossless(texts)
    return Texts(tokenizer.encode_many(texts), sources, tokenizer)


def cut(source: Source, count: int) -> str:
    """How a file was cut into documents."""
    ends = {"line": ", one a line", "blank_lines": ", which end at empty lines", "file": ""}
    return documents(count) + ends[source.document]


def documents(count: int) -> str:
    """A number of documents."""
    return f"{number(count)} document{'' if count == 1 else 's'}"


def names_of(files: Sequence[Path]) -> list[str]:
    """Each file's name; its path as given, if another file has the same name."""
    names = [path.name for path in set(files)]
    return [path.name if names.count(path.name) == 1 else str(path) for path in files]


def shards_of(name: str, store: Store) -> tuple[Path, PackConfig] | None:
    """The shards that a model artefact was trained on, with their pack config.

    None if they are not in its store any more.
    """
    artifact = find_artifact(name, store)
    if artifact is None or "shards" not in artifact.manifest["inputs"]:
        return None
    home = Store(artifact.folder.parent.parent)
    shards = home.find("shards", artifact.manifest["inputs"]["shards"])
    if shards is None:
        return None
    config = artifact.manifest["config"]
    return shards.verify().folder, PackConfig.model_validate(config["pack"])
