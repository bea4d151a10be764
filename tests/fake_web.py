"""A server of files on loopback, with the faults that servers have."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


@dataclass
class Web:
    """Its files by path, and what it answers first, by path: each fault once.

    A fault is the status, other heads, how many bytes are sent, or how long it waits after them.
    has_tags: whether a file has an ETag. can_resume: whether parts can be asked for.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    faults: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    has_tags: bool = True
    can_resume: bool = True


@contextmanager
def running_web() -> Generator[Web]:
    """A server that runs until the end of the block."""
    web = Web()

    class Handler(Silent):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, web)

    with served(Handler) as web.url:
        yield web


class Silent(BaseHTTPRequestHandler):
    """A handler that writes nothing to the terminal."""

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(
    handler: type[BaseHTTPRequestHandler],
    kind: type[ThreadingHTTPServer] = ThreadingHTTPServer,
) -> Generator[str]:
    """The address on loopback at which a handler answers until the end of the block.

    kind: of server; its threads are daemons.
    """
    server = kind(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, web: Web) -> None:
    """One answer: the file or the rest of it, spoilt by the next fault of its path."""
    path = unquote(request.path)
    rest = request.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
    web.asked.append((path, rest))
    body, fault = web.files.get(path), next(iter(web.faults.get(path, [])), {})
    web.faults[path] = web.faults.get(path, [])[1:]
    status, heads = 200 if body is not None else 404, {"Content-Type": "application/octet-stream"}
    body = body or b""
    tag = f'"{hash(body)}"'
    if web.has_tags:
        heads["ETag"] = tag
    is_same = request.headers.get("If-Range") == tag
    if rest and web.can_resume and is_same and status == 200:
        start, whole = int(rest), len(body)
        status, body = (206, body[start:]) if start < whole else (416, b"")
        heads["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
    heads |= {"Content-Length": str(len(body))} | fault.get("heads", {})
    request.close_connection = True
    request.send_response(fault.get("status", status))
    for head, value in heads.items():
        request.send_header(head, value)
    request.end_headers()
    request.wfile.write(body[: fault.get("sends", len(body))])
    request.wfile.flush()
    time.sleep(fault.get("waits", 0))
