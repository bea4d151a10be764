"""A corpus as a data set, opened by the library `datasets`."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from text_samples import KHMER, TATAR, files, numbered, write

from endonym.copies.held_out.split import SIDES
from endonym.corpus.corpus import Corpus, make_corpus
from endonym.export import dataset
from endonym.export.dataset import COLUMNS, SCHEMA, write_dataset
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    records = [
        json.dumps({"text": text, "id": n, "title": f"Хикәя {n}", "license": "CC0-1.0"})
        for n, text in enumerate(numbered(200))
    ]
    write(tmp_path, "stories.jsonl", records)
    write(tmp_path, "lines.txt", numbered(300, 1_000))
    sources = [
        Source(name="stories", path=str(tmp_path / "stories.jsonl")),
        Source(name="lines", path=str(tmp_path / "lines.txt"), document="line"),
    ]
    pairs = [(source, files(source)) for source in sources]
    make_corpus(pairs, Clean(), Split(seed=7), out=tmp_path / "corpus")
    return Corpus(tmp_path / "corpus")


LOAD = """
import json, sys
from datasets import load_dataset
texts = load_dataset(sys.argv[1], cache_dir=sys.argv[2])
print(json.dumps({side: {"columns": texts[side].column_names, "rows": list(texts[side])}
                  for side in texts}, ensure_ascii=False))
"""


def load(folder: Path, cache: Path) -> dict[str, Any]:
    """What the library reads; in a process of its own, as it works at import."""
    said = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), str(cache)],
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"},
    )
    assert said.returncode == 0, said.stderr[-2000:]
    return json.loads(said.stdout.splitlines()[-1])


def test_the_library_reads_every_document_with_its_provenance(
    corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    names = write_dataset(corpus, out, {"lines": "CC-BY-4.0"})
    assert names == [f"data/{side}-00000.parquet" for side in SIDES]
    found = load(out, tmp_path / "cache")
    # Without a card the library calls dev validation.
    sides = {"validation": "dev", "train": "train", "test": "test"}
    for side, split in found.items():
        documents = list(corpus.documents(sides[side]))
        assert split["columns"] == SCHEMA.names == list(COLUMNS)
        assert [row["text"] for row in split["rows"]] == [each.text for each in documents]
        assert [row["id"] for row in split["rows"]] == [each.id for each in documents]
        assert [row["block"] for row in split["rows"]] == [each.block for each in documents]
    rows = [row for split in found.values() for row in split["rows"]]
    story = next(row for row in rows if row["source"] == "stories")
    assert story["title"] == f"Хикәя {story['record_id']}"
    assert (story["license"], story["method"], story["url"]) == ("CC0-1.0", "jsonl", None)
    line = next(row for row in rows if row["source"] == "lines")
    assert (line["license"], line["title"], line["meta"]) == ("CC-BY-4.0", None, None)


def test_notes_that_have_no_column_of_their_own_are_kept() -> None:
    document = Document(KHMER[0], "a.pdf#3", "km", {"shelf": "7", "title": "ទឹក"})
    own = replace(document, meta={"license": "CC0-1.0"})
    ((row, licensed),) = dataset.row_batches(iter([document, own]), {"km": "CC-BY-4.0"})
    assert json.loads(row["meta"]) == {"shelf": "7"}
    assert (row["title"], row["license"]) == ("ទឹក", "CC-BY-4.0")
    assert licensed["license"] == "CC0-1.0"
    ((row,),) = dataset.row_batches(iter([document]), {})
    assert row["license"] is None


def test_a_full_file_is_followed_by_the_next(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "BATCH_BYTES", 2_000)
    monkeypatch.setattr(dataset, "FILE_BYTES", 9_000)
    names = write_dataset(corpus, tmp_path / "out", {})
    train = [name for name in names if "train" in name]
    assert len(train) > 2
    texts = [
        text
        for name in train
        for text in parquet.read_table(tmp_path / "out" / name)["text"].to_pylist()
    ]
    assert texts == [each.text for each in corpus.documents("train")]
    assert TATAR[0] not in texts
