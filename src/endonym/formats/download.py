"""Fetches one file by HTTP into a folder, by as many tries as it takes: whole, or not at all.

It grows there as `.part`; `.part.json` says what it is a part of. A file of which the server says
by a tag or a date that it is still the same goes on where it broke off.
"""

import errno
import http.client
import ipaddress
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import (
    BaseHandler,
    OpenerDirector,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)  # fmt: skip

import regex

from endonym.disk import free_bytes
from endonym.errors import first_line, printable
from endonym.formats.config import Source
from endonym.formats.io.formats import file_format
from endonym.formats.io.kinds import kind
from endonym.formats.source_errors import source_error
from endonym.log import Log, duration, size
from endonym.store import read_if_whole, write_sealed

AGENT = "endonym/0.1 (makes language models; asks for each file once)"
STALL_SECONDS = 30.0
"""A server that sends nothing for so long is asked again."""
WAITS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each further try, while none of them brings anything."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What a server answers that may answer otherwise a little later."""
REFUSALS = {401: "no_entry", 403: "no_entry", 404: "no_file_there", 410: "no_file_there"}
"""The errors of what a server answers for good; of all else it is "no_answer"."""
CHUNK_BYTES = 1 << 18
HEAD_BYTES = 1 << 16
LONGEST_NAME = 150
IN_ADDRESSES = "%/:=&?~#+!$,;'@()*[]"
UNSAFE = regex.compile(r"[^\p{L}\p{M}\p{N}_.+@-]+|^\.+")
TITLE = regex.compile(rb"(?i)<title[^>]{0,200}>\s*([^<]{1,100})")


class Broken(Exception):
    """A connection or a server failed in a way that a further try may mend."""


def download(url: str, folder: Path, source: Source, log: Log) -> tuple[Path, str]:
    """Fetch what lies at an address; returns where it is whole, and the name to give to it.

    Raises SourceError for what no further try mends. A name that cannot be reached at all is not
    tried again unless a part of the file is there.
    """
    part = folder / ".part"
    failures = 0
    most = _size(part)
    folder.mkdir(parents=True, exist_ok=True)
    opener = build_opener(PublicOnly(url))
    while True:
        try:
            return part, _one_try(url, part, source, opener=opener, log=log)
        except Broken as error:
            cause = error.__cause__
            after = _size(part)
            failures = 1 if after > most else failures + 1
            most = max(most, after)  # A server that can't resume would break off for ever.
            is_unreached = isinstance(cause, URLError) and not isinstance(cause, HTTPError)
            if failures > len(WAITS) or (is_unreached and not after):
                raise source_error("broken_off", url, why=error) from error
            log.line(f"{printable(error)}; trying again in {duration(WAITS[failures - 1])}")
            time.sleep(WAITS[failures - 1])
        except OSError as error:
            why = error.strerror or error
            if error.errno == errno.ENOSPC:  # A stream without an end must not leave the disk full.
                part.unlink(missing_ok=True)
            raise source_error("not_written", folder, why=why) from error


def _one_try(url: str, part: Path, source: Source, *, opener: OpenerDirector, log: Log) -> str:
    """Fetch what is missing of `.part`; returns its name. Raises Broken if that remains a part."""
    notes = part.with_name(".part.json")
    known = read_if_whole(notes)
    have = _size(part) if known.get("validator") else 0
    if have and have == known["total"]:
        return known["name"]
    with _answer(url, have, known, opener) as answer:
        is_rest = answer.status == 206
        length = answer.headers.get("Content-Length", "")
        have = have if is_rest else 0
        total = have + int(length) if length.isdecimal() else None
        begins_there = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if is_rest and (not begins_there or known.get("total") not in (None, total)):
            part.unlink(missing_ok=True)
            raise Broken("the server sent another part than the one that was asked for")
        if not have:
            part.unlink(missing_ok=True)  # Never may the notes be of another file.
            known = {"name": _name(url, answer, source), "validator": _validator(answer)}
            write_sealed(notes, known | {"total": total})
        require_room(part.parent, url, (total or 0) - have)
        rest = f", of which {size(have)} are here" if have else ""
        log.line(f"fetching {printable(url)}: {size(total) if total else 'of unknown size'}{rest}")
        bar = log.progress("fetching", total or 0, known["name"], done=have)
        with part.open("ab" if have else "wb") as file, bar as advance:
            for chunk in _chunks(answer):
                file.write(chunk)
                advance(len(chunk))
    if total == 0:
        raise source_error("no_answer", url, status="the file there is empty: 0 bytes")
    if not _size(part):
        raise Broken("the server sent nothing")
    if total is not None and _size(part) != total:
        raise Broken(f"the connection ended after {size(_size(part))} of {size(total)}")
    _refuse_page(url, part, known["name"], source)
    return known["name"]


def _answer(url: str, have: int, known: dict[str, Any], opener: OpenerDirector) -> HTTPResponse:
    """The server's answer to the request for the file, or for what follows its first bytes."""
    heads = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if have:
        heads |= {"Range": f"bytes={have}-", "If-Range": known["validator"]}
    try:
        request = Request(quote(url, safe=IN_ADDRESSES), headers=heads)
        return opener.open(request, timeout=STALL_SECONDS)
    except HTTPError as error:
        error.close()
        status = f"the server answers {error.code} {error.reason}"
        if error.code == 416 and have:  # The file is another one now, and shorter.
            return _answer(url, 0, known, opener)
        if error.code in BUSY:
            raise Broken(status) from error
        name = REFUSALS.get(error.code, "no_answer")
        raise source_error(name, printable(url), status=printable(status)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Broken(f"the server cannot be reached: {_why(error)}") from error


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    """The body as it comes. Raises Broken when it stops."""
    while True:
        try:
            chunk = answer.read1(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"the connection broke: {_why(error)}") from error
        if not chunk:
            return
        yield chunk


def _why(error: Exception) -> str:
    """The network's words for an error, in one line."""
    reason = getattr(error, "reason", error)
    is_late = isinstance(reason, TimeoutError)
    return f"nothing came for {STALL_SECONDS:g} s" if is_late else first_line(reason)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _validator(answer: HTTPResponse) -> str:
    """What the server knows this version of the file by; empty if it could be any version."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _name(url: str, answer: HTTPResponse, source: Source) -> str:
    """A safe name for the file whose end says a kind that is read. Raises SourceError without."""
    in_address = unquote(urlsplit(url).path).rpartition("/")[2]
    in_head = (answer.headers.get_filename() or "").replace("\\", "/").rpartition("/")[2]
    names = [UNSAFE.sub("_", each) for each in (in_address, in_head) if each]
    names = [each.encode()[-LONGEST_NAME:].decode(errors="ignore") for each in names]
    if answer.headers.get("Content-Encoding") == "gzip":  # though it was asked not to
        names = [f"{each.removesuffix('.gz')}.gz" for each in names]
    for name in names:
        kinds = file_format(name, source)
        if kinds.format or kinds.archive:
            return name
    if answer.headers.get_content_type() == "text/html":
        raise source_error("web_page", url, title="")
    raise source_error("unknown_name", url, file=names[0] if names else "")


def _refuse_page(url: str, part: Path, name: str, source: Source) -> None:
    """Raise SourceError for a web page in the place of a file, such as one that says no."""
    with part.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if kind(head) != "an HTML page" or file_format(name, source).format == "html":
        return
    part.unlink()
    title = TITLE.search(head)
    words = "" if title is None else f', "{" ".join(title[1].decode("utf-8", "replace").split())}"'
    raise source_error("web_page", url, title=printable(words))


def require_room(folder: Path, url: str, n_bytes: int) -> None:
    """Raise SourceError if the disk of a folder has less room than what is to be fetched."""
    if n_bytes > (free := free_bytes(folder)):
        words = {"wanted": size(n_bytes), "free": size(free), "folder": printable(folder)}
        raise source_error("no_space", url, **words)


class PublicOnly(BaseHandler):
    """Lets redirects lead to public addresses alone, or to those of the address that was given.

    Else a server could send this machine to others that only it can reach.
    """

    def __init__(self, url: str) -> None:
        self.given = url

    def http_request(self, request: Request) -> Request:
        """The request as it is. Raises SourceError if it must not be made."""
        parts = urlsplit(request.full_url)
        # A proxy, which asks for us, has its own rules.
        is_by_proxy = parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
        if not is_by_proxy and (parts.scheme == "ftp" or not self.may_lead_to(request.full_url)):
            target = printable(request.full_url)
            raise source_error("no_redirect", self.given, target=target)
        return request

    https_request = ftp_request = http_request

    def may_lead_to(self, url: str) -> bool:
        """Whether an address is public, or one of the server that was given."""
        if urlsplit(url).netloc == urlsplit(self.given).netloc:
            return True
        found = addresses(url)
        return all(map(is_public, found)) or found <= addresses(self.given)


def addresses(url: str) -> set[str]:
    """The network addresses of the server in an address. Raises URLError without any."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise URLError(error) from error
    return {str(each[4][0]) for each in found}


def is_public(address: str) -> bool:
    """Whether anybody can reach this address, and not only this machine or its neighbours."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_global and not ip.is_multicast
