"""`endonym evaluate`: scores of one model, on its own corpus or on files."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from endonym.commands.load import card_of, find_artifact, load_model, shards_of
from endonym.commands.scoring import NO_CORPUS, in_json
from endonym.copies.notes import distinct_names
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError
from endonym.evaluate.bits import Texts
from endonym.evaluate.score import PER_TEXT, Score, find, mean_bits
from endonym.evaluate.tables import span
from endonym.export.history import ensemble_of, evaluations_of, is_of_split
from endonym.formats.broken import lost_letters
from endonym.formats.faults import passing_over
from endonym.log import Log
from endonym.pipeline.evaluation import (
    ensemble_scores,
    held_texts,
    read_texts,
    score_texts,
    training_text,
    window_of,
)
from endonym.pipeline.evaluation_texts import GUESSED, Cutting, Overlap, overlaps, texts_below
from endonym.report.formatting import terminal_text
from endonym.report.scores import splits, verdict
from endonym.store import TRAINED, Artifact, Store
from endonym.survey.odd_sources import Reference, other_language, sketch

OF_ANOTHER_LANGUAGE = (
    "Some of it is in another language or broken (warnings above): these figures do not judge the "
    "model."
)
STARTED = "Each document is read after {start}, which is not scored."
STARTED_AS_TRANSFORMERS = "Each document is read after {start}, as in transformers."
NO_START = (
    "Nothing is read before a document, as in transformers: neither its first token nor the bytes "
    "of that token are counted."
)
EACH_TAKES = (
    "A document takes {bits:,.1f} bits on average{span}. This compares translations of one text, "
    "which bits per byte do not."
)
MOST_COMPARED = 2_000
"""Training documents with which a text is compared, evenly spread."""


class TextScores(NamedTuple):
    """The scores of texts, and for some of the texts why these say little about the model.

    own: what an evaluation of its run has scored of its own test documents. overlap: of each file
    with what the model was trained on. start: the names of the tokens that were read before each
    document. has_start: False if the documents were scored as in `transformers` (--no-start).
    """

    scores: list[Score]
    cautions: dict[str, list[str]]
    own: list[Score]
    overlap: dict[str, Overlap]
    start: list[str]
    has_start: bool = True

    def started(self) -> str:
        """What was read before each document, in words."""
        if not self.start:
            return NO_START
        words = STARTED if self.has_start else STARTED_AS_TRANSFORMERS
        return words.format(start="".join(self.start))

    def conclusions(self, split: str, scores: Sequence[Score]) -> list[str]:
        """What the scores of one text say, and what is to be known of them."""
        given = self.cautions.get(split, ()), self.own, self.overlap.get(split)
        return conclusions(scores, *given)


def score_model(
    name: str,
    files: Sequence[Path],
    split: Literal["test", "dev"],
    *,
    store: Store,
    log: Log,
    device_name: str,
    adapter: str | None = None,
    cutting: Cutting = GUESSED,
    has_start: bool = True,
    context: int | None = None,
) -> TextScores:
    """Scores of a model: on given files and folders, or on its own corpus's documents of a split.

    cutting: how the files are cut into documents, if not as their form suggests. has_start: whether
    a document is read after the token that starts one (`Tokenizer.document_start`); if not, as
    `transformers` reads it, and there are no baselines, which score each token. context: tokens
    that the model reads at once, if not as many as usual. Members that taught the model are scored
    with it, as `ensemble`; with an adapter they are not.
    Baselines need the training shards: a model from elsewhere gets none. A file's scores have its
    name as their split, without the folder, which differs between machines. Raises RecipeError if
    there is nothing to score.
    """
    model = load_model(name, store, device_name, log, adapter=adapter)
    window = window_of(model, context, log)
    train = shards_of(name, store)
    judged = list[tuple[str, Texts]]()
    for path, file in zip(files, distinct_names(files), strict=True):
        judged.append((file, texts_below(path, model.tokenizer, log, cutting)))
    read = None if train is None else training_text(*train)
    language = card_of(name, store).language
    cautions = {file: list[str]() for file, _ in judged}
    for file, texts in judged:
        for why in doubts(texts, None if read is None else read.shards, language):
            log.warn(f"{file}: {why}. This score says little about the model.")
            cautions[file] = [OF_ANOTHER_LANGUAGE]
    made = find_artifact(name, store)
    by_file = {file: [*texts.each()] for file, texts in judged}
    overlap = overlaps(by_file, made, log, adapter=adapter)
    if not files:
        if train is None:
            do = "Give a text to score it on: --text FILE."
            raise RecipeError(NO_CORPUS, where=name, do=do)
        shards, pack = train
        judged = [(split, each) for each in held_texts(shards, split, model.tokenizer, pack)]
    trained = made if made is not None and made.stage in TRAINED else None
    members = list[Artifact]()
    if trained and adapter is None:
        with trained.read_with_care():
            members = [each.verify() for each in ensemble_of(trained)]
    start = model.tokenizer.document_start
    scores = list[Score]()
    if not has_start:
        start = model.tokenizer.before
        read = None
        judged = [(text, texts.as_transformers()) for text, texts in judged]
    means = ensemble_scores(members, judged, device_name=device_name, window=window, log=log)
    for (text, texts), mean in zip(judged, means, strict=True):
        measured = read_texts(model, texts, log)
        scores += score_texts(measured, texts, read, split=text, log=log)[0]
        scores += [*mean, *([mean_bits(measured, split=text)] if files else [])]
    evaluations = evaluations_of(trained) if trained else []
    of_test = [each for each in evaluations if is_of_split(each.manifest["config"])]
    rows = [row for each in of_test for row in each.rows("scores.json")]
    own = [Score(**row) for row in rows if files and has_start]
    names = [model.tokenizer.token(index) for index in start]
    return TextScores(scores, cautions, own, overlap, names, has_start)


def doubts(
    texts: Texts,
    train: TokenShards | None,
    language: str,
    *,
    compared: Collection[str] | None = None,
) -> list[str]:
    """Why texts may not be in the language of a model, or may be broken; one reason for each file.

    train: the training text, with which they are compared. language: its code, or empty. compared:
    the sources that are looked at there; all if not given.
    """
    files: dict[str, list[str]] = {}
    for file, text in zip(texts.sources, texts.each(), strict=True):
        files.setdefault(file, []).append(text)
    train_texts: dict[int, list[str]] = {}
    if train is not None:
        for number in range(0, len(train), max(1, len(train) // MOST_COMPARED)):
            document = train.document(number)
            if compared is not None and train.sources[document.source] not in compared:
                continue
            text = texts.tokenizer.decode_document(document.ids)
            train_texts.setdefault(document.source, []).append(text)
    references = [Reference([sketch("", parts, 1.0)]) for parts in train_texts.values()]
    reasons: list[str] = []
    for file, parts in files.items():
        with passing_over():  # A doubt is no score.
            why = lost_letters("\n".join(parts))
            why = why or other_language(sketch(file, parts, 1.0, language), references, language)
            if why:
                reasons.append(f"{file}: {why}" if len(files) > 1 else why)
    return reasons


def as_dict(judged: TextScores) -> dict[str, Any]:
    """The form that `--json` prints: scores, and what is said of each text.

    Where a text has one source, this is the whole, and stands once.
    """
    scores = list[Score]()
    notes = dict[str, list[str]]()
    for split, part in splits(judged.scores).items():
        is_one = len({score.source for score in part} - {None}) == 1
        scores += [score for score in part if score.source is None or not is_one]
        notes[split] = judged.conclusions(split, part)
    start = {"start": judged.start, "no_start": not judged.has_start}
    return {"scores": scores, "notes": notes, **start, **in_json(judged.overlap)}


def conclusions(
    scores: Sequence[Score],
    cautions: Sequence[str] = (),
    own: Sequence[Score] = (),
    overlap: Overlap | None = None,
) -> list[str]:
    """What the scores of one text say, in the words of the report.

    cautions: why they say little about the model, which is then not judged by them, as it is not by
    what it was trained on. own: as in TextScores. overlap: of the text.
    """
    is_new = not (overlap and overlap.found)
    said = verdict(scores, judges=is_new and not cautions, own=own)
    lines = [terminal_text(line) for line in said]
    if (each := find(scores, metric=PER_TEXT, model="model", source=None)) is not None:
        ends = "" if each.low is None else f" (95 %: {span(each, ',.1f')})"
        lines.append(EACH_TAKES.format(bits=each.value, span=ends))
    lines += [*cautions, *(overlap.sentences() if overlap else ())]
    if {score.model for score in scores} <= {"model", "ensemble"}:
        lines.append(
            "There are no baselines: they are counted on training text, "
            "and the store of this model has none of it."
        )
    return lines
