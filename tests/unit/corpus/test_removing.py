"""The second pass: copies and evaluation texts go, the rest is placed in the corpus."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_chunks import rows_of
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies import contamination
from endonym.copies.notes import COPIES, staying_texts
from endonym.corpus.chunk_steps import Cleaned
from endonym.corpus.corpus import dropped_records
from endonym.corpus.making import Chunk, Making
from endonym.corpus.removing import EvaluationFile
from endonym.corpus.work import Work
from endonym.corpus.written import Placed
from endonym.formats.chunks import read_chunk
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import REMOVED
from endonym.formats.faults import FAULT
from endonym.workers import Inline

LONG, OTHER, THIRD = " ".join(TATAR), " ".join(FRENCH), " ".join(ROMANIAN)
BOOK = " ".join(TATAR * 8)
ALL = Clean(dedup=("exact", "near", "paragraphs"))


class Removed:
    """What became of documents, given as texts by source and raw file: each file is a chunk."""

    def __init__(
        self,
        folder: Path,
        sources: list[list[list[str]]],
        clean: Clean = ALL,
        evaluation: list[EvaluationFile] | None = None,
    ) -> None:
        self.folder, file = folder, -1
        names = [(Source(name=f"s{n}", path="."), files) for n, files in enumerate(sources)]
        work = Work(folder / "work", Inline())
        work.folder.mkdir(parents=True)
        given: Any = {"work": work, "out": folder, "evaluation": evaluation or []}
        making, chunks = Making(names, clean, Split(seed=7), **given), list[Chunk]()
        for number, (source, files) in enumerate(names):
            for place, texts in enumerate(files):
                file += 1
                rows = rows_of(folder / "work", str(file), source.name)
                for n, text in enumerate(texts):
                    making.stats[source.name].read.update(records=1, bytes=len(text.encode()))
                    each = Document(text, f"{file}.txt#{n + 1}", f"s{number}")
                    rows.add(each, "{}", place, len(text.encode()))
                if texts:
                    rows.write()
                    path = folder / "work" / f"{file}.arrow"
                    chunks.append(Chunk(source.name, path, len(texts), 0))
        found = making.without_copies(chunks)
        making.write_dropped(found)
        kept = [(each.source, each.path) for each in found]
        placed = Placed(names, kept, 2_000, work.place("place"))
        self.stats, self.said = list(making.stats.values()), making.card_notes
        self.keys, self.documents = placed.keys, list[dict[str, Any]]()
        for part in placed.parts:
            table = read_chunk(part.chunk).to_pylist()
            for row, _, block, position in np.load(part.numbers).tolist():
                place = {"block": block, "position": position}
                self.documents.append({"text": table[row]["text"], **place})
        self.files = sorted(path.name for path in folder.iterdir() if path.name != "work")

    def texts(self) -> list[str]:
        return [each["text"] for each in self.documents]

    def rejects(self, reason: str) -> list[Reject]:
        return list(dropped_records(self.folder, reason))


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_without_rules_all_documents_come_through_in_their_places(tmp_path: Path) -> None:
    removed = Removed(tmp_path, [[TATAR[:2], []], [[TATAR[0]], KHMER]], Clean())
    assert removed.texts() == [*TATAR[:2], TATAR[0], *KHMER]
    assert [each["position"] for each in removed.documents] == [1, 2, 5, 7, 8, 9]
    blocks = [each["block"] for each in removed.documents]
    assert blocks == sorted(blocks)
    assert len({blocks[1], blocks[2], blocks[3]}) == 3
    assert [len(keys) for keys in removed.keys] == [2, 4]
    assert removed.said == {}
    assert removed.files == []


def test_a_source_that_loses_everything_still_has_its_place(tmp_path: Path) -> None:
    removed = Removed(tmp_path, [[TATAR[:2]], [TATAR[:2]], [FRENCH]])
    assert [len(keys) for keys in removed.keys] == [2, 0, 3]


def test_copies_are_counted_where_they_stood_and_name_what_stays(tmp_path: Path) -> None:
    longer = f"{LONG} Шул гына инде."
    removed = Removed(tmp_path, [[[LONG, OTHER], [OTHER]], [[longer, THIRD, LONG.upper()]]])
    assert removed.texts() == [OTHER, longer, THIRD]
    (exact,), (first, second) = removed.rejects("exact"), removed.rejects("near")
    assert (exact.id, exact.stayed, exact.text) == ("1.txt#1", "s0/0.txt#2", OTHER)
    assert (first.id, first.stayed) == ("0.txt#1", "s1/2.txt#1")
    assert (second.id, second.raw_bytes) == ("2.txt#3", len(LONG.upper().encode()))
    assert first.detail.startswith("similarity 0.9")
    counts = [
        {reason: n["records"] for reason, n in each.dropped.items()} for each in removed.stats
    ]
    assert counts == [{"near": 1, "exact": 1}, {"near": 1}]
    assert removed.said["near"] == {"similarity": 0.8, "crowded": 0, "clusters": 1, "largest": 3}


def test_clusters_are_written_for_reading(tmp_path: Path) -> None:
    removed = Removed(tmp_path, [[[BOOK, OTHER, BOOK.upper(), OTHER.upper(), OTHER]]])
    first, second = lines(tmp_path / COPIES)
    assert first["stays"] == {"source": "s0", "id": "0.txt#1", "text": BOOK[:2_000]}
    (copy,) = first["goes"]
    assert copy["text"] == BOOK[:2_000].upper()
    assert (copy["id"], copy["similarity"], first["copies"]) == ("0.txt#3", 1.0, 1)
    assert second["stays"]["text"] == OTHER
    stays = {each.stayed for each in removed.rejects("near")}
    assert staying_texts(tmp_path, stays) == {"s0/0.txt#1": BOOK[:2_000], "s0/0.txt#2": OTHER}


def test_repeated_paragraphs_are_taken_out_and_can_be_read(tmp_path: Path) -> None:
    removed = Removed(tmp_path, [[[f"{BOOK}\n\n{OTHER}", f"{THIRD}\n\n{BOOK}", f"{OTHER}\n"]]])
    assert removed.texts() == [f"{BOOK}\n\n{OTHER}", THIRD]
    (gone,) = removed.rejects("paragraphs")
    assert (gone.id, gone.detail) == ("0.txt#3", "its paragraph stood before")
    (cut,) = dropped_records(tmp_path, kind=REMOVED)
    assert (cut.id, cut.reason, cut.text) == ("0.txt#2", "paragraphs", BOOK[:2_000])
    assert cut.raw_bytes == len(BOOK.encode())
    rule = removed.stats[0].tally.rules["paragraphs"]
    assert (rule.documents, rule.parts) == (2, 1)


def test_a_rest_that_stands_elsewhere_goes_too(tmp_path: Path) -> None:
    clean = Clean(dedup=("paragraphs",))
    removed = Removed(tmp_path, [[[LONG, *[f"{LONG}\n\nБарлык хокуклар сакланган."] * 3]]], clean)
    assert removed.texts() == [LONG, "Барлык хокуклар сакланган."]
    details = {each.detail for each in removed.rejects("paragraphs")}
    assert details == {"1 of its 2 paragraphs stood before; the rest stands elsewhere, too"}


def test_a_rest_below_min_chars_goes_too(tmp_path: Path) -> None:
    clean = Clean(dedup=("paragraphs",), min_chars=30)
    removed = Removed(tmp_path, [[[LONG, f"{OTHER}\n\n{LONG}", f"Кояш.\n\n{LONG}"]]], clean)
    assert removed.texts() == [LONG, OTHER]
    (gone,) = removed.rejects("paragraphs")
    assert gone.detail.endswith("the rest has 5 characters, below 30")
    clean = Clean(dedup=("paragraphs",), min_chars=5)
    removed = Removed(tmp_path / "5", [[[LONG, f"Кояш.\n\n{LONG}"]]], clean)
    assert removed.texts() == [LONG, "Кояш."]


def test_evaluation_texts_go_before_copies_are_looked_for(tmp_path: Path) -> None:
    texts = [LONG, f"{THIRD}\n\n{OTHER}", THIRD, FRENCH[0]]
    removed = Removed(tmp_path, [[texts]], evaluation=[("a.txt", [LONG, OTHER]), ("b.txt", [LONG])])
    assert removed.texts() == [THIRD, FRENCH[0]]
    assert {each.detail for each in removed.rejects("decontaminate")} == {
        "runs of its words or letters that stand in a.txt, b.txt"
    }
    counts, _ = removed.said["decontamination"]
    assert (counts["dropped_documents"], counts["cut_documents"]) == (1, 1)
    assert [each.id for each in removed.rejects("exact")] == ["0.txt#3"]


def test_what_all_chunks_say_of_an_evaluation_file_is_added_up(tmp_path: Path) -> None:
    """The runs that are left stand in the first chunk, what goes stands in all three."""
    asked = " ".join([*TATAR, *ROMANIAN])
    short = " ".join(asked.split()[:9])
    files = [[asked, short], [f"{' '.join(TATAR[:3])}\n\n{OTHER}"], [LONG, asked, FRENCH[1]]]
    removed = Removed(tmp_path / "three", [files], evaluation=[("unseen.txt", [asked])])
    one = [[text for texts in files for text in texts]]
    whole = Removed(tmp_path / "one", [one], evaluation=[("unseen.txt", [asked])])
    (counts,) = removed.said["decontamination"]
    assert (counts["dropped_documents"], counts["cut_documents"]) == (3, 1)
    assert counts["overlap"] > 0
    assert removed.said["decontamination"] == whole.said["decontamination"]


def test_other_evaluation_texts_in_the_same_place_are_other_texts(tmp_path: Path) -> None:
    for evaluation, left in ((LONG, [OTHER, THIRD]), (OTHER, [LONG, THIRD])):
        removed = Removed(tmp_path, [[[LONG, OTHER, THIRD]]], evaluation=[("a.txt", [evaluation])])
        assert removed.texts() == left
        shutil.rmtree(tmp_path)


def test_evaluation_texts_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen, found = list[str](), contamination.evaluation_runs
    monkeypatch.setattr(
        contamination, "evaluation_runs", lambda texts, n: (seen.append(n.file), found(texts, n))[1]
    )
    Removed(tmp_path, [[[LONG], [OTHER], [THIRD]]], evaluation=[("a.txt", [LONG]), ("b.txt", [])])
    assert seen == ["a.txt", "b.txt"]


def test_a_document_failing_after_a_cut_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add = Cleaned.add

    def failing(rows: Cleaned, found: Document | Reject, *given: Any) -> Document | Reject:
        if isinstance(found, Document) and found.text == OTHER:
            found = Reject(FAULT, found.id, found.source, "", found.text)
        return add(rows, found, *given)

    monkeypatch.setattr(Cleaned, "add", failing)
    clean = Clean(dedup=("paragraphs",))
    removed = Removed(tmp_path, [[[LONG, f"{OTHER}\n\n{LONG}", THIRD]]], clean)
    assert removed.texts() == [LONG, THIRD]
    (stats,) = removed.stats
    assert {reason: each["records"] for reason, each in stats.dropped.items()} == {FAULT: 1}
