"""The compressor line: what each document adds to the compressed training text."""

import io
import json
import struct
from pathlib import Path

import pyppmd
import pytest
from toys import toy_texts

from endonym.errors import EndonymError
from endonym.evaluate import compressor
from endonym.evaluate.compressor import (
    compressed_bytes,
    read_request,
    whole_sizes,
)

TRAIN = "\n\n".join(toy_texts()[:50]).encode("utf-8")
DOCUMENTS = [text.encode("utf-8") for text in [*toy_texts()[50:54], toy_texts()[3], "ә"]]


def compressed(data: bytes) -> int:
    """C(x), by the library alone."""
    encoder = pyppmd.Ppmd8Encoder(16, 1 << 30)
    return len(encoder.encode(data)) + len(encoder.flush())


def added(documents: list[bytes]) -> list[int]:
    """C(train + separator + document) - C(train)."""
    return [compressed(TRAIN + b"\n\n" + each) - compressed(TRAIN) for each in documents]


def test_each_document_costs_what_it_adds_to_the_training_text() -> None:
    found = compressed_bytes(TRAIN, DOCUMENTS)
    assert found == added(DOCUMENTS)
    assert whole_sizes(TRAIN, DOCUMENTS) == found
    # A sentence that stands in the training text costs almost nothing, a new one a lot.
    assert found[4] < 10 < found[0]


def test_documents_do_not_learn_from_one_another() -> None:
    again = compressed_bytes(TRAIN, [DOCUMENTS[0], DOCUMENTS[0], DOCUMENTS[1]])
    assert again[0] == again[1]
    assert again == added([DOCUMENTS[0], DOCUMENTS[0], DOCUMENTS[1]])


def test_where_there_is_no_fork_the_figures_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.fork")
    output = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(request(TRAIN, DOCUMENTS))))
    monkeypatch.setattr("sys.stdout", output)
    compressor.main()
    assert json.loads(output.getvalue()) == compressed_bytes(TRAIN, DOCUMENTS)


def request(train: bytes, documents: list[bytes]) -> bytes:
    header = {"train": len(train), "documents": [len(document) for document in documents]}
    line = json.dumps(header).encode("utf-8")
    return struct.pack("<Q", len(line)) + line + train + b"".join(documents)


def test_a_request_is_read_as_it_was_sent() -> None:
    documents = ["ә".encode(), b"", b"\n\n\x00"]
    assert read_request(io.BytesIO(request(b"", documents))) == (b"", documents)


def test_without_fork_only_twenty_documents_are_asked() -> None:
    assert len(whole_sizes(b"ab", [b"a"] * 25)) == 20


def test_nothing_to_compress_is_no_sizes() -> None:
    assert compressed_bytes(TRAIN, []) == []


def test_a_compressor_that_dies_says_how_to_go_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(EndonymError, match="the compressor ended with 1") as caught:
        compressed_bytes(TRAIN, DOCUMENTS)
    assert "baselines = false" in caught.value.do


def test_nothing_in_the_current_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "struct", "pyppmd"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hostile')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert compressed_bytes("Кояш чыкты. ".encode() * 9, [b"x"])[0] > 0
