"""A corpus as a data set, opened by the library `datasets`."""

import json
import re
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
from endonym.export.card import Card
from endonym.export.dataset import SCHEMA, readme, size_category, write_dataset
from endonym.export.markdown import hub_license
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


def test_the_library_reads_every_document_with_its_provenance(corpus: Corpus, tmp_path: Path):
    out = tmp_path / "out"
    names = write_dataset(corpus, out, {"lines": "CC-BY-4.0"})
    assert names == [f"data/{side}-00000.parquet" for side in SIDES]
    found = load(out, tmp_path / "cache")
    # Without a card the library calls dev validation.
    sides = {"validation": "dev", "train": "train", "test": "test"}
    for side, split in found.items():
        documents = list(corpus.documents(sides[side]))
        assert split["columns"] == SCHEMA.names
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
    document = Document(KHMER[0], "a.pdf#3", "km", {"shelf": "ធ្នើ", "title": "ទឹក"})
    own = replace(document, meta={"license": "CC0-1.0"})
    ((row, licensed),) = dataset.row_batches(iter([document, own]), {"km": "CC-BY-4.0"})
    assert row["meta"] == '{"shelf": "ធ្នើ"}'
    assert (row["title"], row["license"]) == ("ទឹក", "CC-BY-4.0")
    assert licensed["license"] == "CC0-1.0"
    ((row,),) = dataset.row_batches(iter([document]), {})
    assert row["license"] is None


def test_a_full_file_has_a_next(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dataset, "BATCH_BYTES", 2_000)
    monkeypatch.setattr(dataset, "FILE_BYTES", 9_000)
    names = write_dataset(corpus, tmp_path / "out", {})
    train = [name for name in names if "train" in name]
    assert len(train) > 2
    tables = [parquet.read_table(tmp_path / "out" / name) for name in train]
    texts = [text for table in tables for text in table["text"].to_pylist()]
    assert texts == [each.text for each in corpus.documents("train")]
    assert TATAR[0] not in texts


LICENSES = [
    (["CC-BY-SA-4.0", "CC-BY-SA-4.0"], ("cc-by-sa-4.0", "CC-BY-SA-4.0")),
    (["ODbL-1.0"], ("odbl", "ODbL-1.0")),
    (["GPL-3.0-or-later"], ("gpl-3.0", "GPL-3.0-or-later")),
    (["GPL-2.0-only"], ("gpl-2.0", "GPL-2.0-only")),
    (["with the author's leave"], ("other", "with the author's leave")),
    (["CC0-1.0", "CC-BY-4.0"], None),
    (["CC0-1.0", None], None),
    ([None], None),
    ([], None),
]


@pytest.mark.parametrize(("said", "found"), LICENSES)
def test_one_license_of_all_is_the_model_s(said: list[str | None], found: tuple[str, str] | None):
    assert hub_license(said) == found


FEW = {"documents": 30, "bytes": 0, "text_bytes": 3_000, "chars": 1_600}
KEPT = {
    "train": {"documents": 900, "bytes": 0, "text_bytes": 90_000, "chars": 50_000},
    **{"dev": FEW, "test": FEW},
}
DROPPED = {"min_chars": {"records": 30, "bytes": 1}, "exact": {"records": 10, "bytes": 1}}
TOTAL = {"kept": KEPT, "read": {"records": 1_000, "bytes": 1}, "dropped": DROPPED}
CARD: dict[str, Any] = {
    "sources": {"тел": {"kept": KEPT}, "ил": {"kept": KEPT}},
    "total": {**TOTAL, "changed_documents": 77},
    "overlap": 0.0123,
    "covered": 0.034,
    "warnings": ["тел: 3 documents hold U+FFFD"],
}


CLEAN = {"normalize": ["nfc"], "min_chars": 20, "dedup": ["exact"], "max_unreadable": 1}


def card(language: str = "tt", corpus: dict[str, Any] = CARD, clean: Any = CLEAN) -> str:
    return readme(corpus, clean, Card("tatar", language, {"тел": "CC-BY-SA-4.0"}))


HEAD = (
    'language:\n- "tt"\nlicense:\n- cc-by-sa-4.0\n- unknown\npretty_name: "tatar"\n'
    "size_categories:\n- n<1K\ntask_categories:\n- text-generation\ntags:\n- endonym\n"
)
FILES = "".join(f"  - split: {n}\n    path: data/{n}-*.parquet\n" for n in ("train", "dev", "test"))


def test_the_head_says_what_the_hub_reads() -> None:
    configs = f"configs:\n- config_name: default\n  data_files:\n{FILES}"
    assert card().split("---\n")[1] == HEAD + configs


def test_sources_what_was_dropped_and_limits_are_told() -> None:
    text = card()
    assert "960 documents, 53,200 characters, 96.0 kB of UTF-8" in text
    assert "| тел | 900 | 30 | 30 | 96.0 kB | CC-BY-SA-4.0 |" in text
    assert "| ил | 900 | 30 | 30 | 96.0 kB | not stated |" in text
    assert "1,000 records were read. Normalization (nfc) changed 77 of them." in text
    assert "* `min_chars = 20`" in text
    assert "| `min_chars`: too short | 30 | 3.00% |\n| `exact`: copies | 10 | 1.00% |" in text
    assert "3.4 % of the letters of `dev` and `test` stand in `train`" in text
    assert "13 letters" not in text, "one measure of contamination is enough"
    assert "* тел: 3 documents hold U+FFFD" in text
    assert "No license is stated for: ил." in text


def test_sources_that_no_person_wrote_are_told() -> None:
    def said(synthetic: tuple[str, ...] | None) -> list[str]:
        text = readme(corpus, CLEAN, Card("tatar", "tt", synthetic=synthetic))
        return [line for line in text.splitlines() if "a program or a model" in line]

    kept = {name: each["kept"] for name, each in CARD["sources"].items()}
    other = {side: {**each, "text_bytes": 0} for side, each in kept["ил"].items()}
    other["test"]["text_bytes"] = 32_000
    sources = {"тел": {"kept": kept["тел"]}, "ил": {"kept": other}}
    total = {**CARD["total"], "kept": {"test": {**other["test"], "text_bytes": 128_000}}}
    corpus = CARD | {"sources": sources, "total": total}
    wrote = "of the text was written by a program or a model (sources"
    assert said(("ил",)) == [f"* 25.0 % {wrote} ил)."]
    assert said(("ил", "үзгә", "тел")) == [f"* 100.0 % {wrote} ил, тел)."]
    assert said(("үзгә",)) == said(()) == []
    assert said(None) == [
        "* Whether a program or a model wrote some of the text is not known here."
    ]


def test_every_column_is_told_in_order() -> None:
    columns = card().partition("## Columns")[2].partition("##")[0].strip().splitlines()
    assert [line.split("`")[1] for line in columns] == SCHEMA.names


def test_a_language_without_a_code_is_not_told_to_the_hub() -> None:
    assert "language:" not in card(language="x-mixed").split("---\n")[1]


@pytest.mark.parametrize(
    ("documents", "name"),
    [(7, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**7, "10M<n<100M")],
)
def test_sizes_have_the_names_of_the_hub(documents: int, name: str) -> None:
    assert size_category(documents) == name


def test_only_keys_that_were_set_are_shown_and_no_local_paths() -> None:
    clean = Clean(
        min_chars=20,
        language="tt",
        min_language_score=0.6,
        contrast=("/home/alsu/күршеләр/ba.txt", "kk*.txt"),
        decontaminate=tuple(f"/home/alsu/сораулар\x1b{n}.jsonl" for n in range(9)),
    )
    text = card(clean=clean.model_dump())
    rules = [line for line in text.splitlines() if re.match(r"\* `\w+ = ", line)]
    assert rules == [
        "* `language = tt`",
        "* `contrast = ba.txt, kk*.txt`",
        "* `min_language_score = 0.6`",
        "* `min_chars = 20`",
        "* `decontaminate = "
        + r"сораулар\x1b0.jsonl, сораулар\x1b1.jsonl, сораулар\x1b2.jsonl, сораул…`",
    ]
    assert "alsu" not in text


def test_neighbours_that_were_divided_by_moving_near_copies_are_told() -> None:
    text = " ".join(card().split())
    assert "to `dev`." in text
    assert "neighbours are divided" not in text
    moved = card(corpus=CARD | {"total": CARD["total"] | {"near_copies_moved": 3}})
    assert "to `dev`: 3 documents, so that some neighbours are divided." in " ".join(moved.split())
    assert "but for near copies that were moved" in moved
    assert "are in one split, and" not in moved
