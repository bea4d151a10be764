"""Estimates how much text raw files hold, from samples, before they are read as a whole.

`new`, `check` and `run --dry-run` all take this one figure. It counts what is left of the sampled
documents after cleaning, for each byte of their files. A compressed file counts by what it holds:
it is unpacked, or the beginning of a large one; what a file says of its own size is not believed.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from endonym.autopilot.model_size import BYTES_PER_TOKEN, DOCUMENT_TOKENS, Facts
from endonym.cleaning.cleaning import Cleaning
from endonym.errors import TokenizerError
from endonym.formats.broken import lost_letters
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document, Reject
from endonym.formats.faults import FAULT, passing_over
from endonym.formats.files import RawFile, RawSet, size_on_disk
from endonym.formats.io.encoding import utf8_stream
from endonym.formats.io.formats import BINARY, JOINED, PARSED, file_format
from endonym.formats.io.streams import ZSTD_PIECE_BYTES, Expansion, Stream, unpacked
from endonym.formats.readable import Reading
from endonym.formats.reasons import needs_ocr
from endonym.log import QUIET, Log
from endonym.tokenizer.config import TokenizerConfig

if TYPE_CHECKING:
    from endonym.tokenizer.tokenizer import Tokenizer

MOST_FILES = 1_000
"""Files of all sources that are read, spread evenly: the trigrams of one file take 200 kB."""
LEAST_CHARS = 1 << 17
MOST_CHARS = 1 << 21
"""Characters that are read of each source at least, and of all of them."""
LEAST_FILE_CHARS = 3_000
"""Characters that are read of each file at least: enough to tell its language."""
OCR_FILES = 2
OCR_CHARS = 4_000
"""Files and characters of a source that Tesseract reads, which takes seconds a page."""
PICTURES = "reading pictures"
MOST_READ = 64 << 20
"""Bytes of all files together in which is counted what cannot be read: a second or two."""
PACKED_BYTES = 1 << 19
"""Bytes of a tar file that show how much of it is text."""
UNPACKED_A_CHAR = 64
LEAST_UNPACKED = 8 << 20
MOST_UNPACKED = 64 << 20
"""Bytes of a compressed file that are unpacked to measure it, for each character that is asked for,
and their limits."""
SAMPLE_CHARS = 400_000
"""Characters on which a tokenizer is tried."""
LARGEST_HELD = 0.5
BYTES_A_LETTER = {"latin": 1.0, "cyrillic": 2.0, "arabic": 2.0, "greek": 2.0}
"""By script, in texts that nobody has yet."""
OTHER_BYTES_A_LETTER = 3.0


@dataclass(frozen=True, slots=True)
class TextSize:
    """What the raw files hold, estimated.

    text_bytes, letters: of all documents. kept_share: of the bytes, after cleaning.
    document_bytes: mean size of what is kept. sample: kept documents, in the sources' proportions.
    sources: bytes kept, and mean size, of each source. faults: of our own code in cleaning sampled
    documents, one line each.
    """

    text_bytes: int
    letters: int
    kept_share: float
    document_bytes: float
    sample: tuple[str, ...]
    sources: Mapping[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )
    faults: tuple[str, ...] = ()

    def facts(self, split: Split, bytes_per_token: float) -> Facts:
        """The training text in tokens, without what is held out."""
        kept_bytes = self.text_bytes * self.kept_share
        split = split.resolved()
        share = split.val_share or 0.0
        if split.val_documents is not None:
            held_out_bytes = split.val_documents * self.document_bytes
            share = min(LARGEST_HELD, held_out_bytes / max(1.0, kept_bytes))
        if split.val_bytes is not None:
            most_bytes = split.val_bytes * max(1, len(self.sources))
            share = min(share, most_bytes / max(1.0, kept_bytes))

        def facts_for(kept_bytes: float, document_bytes: float) -> Facts:
            train_bytes = kept_bytes * (1 - share)
            tokens = int(train_bytes / bytes_per_token)
            dev_tokens = int(kept_bytes * share / 2 / bytes_per_token)
            mean = document_bytes / bytes_per_token
            return Facts(int(train_bytes), tokens, mean, dev_tokens=dev_tokens)

        sources = {name: facts_for(kept, mean) for name, (kept, mean) in self.sources.items()}
        return replace(facts_for(kept_bytes, self.document_bytes), sources=sources)


@dataclass(slots=True)
class _Sums:
    """Bytes and letters of texts, and bytes and number of the documents kept; estimated.

    faults: as in TextSize.
    """

    text: float = 0.0
    letters: float = 0.0
    kept: float = 0.0
    documents: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "_Sums", times: float = 1.0) -> None:
        """Add other sums, so many times."""
        self.text += times * other.text
        self.letters += times * other.letters
        self.kept += times * other.kept
        self.documents += times * other.documents
        self.faults += other.faults


@dataclass(slots=True)
class Beginning:
    """The first records of a file, and the estimated share of the file's text that they are.

    times: of how many files like it they tell, by bytes: Tesseract reads a few of many.
    """

    records: list[Document | Reject] = field(default_factory=list)
    share: float = 1.0
    times: float = 1.0
    is_one_document: bool = False
    """Whether the records are parts, such as pages, of what the corpus takes as one document."""

    @property
    def documents_read(self) -> list[Document]:
        """Those of its records that are documents."""
        return [record for record in self.records if isinstance(record, Document)]

    @property
    def rejects(self) -> list[Reject]:
        """Those of its records that could not be read."""
        return [record for record in self.records if isinstance(record, Reject)]

    @property
    def needs_ocr(self) -> bool:
        """Whether pages were left out that OCR may read."""
        return needs_ocr(each.reason for each in self.rejects)

    @property
    def texts(self) -> list[str]:
        """The texts of its documents."""
        return [each.text for each in self.documents_read]

    @property
    def damage(self) -> str:
        """Why its encoding is broken, with what was dropped for it; empty if it is not."""
        lost = (each.text for each in self.rejects if each.reason == "lost_letters")
        return lost_letters("\n".join([*self.texts, *lost]))

    @property
    def text_bytes(self) -> float:
        """Bytes of text in the whole file, estimated."""
        return sum(len(text.encode("utf-8", "replace")) for text in self.texts) / self.share

    @property
    def documents(self) -> float:
        """Documents in the whole file, estimated."""
        return 1.0 if self.is_one_document and self.texts else len(self.texts) / self.share


def beginning(source: Source, file: RawFile, chars: int) -> Beginning:
    """Read the first records of a file, up to about so many characters.

    Of a tar file more is read, and not kept, until it shows how much of it is text.
    Raises SourceError if the disk does not give the file.
    """
    from endonym.formats.reader import read_file  # Parquet and others, which few commands need.

    begin = Beginning()
    kind = file_format(file.name, source)
    total = size_on_disk(file.path)
    is_tar = kind.archive == "tar"
    is_as_read = kind.format in BINARY | PARSED or not kind.compression
    if kind.format in JOINED and source.document == "file":
        # A whole book would have to be read for its beginning.
        source = source.model_copy(update={"document": "page"})
        begin.is_one_document = True
    seen_chars = consumed = n_read = n_kept = marked = 0  # all but the first in bytes
    per_byte = 0.0  # bytes of a tar file for each that was read; 0: unknown

    def advance(n_bytes: int) -> None:
        # Records are behind what was consumed while the head of the file is looked at: only the
        # first call after a record says how far they reach.
        nonlocal consumed, marked, per_byte
        if n_read > marked and consumed >= PACKED_BYTES:
            marked = n_read
            per_byte = consumed / n_read
        consumed += n_bytes

    for record in read_file(source, file, advance):
        size = record.raw_bytes + 1  # with the end of the line
        n_read += size
        if seen_chars < chars:
            begin.records.append(record)
            n_kept = n_read
            is_as_read &= not (isinstance(record, Document) and "encoding" in record.meta)
        # No character takes more than four bytes; the rest of a record is no text.
        seen_chars += max(len(record.text), size // 4)
        if seen_chars < chars or (is_tar and consumed and not per_byte):
            continue
        if not consumed:
            share = _read_share(file.path, len(begin.records), n_kept)
        elif is_tar:
            share = n_kept * per_byte / max(1, total)
        elif is_as_read:
            share = n_kept / max(1, total)
        else:
            share = n_kept / max(1, _unpacked_bytes(source, file, chars))
        begin.share = min(1.0, share)
        return begin
    begin.share = n_kept / max(1, n_read) or 1.0
    return begin


@dataclass(frozen=True, slots=True)
class SourceSample:
    """The beginnings of some files of a source, spread evenly. bytes: of all its files, on disk.

    is_whole: whether all files are among them. A file in which our code fails is not. text_bytes:
    the size of its text, if a person gave it.
    """

    source: Source
    bytes: int
    beginnings: list[tuple[RawFile, Beginning]]
    is_whole: bool
    text_bytes: int | None = None

    @property
    def documents(self) -> float:
        """Documents in all its files, estimated."""
        return self.scale * sum(begin.times * begin.documents for _, begin in self.beginnings)

    @property
    def scale(self) -> float:
        """How many times as large all files are as those that were read."""
        sizes = (begin.times * size_on_disk(file.path) for file, begin in self.beginnings)
        return self.bytes / max(1, sum(sizes))


def samples_of(raw: Sequence[RawSet], log: Log = QUIET) -> list[SourceSample]:
    """A sample of each source: what `check`, a run and the doctor look at before all is read.

    Raises SourceError if the disk does not give a file.
    """
    step = -(-sum(len(each.files) for each in raw) // MOST_FILES)
    samples = list[SourceSample]()
    for each in raw:
        chosen = each.files[:: max(1, step)]
        chars = chars_a_file(len(raw), len(chosen))
        beginnings = beginnings_of(each.source, chosen, chars, log)
        is_whole = len(beginnings) == len(each.files)
        samples.append(SourceSample(each.source, each.bytes(), beginnings, is_whole))
    return samples


def beginnings_of(
    source: Source, files: Sequence[RawFile], chars: int, log: Log = QUIET
) -> list[tuple[RawFile, Beginning]]:
    """The beginnings of files; a few of those that Tesseract has to read tell of the others.

    Those in which our code fails are left out: the corpus stage names them.
    """
    found = list[tuple[RawFile, Beginning]]()
    blind = list[RawFile]()
    for file in files:
        with passing_over():
            begin = beginning(source.model_copy(update={"ocr": None}), file, chars)
            if source.ocr is not None and begin.needs_ocr:
                if not begin.texts:
                    blind.append(file)
                    continue
                begin.records = [*begin.documents_read]
            found.append((file, begin))
    if source.document == "part":  # Tesseract would have to read all pages for it.
        source = source.model_copy(update={"document": "page"})
    tried = blind[:: -(-len(blind) // OCR_FILES) or 1]
    sizes = [sum(size_on_disk(file.path) for file in some) for some in (blind, tried)]
    with log.progress(PICTURES, len(tried)) as advance:
        for file in tried:
            with passing_over():
                begin = beginning(source, file, OCR_CHARS // len(tried))
                begin.times = sizes[0] / max(1, sizes[1])
                found.append((file, begin))
            advance(1)
    return found


def chars_a_file(sources: int, files: int) -> int:
    """Characters that are read of each file of one of so many sources."""
    of_source = max(LEAST_CHARS, MOST_CHARS // max(1, sources))
    return max(LEAST_FILE_CHARS, of_source // max(1, files))


def reading_of_records(records: Iterable[Document | Reject], source: str, file: str) -> Reading:
    """How much of these records cannot be read."""
    reading = Reading(source)
    for record in records:
        if isinstance(record, Reject):
            reading.add(record.raw_bytes, record.reason, file, record.detail)
        else:
            reading.add(len(record.text.encode("utf-8", "replace")))
    return reading


def reading_of(source: Source, file: RawFile, begin: Beginning, files: int) -> Reading:
    """How much of a file cannot be read: counted in its first bytes, and estimated of the rest.

    So a fault that comes late is seen as well. Only the beginning counts of archives and of what a
    parser reads, which take long. files: how many are read like this one, together MOST_READ.
    """
    from endonym.formats.reader import read_file

    kind = file_format(file.name, source)
    by_beginning = Reading(source.name)
    of_records = reading_of_records(begin.records, source.name, file.name)
    by_beginning.include(of_records, 1 / begin.share)
    if begin.share >= 1 or kind.archive or kind.format in PARSED:
        return by_beginning
    bytes_left = MOST_READ // max(1, files)

    def first_records() -> Iterator[Document | Reject]:
        nonlocal bytes_left
        for record in read_file(source, file):
            yield record
            bytes_left -= max(len(record.text), record.raw_bytes)
            if bytes_left < 0:
                return

    read = reading_of_records(first_records(), source.name, file.name)
    is_whole = bytes_left >= 0
    whole = Reading(source.name)
    whole.include(read, 1.0 if is_whole else max(1.0, by_beginning.bytes / max(1.0, read.bytes)))
    return whole


def _unpacked_bytes(source: Source, file: RawFile, chars: int) -> int:
    """The size of a file's text as UTF-8, unpacked.

    After the first bytes, more for more characters, the rest is taken to be packed as well. It is
    never more than what the corpus reads of a file.
    """
    from endonym.formats.reader import no_access

    kind = file_format(file.name, source)
    total = size_on_disk(file.path)
    most = min(MOST_UNPACKED, max(LEAST_UNPACKED, UNPACKED_A_CHAR * chars))
    expansion = Expansion(total)
    size = 0
    try:
        with file.path.open("rb") as raw:
            # In small pieces, so that little is read that is not unpacked yet.
            stream: Stream = iter(lambda: raw.read(ZSTD_PIECE_BYTES), b"")
            if kind.compression:
                stream = expansion.bounded(unpacked(stream, kind.compression))
            for piece in utf8_stream(stream, source.encoding, source.script)[1]:
                size += len(piece) if isinstance(piece, bytes) else 0
                if size >= most:
                    size = int(size * max(1.0, total / max(1, raw.tell())))
                    return min(size, expansion.limit) if kind.compression else size
    except OSError as error:
        raise no_access(file, error) from error
    return size


def _read_share(path: Path, records: int, raw_bytes: int) -> float:
    """The share of a zip or parquet file that was read, by what the file says that it holds.

    All of it if the file does not say: the corpus stage names such a file.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        # Opened here: pyarrow cannot encode every file's name.
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    whole = sum(info.file_size for info in archive.infolist())
                done = raw_bytes
            else:
                whole = int(read_metadata(file).num_rows)
                done = records
    except (OSError, zipfile.BadZipFile, ArrowException):
        return 1.0
    return min(1.0, done / max(1, whole))


def measure(samples: Sequence[SourceSample], clean: Clean | None = None) -> TextSize:
    """How much text the sources hold, estimated from samples.

    clean: the recipe's; without it everything is kept.
    """
    whole = _Sums()
    kept_texts: list[tuple[float, list[str]]] = []  # bytes kept of a source, and kept samples
    sources: dict[str, tuple[float, float]] = {}
    for each in samples:
        sums = _Sums()
        texts = list[str]()
        rules = (clean or Clean()).of(each.source)
        for _, begin in each.beginnings:
            of_file, kept = _cleaned(begin.documents_read, rules)
            if begin.is_one_document and kept:
                of_file.documents = begin.share
            sums.add(of_file, each.scale * begin.times / begin.share)
            texts += kept
        if each.text_bytes is not None:
            sums = _sized(sums, each.text_bytes, clean.script if clean else None)
        whole.add(sums)
        kept_texts.append((sums.kept, texts))
        sources[each.source.name] = (sums.kept, sums.kept / max(1.0, sums.documents))
    sample: list[str] = []
    for kept_bytes, texts in kept_texts:
        chars = SAMPLE_CHARS * kept_bytes / max(1.0, whole.kept)
        for text in texts:
            if chars <= 0:
                break
            sample.append(text)
            chars -= len(text)
    return TextSize(
        text_bytes=int(whole.text),
        letters=int(whole.letters),
        kept_share=whole.kept / max(1.0, whole.text),
        document_bytes=whole.kept / max(1.0, whole.documents),
        sample=tuple(sample),
        sources=sources,
        faults=tuple(whole.faults),
    )


def _sized(sums: _Sums, text_bytes: int, script: str | None) -> _Sums:
    """The sums of as much text as these; of usual documents, all of them kept, if there is none."""
    if not sums.text:
        letters = 1 / BYTES_A_LETTER.get(script or "", OTHER_BYTES_A_LETTER)
        documents = 1 / (DOCUMENT_TOKENS * BYTES_PER_TOKEN)
        sums = _Sums(text=1.0, letters=letters, kept=1.0, documents=documents)
    sized = _Sums()
    sized.add(sums, text_bytes / sums.text)
    return sized


def _cleaned(documents: Iterable[Document], clean: Clean) -> tuple[_Sums, list[str]]:
    """The sums of these documents, and the texts of those that cleaning keeps."""
    cleaning = Cleaning(clean)
    sums = _Sums()
    kept = list[str]()
    seen = set[int]()
    for document in documents:
        size = len(document.text.encode("utf-8", "replace"))
        sums.text += size
        sums.letters += len(document.text)
        cleaned = cleaning.normalized(document)
        if isinstance(cleaned, Document):
            cleaned = cleaning.judged(cleaned, size)
        if isinstance(cleaned, Reject):
            if cleaned.reason == FAULT:
                sums.faults.append(f"{document.id}: {cleaned.detail}")
        elif not (clean.dedup and hash(cleaned.text) in seen):
            sums.kept += len(cleaned.text.encode("utf-8", "replace"))
            sums.documents += 1
            kept.append(cleaned.text)
            seen.add(hash(cleaned.text))
    return sums, kept


class TokenizerTrial(NamedTuple):
    """What a tokenizer does on a sample. tokenizer: None if none could be made."""

    bytes_per_token: float
    tokenizer: "Tokenizer | None" = None


def try_tokenizer(
    config: TokenizerConfig, sample: Sequence[str], pretrained: "Tokenizer | None" = None
) -> TokenizerTrial:
    """What a tokenizer trained on the sample does on it; a usual figure if none can be made.

    pretrained: the tokenizer of a pretrained model, which is extended if the config says so.
    """
    from endonym.tokenizer.extend import extend_tokenizer
    from endonym.tokenizer.train import fit, train_tokenizer

    lines = [line for text in sample for line in text.split("\n") if line.strip()]
    try:
        tokenizer = pretrained or train_tokenizer(config, lambda: iter(lines))
        if pretrained is not None and config.extend is not None:
            tokenizer = extend_tokenizer(pretrained, config, lambda: iter(lines))
        totals = fit(tokenizer, (("sample", line) for line in lines))["total"]
    except TokenizerError:
        return TokenizerTrial(BYTES_PER_TOKEN)
    return TokenizerTrial(float(totals["bytes_per_token"]) or BYTES_PER_TOKEN, tokenizer)
