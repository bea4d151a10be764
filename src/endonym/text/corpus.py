"""A corpus on disk: clean documents in three splits, dropped ones, and a card with the counts.

Made in passes: read and clean into a temporary file, drop what stands elsewhere, choose what is
held out, write shards.
The same raw files, configs always give the same bytes.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from endonym.errors import CorpusError, RecipeError, SourceError
from endonym.text.config import Clean, Source, Split
from endonym.text.corpus_stats import SAMPLES, SourceStats, reasons_table, total
from endonym.text.document import Document, Reject
from endonym.text.document_files import Dropped, Shards, read_lines
from endonym.text.files import RawFile
from endonym.text.gather import Gathering, Spool, Spooled
from endonym.text.split import SIDES, Chosen, HeldOut, Keys, Side, held_out, of_source
from endonym.text.text_warnings import WARNINGS
from endonym.text.waiting import Waiting

if TYPE_CHECKING:
    from endonym.text.sifting import EvaluationFile

CARD = "card.json"
SHOWN_FILES = 5
MOST_SPREAD = 8
"""Records in memory for each one shown."""
LEAST_DOCUMENTS = 4
"""Two for train, one each for dev and test: at most half is held out."""


def make_corpus(
    sources: Sequence[tuple[Source, Sequence[RawFile]]],
    clean: Clean,
    split: Split,
    *,
    out: Path,
    advance: Callable[[int], None],
    evaluation: "Sequence[EvaluationFile]" = (),
) -> dict[str, Any]:
    """Make a corpus in the folder `out`; returns its card.

    advance: called with the number of raw bytes newly read. evaluation: files whose texts must not
    stand in the corpus.
    Raises SourceError if more than `clean.max_unreadable` of a source's bytes cannot be read, and
    CorpusError if nothing, or too little to hold something out, is left.
    """
    # With DuckDB and pyarrow this takes a third of a second, which readers of a corpus save.
    from endonym.text.sifting import Sifting, sift

    check_names([source.name for source, _ in sources])
    out.mkdir(parents=True, exist_ok=True)
    spool, dropped = Spool(out / "spool", split.block_bytes), Dropped(out / "dropped")
    waiting = Waiting(out / "waiting")
    try:
        gathering = Gathering(clean, waiting, dropped)
        all_stats = [gathering.source(source, files, advance) for source, files in sources]
        check_readable(all_stats, clean.max_unreadable)
        sifting = Sifting(clean, split.seed, dropped=dropped, all_stats=all_stats, folder=out)
        said = sift(sifting, waiting, spool, evaluation)
        waiting.remove()
        keys = spool.all_keys()
        check_enough(all_stats, sum(map(len, keys)))
        held = held_out(keys, split, lambda chosen: map(text_of, spool.read(chosen)))
        if not held.dev.any() or not held.test.any():
            raise CorpusError(
                "too few documents could be held out that do not nearly repeat a training text",
                do="Hold out more with val_share in [split], divide the texts into smaller "
                "documents, or add texts.",
            )
        write_shards(spool, keys, held, all_stats, out=out)
    finally:
        try:
            dropped.close()
        finally:
            waiting.remove()
            spool.remove()
    return write_card(all_stats, held, sources, out=out, said=said)


def text_of(spooled: Spooled) -> str:
    """The text of a document in the temporary file."""
    return json.loads(spooled.line.decode())["text"]


def check_names(names: list[str]) -> None:
    """Raise RecipeError if two sources have the same name."""
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(
                f'{names.count(name)} sources are called "{name}"',
                do="Give every [[source]] a name of its own.",
            )


def check_readable(all_stats: Sequence[SourceStats], limit: float) -> None:
    """Raise SourceError if too much of a source could not be read."""
    for stats in all_stats:
        share = stats.unreadable_share()
        if share <= limit:
            continue
        worst = "\n".join(
            f"    {size:>12,} bytes  {reason}  {file}"
            for (file, reason), size in stats.unreadable.most_common(SHOWN_FILES)
        )
        raise SourceError(
            f"{share:.1%} of its bytes cannot be read, above clean.max_unreadable = {limit:g}\n"
            + worst,
            where=f'source "{stats.name}"',
            do="Repair these files, leave them out with `exclude` in [[source]], name their "
            "`encoding`, `document` or `column`, or raise clean.max_unreadable to go on.",
        )


def check_enough(all_stats: list[SourceStats], kept: int) -> None:
    """Raise CorpusError if there are too few documents for three splits."""
    if kept == 0:
        raise CorpusError(
            f"no document is left; dropped were, by reason:\n{reasons_table(all_stats)}",
            do="Look at what was dropped (endonym look RUN --dropped all), then loosen that rule "
            "in [clean] or correct [[source]].",
        )
    if kept < LEAST_DOCUMENTS:
        raise CorpusError(
            f"documents left: {kept}; to hold out one to choose by and one to judge by, "
            f"{LEAST_DOCUMENTS} are the least",
            do='Divide it with document = "blank_lines" or "line" in [[source]], or add texts.',
        )


def write_shards(
    spool: Spool, keys: list[Keys], held: HeldOut, all_stats: list[SourceStats], *, out: Path
) -> None:
    """Write every document to its split, count it, and check that the counts add up."""
    counts = [len(each) for each in keys]
    sides, moved = (of_source(each, counts) for each in (held.sides(), held.near_copies))
    with ExitStack() as files:
        shards = {side: files.enter_context(closing(Shards(out, side))) for side in SIDES}
        documents = spool.read()
        for stats, key, side, near in zip(all_stats, keys, sides, moved, strict=True):
            stats.near_copies = int(near.sum())
            wanted = {name: sampled(key, side == number) for number, name in enumerate(SIDES)}
            stats.samples = {name: [] for name in SIDES}
            for number, chosen in enumerate(side):
                document, name = next(documents), SIDES[chosen]
                shards[name].write(document.line)
                kept = stats.kept[name]
                kept.documents += 1
                kept.bytes += document.size
                kept.chars += document.chars
                kept.text_bytes += document.text_bytes
                if number in wanted[name]:
                    stats.samples[name].append(json.loads(document.line)["id"])
            stats.balance()


def sampled(keys: Keys, side: Chosen) -> set[int]:
    """A random sample of the documents of one split: those with the largest hashes."""
    numbers = np.nonzero(side)[0]
    return {int(number) for number in numbers[np.argsort(keys[numbers], kind="stable")][-SAMPLES:]}


def write_card(
    all_stats: list[SourceStats],
    held: HeldOut,
    sources: Sequence[tuple[Source, Sequence[RawFile]]],
    *,
    out: Path,
    said: dict[str, Any],
) -> dict[str, Any]:
    """Write card.json; returns its content. said: of copies and of evaluation texts."""
    warnings = [
        f"{stats.name}: {note}"
        for stats, (source, _) in zip(all_stats, sources, strict=True)
        for note in notes(stats, source)
    ]
    card: dict[str, Any] = {
        "sources": {stats.name: stats.as_dict() for stats in all_stats},
        "total": total(all_stats),
        "overlap": round(held.overlap, 6),
        "warnings": warnings,
        **said,
    }
    text = json.dumps(card, ensure_ascii=False, indent=1, sort_keys=True)
    (out / CARD).write_text(text + "\n", encoding="utf-8")
    return card


def notes(stats: SourceStats, source: Source) -> Iterator[str]:
    """Warnings about one source."""
    yield from stats.damages
    guessed = [name for name in sorted(stats.encodings) if not name.startswith("utf-")]
    if guessed and source.encoding is None:
        files = sum(stats.encodings[name] for name in guessed)
        yield f"the encoding of {files:,} files is a guess: {', '.join(guessed)}"
    unread = stats.dropped.get("unsupported_format")
    if unread is not None:
        yield f"{unread.records:,} files or members are in a format that is not read"
    for warning, number in sorted(stats.warnings.items()):
        shown = WARNINGS[warning].format(example=stats.examples[warning])
        yield f"{number:,} documents {shown}"
    held = stats.kept["dev"].documents + stats.kept["test"].documents
    if held < stats.near_copies:
        yield (
            f"{stats.near_copies:,} documents drawn for dev or test nearly repeat a text of "
            f"another set and go there; {held:,} are left, so its own score rests on few texts"
        )
    if stats.kept["train"].documents and not stats.kept["test"].documents:
        yield "no documents are held out, so it gets no score of its own"
    if stats.kept["train"].documents and not stats.kept["dev"].documents:
        yield "nothing is left to choose by, so no choice sees it"


class Corpus:
    """A finished corpus: its card and its documents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / CARD
        if not path.is_file():
            raise CorpusError(
                "this is no corpus: it has no card.json",
                where=str(folder),
                do="Make one with `endonym run RECIPE --until corpus`.",
            )
        self.card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    def documents(self, split: Side) -> Iterator[Document]:
        """The documents of one split, in order."""
        for path in sorted(self.folder.glob(f"{split}-*.jsonl.gz")):
            for record in read_lines(path):
                yield Document(
                    record["text"],
                    record["id"],
                    record["source"],
                    record["meta"],
                    block=record["block"],
                    # A corpus of version 2 called it place.
                    position=record["position"] if "position" in record else record["place"],
                )

    def dropped(self, reason: str | None = None) -> Iterator[Reject]:
        """Dropped records, for one reason or for all."""
        return dropped_records(self.folder, reason)


def dropped_records(folder: Path, reason: str | None = None) -> Iterator[Reject]:
    """Dropped records in a corpus's folder, for one reason or for all.

    The files of a corpus that is not finished may end early, after a kill.
    """
    is_finished = (folder / "card.json").is_file()
    for path in sorted((folder / "dropped").glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        if reason not in (None, name):
            continue
        with nullcontext() if is_finished else suppress(EOFError):
            for record in read_lines(path):
                yield Reject(
                    name,
                    record["id"],
                    record["source"],
                    record["detail"],
                    record["text"],
                    record["raw_bytes"],
                    record.get("stayed", ""),
                )


def some_dropped(folder: Path, reason: str, count: int) -> list[Reject]:
    """A few dropped records of one reason: of each source in turn, evenly spread within it."""
    found: dict[str, list[Reject]] = {}
    numbers, strides = Counter[str](), dict[str, int]()
    for reject in dropped_records(folder, reason) if count > 0 else ():
        kept, stride = found.setdefault(reject.source, []), strides.setdefault(reject.source, 1)
        if numbers[reject.source] % stride == 0:
            kept.append(reject)
        numbers[reject.source] += 1
        if len(kept) > MOST_SPREAD * count:
            del kept[1::2]
            strides[reject.source] *= 2
    wanted = _shares({source: len(kept) for source, kept in found.items()}, count)
    return [
        kept[len(kept) * n // wanted[source]]
        for source, kept in found.items()
        for n in range(wanted[source])
    ]


def _shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many to take of each source: the same number, or all where there are fewer."""
    wanted: dict[str, int] = {}
    for place, source in enumerate(sorted(sizes, key=sizes.__getitem__)):
        fair = math.ceil((count - sum(wanted.values())) / (len(sizes) - place))
        wanted[source] = min(sizes[source], fair)
    return wanted
