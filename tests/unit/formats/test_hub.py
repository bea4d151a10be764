"""Data sets of the hub as sources, fetched by the hub's own client from a hub of our own."""

import gzip
import hashlib
import io
import json
import lzma
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from fake_hub import COMMIT, Hub, running_hub
from huggingface_hub import constants
from text_samples import KHMER, TATAR

from endonym.errors import MissingSource, SourceError
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import source_files
from endonym.formats.hub import is_on_hub
from endonym.formats.reader import read_file

pytestmark = pytest.mark.filterwarnings("ignore:Use .content:DeprecationWarning")


def table(texts: list[str], **options: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(arrow.table({"text": texts}), buffer, **options)
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


def source(path: str = "hub:tugan/tel", **keys: Any) -> Source:
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
    first, *_ = source_files(source(revision=COMMIT), Path("/"))
    assert first.name == "data/test.jsonl"
    first.path.unlink()
    assert texts(source(revision=COMMIT)) == ["ក", *TATAR]


LANGUAGES = {
    "README.md": b"",
    "tt/train-0.jsonl.gz": gzip.compress("\n".join(f'{{"text": "{t}"}}' for t in TATAR).encode()),
    "tt/test-0.jsonl": '{"text": "Сынау."}\n'.encode(),
    "km/train-0.parquet": table(KHMER),
    "km/old/train-1.parquet": table(KHMER),
}
CONFIGS = [
    {"config_name": "tt", "data_files": [
        {"split": "train", "path": ["tt/train-*"]}, {"split": "test", "path": "tt/test-*"}]},
    {"config_name": "km", "data_files": "km/*.parquet"},
    {"config_name": ["odd"], "data_files": [7, None, {"split": {}}]}, "odd",
]  # fmt: skip
TT, TEST, KM, OLD = (
    "tt/train-0.jsonl.gz",
    "tt/test-0.jsonl",
    "km/train-0.parquet",
    "km/old/train-1.parquet",
)
CHOICES: list[tuple[dict[str, str], list[str], list[str]]] = [
    ({"subset": "tt"}, [TEST, TT], [TEST, TT]),
    ({"subset": "tt", "split": "train"}, [TT], [TT]),
    ({"subset": "km"}, [KM], [OLD, KM]),
    ({"subset": "*", "split": "test"}, [TEST], [TEST]),
    ({"subset": "*", "exclude": ["tt"]}, [KM], [OLD, KM]),
]


@pytest.mark.parametrize("is_said", [True, False])
@pytest.mark.parametrize(("keys", "said", "unsaid"), CHOICES)
def test_a_subset_and_a_split_are_taken_by_the_readme_or_by_names(
    hub: Hub, keys: dict[str, Any], said: list[str], unsaid: list[str], is_said: bool
):
    hub.data["tugan/tel"], hub.configs = LANGUAGES, CONFIGS if is_said else []
    found = source_files(source(**keys), Path("/"))
    assert [each.name for each in found] == (said if is_said else unsaid)
    fetched = {each.partition(f"/{COMMIT}/")[2] for each in hub.asked if "/resolve/" in each}
    assert fetched == {each.name for each in found}
    # Another choice from the same version is not that of the first.
    assert [each.name for each in source_files(source(subset="tt", split="test"), Path("/"))] == [
        TEST
    ]


WRONG_CHOICES = [
    ({}, "subsets, such as languages: .*km, tt"),
    ({"subset": "ba"}, "no subset ba; there are: .*km, tt"),
    ({"subset": "tt", "split": "dev"}, "no split dev; there are: test, train"),
    ({"subset": "km", "max_bytes": 9, "exclude": ["*.parquet"]}, "no file .* can be read"),
]


@pytest.mark.parametrize(("keys", "message"), WRONG_CHOICES)
def test_a_choice_that_is_none_says_what_there_is(hub: Hub, keys: dict[str, Any], message: str):
    hub.data["tugan/tel"], hub.configs = LANGUAGES, CONFIGS
    with pytest.raises(SourceError, match=message):
        source_files(source(**keys), Path("/"))
    assert not any("/resolve/" in each for each in hub.asked)


MANY = [f"{hashlib.sha256(b'%d' % n).hexdigest()} {each}" for n, each in enumerate(TATAR * 1_500)]
LINES = "".join(json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in MANY).encode()
LARGE = {
    "a.json.gz": gzip.compress(LINES, 1), "a.txt": "\n".join(MANY).encode(),
    "a.jsonl.zst": zstandard.compress(LINES), "a.parquet": table(MANY, row_group_size=1_000),
    "a.csv.xz": lzma.compress(("text\n" + "\n".join(f'"{each}"' for each in MANY)).encode()),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_a_cap_cuts_the_last_file_behind_a_whole_record(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr("endonym.formats.hub.STREAM_BYTES", 1 << 14)
    monkeypatch.setattr("endonym.formats.cut.PIECE_BYTES", 1 << 14)
    first = '{"text": "Беренче."}\n'.encode()
    hub.data["tugan/tel"] = {"0.jsonl": first, name: LARGE[name], "b.jsonl": first}
    capped = source(max_bytes=len(first) + len(LARGE[name]) // 3, revision=COMMIT)
    document = {"document": "line"} if name == "a.txt" else {}
    found = [
        each
        for file in source_files(capped, Path("/"))
        for each in read_file(
            capped.model_copy(update=document if "0." not in file.name else {}), file
        )
    ]
    assert not [each for each in found if not isinstance(each, Document)]
    kept = [each.text for each in found if isinstance(each, Document)]
    assert kept[0] == "Беренче."
    assert kept[1:] == MANY[: len(kept) - 1]
    assert len(MANY) / 5 < len(kept) < len(MANY) / 2.5
    assert hub.sent < len(LARGE[name]) / 2
    # What was cut is kept, too.
    asked = len(hub.asked)
    source_files(capped, Path("/"))
    assert len(hub.asked) == asked


def test_a_cap_below_the_first_file_that_cannot_be_cut_is_an_error(hub: Hub):
    hub.data["tugan/tel"] = {"a.zip": bytes(1_000)}
    with pytest.raises(SourceError, match=r"a\.zip, has 1\.0 kB, more than .* \(10 B\)"):
        source_files(source(max_bytes=10), Path("/"))


def test_what_chooses_from_the_hub_means_nothing_elsewhere():
    with pytest.raises(ValueError, match="split chooses from a data set of the hub"):
        source("texts/", split="train")


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
        source_files(source(), Path("/"))
    assert 'pip install "endonym[hub]"' in caught.value.do


def test_names_say_what_is_on_the_hub():
    assert is_on_hub(source())
    assert not is_on_hub(source("hubs/a.txt"))
