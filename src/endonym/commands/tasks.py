"""`endonym evaluate` on items and probes: --tasks, --minimal-pairs, --flores, --probe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from endonym.commands.evaluate import doubts, in_json, shards_of
from endonym.commands.load import card_of, find_artifact, words_of
from endonym.copies.notes import distinct_names
from endonym.data.conversation_files import Record, has_records, read_records
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError, printable
from endonym.evaluate.bits import Texts
from endonym.evaluate.halves import TEXTS, Published, half_scores, halves, published
from endonym.evaluate.items import table
from endonym.evaluate.minimal_pairs import NONE, Made
from endonym.evaluate.probes import ProbeScore
from endonym.evaluate.probes import table as probe_table
from endonym.evaluate.score import PER_TEXT, Score, find
from endonym.evaluate.tables import aligned, span
from endonym.export.card import Card
from endonym.export.history import History
from endonym.formats.readers.records import DEFAULT_FIELD
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, folded, listed, number
from endonym.pipeline.evaluation import judge_items, judged_items, made_pairs, read_task
from endonym.pipeline.evaluation_texts import Cutting, Overlap, overlaps, texts_below
from endonym.pipeline.probing import Served, judged_texts, score_probe
from endonym.runs.find import planned, runs_here
from endonym.script.languages import language_alone, language_name
from endonym.script.scripts import script_counts
from endonym.store import Store
from endonym.tokenizer.tokenizer import Tokenizer

OTHER_TEXTS = "{found} texts; FLORES-200's devtest has {texts}. Its published figures are left out"
OTHER_LANGUAGE = "{why}. The published figures of {language} are left out"
NO_LANGUAGE = "no published figures: the model's language is known of a run alone. Name its run"
NO_FIGURES = "no published figures: Goldfish's table has none of {language} in this script"
LOOKED_AT_RECORDS, SHOWN_COLUMNS = 200, 12
NO_CORPUS = "this model's corpus is not in the store"
CHECK_HEADS = ["kind of fault", "precision, at least", "found in text", "right text found"]
HEADS = ["model", "bits of a half", "95 %", "MB read", "text"]


Shown = tuple[dict[str, Any], str]
"""The keys that `--json` prints, and the text for people."""


class Loaded(NamedTuple):
    """A model that is judged. name: as it was given; adapter: the one in its weights.

    Nothing is known of what an adapter, or a server's model, was trained on.
    """

    name: str
    model: LanguageModel | Served
    store: Store
    log: Log
    adapter: str | None = None

    @property
    def here(self) -> LanguageModel:
        """The model, where it is none of a server."""
        assert isinstance(self.model, LanguageModel), "it was loaded here"
        return self.model

    def overlap(self, texts: Mapping[str, Sequence[str]], what: str) -> dict[str, Overlap]:
        """How many texts of each file it was trained on. what: as in `Overlap.sentences`."""
        is_here = isinstance(self.model, LanguageModel)
        made = find_artifact(self.name, self.store) if is_here else None
        return overlaps(texts, made, self.log, adapter=self.adapter, what=what)


class Judging(NamedTuple):
    """How a file judges a model: its scores, given the model and a log; and by which texts."""

    scores: Callable[..., Sequence[Score | ProbeScore]]
    texts: Sequence[str] = ()


def named(files: Sequence[Path]) -> dict[str, Path]:
    """Files by short names that tell them apart."""
    return dict(zip(distinct_names(files), files, strict=True))


def by_items(path: Path, file: str, log: Log) -> Judging:
    """How a file of items judges a model (`evaluate/items.py`). file: its name there."""
    items = read_task(path, file, log)
    texts = [each.right for each in items]
    return Judging(partial(judged_items, found=items, task=file), texts)


def by_probe(path: Path, file: str, language: str, **how: bool) -> Judging:
    """How a probe judges a model. file: its name there. language, how: as in `score_probe`."""
    scores = partial(score_probe, file=path, task=file, language=language, **how)
    return Judging(scores, judged_texts(path, language))


def score_tasks(loaded: Loaded, files: Sequence[Path]) -> Shown:
    """The scores of a model on files of items."""
    judging = {file: by_items(path, file, loaded.log) for file, path in named(files).items()}
    return _score_files(loaded, judging, table, "item")


def score_probes(loaded: Loaded, files: Sequence[Path], language: str, *, fine_tune: bool) -> Shown:
    """The scores of a model on probes."""
    every = named(files).items()
    judging = {file: by_probe(path, file, language, fine_tune=fine_tune) for file, path in every}
    return _score_files(loaded, judging, probe_table, "text")


def _score_files(
    loaded: Loaded, files: Mapping[str, Judging], as_table: Callable[[Any], str], what: str
) -> Shown:
    """The scores of a model by files, with the overlap of each. what: as in `Overlap.sentences`."""
    scores = {file: each.scores(loaded.model, log=loaded.log) for file, each in files.items()}
    found = loaded.overlap({file: each.texts for file, each in files.items()}, what)
    parts = list[str]()
    for file, part in scores.items():
        said = [folded(f"  {each}") for each in found[file].sentences(what)]
        parts.append("\n".join([file, as_table(part), *said]))
    keys = {"scores": [score for part in scores.values() for score in part]}
    return keys | in_json(found), "\n\n".join(parts)


def score_minimal_pairs(loaded: Loaded, file: Path) -> Shown:
    """Make minimal pairs of test documents of a model's corpus, write them to a file, and score it.

    Raises RecipeError as `write_pairs` does.
    """
    made = write_pairs(loaded.name, loaded.here.tokenizer, file, split="test", store=loaded.store)
    found, shown = score_tasks(loaded, [file])
    checks = {kind: check._asdict() for kind, check in made.checks.items()}
    return found | {"checks": checks}, f"{shown}\n\n{_checked(made)}"


def write_pairs(
    name: str, tokenizer: Tokenizer, file: Path, *, split: Literal["test", "dev"], store: Store
) -> Made:
    """Make minimal pairs of held-out documents of a model's corpus, and write them to a file.

    Raises RecipeError if the file is there or cannot be read as one of items, the corpus is not in
    the store, or no pairs can be made.
    """
    if file.suffix != ".jsonl":
        do = f"Write them to {file.name}.jsonl: --tasks reads it."
        raise RecipeError("pairs are written as JSON lines", where=str(file), do=do)
    if not file.absolute().parent.is_dir():
        raise RecipeError("there is no such folder", where=str(file.parent), do="Make it first.")
    if file.exists():
        do = f"Judge a model on it by --tasks {file}, or name another file."
        raise RecipeError("this file is there already", where=str(file), do=do)
    read = shards_of(name, store)
    if read is None:
        raise RecipeError(NO_CORPUS, where=name, do="Give a file of pairs: --tasks FILE.")
    made, _ = made_pairs(read[0], tokenizer, split)
    if not made.pairs:
        raise RecipeError(NONE, where=name, do="Give a file of pairs: --tasks FILE.")
    made.write(file)
    return made


def _checked(made: Made) -> str:
    """What text that was not counted says of the faults, as aligned text."""
    rows = [CHECK_HEADS]
    for kind, check in made.checks.items():
        share = "" if check.precision is None else f"{check.precision:.2f}"
        faults, right = f"{check.found} of {check.made}", f"{check.right_found} of {check.right}"
        rows.append([kind, share, faults, right])
    return "\n".join(aligned(rows, indent=2))


def scoreboard(loaded: Loaded, file: Path, cutting: Cutting) -> Shown:
    """A model on the second halves of the texts of a file, as Goldfish scores FLORES-200.

    The published figures are those of the model's language, if the file is in it and has as many
    texts as FLORES-200's devtest. Raises RecipeError for records of several texts without a column.
    """
    name, store, log = loaded.name, loaded.store, loaded.log
    texts = flores_texts(file, loaded.here.tokenizer, log, cutting)
    scores = flores_scores(loaded.here, texts, file.name, log)
    card, shards = card_of(name, store), shards_of(name, store)
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
        raise RecipeError(message, where=str(file), do=do)


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
    own, history, compared = language_alone(card.language), card.history, None
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
    return "\n".join(aligned([HEADS, *(cells for _, cells in sorted(rows))], indent=2))


def _megabytes(size: float | None) -> str:
    """A size, if it is known."""
    return "" if size is None else f"{size:,.1f}"
