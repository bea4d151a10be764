"""Data sets of the Hugging Face hub as folders of raw files: `path = "hub:owner/name"`.

The library of the hub keeps them in its own cache. What was chosen of a version is written beside
it, so that what is named by its commit and was fetched as a whole needs no network again. Token and
endpoint are read by the library from its own places.
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from endonym.disk import read_if_good, write_json
from endonym.errors import first_line
from endonym.formats.config import Source
from endonym.formats.cut import cut_name, cut_to
from endonym.formats.download import require_room
from endonym.formats.hub_choice import chosen, layout_of, up_to
from endonym.formats.io.formats import file_format
from endonym.formats.source_errors import source_error
from endonym.log import Log, counted, number, size
from endonym.store import fingerprint

PREFIX = "hub:"
NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
COMMIT = re.compile(r"[0-9a-f]{40}")
RECORD = "endonym-{commit}-{choice}.json"
"""Beside a version, the files of it that a source chooses, once all are there."""
STREAM_BYTES = 1 << 20
"""How much of a file that is cut is asked for at a time."""


def is_on_hub(source: Source) -> bool:
    """Whether a source is a data set of the hub."""
    return source.path.startswith(PREFIX)


Files = list[tuple[str, Path]]
"""Names in the data set, and paths here."""


def hub_files(source: Source, is_left_out: Callable[[str], bool], log: Log) -> Files:
    """The files of a data set that are chosen and can be read.

    They are fetched if need be. is_left_out: whether `exclude` names a file. Raises SourceError if
    it cannot be had, MissingSource if there is no such version, subset or split.
    """
    name = source.path.removeprefix(PREFIX)
    if not NAME.fullmatch(name) or ".." in name:
        raise source_error("no_name", source.path, source=source.name)
    if find_spec("huggingface_hub") is None:
        raise source_error("no_hub_library", source.path)
    with explained(source):
        return fetch(source, name, is_left_out, log)


def fetch(source: Source, name: str, is_left_out: Callable[[str], bool], log: Log) -> Files:
    """Fetch what is chosen of a data set into the cache of the hub's library."""
    from huggingface_hub import HfApi, HfFileSystem, constants, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    home = Path(constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
    keys = ("exclude", "subset", "split", "max_bytes", "format", "document", "column")
    choice = fingerprint([str(getattr(source, key)) for key in keys])[:12]
    is_commit = source.revision is not None and COMMIT.fullmatch(source.revision)
    if is_commit and (there := kept_files(home, str(source.revision), choice)):
        return there
    disable_progress_bars()
    info = HfApi(library_name="endonym").dataset_info(
        name, revision=source.revision, files_metadata=True
    )
    commit = str(info.sha)
    if there := kept_files(home, commit, choice):
        return there
    sizes = {each.rfilename: each.size or 0 for each in info.siblings or []}
    configs = info.card_data.get("configs") if info.card_data else None
    wanted = chosen(source, list(sizes), layout_of(configs), is_left_out)
    whole, cut = up_to(source, {each: sizes[each] for each in wanted})
    total = sum(sizes[each] for each in whole) + (cut[1] if cut else 0)
    require_room(home, source.path, total)
    n_files = f"{number(len(whole) + bool(cut))} of {counted(len(sizes), 'file')}"
    log.line(f"fetching {source.path}: {n_files}, {size(total)}")
    files: dict[str, str] = {}
    with log.progress("fetching", total) as advance:
        for each in whole:
            hf_hub_download(name, each, repo_type="dataset", revision=commit)
            files[each] = f"snapshots/{commit}/{each}"
            advance(sizes[each])
        if cut is not None:
            each, most = cut
            kept_as = cut_name(each)
            kind = file_format(each, source)
            files[kept_as] = f"endonym-cut/{commit}-{choice}/{kept_as}"
            url = f"datasets/{name}@{commit}/{each}"
            n_bytes = sizes[each]
            with HfFileSystem().open(url, size=n_bytes, block_size=STREAM_BYTES) as stream:
                cut_to(home / files[kept_as], stream, kind, most=most, n_bytes=n_bytes)
    write_json(home / RECORD.format(commit=commit, choice=choice), files)
    return [(each, home / path) for each, path in sorted(files.items())]


def kept_files(home: Path, commit: str, choice: str) -> Files:
    """What is chosen of a version, by name; nothing if a file of it is not there."""
    names = read_if_good(home / RECORD.format(commit=commit, choice=choice))
    files = sorted((name, home / str(path)) for name, path in names.items())
    return files if all(path.is_file() for _, path in files) else []


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
        why = first_line(error.__cause__ or error)
        raise source_error("no_network", source.path, why=why) from error
