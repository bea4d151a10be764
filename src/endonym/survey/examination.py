"""Examines raw texts: the steps of a corpus up to the split, in a folder that is deleted.

With a recipe's rules this is what a run would do (`run --dry-run`). With every rule switched on,
what each rule does is what is wrong with the texts (survey/findings.py). The texts are observed as
they were read and as they stay (survey/observing.py). Nothing is held out, so that a few texts are
enough.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow as arrow

from endonym.cleaning.corpus_rules import Facts, skeleton
from endonym.cleaning.language.votes import reliable_code
from endonym.cleaning.marks import text_hash
from endonym.cleaning.personal import begin_shown
from endonym.cleaning.tally import SAMPLES, RuleCount, Tally
from endonym.copies.notes import COPIES, staying_texts
from endonym.corpus.chunk_steps import ChunkTask
from endonym.corpus.corpus import check_names, dropped_records, some_dropped
from endonym.corpus.corpus_stats import SourceStats
from endonym.corpus.making import Chunk, Making
from endonym.corpus.work import EvaluationFile, Progress, Sources, Work, no_progress
from endonym.disk import file_hash
from endonym.formats.chunks import RAW, read_chunk, write_chunk
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Reject
from endonym.formats.document_files import REMOVED, read_lines
from endonym.formats.faults import FAULT
from endonym.formats.files import RawFile, size_on_disk
from endonym.formats.reasons import READER_REASONS
from endonym.survey.observing import Point, Seen, growth, observe_chunk, together
from endonym.workers import Advance, Inline, Result, Runner

LIMIT_BYTES = 30_000_000
"""Raw bytes that are examined, by `new` and the doctor alike: of more, an evenly spread sample of
files. That takes about three minutes of one core."""
EXAMPLES = 20
"""Examples of each finding."""
IDENTIFIED = 20_000
"""Dropped documents whose language is named."""
HASHES = arrow.schema({"place": arrow.string(), "hash": arrow.string()})
BROKEN_TEXT = frozenset({"mojibake", "lost_letters"})
"""Reasons of documents that are dropped before any rule, though rules may repair others."""
FOREIGN = ("min_language_score", "min_script_share")
SHOWN_CHARS = 300
SKELETON_CHARS = 100
SAME = 0.8
"""The least documents of a file whose copies they are, for the files to be called the same."""
BROKEN = ("fault", "file", "unread")
"""Kinds of reasons that say that a file as a whole is not read."""


class Dropped(NamedTuple):
    """How many records were dropped, and their bytes."""

    records: int
    bytes: int


@dataclass(slots=True)
class Examined:
    """What was found in raw texts by cleaning them with every rule.

    stats: of each source. raw, kept: the documents as they were read and as they stay; growth: of
    their vocabularies. rejects, removed: examples by reason. stayed: the texts in whose places
    copies go, by source and id. same: by a file that stays, those whose documents all are copies of
    its own. clusters: of near copies, the largest first. templates: documents by skeleton. foreign:
    by each of FOREIGN the documents dropped, by the code of their language. hashes: of the texts,
    as they were read, of documents that are shown, by place; and of files. files, bytes: examined,
    about; all_files, all_bytes: given. cut: whether only the beginnings of large files were read.
    unread: by source the broken files that gave no document, each with the reason.
    """

    clean: Clean
    stats: list[SourceStats] = field(default_factory=list)
    raw: Seen = field(default_factory=Seen)
    kept: Seen = field(default_factory=Seen)
    growth: dict[str, list[Point]] = field(default_factory=dict)
    rejects: dict[str, list[Reject]] = field(default_factory=dict)
    removed: dict[str, list[Reject]] = field(default_factory=dict)
    stayed: dict[str, str] = field(default_factory=dict)
    same: dict[str, list[str]] = field(default_factory=dict)
    clusters: list[tuple[str, int]] = field(default_factory=list)
    templates: Counter[str] = field(default_factory=Counter)
    foreign: dict[str, Counter[str]] = field(default_factory=dict)
    unread: dict[str, dict[RawFile, str]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    files: int = 0
    all_files: int = 0
    bytes: int = 0
    all_bytes: int = 0
    cut: bool = False

    @property
    def languages(self) -> Counter[str]:
        """Documents in another language or script, by the code of their language."""
        return sum(self.foreign.values(), Counter[str]())

    @property
    def encodings(self) -> Counter[str]:
        """Files by their encoding."""
        return sum((stat.encodings for stat in self.stats), Counter[str]())

    @property
    def documents(self) -> int:
        """Documents that were read."""
        return self.raw.documents

    @property
    def is_whole(self) -> bool:
        """Whether all files were read, and all of each."""
        return self.files == self.all_files and not self.cut

    def places(self) -> set[str]:
        """The places of all documents and files that are shown."""
        every = [each for some in (self.rejects, self.removed) for each in some.values()]
        found = {f"{one.source}/{one.id}" for some in every for one in some}
        found |= {*self.raw.files, *(place for place, _ in self.kept.shown.values())}
        found |= {each[0] for some in self.kept.found_in.values() for each in some}
        for stats in self.stats:
            samples = (rule.samples.values() for rule in stats.tally.rules.values())
            found |= {f"{stats.name}/{one['id']}" for some in samples for one in some}
        return found

    def rules(self) -> dict[str, RuleCount]:
        """What each rule did; broken texts and faults of our code are dropped as by rules."""
        tally = Tally(language=self.clean.language)
        for each in self.stats:
            tally.add(each.tally.as_dict())
        for reason in BROKEN_TEXT.union([FAULT]).intersection(self.reasons()):
            for each in self.rejects[reason][:SAMPLES]:
                tally.begin(each.id)
                tally.dropped(reason, each.text, each.detail, 0)
            rule = tally.rules.setdefault(reason, RuleCount())
            rule.documents, rule.bytes = self.dropped(reason)
        return tally.rules

    def dropped(self, reason: str) -> Dropped:
        """What was dropped for a reason."""
        lost = sum((stats.dropped.get(reason, Counter()) for stats in self.stats), Counter[str]())
        return Dropped(lost["records"], lost["bytes"])

    def reasons(self) -> list[str]:
        """All reasons for which something was dropped."""
        return sorted({reason for stat in self.stats for reason in stat.dropped})


class Examining(Making):
    """The steps of a corpus up to the split, and what is seen before and after them."""

    raw: Sequence[Result] = ()

    def read(self) -> tuple[list[ChunkTask], list[int]]:
        """The tasks of the chunks that were read, and their sizes; observes the raw documents."""
        tasks, sizes = super().read()
        folder = self.work.place("raw")
        seen = [replace(task, folder=folder) for task in tasks]
        self.raw = self.work.step("raw", observe_raw, seen, sizes)
        return tasks, sizes

    def facts(self) -> Path | None:
        """The folder of what is known of the corpus, if texts filled in by a program go."""
        knows = self.clean.max_same_skeleton is not None
        return self.work.folder / f"facts{self.rounds - 1}" if knows else None

    def kept(self, chunks: Sequence[Chunk]) -> list[Result]:
        """What is seen of the documents that stay."""
        return self.step("kept", observe_chunk, chunks, self.facts())


def observe_raw(task: ChunkTask, advance: Advance) -> Result:
    """What `observe_chunk` sees; and the numbers of files with documents, and of broken ones."""
    rows = read_chunk(task.chunk, ["file", "text", "id", "reason"], RAW).to_pylist()
    found = sorted({(row["file"], row["reason"]) for row in rows}, key=str)
    broken = [row for row in found if READER_REASONS.get(row[1]) in BROKEN]
    readable = sorted(file for file, reason in found if reason is None)
    own = {row["id"]: text_hash(row["text"]) for row in rows if row["reason"] is None}
    seen = observe_chunk(task, advance)
    columns = [[f"{task.source}/{place}" for place in own], [*own.values()]]
    seen["files"].append(write_chunk(task.folder, f"{task.name}.hashes", HASHES, columns))
    return seen | {"source": task.source, "readable": readable, "broken": broken}


def hashes_of(
    places: AbstractSet[str], sources: Sources, folder: Path, made: Sequence[Result]
) -> dict[str, str]:
    """The hashes of the documents and of the files at these places.

    made: what observe_raw returned, whose files are in the folder. Very large files have none.
    """
    found = dict[str, str]()
    for each in made:
        table = read_chunk(folder / each["files"][1]["name"], schema=HASHES)
        pairs = zip(*(column.to_pylist() for column in table.columns), strict=True)
        found |= {place: digest for place, digest in pairs if place in places}
    paths = {f"{source.name}/{file.name}": file.path for source, some in sources for file in some}
    for name, path in paths.items():
        if name in places and size_on_disk(path) <= LIMIT_BYTES:
            found.setdefault(name, file_hash(path))
    return found


def unread_files(sources: Sources, made: Sequence[Result]) -> dict[str, dict[RawFile, str]]:
    """By source the files that are broken and gave no document, each with the reason."""
    unread = dict[str, dict[RawFile, str]]()
    for source, files in sources:
        own = [result for result in made if result["source"] == source.name]
        readable = {number for result in own for number in result["readable"]}
        broken = [row for result in own for row in result["broken"]]
        if reasons := {files[n]: reason for n, reason in broken if n not in readable}:
            unread[source.name] = reasons
    return unread


def examine(
    sources: Sources,
    clean: Clean,
    *,
    contrast: Sequence[Path] = (),
    evaluation: Sequence[EvaluationFile] = (),
    runner: Runner | None = None,
    progress: Progress = no_progress,
    samples: int = EXAMPLES,
    limit: int = LIMIT_BYTES,
) -> Examined:
    """Clean all texts, or a sample if they are large, in a folder that is deleted.

    contrast: files of texts in other languages. evaluation: those whose texts must not stand in the
    corpus. samples: of each finding. limit: bytes of raw files. However much cannot be read, it is
    counted. Raises SourceError if the disk does not give a file.
    """
    check_names(sources)
    clean = clean.model_copy(update={"max_unreadable": 1.0})
    chosen = sampled(sources, limit)
    examined = Examined(clean)
    all_sizes = file_sizes(sources)
    sizes = file_sizes(chosen)
    most_bytes = most_of_each(sizes, limit)
    examined.all_files = len(all_sizes)
    examined.all_bytes = sum(all_sizes)
    examined.files = len(sizes)
    examined.bytes = sum(sizes if most_bytes is None else (min(size, most_bytes) for size in sizes))
    examined.cut = most_bytes is not None
    if not examined.files:
        return examined
    with TemporaryDirectory(prefix="endonym-doctor-") as name:
        out = Path(name) / "out"
        out.mkdir()
        work = Work(Path(name) / "work", runner or Inline(), progress)
        making = Examining(
            chosen,
            clean,
            Split(),
            work=work,
            out=out,
            contrast=contrast,
            evaluation=evaluation,
            samples=samples,
            most_bytes=most_bytes,
        )
        kept = making.kept(making.cleaned())
        examined.stats = list(making.stats.values())
        examined.raw = together(making.raw, samples)
        examined.kept = together(kept, samples)
        examined.unread = unread_files(chosen, making.raw)
        examined.raw.files = {
            f"{source.name}/{file.name}": examined.raw.files[numbered]
            for source, files in chosen
            for number, file in enumerate(files)
            if (numbered := f"{source.name}/{number}") in examined.raw.files
        }
        for side, made in (("raw", making.raw), ("kept", kept)):
            examined.growth[side] = growth(work.place(side), made)
        _read_out(examined, out, samples)
        examined.hashes = hashes_of(examined.places(), chosen, work.place("raw"), making.raw)
        if (facts := making.facts()) is not None:
            examined.templates = templates(out, Facts.load(facts), examined.kept.skeletons)
    return examined


def sampled(sources: Sources, limit: int) -> list[tuple[Source, list[RawFile]]]:
    """Of large texts an evenly spread sample of files, of each source one at least.

    A file is chosen with a chance in proportion to its size, so that small files do not stand for
    large ones; as many files as the share of the bytes that may be read, or fewer.
    """
    total = sum(sizes := file_sizes(sources))
    if total <= limit:
        return [(source, list(files)) for source, files in sources]
    stride = total / max(1, len(sizes) * limit // total)
    return [(source, _each_so_many_bytes(files, stride)) for source, files in sources]


def _each_so_many_bytes(files: Sequence[RawFile], stride: float) -> list[RawFile]:
    """The files that a stride of so many bytes through all of them lands in; at least one."""
    sizes = [size_on_disk(file.path) for file in files]
    # How many strides end before each file, and before the end of the last one.
    strides = [int(total / stride + 0.5) for total in accumulate(sizes, initial=0)]
    pairs = zip(files, pairwise(strides), strict=True)
    chosen = [file for file, (before, after) in pairs if after > before]
    return chosen or [files[sizes.index(max(sizes))]] if files else []


def file_sizes(sources: Sources) -> list[int]:
    """The bytes of every file on the disk."""
    return [size_on_disk(file.path) for _, files in sources for file in files]


def most_of_each(sizes: Sequence[int], limit: int) -> int | None:
    """How many bytes at most are read of each file, so that all together are `limit`; None: all.

    What small files leave is for the large ones.

    >>> most_of_each([10, 100, 200], 210)
    100
    """
    left = limit
    for number, each in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if each > share:
            return share
        left -= each
    return None


def _read_out(examined: Examined, out: Path, samples: int) -> None:
    """Read the examples of what was dropped from `out`, before it is deleted."""
    for reason in examined.reasons():
        examined.rejects[reason] = some_dropped(out, reason, samples)
    for path in sorted((out / REMOVED).glob("*.jsonl.gz")):
        reason = path.name.removesuffix(".jsonl.gz")
        examined.removed[reason] = some_dropped(out, reason, samples, REMOVED)
    names = {each.stayed for each in examined.rejects.get("near", ()) if each.stayed}
    begin = partial(begin_shown, chars=SHOWN_CHARS, language=examined.clean.language)
    examined.stayed = {name: begin(text) for name, text in staying_texts(out, names).items()}
    examined.same = same_files(out, examined.raw.files)
    copies = read_lines(out / COPIES) if (out / COPIES).is_file() else ()
    clusters = [(begin(copy["stays"]["text"]), copy["copies"] + 1) for copy in copies]
    examined.clusters = sorted(clusters, key=lambda cluster: -cluster[1])[:samples]
    for reason in FOREIGN:
        some = islice(dropped_records(out, reason), IDENTIFIED)
        examined.foreign[reason] = Counter(reliable_code(each.text) for each in some)


def same_files(out: Path, files: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    """By a file that stays, those whose documents all are copies, and most of them of its own.

    files: by name, first the number of documents. Of one that holds more, they are only a part.
    """
    copied = dict[str, Counter[str]]()
    found = dict[str, list[str]]()
    for each in (each for kind in ("exact", "near") for each in dropped_records(out, kind)):
        file = f"{each.source}/{each.id}".rpartition("#")[0]
        copied.setdefault(file, Counter())[each.stayed.rpartition("#")[0]] += 1
    for file, others in copied.items():
        other = others.most_common(1)[0][0]
        count, whole = (files.get(each, (0,))[0] for each in (file, other))
        if others.total() == count >= SAME * whole:
            found.setdefault(other, []).append(file)
    return found


def templates(out: Path, facts: Facts, stay: Counter[str]) -> Counter[str]:
    """Documents that a program filled in, by the beginning of their skeleton.

    stay: skeletons of those that stay.
    """
    dropped = dropped_records(out, "max_same_skeleton")
    sizes = Counter(skeleton(each.text, facts.usual)[:SKELETON_CHARS] for each in dropped)
    for name, number in stay.items():
        sizes[name[:SKELETON_CHARS]] += number
    return sizes
