"""Files of probes: which fields are read, how examples are divided, and what is refused."""

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from text_samples import FRENCH, ROMANIAN, TATAR

from endonym.errors import SourceError
from endonym.evaluate.config import split_files
from endonym.evaluate.probe_file import Example, Probe, read_probe

TOPICS = [
    {"text": text, "label": label, "split": split}
    for split in ("train", "dev", "test")
    for label, text in (("һава торышы", TATAR[0]), ("ризык", TATAR[1] + split))
]


def written(path: Path, records: list[Any]) -> Path:
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in records) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines, encoding="utf-8")
    return path


def many(count: int, **more: Any) -> list[dict[str, Any]]:
    """Texts of two topics."""
    return [
        {"text": f"{TATAR[n % 6]} {n}", "label": "сәфәр" if n % 3 else "ризык", **more}
        for n in range(count)
    ]


def sizes(probe: Probe) -> list[int]:
    return [len(probe.parts[split]) for split in ("train", "dev", "test")]


def test_records_say_their_split_in_any_form_that_is_usual(tmp_path: Path) -> None:
    named = [
        {**each, "split": {"dev": "Validation"}.get(each["split"], each["split"])}
        for each in TOPICS
    ]
    for name in ("a.jsonl", "a.jsonl.gz"):
        probe = read_probe(written(tmp_path / name, named))
        assert sizes(probe) == [2, 2, 2]
        assert probe.parts["dev"][0] == Example((TATAR[0],), "һава торышы", "dev")
        assert not probe.is_similarity
    table = tmp_path / "a.tsv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerows([["split", "sentence1", "sentence2", "score"]])
        for split in ("train", "dev", "test"):
            writer.writerows([[split, *ROMANIAN[:2], "1.5"], [split, ROMANIAN[0], split, "5"]])
    probe = read_probe(table)
    assert probe.is_similarity
    assert probe.parts["train"][0].answer == 1.5
    assert probe.texts == [*ROMANIAN[:2], "train", "dev", "test"]


def test_files_beside_that_of_train_are_its_other_splits(tmp_path: Path) -> None:
    train = written(tmp_path / "sts_train.jsonl", many(30))
    assert split_files(train) == [("", train)]
    dev = written(tmp_path / "sts_dev.jsonl", many(10))
    probe = read_probe(train)
    assert sum(sizes(probe)) == 40
    assert len(probe.parts["test"]) == 10, "the dev file judges, as there is no other"
    assert "no test split" in " ".join(probe.notes)
    test = written(tmp_path / "sts_test.jsonl", many(20))
    assert split_files(train) == [("train", train), ("dev", dev), ("test", test)]
    assert sizes(read_probe(train)) == [30, 10, 20]
    assert "20 of the 20 test examples" in " ".join(read_probe(train).warnings)


def test_what_no_record_has_is_drawn_by_the_texts_alone(tmp_path: Path) -> None:
    records = many(400)
    probe = read_probe(written(tmp_path / "a.jsonl", records))
    train, dev, test = sizes(probe)
    assert 60 <= test <= 100
    assert 25 <= dev <= 55
    assert train + dev + test == 400
    split_of = {each.texts: split for split, part in probe.parts.items() for each in part}
    again = read_probe(written(tmp_path / "a.jsonl", records[::-1] + many(500)[400:]))
    for split, part in again.parts.items():
        assert all(split_of.get(each.texts, split) == split for each in part)
    assert not probe.warnings, "equal texts are in one split"


def test_only_records_in_the_language_of_the_model_are_read(tmp_path: Path) -> None:
    both = [{**each, "lang": "tt"} for each in TOPICS]
    both += [{**each, "lang": "fra_Latn", "text": FRENCH[0]} for each in TOPICS]
    path = written(tmp_path / "a.jsonl", both)
    assert {each.language for each in read_probe(path, "tt").parts["train"]} == {"tt"}
    assert {each.language for each in read_probe(path, "fr").parts["train"]} == {"fra_Latn"}
    assert "6 records in other languages are not read: fra_Latn 6" in read_probe(path, "tt").notes
    for language in ("", "ro"):
        with pytest.raises(SourceError, match="its records are in tt and fra_Latn") as refused:
            read_probe(path, language)
        assert "--language" in str(refused.value)


def test_a_language_is_the_same_in_each_spelling_and_may_be_left_empty(tmp_path: Path) -> None:
    spelled = [*many(100, lang="ron_Latn"), *many(100, lang="ro"), *many(100, lang=" ")]
    probe = read_probe(written(tmp_path / "a.jsonl", spelled), "ro")
    assert sum(sizes(probe)) == 300
    assert "languages" not in " ".join(probe.notes)
    path = written(tmp_path / "b.jsonl", [*many(100, lang=""), *spelled, *many(20, lang="fr")])
    assert "20 records in other languages are not read: fr 20" in read_probe(path, "ro").notes
    nameless = written(tmp_path / "c.jsonl", [*many(100), *spelled])
    assert sum(sizes(read_probe(nameless))) == 400, "one language alone is named"
    assert sum(sizes(read_probe(written(tmp_path / "d.jsonl", many(100, lang="")), "ro"))) == 100


def test_a_class_is_one_as_a_whole_number_as_a_fraction_and_as_text(tmp_path: Path) -> None:
    labels = [1, 1.0, "1", 0, 0.0, 0.5]
    records = [{"text": f"{FRENCH[0]} {n}", "label": labels[n % 6]} for n in range(120)]
    probe = read_probe(written(tmp_path / "a.jsonl", records))
    assert {each.answer for part in probe.parts.values() for each in part} == {"1", "0", "0.5"}


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"good": "бер", "bad": "ике"}], "no examples: 1 bad item"),
        ([["бер"]], "a record is an object"),
        ([{"text": "бер"}], "its fields are text"),
        ([{"text": " ", "label": "a"}], "a text is empty"),
        ([{"text": 3, "label": "a"}], "holds int, not text"),
        ([{"text": "бер", "label": " "}], "the label is empty"),
        ([{"text": "бер", "label": math.nan}], "a finite number; found nan"),
        (
            [{"text": "бер", "label": 1, "a": "ике", "b": "өч"}],
            r"both a text with a label \(text, label\) and two texts with a score \(a, b, label\)",
        ),
        ([{"text1": "бер", "text2": "ике", "score": "күп"}], "is a number; found күп"),
        ([{"text1": "бер", "text2": "ике", "score": "nan"}], "is a number; found nan"),
        ([{"text": "бер", "label": "a", "split": "сынау"}], "found сынау"),
        ([*TOPICS, {"text1": "бер", "text2": "ике", "score": 1}], "two probes"),
        ([*TOPICS, {"text": "бер", "label": "a"}], "1 of its records have no split"),
        ([{**each, "label": "a"} for each in TOPICS], "one class only: all 2 train examples"),
        ([each for each in TOPICS if each["split"] != "train"], "4 examples none is for train"),
        (TOPICS[:2], "of its 2 examples none is for"),
        ([], "empty file"),
    ],
)
def test_what_is_no_probe_is_refused_in_words(records: list[Any], words: str, tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    with pytest.raises(SourceError, match=words):
        read_probe(path)


def test_records_that_are_none_are_told_with_their_places(tmp_path: Path) -> None:
    probe = read_probe(written(tmp_path / "a.jsonl", [*TOPICS, {"text": "бер", "күп": 1}, "бер"]))
    assert "2 bad item: a.jsonl, lines 7 and 8" in probe.warnings[0]
    with pytest.raises(SourceError, match="a probe is read from a file"):
        read_probe(written(tmp_path / "a.txt", TOPICS))


def test_texts_that_are_taken_out_may_leave_one_class(tmp_path: Path) -> None:
    probe = read_probe(written(tmp_path / "a.jsonl", TOPICS))
    with pytest.raises(SourceError, match="one class only: all 1 train examples"):
        probe.without([TATAR[0]], "a.jsonl")
    assert probe.without(["башка"], "a.jsonl").parts == probe.parts
