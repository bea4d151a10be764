"""Near copies that workers look for: what one process finds, the same."""

from pathlib import Path

import numpy as np
import pytest
from made_chunks import chunk
from text_samples import KHMER, TATAR, numbered

from endonym.copies.held_out.repeated import Index
from endonym.copies.held_out.split import NearCopySearch, nearly_repeated
from endonym.corpus import comparing
from endonym.corpus.comparing import Part, SearchByWorkers, texts_of
from endonym.corpus.work import Work
from endonym.corpus.written import Placed
from endonym.formats.config import BLOCK_BYTES, Source
from endonym.workers import Inline


def parts_of(folder: Path, chunks: list[list[str | None]]) -> list[Part]:
    made = [("a", chunk(folder, number, texts)) for number, texts in enumerate(chunks)]
    return Placed([(Source(name="a", path="."), [])], made, BLOCK_BYTES, folder).parts


@pytest.fixture
def parts(tmp_path: Path) -> list[Part]:
    """Chunks of sentences, some of which nearly repeat one another."""
    lines = [*numbered(200), *(f"{line} Шулай." for line in numbered(40, 50)), *KHMER]
    return parts_of(tmp_path, [[*lines[number::8], None] for number in range(8)])


def test_texts_are_those_of_chosen_documents(parts: list[Part]) -> None:
    every = np.ones(243, dtype=np.bool_)
    texts = list(texts_of(parts, every))
    assert len(texts) == 243
    chosen = np.zeros(243, dtype=np.bool_)
    chosen[[0, 5, 100, 242]] = True
    assert list(texts_of(parts, chosen)) == [texts[n] for n in (0, 5, 100, 242)]


def test_workers_find_the_same(parts: list[Part], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparing, "GROUP_CHUNKS", 3)
    candidates = np.arange(243) % 5 == 0
    ours = SearchByWorkers(parts, Work(tmp_path / "work", Inline()))
    found, index = nearly_repeated(candidates, ~candidates, ours)
    plain, known = nearly_repeated(candidates, ~candidates, NearCopySearch(ours.texts))
    assert found.tolist() == plain.tolist()
    assert 5 < found.sum() < candidates.sum()
    left = np.nonzero(~found[candidates])[0]
    assert index.contained.overlap(left) == known.contained.overlap(left) > 0
    mine, theirs = (each.similar.postings for each in (index, known))
    assert mine.hashes.tolist() == theirs.hashes.tolist(), "runs are chosen by how rare they are"
    made = sorted(path.name for path in (tmp_path / "work" / "compare").glob("*.json"))
    assert made == ["00000.json", "00001.json", "00002.json"]


def test_near_copies_of_near_copies_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparing, "GROUP_CHUNKS", 1)
    old, new = " ".join(numbered(2)).split(), " ".join(numbered(2, 700)).split()
    near, far = [*old[:-6], *new[:6]], [*new[10:16], *old[6:-6], *new[:6]]
    parts = parts_of(tmp_path, [[" ".join(words)] for words in (old, near, far)])
    candidates = np.array([False, True, True])
    index = Index.made([" ".join(near), " ".join(far)], map(" ".join, (old, near, far)))
    index.compare([" ".join(old)])
    assert index.contaminated.tolist() == [True, False]
    looking = SearchByWorkers(parts, Work(tmp_path / "work", Inline()))
    assert nearly_repeated(candidates, ~candidates, looking)[0].tolist() == [False, True, True]


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    index = Index.made(TATAR, TATAR * 2)
    index.save(tmp_path)
    copy = Index.load(tmp_path)
    copy.compare([f"Бүген {TATAR[2]}", KHMER[0]])
    index.compare([f"Бүген {TATAR[2]}", KHMER[0]])
    assert copy.contaminated.tolist() == index.contaminated.tolist()
    assert copy.contaminated.tolist() == [False, False, True, False, False, False]
