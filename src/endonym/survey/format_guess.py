"""Guesses what a raw file is: the [[source]] that `new` writes, with its reason.

Of a source only the first megabyte is read. Each guess comes with one sentence of evidence for the
user, who can change it. Which pack of Tesseract reads a source's pictures is measured on one page,
with the letters of the language's other texts, if there are any, and those that it must have.
"""

import base64
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, compress, groupby, islice
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO, NamedTuple

import pyarrow as arrow
import pyarrow.parquet as parquet
import regex
from pyarrow.compute import call_function

from endonym.cleaning.normalize import composed
from endonym.data.conversations import COLUMNS
from endonym.disk import packaged_tables
from endonym.errors import printable
from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.files import RawFile, not_a_file
from endonym.formats.io.archives import zip_members
from endonym.formats.io.encoding import HEAD_BYTES, utf8_stream
from endonym.formats.io.formats import PARSED, FileFormat, file_format, unsupported
from endonym.formats.io.streams import Damage, Expansion, Feed, Stream, uncompressed, unpacked
from endonym.formats.pages.ocr import OcrFailed, Picture, best_pack, tesseract
from endonym.formats.parsers.bounded import Bounded
from endonym.formats.parsers.unit import Refused
from endonym.formats.reader import read_file
from endonym.formats.readers.arrow import (
    ERRORS,
    batch_rows,
    open_batches,
    text_columns,
    texts,
    too_large,
)
from endonym.formats.readers.pdf import drawn
from endonym.formats.readers.plain import INNER_END_OF_GARBLED, STARS, VISIBLE
from endonym.formats.readers.records import (
    DEFAULT_FIELD,
    FOR_CHAT,
    json_value,
)
from endonym.formats.readers.scans import LEAST_CONFIDENCE
from endonym.formats.readers.tables import Numbered, TableRow, csv_rows, tsv_rows
from endonym.formats.readers.tar import tar_members
from endonym.formats.reasons import needs_ocr
from endonym.log import QUIET, Log, counted
from endonym.recipe.layers import toml
from endonym.script.languages import LETTERS, ocr_packages, usual_script
from endonym.script.scripts import SENTENCE_ENDS
from endonym.survey.chat_guess import CHAT, asked_columns, chat_guess, lists_or_text
from endonym.survey.raw_files import is_written

LOOKED_AT_RECORDS = 200
LOOKED_AT_MEMBERS = 200
MAX_TITLE_CHARS = 60
MOST_LINES = 20
"""Lines for each empty line, up to which a source's empty lines divide documents. Lists of
sentences have a few empty lines, too."""
FEW_BLOCKS = 10
"""Fewer may be a list with its title, its authors and its footer."""
SENTENCES = "-sentences.txt"
NUMBERED = regex.compile(r"\d+\t")
ITEM = regex.compile(r"\s*\d+[.)]\s")
"""How an item of a numbered list begins."""
CLOSED = regex.compile(rf"[{SENTENCE_ENDS}\p{{Pe}}\p{{Pf}}\"]\s*$")

INSTALL = "apt-get install {packages} (needs the administrator's password)"
NO_PROGRAM = f"pictures, or a broken font. Install Tesseract, which reads such pages: {INSTALL}"
NO_PACK = f"Tesseract has no pack that reads them. Install those of the language: {INSTALL}"
UNREADABLE = (
    "Tesseract does not read them well, though it has the packs for the language. Scan them with "
    "300 dots per inch, or look for better copies"
)
LETTERS_CHARS = 20_000
BETWEEN = re.compile(r"[\s,]*")
"""What stands between the values of a JSON list."""
SIGNED = re.compile(r"\.(?:png|jpe?g|tiff?|bmp|webp)$", re.IGNORECASE)
"""Names of pictures."""

Guess = tuple[dict[str, Any], str]
"""Keys of a Source, and the reason for them."""


class Look(NamedTuple):
    """How plain text is looked at.

    most_lines: for each empty line, up to which empty lines divide documents. n_bytes: from the
    beginning of a file. script: in which the text is expected, by which its encoding is guessed.
    """

    most_lines: int = MOST_LINES
    n_bytes: int = HEAD_BYTES
    script: str | None = None


OF_A_SOURCE = Look()


def guess_source(
    path: Path, name: str, *, is_plain: bool = False, look: Look = OF_A_SOURCE
) -> tuple[Source, str, dict[str, Any] | None]:
    """The best Source for one raw file, named `name`, and the reason in one sentence.

    is_plain: a file whose extension says nothing is plain text. Last come the keys of a chat phase
    if the file holds conversations, else None.
    """
    source = Source(name=name, path=printable(path))
    kind = file_format(path.name, source)
    if is_plain and not kind.format and not kind.archive:
        source = source.model_copy(update={"format": "txt"})
        kind = file_format(path.name, source)
    if why := not_a_file(path):
        return source, why, None
    if path.stat().st_size == 0:
        return source, "the file is empty", None
    with path.open("rb") as raw:
        if kind.archive:
            keys, reason = archive_guess(raw, kind, source, look)
        elif kind.format in ("parquet", "arrow") and not kind.compression:
            keys, reason = (parquet_guess if kind.format == "parquet" else arrow_guess)(raw)
        else:
            keys, reason = stream_guess(uncompressed(raw), kind, path.name, look)
    chat = keys.pop(CHAT, None)
    if is_written(path):
        keys["synthetic"] = True
    return source.model_copy(update=keys), reason, chat


def stream_guess(stream: Stream, kind: FileFormat, name: str, look: Look) -> Guess:
    """The guess for one file that is no archive."""
    if not kind.format:
        chats = json_guess(head_of(stream, look)) if kind.extension == ".json" else ({}, "")
        return chats if CHAT in chats[0] else ({}, unsupported(kind, name))
    if kind.format in PARSED:
        return {}, packaged_tables("endonym.survey", "format_guess.toml")["whole"][kind.format]
    if kind.format in ("parquet", "arrow"):
        return {}, f"a packed {kind.format} file; its text is taken to be in the column text"
    if kind.compression:
        stream = unpacked(stream, kind.compression)
    head = head_of(stream, look, is_table=kind.format in ("csv", "tsv"))
    if not VISIBLE.search(head):
        return {}, "no readable text at the start of the file"
    if kind.format == "txt":
        return plain_guess(head, look.most_lines)
    if kind.format == "jsonl":
        return json_guess(head)
    if kind.format == "leipzig":
        keys = {"document": "line", "column": 2}
        return keys, "numbered sentences of the Leipzig corpora, by its name"
    return table_guess(head, kind.format)


def head_of(stream: Stream, look: Look, *, is_table: bool = False) -> str:
    """The first bytes as text, without a line that they cut in two."""
    utf8 = utf8_stream(stream, None, look.script, is_short=is_table)[1]
    head = Feed(utf8).peek(look.n_bytes)
    if len(head) >= look.n_bytes and b"\n" in head:
        head = head[: head.rindex(b"\n") + 1]
    text = head.decode("utf-8", "ignore")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def archive_guess(raw: io.BufferedReader, kind: FileFormat, source: Source, look: Look) -> Guess:
    """Leipzig sentences if there are any; otherwise as the first readable member."""
    if kind.archive == "zip":
        members = zip_members(raw)
    else:
        stream = uncompressed(raw)
        if kind.compression:
            expansion = Expansion(os.fstat(raw.fileno()).st_size)
            stream = expansion.bounded(unpacked(stream, kind.compression))
        members = tar_members(stream)
    first: Guess | None = None
    why = "an archive without a member that can be read"
    for member in islice(members, LOOKED_AT_MEMBERS):
        if isinstance(member, Damage):
            why = member.detail
            continue
        if member.problem:
            continue
        if member.name.endswith(SENTENCES):
            keys = {"member": f"*{SENTENCES}", "document": "line", "column": 2}
            return keys, f"an archive of the Leipzig corpora: numbered lines in *{SENTENCES}"
        inner = file_format(member.name, source)
        if first is None and inner.format and not inner.archive and member.raw_bytes:
            keys, reason = stream_guess(member.stream, inner, member.name, look)
            first = keys, f"an archive; {member.name}: {reason}"
    return first or ({}, why)


def parquet_guess(raw: io.BufferedReader) -> Guess:
    """The string column with the longest values.

    Columns are read as dictionaries: a value that is repeated a million times is in memory once.
    """
    lengths = dict[str, list[int]]()
    n_rows = 0
    try:
        schema = parquet.ParquetFile(raw).schema_arrow
        if chat := chat_guess(lists_or_text(schema), "a table"):
            return chat
        names = text_columns(schema)
        file = parquet.ParquetFile(raw, read_dictionary=names)
        most = min(LOOKED_AT_RECORDS, batch_rows(file))
        for batch in islice(file.iter_batches(batch_size=most, columns=names), 1):
            n_rows = batch.num_rows
            for name, column in zip(names, batch.columns, strict=True):
                values = column.dictionary.cast(arrow.large_string())
                of_values = call_function("utf8_length", [values])
                lengths[name] = of_values.take(column.indices.drop_null()).to_pylist()
    except (arrow.ArrowException, OSError):
        return {}, "not a whole parquet file"
    return field_guess(lengths, n_rows, "column")


def arrow_guess(raw: BinaryIO) -> Guess:
    """The string column with the longest values, as in `parquet_guess`."""
    lengths = dict[str, list[int]]()
    n_rows = 0
    try:
        if too_large(Path(raw.name), Expansion(raw.seek(0, io.SEEK_END)), 1) is not None:
            return {}, "an Arrow file that unpacks to far more than any text"
        raw.seek(0)
        schema, batches = open_batches(raw)
        if chat := chat_guess(lists_or_text(schema), "a table"):
            return chat
        names = text_columns(schema)
        for batch in islice(batches, 1):
            rows = batch.slice(0, LOOKED_AT_RECORDS)
            n_rows = rows.num_rows
            for name in names:
                lengths[name] = [len(value) for value in texts(rows.column(name)) if value]
    except ERRORS:
        return {}, "not a whole Arrow file"
    return field_guess(lengths, n_rows, "column")


def json_guess(head: str) -> Guess:
    """The string field with the longest values."""
    is_list = head.lstrip().startswith("[")
    values = islice(listed(head) if is_list else lines_of_json(head), LOOKED_AT_RECORDS)
    rows: list[dict[str, Any]] = [value for value in values if isinstance(value, dict)]
    fields = {key for row in rows for key, value in row.items() if isinstance(value, list)}
    if any(DEFAULT_FIELD in row for row in rows):
        fields.add(DEFAULT_FIELD)
    what = "a JSON list" if is_list else "lines of JSON"
    return chat_guess(fields, what) or rows_guess(rows, "field")


def lines_of_json(head: str) -> Iterator[Any]:
    """The values of those lines that are JSON."""
    for line in filter(str.strip, head.split("\n")):
        with suppress(ValueError, RecursionError):
            yield json_value(line)


def listed(head: str) -> Iterator[Any]:
    """The first values of a JSON list, of which the end may be missing."""
    decoder = json.JSONDecoder()
    place = head.index("[") + 1
    with suppress(ValueError, RecursionError):
        while True:
            between = BETWEEN.match(head, place)
            value, place = decoder.raw_decode(head, between.end() if between else place)
            yield value


def rows_guess(rows: Sequence[dict[str, Any]], what: str) -> Guess:
    """The field with the text, or that the rows are questions and answers."""
    lengths = text_lengths(rows)
    keys, reason = field_guess(lengths, len(rows), what)
    if keys and CHAT not in keys and (columns := asked_columns(rows, lengths)):
        reason = f'the {what}s "{columns[0]}" and "{columns[1]}" look like questions and answers'
        reason += f". These are {FOR_CHAT}; write into it columns = {toml(columns)}"
        keys[CHAT] = {"columns": columns}
    return keys, reason


def text_lengths(rows: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """The lengths of the texts in each field."""
    lengths: dict[str, list[int]] = {}
    for row in rows:
        for key, value in row.items():
            # A recipe is UTF-8 and cannot name a key with half a character.
            if type(value) is str and key == key.encode("utf-8", "ignore").decode():
                lengths.setdefault(key, []).append(len(value))
    return lengths


def field_guess(lengths: dict[str, list[int]], n_rows: int, what: str) -> Guess:
    """The field with the text: `text`, or the one with the most characters."""
    if not any(lengths.values()):
        return {}, f"no {what} with text was found at the start of the file"
    if len(lengths.get(DEFAULT_FIELD, [])) * 2 >= n_rows:
        return {}, f'the text is in the {what} "{DEFAULT_FIELD}"'
    name = max(lengths, key=lambda key: (sum(lengths[key]), key))
    mean = sum(lengths[name]) / len(lengths[name])
    reason = f'the {what} "{name}" holds the longest texts, {mean:.0f} characters each'
    names = {composed(each).lower() for each in lengths}
    if any(
        composed(name).lower() in pair and names.issuperset(pair) for pair in COLUMNS["answered"]
    ):
        return {"column": name, CHAT: {}}, f"{reason}. These look like {FOR_CHAT}"
    return {"column": name}, reason


def table_guess(head: str, kind: str) -> Guess:
    """The column with the most text, by its name in the first row if that is a header."""
    lines = iter(list[Numbered | Reject](enumerate(head.split("\n"), 1)))
    parsed = tsv_rows(lines) if kind == "tsv" else csv_rows(lines)
    rows = [row.fields for row in islice(parsed, LOOKED_AT_RECORDS) if isinstance(row, TableRow)]
    if len(rows) < 2:
        return {}, "a table without rows below its first one"
    first, *others = rows
    sizes = Counter[int]()
    for row in others:
        sizes.update({index: len(cell) for index, cell in enumerate(row)})
    longest = max(sizes, key=lambda index: (sizes[index], -index))
    title = first[longest] if longest < len(first) else ""
    if NUMBERED.match("\t".join(first)) or len(title) > MAX_TITLE_CHARS:
        column = longest + 1
        return {"column": column}, f"no header row; column {column} holds the longest texts"
    names = [cell.strip() for cell in first]
    named = [dict(zip(names, row, strict=False)) for row in others]
    return rows_guess(named, "column")


def plain_guess(head: str, most_lines: int = MOST_LINES) -> Guess:
    """What separates documents in plain text, from its empty lines and its lines."""
    lines = list(chain.from_iterable(map(INNER_END_OF_GARBLED.split, head.rstrip().split("\n"))))
    visible = [VISIBLE.search(line) is not None for line in lines]
    are_texts = [
        is_seen and not STARS.fullmatch(line) for line, is_seen in zip(lines, visible, strict=True)
    ]
    texts = list(compress(lines, are_texts))
    numbered = sum(NUMBERED.match(line) is not None for line in texts)
    if texts and numbered >= 0.9 * len(texts):
        keys = {"document": "line", "column": 2}
        return keys, f"numbered lines, {numbered:,} of {len(texts):,} as in the Leipzig corpora"
    blocks = block_sizes(are_texts, 1)
    wide_blocks = block_sizes(visible, 2)
    gaps = len(blocks) - 1
    wide = len(wide_blocks) - 1
    if wide < gaps:  # Both kinds: stanzas or paragraphs stand within documents.
        are_wide = wide >= 2 or (wide < gaps - wide and is_even(wide_blocks))
    else:
        are_wide = 2 <= wide <= len(texts) / 3 and not is_mostly_one(wide_blocks)
    if are_wide:
        keys = {"document": "blank_lines", "blank_lines": 2}
        return keys, f"blocks end with two empty lines, of {lines_each(texts, wide)}"
    if gaps == len(texts) - 1 > 0 or divides(blocks, most_lines):
        keys = {"document": "blank_lines", "blank_lines": 1}
        end = "an empty line" if visible == are_texts else "an empty line or a row of stars"
        if gaps == len(texts) - 1:
            return keys, f"after every line comes {end}"
        return keys, f"blocks end with {end}, of {lines_each(texts, gaps)}"
    return line_guess(texts, gaps)


def lines_each(texts: Sequence[str], gaps: int) -> str:
    """How many lines a block has on average, in words."""
    mean = round(len(texts) / (gaps + 1))
    return f"{counted(mean, 'line')}{' each' if mean > 1 else ''}"


def block_sizes(are_texts: Sequence[bool], least: int) -> list[int]:
    """The lines of text in each block; at least so many empty lines end one.

    are_texts: of each line, whether it is no empty one.
    """
    sizes = [0]
    for has_text, run in groupby(are_texts):
        length = len(list(run))
        if has_text:
            sizes[-1] += length
        elif length >= least:
            sizes.append(0)
    return sizes if sizes[0] else sizes[1:]


def divides(blocks: Sequence[int], most_lines: int) -> bool:
    """Whether blocks of lines are documents, and not a list of lines with some empty ones.

    Blocks of about the same size are. Others are if there are many for their size, and no title or
    footer beside a list.
    """
    gaps = len(blocks) - 1
    total = sum(blocks)
    if total > most_lines * gaps:
        return False
    are_many = gaps >= 2 and total <= MOST_LINES * gaps**2
    return is_even(blocks) or (are_many and not is_mostly_one(blocks))


def is_even(blocks: Sequence[int]) -> bool:
    """Whether the blocks are of about the same size, but for a title and a footer of one line.

    The more there are, the more they may differ: of lists that are divided at four to twelve places
    by chance, less than one in ten is as even.
    """
    inner = blocks[blocks[0] == 1 : len(blocks) - (blocks[-1] == 1)]
    return len(inner) > 1 and max(inner) < max(2, len(inner) - 1) * min(inner)


def is_mostly_one(blocks: Sequence[int]) -> bool:
    """Whether one long block has most of the lines, and the few others are set apart from it."""
    return len(blocks) < FEW_BLOCKS and max(blocks) > max(MOST_LINES, sum(blocks) * 2 / 3)


def line_guess(texts: list[str], gaps: int) -> Guess:
    """One document per line, or running text that is broken at a margin. gaps: empty lines."""
    if len(texts) < 2:
        return {"document": "file"}, "a single line or paragraph: the file is one document"
    items = sum(ITEM.match(line) is not None for line in texts)
    if items >= 0.9 * len(texts):
        return {"document": "line"}, f"a numbered list: {items:,} of {len(texts):,} lines"
    if margin := margin_of(texts):
        return {"document": "file"}, f"lines are broken at a margin of about {margin} characters"
    lengths = [len(line) for line in texts]
    empty = f"{gaps:,} empty line{'s' * (gaps > 1)}" if gaps else "no empty lines between the lines"
    return {"document": "line"}, f"{empty}; the median line has {median(lengths):.0f} characters"


def margin_of(texts: Sequence[str]) -> int:
    """The length at which lines of running text are broken, in characters; 0 if they are not."""
    lengths = sorted(len(line) for line in texts)
    margin = lengths[int(0.95 * (len(lengths) - 1))]
    full = sum(length >= 0.8 * margin for length in lengths) / len(lengths)
    closed = sum(CLOSED.search(line) is not None for line in texts) / len(texts)
    return margin if full > 0.6 and closed < 0.3 and margin < 120 else 0


def pack_for(
    files: Sequence[tuple[Path, Sequence[Reject]]], language: str, texts: str, log: Log = QUIET
) -> tuple[str, str]:
    """The pack that reads a page of each of these files best, "" if none is good; and why.

    files: each with the rejects of its pages. texts: in the language, as far as they are known.
    """
    engine = tesseract()
    packages = ocr_packages(usual_script(language), language)
    if engine is None:
        return "", NO_PROGRAM.format(packages=packages)
    names = {pack.rpartition("/")[2].lower() for pack in engine.packs}
    wanted = {each.rpartition("-")[2] for each in packages.split()[1:] if "-script-" not in each}
    is_there = wanted <= names and (usual_script(language) or "") in {"", *names}
    why = UNREADABLE if is_there else NO_PACK.format(packages=packages)
    letters = texts[:LETTERS_CHARS] + LETTERS.get(language.split("-")[0], "")
    try:
        best = best_pack(engine, [page_of(*file) for file in files], letters, log, own=wanted)
    except OcrFailed:
        return "", why
    if best.confidence < LEAST_CONFIDENCE:
        return "", why
    return best.pack, f"OCR by the pack that reads it best: {best.pack} is {best.reason}"


def pack_of(source: Source, files: Sequence[RawFile], language: str, letters: str) -> str:
    """The pack for a source whose recipe leaves the choice; "" if none of these files needs OCR."""
    plain = source.model_copy(update={"ocr": None, "document": "page"})
    for file in files:
        rejects = (each for each in read_file(plain, file) if isinstance(each, Reject))
        wanted = next((reject for reject in rejects if needs_ocr([reject.reason])), None)
        if wanted is not None and "/" not in wanted.id.rpartition("#")[0].removeprefix(file.name):
            return pack_for([(file.path, [wanted])], language, letters)[0]
    return ""


def page_of(path: Path, rejects: Sequence[Reject]) -> Picture:
    """A picture of a page that OCR may read. Raises OcrFailed."""
    pages = [reject for reject in rejects if needs_ocr([reject.reason])]
    name = pages[len(pages) // 2].id
    number = name.rpartition("#")[2]
    if member := name.partition(f"{printable(path.name)}/")[2]:
        if path.suffix.lower() != ".zip" or not SIGNED.search(member):
            raise OcrFailed("needs_ocr", "its pages cannot be tried; unpack the archive")
        try:
            return Bounded(str(path)).read(member), 1
        except Refused as refused:
            raise OcrFailed(refused.reason, refused.detail) from refused
    if not number.isdecimal():  # the file is a picture
        return path, 1
    page = drawn(path, int(number))
    if page.reason:
        raise OcrFailed(page.reason, f"a page cannot be drawn: {page.detail}")
    return base64.b64decode(page.text), 1
