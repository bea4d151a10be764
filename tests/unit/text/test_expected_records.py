"""EXPECTED.md, continued: JSON records that are broken on purpose, and copies."""

import json
from pathlib import Path

from broken_files import ALL, FOLDER, NEEDED
from text_samples import files, reasons, records, refused

from endonym.text.clean.normalize import normalizer
from endonym.text.config import Clean, Source, Split
from endonym.text.corpus import Corpus, make_corpus
from endonym.text.document import Document
from endonym.text.split import SIDES

pytestmark = NEEDED
ALLOWED_IDS = ["a1", "a2", "a10", "a11", "a16", "a21", "a22", "a23", "last", "nan"]


def test_bad_json_records_are_dropped_one_by_one_with_reason_and_line():
    found = records(FOLDER / "bad_records.jsonl")
    normalized = normalizer(Clean(normalize=ALL))
    documents = [each for each in found if isinstance(each, Document) and normalized(each.text)]
    ids = [each.meta.get("id", "") for each in documents]
    assert {"a1", "a2", "a10", "a22", "a23", "last"} <= set(ids)
    assert set(ids) <= {*ALLOWED_IDS, "1" + "0" * 199}
    assert len({each.id for each in documents}) == len(documents)
    assert all("line " in refusal.detail for refusal in refused(found))
    assert reasons(found) == {
        "no_text_field": 2,
        "text_not_string": 3,
        "bad_json": 6,
        "not_object": 4,
    }


def test_halves_of_characters_are_dropped_and_pairs_are_joined():
    found = records(FOLDER / "lone_surrogates.jsonl")
    documents = [each for each in found if isinstance(each, Document)]
    assert [each.meta["id"] for each in documents] == ["s1", "s5", "s6"]
    assert "\U0001f600" in documents[1].text
    assert reasons(found) == {"lone_surrogates": 3}


def test_json_without_end_is_refused_and_its_neighbours_kept():
    found = records(FOLDER / "deep_line.jsonl")
    assert [each.meta["id"] for each in found if isinstance(each, Document)] == ["d1", "d3"]
    assert reasons(found) == {"too_deep": 1}
    assert reasons(records(FOLDER / "deep.json")) == {"unsupported_format": 1}
    (refusal,) = records(FOLDER / "deep.json", format="jsonl")
    assert "too deep" in refusal.detail


def test_exact_copies_are_dropped_and_near_ones_stand_on_one_side(tmp_path: Path):
    path = FOLDER / "near_duplicates.jsonl"
    source = Source(name="near", path=str(path))
    make_corpus(
        [(source, files(source))],
        Clean(dedup=("exact",)),
        Split(val_share=0.3),
        seed=1,
        out=tmp_path,
        advance=lambda raw_bytes: None,
    )
    corpus = Corpus(tmp_path)
    assert corpus.card["total"]["dropped"]["exact"]["records"] == 10
    groups = {
        f"{path.name}#{number}": json.loads(line)["group"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    }
    documents = {side: list(corpus.documents(side)) for side in SIDES}
    train, dev, test = ({groups[each.id] for each in documents[side]} - {None} for side in SIDES)
    assert not train & dev
    assert not train & test
    assert not dev & test
    assert all(len(documents[side]) >= 2 for side in SIDES)
