"""Documents that wait until it is known which of them are copies."""

from pathlib import Path

from text_samples import KHMER, TATAR

from endonym.text.document import Document
from endonym.text.waiting import Waiting, WaitingDocument


def test_documents_come_back_as_they_were_in_their_order(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting")
    texts = [TATAR[0], "бер\nике \u2028 өч", KHMER[0]]
    written = [
        WaitingDocument(0, n, 40 + n, Document(text, f"a#{n}", "tt", {"encoding": "cp1251"}))
        for n, text in enumerate(texts)
    ]
    for each in written:
        waiting.write(each)
    assert waiting.count == 3
    assert list(waiting.read()) == list(waiting.read()) == written
    assert list(waiting.texts()) == texts
    assert list(waiting.texts([True, False, True])) == [texts[0], texts[2]]
    waiting.remove()
    assert not (tmp_path / "waiting").exists()
