"""Uploads an export to the Hugging Face hub. Only formats/hub.py, formats/download.py and
commands/harness.py use the network, too.

The library of the hub reads token and endpoint from its own places (`hf auth login`, HF_TOKEN,
HF_ENDPOINT).
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

from endonym.disk import own_file
from endonym.errors import ExportError, first_line
from endonym.export.record import AGAIN, EDITED, RECORD, content_of, record_of
from endonym.log import Log
from endonym.runs.find import planned, resolve_run, store_of
from endonym.store import Store


@dataclass(frozen=True, slots=True)
class Upload:
    """An export as it will be uploaded. left_out: files in its folder that are not part of it."""

    folder: Path
    sizes: dict[str, int]
    left_out: list[str]
    kind: Literal["model", "dataset"] = "model"


def find_upload(name: str, store: Store) -> Upload:
    """The export in a folder, or the only export of a run; every file was compared with its hash.

    Raises ExportError if it is none, Damaged if a file is not what was written, or is a link.
    """
    folder = Path(name)
    if not (folder / RECORD).is_file() and (run := resolve_run(store, name)) is not None:
        folder = _export_of(run, store)
    record = record_of(folder)
    names = [*record["files"], RECORD]
    # Files that people may edit are taken as they are.
    edited = [each for each in EDITED if (folder / each).exists() or (folder / each).is_symlink()]
    names += [own_file(folder, each, do=AGAIN).name for each in edited]
    if "README.md" not in names:
        do = "Export the model again: the hub shows this file."
        raise ExportError("there is no README.md", where=folder, do=do)
    others = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    } - {*names, "manifest.json"}
    sizes = {each: (folder / each).stat().st_size for each in sorted(names)}
    kind = "dataset" if content_of(record) == "corpus" else "model"
    return Upload(folder, sizes, sorted(others), kind)


def _export_of(run: Path, store: Store) -> Path:
    """The folder of a run's only export."""
    home = store_of(run, store)
    planned_folders = [
        home.folder("export", each["id"]) for each in planned(run) if each["stage"] == "export"
    ]
    made = [folder for folder in planned_folders if folder.is_dir()]
    if len(made) == 1:
        return made[0]
    message = "this run has no export yet"
    do = "Make one: endonym export MODEL"
    if made:
        message = f"this run has {len(made)} finished exports"
        do = f"Name one by its folder: {', '.join(map(str, made))}"
    raise ExportError(message, where=run, do=do)


def publish(
    upload: Upload, repository: str, *, is_public: bool, is_update: bool, log: Log
) -> dict[str, Any]:
    """Create a repository of its kind and upload the export in one commit; its URL and commit.

    is_update: the repository may exist, and keeps being private or public as it is. Raises
    ExportError for a missing token, and for whatever the hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars

    with explained_hub_errors(repository):
        if get_token() is None:
            raise ExportError(
                "there is no token of the hub here",
                where="publish",
                do="Make one that may write at https://huggingface.co/settings/tokens, then: "
                "hf auth login",
            )
        if log.quiet or not sys.stderr.isatty():
            disable_progress_bars()
        hub = HfApi(library_name="endonym")
        kind = upload.kind
        hub.create_repo(repository, private=not is_public, exist_ok=is_update, repo_type=kind)
        added = [CommitOperationAdd(name, upload.folder / name) for name in upload.sizes]
        made = hub.create_commit(
            repository, added, commit_message="Export of endonym", repo_type=kind
        )
    return {"url": str(made.repo_url), "commit": made.oid}


def require_hub() -> None:
    """Raise ExportError if the hub's library is not installed."""
    if find_spec("huggingface_hub") is None:
        what = "the hub's library, huggingface_hub, is not installed"
        do = 'Install it: pip install "endonym[hub]"'
        raise ExportError(what, where="publish", do=do)


def require_name(repository: str) -> None:
    """Raise ExportError if this is no name of a repository."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repository)
        if not all(repository.split("/")) or repository.count("/") != 1:
            raise HFValidationError(repository)
    except HFValidationError as error:
        do = "Write --to OWNER/NAME; names have letters, digits, '-', '_' and '.'."
        raise ExportError("this is no name of a repository", where=repository, do=do) from error


@contextmanager
def explained_hub_errors(repository: str) -> Generator[None]:
    """Turn what the hub or the network refuses into an ExportError of one line."""
    from huggingface_hub.errors import HfHubHTTPError

    # The HTTP library is httpx or httpx2, by the version of huggingface_hub.
    network = cast(type[Exception], HfHubHTTPError.__bases__[0])
    of_others = "Take a name of your own, or a token that may write."
    taken = "Take another name, or add a commit to it with --update."
    refusals = {
        401: ("the hub does not know this token", "Log in again: hf auth login"),
        403: ("this token may not write here", of_others),
        409: ("there is a repository of this name already", taken),
    }
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        answer = (error.server_message or f"the hub answers {status}").splitlines()[0]
        message, do = refusals.get(status, (answer, "Try again later: --update goes on."))
        raise ExportError(message, where=repository, do=do) from error
    except (network, OSError, RuntimeError) as error:
        cause = error.__cause__ or error
        if isinstance(error, RuntimeError) and not isinstance(cause, (network, OSError)):
            raise
        do = "Check the network and try again; if the repository was made, add --update."
        message = f"the hub cannot be reached: {first_line(cause)}"
        raise ExportError(message, where=repository, do=do) from error
