"""`endonym tokenizer compare`: what several tokenizers do with the same texts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from endonym.corpus.corpus import Corpus
from endonym.errors import Damaged, RecipeError
from endonym.evaluate.tables import aligned, rows_with_heads
from endonym.export.history import events, journal_of
from endonym.log import Log, folded, number
from endonym.pipeline.evaluation_texts import documents_below
from endonym.report.formatting import decimal
from endonym.runs.find import artifact_by_id, made_artifact, planned_artifact, resolve_run
from endonym.store import Artifact, Store, open_artifact
from endonym.tokenizer.measure import Fit, Measured, measure_tokenizer
from endonym.tokenizer.tokenizer import read_engine

FILE = "tokenizer.json"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Named:
    """A tokenizer by the name it was asked for.

    corpus: of the run that trained it, if one was named. seconds: of its training, if known.
    """

    name: str
    file: Path
    corpus: Artifact | None = None
    seconds: float | None = None


def compare_tokenizers(
    names: Sequence[str], texts: Sequence[Path], store: Store, log: Log
) -> list[tuple[Named, Measured]]:
    """Measure tokenizers on the given texts, else on the dev documents of the runs among them."""
    tokenizers = [find_tokenizer(name, store) for name in dict.fromkeys(names)]
    pairs = list[tuple[str, str]]()  # source and text
    for path in texts:
        documents, sources = documents_below(path, log)
        pairs += zip(sources, documents, strict=True)
    if not texts:
        corpora = {each.corpus.id: each.corpus for each in tokenizers if each.corpus is not None}
        dev = (Corpus(corpus.folder).documents("dev") for corpus in corpora.values())
        pairs = [(document.source, document.text) for document in chain.from_iterable(dev)]
    if not pairs:
        do = "Name a text with --text, or a run, whose dev documents are then read."
        raise RecipeError("there is no text to compare them on", where="--text", do=do)
    return [(each, measure_tokenizer(read_engine(each.file), pairs)) for each in tokenizers]


def find_tokenizer(name: str, store: Store) -> Named:
    """A tokenizer: a file, a folder that holds one, an artefact's id, or a run.

    Raises RecipeError if the name is none of these.
    """
    path = Path(name)
    if path.is_file() and path.suffix == ".json":
        return Named(name, path)
    if (path / FILE).is_file():
        with suppress(Damaged):  # A folder from elsewhere may hold a manifest of another program.
            return Named(name, path / FILE, seconds=_seconds(open_artifact(path)))
        return Named(name, path / FILE)
    if (run := resolve_run(store, name)) is not None:
        trained = made_artifact(run, store, "tokenizer")
        corpus = planned_artifact(run, store, "corpus")
        return Named(name, trained.folder / FILE, corpus=corpus, seconds=_seconds(trained))
    if (trained := artifact_by_id(store, "tokenizer", name)) is not None:
        return Named(name, trained.folder / FILE, seconds=_seconds(trained))
    do = f"Name a {FILE}, a folder that holds one, a run, or the id of a tokenizer."
    raise RecipeError(f"no tokenizer is called {name}", where="TOKENIZER", do=do)


def _seconds(artifact: Artifact) -> float | None:
    """How long a tokenizer's training took, by the journal of its store."""
    if artifact.stage != "tokenizer":
        return None
    ends = events(journal_of(artifact), "finished")
    return ends[0]["wall_seconds"] if ends else None


def tokenizer_figures(tokenizers: Sequence[tuple[Named, Measured]]) -> dict[str, Any]:
    """The form that `--json` prints."""
    return {
        "tokenizers": [
            {
                "name": named.name,
                "file": str(named.file),
                "vocab": measured.vocab,
                "unused": measured.unused,
                "megabytes_per_second": round(measured.megabytes_per_second, 3),
                "train_seconds": named.seconds,
                "is_lossless": measured.is_lossless,
                "total": measured.total().as_dict(),
                "sources": {name: fit.as_dict() for name, fit in measured.sources.items()},
            }
            for named, measured in tokenizers
        ]
    }


def tokenizer_table(tokenizers: Sequence[tuple[Named, Measured]]) -> str:
    """An aligned table: for each tokenizer a row of all texts, and one of each source."""
    rows: list[dict[str, str]] = []
    notes = ["cut letters: tokens that begin between a letter and its marks, or inside a character"]
    notes += ["unused: ids that do not occur in these texts"]
    for named, measured in tokenizers:
        total = measured.total()
        row = {"tokenizer": named.name + " *" * (not measured.is_lossless), "text": ALL}
        row |= {"ids": number(measured.vocab), **_fit_cells(total)}
        row |= {"unused": number(measured.unused)}
        row |= {"MB/s": decimal(measured.megabytes_per_second, 1)}
        row |= {"trained in": "–" if named.seconds is None else f"{decimal(named.seconds, 1)} s"}
        rows.append(row)
        if len(measured.sources) > 1:
            rows += [{"text": name, **_fit_cells(fit)} for name, fit in measured.sources.items()]
        if not measured.is_lossless:
            notes.append(
                f"* {named.name} changes {number(total.changed)} of {number(total.documents)} "
                "documents: what it loses costs it no tokens"
            )
    return "\n".join([aligned(rows_with_heads(rows), left=2, indent=0), "", *map(folded, notes)])


def _fit_cells(fit: Fit) -> dict[str, str]:
    """How a tokenizer fits some texts, under the heads of the table."""
    ratios = fit.as_dict()
    share = ratios["cut_letters_per_token"]
    return {
        "bytes/token": decimal(ratios["bytes_per_token"], 2),
        "tokens/word": decimal(ratios["tokens_per_word"], 2),
        "tokens/char": decimal(ratios["tokens_per_character"], 3),
        "cut letters": "–" if share is None else f"{decimal(100 * share, 2)} %",
    }
