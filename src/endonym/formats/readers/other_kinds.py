"""Opens a file for its reader; one of another kind than its name says is named for what it is."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from endonym.formats.config import Source
from endonym.formats.document import Records, Reject
from endonym.formats.io.content import Content, Origin
from endonym.formats.io.encoding import utf8_stream
from endonym.formats.io.formats import COMPRESSIONS, FileFormat, unsupported
from endonym.formats.io.kinds import SIGNS, any_kind, kind, without_json
from endonym.formats.io.lines import Lines, readable_lines
from endonym.formats.io.streams import Damage, Feed

HEAD_BYTES = 1 << 16
ZIPPED = ("epub", "docx", "odt")
"""Documents that are zip archives, of which a damaged one may show no more."""
PACKED = {"gzip": "a gzip file", "zstd": "a zstd file", "bzip2": "a bzip2 file", "xz": "an xz file"}
COMPRESSED = tuple(PACKED.values())
UNPACKED = (".warc", ".wet", ".arc", ".xml", *COMPRESSIONS)
"""Dumps may be compressed, and are so before they are parsed."""
TEXTS: dict[str, str] = SIGNS["taken_for_others"]
"""Texts that are taken for others, and what to do."""
JSON = ("a JSON array", "a JSON object", "lines of JSON")
WORD = re.compile(r"\w+")
SURE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|mediawiki|svg)\b")
BROKEN = ("damaged", "truncated")


def text_lines(
    content: Content, origin: Origin, source: Source, wanted: str = ""
) -> tuple[Lines, dict[str, str]]:
    """The lines of a text file, and its encoding as a note for documents, if that is not UTF-8.

    wanted: what the text should be, in words; one of another kind is one reject. Marks as of XML,
    without its first line, are in plain text and in tables, too: a corpus may part its documents
    so.
    """
    stream = content.stream()
    if wanted:
        feed = Feed(stream)
        head = feed.peek(HEAD_BYTES)
        what = kind(head) or (without_json(head) if wanted == "lines of JSON" else "")
        is_sure = what != "XML" or wanted == "lines of JSON" or SURE.match(head) is not None
        if what in TEXTS and what != wanted and is_sure:
            detail = f"by its content this is {what}, not {wanted}. {TEXTS[what]}"
            size = feed.drain()[0]
            return iter([origin.reject("other_kind", detail, record=None, raw_bytes=size)]), {}
        stream = feed.rest()
    encoding, stream = utf8_stream(stream, source.encoding, source.script)
    meta = {} if encoding in ("utf-8", "") else {"encoding": encoding}
    return readable_lines(stream, origin, encoding), meta


def records_on_disk(
    content: Content, origin: Origin, read: Callable[[Path], Records], *, packed: bool = False
) -> Records:
    """What `read` makes of the file on disk; a reject if its bytes cannot be had as a whole.

    Of a broken file that is something else, the reject says what. packed: as in Content.on_disk.
    """
    with content.on_disk(packed=packed) as path:
        if isinstance(path, Damage):
            why = path.detail
            is_packed = path.reason != "not_compressed"
            detail = f"{why}; such a file cannot be read in part" if is_packed else why
            yield origin.reject(path.reason, detail, record=None, raw_bytes=path.raw_bytes)
            return
        for record in read(path):
            if isinstance(record, Reject) and record.id == origin.name:
                record = explained(record, path, origin)
            yield record


def explained(reject: Reject, path: Path, origin: Origin) -> Reject:
    """The reject of a whole file; of a broken one that is something else it says what."""
    if reject.reason not in BROKEN:
        return reject
    with path.open("rb") as file:
        what = any_kind(file.read(HEAD_BYTES))
    if not is_other(what, origin.name):
        return reject
    return replace(reject, reason="other_kind", detail=f"by its content this is {what}: rename it")


def is_other(what: str, name: str) -> bool:
    """Whether something is of another kind than a file of this name; False if it is not known."""
    suffix = PurePosixPath(name).suffix.lower()
    extension = suffix.lstrip(".")
    if not what or (extension in ZIPPED and what.endswith("zip archive")):
        return False
    if suffix in UNPACKED and what in COMPRESSED:
        return False
    return {extension, extension.removeprefix("x")}.isdisjoint(WORD.findall(what.lower()))


def unread(content: Content, kind: FileFormat, name: str) -> str:
    """The message about a file whose name says no format that is read: also what it is."""
    feed = Feed(content.packed)
    detail = unsupported(kind, name)
    what = any_kind(feed.peek(HEAD_BYTES))
    if kind.compression and what in COMPRESSED:
        if what != PACKED[kind.compression]:
            detail = f"by its content this is {what}; {detail}"
        stream = content.expansion.unpacked(feed.rest(), kind.compression)
        what = any_kind(Feed(stream).peek(HEAD_BYTES))
        name = PurePosixPath(name).stem
    elif kind.compression and what in TEXTS:
        packing = f"{PACKED[kind.compression]} ({PurePosixPath(name).suffix})"
        return f"by its content this is {what}, not {packing}. {TEXTS[what]}"
    if what in JSON:
        return f"by its content this is {what}. {TEXTS[what]}"
    if what != "plain text" and is_other(what, name):
        return f"by its content this is {what}; {detail}"
    return detail
