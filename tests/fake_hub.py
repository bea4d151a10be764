"""A Hugging Face hub on loopback: what its client needs to make a repository and commit to it."""

import base64
import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

import yaml
from fake_web import Silent, served

TOKEN = "hf_" + "x" * 34
LARGE = (".safetensors", ".gguf")


@dataclass
class Hub:
    """What was uploaded. refuses: a path's beginning -> the status that it answers."""

    url: str = ""
    private: dict[str, bool] = field(default_factory=dict[str, bool])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    stored: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[str] = field(default_factory=list[str])
    refuses: dict[str, int] = field(default_factory=dict[str, int])
    data: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    """Data sets: their names, and the files of each."""
    configs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What the READMEs of the data sets say of their subsets."""
    sent: int = 0
    """Bytes of files of data sets that were sent."""


@contextmanager
def running_hub() -> Generator[Hub]:
    """A hub that runs until the end of the block."""
    hub = Hub()

    class Handler(Silent):
        def do_POST(self) -> None:
            answer(self, hub)

        do_PUT = do_POST

        def do_GET(self) -> None:
            if not send_data(self, hub):
                answer(self, hub)

        do_HEAD = do_GET

    with served(Handler) as hub.url:
        yield hub


COMMIT = "c0ffee" * 6 + "c0de"


def send_data(request: BaseHTTPRequestHandler, hub: Hub) -> bool:
    """Answer what asks for a data set or a file of one; False if it asks for something else."""
    path = request.path.partition("?")[0]
    name = next((each for each in hub.data if f"/datasets/{each}" in path), "")
    if not path.startswith(("/api/datasets/", "/datasets/")):
        return False
    hub.asked.append(f"{request.command} {path}")
    status, body, heads = (
        404,
        b'{"error": "Repository not found"}',
        {"X-Error-Code": "RepoNotFound"},
    )
    _, _, version = path.partition("/revision/")
    if name and "/resolve/" in path:
        version, _, file = unquote(path.partition("/resolve/")[2]).partition("/")
        found = hub.data[name].get(file)
        status, body = (404, b"") if found is None else (200, found)
        tag = hashlib.sha256(body).hexdigest()
        heads = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
        if status == 200 and (span := request.headers.get("Range", "")[6:].split("-")) != [""]:
            start, end = int(span[0]), int(span[1] or len(body) - 1)
            heads["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
            status, body = 206, body[start : end + 1]
        hub.sent += len(body) if request.command == "GET" else 0
    elif name and "/tree/" in path:
        above = unquote(path.partition("/tree/")[2]).partition("/")[2]
        found = [
            {"type": "file", "path": each, "size": len(data), "oid": "0"}
            for each, data in hub.data[name].items()
            if each.rpartition("/")[0] == above
        ]
        status, body, heads = 200, json.dumps(found).encode(), {}
    elif name and version in ("", "main", "v1", COMMIT):
        files = [
            {"rfilename": each, "size": len(data)} for each, data in sorted(hub.data[name].items())
        ]
        found = {"id": name, "sha": COMMIT, "siblings": files, "private": False, "tags": []}
        found["cardData"] = {"configs": hub.configs}
        status, body, heads = 200, json.dumps(found).encode(), {}
    elif name:
        body, heads = b'{"error": "no such revision"}', {"X-Error-Code": "RevisionNotFound"}
    status = next((code for start, code in hub.refuses.items() if path.startswith(start)), status)
    request.send_response(status)
    for head, value in (heads | {"Content-Length": str(len(body))}).items():
        request.send_header(head, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
    return True


def answer(request: BaseHTTPRequestHandler, hub: Hub) -> None:
    """One answer, with the status that `refuses` or the token asks for."""
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    path = request.path
    hub.asked.append(f"{request.command} {path}")
    status = next((code for start, code in hub.refuses.items() if path.startswith(start)), 200)
    if request.headers.get("Authorization") != f"Bearer {TOKEN}" and "/objects/" not in path:
        status = 401
    found: Any = {"error": f"refused with {status}"}
    if status == 200:
        status, found = respond(path, body, hub)
    data = json.dumps(found).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def respond(path: str, body: bytes, hub: Hub) -> tuple[int, Any]:
    """Status and content of an answer, in the hub's forms."""
    if path.startswith("/objects/"):
        oid = path.removeprefix("/objects/")
        assert hashlib.sha256(body).hexdigest() == oid
        hub.stored[oid] = body
        return 200, {}
    if path.endswith("/commit/main"):
        name = path.removesuffix("/commit/main").removeprefix("/api/")
        return commit(name.removeprefix("models/"), body, hub)
    given = json.loads(body)
    if path == "/api/repos/create":
        name = f"{given['organization']}/{given['name']}"
        kind = "datasets/" if given.get("type") == "dataset" else ""
        is_there, url = name in hub.private, f"{hub.url}/{kind}{name}"
        if not is_there:
            hub.private[name] = given.get("private") or given.get("visibility") == "private"
        return 409 if is_there else 200, {"url": url, "name": name, "error": "exists"}
    if path == "/api/validate-yaml":
        head = given["content"].split("---\n")[1]
        is_good = isinstance(yaml.safe_load(head), dict)
        return 200 if is_good else 400, {"errors": [], "warnings": []}
    if path.endswith("/preupload/main"):
        names = [each["path"] for each in given["files"]]
        modes = {name: "lfs" if name.endswith(LARGE) else "regular" for name in names}
        each = [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes.items()]
        return 200, {"files": each}
    if path.endswith("/objects/batch"):
        wanted = [
            {**each, "actions": {"upload": {"href": f"{hub.url}/objects/{each['oid']}"}}}
            for each in given["objects"]
        ]
        return 200, {"transfer": "basic", "objects": wanted}
    return 404, {"error": f"no {path}"}


def commit(name: str, body: bytes, hub: Hub) -> tuple[int, Any]:
    """Keep the files of a commit, given line by line. name: of a data set, it begins datasets/."""
    for line in map(json.loads, body.splitlines()):
        value = line["value"]
        if line["key"] == "file":
            hub.files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            hub.files[value["path"]] = hub.stored[value["oid"]]
    return 200, {"success": True, "commitUrl": f"{hub.url}/{name}/commit/abc", "commitOid": "abc"}
