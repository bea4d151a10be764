"""Data sets of the hub as sources, fetched by the hub's own client from a hub of our own."""

import io
from collections.abc import Generator
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from fake_hub import COMMIT, Hub, running_hub
from huggingface_hub import constants
from text_samples import TATAR

from endonym.errors import MissingSource, SourceError
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import source_files
from endonym.formats.hub import hub_folder, is_on_hub, is_whole
from endonym.formats.reader import read_file

pytestmark = pytest.mark.filterwarnings("ignore:Use .content:DeprecationWarning")


def table(texts: list[str]) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(arrow.table({"text": texts}), buffer)
    return buffer.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Hub]:
    """A hub with one data set."""
    with running_hub() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        files = found.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        found.data["tugan/tel"] = {
            "README.md": b"# tel",
            "data/train-00000.parquet": table(TATAR),
            "data/test.jsonl": '{"text": "ក"}\n'.encode(),
            "script.py": b"print()",
            ".gitattributes": b"",
            "a/.b/c.txt": b"x",
        }
        yield found


def source(path: str = "hub:tugan/tel", **keys: str) -> Source:
    return Source.model_validate({"name": "tel", "path": path, **keys})


def texts(found: Source) -> list[str]:
    documents = (each for file in source_files(found, Path("/")) for each in read_file(found, file))
    return [each.text for each in documents if isinstance(each, Document)]


def test_a_data_set_is_read_and_only_what_can_be_read_is_fetched(hub: Hub):
    assert texts(source()) == ["ក", *TATAR]
    fetched = {each.rpartition("/")[2] for each in hub.asked if "/resolve/" in each}
    assert fetched == {"train-00000.parquet", "test.jsonl"}


def test_a_commit_needs_no_network_again(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    first = texts(source(revision=COMMIT))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    asked = len(hub.asked)
    assert texts(source(revision=COMMIT)) == first
    assert len(hub.asked) == asked
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        texts(source(revision="v1"))
    assert "its commit" in caught.value.do


def test_a_version_of_which_a_file_is_gone_is_fetched_again(hub: Hub):
    folder = hub_folder(source(revision=COMMIT))
    (folder / "data" / "test.jsonl").unlink()
    assert not is_whole(folder.parents[1], COMMIT)
    assert texts(source(revision=COMMIT)) == ["ក", *TATAR]


def test_a_changed_data_set_is_fetched_by_its_branch(hub: Hub):
    texts(source(revision="main"))
    assert any("/revision/main" in each for each in hub.asked)


NOT_THERE = [
    ("hub:tugan/yuk", "main", "no data set of this name"),
    ("hub:tugan/tel", "v9", "no version v9"),
    ("hub:tugan", "main", "no name of a data set"),
    ("hub:../../etc/passwd", "main", "no name of a data set"),
]


@pytest.mark.parametrize(("path", "revision", "message"), NOT_THERE)
def test_what_is_not_there_is_named(hub: Hub, path: str, revision: str, message: str):
    with pytest.raises(MissingSource, match=message) as caught:
        source_files(source(path, revision=revision), Path("/"))
    assert caught.value.where == path


def test_a_data_set_without_a_file_that_is_read_says_what_it_has(hub: Hub):
    hub.data["tugan/tel"] = {"script.py": b"", "data.bin": b""}
    with pytest.raises(MissingSource, match=r"data\.bin, script\.py"):
        source_files(source(), Path("/"))


def test_a_hub_that_is_ill_says_so(hub: Hub):
    hub.refuses["/api/datasets"] = 400
    with pytest.raises(SourceError, match="400"):
        source_files(source(), Path("/"))


def test_without_its_library_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.formats.hub.find_spec", lambda name: None)
    with pytest.raises(SourceError) as caught:
        hub_folder(source())
    assert 'pip install "endonym[hub]"' in caught.value.do


def test_names_say_what_is_on_the_hub():
    assert is_on_hub(source())
    assert not is_on_hub(source("hubs/a.txt"))
