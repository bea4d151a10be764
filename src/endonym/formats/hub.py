"""Data sets of the Hugging Face hub as folders of raw files: `path = "hub:owner/name"`.

The library of the hub keeps them in its own cache. What a version consists of is written beside it,
so that a version that is named by its commit and was fetched as a whole needs no network again.
Token and endpoint are read by the library from its own places.
"""

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from endonym.formats.config import Source
from endonym.formats.io.archives import is_hidden
from endonym.formats.io.formats import file_format
from endonym.formats.source_errors import source_error

PREFIX = "hub:"
NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
COMMIT = re.compile(r"[0-9a-f]{40}")
RECORD = "endonym-{commit}.json"
"""The list of the files of a version that was fetched as a whole."""


def is_on_hub(source: Source) -> bool:
    """Whether a source is a data set of the hub."""
    return source.path.startswith(PREFIX)


def hub_folder(source: Source) -> Path:
    """The folder with the files of a data set that can be read; they are fetched if need be.

    Raises SourceError if it cannot be had, MissingSource if there is no such version.
    """
    name = source.path.removeprefix(PREFIX)
    if not NAME.fullmatch(name) or ".." in name:
        raise source_error("no_name", source.path, source=source.name)
    if find_spec("huggingface_hub") is None:
        raise source_error("no_hub_library", source.path)
    with explained(source):
        return fetch(source, name)


def fetch(source: Source, name: str) -> Path:
    """Fetch a data set into the cache of the hub's library; returns its folder."""
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    home = Path(constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
    if source.revision and COMMIT.fullmatch(source.revision) and is_whole(home, source.revision):
        return home / "snapshots" / source.revision
    disable_progress_bars()
    info = HfApi(library_name="endonym").dataset_info(name, revision=source.revision)
    commit = str(info.sha)
    files = [each.rfilename for each in info.siblings or []]
    kinds = {each: file_format(each, source) for each in files if not is_hidden(each)}
    wanted = sorted(each for each, kind in kinds.items() if kind.format or kind.archive)
    if not wanted:
        names = ", ".join(files[:10])
        raise source_error("nothing_readable", source.path, source=source.name, files=names)
    if not is_whole(home, commit):
        for each in wanted:
            hf_hub_download(name, each, repo_type="dataset", revision=commit)
        record = json.dumps(wanted, ensure_ascii=False)
        (home / RECORD.format(commit=commit)).write_text(record, encoding="utf-8")
    return home / "snapshots" / commit


def is_whole(home: Path, commit: str) -> bool:
    """Whether all files of this version are there."""
    try:
        record = (home / RECORD.format(commit=commit)).read_text(encoding="utf-8")
        names: Any = json.loads(record)
    except (OSError, ValueError):
        return False
    return all((home / "snapshots" / commit / str(name)).is_file() for name in names)


@contextmanager
def explained(source: Source) -> Generator[None]:
    """Turn what the hub or the network refuses into an error of one line."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    # The HTTP library is httpx or httpx2, by the version of huggingface_hub.
    network = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        yield
    except GatedRepoError as error:
        raise source_error("gated", source.path) from error
    except RepositoryNotFoundError as error:
        raise source_error("no_data_set", source.path) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 404:
            wanted = source.revision or "main"
            raise source_error("no_version", source.path, revision=wanted) from error
        raise source_error("hub_answers", source.path, status=status) from error
    except (network, OSError, RuntimeError) as error:
        cause = error.__cause__ or error
        why = (str(cause) or repr(cause)).splitlines()[0][:200]
        raise source_error("no_network", source.path, why=why) from error
