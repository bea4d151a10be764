"""Files that are of another kind than their names say: the reject names what they are."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content
from endonym.formats.io.formats import COMPRESSIONS, FileFormat, unsupported
from endonym.formats.io.kinds import any_kind, kind, without_json
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Damage, Feed, Stream, unpacked

Records = Iterator[Document | Reject]

HEAD_BYTES = 1 << 16
ZIPPED = ("epub", "docx", "odt")
"""Documents that are zip archives, of which a damaged one may show no more."""
PACKED = {
    "gzip": "a gzip file",
    "zstd": "a zstd file",
    "bzip2": "a bzip2 file",
    "xz": "an xz file",
}
COMPRESSED = tuple(PACKED.values())
UNPACKED = (".warc", ".wet", ".arc", ".xml", *COMPRESSIONS)
"""Dumps may be compressed, and are so before they are parsed."""
TEXTS = {
    "an HTML page": "Rename it to .html",
    "XML": "Make lines of JSON from it, or plain text",
    "a JSON array": "Write each of its objects on a line of its own, such as: jq -c '.[]'",
    "a JSON object": "Make lines of JSON from what it holds, or plain text",
    "lines of JSON": "Rename it to .jsonl",
    "a web archive (WARC)": "Rename it to .warc",
    "a web archive (ARC)": "Rename it to .arc",
    "plain text": "Rename it to .txt",
    "a table with tabs (TSV)": "Rename it to .tsv",
    "a table (CSV)": "Rename it to .csv",
}
"""Texts that are taken for others, and what to do."""
JSON = ("a JSON array", "a JSON object", "lines of JSON")
WORD = re.compile(r"\w+")
SURE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|mediawiki|svg)\b")
BROKEN = ("damaged", "truncated")


def checked(stream: Stream, origin: Origin, wanted: str) -> tuple[Stream, Reject | None]:
    """The whole stream; or a reject if this text is of another kind than the wanted one.

    wanted: in words. Marks as of XML, without its first line, are in plain text and in tables, too:
    a corpus may part its documents so.
    """
    feed = Feed(stream)
    head = feed.peek(HEAD_BYTES)
    what = kind(head) or (without_json(head) if wanted == "lines of JSON" else "")
    is_sure = what != "XML" or wanted == "lines of JSON" or SURE.match(head) is not None
    if what not in TEXTS or what == wanted or not is_sure:
        return feed.rest(), None
    detail = f"by its content this is {what}, not {wanted}. {TEXTS[what]}"
    size = feed.drain()[0]
    return iter(()), origin.reject("other_kind", detail, record=None, raw_bytes=size)


def told(records: Records, path: Path, origin: Origin) -> Records:
    """The same records; of a broken file that is something else, the reject says what."""
    for record in records:
        if isinstance(record, Reject) and record.id == origin.name and record.reason in BROKEN:
            with path.open("rb") as file:
                what = any_kind(file.read(HEAD_BYTES))
            if is_other(what, origin.name):
                detail = f"by its content this is {what}: rename it"
                record = replace(record, reason="other_kind", detail=detail)
        yield record


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
    feed, detail = Feed(content.packed), unsupported(kind, name)
    what = any_kind(feed.peek(HEAD_BYTES))
    if kind.compression and what in COMPRESSED:
        if what != PACKED[kind.compression]:
            detail = f"by its content this is {what}; {detail}"
        stream = content.expansion.bounded(unpacked(feed.rest(), kind.compression))
        what, name = any_kind(Feed(stream).peek(HEAD_BYTES)), PurePosixPath(name).stem
    elif kind.compression and what in TEXTS:
        packing = f"{PACKED[kind.compression]} ({PurePosixPath(name).suffix})"
        return f"by its content this is {what}, not {packing}. {TEXTS[what]}"
    if what in JSON:
        return f"by its content this is {what}. {TEXTS[what]}"
    if what != "plain text" and is_other(what, name):
        return f"by its content this is {what}; {detail}"
    return detail


def head_of(content: Content) -> bytes:
    """The first bytes of a file, of which nothing else is read then."""
    return Feed(content.packed).peek(HEAD_BYTES)


def unusable(damage: Damage, origin: Origin) -> Reject:
    """The reject of a file that is not to be had as a whole, which its reader needs."""
    detail = damage.detail
    if damage.reason != "not_compressed":
        detail += "; such a file cannot be read in part"
    return origin.reject(damage.reason, detail, record=None, raw_bytes=damage.raw_bytes)
