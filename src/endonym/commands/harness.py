"""`endonym evaluate --harness`: lm-evaluation-harness on the transformers folder of a model."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from endonym import device
from endonym.commands.export import export_model, new_folder
from endonym.commands.load import find_artifact
from endonym.commands.scoring import Shown, in_json, named
from endonym.data.conversation_files import has_records
from endonym.errors import RecipeError, printable, quoted
from endonym.evaluate import harness
from endonym.export.config import Export
from endonym.log import Log, folded
from endonym.pipeline.evaluation import read_task
from endonym.pipeline.evaluation_texts import overlaps
from endonym.store import Artifact, Store

EXPORT = Export(format="huggingface")
REACH_SECONDS = 5.0
NO_HUB = {"HF_HUB_OFFLINE": "1"}
"""With this its libraries take what they have kept of the hub, and try nothing else."""
OFFLINE = (
    "The hub of Hugging Face cannot be reached from here. If the task has its data there, try "
    "again where there is a network: what was fetched once is kept."
)
AGAIN = (
    "others run it so: cd {folder} && lm_eval run --model hf --model_args pretrained=MODEL "
    "--include_path . --tasks {tasks}"
)


def score_harness(
    name: str,
    tasks: Sequence[str],
    *,
    store: Store,
    log: Log,
    device_name: str,
    adapter: str | None = None,
    kept: Path | None = None,
) -> Shown:
    """The figures that lm-evaluation-harness computes of a model.

    tasks: names of its tasks, also several between commas, and files of items, which are written as
    its tasks. kept: a new folder in which these stay. Raises EndonymError if the harness is not
    installed or fails, RecipeError for a name that is none of its tasks.
    """
    harness.require_harness()
    asked = [each for given in tasks for each in _parts(given)]
    if not asked:
        do = "Give names of its tasks, or files of items: --harness NAME,NAME"
        raise RecipeError("no task is named", where="--harness", do=do)
    files = [Path(each) for each in asked if has_records(Path(each))]
    for path in files:
        if not path.is_file():
            raise RecipeError("no such file", where=path, do="Check its path.")
    if kept is not None and not files:
        message = "no file of items is given"
        do = "Give one as well: --harness FILE"
        raise RecipeError(message, where=f"--task-files {kept}", do=do)
    read = {file: read_task(path, file, log) for file, path in named(files).items()}
    names = [each for each in asked if not has_records(Path(each))]
    is_offline = bool(names) and not reaches_hub()
    with task_folder(kept) as folder, exported(name, store, log, adapter) as model:
        ours = [harness.write_task(file, items, folder) for file, items in read.items()]
        start = harness.document_start(model, store.opened)
        version, results = harness.run_harness(
            harness.ToRun(str(model.absolute()), [*ours, *names], str(folder), device_name, start),
            device.with_threads(device.threads()) | ({} if names and not is_offline else NO_HUB),
            log.line,
            offline=OFFLINE if is_offline else "",
        )
    if kept is not None:
        log.line(AGAIN.format(folder=quoted(kept), tasks=quoted(",".join(ours))))
    texts = {file: [each.right for each in items] for file, items in read.items()}
    found = overlaps(texts, find_artifact(name, store), log, adapter=adapter, what="item")
    said = [f"{file}: {told}" for file, each in found.items() for told in each.sentences("item")]
    rows = [each._asdict() for each in results]
    keys = {"harness": {"name": harness.NAME, "version": version, "results": rows}}
    shown = [f"{harness.NAME} {version}", harness.table(results), *map(folded, said)]
    return keys | in_json(found), "\n".join(shown)


def _parts(given: str) -> list[str]:
    """The names in what is given for --harness: a file, or several names between commas."""
    parts = [given] if Path(given).is_file() else given.split(",")
    return [each.strip() for each in parts if each.strip()]


def reaches_hub() -> bool:
    """Whether the hub answers. Its own libraries ask for minutes where nothing does."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=REACH_SECONDS).close()
    except HTTPError:
        return True
    except (OSError, HTTPException, ValueError):  # also what answers in no HTTP, or is no address
        return False
    return True


@contextmanager
def task_folder(kept: Path | None) -> Generator[Path]:
    """A folder for task files, which is removed, or stays as `kept`."""
    with TemporaryDirectory() as temporary, new_folder(kept or Path(temporary, "tasks")) as folder:
        folder.mkdir(parents=True)
        yield folder


@contextmanager
def exported(name: str, store: Store, log: Log, adapter: str | None) -> Generator[Path]:
    """The folder of a model for transformers: itself, an export of its store, or one for now."""
    made = find_artifact(name, store)
    is_folder = (made is None or made.stage == "export") and (Path(name) / "config.json").is_file()
    if is_folder and adapter is None:
        yield Path(name)
    elif made is not None and adapter is None and (there := export_of(made)) is not None:
        yield there
    else:
        with TemporaryDirectory() as temporary:
            out = Path(temporary, "model")
            log.line(f"exporting {printable(name)} for {harness.NAME}")
            export_model(name, EXPORT, out, store=store, log=log, adapter=adapter)
            yield out


def export_of(model: Artifact) -> Path | None:
    """The folder for transformers that a run has exported a model to, if one has."""
    exports = (each for each in Store.of(model.folder).artifacts() if each.stage == "export")
    for each in exports:
        of_model = each.manifest["inputs"].get("model") == model.manifest["id"]
        if of_model and each.manifest["config"]["export"]["format"] == EXPORT.format:
            return each.verify().folder
    return None
