"""`endonym evaluate --flores`: second halves of sentences, beside published models."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from endonym.commands.evaluate import doubts
from endonym.commands.load import card_of, shards_of, words_of
from endonym.commands.scoring import Loaded, Shown, in_json
from endonym.data.conversation_files import Record, has_records, read_records
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError, printable
from endonym.evaluate.bits import Texts
from endonym.evaluate.halves import TEXTS, Published, half_scores, halves, published
from endonym.evaluate.score import PER_TEXT, Score, find
from endonym.evaluate.tables import aligned, span
from endonym.export.card import Card
from endonym.export.history import History
from endonym.formats.readers.records import DEFAULT_FIELD
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, folded, listed, number
from endonym.pipeline.evaluation import judge_items
from endonym.pipeline.evaluation_texts import Cutting, texts_below
from endonym.runs.find import planned, runs_here
from endonym.script.languages import language_alone, language_name
from endonym.script.scripts import script_counts
from endonym.store import Store
from endonym.tokenizer.tokenizer import Tokenizer

OTHER_TEXTS = "{found} texts; FLORES-200's devtest has {texts}. Its published figures are left out"
OTHER_LANGUAGE = "{why}. The published figures of {language} are left out"
NO_LANGUAGE = "no published figures: the model's language is known of a run alone. Name its run"
NO_FIGURES = "no published figures: Goldfish's table has none of {language} in this script"
LOOKED_AT_RECORDS = 200
SHOWN_COLUMNS = 12
HEADS = ["model", "bits of a half", "95 %", "MB read", "text"]


def scoreboard(loaded: Loaded, file: Path, cutting: Cutting) -> Shown:
    """A model on the second halves of the texts of a file, as Goldfish scores FLORES-200.

    The published figures are those of the model's language, if the file is in it and has as many
    texts as FLORES-200's devtest. Raises RecipeError for records of several texts without a column.
    """
    name = loaded.name
    store = loaded.store
    log = loaded.log
    texts = flores_texts(file, loaded.here.tokenizer, log, cutting)
    scores = flores_scores(loaded.here, texts, file.name, log)
    card = card_of(name, store)
    shards = shards_of(name, store)
    train = None if shards is None else TokenShards(shards[0], "train")
    others, why_none = published_beside(texts, card, train)
    if why_none:
        log.warn(f"{file.name}: {why_none}")
    read_bytes = own_bytes(card, store) if loaded.adapter is None else None
    keys = {"scores": scores, "published": [each._asdict() for each in others]}
    overlap = loaded.overlap({file.name: [*texts.each()]}, "text")
    said = [folded(each) for each in overlap[file.name].sentences("text")]
    board = "\n".join([_board(name, scores, others, read_bytes), "", *said])
    return keys | {"training_bytes": read_bytes} | in_json(overlap), board


def flores_texts(file: Path, tokenizer: Tokenizer, log: Log, cutting: Cutting) -> Texts:
    """The sentences of a file, in one language. Raises RecipeError as `scoreboard` does."""
    if cutting.column is None:
        require_one_text(file)
    return texts_below(file, tokenizer, log, cutting)


def flores_scores(model: LanguageModel, texts: Texts, split: str, log: Log) -> list[Score]:
    """The scores of the second halves of texts. split: how these are called."""
    judged = judge_items(model, halves(texts.each()), split, log)
    return half_scores(replace(judged, groups=texts.groups), split=split)


def require_one_text(file: Path) -> None:
    """Raise RecipeError if the records of a file have texts in several columns.

    In a parallel corpus these are languages, and the longest texts are of any. A column `text` is
    the one.
    """
    if not file.is_file() or not has_records(file):
        return
    names = dict[str, None]()
    for record in islice(read_records(file), LOOKED_AT_RECORDS):
        if isinstance(record, Record) and isinstance(record.value, dict):
            texts = {k: v for k, v in record.value.items() if isinstance(v, str)}
            names |= {k: None for k, v in texts.items() if any(map(str.isalpha, v))}
    if len(names) > 1 and DEFAULT_FIELD not in names:
        shown = [printable(each[:40]) for each in names][:SHOWN_COLUMNS]
        shown += [f"{len(names) - SHOWN_COLUMNS} more"] * (len(names) > SHOWN_COLUMNS)
        message = f"its records have texts in several columns: {listed(shown)}"
        do = "Name the one in the model's language: --column NAME."
        raise RecipeError(message, where=file, do=do)


def published_beside(
    texts: Texts, card: Card, train: TokenShards | None
) -> tuple[list[Published], str]:
    """The published figures that may stand beside a model's on these texts; else why none may.

    train: its training text, with which the texts are compared, as far as it is in its language.
    """
    language = language_name(card.language)
    if len(texts.ids) != TEXTS:
        return [], OTHER_TEXTS.format(found=number(len(texts.ids)), texts=TEXTS)
    if not card.language:
        return [], NO_LANGUAGE
    own = language_alone(card.language)
    history = card.history
    compared = None
    if history is not None and train is not None:
        codes = {each: history.language_of(each) or card.language for each in train.sources}
        compared = [each for each, code in codes.items() if language_alone(code) == own]
    if reasons := doubts(texts, train, card.language, compared=compared):
        return [], OTHER_LANGUAGE.format(why=reasons[0], language=language)
    scripts = script_counts("\n".join(texts.each()))
    found = [*published(card.language, max(scripts, key=scripts.__getitem__, default=""))]
    return found, "" if found else NO_FIGURES.format(language=language)


def own_bytes(card: Card, store: Store) -> int | None:
    """The bytes of training text in a model's language that it, its bases and teachers have read.

    A source that stands in several of their corpora counts once. None if the language is not known,
    of the model or of a source, or if not all texts are. Answers are not counted.
    """
    if not card.language or card.history is None or not card.history.is_of_known_texts:
        return None
    sizes = dict[str, int]()
    for history, source in card.history.all_sources():
        stated = card.language if history is card.history else recipe_language(history, store)
        code = history.language_of(source) or stated
        if not code:
            return None
        if language_alone(code) == language_alone(card.language):
            alone = f"{source} of {history.corpus.id}"
            raw = history.corpus.manifest["inputs"].get(f"source {source}", alone)
            n_bytes = history.sources[source]["kept"]["train"]["bytes"]
            sizes[raw] = max(n_bytes, sizes.get(raw, 0))
    return sum(sizes.values())


def recipe_language(history: History, store: Store) -> str:
    """The language of the recipe that made a model; empty if no run here did."""
    made = history.phases[-1].manifest["id"]
    runs = (run for run in runs_here(store) if made in [each["id"] for each in planned(run)])
    return next((words_of(str(run), store).language for run in runs), "")


def _board(
    name: str, scores: Sequence[Score], others: Sequence[Published], read_bytes: int | None
) -> str:
    """The model among the published ones, the best first, as aligned text."""
    own = find(scores, metric=PER_TEXT, model="model", source=None)
    assert own is not None, "texts were scored"
    megabytes = _megabytes(None if read_bytes is None else read_bytes / 1e6)
    figures = [f"{own.value:.2f}", span(own, ".2f", none=""), megabytes]
    rows = [(own.value, [name, *figures, ""])]
    for each in others:
        cells = [each.model, f"{each.bits:.2f}", "", _megabytes(each.megabytes), each.flores]
        rows.append((each.bits, cells))
    return aligned([HEADS, *(cells for _, cells in sorted(rows))])


def _megabytes(size: float | None) -> str:
    """A size, if it is known."""
    return "" if size is None else f"{size:,.1f}"
