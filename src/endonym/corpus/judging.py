"""Rules that must know the whole corpus: counted chunk by chunk, combined, judged chunk by chunk.

cleaning/corpus_rules.py says what is counted and what follows from it. Some rules need two rounds
of counting.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from endonym.cleaning.cleaning import Cleaning
from endonym.cleaning.corpus_rules import CorpusJudge, Counted, Counts, Facts, combine, rounds
from endonym.cleaning.tally import SAMPLES, Tally
from endonym.corpus.cleaned import Cleaned, Row
from endonym.corpus.corpus_stats import SourceStats
from endonym.corpus.work import Work
from endonym.formats.chunks import RAW, read_chunk
from endonym.formats.config import Clean
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import seen_files
from endonym.formats.faults import passing_over
from endonym.workers import Result

JUDGED_AT_ONCE = 64
"""Documents whose language is looked at together."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A chunk of normalized documents, and the folder and the name of what is made of it.

    facts: the folder of what is known of the corpus; None in the first round of counting. samples:
    of what each rule does.
    """

    chunk: Path
    source: str
    clean: Clean
    seed: int
    facts: Path | None
    folder: Path
    name: str
    samples: int = SAMPLES


def facts_folder(
    waiting: Callable[[str, Path | None], list[Waiting]],
    sizes: Sequence[int],
    contrast: Mapping[str, Sequence[str]],
    *,
    clean: Clean,
    work: Work,
) -> Path:
    """The folder of the facts of the corpus, after as many rounds of counting as the rules need.

    waiting: gives the tasks of a step, by its name and the facts so far. sizes: of their texts.
    contrast: texts in other languages, by language.
    """
    facts: Path | None = None
    for number in range(rounds(clean)):
        step = f"count{number}"
        made = work.step(step, count_chunk, waiting(step, facts), sizes)
        counts = [work.place(step) / each["counts"] for each in made]
        name = f"facts{number}"
        combined = partial(combine_counts, clean, counts, facts, contrast, out=work.place(name))
        work.once(name, combined)
        facts = work.place(name)
    assert facts is not None
    return facts


def combine_counts(
    clean: Clean,
    counts: Sequence[Path],
    before: Path | None,
    contrast: Mapping[str, Sequence[str]],
    *,
    out: Path,
) -> Result:
    """Write the facts that follow from the counts of all chunks."""
    known = None if before is None else Facts.load(before)
    combine(clean, map(Counted.load, counts), known, contrast).save(out)
    return {"files": seen_files(out, out.rglob("*"))}


def count_chunk(waiting: Waiting, advance: Callable[[int], None]) -> Result:
    """Count what the rules need to know of a chunk."""
    counts = Counts(waiting.clean, None if waiting.facts is None else Facts.load(waiting.facts))
    table = read_chunk(waiting.chunk, ["text", "size", "reason"])
    for text, size, reason in zip(*(each.to_pylist() for each in table.columns), strict=True):
        if reason is None:
            counts.add(text)
        advance(size)
    out = waiting.folder / waiting.name
    counts.counted().save(out)
    return {"files": seen_files(waiting.folder, out.rglob("*")), "counts": waiting.name}


def judge_chunk(waiting: Waiting, advance: Callable[[int], None]) -> Result:
    """Judge the documents of a chunk by what is known of the whole corpus."""
    assert waiting.facts is not None
    corpus = CorpusJudge(waiting.clean, Facts.load(waiting.facts))
    stats = SourceStats(waiting.source, tally=Tally(waiting.samples))
    rows = Cleaned(waiting.source, waiting.seed)
    cleaning = Cleaning(waiting.clean, rows.remove)
    cleaning.tally = stats.tally
    for text, place, meta, file, size, reason, detail in prepared(corpus, waiting.chunk):
        if reason is None:
            document = Document(text, place, waiting.source, rows.noted(meta))
            found = rows.add(cleaning.judged(document, size, corpus), meta, file, size)
            if isinstance(found, Reject):
                stats.drop(found, size)
        else:  # counted when it was dropped
            rows.add(Reject(reason, place, waiting.source, detail or "", text), meta, file, size)
        advance(size)
    written = rows.write(waiting.folder, waiting.name)
    return {"files": written, "documents": rows.documents, "counts": stats.counts()}


def prepared(corpus: CorpusJudge, chunk: Path) -> Iterator[Row]:
    """The rows of a chunk; the judge has looked at many documents at once."""
    table = read_chunk(chunk, RAW.names)
    rows: Iterator[Any] = zip(*(each.to_pylist() for each in table.columns), strict=True)
    while batch := list(islice(rows, JUDGED_AT_ONCE)):
        with passing_over():
            corpus.prepare([row[0] for row in batch if row[5] is None])
        yield from batch
