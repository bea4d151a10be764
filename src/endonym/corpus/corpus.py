"""A corpus on disk: clean documents in three splits, dropped ones, and a card with the counts.

The same raw files and configs always give the same bytes (corpus/making.py makes them).
"""

import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from endonym.cleaning.marks import unmatched
from endonym.cleaning.personal import mask_warnings
from endonym.copies.held_out.split import HeldOut, Side
from endonym.corpus.corpus_stats import SourceStats, total
from endonym.corpus.work import EvaluationFile, Progress, Sources, Work, no_progress
from endonym.disk import Json, packaged_tables, read_json, write_json
from endonym.errors import CorpusError, RecipeError
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import DROPPED, read_lines
from endonym.formats.readable import loss_in_words
from endonym.workers import Inline, Runner

CARD = "card.json"
FEW_LEFT = "are left, so its own score rests on few texts"
NO_SCORE = "no documents are held out, so it gets no score of its own"
NO_CHOICE = "nothing is left to choose by, so no choice sees it"
MOST_SPREAD = 8
"""Records in memory for each one shown."""


def make_corpus(
    sources: Sources,
    clean: Clean,
    split: Split,
    *,
    out: Path,
    contrast: Sequence[Path] = (),
    evaluation: Sequence[EvaluationFile] = (),
    work: Path | None = None,
    runner: Runner | None = None,
    progress: Progress = no_progress,
) -> Json:
    """Make a corpus in the folder `out`; returns its card.

    contrast: files of texts in other languages, each named by its language. evaluation: files whose
    texts must not stand in the corpus.
    work: a folder for temporary files. What an earlier call has finished there is taken from it; it
    is deleted when the corpus is whole. Without one, nothing is left of a call that fails, but what
    was dropped. runner: runs the jobs; the files are the same whichever does.
    Raises SourceError if more than `clean.max_unreadable` of all bytes cannot be read, and
    CorpusError if nothing, or too little to hold something out, is left.
    """
    # With DuckDB this takes a third of a second, which readers of a corpus save.
    from endonym.corpus.making import Making

    check_names(sources)
    out.mkdir(parents=True, exist_ok=True)
    folder = out / "work" if work is None else work
    steps = Work(folder, runner or Inline(), progress)
    making = Making(
        sources, clean, split, work=steps, out=out, contrast=contrast, evaluation=evaluation
    )
    try:
        held = making.make()
        rules = making.cleans.values() or [clean]
        masks = [each for one in rules for each in mask_warnings(one.mask, one.language)]
        marks = unmatched(clean, making.marked) if sources else []
        warnings = [*dict.fromkeys(masks), *marks]
        notes = {"warnings": warnings, **making.card_notes}
        if split.keep_near_copies:
            notes["keep_near_copies"] = True
        card = write_card(list(making.stats.values()), held, sources, out=out, card_notes=notes)
        if folder.is_dir():  # which is not made for no sources
            shutil.rmtree(folder)
    finally:
        if work is None:
            shutil.rmtree(folder, ignore_errors=True)
    return card


def check_names(sources: Sources) -> None:
    """Raise RecipeError if two sources have the same name."""
    counts = Counter(source.name for source, _ in sources)
    for name, number in counts.items():
        if number > 1:
            raise RecipeError(
                f'{number} sources are called "{name}"',
                do="Give every [[source]] a name of its own.",
            )


def write_card(
    all_stats: list[SourceStats],
    held: HeldOut,
    sources: Sources,
    *,
    out: Path,
    card_notes: Mapping[str, Any],
) -> Json:
    """Write card.json; returns its content.

    card_notes: of copies and of evaluation texts, and warnings about the corpus as a whole.
    """
    warnings = list[str]()
    for stats, (source, _) in zip(all_stats, sources, strict=True):
        warnings += [f"{stats.name}: {note}" for note in source_warnings(stats, source)]
    source_tables = {
        stats.name: stats.as_dict() | {"covered": round(covered, 6)}
        for stats, covered in zip(all_stats, held.covered_of, strict=True)
    }
    card: Json = {
        "sources": source_tables,
        "total": total(all_stats),
        "overlap": round(held.overlap, 6),
        "covered": round(held.covered, 6),
        **card_notes,
        "warnings": [*card_notes.get("warnings", ()), *warnings],
    }
    write_json(out / CARD, card)
    return card


def source_warnings(stats: SourceStats, source: Source) -> Iterator[str]:
    """Warnings about one source."""
    yield from stats.damages
    if unreadable := loss_in_words(stats.reading()):
        yield unreadable
    guessed = [name for name in sorted(stats.encodings) if not name.startswith("utf-")]
    if guessed and source.encoding is None:
        files = sum(stats.encodings[name] for name in guessed)
        yield f"the encoding of {files:,} files is a guess: {', '.join(guessed)}"
    unread = stats.dropped.get("unsupported_format")
    if unread is not None:
        yield f"{unread['records']:,} files or members are in a format that is not read"
    sentences = packaged_tables("endonym.corpus", "warnings.toml")
    for warning, number in sorted(stats.warnings.items()):
        shown = sentences[warning].format(example=stats.examples[warning])
        yield f"{number:,} documents {shown}"
    n_held = stats.kept["dev"]["documents"] + stats.kept["test"]["documents"]
    if n_held < stats.near_copies:
        yield (
            f"{stats.near_copies:,} documents drawn for dev or test nearly repeat a text of "
            f"another set and go there; {n_held:,} {FEW_LEFT}"
        )
    if stats.kept["train"]["documents"] and not stats.kept["test"]["documents"]:
        yield NO_SCORE
    if stats.kept["train"]["documents"] and not stats.kept["dev"]["documents"]:
        yield NO_CHOICE


def is_of_few(warning: str) -> bool:
    """Whether a warning only says that a source is too small to be scored apart.

    Its owner can do nothing about it, so it is told in the report and not on the screen.
    """
    return warning.endswith((FEW_LEFT, NO_SCORE, NO_CHOICE))


class Corpus:
    """A finished corpus: its card and its documents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / CARD
        if not path.is_file():
            raise CorpusError(
                "this is no corpus: it has no card.json",
                where=folder,
                do="Make one with `endonym run RECIPE --until corpus`.",
            )
        self.card: Json = read_json(path)

    def documents(self, split: Side) -> Iterator[Document]:
        """The documents of one split, in order."""
        for path in sorted(self.folder.glob(f"{split}-*.jsonl.gz")):
            for record in read_lines(path):
                yield Document(**record)


def dropped_records(
    folder: Path, reason: str | None = None, kind: str = DROPPED
) -> Iterator[Reject]:
    """Dropped records in a corpus's folder, for one reason or for all.

    kind: REMOVED gives the parts that were taken out of documents instead.

    The files of a corpus that is not finished may end early, after a kill.
    """
    is_finished = (folder / "card.json").is_file()
    for path in sorted((folder / kind).glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        if reason not in (None, name):
            continue
        with nullcontext() if is_finished else suppress(EOFError):
            for record in read_lines(path):
                yield Reject(name, **record)


def some_dropped(folder: Path, reason: str, count: int, kind: str = DROPPED) -> list[Reject]:
    """A few dropped records of one reason: of each source in turn, evenly spread within it.

    kind: see dropped_records.
    """
    found: dict[str, list[Reject]] = {}
    numbers = Counter[str]()
    strides = dict[str, int]()
    # Every stride-th record of a source is kept; if these are too many, every second one goes.
    for reject in dropped_records(folder, reason, kind) if count > 0 else ():
        kept = found.setdefault(reject.source, [])
        stride = strides.setdefault(reject.source, 1)
        if numbers[reject.source] % stride == 0:
            kept.append(reject)
        numbers[reject.source] += 1
        if len(kept) > MOST_SPREAD * count:
            del kept[1::2]
            strides[reject.source] *= 2
    # The same number of each source, or all where there are fewer.
    wanted: dict[str, int] = {}
    for place, source in enumerate(sorted(found, key=lambda each: len(found[each]))):
        fair = math.ceil((count - sum(wanted.values())) / (len(found) - place))
        wanted[source] = min(len(found[source]), fair)
    return [
        kept[len(kept) * n // wanted[source]]
        for source, kept in found.items()
        for n in range(wanted[source])
    ]
