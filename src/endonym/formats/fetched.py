"""Sources that lie in the network: an address, an archive of Leipzig, the dump of a Wikipedia.

Each is fetched once, into the folder `fetched` beside the recipe: it is a raw text like any other,
which no command removes. Its hash is noted there.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from endonym.disk import file_hash, locked, packaged_tables
from endonym.errors import printable
from endonym.formats.config import Source
from endonym.formats.download import download
from endonym.formats.source_errors import source_error
from endonym.log import Log
from endonym.store import read_if_whole, write_sealed

FETCHED = "fetched"
NOTES = ".fetched.json"
"""The folder beside the recipe, and in it names and hashes of what was fetched, by address."""
PLACES = packaged_tables("endonym.formats", "places.toml")
NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
HOST = re.compile(r"[^\s/\0]{1,200}")


def is_address(path: str) -> bool:
    """Whether the path of a source names what is fetched, from elsewhere than the hub."""
    return "://" in path or path.partition(":")[0] in PLACES


def is_fetched_folder(folder: Path) -> bool:
    """Whether what lies in a folder was fetched, and is read by its address."""
    return folder.name == FETCHED and (folder / NOTES).is_file()


def address(source: Source) -> str:
    """Where a source lies. Raises MissingSource for a name that cannot be one."""
    place, _, name = source.path.partition(":")
    if place in PLACES and NAME.fullmatch(name):
        name = PLACES[place].get("names", {}).get(name, name)
        return PLACES[place]["address"].format(name=name, code=name.replace("-", "_"))
    try:
        host = urlsplit(source.path).hostname or ""
    except ValueError:  # such as half a bracket of IPv6
        host = ""
    if place not in ("http", "https") or not HOST.fullmatch(host):
        raise source_error("no_place", source.path, source=source.name)
    return source.path


def fetched_file(source: Source, folder: Path, log: Log) -> Path:
    """The file of a source; it is fetched if it is not there. folder: of the recipe.

    Raises SourceError if it cannot be had, or is another one than `sha256` says; without that key
    than the one that was fetched before.
    """
    url = address(source)
    home = folder.absolute() / FETCHED
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    place = home / f"{urlsplit(url).hostname}-{digest}"
    note = _note(home, url)
    if not (place / note["name"]).is_file():
        place.mkdir(parents=True, exist_ok=True)
        told = f"waiting: another process fetches into {printable(home)}"
        with (
            (home / ".lock").open("a+", encoding="utf-8") as lock,
            locked(lock, lambda owner: log.line(told)),
        ):
            note = _note(home, url)  # Another process may have fetched it meanwhile.
            if not (place / note["name"]).is_file():
                part, name = download(url, place, source, log)
                found = {"name": name, "sha256": file_hash(part)}
                require_hash(source, found["sha256"], place, source.sha256 or note["sha256"])
                part.replace(place / name)
                (place / ".part.json").unlink()
                note = found
                write_sealed(home / NOTES, read_if_whole(home / NOTES) | {url: note})
    require_hash(source, note["sha256"], place, source.sha256)
    return place / note["name"]


def _note(home: Path, url: str) -> dict[str, str]:
    """Name and hash of what was fetched from an address; a name that no file has without it."""
    return read_if_whole(home / NOTES).get(url, {"name": ".none", "sha256": ""})


def require_hash(source: Source, found: str, path: Path, wanted: str | None) -> None:
    """Raise SourceError if a file, which lies at `path`, has another hash than is wanted."""
    if wanted and found != wanted:
        words = {"found": found, "wanted": wanted, "file": printable(path)}
        raise source_error("other_file", source.path, source=source.name, **words)
