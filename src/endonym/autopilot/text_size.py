"""Estimates how much text raw files hold, from samples, before they are read as a whole.

`new`, `check` and `run --dry-run` all take this one figure. It counts what is left of the sampled
documents after cleaning, for each byte that was read from the disk, so that a compressed file
counts by what it holds.
"""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endonym.autopilot.model_size import BYTES_PER_TOKEN, Facts
from endonym.errors import TokenizerError
from endonym.text.clean.filters import cleaner
from endonym.text.config import Clean, Source, Split
from endonym.text.document import Document, Reject
from endonym.text.files import RawFile, RawSet, printable, size_on_disk
from endonym.tokenizer.config import TokenizerConfig

TRIED_FILES = 8
"""Files of each source that are read."""
LEAST_BYTES, MOST_BYTES = 1 << 18, 1 << 22
"""Raw bytes that are read of each source at least, and of all of them."""
UNPACKED_BYTES = 1 << 22
"""Text that is read of a file whose raw bytes cannot be counted: zip and parquet."""
SAMPLE_CHARS = 400_000
"""Characters on which a tokenizer is tried."""
LARGEST_HELD = 0.5


@dataclass(frozen=True, slots=True)
class TextSize:
    """What the raw files hold, estimated.

    text_bytes, letters: of all documents. kept_share: of the bytes, after cleaning.
    document_bytes: mean size of what is kept. sample: kept documents, in the sources' proportions.
    """

    text_bytes: int
    letters: int
    kept_share: float
    document_bytes: float
    sample: tuple[str, ...]

    def facts(self, split: Split, bytes_per_token: float) -> Facts:
        """The training text in tokens, without what is held out."""
        kept, held = self.text_bytes * self.kept_share, split.resolved()
        share = held.val_share or 0.0
        if held.val_documents is not None:
            share = min(LARGEST_HELD, held.val_documents * self.document_bytes / max(1.0, kept))
        train = kept * (1 - share)
        return Facts(
            int(train), int(train / bytes_per_token), self.document_bytes / bytes_per_token
        )


@dataclass(slots=True)
class _Sums:
    """Of the sampled documents of one source, or of what they stand for."""

    text: float = 0.0
    letters: float = 0.0
    kept: float = 0.0
    documents: float = 0.0

    def add(self, other: "_Sums", times: float = 1.0) -> None:
        """Add the other one, so many times."""
        self.text += times * other.text
        self.letters += times * other.letters
        self.kept += times * other.kept
        self.documents += times * other.documents


@dataclass(slots=True)
class _Reading:
    """The sampled records of one file: their sums, and what share of the file they are."""

    source: Source
    file: RawFile
    clean: Clean
    sums: _Sums = field(default_factory=_Sums)
    share: float = 1.0
    texts: list[str] = field(default_factory=list)

    def read(self, limit: int) -> None:
        """Read about `limit` raw bytes, or the whole file if it is not larger."""
        from endonym.text.reader import read_file  # Parquet and others, which few commands need.

        cleaned, seen = cleaner(self.clean), set[int]()
        total, consumed, records, raw = size_on_disk(self.file.path), 0, 0, 0
        known = (0, _Sums())

        def advance(n_bytes: int) -> None:
            # All records of the bytes before these have been seen.
            nonlocal consumed, known
            known, consumed = (consumed, _Sums()), consumed + n_bytes
            known[1].add(self.sums)

        for each in read_file(self.source, self.file, advance):
            records, raw = records + 1, raw + each.raw_bytes
            if isinstance(each, Document):
                text, verdict = cleaned(each.text)
                is_kept = verdict is None and not (self.clean.dedup and hash(text) in seen)
                seen.add(hash(text))
                size = len(each.text.encode("utf-8", "replace"))
                more = _Sums(size, len(each.text), 0.0, 0.0)
                if is_kept:
                    more.kept, more.documents = len(text.encode("utf-8", "replace")), 1.0
                    self.texts.append(text)
                self.sums.add(more)
            if known[0] >= limit:
                self.sums, self.share = known[1], known[0] / max(1, total)
                return
            if not consumed and self.sums.text >= UNPACKED_BYTES:
                self.share = _read_share(self.file.path, records, raw)
                return


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
                    whole, done = sum(info.file_size for info in archive.infolist()), raw_bytes
            else:
                whole, done = int(read_metadata(file).num_rows), records
    except (OSError, zipfile.BadZipFile, ArrowException):
        return 1.0
    return min(1.0, done / max(1, whole))


def measure(raw: Sequence[RawSet], clean: Clean | None = None) -> TextSize:
    """Read samples of every source, and estimate all of them.

    clean: the recipe's; without it everything is kept. Raises SourceError if the disk does not give
    a file.
    """
    clean, limit = clean or Clean(), max(LEAST_BYTES, MOST_BYTES // max(1, len(raw)))
    whole, sampled = _Sums(), list[tuple[float, list[str]]]()
    for each in raw:
        sums, texts = _of_source(each, clean, limit)
        whole.add(sums)
        sampled.append((sums.kept, texts))
    sample: list[str] = []
    for kept, texts in sampled:
        chars = SAMPLE_CHARS * kept / max(1.0, whole.kept)
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
    )


def _of_source(raw: RawSet, clean: Clean, limit: int) -> tuple[_Sums, list[str]]:
    """What a source holds, estimated, and the documents that were read."""
    step = -(-len(raw.files) // TRIED_FILES)
    chosen, sums, texts, seen = raw.files[:: max(1, step)], _Sums(), list[str](), 0
    for file in chosen:
        reading = _Reading(raw.source, file, clean)
        reading.read(limit // len(chosen))
        if reading.share:
            sums.add(reading.sums, 1 / reading.share)
        texts += reading.texts
        seen += size_on_disk(file.path)
    whole = _Sums()
    whole.add(sums, raw.bytes() / max(1, seen))
    return whole, texts


def bytes_per_token(config: TokenizerConfig, sample: Sequence[str]) -> float:
    """Bytes per token of a tokenizer that is trained on the sample; a usual figure without one."""
    from endonym.tokenizer.train import fit, train_tokenizer

    lines = [line for text in sample for line in text.split("\n") if line.strip()]
    try:
        made = train_tokenizer(config, lambda: iter(lines))
        found = fit(made, (("sample", line) for line in lines))["total"]["bytes_per_token"]
    except TokenizerError:
        return BYTES_PER_TOKEN
    return float(found) or BYTES_PER_TOKEN


def file_text_bytes(source: Source, files: Sequence[Path]) -> int:
    """Bytes of text in the files of one source."""
    raw = tuple(RawFile(path=path, name=printable(path.name)) for path in files)
    return measure([RawSet(source=source, files=raw)]).text_bytes


def first_records(source: Source, file: RawFile, chars: int) -> Iterator[Document | Reject]:
    """The first records of a file, up to so many characters.

    Raises SourceError if the disk does not give the file.
    """
    from endonym.text.reader import read_file  # Parquet and others, which few commands need.

    seen = 0
    for each in read_file(source, file):
        yield each
        seen += len(each.text)
        if seen >= chars:
            break
