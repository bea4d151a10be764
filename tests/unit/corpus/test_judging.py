"""Rules that must know the whole corpus, counted and judged chunk by chunk."""

from pathlib import Path

import pytest
from made_chunks import chunk
from text_samples import TATAR

from endonym.corpus.corpus_stats import SourceStats
from endonym.corpus.judging import Waiting, facts_folder, judge_chunk
from endonym.corpus.work import Work
from endonym.formats.chunks import read_chunk
from endonym.formats.config import Clean
from endonym.workers import Inline

HEAD = "Татарстан китап нәшрияты, Казан шәһәре, барлык хокуклар да якланган"


@pytest.mark.parametrize("size", [1, 3, 9])
def test_a_line_of_many_documents_goes_however_they_are_divided(tmp_path: Path, size: int) -> None:
    texts: list[str | None] = [f"{HEAD}\n{TATAR[n % 6]} {n}." for n in range(8)]
    texts.append(None)
    parts = [texts[n : n + size] for n in range(0, 9, size)]
    chunks = [chunk(tmp_path, number, part) for number, part in enumerate(parts)]
    clean, work = Clean(max_line_documents=3), Work(tmp_path / "work", Inline())

    def waiting(step: str, facts: Path | None) -> list[Waiting]:
        folder = work.place(step)
        return [
            Waiting(path, "тел", clean, 7, facts, folder, f"{number:05d}")
            for number, path in enumerate(chunks)
        ]

    sizes = [0] * len(chunks)
    facts = facts_folder(waiting, sizes, {}, clean=clean, work=work)
    made = work.step("judge", judge_chunk, waiting("judge", facts), sizes)
    rows = [
        row
        for each in made
        for row in read_chunk(work.place("judge") / each["files"][0]["name"]).to_pylist()
    ]
    assert [row["text"] for row in rows[:-1]] == [f"{TATAR[n % 6]} {n}." for n in range(8)]
    assert rows[-1]["reason"] == "min_chars"
    stats = SourceStats("тел")
    for each in made:
        stats.add(each["counts"])
    assert stats.tally.rules["max_line_documents"].documents == 8
    assert stats.dropped == {}
    assert sum(each["documents"] for each in made) == 8
