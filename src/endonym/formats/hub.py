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

from endonym.errors import MissingSource, SourceError
from endonym.formats.config import Source
from endonym.formats.io.formats import file_format

PREFIX = "hub:"
NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
COMMIT = re.compile(r"[0-9a-f]{40}")


def is_on_hub(source: Source) -> bool:
    """Whether a source is a data set of the hub."""
    return source.path.startswith(PREFIX)


def hub_folder(source: Source) -> Path:
    """The folder with the files of a data set that can be read; they are fetched if need be.

    Raises SourceError if it cannot be had, MissingSource if there is no such version.
    """
    name = source.path.removeprefix(PREFIX)
    if not NAME.fullmatch(name) or ".." in name:
        raise MissingSource(
            f'source "{source.name}": this is no name of a data set',
            where=source.path,
            do='Write path = "hub:OWNER/NAME", as in its address.',
        )
    if find_spec("huggingface_hub") is None:
        raise SourceError(
            "the hub's library, huggingface_hub, is not installed",
            where=source.path,
            do='Install it: pip install "endonym[hub]"',
        )
    with explained(source):
        return fetched(source, name)


def fetched(source: Source, name: str) -> Path:
    """The folder of a data set in the cache of the hub's library."""
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    home = Path(constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
    if source.revision and COMMIT.fullmatch(source.revision) and is_whole(home, source.revision):
        return home / "snapshots" / source.revision
    disable_progress_bars()
    found = HfApi(library_name="endonym").dataset_info(name, revision=source.revision)
    commit, files = str(found.sha), [each.rfilename for each in found.siblings or []]
    wanted = sorted(each for each in files if is_read(each, source))
    if not wanted:
        raise MissingSource(
            f'source "{source.name}": no file of this data set can be read; it has: '
            + ", ".join(files[:10]),
            where=source.path,
            do="Take another data set, or save this one as parquet first.",
        )
    if not is_whole(home, commit):
        for each in wanted:
            hf_hub_download(name, each, repo_type="dataset", revision=commit)
        record_of(home, commit).write_text(json.dumps(wanted, ensure_ascii=False), encoding="utf-8")
    return home / "snapshots" / commit


def is_read(name: str, source: Source) -> bool:
    """Whether a file of a data set has a format that is read, or is an archive."""
    kind = file_format(name, source)
    is_hidden = any(part.startswith(".") for part in name.split("/"))
    return not is_hidden and bool(kind.format or kind.archive)


def record_of(home: Path, commit: str) -> Path:
    """The list of the files of a version that was fetched as a whole."""
    return home / f"endonym-{commit}.json"


def is_whole(home: Path, commit: str) -> bool:
    """Whether all files of this version are there."""
    try:
        names: Any = json.loads(record_of(home, commit).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((home / "snapshots" / commit / str(name)).is_file() for name in names)


@contextmanager
def explained(source: Source) -> Generator[None]:
    """Turn what the hub or the network refuses into an error of one line."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    # The HTTP library is httpx or httpx2, by the version of huggingface_hub.
    network = cast(type[Exception], HfHubHTTPError.__bases__[0])
    version = source.revision or "main"
    try:
        yield
    except GatedRepoError as error:
        raise SourceError(
            "the authors of this data set let in only whom they know",
            where=source.path,
            do="Ask for access on its page, then log in: hf auth login",
        ) from error
    except RepositoryNotFoundError as error:
        raise MissingSource(
            "the hub has no data set of this name, or it is private",
            where=source.path,
            do="Correct `path`; for a private one, log in: hf auth login",
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        message = f"the hub has no version {version} of it" if status == 404 else ""
        raise MissingSource(
            message or f"the hub answers {status}",
            where=source.path,
            do="Correct `revision`." if message else "Try again later.",
        ) from error
    except (network, OSError, RuntimeError) as error:
        cause = error.__cause__ or error
        said = (str(cause) or repr(cause)).splitlines()[0][:200]
        raise SourceError(
            f"the hub cannot be reached: {said}",
            where=source.path,
            do="Check the network. A version that was fetched once is read without it, if "
            "`revision` is its commit.",
        ) from error
