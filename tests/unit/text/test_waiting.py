"""Documents that wait for the facts of the whole corpus."""

from pathlib import Path

import numpy as np
import pytest
from made_dirt import fables, stubs

from endonym.text import waiting as module
from endonym.text.clean.corpus_rules import facts_of
from endonym.text.config import Clean
from endonym.text.document import Document
from endonym.text.waiting import Waited, Waiting

CLEAN = Clean(max_line_documents=4, max_same_skeleton=5, language="fr", min_language_score=0.6)


@pytest.mark.parametrize("chunk", [2_000, 10**9])
def test_documents_come_back_in_order_and_facts_are_those_of_all(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_CHARS", chunk)
    texts = [f"{text}\nDroits réservés." for text in fables("fr")] + stubs(12)
    waiting = Waiting(CLEAN, tmp_path / "waiting")
    given = [
        Waited(n % 2, f"{n}.txt", 10 + n, Document(text, f"{n}.txt#1", "s", {"id": str(n)}))
        for n, text in enumerate(texts)
    ]
    for each in given:
        waiting.write(each)
    facts, wanted = waiting.settle({}), facts_of(CLEAN, texts)
    assert np.array_equal(facts.lines, wanted.lines)
    assert len(facts.lines) == 1
    assert np.array_equal(facts.skeletons, wanted.skeletons)
    assert len(facts.skeletons) == 1
    found = list(waiting.read())
    assert [each[:3] for each in found] == [each[:3] for each in given]
    assert [each.document.text for each in found] == texts
    assert found[3].document.meta == {"id": "3"}
    waiting.remove()
    assert not (tmp_path / "waiting").exists()
