"""Exports on the hub: what is uploaded there, and what is refused, by the hub's own client."""

import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import TOKEN, Hub, running_hub
from huggingface_hub import ModelCard, constants

from endonym.commands.export import export_model
from endonym.export.config import Export
from endonym.export.record import EDITED, RECORD
from endonym.log import Log
from endonym.store import Store

Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.filterwarnings("ignore:Use .content:DeprecationWarning")
"""Of the HTTP library, about its caller."""

Say = Callable[..., Any]


@pytest.fixture
def hub(monkeypatch: Patch, tmp_path: Path) -> Generator[Hub]:
    """A hub of our own, which the client is told of as by HF_ENDPOINT."""
    with running_hub() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield found


@pytest.fixture(scope="module")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    given = {"store": Store(finished / "store"), "log": Log(quiet=True)}
    export_model("kechkena", Export(format="huggingface"), out, **given)
    return out


@pytest.fixture
def export(exported: Path, tmp_path: Path) -> Path:
    """A copy of the export that may be changed."""
    return Path(shutil.copytree(exported, tmp_path / "out"))


def test_an_export_is_uploaded_whole_and_privately(command: Say, hub: Hub, export: Path) -> None:
    (export / "notes.txt").write_text("Язмалар", encoding="utf-8")
    (export / "drafts").mkdir()
    (export / "drafts" / "old.txt").write_text("Иске язмалар", encoding="utf-8")
    said = command("publish", export, "--to", "tugan/tel", "--yes")
    assert said.code == 0, said.err
    assert said.out.strip() == f"{hub.url}/tugan/tel"
    assert hub.private == {"tugan/tel": True}
    others = ("notes.txt", "drafts")
    names = sorted(path.name for path in export.iterdir() if path.name not in others)
    assert sorted(hub.files) == names
    for name in names:
        assert hub.files[name] == (export / name).read_bytes()
    assert "POST /api/validate-yaml" in hub.asked
    assert ModelCard(hub.files["README.md"].decode()).data.language == ["tt"]
    assert "notes.txt is not part of the export" in said.err
    assert "drafts/old.txt is not part of the export" in said.err
    assert "to tugan/tel (private): 7 files" in said.err


def test_a_data_set_is_uploaded_as_one(command: Say, hub: Hub, finished: Path, tmp_path: Path):
    out, store = tmp_path / "texts", finished / "store"
    said = command("export", "kechkena", "--to", "dataset", "--out", out, "--store", store)
    assert said.code == 0, said.err
    assert f'datasets.load_dataset("{out}")' in said.err
    said = command("publish", out, "--to", "tugan/tel", "--yes")
    assert said.code == 0, said.err
    assert said.out.strip() == f"{hub.url}/datasets/tugan/tel"
    assert "not part of the export" not in said.err
    assert any("/api/datasets/tugan/tel/commit/main" in each for each in hub.asked)
    assert set(hub.files) == {
        "README.md",
        "export.json",
        *(f"data/{side}-00000.parquet" for side in ("train", "dev", "test")),
    }


def test_a_run_means_its_only_export(command: Say, hub: Hub, finished: Path) -> None:
    args = ["publish", "kechkena", "--to", "tugan/tel", "--public", "--yes", "--json"]
    data = command(*args, "--store", finished / "store").json()
    assert hub.private == {"tugan/tel": False}
    assert data["url"] == f"{hub.url}/tugan/tel"
    assert {each["path"] for each in data["files"]} == set(hub.files)
    assert "manifest.json" not in hub.files


def test_only_a_yes_uploads(command: Say, hub: Hub, export: Path, monkeypatch: Patch):
    said = command("publish", export, "--to", "tugan/tel")
    assert said.code == 2
    assert "--yes" in said.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert command("publish", export, "--to", "tugan/tel").code == 130
    assert hub.asked == []


def test_a_name_that_is_taken_needs_update(command: Say, hub: Hub, export: Path) -> None:
    args = ["publish", export, "--to", "tugan/tel", "--yes"]
    assert command(*args).code == 0
    hub.files.clear()
    said = command(*args)
    assert said.code == 1
    assert "there is a repository of this name already\nTake another name, or" in said.err
    assert not hub.files
    assert command(*args, "--public", "--update").code == 0
    assert hub.files
    assert hub.private == {"tugan/tel": True}, "it stays as it was"


HUB_ANSWERS = [
    ("/api/repos/create", 403, "this token may not write here\nTake a name of your own"),
    ("/api/models/tugan/tel/commit", 400, "refused with 400\nTry again later"),
    ("/api/models/tugan/tel/preupload", 401, "the hub does not know this token\nLog in again"),
]


@pytest.mark.parametrize(("path", "status", "message"), HUB_ANSWERS)
def test_what_the_hub_refuses_is_one_line(
    command: Say, hub: Hub, export: Path, path: str, status: int, message: str
) -> None:
    hub.refuses[path] = status
    error = command("publish", export, "--to", "tugan/tel", "--yes", "--json").json()["error"]
    assert error["kind"] == "ExportError"
    assert f"{error['message']}\n{error['do']}".startswith(message)
    assert error["where"] == "tugan/tel"


def test_without_a_token_nothing_is_asked(command: Say, hub: Hub, export: Path, monkeypatch: Patch):
    monkeypatch.delenv("HF_TOKEN")
    said = command("publish", export, "--to", "tugan/tel", "--yes")
    assert (said.code, hub.asked) == (1, [])
    assert "there is no token of the hub here" in said.err
    assert "hf auth login" in said.err


def test_a_missing_network_is_one_line(command: Say, hub: Hub, export: Path, monkeypatch: Patch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    said = command("publish", export, "--to", "tugan/tel", "--yes")
    assert said.code == 1
    assert "the hub cannot be reached" in said.err
    assert "Traceback" not in said.err


def test_a_name_that_is_none_is_refused(command: Say, hub: Hub, export: Path) -> None:
    for name in ("tel", "tugan/tel/x", "тел/мин", "a//b", "/tel", "tugan/"):
        said = command("publish", export, "--to", name, "--yes")
        assert said.code == 1
        assert "this is no name of a repository" in said.err
    assert hub.asked == []


def test_a_changed_byte_is_not_uploaded(command: Say, hub: Hub, export: Path) -> None:
    path = export / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    said = command("publish", export, "--to", "tugan/tel", "--yes")
    assert said.code == 1
    assert "model.safetensors is not what was written" in said.err
    assert hub.asked == []


@pytest.mark.parametrize("name", ["README.md", "Modelfile", "model.safetensors", RECORD])
@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_links_are_not_uploaded(
    command: Say, hub: Hub, export: Path, tmp_path: Path, name: str, leads: str
) -> None:
    if leads == "nowhere" and name not in EDITED:
        return
    other = tmp_path / "other"
    (export / name).rename(other) if (export / name).is_file() else other.write_text("key")
    if leads == "nowhere":
        other.unlink()
    (export / name).symlink_to(other)
    said = command("publish", export, "--to", "tugan/tel", "--yes", "--json")
    assert said.json()["error"]["kind"] == "Damaged"
    assert f"{name} is a link" in said.json()["error"]["message"]
    assert hub.asked == []


def test_links_beside_an_export_are_told(command: Say, hub: Hub, export: Path, tmp_path: Path):
    (tmp_path / "дәфтәр").mkdir()
    (tmp_path / "дәфтәр" / "серләр.txt").write_text("Серләр", encoding="utf-8")
    (export / "notes").symlink_to(tmp_path / "дәфтәр")
    (export / "old").symlink_to(tmp_path / "юк")
    said = command("publish", export, "--to", "tugan/tel", "--yes")
    assert said.code == 0, said.err
    assert not {"notes", "notes/серләр.txt", "old"} & {*hub.files}
    assert "notes is not part of the export" in said.err
    assert "old is not part of the export" in said.err


def test_only_an_export_with_readme_uploads(command: Say, hub: Hub, export: Path, tmp_path: Path):
    assert f"no {RECORD} here" in command("publish", tmp_path, "--to", "a/b", "--yes").err
    (export / "README.md").unlink()
    assert "there is no README.md" in command("publish", export, "--to", "a/b", "--yes").err


def test_a_missing_library_is_named(command: Say, export: Path, monkeypatch: Patch):
    monkeypatch.setattr("endonym.commands.publish.find_spec", lambda name: None)
    said = command("publish", export, "--to", "tugan/tel", "--yes")
    assert said.code == 1
    assert 'pip install "endonym[hub]"' in said.err
